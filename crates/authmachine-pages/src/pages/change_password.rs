//! A new password for the old one.

use crate::text::{Rich, Text};

/// The change of password. Posts `csrf`, `current_password`, `new_password` to [`crate::paths::PASSWORD`].
pub struct ChangePassword {
    /// Binds the form to the browser that was shown it.
    pub csrf: String,
    /// Helps password managers to file the new one.
    pub username: String,
    /// Why the person sees the page again.
    pub error: Option<PasswordError>,
    /// The fewest characters a password may have.
    pub min_chars: usize,
}

/// Why a password was not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordError {
    /// The current password is another one.
    WrongCurrent,
    /// The new one is too short.
    TooShort {
        /// Characters it must have.
        min: usize,
    },
    /// The new one is too long; it is never cut.
    TooLong {
        /// Bytes it may have.
        max: usize,
    },
    /// The new one has the person's name or the service's in it.
    OwnWords,
    /// The new one is a repetition, or a simple row of characters.
    TooSimple,
    /// Too many tries.
    Throttled {
        /// When the next one counts.
        retry_after_s: u64,
    },
    /// No room to check a password just now.
    Busy,
    /// The form was too old, or not from here.
    Expired,
}

page!(ChangePassword, "change_password.html");

impl ChangePassword {
    fn is_current_refused(&self) -> bool {
        self.error == Some(PasswordError::WrongCurrent)
    }

    fn is_new_refused(&self) -> bool {
        use PasswordError::{OwnWords, TooLong, TooShort, TooSimple};
        matches!(self.error, Some(TooShort { .. } | TooLong { .. } | OwnWords | TooSimple))
    }
}

impl PasswordError {
    fn message(self, t: &Text) -> Rich {
        match self {
            Self::WrongCurrent => t.rich("password-error-current", &[]),
            Self::TooShort { min } => t.rich("password-error-short", &[("min", &min.to_string())]),
            Self::TooLong { max } => t.rich("password-error-long", &[("max", &max.to_string())]),
            Self::OwnWords => t.rich("password-error-own-words", &[]),
            Self::TooSimple => t.rich("password-error-simple", &[]),
            Self::Throttled { retry_after_s } => {
                t.rich("error-throttled", &[("wait", &t.wait(retry_after_s))])
            }
            Self::Busy => t.rich("error-busy", &[]),
            Self::Expired => t.rich("error-form-expired", &[]),
        }
    }
}
