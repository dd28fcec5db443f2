//! The life of signing keys: next, active, retired, gone (checklist JW8, JW9, JW10, RB13).

use authmachine_jose::{Algorithm, JwkSet, JwkSetError};
use authmachine_protocol::form;
use authmachine_provider::event::EventKind;
use authmachine_provider::keys::Schedule;
use authmachine_server::keys;
use authmachine_testkit::{ClientApp, Engine, START, TestServer, both_engines};
use serde_json::{Value, json};

const DAY: i64 = 86_400;

/// What a client knows that fetches the key set now.
async fn key_set(server: &TestServer) -> JwkSet {
    server.reload().await;
    JwkSet::parse(server.get("/oidc/jwks").send().await.text()).expect("a key set")
}

/// A fresh ID token.
async fn id_token(server: &TestServer, app: &ClientApp) -> String {
    let code = server.browser().log_in("alice").await.authorize(app).await.code();
    app.redeem(&code).await.ok().id_token().to_owned()
}

/// The `kid` of the key that signed `token`, which is in `set`.
fn signed_by(token: &str, set: &JwkSet) -> String {
    let verified = authmachine_jose::verify(token, set, &Algorithm::ALL).expect("a key of the set signed it");
    verified.header.kid.clone().expect("it has one")
}

async fn follow_schedule(server: &TestServer) {
    keys::follow_schedule(server.app()).await.expect("the store answers");
}

#[both_engines]
async fn jw9_a_new_key_is_published_before_it_signs() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    let first = signed_by(&id_token(&server, &app).await, &key_set(&server).await);
    let made_at = START.plus_seconds(-DAY);

    server.clock().set(made_at.plus_seconds(83 * DAY).plus_ms(-1));
    follow_schedule(&server).await;
    assert_eq!(key_set(&server).await.keys().len(), 4, "not yet");

    server.clock().advance_ms(1);
    follow_schedule(&server).await;
    let set = key_set(&server).await;
    assert_eq!(set.keys().len(), 8);
    assert_eq!(signed_by(&id_token(&server, &app).await, &set), first, "it signs nothing yet");
    let takes_over = made_at.plus_seconds(90 * DAY);
    let metric =
        |name: &str| server.metric(&format!("authmachine_signing_key_{name}_seconds{{alg=\"RS256\"}}"));
    assert_eq!(metric("since"), made_at.seconds().unsigned_abs());
    assert_eq!(metric("next"), takes_over.seconds().unsigned_abs());

    // Nothing is written or loaded at the moment itself, and clients that fetched the set before know the key.
    server.clock().set(takes_over.plus_ms(-1));
    assert_eq!(signed_by(&id_token(&server, &app).await, &set), first);
    server.clock().advance_ms(1);
    let second = signed_by(&id_token(&server, &app).await, &set);
    assert_ne!(second, first);

    for _ in 0..2 {
        follow_schedule(&server).await;
    }
    let of = |kind| {
        let server = server.clone();
        async move {
            let events = server.events().await;
            let of_kind = events.into_iter().filter(move |event| event.kind == kind);
            let rs256: Vec<_> = of_kind.filter(|event| event.detail["alg"] == "RS256").collect();
            assert!(rs256.len() == 1 && rs256[0].actor == "server", "{rs256:?}");
            Value::Object(rs256[0].detail.clone())
        }
    };
    let published = json!({ "alg": "RS256", "kid": second, "active_from": takes_over.seconds() });
    assert_eq!(of(EventKind::KeyPublished).await, published);
    let rotated = json!({ "alg": "RS256", "kid": second, "old_kid": first });
    assert_eq!(of(EventKind::KeyRotated).await, rotated);
}

