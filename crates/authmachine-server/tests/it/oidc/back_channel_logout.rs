//! Telling clients from server to server that a session has ended (OpenID Connect Back-Channel Logout 1.0; checklist LO4, RB19).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use authmachine_jose::{Algorithm, JwkSet};
use authmachine_provider::client_metadata::ClientMetadata;
use authmachine_provider::event::{Event, EventKind};
use authmachine_provider::ids::ClientId;
use authmachine_provider::user::UserStatus;
use authmachine_server::jobs::{self, Jobs};
use authmachine_testkit::{
    Browser, ClientApp, ClientBuilder, PASSWORD, Received, Site, TestServer, WebSite, both_engines,
    on_postgres, reach_loopback,
};
use serde_json::json;

use crate::jobs::until;

/// A server that reaches sites on loopback, with its jobs.
async fn start() -> (TestServer, Jobs) {
    let server = TestServer::start_with(reach_loopback).await;
    let jobs = jobs::start(server.app().clone());
    (server, jobs)
}

fn told_at(client: ClientBuilder, uri: &str) -> ClientBuilder {
    let backchannel_logout_uri = Some(uri.to_owned());
    client.metadata(ClientMetadata { backchannel_logout_uri, ..ClientMetadata::default() })
}

/// A client that is told at `uri`.
async fn told(server: &TestServer, client_id: &str, uri: &str) -> ClientApp {
    told_at(server.client(client_id), uri).create().await
}

async fn sid(server: &TestServer, browser: &Browser, app: &ClientApp) -> String {
    let tokens = app.redeem(&browser.authorize(app).await.code()).await.ok();
    server.verify(tokens.id_token()).await["sid"].as_str().expect("there is a sid").to_owned()
}

fn logout_token(received: &Received) -> String {
    let form = received.form();
    assert_eq!((received.method.as_str(), form.len()), ("POST", 1), "{form:?}");
    assert_eq!(received.headers["content-type"], "application/x-www-form-urlencoded");
    let (name, token) = form.into_iter().next().expect("one field");
    assert_eq!(name, "logout_token");
    token
}

async fn events(server: &TestServer, kind: EventKind) -> Vec<Event> {
    server.events().await.into_iter().filter(|event| event.kind == kind).collect()
}

async fn until_events(server: &TestServer, kind: EventKind, count: usize) -> Vec<Event> {
    until(&format!("{count} {kind:?}"), async || server.count_events(kind).await >= count).await;
    let events = events(server, kind).await;
    assert_eq!(events.len(), count, "{events:?}");
    events
}

#[both_engines]
async fn lo4_each_client_of_the_session_gets_a_token_of_its_own() {
    let (server, jobs) = start().await;
    let site = WebSite::start_with_tls().await;
    let (shop, wiki) = (site.answer("/shop", 200, &[], ""), site.answer("/wiki?x=1", 204, &[], ""));
    site.answer("/wiki", 204, &[], "");
    let shop = told(&server, "shop", &shop).await;
    let wiki = told_at(server.client("wiki"), &wiki).id_token_alg(Algorithm::ES256).create().await;
    told(&server, "elsewhere", &site.url("/elsewhere")).await;
    let untold = server.client("untold").create().await;
    let browser = server.browser().log_in("alice").await;
    browser.authorize(&untold).await.code();
    browser.authorize(&wiki).await.code();
    let sid = sid(&server, &browser, &shop).await;

    browser.sign_out().await;
    // Whoever is quick knows it before the browser goes on.
    let received = site.received();
    assert_eq!(received.len(), 2, "{received:?}");
    let keys = JwkSet::parse(server.get("/oidc/jwks").send().await.text()).expect("a key set");
    let mut audiences = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for request in &received {
        let token = logout_token(request);
        server.note_secret(&token);
        let verified = authmachine_jose::verify(&token, &keys, &Algorithm::ALL).expect("ours");
        assert!(verified.header.has_typ("logout+jwt") && !verified.header.has_typ("JWT"));
        let mut claims = verified.payload;
        let aud = claims.remove("aud").expect("there is one").as_str().expect("a text").to_owned();
        let wants = if aud == "wiki" { ("/wiki?x=1", "ES256") } else { ("/shop", "RS256") };
        assert_eq!((request.target.as_str(), verified.header.algorithm.as_str()), wants);
        ids.insert(claims.remove("jti").expect("there is one").to_string());
        audiences.insert(aud);
        let now = server.clock().now().seconds();
        let expected = json!({
            "iss": server.issuer(), "sub": server.find_user("alice").await.expect("made").sub, "sid": sid,
            "iat": now, "exp": now + 120,
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        });
        assert_eq!(serde_json::Value::Object(claims), expected, "and no nonce");
        // It is no ID token: nobody signs out by it (RFC 8725 §3.12).
        let again = server.browser().log_in("alice").await;
        let url = format!("/oidc/logout?id_token_hint={token}");
        again.follow(&url).await.assert_page(200, "Sign out?");
    }
    assert_eq!(audiences, BTreeSet::from(["shop".to_owned(), "wiki".to_owned()]));
    assert_eq!(ids.len(), 2);

    let events = until_events(&server, EventKind::LogoutDelivered, 2).await;
    for event in &events {
        assert_eq!((event.actor.as_str(), &event.detail["sid"]), ("server", &json!(sid)));
        assert_eq!(event.detail["attempts"], 1);
        assert!(audiences.contains(event.client.as_deref().expect("it names the client")));
    }
    assert!(server.rows()["logout_deliveries"].is_empty());
    jobs.stop().await;
}

