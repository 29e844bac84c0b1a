//! The flags that say how input is read.

use super::segmentation::SegmentationArgs;
use crate::failure::Result;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use standpoint::input::encoding::{self, Encoding};
use standpoint::input::{InputFormat, InputOptions};

#[derive(Debug, Args)]
pub(crate) struct InputArgs {
    /// How to read the input. auto goes by a file's extension, then by its content.
    #[arg(long, value_name = "FORMAT", default_value = "auto", env = "STANDPOINT_INPUT_FORMAT",
          value_parser = formats())]
    input_format: Choice,

    /// The encoding of the input, as in windows-1252, latin1 or utf-16le [default: UTF-8, or as the bytes say]
    #[arg(long, value_name = "NAME", value_parser = encoding)]
    encoding: Option<&'static Encoding>,

    /// The field of a record that holds its text [default: text, or sentences]
    #[arg(long, value_name = "NAME")]
    text_field: Option<String>,

    /// The field of a record that holds its id [default: id]
    #[arg(long, value_name = "NAME")]
    id_field: Option<String>,

    /// The field of a record that holds its own target, or a list of them, in place of --target
    #[arg(long, value_name = "NAME")]
    target_field: Option<String>,

    #[command(flatten)]
    segmentation: SegmentationArgs,
}

/// A format, or whichever it is.
#[derive(Clone, Copy, Debug)]
struct Choice(Option<InputFormat>);

fn formats() -> impl TypedValueParser<Value = Choice> {
    let names = InputFormat::ALL.iter().map(|(_, name, _)| *name);
    PossibleValuesParser::new(["auto"].into_iter().chain(names))
        .map(|name| Choice(InputFormat::from_name(&name)))
}

fn encoding(name: &str) -> Result<&'static Encoding, String> {
    encoding::by_name(name).ok_or_else(|| {
        "no encoding has this name: give one as in utf-8, windows-1252, latin1, macintosh, windows-1251 or utf-16le"
            .to_owned()
    })
}

impl InputArgs {
    pub(crate) fn options(&self) -> Result<InputOptions> {
        Ok(InputOptions {
            format: self.input_format.0,
            encoding: self.encoding,
            text_field: self.text_field.clone(),
            id_field: self.id_field.clone(),
            target_field: self.target_field.clone(),
            segmentation: self.segmentation.options()?,
            transcript: self.segmentation.transcript(),
        })
    }
}
