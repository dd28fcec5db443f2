//! Signing out: the question, the apps that are told, and the end.

use crate::address;

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

/// Tells apps through frames that the person is signed out (OIDC Front-Channel Logout §3), then goes on: when all frames have loaded,
/// or after five seconds. Without scripts the person presses the link. Where there is nothing to go on to it is the
/// [`LoggedOut`] page, with frames.
///
/// The policy of the answer must name the origins of the frames in `frame-src`, and those alone (checklist LO6). In their sandbox apps
/// run their scripts and reach their own cookies and storage, but open no windows and dialogs and lead the page nowhere.
pub struct LogoutFrames {
    /// Registered `frontchannel_logout_uri`s, with `iss` and `sid` where the app wants them. What is not https (or http on loopback)
    /// is left out.
    pub frames: Vec<String>,
    /// The validated `post_logout_redirect_uri`, with its `state`.
    pub continue_to: Option<String>,
    /// The app that the person goes on to, if it is known.
    pub client_name: Option<String>,
}

impl LogoutFrames {
    fn frames(&self) -> impl Iterator<Item = &str> {
        self.frames.iter().filter_map(|uri| address::web(uri))
    }
}

page!(LogoutConfirm, "logout_confirm.html");
page!(LoggedOut, "logged_out.html");
page!(LogoutFrames, "logout_frames.html");
