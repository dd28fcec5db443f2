//! What a module is run with.

use std::fmt;

/// All response types: Basic, Implicit, Hybrid.
pub(crate) const ALL: &[&str] =
    &["code", "id_token", "id_token token", "code id_token", "code token", "code id_token token"];
/// Those that bring a code.
pub(crate) const WITH_CODE: &[&str] = &["code", "code id_token", "code token", "code id_token token"];
/// Those that bring an access token, by whatever way.
pub(crate) const WITH_ACCESS_TOKEN: &[&str] =
    &["code", "id_token token", "code id_token", "code token", "code id_token token"];
/// Those whose ID token comes through the browser.
pub(crate) const WITH_FRONT_ID_TOKEN: &[&str] =
    &["id_token", "id_token token", "code id_token", "code id_token token"];
/// Those whose ID tokens come from the token endpoint alone.
pub(crate) const WITHOUT_FRONT_ID_TOKEN: &[&str] = &["code", "code token"];
/// The plain one.
pub(crate) const CODE: &[&str] = &["code"];

/// How the client came to be, and what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Variant {
    /// `response_type`.
    pub(crate) response_type: &'static str,
    /// `response_mode=form_post`; else none is asked for.
    pub(crate) form_post: bool,
    /// The client registers itself; else the operator made it.
    pub(crate) dynamic: bool,
}

impl Variant {
    fn has(self, word: &str) -> bool {
        self.response_type.split(' ').any(|has| has == word)
    }

    pub(crate) fn has_code(self) -> bool {
        self.has("code")
    }

    /// An ID token through the browser.
    pub(crate) fn has_id_token(self) -> bool {
        self.has("id_token")
    }

    /// An access token through the browser.
    pub(crate) fn has_token(self) -> bool {
        self.has("token")
    }

    /// Anything but a code through the browser: what registration calls `implicit`.
    pub(crate) fn has_front_tokens(self) -> bool {
        self.has_id_token() || self.has_token()
    }

    /// No access token at all: claims of scopes are in the ID token (OIDC Core §5.4).
    pub(crate) fn is_id_token_alone(self) -> bool {
        self.response_type == "id_token"
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = if self.form_post { ", form_post" } else { "" };
        let registration = if self.dynamic { "dynamic" } else { "static" };
        write!(f, "{}{mode}, {registration}", self.response_type)
    }
}
