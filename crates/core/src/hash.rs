//! Fingerprints of data, models and settings: SHA-256 in hexadecimal.

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::io::{self, Read};

/// The SHA-256 of the concatenation of `parts`, in hexadecimal.
pub fn sha256<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut digest = Digest::default();
    parts.into_iter().for_each(|part| digest.update(part));
    digest.finish()
}

/// The SHA-256 of a value's canonical JSON: keys sorted, no spaces. It depends on the names that serde gives to fields, not on
/// the order of a struct's fields or on its type's name. Whoever keeps such a hash puts a version number into the value, to
/// be raised when its meaning changes.
///
/// # Panics
/// If the value is not JSON: a map with keys that are not strings, say.
pub fn canonical_sha256(value: &impl Serialize) -> String {
    let mut value = serde_json::to_value(value).expect("the value can be written as JSON");
    value.sort_all_objects();
    sha256([value.to_string().as_bytes()])
}

/// The SHA-256 of bytes that come in several parts.
#[derive(Clone, Default)]
pub struct Digest(Sha256);

impl Digest {
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all bytes so far, in hexadecimal.
    pub fn finish(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A reader that hashes everything that is read through it, so that a large file need not be read twice.
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
    fn a_canonical_hash_depends_on_names_and_not_on_their_order() {
        #[derive(Serialize)]
        struct One {
            b: u32,
            a: Two,
        }
        #[derive(Serialize)]
        struct Two {
            d: f64,
            #[serde(rename = "c")]
            renamed: &'static str,
        }
        let hash = canonical_sha256(&One { b: 1, a: Two { d: 0.5, renamed: "x" } });
        assert_eq!(hash, sha256([br#"{"a":{"c":"x","d":0.5},"b":1}"#.as_slice()]));
        assert_eq!(hash, canonical_sha256(&serde_json::json!({ "a": { "c": "x", "d": 0.5 }, "b": 1 })));
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
