//! `standpoint completions`: a script for a shell to complete our commands and flags.

use super::Arguments;
use crate::failure::{Failure, Result};
use clap::CommandFactory;
use clap_complete::Shell;
use std::io::{self, Write};
use std::process::ExitCode;

/// Print a completion script for a shell.
#[derive(Debug, clap::Args)]
pub(crate) struct Completions {
    /// The shell to complete in.
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "standpoint", &mut script);
        io::stdout().write_all(&script).map_err(Failure::Stdout)?;
        Ok(ExitCode::SUCCESS)
    }
}
