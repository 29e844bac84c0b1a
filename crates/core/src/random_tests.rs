//! How this crate's random tests run: with a seed that can be given again, and without leaving a file behind.

use proptest::test_runner::{Config, RngSeed};
use std::hash::{BuildHasher, RandomState};

/// The settings of every `proptest!` of this crate. `PROPTEST_RNG_SEED` gives the seed, as CI does; without it a seed is
/// drawn and printed, and cargo shows it when the test fails. `PROPTEST_CASES` asks for other than 256 cases.
pub fn config() -> Config {
    let mut config = Config { failure_persistence: None, ..Config::default() };
    if config.rng_seed == RngSeed::Random {
        let seed = RandomState::new().hash_one("seed");
        config.rng_seed = RngSeed::Fixed(seed);
        println!("PROPTEST_RNG_SEED={seed} repeats this run");
    }
    config
}
