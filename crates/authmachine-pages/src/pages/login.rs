//! Name and password.

use crate::{
    pages::client::ClientView,
    text::{self, Rich, Text},
};

/// The login page. Posts `csrf`, `username`, `password`; or `csrf` and `cancel`.
pub struct Login {
    /// Where the form goes: a path on this site.
    pub action: String,
    /// Binds the form to the browser that was shown it.
    pub csrf: String,
    /// The client that asked for the login, if one did.
    pub client: Option<ClientView>,
    /// Fills in the field: `login_hint`, or what was typed before.
    pub username: String,
    /// Whether the person is signed in, and what they want needs it to be recent.
    pub is_again: bool,
    /// Why the person sees the page again.
    pub error: Option<LoginError>,
    /// Whether there is a client to go back to without a login.
    pub may_cancel: bool,
}

/// Why a login did not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginError {
    /// One wording for every reason that concerns the account or the password.
    WrongCredentials,
    /// Too many tries.
    Throttled {
        /// When the next one counts.
        retry_after_s: u64,
    },
    /// No room to check a password just now.
    Busy,
    /// The form was too old, or not from here.
    Expired,
    /// The browser did not send the cookie that came with the form.
    CookiesMissing,
}

page!(Login, "login.html");

impl Login {
    /// The cursor starts where the person has to type.
    fn starts_at_password(&self) -> bool {
        !text::prefilled(&self.username).is_empty()
    }

    fn is_refused(&self) -> bool {
        self.error == Some(LoginError::WrongCredentials)
    }
}

impl LoginError {
    fn message(self, t: &Text) -> Rich {
        match self {
            Self::WrongCredentials => t.rich("login-error-credentials", &[]),
            Self::Throttled { retry_after_s } => {
                t.rich("error-throttled", &[("wait", &t.wait(retry_after_s))])
            }
            Self::Busy => t.rich("error-busy", &[]),
            Self::Expired => t.rich("login-error-expired", &[]),
            Self::CookiesMissing => t.rich("login-error-cookies", &[]),
        }
    }
}
