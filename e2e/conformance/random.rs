//! What nobody can guess, and how much of that a string may hold.

use std::collections::BTreeMap;

const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// This many random letters and digits.
pub(crate) fn letters(count: usize) -> String {
    let mut bytes = vec![0; count];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system has randomness");
    bytes.iter().map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])).collect()
}

/// A `state` as long as any client may want, with every kind of character that needs no encoding, and one that does.
pub(crate) fn long_state() -> String {
    format!("{}-._~{}+/=", letters(60), letters(60))
}

/// Shannon's estimate for the string as a whole, from how often each character is in it.
pub(crate) fn entropy_bits(text: &str) -> f64 {
    let mut counts = BTreeMap::new();
    for character in text.chars() {
        *counts.entry(character).or_insert(0_u32) += 1;
    }
    let length = f64::from(counts.values().sum::<u32>());
    counts.values().map(|count| f64::from(*count) * (length / f64::from(*count)).log2()).sum()
}
