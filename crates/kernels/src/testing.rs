//! Which instruction sets the tests of this crate run on.

use crate::Isa;
use std::io::Write;
use std::sync::Once;

/// All instruction sets that this processor has, plain Rust last. Says on standard error, once, which are skipped.
pub fn instruction_sets() -> impl Iterator<Item = Isa> {
    static REPORT: Once = Once::new();
    REPORT.call_once(|| {
        let skipped: Vec<&str> =
            Isa::ALL.into_iter().filter(|isa| !isa.is_available()).map(Isa::name).collect();
        if !skipped.is_empty() {
            // Not by `eprintln!`, which the test harness captures.
            let _ =
                writeln!(std::io::stderr(), "skipped, for this processor lacks them: {}", skipped.join(", "));
        }
    });
    Isa::ALL.into_iter().filter(|isa| isa.is_available())
}

/// The instruction set with AMX tiles, if the processor has it.
pub fn with_amx() -> Option<Isa> {
    instruction_sets().find(|&isa| isa == Isa::Avx512Amx)
}
