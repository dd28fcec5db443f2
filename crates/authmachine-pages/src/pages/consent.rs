//! What a client asks to know, and the person's yes or no.

use crate::{
    pages::client::ClientView,
    text::{Rich, Text},
};

/// The consent page. Posts `csrf` and `decision`: `yes`, `no`, or `switch` for another account.
pub struct Consent {
    /// Where the form goes: a path on this site.
    pub action: String,
    /// Binds the form to the browser that was shown it.
    pub csrf: String,
    /// Who asks.
    pub client: ClientView,
    /// Whether it made its own entry here (OIDC Dynamic Client Registration §3), so that nobody has checked what it says of itself.
    pub is_self_registered: bool,
    /// Who is asked.
    pub username: String,
    /// All that is asked for. Scopes of the standard are put in plain words (OIDC Core §5.4, §11), others named.
    pub scopes: Vec<String>,
    /// Codes of the objects on which the client wants to see the person's permissions.
    pub permission_objects: Vec<String>,
    /// Where the browser goes afterwards: host of the redirect URI.
    pub redirect_host: String,
}

page!(Consent, "consent.html");

fn in_plain_words(scope: &str, t: &Text) -> Rich {
    let key = match scope {
        "openid" => "scope-openid",
        "profile" => "scope-profile",
        "email" => "scope-email",
        "address" => "scope-address",
        "phone" => "scope-phone",
        "offline_access" => "scope-offline-access",
        other => return t.rich("scope-other", &[("scope", other)]),
    };
    t.rich(key, &[])
}
