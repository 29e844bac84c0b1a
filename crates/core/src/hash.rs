//! Fingerprints of data and models: SHA-256, as everybody writes it.

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::io::{self, Read};

/// The SHA-256 of the concatenation of `parts`, in hexadecimal.
pub fn sha256<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut digest = Digest::default();
    parts.into_iter().for_each(|part| digest.update(part));
    digest.finish()
}

/// The SHA-256 of a value in canonical form: JSON without white space, with the keys of every object in alphabetical
/// order. It depends on names and values alone, not on the order of fields in a file or a Rust struct.
pub fn sha256_of_json(mut value: Value) -> String {
    value.sort_all_objects();
    sha256([value.to_string().as_bytes()])
}

/// The SHA-256 of bytes that come piece by piece.
#[derive(Clone, Default)]
pub struct Digest(Sha256);

impl Digest {
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// In hexadecimal.
    pub fn finish(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A reader that hashes all that is read through it, so that a large file is read once.
pub struct Hashing<'d, R> {
    inner: R,
    digest: &'d mut Digest,
}

impl<'d, R: Read> Hashing<'d, R> {
    pub fn new(inner: R, digest: &'d mut Digest) -> Self {
        Self { inner, digest }
    }
}

impl<R: Read> Read for Hashing<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.digest.update(&buffer[..read]);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_keys_does_not_change_the_hash_of_json() {
        let hash = |text: &str| sha256_of_json(serde_json::from_str(text).unwrap());
        let expected = sha256([br#"{"a":[{"c":1.5,"d":null}],"b":"x"}"#.as_slice()]);
        assert_eq!(hash(r#"{"b": "x", "a": [{"d": null, "c": 1.5}]}"#), expected);
        assert_ne!(hash(r#"{"b": "x", "a": [{"d": null, "c": 1.6}]}"#), expected);
    }

    #[test]
    fn it_is_the_hash_of_the_standard() {
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256([b"abc".as_slice()]), expected);
        assert_eq!(sha256([b"a".as_slice(), b"bc"]), expected);
        let mut digest = Digest::default();
        assert_eq!(io::copy(&mut Hashing::new(&b"abc"[..], &mut digest), &mut io::sink()).unwrap(), 3);
        assert_eq!(digest.finish(), expected);
    }
}