#[both_engines]
async fn lo4_a_client_with_pairwise_subjects_is_told_of_those() {
    let (server, jobs) = start().await;
    let site = WebSite::start_with_tls().await;
    let app = told_at(server.client("shop"), &site.answer("/shop", 200, &[], ""));
    let app = app.pairwise("shop.example").create().await;
    let browser = server.browser().log_in("alice").await;
    let tokens = app.redeem(&browser.authorize(&app).await.code()).await.ok();
    let id_token = server.verify(tokens.id_token()).await;
    browser.sign_out().await;
    let token = logout_token(&site.received()[0]);
    server.note_secret(&token);
    let told = server.verify(&token).await;
    assert_eq!((&told["sub"], &told["sid"]), (&id_token["sub"], &id_token["sid"]));
    assert_ne!(told["sub"], server.find_user("alice").await.expect("made").sub);
    jobs.stop().await;
}

#[both_engines]
async fn lo4_every_door_that_ends_a_session_tells_its_clients() {
    type Door = fn(Scene) -> std::pin::Pin<Box<dyn Future<Output = ()>>>;
    struct Scene {
        server: TestServer,
        browser: Browser,
        app: ClientApp,
        /// Another browser in which alice is signed in.
        elsewhere: Browser,
    }
    let doors: [(&str, usize, Door); 11] = [
        ("end_session, with the person's yes", 1, |s| {
            Box::pin(async move {
                s.browser.follow("/oidc/logout").await.submit(&[("decision", "yes")]).await;
            })
        }),
        ("revoke_tokens", 1, |s| {
            Box::pin(async move {
                s.browser.follow("/oidc/logout?revoke_tokens=1").await.submit(&[("decision", "yes")]).await;
            })
        }),
        ("sign-out", 1, |s| Box::pin(async move { s.browser.sign_out().await })),
        ("ended from another browser", 1, |s| {
            Box::pin(async move {
                let page = s.elsewhere.open("/").await;
                let form = page.forms().into_iter().find(|form| form.action.ends_with("/end")).expect("it");
                let fields: Vec<_> = form.fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
                s.elsewhere.post(Site::Own, &form.action, &fields).await;
            })
        }),
        ("all others ended", 1, |s| {
            Box::pin(async move {
                let page = s.elsewhere.open("/").await;
                let mut forms = page.forms().into_iter();
                let form = forms.find(|form| form.action.ends_with("/end-others")).expect("it");
                let fields: Vec<_> = form.fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
                s.elsewhere.post(Site::Own, &form.action, &fields).await;
            })
        }),
        ("another person signs in in the browser", 1, |s| {
            Box::pin(async move {
                s.server.user("bob").create().await;
                let page = s.browser.follow(&s.app.authorize().with("prompt", "login").url()).await;
                page.submit(&[("username", "bob"), ("password", PASSWORD)]).await;
            })
        }),
        ("the password changed", 1, |s| {
            Box::pin(async move {
                let page = s.browser.open("/account/password").await;
                let words = [("current_password", PASSWORD), ("new_password", "another fine set of words")];
                page.submit(&words).await.assert_page(200, "Your password is changed");
            })
        }),
        ("the user locked", 1, |s| {
            Box::pin(async move {
                let (alice, now) =
                    (s.server.find_user("alice").await.expect("made").id, s.server.clock().now());
                s.server.write(move |tx| tx.set_user_status(alice, UserStatus::Locked, now)).await;
            })
        }),
        // The rest ends no session. Time does not tell clients either: their own sessions have limits of their own.
        ("the same person signs in again", 0, |s| {
            Box::pin(async move {
                let page = s.browser.follow(&s.app.authorize().with("prompt", "login").url()).await;
                page.submit(&[("username", "alice"), ("password", PASSWORD)]).await.code();
            })
        }),
        ("time", 0, |s| {
            Box::pin(async move {
                s.server.clock().advance(13 * 3_600);
                assert!(!s.browser.is_signed_in().await);
            })
        }),
        ("the user unlocked", 0, |s| {
            Box::pin(async move {
                let (alice, now) =
                    (s.server.find_user("alice").await.expect("made").id, s.server.clock().now());
                s.server.write(move |tx| tx.set_user_status(alice, UserStatus::Active, now)).await;
            })
        }),
    ];
    for (name, told_clients, door) in doors {
        let (server, jobs) = start().await;
        let site = WebSite::start().await;
        let app = told(&server, "shop", &site.answer("/out", 200, &[], "")).await;
        server.user("alice").create().await;
        let browser = server.browser();
        browser.sign_in("alice", PASSWORD).await;
        let sid = sid(&server, &browser, &app).await;
        let elsewhere = server.browser().log_in("alice").await;
        door(Scene { server: server.clone(), browser, app, elsewhere }).await;
        if told_clients == 1 {
            let events = until_events(&server, EventKind::LogoutDelivered, 1).await;
            assert_eq!(events[0].detail["sid"], sid, "{name}");
        }
        assert!(server.rows()["logout_deliveries"].is_empty(), "{name}");
        assert_eq!(site.received().len(), told_clients, "{name}");
        jobs.stop().await;
    }
}

