//! How clients prove themselves, at each endpoint that asks (RFC 6749 §2.3).

use authmachine_protocol::{ClientAuthMethod, basic_auth};
use authmachine_provider::event::EventKind;
use authmachine_testkit::{ClientAuth, TestServer, both_engines};

/// The endpoints that want a client to prove itself, with a request that is right but for the credentials.
const DOORS: [(&str, &[(&str, &str)]); 3] = [
    ("/oidc/token", &[("grant_type", "check_token_revoked"), ("access_token", "x")]),
    ("/oidc/introspect", &[("token", "x")]),
    ("/oidc/revoke", &[("token", "x")]),
];

#[both_engines]
async fn ca1_basic_and_post_will_do_where_none_was_registered() {
    let server = TestServer::start().await;
    let app = server.client("shop").secret("with spaces +%&= and ünïcödé").create().await;
    for (door, fields) in DOORS {
        for auth in [ClientAuth::Post, ClientAuth::Basic] {
            app.with_auth(auth).post(door, fields).await.assert_status(200);
        }
    }
}

#[both_engines]
async fn ca1_the_registered_method_is_the_only_one() {
    let server = TestServer::start().await;
    let basic = server.client("basic").auth_method(ClientAuthMethod::ClientSecretBasic).create().await;
    let post = server.client("post").auth_method(ClientAuthMethod::ClientSecretPost).create().await;
    let public = server.client("public").public().create().await;
    for (app, right, wrong) in [
        (&basic, ClientAuth::Basic, ClientAuth::Post),
        (&post, ClientAuth::Post, ClientAuth::Basic),
        (&basic, ClientAuth::Basic, ClientAuth::Nothing),
    ] {
        for (door, fields) in DOORS {
            app.with_auth(right).post(door, fields).await.assert_status(200);
            app.with_auth(wrong).post(door, fields).await.assert_error(401, "invalid_client");
        }
    }
    // A public client with a secret is not the one that was registered.
    for auth in [ClientAuth::Post, ClientAuth::Basic] {
        for secret in ["anything", ""] {
            let answer = public.with_auth(auth).with_secret(secret).post(DOORS[0].0, DOORS[0].1).await;
            if auth == ClientAuth::Post && secret.is_empty() {
                answer.assert_status(200); // an empty parameter is an absent one (RFC 6749 §3.1)
            } else {
                answer.assert_error(401, "invalid_client");
            }
        }
    }
}

#[both_engines]
async fn ca1_two_methods_or_two_identities_are_refused() {
    let server = TestServer::start().await;
    let app = server.client("shop").create().await;
    server.client("other").create().await;
    let secret = app.secret.clone().expect("confidential");
    let basic = basic_auth::encode("shop", &secret);
    for (door, fields) in DOORS {
        let with = |more: &[(&'static str, &'static str)]| {
            let fields: Vec<_> = fields.iter().copied().chain(more.iter().copied()).collect();
            server.post(door).header("authorization", &basic).form(&fields)
        };
        with(&[("client_id", "shop")]).send().await.assert_status(200);
        with(&[("client_id", "other")]).send().await.assert_error(400, "invalid_request");
        with(&[("client_id", "shop"), ("client_secret", "x")])
            .send()
            .await
            .assert_error(400, "invalid_request");
        with(&[]).header("authorization", &basic).send().await.assert_error(400, "invalid_request");
    }
}

#[both_engines]
async fn ca2_empty_never_matches_and_a_secret_is_not_optional() {
    let server = TestServer::start().await;
    let app = server.client("shop").create().await;
    // Confidential clients whose secret was never set, or is empty.
    let unset = server.client("unset").create().await.change(|client| client.secret_hmac = None).await;
    let empty = server.client("empty").secret("").create().await;
    for (door, fields) in DOORS {
        for app in [&app, &unset, &empty] {
            app.with_auth(ClientAuth::Nothing).post(door, fields).await.assert_error(401, "invalid_client");
            app.with_secret("").post(door, fields).await.assert_error(401, "invalid_client");
            app.with_secret("")
                .with_auth(ClientAuth::Basic)
                .post(door, fields)
                .await
                .assert_error(401, "invalid_client");
        }
        server.post(door).form(fields).send().await.assert_error(401, "invalid_client");
    }
}

