//! Telling clients through the browser that its session has ended: a page with a frame for each of them (OpenID Connect Front-Channel
//! Logout 1.0).

use std::collections::BTreeSet;

use authmachine_pages::{Lang, LogoutFrames};
use authmachine_protocol::form::append_query;
use authmachine_protocol::redirect_uri;
use authmachine_provider::client::Client;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};

use crate::app::App;
use crate::browser;
use crate::middleware::CSP;

/// The most frames on a page, so that its policy fits into a header. Nobody signs in to so many apps in one session.
const MAX_FRAMES: usize = 50;

/// What the browser is to load when the session `sid` has ended in which `clients` took part: their registered
/// `frontchannel_logout_uri`s, with `iss` and the `sid` that the client knows (Front-Channel Logout §2). A policy must be able to name
/// their origins (checklist LO6): an IPv6 address, which on loopback may be registered, has none.
pub fn frames(app: &App, clients: &[Client], sid: &str) -> Vec<String> {
    let frame = |client: &Client| {
        let uri = client.metadata.frontchannel_logout_uri.as_deref()?;
        redirect_uri::policy_source(uri)?;
        let sid = app.secrets.sid(client.pairwise_sector(), sid);
        Some(append_query(uri, [("iss", app.settings.issuer.as_str()), ("sid", &sid)]))
    };
    clients.iter().filter(|client| !client.disabled).filter_map(frame).take(MAX_FRAMES).collect()
}

/// The page with these frames. It goes on to `continue_to`, the app `client_name`, or stays and says that the person is signed out.
pub fn page(
    app: &App,
    lang: Lang,
    frames: Vec<String>,
    continue_to: Option<String>,
    client_name: Option<String>,
) -> Response {
    let origins: BTreeSet<String> =
        frames.iter().filter_map(|uri| redirect_uri::policy_source(uri)).collect();
    let policy = format!("{CSP}; frame-src {}", origins.into_iter().collect::<Vec<_>>().join(" "));
    let policy = HeaderValue::try_from(policy).expect("origins that a policy can name are plain ASCII");
    let page = LogoutFrames { frames, continue_to, client_name };
    let html = page.render(&browser::chrome(app, lang));
    ([(header::CONTENT_SECURITY_POLICY, policy)], browser::html(html)).into_response()
}