#[both_engines]
async fn lo4_a_client_that_fails_is_tried_again_and_given_up_in_the_end() {
    let (server, jobs) = start().await;
    let site = WebSite::start().await;
    let app = told(&server, "shop", &site.answer("/out", 503, &[], "")).await;
    let browser = server.browser().log_in("alice").await;
    browser.authorize(&app).await.code();
    browser.sign_out().await;

    let mut jtis = BTreeSet::new();
    for (attempt, wait_s) in (1..).zip([10, 30, 120, 600, 3_600, 14_400]) {
        let failed = until_events(&server, EventKind::LogoutFailed, attempt).await;
        let detail = &failed[attempt - 1].detail;
        assert_eq!(detail["attempts"], attempt);
        let why = (&detail["reason"], &detail["status"], &detail["again"]);
        assert_eq!(why, (&json!("status"), &json!(503), &json!(true)));
        // Each try has a fresh token.
        let token = logout_token(&site.received()[attempt - 1]);
        let claims = server.verify(&token).await;
        assert_eq!(claims["iat"], server.clock().now().seconds());
        assert!(jtis.insert(claims["jti"].to_string()));
        server.clock().advance(wait_s - 1);
        let now = server.clock().now();
        let due = server
            .store()
            .read(move |reads| reads.list_due_logout_deliveries(ClientId(0), &[], now, 9))
            .await;
        assert_eq!(due.expect("the store answers"), [], "not before its time");
        server.clock().advance(1);
    }
    let failed = until_events(&server, EventKind::LogoutFailed, 7).await;
    assert_eq!(failed[6].detail["again"], false);
    assert!(server.rows()["logout_deliveries"].is_empty());
    let metric =
        |result| server.metric(&format!("authmachine_logout_deliveries_total{{result=\"{result}\"}}"));
    assert_eq!((metric("delivered"), metric("failed"), metric("given_up")), (0, 6, 1));
    jobs.stop().await;
}

