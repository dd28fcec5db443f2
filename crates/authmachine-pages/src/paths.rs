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
/// What the person may do, lends and was lent. GET.
pub const PERMISSIONS: &str = "/account/permissions";
/// Lends a right. GET with `object` and `permission`; POST with `csrf`, these two, `to`, `until`, `hops`.
pub const LEND: &str = "/account/permissions/lend";
/// Takes back what the person lends, or gives back what was lent. POST, with `csrf` and `lending`.
pub const END_LENDING: &str = "/account/permissions/end";
