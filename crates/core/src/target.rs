//! Targets: what a stance is taken toward.

use crate::error::TargetError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A policy or proposition, stated as a noun phrase, toward which a stance is taken.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Target(Arc<str>);

impl TryFrom<String> for Target {
    type Error = TargetError;

    fn try_from(phrase: String) -> Result<Self, TargetError> {
        Self::new(&phrase)
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.as_str().to_owned()
    }
}

impl Target {
    /// The target that standpoint was made for.
    pub const DEFAULT: &str = "withdrawal of foreign troops";

    /// The longest target accepted, in bytes.
    pub const MAX_BYTES: usize = 200;

    /// # Errors
    /// If the phrase is empty, longer than [`Target::MAX_BYTES`], or of several lines.
    pub fn new(phrase: &str) -> Result<Self, TargetError> {
        let phrase = phrase.trim();
        if phrase.is_empty() {
            return Err(TargetError::Empty);
        }
        if phrase.len() > Self::MAX_BYTES {
            return Err(TargetError::TooLong { bytes: phrase.len(), limit: Self::MAX_BYTES });
        }
        if phrase.chars().any(char::is_control) {
            return Err(TargetError::ControlCharacter);
        }
        Ok(Self(phrase.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Target {
    fn default() -> Self {
        Self(Self::DEFAULT.into())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(phrase: &str) -> Result<Self, TargetError> {
        Self::new(phrase)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_one_line_of_text() {
        assert_eq!(Target::new("  a ban on mines ").unwrap().as_str(), "a ban on mines");
        assert!(Target::new(" ").is_err());
        assert!(Target::new("two\nlines").is_err());
        assert!(Target::new(&"x".repeat(Target::MAX_BYTES + 1)).is_err());
    }
}
