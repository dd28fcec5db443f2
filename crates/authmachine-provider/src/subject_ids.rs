//! What a program means by the id of a user when it asks about permissions.

/// How `subject.id` of a user is read and written (AuthZEN 1.0 §5.1). A setting of whoever asks, never guessed: a text that is one
/// user's name may be another's address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SubjectIds {
    /// The user's own `sub`, which is the `id` of the permission call and of a first-party client's userinfo.
    #[default]
    Sub,
    /// The name that the user signs in with.
    Username,
    /// The mail address.
    Email,
}

impl SubjectIds {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sub, Self::Username, Self::Email];

    /// The word in commands and storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sub => "sub",
            Self::Username => "username",
            Self::Email => "email",
        }
    }

    /// Reads the word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ids| ids.as_str() == word)
    }
}
