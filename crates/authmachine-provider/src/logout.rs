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
    /// `sid` of that session as the hint's client knows it.
    pub sid: Option<&'a str>,
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
        let own_session = situation.sid.is_some_and(|sid| hint.sid.as_deref() == Some(sid));
        let session_fits = !situation.is_live || own_session;
        if !client_fits || !uri_fits || !session_fits || !situation.is_navigation {
            return ask;
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{session, shop};

    const BYE: &str = "https://shop.example/bye";
    const ASK: Plan = Plan { end_session: false, then: Then::Confirm };
    const REDIRECT: Plan = Plan { end_session: true, then: Then::Redirect };

    fn request(uri: Option<&str>) -> LogoutRequest {
        LogoutRequest { post_logout_redirect_uri: uri.map(str::to_owned), ..LogoutRequest::default() }
    }

    fn hint(sid: &str) -> Hint {
        Hint { sub: "alice-sub".to_owned(), sid: Some(sid.to_owned()), audience: vec!["shop".to_owned()] }
    }

    /// A navigation in a live session that `client` took part in, without a hint.
    fn situation<'a>(client: &'a [Client], session: &'a Session) -> Situation<'a> {
        Situation {
            hint_sent: false,
            hint: None,
            session: Some(session),
            sid: Some(&session.sid),
            is_live: true,
            session_clients: client,
            first_party_with_uri: client.first().filter(|client| client.first_party),
            is_navigation: true,
        }
    }

    #[test]
    fn lo1_without_a_hint_only_a_first_party_client_of_the_session_is_gone_back_to() {
        let session = session();
        let first_party = [Client { first_party: true, ..shop() }];
        let known = situation(&first_party, &session);
        assert_eq!(decide(&request(Some(BYE)), &known), REDIRECT);
        assert_eq!(decide(&request(None), &known), ASK);
        assert_eq!(decide(&request(Some("https://shop.example/bye?x")), &known), ASK);
        let named = |id: &str| LogoutRequest { client_id: Some(id.to_owned()), ..request(Some(BYE)) };
        assert_eq!(decide(&named("shop"), &known), REDIRECT);
        assert_eq!(decide(&named("other"), &known), ASK);
        let disabled = [Client { disabled: true, ..first_party[0].clone() }];
        assert_eq!(decide(&request(Some(BYE)), &situation(&disabled, &session)), ASK);
        assert_eq!(decide(&request(Some(BYE)), &situation(&[shop()], &session)), ASK);
        // One that took no part in this session asks as well, while there is one.
        let elsewhere = Situation { session_clients: &[], ..situation(&first_party, &session) };
        assert_eq!(decide(&request(Some(BYE)), &elsewhere), ASK);
    }

    #[test]
    fn with_no_live_session_a_first_party_client_still_gets_its_callback() {
        let (over, first_party) = (session(), [Client { first_party: true, ..shop() }]);
        let none = Situation {
            session: None,
            is_live: false,
            session_clients: &[],
            ..situation(&first_party, &over)
        };
        assert_eq!(decide(&request(Some(BYE)), &none), Plan { end_session: false, then: Then::Redirect });
        // The row of one that is over is there so that its tokens can be revoked.
        let over = Situation { is_live: false, ..situation(&first_party, &over) };
        assert_eq!(decide(&request(Some(BYE)), &over), REDIRECT);
        let nobody = Situation { first_party_with_uri: None, ..none };
        assert_eq!(
            decide(&request(Some(BYE)), &nobody),
            Plan { end_session: false, then: Then::LoggedOutPage }
        );
    }

    #[test]
    fn lo2_a_hint_is_verified_and_acts_on_its_own_session() {
        let (session, shop, clients) = (session(), shop(), [shop()]);
        let (own, other) = (hint("sid"), hint("another"));
        let with = |hint: &'static str| {
            let hint = match hint {
                "own" => Some((&own, &shop)),
                "other" => Some((&other, &shop)),
                _ => None,
            };
            Situation { hint_sent: true, hint, ..situation(&clients, &session) }
        };
        assert_eq!(decide(&request(Some(BYE)), &with("own")), REDIRECT);
        assert_eq!(
            decide(&request(None), &with("own")),
            Plan { end_session: true, then: Then::LoggedOutPage }
        );
        assert_eq!(decide(&request(Some(BYE)), &with("other")), ASK);
        assert_eq!(decide(&request(Some(BYE)), &with("forged")), ASK);
        assert_eq!(decide(&request(Some("https://shop.example/bye?foo=bar")), &with("own")), ASK);
        let named = LogoutRequest { client_id: Some("other".to_owned()), ..request(Some(BYE)) };
        assert_eq!(decide(&named, &with("own")), ASK);
        let gone = Situation { session: None, sid: None, is_live: false, ..with("own") };
        assert_eq!(decide(&request(Some(BYE)), &gone), Plan { end_session: false, then: Then::Redirect });
    }

    #[test]
    fn lo3_a_frame_picture_or_script_is_asked() {
        let (session, shop) = (session(), shop());
        let first_party = [Client { first_party: true, ..shop.clone() }];
        let framed = Situation { is_navigation: false, ..situation(&first_party, &session) };
        assert_eq!(decide(&request(Some(BYE)), &framed), ASK);
        let own = hint("sid");
        let hinted = Situation { hint_sent: true, hint: Some((&own, &shop)), ..framed };
        assert_eq!(decide(&request(Some(BYE)), &hinted), ASK);
    }
}
