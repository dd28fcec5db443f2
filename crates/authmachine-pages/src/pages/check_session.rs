//! The OP iframe (OIDC Session Management §3.2, §3.3).

/// A page without words that apps keep in a frame: asked by a message, it says whether the session that they know of is still the one
/// in this browser.
///
/// The message is `client_id session_state`, the answer `unchanged`, `changed` or, where the message is none or the browser lacks
/// `crypto.subtle`, `error`. Data that is no text has no answer. A `session_state` is
/// `base64url(SHA-256(client_id SP origin SP browser_state SP salt)) "." salt`: the hash without padding, all of it in UTF-8, `salt` of
/// `[A-Za-z0-9_-]+`; `origin` is that of the redirect URI as browsers write it (`https://app.example:8443`), `browser_state` the
/// cookie's value, empty if there is no such cookie.
///
/// The policy of the answer must let apps frame it (`frame-ancestors`, checklist HD1), and the cookie must be readable in a
/// frame: not `HttpOnly`, and on https `SameSite=None; Secure`.
pub struct CheckSession {
    /// The cookie that holds `browser_state`.
    pub cookie_name: String,
}

page!(CheckSession, "check_session.html");
