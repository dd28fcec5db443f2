//! Two nodes on one PostgreSQL database: what one of them did, the other knows (checklist G3, TK8, SE5, BF3).

use std::time::{Duration, Instant};

use authmachine_provider::user::UserStatus;
use authmachine_testkit::{ClientApp, PASSWORD, TestServer, TokenAnswer, on_postgres};

use crate::jobs::until;

/// Runs `act` a hundred times at once, at both nodes in turn; how many succeed. The others are `invalid_grant`.
async fn race<F>(nodes: &[ClientApp; 2], act: impl Fn(ClientApp) -> F) -> usize
where
    F: Future<Output = TokenAnswer> + Send + 'static,
{
    let attempts: Vec<_> = (0..100).map(|n| tokio::spawn(act(nodes[n % 2].clone()))).collect();
    let mut won = 0;
    for attempt in attempts {
        let answer = attempt.await.expect("no panic");
        match answer.status.as_u16() {
            200 => won += 1,
            _ => _ = answer.assert_error(400, "invalid_grant"),
        }
    }
    won
}

#[on_postgres]
async fn g3_of_parallel_attempts_over_two_nodes_one_wins() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let nodes = [app.clone(), app.on(&server.second_node().await)];
    let browser = server.browser().log_in("alice").await;
    for _ in 0..5 {
        let code = browser.authorize(&app).await.code();
        let redeem = |app: ClientApp| {
            let code = code.clone();
            async move { app.redeem(&code).await }
        };
        assert_eq!(race(&nodes, redeem).await, 1, "redemptions");

        let tokens = app.redeem(&browser.authorize(&app).await.code()).await.ok();
        let refresh = |app: ClientApp| {
            let token = tokens.refresh_token().to_owned();
            async move { app.refresh(&token).await }
        };
        assert_eq!(race(&nodes, refresh).await, 1, "refreshes");
    }
}

#[on_postgres]
async fn two_nodes_never_make_the_same_id() {
    use authmachine_provider::ids::Kind;
    let server = TestServer::start().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        let node = server.second_node().await;
        // The clock stands still: only the nodes' own bits tell their ids apart.
        ids.extend((0..10).map(|_| node.app().ids.next(Kind::AccessToken, server.clock().now())));
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 50);
}

#[on_postgres]
async fn tk8_se5_what_ends_at_one_node_has_ended_at_the_other() {
    let server = TestServer::start().await;
    let other = server.second_node().await;
    let app = server.client("shop").first_party().create().await;
    let there = app.on(&other);
    let browser = server.browser().log_in("alice").await;

    // A token.
    let tokens = app.redeem(&browser.authorize(&app).await.code()).await.ok();
    there.userinfo(&tokens.access_token).await.assert_status(200);
    app.revoke(&tokens.access_token).await.assert_status(200);
    there.userinfo(&tokens.access_token).await.assert_error(401, "invalid_token");
    assert!(!there.is_active(&tokens.access_token).await && there.is_revoked(&tokens.access_token).await);

    // A session.
    assert!(browser.on(&other).is_signed_in().await);
    browser.copy().sign_out().await;
    assert!(!browser.on(&other).is_signed_in().await);

    // A person.
    let browser = server.browser().log_in("alice").await;
    let tokens = there.redeem(&browser.on(&other).authorize(&app).await.code()).await.ok();
    let (id, now) = (server.find_user("alice").await.expect("made").id, server.clock().now());
    server.write(move |tx| tx.set_user_status(id, UserStatus::Locked, now)).await;
    there.userinfo(&tokens.access_token).await.assert_error(401, "invalid_token");
    there.refresh(tokens.refresh_token()).await.assert_error(400, "invalid_grant");
    assert!(!browser.on(&other).is_signed_in().await);

    // A client.
    let bob = server.browser().log_in("bob").await;
    let tokens = there.redeem(&bob.authorize(&app).await.code()).await.ok();
    // The other node has it in memory, and looks whether it has changed.
    let jobs = authmachine_server::jobs::start(other.app().clone());
    assert!(there.is_active(&tokens.access_token).await);
    app.change(|client| client.disabled = true).await;
    let began = Instant::now();
    until("the other node knows", async || there.userinfo(&tokens.access_token).await.status == 401).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    jobs.stop().await;
    there.introspect(&tokens.access_token).await.assert_error(401, "invalid_client");
}

#[on_postgres]
async fn bf3_tries_at_two_nodes_count_together() {
    let server = TestServer::start().await;
    let other = server.second_node().await;
    server.user("alice").create().await;
    let pages = [server.browser().open("/login").await, other.browser().open("/login").await];
    let tries: Vec<_> = (0..14)
        .map(|n| tokio::spawn(pages[n % 2].submit(&[("username", "alice"), ("password", "a wrong guess")])))
        .collect();
    let mut wrong = 0;
    for visit in tries {
        match visit.await.expect("no panic").answer().status.as_u16() {
            401 => wrong += 1,
            status => assert_eq!(status, 429),
        }
    }
    assert_eq!(wrong, 5);
}

#[on_postgres]
async fn a_sign_in_begun_at_one_node_goes_on_at_the_other() {
    let server = TestServer::start().await;
    let other = server.second_node().await;
    server.user("alice").create().await;
    let app = server.client("guest").create().await;
    let page = server.browser().follow(&app.authorize_url()).await;
    let address = page.trail[0].location();
    let there = page.browser().on(&other).open(address).await;
    there.submit(&[("username", "alice"), ("password", PASSWORD)]).await.assert_page(200, "Do you agree?");
    let here = page.browser().open(address).await;
    let code = here.submit(&[("decision", "yes")]).await.code();
    app.on(&other).redeem(&code).await.ok();
}
