//! What login, consent and choice of account show of the app that asks.

use crate::address;

/// An app as it describes itself (OIDC Dynamic Client Registration §2). Others wrote it: it is shown, and vouched for by nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientView {
    /// `client_name`.
    pub name: String,
    /// Where the server keeps its copy of the logo: a path on this site. Anything else is not shown.
    pub logo: Option<String>,
    /// `client_uri`, the app's home page. As those below, it is a link if it is https, or http on loopback; else it is not shown.
    pub client_uri: Option<String>,
    /// `policy_uri`: what the app does with data about people.
    pub policy_uri: Option<String>,
    /// `tos_uri`: on what terms it may be used.
    pub tos_uri: Option<String>,
}

impl ClientView {
    pub(crate) fn logo(&self) -> Option<&str> {
        self.logo.as_deref().and_then(address::own)
    }

    /// The app's own pages: what each is, as a message's key, and its address.
    pub(crate) fn links(&self) -> Vec<(&'static str, &str)> {
        [
            ("client-home", &self.client_uri),
            ("client-policy", &self.policy_uri),
            ("client-terms", &self.tos_uri),
        ]
        .into_iter()
        .filter_map(|(key, uri)| Some((key, uri.as_deref().and_then(address::web)?)))
        .collect()
    }
}
