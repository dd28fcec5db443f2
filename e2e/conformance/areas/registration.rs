//! What a client registers of itself, and what comes of it (RFC 7591, OIDC Registration).

use authmachine_e2e::http;
use base64ct::{Base64, Encoding as _};
use serde_json::{Value, json};

use crate::browser::Page;
use crate::checks;
use crate::relying_party::{RelyingParty, SignIn};
use crate::run::Run;

/// One grey pixel.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==";

/// The login page shows the logo, from the provider itself (checklist DR4).
pub(super) async fn oidcc_registration_logo_uri(run: &Run) {
    let (path, uri) = place(run, "/logo.png");
    let png = Base64::decode_vec(PNG).expect("Base64");
    run.installation.site.publish(&path, "image/png", png);
    let client = run.register(json!({"logo_uri": uri})).await;
    let page = login_page(&client).await;
    let tag = page.split("<img class=\"logo\"").nth(1).unwrap_or_else(|| panic!("no logo: {page}"));
    let source = tag.split("src=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("src");
    assert!(source.starts_with('/'), "loaded from elsewhere: {source}");
    let logo = http::get(&format!("{}{source}", run.issuer())).await.expect(200);
    assert_eq!(logo.header("content-type"), Some("image/png"));
}

/// The login page leads to the client's policy.
pub(super) async fn oidcc_registration_policy_uri(run: &Run) {
    is_linked(run, "policy_uri").await;
}

/// And to its terms.
pub(super) async fn oidcc_registration_tos_uri(run: &Run) {
    is_linked(run, "tos_uri").await;
}

/// Keys by address, for `private_key_jwt`.
pub(super) async fn oidcc_registration_jwks_uri(run: &Run) {
    let (path, uri) = place(run, "/jwks.json");
    let more = json!({"jwks": null, "jwks_uri": uri, "token_endpoint_auth_method": "private_key_jwt"});
    let client = run.register(more).await;
    let set = json!({"keys": [client.key.public()]}).to_string();
    run.installation.site.publish(&path, "application/json", set);
    client.sign_in(&mut run.browser(), &client.request()).await;
    assert!(!run.installation.site.requests(&path).is_empty(), "nobody asked for the keys");
}

/// A sector that lists the redirect URI: pairwise subjects, the same for clients of one sector (OIDC Core §8.1).
pub(super) async fn oidcc_registration_sector_uri(run: &Run) {
    assert!(run.supports("subject_types_supported", "pairwise"));
    let (path, uri) = place(run, "/sector.json");
    let (_, one) = place(run, "/callback");
    let (_, two) = place(run, "/callback2");
    run.installation.site.publish(&path, "application/json", json!([one, two]).to_string());
    let of = |redirect_uri: &str| {
        json!({"subject_type": "pairwise", "sector_identifier_uri": uri, "redirect_uris": [redirect_uri]})
    };
    let (first, second) = (run.register(of(&one)).await, run.register(of(&two)).await);
    let public = run.register(Value::Null).await;
    let mut browser = run.browser();
    let mut subjects = Vec::new();
    for client in [&first, &second, &public] {
        let signed_in: SignIn = client.sign_in(&mut browser, &client.request()).await;
        subjects.push(signed_in.sub().to_owned());
    }
    assert_eq!(subjects[0], subjects[1], "one sector");
    assert_ne!(subjects[0], subjects[2], "pairwise is not public");
}

/// One that does not.
pub(super) async fn oidcc_registration_sector_bad(run: &Run) {
    let (path, uri) = place(run, "/sector.json");
    let (_, other) = place(run, "/other");
    run.installation.site.publish(&path, "application/json", json!([other]).to_string());
    let metadata =
        RelyingParty::metadata(run, json!({"subject_type": "pairwise", "sector_identifier_uri": uri}));
    let answer = RelyingParty::try_register(run, &metadata).await;
    checks::is_refused(&answer, 400, "invalid_client_metadata");
    assert!(!run.installation.site.requests(&path).is_empty(), "nobody asked for the sector");
}

/// Where the application begins a sign-in by itself: kept, and read back (OIDC Core §4, RFC 7592 §2.1).
pub(super) async fn oidcc_3rd_party_init_login(run: &Run) {
    let (_, uri) = place(run, "/initiate_login");
    let client = run.register(json!({"initiate_login_uri": uri})).await;
    let answer = client.management().read().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    checks::is_not_stored(&answer);
    let read = checks::is_json(&answer);
    assert_eq!(read["initiate_login_uri"], uri);
    assert_eq!(read["client_id"], client.client_id);
}

/// It is https.
pub(super) async fn oidcc_3rd_party_init_login_nohttps(run: &Run) {
    let (_, uri) = place(run, "/initiate_login");
    let http = uri.replacen("https://", "http://", 1);
    let metadata = RelyingParty::metadata(run, json!({"initiate_login_uri": http}));
    let answer = RelyingParty::try_register(run, &metadata).await;
    checks::is_refused(&answer, 400, "invalid_client_metadata");
}

/// A path of the run's, and its address.
fn place(run: &Run, name: &str) -> (String, String) {
    let path = format!("/{}{name}", run.id);
    let address = run.installation.site.url(&path);
    (path, address)
}

async fn is_linked(run: &Run, member: &str) {
    let (_, uri) = place(run, &format!("/{member}"));
    let client = run.register(json!({member: uri})).await;
    let page = login_page(&client).await;
    assert!(page.contains(&format!("href=\"{uri}\"")), "no link to {uri}: {page}");
}

async fn login_page(client: &RelyingParty<'_>) -> String {
    let url = client.request().url();
    let shown = client.run.browser().walk_until(&url, &client.site(), Some(Page::Login)).await.shown();
    checks::is_html(&shown);
    shown.body
}
