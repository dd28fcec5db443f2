//! RP-Initiated Logout 1.0: a client sends the browser to sign the person out.

use serde_json::{Value, json};

use crate::browser::{Browser, End, Landing, Walk};
use crate::checks;
use crate::jwt::{self, Jwt, Key};
use crate::random;
use crate::relying_party::{RelyingParty, SignIn};
use crate::run::Run;

/// With hint, address and state: back at the address with the state and nothing else, and signed out.
pub(super) async fn oidcc_rp_initiated_logout(run: &Run) {
    let mut signed_in = SignedIn::begin(run).await;
    let state = random::long_state();
    let landing = signed_in.logout(&[("state", &state)]).await.landing();
    signed_in.is_back_with(&landing, &state);
    signed_in.is_over().await;
}

/// Without state there is none in the address either.
pub(super) async fn oidcc_rp_initiated_logout_no_state(run: &Run) {
    let mut signed_in = SignedIn::begin(run).await;
    let landing = signed_in.logout(&[]).await.landing();
    assert_eq!(landing.address, signed_in.client.post_logout_redirect_uri);
    signed_in.is_over().await;
}

/// An address that is not registered is not gone to (§3).
pub(super) async fn oidcc_rp_initiated_logout_bad_post_logout_redirect_uri(run: &Run) {
    let mut signed_in = SignedIn::begin(run).await;
    let bad = format!("{}/{}", signed_in.client.post_logout_redirect_uri, random::letters(10));
    signed_in.stays_here(&[("id_token_hint", &signed_in.hint()), ("post_logout_redirect_uri", &bad)]).await;
}

/// Nor is one with a query that was not registered.
pub(super) async fn oidcc_rp_initiated_logout_query_added_to_post_logout_redirect_uri(run: &Run) {
    let mut signed_in = SignedIn::begin(run).await;
    let bad = format!("{}?foo=bar", signed_in.client.post_logout_redirect_uri);
    signed_in.stays_here(&[("id_token_hint", &signed_in.hint()), ("post_logout_redirect_uri", &bad)]).await;
}

/// A hint whose signature is taken away proves nothing.
pub(super) async fn oidcc_rp_initiated_logout_modified_id_token_hint(run: &Run) {
    let mut signed_in = SignedIn::begin(run).await;
    let claims = Value::Object(Jwt::read(&signed_in.hint()).claims);
    signed_in.gets_nowhere_by(&jwt::unsigned(&claims)).await;
}

/// Nor does one that somebody else signed.
pub(super) async fn oidcc_rp_initiated_logout_bad_id_token_hint(run: &Run) {
    let mut signed_in = SignedIn::begin(run).await;
    let claims = Jwt::read(&signed_in.hint()).claims;
    let kid = run.keys().await[0]["kid"].as_str().expect("it was checked").to_owned();
    for forged in [json!(claims), json!({"iss": run.issuer(), "sub": signed_in.tokens.sub()})] {
        let key = if forged["aud"].is_null() { Key::generate(None) } else { Key::generate(Some(&kid)) };
        signed_in.gets_nowhere_by(&key.sign(&forged)).await;
    }
}

/// Without a hint nobody is redirected, though the address is registered.
pub(super) async fn oidcc_rp_initiated_logout_no_id_token_hint(run: &Run) {
    let mut signed_in = SignedIn::begin(run).await;
    let uri = signed_in.client.post_logout_redirect_uri.clone();
    signed_in.stays_here(&[("post_logout_redirect_uri", &uri), ("state", &random::letters(10))]).await;
}

/// Nothing said: a person is asked, then told that they are signed out.
pub(super) async fn oidcc_rp_initiated_logout_no_params(run: &Run) {
    let mut signed_in = SignedIn::begin(run).await;
    signed_in.stays_here(&[]).await;
    signed_in.is_over().await;
}

pub(super) async fn oidcc_rp_initiated_logout_only_state(run: &Run) {
    let mut signed_in = SignedIn::begin(run).await;
    signed_in.stays_here(&[("state", &random::long_state())]).await;
    signed_in.is_over().await;
}

/// A hint, and no address: signed out, and told so.
pub(super) async fn oidcc_rp_initiated_logout_no_post_logout_redirect_uri(run: &Run) {
    let mut signed_in = SignedIn::begin(run).await;
    signed_in.stays_here(&[("id_token_hint", &signed_in.hint()), ("state", &random::letters(10))]).await;
    signed_in.is_over().await;
}

/// Somebody who is signed in at a client, and about to leave.
pub(super) struct SignedIn<'a> {
    pub(super) client: RelyingParty<'a>,
    pub(super) browser: Browser,
    pub(super) tokens: SignIn,
}

impl<'a> SignedIn<'a> {
    pub(super) async fn begin(run: &'a Run) -> Self {
        Self::at(run.client().await).await
    }

    pub(super) async fn at(client: RelyingParty<'a>) -> Self {
        let mut browser = client.run.browser();
        let tokens = client.sign_in(&mut browser, &client.request()).await;
        Self { client, browser, tokens }
    }

    fn hint(&self) -> String {
        self.tokens.raw_id_token.clone()
    }

    /// With hint and address.
    pub(super) async fn logout(&mut self, more: &[(&str, &str)]) -> Walk {
        let own = [
            ("id_token_hint", self.tokens.raw_id_token.as_str()),
            ("post_logout_redirect_uri", &self.client.post_logout_redirect_uri),
        ];
        let url = self.client.end_session_url(&[&own, more].concat());
        self.browser.walk(&url, &self.client.site()).await
    }

    /// The browser is back at the registered address, with the state and nothing else.
    #[track_caller]
    pub(super) fn is_back_with(&self, landing: &Landing, state: &str) {
        let query = landing.address.strip_prefix(&format!("{}?", self.client.post_logout_redirect_uri));
        let query = query.unwrap_or_else(|| panic!("sent elsewhere: {}", landing.address));
        let pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        assert_eq!(pairs, [("state".to_owned(), state.to_owned())]);
    }

    /// Ends on a page of the provider's, whatever is confirmed on the way.
    async fn stays_here(&mut self, params: &[(&str, &str)]) {
        let walk = self.browser.walk(&self.client.end_session_url(params), &self.client.site()).await;
        match walk.end {
            End::Shown(page) => {
                checks::is_html(&page);
                assert!([200, 400].contains(&page.status), "{page:?}");
            }
            End::Left(landing) => panic!("sent away: {landing:?}"),
        }
    }

    async fn gets_nowhere_by(&mut self, hint: &str) {
        let uri = self.client.post_logout_redirect_uri.clone();
        self.stays_here(&[("id_token_hint", hint), ("post_logout_redirect_uri", &uri)]).await;
    }

    pub(super) async fn is_over(&mut self) {
        self.client.nobody_is_signed_in(&mut self.browser).await;
    }
}
