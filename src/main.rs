use std::process::ExitCode;

fn main() -> ExitCode {
    standpoint::cli::main()
}
