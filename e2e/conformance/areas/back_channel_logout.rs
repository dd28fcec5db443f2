//! Back-Channel Logout 1.0: the provider tells each client itself, by a token.

use authmachine_e2e::wait;
use serde_json::json;

use crate::areas::rp_initiated_logout::SignedIn;
use crate::checks;
use crate::jwt::Jwt;
use crate::random;
use crate::run::Run;

/// One token for one event about this session, posted alone (§2.4, §2.5).
pub(super) async fn oidcc_backchannel_rp_initiated_logout(run: &Run) {
    let path = format!("/{}/backchannel_logout", run.id);
    let site = &run.installation.site;
    site.publish(&path, "text/plain", "");
    let more =
        json!({"backchannel_logout_uri": site.url(&path), "backchannel_logout_session_required": true});
    let mut signed_in = SignedIn::at(run.register(more).await).await;
    let state = random::long_state();
    let landing = signed_in.logout(&[("state", &state)]).await.landing();
    signed_in.is_back_with(&landing, &state);

    let request = wait::until("the logout token", async || site.requests(&path).into_iter().next()).await;
    assert_eq!(request.method, "POST");
    assert_eq!(request.target, path);
    assert_eq!(request.headers["content-type"], "application/x-www-form-urlencoded");
    let fields: Vec<(String, String)> = url::form_urlencoded::parse(request.body.as_bytes()).into_owned().collect();
    let [(name, raw)] = &fields[..] else { panic!("not one field: {fields:?}") };
    assert_eq!(name, "logout_token");
    let token = Jwt::read(raw);
    token.is_signed_by(&run.keys().await);
    assert_eq!(token.header["typ"], "logout+jwt");
    let client = &signed_in.client;
    assert_eq!(token.text("iss"), Some(run.issuer()));
    let audience = &token.claims["aud"];
    assert!(*audience == client.client_id.as_str() || *audience == json!([client.client_id]), "{audience}");
    let now = checks::now();
    assert!(token.number("iat").is_some_and(|iat| (now - 60..=now + 5).contains(&iat)), "{token:?}");
    assert!(token.number("exp").is_some_and(|exp| exp > now), "{token:?}");
    assert!(token.text("jti").is_some_and(|jti| !jti.is_empty()), "{token:?}");
    assert_eq!(token.claims["events"], json!({"http://schemas.openid.net/event/backchannel-logout": {}}));
    assert_eq!(token.text("sid"), Some(signed_in.tokens.sid().expect("sid")));
    assert!(token.text("sub").is_none_or(|sub| sub == signed_in.tokens.sub()), "{token:?}");
    assert!(!token.claims.contains_key("nonce"), "{token:?}");
    assert_eq!(site.requests(&path).len(), 1, "told twice");
    signed_in.is_over().await;
}
