//! People.

use authmachine_protocol::Timestamp;
use serde_json::{Map, Value};

use crate::ids::UserId;

/// Whether a user may do anything at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserStatus {
    /// May sign in.
    Active,
    /// Locked by an operator: no sign-in, no token works.
    Locked,
}

impl UserStatus {
    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Locked => "locked",
        }
    }

    /// Reads the stored word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Active, Self::Locked].into_iter().find(|status| status.as_str() == word)
    }
}

/// A person who may sign in. The password's hash is kept apart and never loaded with it.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    /// The row.
    pub id: UserId,
    /// `sub`, and the SCIM `id`: random, never used again.
    pub sub: String,
    /// The name to sign in with, as it was typed; unique in its folded form.
    pub username: String,
    /// The mail address; unique in its folded form.
    pub email: Option<String>,
    /// Whether the address was verified.
    pub email_verified: bool,
    /// Active or locked.
    pub status: UserStatus,
    /// Standard claims (OIDC Core §5.1) and the installation's own, by name.
    pub claims: Map<String, Value>,
    /// Grows when everything that was issued for the user must end: password change, lock, «sign out everywhere».
    pub epoch: i64,
    /// When the user was made.
    pub created_at: Timestamp,
    /// When the user was last changed: `updated_at` (OIDC Core §5.1).
    pub updated_at: Timestamp,
}

impl User {
    /// Whether the user may sign in and use what was issued.
    pub fn may_sign_in(&self) -> bool {
        self.status == UserStatus::Active
    }
}

/// Why a user's name or address is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Empty.
    #[error("it is empty")]
    Empty,
    /// Over 128 characters (254 for an address).
    #[error("it is too long")]
    TooLong,
    /// A control, white space or invisible character.
    #[error("it has a space, a control or an invisible character")]
    Character,
    /// A user name with `@` that is not the user's own address.
    #[error("a name with @ must be the user's own e-mail address")]
    ForeignAddress,
    /// Not `local@domain`.
    #[error("it is not an e-mail address")]
    NotAnAddress,
}

/// The form in which user names and addresses are compared: Unicode NFKC, lower case.
pub fn fold(name: &str) -> String {
    use unicode_normalization::UnicodeNormalization as _;
    name.nfkc().flat_map(char::to_lowercase).nfkc().collect()
}

/// Checks a new user name.
///
/// # Errors
/// [`NameError`].
pub fn check_username(username: &str, email: Option<&str>) -> Result<(), NameError> {
    check_text(username, 128)?;
    if username.contains('@') && email.map(fold) != Some(fold(username)) {
        return Err(NameError::ForeignAddress);
    }
    Ok(())
}

/// Checks a mail address: one `@` with something on both sides, no spaces; whether it exists only mail can tell.
///
/// # Errors
/// [`NameError`].
pub fn check_email(email: &str) -> Result<(), NameError> {
    check_text(email, 254)?;
    match email.split_once('@') {
        Some((local, domain)) if !local.is_empty() && !domain.is_empty() && !domain.contains('@') => Ok(()),
        _ => Err(NameError::NotAnAddress),
    }
}

fn check_text(text: &str, most: usize) -> Result<(), NameError> {
    if text.is_empty() {
        Err(NameError::Empty)
    } else if text.chars().count() > most {
        Err(NameError::TooLong)
    } else if text.chars().any(|c| c.is_control() || c.is_whitespace() || is_invisible(c)) {
        Err(NameError::Character)
    } else {
        Ok(())
    }
}

/// Whether `c` is a default-ignorable or direction character, which make two names look alike.
pub(crate) const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}'
        | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fold_to_one_form() {
        assert_eq!(fold("Alice"), fold("ALICE"));
        assert_eq!(fold("ﬁn"), "fin");
        assert_eq!(fold("A\u{30A}"), fold("å"));
    }

    #[test]
    fn names_that_deceive_are_refused() {
        assert_eq!(check_username("alice", None), Ok(()));
        assert_eq!(check_username("Ålice-Ö", None), Ok(()));
        assert_eq!(check_username("a@b.example", Some("A@b.example")), Ok(()));
        for (bad, why) in [
            ("", NameError::Empty),
            ("a b", NameError::Character),
            ("a\u{200B}", NameError::Character),
            ("a\u{202E}b", NameError::Character),
            ("a\nb", NameError::Character),
            ("a@b.example", NameError::ForeignAddress),
        ] {
            assert_eq!(check_username(bad, Some("c@b.example")), Err(why), "{bad:?}");
        }
        assert_eq!(check_username(&"a".repeat(129), None), Err(NameError::TooLong));
        for bad in ["a", "@b", "a@", "a@b@c"] {
            assert_eq!(check_email(bad), Err(NameError::NotAnAddress), "{bad}");
        }
    }
}