#[both_engines]
async fn ca2_a_public_client_learns_nothing_by_introspection() {
    let server = TestServer::start().await;
    let public = server.client("spa").public().create().await;
    public.introspect("x").await.assert_error(401, "invalid_client");
    public.revoke("x").await.assert_status(200);
}

#[both_engines]
async fn ca3_unknown_client_and_wrong_secret_look_the_same() {
    let server = TestServer::start().await;
    let app = server.client("shop").create().await;
    let disabled = server.client("old").create().await.change(|client| client.disabled = true).await;
    for (door, fields) in DOORS {
        for auth in [ClientAuth::Post, ClientAuth::Basic] {
            let wrong = app.with_auth(auth).with_secret("not the secret").post(door, fields).await;
            wrong.assert_error(401, "invalid_client");
            let mut unknown = app.with_auth(auth);
            unknown.record.client_id = "nobody".to_owned();
            let unknown = unknown.post(door, fields).await;
            let disabled = disabled.with_auth(auth).post(door, fields).await;
            for answer in [&unknown, &disabled] {
                assert_eq!(answer.body, wrong.body);
                assert_eq!(answer.status, wrong.status);
                assert_eq!(answer.headers.get("www-authenticate"), wrong.headers.get("www-authenticate"));
            }
            if auth == ClientAuth::Basic {
                assert!(
                    wrong.header("www-authenticate").is_some_and(|challenge| challenge.starts_with("Basic "))
                );
            }
        }
    }
    assert!(server.count_events(EventKind::ClientRefused).await >= 6);
}

#[both_engines]
async fn ca3_guessing_is_throttled_per_client_and_source() {
    let server = TestServer::start().await;
    let app = server.client("shop").create().await;
    let other = server.client("other").create().await;
    let (door, fields) = DOORS[1];
    let guess = app.with_secret("a guess");
    for _ in 0..20 {
        guess.post(door, fields).await.assert_error(401, "invalid_client");
    }
    let refused = guess.post(door, fields).await;
    refused.assert_status(429);
    let wait: i64 = refused.header("retry-after").expect("it says when").parse().expect("seconds");
    assert!(wait >= 1);
    // Even the right secret waits, from here; elsewhere, and for others, nothing changed.
    app.post(door, fields).await.assert_status(429);
    other.post(door, fields).await.assert_status(200);
    let secret = app.secret.clone().expect("confidential");
    let elsewhere = [fields, &[("client_id", "shop"), ("client_secret", secret.as_str())]].concat();
    server.post(door).from("198.51.100.7").form(&elsewhere).send().await.assert_status(200);
    // Unknown clients are counted alike.
    let mut nobody = app.clone();
    nobody.record.client_id = "nobody".to_owned();
    for _ in 0..20 {
        nobody.post(door, fields).await.assert_error(401, "invalid_client");
    }
    nobody.post(door, fields).await.assert_status(429);
    server.clock().advance(wait);
    app.post(door, fields).await.assert_status(200);
}

#[both_engines]
async fn ca3_failures_of_a_day_do_not_add_up() {
    let server = TestServer::start().await;
    let app = server.client("shop").create().await;
    let (door, fields) = DOORS[1];
    let guess = app.with_secret("a typo");
    // A neighbour behind the same address is wrong now and then; the right secret works in between, for ever.
    for _ in 0..60 {
        guess.post(door, fields).await.assert_error(401, "invalid_client");
        server.clock().advance(60);
    }
    app.post(door, fields).await.assert_status(200);
}

#[both_engines]
async fn g10_malformed_credentials_are_refused() {
    let server = TestServer::start().await;
    server.client("shop").create().await;
    for (door, fields) in DOORS {
        for bad in [
            "Basic",
            "Basic ",
            "Basic ???",
            "Basic c2hvcA==",
            "Basic /zo=",
            "Basic c2hvcDo=",
            "Digest x",
            "Bearer x",
            "x",
            " ",
        ] {
            let answer = server.post(door).header("authorization", bad).form(fields).send().await;
            answer.assert_error(401, "invalid_client");
        }
        let answer = server.post(door).header("authorization", "Basic ü").form(fields).send().await;
        answer.assert_error(400, "invalid_request");
    }
}
