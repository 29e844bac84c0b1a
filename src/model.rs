//! The flags that choose a model and an engine, shared by all subcommands that run a model.

use crate::failure::{Failure, Result};
use clap::ValueEnum;
use clap::builder::BoolishValueParser;
use standpoint::encoder::{Dtype, Engine, Isa};
use standpoint::model::ModelSource;
use std::process::Command;

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ModelArgs {
    /// A model folder, or the id of a model on the Hugging Face Hub (owner/name) [default: the bundled model]
    #[arg(long, env = "STANDPOINT_MODEL")]
    model: Option<String>,

    /// The branch, tag or commit of a model on the Hub
    #[arg(long)]
    revision: Option<String>,

    /// Never use the network: a model from the Hub must be in the local cache. HF_HUB_OFFLINE=1 means the same
    #[arg(long, env = "STANDPOINT_OFFLINE", value_parser = BoolishValueParser::new())]
    offline: bool,

    /// The number format of the encoder. int8 is fastest, f32 exact; reference is candle's encoder in f32
    #[arg(long, default_value = "int8", env = "STANDPOINT_DTYPE")]
    dtype: DtypeChoice,

    /// Force an instruction set [default: the best that the processor has]
    #[arg(long, env = "STANDPOINT_ISA", hide = true)]
    isa: Option<Isa>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DtypeChoice {
    Int8,
    Bf16,
    F32,
    Reference,
}

impl ModelArgs {
    pub(crate) fn source(&self) -> Result<ModelSource> {
        match (&self.model, &self.revision) {
            (Some(model), revision) => Ok(ModelSource::parse(model, revision.as_deref(), self.offline)?),
            (None, Some(_)) => Err(Failure::usage(
                "--revision goes with a hub id (--model owner/name), but the model is bundled",
            )),
            (None, None) => standpoint::bundled().ok_or_else(|| {
                Failure::usage(
                    "this binary was built without a model: give one with --model <folder or hub id>",
                )
            }),
        }
    }

    /// Whether a model was asked for by a flag, and not by the environment alone.
    pub(crate) fn is_on_command_line(&self) -> bool {
        let of_environment = std::env::var("STANDPOINT_MODEL").ok();
        self.revision.is_some() || self.model.is_some() && self.model != of_environment
    }

    pub(crate) fn engine(&self) -> Engine {
        let dtype = match self.dtype {
            DtypeChoice::Int8 => Dtype::Int8,
            DtypeChoice::Bf16 => Dtype::Bf16,
            DtypeChoice::F32 => Dtype::F32,
            DtypeChoice::Reference => return Engine::Reference,
        };
        Engine::Packed { dtype, isa: self.isa.unwrap_or_else(Isa::detect) }
    }

    /// Gives another process of this program the same flags.
    pub(crate) fn pass_on(&self, command: &mut Command) {
        for (flag, value) in [("--model", &self.model), ("--revision", &self.revision)] {
            command.args(value.iter().flat_map(|value| [flag, value]));
        }
        if self.offline {
            command.arg("--offline");
        }
        if let Some(dtype) = self.dtype.to_possible_value() {
            command.args(["--dtype", dtype.get_name()]);
        }
        command.args(self.isa.iter().flat_map(|isa| ["--isa", isa.name()]));
    }
}
