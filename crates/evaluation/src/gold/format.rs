//! The formats and their names.

use crate::error::UnknownFormat;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

macro_rules! formats {
    ($($(#[$doc:meta])* $variant:ident = $name:literal),* $(,)?) => {
        /// A format of labelled text.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum GoldFormat { $($(#[$doc])* #[serde(rename = $name)] $variant),* }

        impl GoldFormat {
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The format's name in evaluation sets and messages.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }

        impl FromStr for GoldFormat {
            type Err = UnknownFormat;

            fn from_str(name: &str) -> Result<Self, UnknownFormat> {
                match name {
                    $($name => Ok(Self::$variant),)*
                    _ => Err(UnknownFormat { found: name.to_owned(), known: &[$($name),*] }),
                }
            }
        }
    };
}

formats! {
    /// This project's own JSON Lines.
    #[default]
    Standpoint = "standpoint",
    /// A folder of brat files, or JSON Lines.
    PolNear = "polnear",
    /// JSON Lines.
    NewsDiscourse = "newsdiscourse",
    /// Tab-separated, or JSON Lines.
    CheckThat = "checkthat",
    /// Tab-separated.
    SemEval2016T6 = "semeval2016t6",
    /// CSV.
    Vast = "vast",
    /// A folder of JSON files, or JSON Lines.
    Perspectrum = "perspectrum",
    /// CSV.
    ClaimBuster = "claimbuster",
    /// Two CSV files: stances, and bodies as their companion.
    Fnc1 = "fnc1",
    /// A JSON export.
    LabelStudio = "labelstudio",
    /// A JSON Lines export.
    Doccano = "doccano",
    /// A JSON Lines export.
    Prodigy = "prodigy",
    /// A folder of texts and standoff annotations.
    Brat = "brat",
}

impl fmt::Display for GoldFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