#[both_engines]
async fn jw9_the_old_key_stays_until_nothing_it_signed_lives() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    server.clock().set(START.plus_seconds(82 * DAY));
    follow_schedule(&server).await;
    server.reload().await;
    server.clock().set(START.plus_seconds(89 * DAY).plus_ms(-1));
    let browser = server.browser().log_in("alice").await;
    let old = app.redeem(&browser.authorize(&app).await.code()).await.ok().id_token().to_owned();
    let old_kid = signed_by(&old, &key_set(&server).await);

    // It is retired some time after the other took over, and its time counts from then.
    let taken_over = START.plus_seconds(89 * DAY);
    server.clock().set(taken_over.plus_seconds(60));
    follow_schedule(&server).await;
    let set = key_set(&server).await;
    assert_ne!(signed_by(&id_token(&server, &app).await, &set), old_kid);
    assert_eq!(signed_by(&old, &set), old_kid);

    // The token is over, and still a hint as long as its session may live.
    server.clock().set(taken_over.plus_seconds(12 * 3_600 + 119));
    assert_eq!(signed_by(&old, &key_set(&server).await), old_kid);
    let logout = form::encode([("id_token_hint", old.as_str())]);
    browser.follow(&format!("/oidc/logout?{logout}")).await.assert_page(200, "You are signed out");

    server.clock().set(taken_over.plus_seconds(12 * 3_600 + 120));
    assert!(!key_set(&server).await.has_kid(&old_kid));
    server.purge().await;
    assert_eq!(server.rows()["signing_keys"].len(), 4);
}

#[both_engines]
async fn jw9_a_key_that_is_not_trusted_is_replaced_at_once_and_so_is_its_successor() {
    let server = TestServer::start().await;
    let app = server.client("shop").first_party().create().await;
    server.clock().advance(85 * DAY);
    follow_schedule(&server).await;
    let old = id_token(&server, &app).await;
    let old_kid = signed_by(&old, &key_set(&server).await);

    let now = server.clock().now();
    let new = keys::generate(Algorithm::RS256, &server.app().secrets, now);
    let new_kid = new.kid.clone();
    let last_token_ends = now.plus_seconds(server.app().settings.lives.id_token_s);
    let replaced = server.write(move |tx| keys::rotate(tx, &new, last_token_ends)).await;
    assert_eq!(replaced.as_deref(), Some(&*old_kid));
    let set = key_set(&server).await;
    assert_eq!(signed_by(&id_token(&server, &app).await, &set), new_kid);
    assert_eq!(signed_by(&old, &set), old_kid);
    let count = |set: &JwkSet| set.candidates(Algorithm::RS256, None).count();
    assert_eq!(count(&set), 2, "the next one is gone");
    server.clock().set(last_token_ends);
    assert_eq!(count(&key_set(&server).await), 1);
    // The schedule goes on from the new one.
    follow_schedule(&server).await;
    assert_eq!(count(&key_set(&server).await), 1);
}

#[both_engines]
async fn jw9_of_many_nodes_one_makes_the_successor() {
    let server = TestServer::start().await;
    let other = match Engine::current() {
        Engine::Postgres => server.second_node().await,
        Engine::Sqlite => server.clone(),
    };
    server.clock().advance(85 * DAY);
    let race = async || {
        let tasks: Vec<_> = (0..8)
            .map(|n| if n % 2 == 0 { server.app().clone() } else { other.app().clone() })
            .map(|app| tokio::spawn(async move { keys::follow_schedule(&app).await }))
            .collect();
        for task in tasks {
            task.await.expect("no panic").expect("the store answers");
        }
    };
    race().await;
    assert_eq!(server.rows()["signing_keys"].len(), 8);
    assert_eq!(server.count_events(EventKind::KeyPublished).await, 4);
    server.clock().advance(7 * DAY);
    race().await;
    assert_eq!(server.count_events(EventKind::KeyRotated).await, 4);
    // By hand, too.
    let now = server.clock().now();
    let mut next = Vec::new();
    for node in [&server, &other] {
        let key = keys::generate(Algorithm::ES256, &server.app().secrets, now);
        next.push(node.write(move |tx| keys::publish(tx, &key, 3_600)).await);
    }
    assert_eq!(next[0], next[1]);
    assert_eq!(next[0].active_from, now.plus_seconds(3_600));
}

