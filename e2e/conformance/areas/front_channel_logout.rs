//! Front-Channel Logout 1.0: the page that signs out loads an address of each client.

use serde_json::json;

use crate::areas::rp_initiated_logout::SignedIn;
use crate::random;
use crate::run::Run;

/// The client's frame has `iss` and `sid` and nothing else; then it goes back to the client.
pub(super) async fn oidcc_frontchannel_rp_initiated_logout(run: &Run) {
    let uri = run.installation.site.url(&format!("/{}/frontchannel_logout", run.id));
    let more = json!({"frontchannel_logout_uri": uri, "frontchannel_logout_session_required": true});
    let mut signed_in = SignedIn::at(run.register(more).await).await;
    let sid = signed_in.tokens.sid().expect("sid").to_owned();
    let state = random::long_state();
    let walk = signed_in.logout(&[("state", &state)]).await;

    let [frame] = &walk.frames[..] else { panic!("not one frame: {:?}", walk.frames) };
    let query = frame.strip_prefix(&format!("{uri}?")).unwrap_or_else(|| panic!("another frame: {frame}"));
    let mut pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    pairs.sort();
    assert_eq!(pairs, [("iss".to_owned(), run.issuer().to_owned()), ("sid".to_owned(), sid)]);
    signed_in.is_back_with(&walk.landing(), &state);
    signed_in.is_over().await;
}
