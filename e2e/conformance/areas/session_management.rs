//! Session Management 1.0: a client may ask a frame of the provider's whether the session is still the one it knows.

use aws_lc_rs::digest;
use authmachine_e2e::http;

use crate::areas::rp_initiated_logout::SignedIn;
use crate::jwt;
use crate::random;
use crate::run::Run;

/// `session_state` comes with every answer and fits the browser's state as long as the person is signed in; not afterwards.
pub(super) async fn oidcc_session_management_rp_initiated_logout(run: &Run) {
    let frame = http::get(run.endpoint("check_session_iframe")).await.expect(200);
    assert!(frame.header("content-type").is_some_and(|kind| kind.starts_with("text/html")), "{frame:?}");
    let cookie = frame.body.split("data-cookie=\"").nth(1).and_then(|rest| rest.split('"').next());
    let cookie = cookie.unwrap_or_else(|| panic!("the frame names no cookie: {frame:?}")).to_owned();

    let mut signed_in = SignedIn::begin(run).await;
    may_be_framed_by(&signed_in.client.site(), &http::get(run.endpoint("check_session_iframe")).await);
    let session_state = signed_in.tokens.params.get("session_state").expect("session_state").clone();
    assert!(fits(&session_state, &signed_in, &cookie), "changed while nothing has changed");
    let state = random::long_state();
    let landing = signed_in.logout(&[("state", &state)]).await.landing();
    signed_in.is_back_with(&landing, &state);
    assert!(!fits(&session_state, &signed_in, &cookie), "unchanged after the logout");
    signed_in.is_over().await;
}

/// What the frame computes (§3.2): a hash of client, its origin and the browser's state under a salt.
fn fits(session_state: &str, signed_in: &SignedIn<'_>, cookie: &str) -> bool {
    assert!(!session_state.contains(' '), "{session_state}");
    let (hash, salt) = session_state.split_once('.').unwrap_or_else(|| panic!("no salt: {session_state}"));
    let origin = signed_in.client.site().trim_end_matches('/').to_owned();
    let browser_state = signed_in.browser.cookie(cookie).unwrap_or_default();
    let text = format!("{} {origin} {browser_state} {salt}", signed_in.client.client_id);
    jwt::encode(digest::digest(&digest::SHA256, text.as_bytes()).as_ref()) == hash
}

/// No header keeps the client from showing it.
#[track_caller]
fn may_be_framed_by(site: &str, frame: &authmachine_e2e::http::Answer) {
    assert!(frame.header("x-frame-options").is_none(), "{frame:?}");
    let policy = frame.header("content-security-policy").unwrap_or_default();
    let ancestors = policy.split(';').find_map(|part| part.trim().strip_prefix("frame-ancestors "));
    let site = site.trim_end_matches('/');
    assert!(ancestors.is_none_or(|all| all.split(' ').any(|one| one == site || one == "*" || one == "https:")), "{policy}");
}
