//! The way back to a client by a form (OAuth 2.0 Form Post Response Mode §2).

/// A page that posts itself as soon as its script runs; without scripts the person presses the button.
pub struct FormPost {
    /// The client's redirect URI. Anything but a web address becomes our own root.
    pub action: String,
    /// What the client is told, in order.
    pub params: Vec<(String, String)>,
    /// Where the browser goes: the origin of the redirect URI.
    pub client_host: String,
}

page!(FormPost, "form_post.html");
