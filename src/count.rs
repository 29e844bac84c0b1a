//! Counts given as flags. Clap's own message for 0 speaks of Rust's types.

use std::num::NonZeroUsize;

/// The most threads that make sense on any machine; each costs memory, and waiting for the others.
const MOST_THREADS: usize = 1024;

/// A whole number from 1.
pub(crate) fn count(text: &str) -> Result<NonZeroUsize, String> {
    let number = text.trim();
    if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) {
        return match number.parse::<usize>() {
            Ok(number) => NonZeroUsize::new(number).ok_or_else(|| "must be 1 or more".to_owned()),
            Err(_) => Err("is too large".to_owned()),
        };
    }
    Err("must be a whole number from 1, such as 4".to_owned())
}

/// A number of threads.
pub(crate) fn threads(text: &str) -> Result<NonZeroUsize, String> {
    let threads = count(text)?;
    match threads.get() <= MOST_THREADS {
        true => Ok(threads),
        false => Err(format!("must be {MOST_THREADS} or less: more threads than cores make it slower")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_count_is_said_in_plain_words() {
        assert_eq!(count("3").unwrap().get(), 3);
        for text in ["0", "00"] {
            assert_eq!(count(text).unwrap_err(), "must be 1 or more");
        }
        for text in ["", "-1", "+1", "1.5", "many", "0x10"] {
            assert!(count(text).unwrap_err().starts_with("must be a whole number"), "{text}");
        }
        assert_eq!(count("99999999999999999999").unwrap_err(), "is too large");
        assert_eq!(threads("1024").unwrap().get(), 1024);
        assert!(threads("5000").unwrap_err().starts_with("must be 1024 or less"));
    }
}