#[both_engines]
async fn rb13_keys_rotated_fifty_times_under_load_fail_no_verification() {
    const ROTATE_S: i64 = 7_200;
    let server = TestServer::start_with(|settings| {
        settings.keys = Schedule { rotate_after_s: ROTATE_S, publish_before_s: 3_600 };
    })
    .await;
    // An RSA key takes its time, and one algorithm that rotates is as good as another.
    server.drop_key(Algorithm::PS256).await;
    server.drop_key(Algorithm::EdDSA).await;
    let apps = [
        server.client("one").first_party().create().await,
        server.client("two").first_party().id_token_alg(Algorithm::ES256).create().await,
    ];
    let mut fetched = key_set(&server).await;
    let mut signers = std::collections::BTreeSet::new();
    let mut last: Vec<String> = Vec::new();
    for _ in 0..200 {
        server.clock().advance(ROTATE_S / 4);
        let before = fetched;
        // Tokens are issued while keys are made, retired, loaded and swept.
        let host = server.clone();
        let work = tokio::spawn(async move {
            follow_schedule(&host).await;
            host.reload().await;
            host.purge().await;
        });
        let mut tokens = Vec::new();
        for app in &apps {
            tokens.push(id_token(&server, app).await);
        }
        work.await.expect("no panic");
        fetched = key_set(&server).await;
        for token in tokens.iter().chain(&last) {
            signers.insert(signed_by(token, &fetched));
        }
        for token in &tokens {
            // A client that fetched the set half an hour ago knows the key.
            signed_by(token, &before);
        }
        last = tokens;
    }
    assert!(signers.len() >= 2 * 50, "{}", signers.len());
    assert!(fetched.keys().len() <= 2 * 9, "what nobody needs goes: {}", fetched.keys().len());
}

#[both_engines]
async fn jw10_each_key_serves_one_algorithm_under_a_name_of_its_own() {
    let server = TestServer::start().await;
    server.clock().advance(85 * DAY);
    follow_schedule(&server).await;
    let set = key_set(&server).await;
    let mut kids: Vec<_> = set.keys().iter().map(|key| key.kid().expect("each has one").to_owned()).collect();
    for key in set.keys() {
        assert_eq!(key.kid(), Some(&*key.thumbprint()));
        assert_eq!(Algorithm::ALL.iter().filter(|algorithm| key.serves(**algorithm)).count(), 1);
    }
    kids.sort();
    kids.dedup();
    assert_eq!(kids.len(), 8);
}

#[both_engines]
async fn jw8_rb22_keys_that_do_not_open_are_neither_used_nor_replaced() {
    use authmachine_server::keys::KeyError;
    use authmachine_server::secrets::Secrets;
    let server = TestServer::start().await;
    let records = server.store().read(|reads| reads.list_signing_keys()).await.expect("it answers");
    let now = server.clock().now();
    let stranger = Secrets::derive(&[9; 32]);
    let refused = keys::KeyRing::open(records.clone(), &stranger, now).err();
    assert!(matches!(refused, Some(KeyError::Sealed(_))), "{refused:?}");
    // A key under the name of another does not open either.
    let mut swapped = records.clone();
    swapped[0].private_sealed = records[1].private_sealed.clone();
    let refused = keys::KeyRing::open(swapped, &server.app().secrets, now).err();
    assert!(matches!(refused, Some(KeyError::Sealed(_))), "{refused:?}");
    // What is published has no private part: our own reader refuses a set that does.
    let ring = keys::KeyRing::open(records, &server.app().secrets, now).expect("they open");
    let published = std::str::from_utf8(&ring.body).expect("JSON");
    assert!(JwkSet::parse(published).is_ok());
    let leaky = published.replacen("\"kty\"", "\"d\":\"AQAB\",\"kty\"", 1);
    assert_eq!(JwkSet::parse(&leaky).err(), Some(JwkSetError::PrivateKey));
    assert_eq!(server.rows()["signing_keys"].len(), 4);
}
