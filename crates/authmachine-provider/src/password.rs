//! Rules for new passwords (NIST SP 800-63B-4 §3.1.1), and the one form in which they are hashed.

use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use crate::user::fold;

/// The fewest characters, where the password stands alone.
pub const MIN_CHARACTERS: usize = 15;
/// The most bytes; said before anything is hashed, never cut.
pub const MAX_BYTES: usize = 1_024;

/// Why a new password is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Under the minimum.
    #[error("a password has at least {MIN_CHARACTERS} characters; a few words in a row are easy to remember")]
    TooShort,
    /// Over [`MAX_BYTES`].
    #[error("a password has at most {MAX_BYTES} bytes")]
    TooLong,
    /// Little more than the user's own name or address, or the product's name.
    #[error("the password must not be built from your own name or address")]
    OwnWords,
    /// One character or a short piece over and over, or a run such as `abcdefgh`.
    #[error("the password is a repetition or a simple row of characters")]
    TooSimple,
}

/// The form in which a password is hashed and compared: Unicode NFC, nothing cut, nothing trimmed.
pub fn normalise(password: &str) -> Zeroizing<String> {
    Zeroizing::new(password.nfc().collect())
}

/// Checks a new password. `own_words` are the user's name, address and the product's name.
///
/// # Errors
/// [`PasswordError`]; each says why.
pub fn check_new(password: &str, min_characters: usize, own_words: &[&str]) -> Result<(), PasswordError> {
    if password.len() > MAX_BYTES {
        return Err(PasswordError::TooLong);
    }
    let password = normalise(password);
    if password.chars().count() < min_characters {
        return Err(PasswordError::TooShort);
    }
    let folded = Zeroizing::new(fold(&password));
    let mut words: Vec<String> = own_words
        .iter()
        .flat_map(|word| [fold(word), fold(word.split('@').next().unwrap_or_default())])
        .collect();
    words.retain(|word| word.chars().count() >= 3);
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let mut rest = folded.clone();
    for word in &words {
        rest = Zeroizing::new(rest.replace(word.as_str(), ""));
    }
    if *rest != *folded && rest.chars().count() < 8 {
        return Err(PasswordError::OwnWords);
    }
    let characters: Vec<char> = folded.chars().collect();
    let repeats = (1..=4).any(|period| {
        characters.iter().zip(&characters[period.min(characters.len())..]).all(|(a, b)| a == b)
    });
    let row = characters.windows(2).all(|pair| u32::from(pair[1]).abs_diff(u32::from(pair[0])) == 1);
    if repeats || row { Err(PasswordError::TooSimple) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pw1_length_counts_characters_and_nothing_is_cut() {
        let check = |password: &str| {
            check_new(password, MIN_CHARACTERS, &["alice", "alice@example.com", "AuthMachine"])
        };
        assert_eq!(check("wonderland-demo"), Ok(()));
        assert_eq!(check("wonderland-dem"), Err(PasswordError::TooShort));
        assert_eq!(check("ß😀 ü 漢字 пароль ok"), Ok(()));
        assert_eq!(check(&"correct horse battery staple ".repeat(10)), Ok(()));
        assert_eq!(check(&"x".repeat(MAX_BYTES + 1)), Err(PasswordError::TooLong));
        assert_eq!(*normalise("A\u{30A}"), "Å");
        assert_eq!(*normalise(" a "), " a ");
    }

    #[test]
    fn pw2_there_are_no_composition_rules_but_own_words_and_rows_do_not_do() {
        let check = |password: &str| check_new(password, 12, &["alice", "alice@example.com", "AuthMachine"]);
        assert_eq!(check("all lower case words"), Ok(()));
        assert_eq!(check("alicealicealice1"), Err(PasswordError::OwnWords));
        assert_eq!(check("Alice@Example.com"), Err(PasswordError::OwnWords));
        assert_eq!(check("authmachine-1234"), Err(PasswordError::OwnWords));
        assert_eq!(check("aaaaaaaaaaaaaaaa"), Err(PasswordError::TooSimple));
        assert_eq!(check("abcabcabcabcabcabc"), Err(PasswordError::TooSimple));
        assert_eq!(check("abcdefghijklmnop"), Err(PasswordError::TooSimple));
    }
}
