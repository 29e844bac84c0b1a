//! The flags that say how input is read.

use super::segmentation::SegmentationArgs;
use crate::failure::Result;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use standpoint::input::{InputFormat, InputOptions};

#[derive(Debug, Args)]
pub(crate) struct InputArgs {
    /// How to read the input. auto goes by a file's extension, then by its content.
    #[arg(long, value_name = "FORMAT", default_value = "auto", env = "STANDPOINT_INPUT_FORMAT",
          value_parser = formats())]
    input_format: Choice,

    /// The field of a record that holds its text [default: text, or sentences]
    #[arg(long, value_name = "NAME")]
    text_field: Option<String>,

    /// The field of a record that holds its id [default: id]
    #[arg(long, value_name = "NAME")]
    id_field: Option<String>,

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

impl InputArgs {
    pub(crate) fn options(&self) -> Result<InputOptions> {
        Ok(InputOptions {
            format: self.input_format.0,
            text_field: self.text_field.clone(),
            id_field: self.id_field.clone(),
            segmentation: self.segmentation.options()?,
            ..InputOptions::default()
        })
    }
}
