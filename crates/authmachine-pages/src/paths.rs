//! The paths of our own that pages link and post to, below the site's base path.
//!
//! Pages of an interaction (login, consent, …) post to the `action` their handler gives them instead.

/// The person's own page, or the welcome page. GET.
pub const ROOT: &str = "/";
/// The login that no client asked for. GET.
pub const LOGIN: &str = "/login";
/// Ends the session of this browser. POST, with `csrf`.
pub const LOGOUT: &str = "/logout";
/// The change of password. GET, and POST with `csrf`, `current_password`, `new_password`.
pub const PASSWORD: &str = "/account/password";
/// Ends one of the person's sessions. POST, with `csrf` and `session`.
pub const END_SESSION: &str = "/account/sessions/end";
/// Ends all of the person's sessions but this one. POST, with `csrf`.
pub const END_OTHER_SESSIONS: &str = "/account/sessions/end-others";
