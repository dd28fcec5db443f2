//! What went wrong and what to do now, without a word of what was sent.

use crate::text::Text;

/// An error page. Nothing on it comes from the request but the request's id, which is ours.
pub struct ErrorPage {
    /// What went wrong.
    pub kind: ErrorKind,
}

/// What can go wrong on the way to a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request makes no sense.
    BadRequest,
    /// No client has this `client_id`.
    UnknownClient,
    /// The `redirect_uri` is not registered for the client.
    BadRedirectUri,
    /// The login or question is too old, already answered, or another browser's.
    InteractionExpired,
    /// No such page.
    NotFound,
    /// A page that is not asked for in this way.
    MethodNotAllowed,
    /// Not this person, not from there, or without the right `csrf`.
    Forbidden,
    /// Too big.
    PayloadTooLarge,
    /// The database or another part is away for the moment.
    Unavailable,
    /// Our bug.
    Internal,
}

page!(ErrorPage, "error.html");

impl ErrorKind {
    /// Every kind, for tests and previews.
    pub const ALL: [ErrorKind; 10] = [
        Self::BadRequest,
        Self::UnknownClient,
        Self::BadRedirectUri,
        Self::InteractionExpired,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Forbidden,
        Self::PayloadTooLarge,
        Self::Unavailable,
        Self::Internal,
    ];

    fn key(self) -> &'static str {
        match self {
            Self::BadRequest => "bad-request",
            Self::UnknownClient => "unknown-client",
            Self::BadRedirectUri => "bad-redirect-uri",
            Self::InteractionExpired => "interaction-expired",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::Forbidden => "forbidden",
            Self::PayloadTooLarge => "payload-too-large",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }

    fn title(self, t: &Text) -> String {
        t.text(&format!("error-{}-title", self.key()))
    }

    /// What happened.
    fn cause(self, t: &Text) -> String {
        t.text(&format!("error-{}-cause", self.key()))
    }

    /// What the person can do.
    fn advice(self, t: &Text) -> String {
        t.text(&format!("error-{}-advice", self.key()))
    }
}