#[both_engines]
async fn lo4_what_the_operator_did_not_allow_is_not_reached() {
    let server = TestServer::start().await;
    let jobs = jobs::start(server.app().clone());
    let site = WebSite::start().await;
    let app = told(&server, "shop", &site.answer("/out", 200, &[], "")).await;
    let browser = server.browser().log_in("alice").await;
    browser.authorize(&app).await.code();
    browser.sign_out().await;
    let failed = until_events(&server, EventKind::LogoutFailed, 1).await;
    assert_eq!(failed[0].detail["reason"], "plain_http");
    assert!(site.received().is_empty());

    // A client that wants to know no more is forgotten.
    app.change(|client| client.metadata.backchannel_logout_uri = None).await;
    server.clock().advance(10);
    until("nothing is left", async || server.rows()["logout_deliveries"].is_empty()).await;
    jobs.stop().await;
}

#[both_engines]
async fn rb19_a_receiver_that_never_answers_holds_nobody() {
    let (server, jobs) = start().await;
    let site = WebSite::start().await;
    let slow = told(&server, "slow", &site.hang("/slow")).await;
    let quick = told(&server, "quick", &site.answer("/quick", 200, &[], "")).await;
    let began = Instant::now();
    for _ in 0..2 {
        let browser = server.browser().log_in("alice").await;
        for app in [&slow, &quick] {
            browser.authorize(app).await.code();
        }
        browser.sign_out().await;
    }
    assert!(began.elapsed() < Duration::from_secs(7), "each waits for two seconds and no longer");
    until_events(&server, EventKind::LogoutDelivered, 2).await;
    let slow_tries = || site.received().iter().filter(|request| request.target == "/slow").count();
    let failed = server.count_events(EventKind::LogoutFailed).await;
    assert!(slow_tries() <= failed + 1, "one at a time");
    let failed = until_events(&server, EventKind::LogoutFailed, 1).await;
    assert_eq!(failed[0].detail["reason"], "timeout");
    jobs.stop().await;
}

#[both_engines]
async fn rb19_a_delivery_survives_a_crash() {
    let (server, jobs) = start().await;
    let site = WebSite::start().await;
    let app = told(&server, "shop", &site.hang("/out")).await;
    let browser = server.browser().log_in("alice").await;
    browser.authorize(&app).await.code();
    let alice = server.find_user("alice").await.expect("made").id;
    let now = server.clock().now();
    server.write(move |tx| tx.set_user_status(alice, UserStatus::Locked, now)).await;
    site.wait_for(1).await;
    // The process is gone, in the middle of the try: nobody notes how it ended.
    jobs.stop().await;
    assert_eq!(server.rows()["logout_deliveries"].len(), 1);
    assert_eq!(server.count_events(EventKind::LogoutFailed).await, 0);

    site.answer("/out", 200, &[], "");
    let jobs = jobs::start(server.app().clone());
    server.clock().advance(10);
    let events = until_events(&server, EventKind::LogoutDelivered, 1).await;
    assert_eq!(events[0].detail["attempts"], 2);
    assert_eq!(site.received().len(), 2);
    jobs.stop().await;
}

#[on_postgres]
async fn lo4_of_two_nodes_one_sends() {
    let server = TestServer::start_with(reach_loopback).await;
    let other = server.second_node().await;
    let site = WebSite::start().await;
    let mut apps = Vec::new();
    for name in ["a", "b", "c", "d"] {
        apps.push(told(&server, name, &site.answer(&format!("/{name}"), 200, &[], "")).await);
    }
    for _ in 0..5 {
        let browser = server.browser().log_in("alice").await;
        for app in &apps {
            browser.authorize(app).await.code();
        }
    }
    let alice = server.find_user("alice").await.expect("made").id;
    let now = server.clock().now();
    let jobs = [jobs::start(server.app().clone()), jobs::start(other.app().clone())];
    server.write(move |tx| tx.set_user_status(alice, UserStatus::Locked, now)).await;
    until_events(&server, EventKind::LogoutDelivered, 20).await;
    assert_eq!(site.received().len(), 20, "each client hears of each session once");
    for jobs in jobs {
        jobs.stop().await;
    }
}
