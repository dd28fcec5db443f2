//! Chance that can be had again: the seed is printed.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// SplitMix64 (Steele, Lea, Flood 2014): good enough to choose by, and five lines.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The seed in `AUTHMACHINE_TEST_SEED`, else a fresh one.
    pub fn seed() -> u64 {
        match std::env::var("AUTHMACHINE_TEST_SEED") {
            Ok(text) => text.parse().expect("AUTHMACHINE_TEST_SEED is a number"),
            Err(_) => RandomState::new().build_hasher().finish(),
        }
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.number() % u64::try_from(end).expect("64 bits")).expect("below `end`")
    }

    /// One of them, if there is one.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        if of.is_empty() { None } else { of.get(self.below(of.len())) }
    }
}
