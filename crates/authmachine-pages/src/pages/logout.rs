//! Signing out: the question, and the end.

/// Asks whether a logout is meant (OIDC RP-Initiated Logout §2). Posts `csrf` and `decision`: `yes` or `no`.
pub struct LogoutConfirm {
    /// Where the form goes: a path on this site.
    pub action: String,
    /// Binds the form to the browser that was shown it.
    pub csrf: String,
    /// Who is signed in, if known.
    pub username: Option<String>,
    /// The client that asks for the logout, if it named itself.
    pub client_name: Option<String>,
}

/// Says that the person is signed out.
pub struct LoggedOut;

page!(LogoutConfirm, "logout_confirm.html");
page!(LoggedOut, "logged_out.html");
