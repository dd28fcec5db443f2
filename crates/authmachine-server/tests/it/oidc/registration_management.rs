//! What becomes of a client that registered itself (RFC 7592).

use std::time::{Duration, Instant};

use authmachine_provider::event::EventKind;
use authmachine_testkit::{TestServer, both_engines};
use http::Method;
use serde_json::{Value, json};

use super::registration::{minimal, open};

#[both_engines]
async fn a_client_reads_its_registration() {
    let server = TestServer::start_with(open).await;
    let mut metadata = minimal();
    metadata["initiate_login_uri"] = json!("https://rp.example/begin");
    let client = server.register(metadata).await;
    let answer = client.read().await;
    let mut expected = client.body.clone();
    // Only a MAC of it is kept.
    for secret in ["client_secret", "client_secret_expires_at"] {
        expected.as_object_mut().expect("an object").remove(secret);
    }
    assert_eq!(answer.ok(), expected);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[both_engines]
async fn dr3_an_update_replaces_everything_and_is_checked_as_a_new_one_is() {
    let server = TestServer::start_with(open).await;
    let mut metadata = minimal();
    metadata["client_name"] = json!("Before");
    metadata["policy_uri"] = json!("https://rp.example/policy");
    let client = server.register(metadata).await;
    let (secret, before) = (client.text("client_secret").to_owned(), server.state());
    for bad in [
        json!({}),
        json!({ "redirect_uris": ["javascript:x"] }),
        json!({ "redirect_uris": ["https://rp.example/cb"], "response_types": ["id_token"] }),
        json!({ "redirect_uris": ["https://rp.example/cb"], "client_secret": "another" }),
    ] {
        client.update(bad).await.assert_status(400);
    }
    let put = |metadata: Value| client.manage(Method::PUT).json(&metadata).send();
    put(minimal()).await.assert_error(400, "invalid_client_metadata");
    let mut other = minimal();
    other["client_id"] = json!("other");
    put(other).await.assert_error(400, "invalid_client_metadata");
    assert_eq!(server.state(), before);

    let new = json!({
        "redirect_uris": ["https://rp.example/new"], "client_secret": secret, "first_party": true,
        "registration_access_token": "chosen", "token_endpoint_auth_method": "client_secret_post",
    });
    let answer = client.update(new).await.ok();
    assert_eq!(answer["redirect_uris"], json!(["https://rp.example/new"]));
    assert_eq!(answer["client_name"], "rp.example");
    assert_eq!(answer["policy_uri"], Value::Null, "what is left out is deleted");
    assert_eq!(answer["client_secret"], Value::Null, "the secret stays");
    assert_eq!(answer["registration_access_token"], client.body["registration_access_token"]);
    let app = client.app().await;
    assert!(!app.record.first_party);
    app.introspect("x").await.assert_status(200);
    assert_eq!(server.count_events(EventKind::ClientUpdated).await, 1);
    // The old address is gone at once.
    let page =
        server.browser().follow(&app.authorize().with("redirect_uri", "https://rp.example/cb").url()).await;
    page.assert_page(400, "");
}

#[both_engines]
async fn do3_do6_a_client_changes_itself_so_often_and_then_waits() {
    let server = TestServer::start_with(open).await;
    let client = server.register(minimal()).await;
    for _ in 0..20 {
        client.update(minimal()).await.ok();
    }
    // What is refused anyway takes no turn.
    client.update(json!({})).await.assert_status(400);
    let before = server.state();
    let refused = client.update(minimal()).await;
    refused.assert_error(429, "temporarily_unavailable");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(server.state(), before);
    client.read().await.ok();
    server.register(minimal()).await.update(minimal()).await.ok();
    server.clock().advance(60);
    client.update(minimal()).await.ok();
}

#[both_engines]
async fn dr3_a_secret_comes_and_goes_with_the_method_that_needs_it() {
    let server = TestServer::start_with(open).await;
    let client = server.register(minimal()).await;
    let first = client.text("client_secret").to_owned();
    let mut public = minimal();
    public["token_endpoint_auth_method"] = json!("none");
    assert_eq!(client.update(public).await.ok()["client_secret"], Value::Null);
    assert_eq!(client.app().await.record.secret_hmac, None);
    let second = client.update(minimal()).await.ok();
    assert_eq!(second["client_secret_expires_at"], 0);
    let second = second["client_secret"].as_str().expect("a new one");
    assert_ne!(second, first);
    let app = client.app().await;
    app.with_secret(&first).introspect("x").await.assert_error(401, "invalid_client");
    app.with_secret(second).introspect("x").await.assert_status(200);
}

#[both_engines]
async fn dr5_rc7_a_client_that_leaves_takes_everything_with_it() {
    let server = TestServer::start_with(open).await;
    let mut metadata = minimal();
    metadata["grant_types"] = json!(["authorization_code", "refresh_token"]);
    let client = server.register(metadata.clone()).await;
    let app = client.app().await;
    let browser = server.browser().log_in("alice").await;
    let visit = browser.follow(&app.authorize_url()).await.submit(&[("decision", "yes")]).await;
    let tokens = app.redeem(&visit.code()).await.ok();
    let code = browser.authorize(&app).await.code();
    let waiting = server.browser().follow(&app.authorize_url()).await;
    app.userinfo(&tokens.access_token).await.assert_status(200);

    let answer = client.delete().await;
    assert!(answer.assert_status(204).body.is_empty());
    app.userinfo(&tokens.access_token).await.assert_error(401, "invalid_token");
    app.refresh(tokens.refresh_token()).await.assert_error(401, "invalid_client");
    app.redeem(&code).await.assert_error(401, "invalid_client");
    browser.follow(&app.authorize_url()).await.assert_page(400, "do not know this app");
    waiting
        .submit(&[("username", "alice"), ("password", authmachine_testkit::PASSWORD)])
        .await
        .assert_page(400, "");
    for gone in [client.read().await, client.update(minimal()).await, client.delete().await] {
        gone.assert_error(401, "invalid_token");
    }
    let rows = server.rows();
    assert!(rows["clients"].is_empty() && rows["client_uris"].is_empty() && rows["consents"].is_empty());
    let events = server.events().await;
    let event = events.iter().find(|event| event.kind == EventKind::ClientDeleted).expect("an event");
    assert_eq!(
        (event.client.as_deref(), event.actor.as_str()),
        (Some(client.id()), &*format!("client:{}", client.id()))
    );
    let again = server.register(metadata).await;
    assert_ne!(again.id(), client.id());
}

#[both_engines]
async fn dr5_a_registration_token_opens_one_registration_and_nothing_else() {
    let server = TestServer::start_with(open).await;
    let (one, two) = (server.register(minimal()).await, server.register(minimal()).await);
    server.client("shop").create().await;
    let token = one.text("registration_access_token");
    let before = server.state();
    for path in [two.path(), "/oidc/register/shop", "/oidc/register/unknown"] {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let request = server.request(method.clone(), path).json(&minimal());
            let wrong = request.clone().bearer(token).send().await;
            wrong.assert_error(401, "invalid_token");
            assert!(wrong.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer ")));
            let missing = request.send().await;
            missing.assert_error(401, "invalid_token");
        }
    }
    for wrong in [&token[1..], &format!("{token}="), "", &token.to_uppercase()] {
        server.get(one.path()).bearer(wrong).send().await.assert_error(401, "invalid_token");
    }
    let secret = one.text("client_secret");
    server.get(one.path()).bearer(secret).send().await.assert_error(401, "invalid_token");
    server.get("/oidc/userinfo").bearer(token).send().await.assert_error(401, "invalid_token");
    let in_query = format!("{}?access_token={token}", one.path());
    server.get(&in_query).send().await.assert_error(401, "invalid_token");
    assert_eq!(server.state(), before);
    assert!(server.rows()["clients"].iter().all(|row| !row.contains(token)), "only its hash is kept");
}

#[both_engines]
async fn g5_a_client_that_is_switched_off_manages_nothing() {
    let server = TestServer::start_with(open).await;
    let client = server.register(minimal()).await;
    client.app().await.change(|record| record.disabled = true).await;
    for refused in [client.read().await, client.update(minimal()).await, client.delete().await] {
        refused.assert_error(401, "invalid_token");
    }
    client.app().await.change(|record| record.disabled = false).await;
    client.read().await.assert_status(200);
}

#[both_engines]
async fn dr1_clients_that_nobody_uses_expire() {
    const DAY: i64 = 86_400;
    let server = TestServer::start_with(|settings| {
        open(settings);
        settings.registration.unused_s = 30 * DAY;
    })
    .await;
    let (used, unused) = (server.register(minimal()).await, server.register(minimal()).await);
    server.client("shop").create().await;
    server.clock().advance(20 * DAY);
    let app = used.app().await;
    let visit = server.browser().log_in("alice").await.follow(&app.authorize_url()).await;
    app.redeem(&visit.submit(&[("decision", "yes")]).await.code()).await.ok();
    server.clock().advance(10 * DAY);
    // An event tells the jobs that the clock is right: nothing is removed by one that has leapt (checklist RB12).
    let stranger =
        [("grant_type", "client_credentials"), ("client_id", "nobody"), ("client_secret", "wrong")];
    server.post("/oidc/token").form(&stranger).send().await.assert_error(401, "invalid_client");
    let jobs = authmachine_server::jobs::start(server.app().clone());
    let deadline = Instant::now() + Duration::from_secs(10);
    let expired = || server.metric("authmachine_registrations_total{change=\"expired\"}");
    while expired() == 0 {
        assert!(Instant::now() < deadline, "it expires");
        tokio::task::yield_now().await;
    }
    jobs.stop().await;
    unused.read().await.assert_error(401, "invalid_token");
    used.read().await.assert_status(200);
    assert_eq!(server.rows()["clients"].len(), 2);
    let events = server.events().await;
    let event = events.iter().find(|event| event.kind == EventKind::ClientDeleted).expect("an event");
    assert_eq!((event.client.as_deref(), event.actor.as_str()), (Some(unused.id()), "server"));

    server.clock().advance(21 * DAY);
    let removed = authmachine_server::oidc::registration::remove_unused(server.app(), 10).await;
    assert_eq!(removed.expect("the store answers"), 1);
    assert_eq!(server.rows()["clients"].len(), 1, "those of the operator stay");
}

#[both_engines]
async fn g1_a_registration_survives_any_failing_call() {
    let server = TestServer::start_with(open).await;
    for n in 1..30 {
        let clients = server.rows()["clients"].len();
        let faults = server.store().faults();
        faults.fail_call(n);
        let answer = server.registration(&minimal()).send().await;
        let was_made = !faults.is_pending();
        faults.fail_call(0);
        let made = usize::from(answer.status.as_u16() == 201);
        if made == 0 {
            answer.assert_error(503, "temporarily_unavailable");
        }
        assert_eq!(server.rows()["clients"].len(), clients + made, "call {n}");
        assert_eq!(server.count_events(EventKind::ClientRegistered).await, clients + made, "call {n}");
        if !was_made {
            assert!(n > 5);
            return;
        }
    }
    panic!("a registration ends");
}
