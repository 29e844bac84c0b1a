//! How random tests run: with a seed that can be given again, and without leaving a file behind. `tests/fast` and
//! `crates/kernels` include this file too.

use proptest::test_runner::{Config, RngSeed};
use std::hash::{BuildHasher, RandomState};

/// The settings of every `proptest!`. `PROPTEST_RNG_SEED` gives the seed, as in CI. Without it a seed is drawn and printed,
/// and cargo shows it if the test fails. `PROPTEST_CASES` gives the number of cases, which is otherwise 256.
#[expect(clippy::print_stdout, reason = "cargo shows it if the test fails")]
pub fn config() -> Config {
    let mut config = Config { failure_persistence: None, ..Config::default() };
    if config.rng_seed == RngSeed::Random {
        let seed = RandomState::new().hash_one("seed");
        config.rng_seed = RngSeed::Fixed(seed);
        println!("PROPTEST_RNG_SEED={seed} repeats this run");
    }
    config
}
