//! RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0), with the rule for first-party clients.

use crate::authorize::Hint;
use crate::browser_session::Session;
use crate::client::Client;

/// What a logout request says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogoutRequest {
    /// `post_logout_redirect_uri`.
    pub post_logout_redirect_uri: Option<String>,
    /// `state`, returned unmodified.
    pub state: Option<String>,
    /// `client_id`.
    pub client_id: Option<String>,
    /// `revoke_tokens=1`: every token of the session, for all clients.
    pub revoke_tokens: bool,
}

/// What is known when a logout request comes in.
pub struct Situation<'a> {
    /// Whether an `id_token_hint` was sent at all.
    pub hint_sent: bool,
    /// The hint, verified, and the client it was made for.
    pub hint: Option<(&'a Hint, &'a Client)>,
    /// The browser's session, whether it is live or over.
    pub session: Option<&'a Session>,
    /// Whether it is live.
    pub is_live: bool,
    /// The clients that took part in it.
    pub session_clients: &'a [Client],
    /// Some first-party client with this `post_logout_redirect_uri`.
    pub first_party_with_uri: Option<&'a Client>,
    /// Whether the browser really goes to the page: not a frame, picture or script (checklist LO3).
    pub is_navigation: bool,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// End the browser's session, with all its tokens when the request says so.
    pub end_session: bool,
    /// Where the browser goes.
    pub then: Then,
}

/// Where a logout ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// To the request's `post_logout_redirect_uri`, with its `state`: it was found to be registered.
    Redirect,
    /// To our logged-out page.
    LoggedOutPage,
    /// To a page that asks; a yes ends on our logged-out page, never in a redirect.
    Confirm,
}

/// Decides a logout request (checklist LO1, LO2, LO3).
pub fn decide(request: &LogoutRequest, situation: &Situation<'_>) -> Plan {
    let uri = request.post_logout_redirect_uri.as_deref();
    let then = |then| Plan { end_session: false, then };
    let ask = then(if situation.is_live { Then::Confirm } else { Then::LoggedOutPage });

    if situation.hint_sent {
        // A hint that does not verify, or not for the client that is named, proves nothing.
        let Some((hint, client)) = situation.hint else { return ask };
        let client_fits = request.client_id.as_deref().is_none_or(|named| named == client.client_id);
        let uri_fits = uri.is_none_or(|uri| client.has_post_logout_redirect_uri(uri));
        // It acts on its own session alone: that of another user or an older sign-in asks.
        let session_fits = !situation.is_live
            || situation.session.is_some_and(|session| hint.sid.as_deref() == Some(session.sid.as_str()));
        if !client_fits || !uri_fits || !session_fits || !situation.is_navigation {
            return ask;
        }
        let own_session =
            situation.session.is_some_and(|session| hint.sid.as_deref() == Some(session.sid.as_str()));
        let then = if uri.is_some() { Then::Redirect } else { Then::LoggedOutPage };
        return Plan { end_session: own_session, then };
    }

    let Some(uri) = uri else { return ask };
    let named = |client: &&Client| request.client_id.as_deref().is_none_or(|id| id == client.client_id);
    let trusted =
        |client: &&Client| client.first_party && !client.disabled && client.has_post_logout_redirect_uri(uri);
    if situation.session.is_some()
        && situation.session_clients.iter().filter(named).any(|client| trusted(&client))
    {
        return if situation.is_navigation { Plan { end_session: true, then: Then::Redirect } } else { ask };
    }
    // Nothing to end: an app that is still signed in must get its callback, or it stays so for ever.
    if !situation.is_live
        && situation.first_party_with_uri.as_ref().filter(|client| named(client)).is_some_and(trusted)
    {
        return then(Then::Redirect);
    }
    ask
}
