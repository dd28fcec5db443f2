//! What the server does without being asked.

use std::time::{Duration, Instant};

use authmachine_jose::Algorithm;
use authmachine_testkit::{TestServer, both_engines};

/// Waits until `holds`, at most for some seconds.
pub(crate) async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds().await {
        assert!(Instant::now() < deadline, "{what}");
        tokio::task::yield_now().await;
    }
}

#[both_engines]
async fn tk8_clients_and_keys_that_others_change_are_noticed() {
    let server = TestServer::start().await;
    let app = server.client("spa").public().create().await;
    let jobs = authmachine_server::jobs::start(server.app().clone());

    // Written past the server, as the command line does it.
    let mut moved = app.record.clone();
    moved.redirect_uris = vec!["https://elsewhere.example/callback".to_owned()];
    server.write(move |tx| tx.update_client(&moved)).await;
    until("pages of the client's new address may read", async || {
        let request = server.post("/oidc/token").header("origin", "https://elsewhere.example").form(&[]);
        request.send().await.header("access-control-allow-origin").is_some()
    })
    .await;
    let old = server.post("/oidc/token").header("origin", "https://spa.example").form(&[]).send().await;
    assert_eq!(old.header("access-control-allow-origin"), None);

    let now = server.clock().now();
    let key = authmachine_server::keys::generate(Algorithm::ES256, &server.app().secrets, now);
    let kid = key.kid.clone();
    server.write(move |tx| authmachine_server::keys::rotate(tx, &key, now.plus_seconds(600))).await;
    until("the new key is published", async || server.get("/oidc/jwks").send().await.text().contains(&kid))
        .await;

    // What the schedule asks for is done without being asked.
    jobs.stop().await;
    server.clock().advance(89 * 86_400);
    let jobs = authmachine_server::jobs::start(server.app().clone());
    let count = async || server.get("/oidc/jwks").send().await.ok()["keys"].as_array().map(Vec::len);
    until("the next keys are published", async || count().await == Some(8)).await;
    jobs.stop().await;
}

#[both_engines]
async fn do3_what_is_over_is_swept() {
    let server = TestServer::start().await;
    let app = server.client("shop").create().await;
    server.browser().follow(&app.authorize_url()).await;
    server.clock().advance(86_400);
    let jobs = authmachine_server::jobs::start(server.app().clone());
    until("the interaction is swept", async || server.rows()["interactions"].is_empty()).await;
    jobs.stop().await;
}
