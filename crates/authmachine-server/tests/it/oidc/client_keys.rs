//! The public keys of clients: by value, and at their `jwks_uri` (checklist JW3, JW8, DO6).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use authmachine_jose::{Algorithm, JoseError, SigningKey};
use authmachine_provider::client::Client;
use authmachine_server::client_keys::{self, ClientKeyError};
use authmachine_testkit::{TestServer, WebSite, both_engines, reach_loopback};
use serde_json::{Value, json};

const ALL: &[Algorithm] = &Algorithm::ALL;

fn key(kid: &str) -> SigningKey {
    SigningKey::generate(Algorithm::ES256, kid).expect("a key")
}

fn token(key: &SigningKey) -> String {
    key.sign(None, br#"{"sub":"shop"}"#).expect("it signs")
}

fn set_of(keys: &[&SigningKey]) -> Value {
    json!({ "keys": keys.iter().map(|key| key.public_jwk()).collect::<Vec<_>>() })
}

/// A key without `kid`, and a token that names none.
fn nameless(key: &SigningKey) -> (Value, String) {
    let mut jwk = serde_json::to_value(key.public_jwk()).expect("JSON");
    jwk.as_object_mut().expect("an object").remove("kid");
    (json!({ "keys": [jwk] }), key.sign_nameless(None, b"{}").expect("it signs"))
}

fn serve(site: &WebSite, jwks: &Value) -> String {
    site.serve("/jwks", "application/json", jwks.to_string())
}

async fn client_at(server: &TestServer, uri: &str) -> Client {
    server.client("shop").jwks_uri(uri).create().await.record
}

async fn outcome(server: &TestServer, client: &Client, token: &str) -> Result<(), ClientKeyError> {
    client_keys::verify(server.app(), client, token, ALL).await.map(drop)
}

#[both_engines]
async fn jw1_keys_by_value_check_what_their_client_signed() {
    let server = TestServer::start().await;
    let (own, other) = (key("own"), key("other"));
    let client = server.client("shop").jwks(&set_of(&[&own])).create().await.record;
    for _ in 0..2 {
        assert_eq!(outcome(&server, &client, &token(&own)).await, Ok(()));
        assert_eq!(outcome(&server, &client, &token(&other)).await, Err(JoseError::UnknownKid.into()));
    }
    let es256_only = client_keys::verify(server.app(), &client, &token(&own), &[Algorithm::RS256]).await;
    assert_eq!(es256_only, Err(JoseError::AlgorithmNotAllowed.into()));
    let (jwks, unnamed) = nameless(&own);
    let client = server.client("nameless").jwks(&jwks).create().await.record;
    assert_eq!(outcome(&server, &client, &unnamed).await, Ok(()));
    let without = server.client("without").create().await.record;
    assert_eq!(outcome(&server, &without, &token(&own)).await, Err(ClientKeyError::NoKeys));
}

#[both_engines]
async fn jw3_a_new_key_is_fetched_once_and_at_once() {
    let server = TestServer::start_with(reach_loopback).await;
    let site = WebSite::start().await;
    let (old, new, never) = (key("old"), key("new"), key("never"));
    let client = client_at(&server, &serve(&site, &set_of(&[&old]))).await;
    for _ in 0..3 {
        assert_eq!(outcome(&server, &client, &token(&old)).await, Ok(()));
    }
    assert_eq!(site.received().len(), 1, "one fetch is enough");

    // The key is replaced, and not a moment is lost, if the last fetch is half a minute ago.
    serve(&site, &set_of(&[&new]));
    server.clock().advance(29);
    assert_eq!(outcome(&server, &client, &token(&new)).await, Err(JoseError::UnknownKid.into()));
    assert_eq!(outcome(&server, &client, &token(&old)).await, Ok(()));
    server.clock().advance(1);
    assert_eq!(outcome(&server, &client, &token(&new)).await, Ok(()));
    assert_eq!(outcome(&server, &client, &token(&old)).await, Err(JoseError::UnknownKid.into()));
    assert_eq!(site.received().len(), 2);

    // Strangers with other names for keys cause one fetch in half a minute.
    for _ in 0..40 {
        assert_eq!(outcome(&server, &client, &token(&never)).await, Err(JoseError::UnknownKid.into()));
        server.clock().advance(3);
    }
    assert_eq!(site.received().len(), 2 + 3);
    // What no key could make good, none.
    server.clock().advance(60);
    for bad in ["", "x", "a.b.c", &token(&new).replace('.', ""), &format!("{}.", token(&new))] {
        assert!(outcome(&server, &client, bad).await.is_err());
    }
    assert_eq!(site.received().len(), 5);
}

#[both_engines]
async fn jw3_another_client_at_the_same_address_has_its_own_turn() {
    let server = TestServer::start_with(reach_loopback).await;
    let site = WebSite::start().await;
    let (old, new) = (key("old"), key("new"));
    let first = client_at(&server, &serve(&site, &set_of(&[&old]))).await;
    assert_eq!(outcome(&server, &first, &token(&old)).await, Ok(()));
    // The OpenID Foundation's plans register one client after the other there, each with keys of its own.
    let uri = serve(&site, &set_of(&[&new]));
    let second = server.client("second").jwks_uri(&uri).create().await.record;
    assert_eq!(outcome(&server, &second, &token(&new)).await, Ok(()));
    assert_eq!(outcome(&server, &first, &token(&new)).await, Err(JoseError::UnknownKid.into()));
    assert_eq!(site.received().len(), 2, "once for each");
}

#[both_engines]
async fn jw3_a_key_without_a_name_is_replaced_as_well() {
    let server = TestServer::start_with(reach_loopback).await;
    let site = WebSite::start().await;
    let (old, new) = (nameless(&key("")), nameless(&key("")));
    let client = client_at(&server, &serve(&site, &old.0)).await;
    assert_eq!(outcome(&server, &client, &old.1).await, Ok(()));
    serve(&site, &new.0);
    server.clock().advance(30);
    assert_eq!(outcome(&server, &client, &new.1).await, Ok(()));
    assert_eq!(outcome(&server, &client, &old.1).await, Err(JoseError::Signature.into()));
}

#[both_engines]
async fn do6_many_at_once_are_one_fetch_and_whoever_goes_away_breaks_off_none() {
    let server = TestServer::start_with(reach_loopback).await;
    let site = WebSite::start().await;
    let own = key("own");
    let client = client_at(&server, &serve(&site, &set_of(&[&own]))).await;
    let token = token(&own);
    // The first asks, and does not wait for the answer.
    {
        let asking = outcome(&server, &client, &token);
        tokio::pin!(asking);
        tokio::select! {
            biased;
            _ = &mut asking => {}
            _ = site.wait_for(1) => {}
        }
    }
    let attempts: Vec<_> = (0..50)
        .map(|_| {
            let (server, client, token) = (server.clone(), client.clone(), token.clone());
            tokio::spawn(async move { outcome(&server, &client, &token).await })
        })
        .collect();
    for attempt in attempts {
        assert_eq!(attempt.await.expect("no panic"), Ok(()));
    }
    assert_eq!(site.received().len(), 1);
}

#[both_engines]
async fn jw3_keys_count_that_were_fetched_while_the_clock_went_on() {
    let server = TestServer::start_with(reach_loopback).await;
    let site = WebSite::start().await;
    let own = key("own");
    let (clock, is_over) = (server.clock().clone(), Arc::new(AtomicBool::new(false)));
    let ticks = {
        let is_over = is_over.clone();
        std::thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                clock.advance_ms(1);
            }
        })
    };
    for id in 0..20 {
        let uri = site.serve(&format!("/{id}"), "application/json", set_of(&[&own]).to_string());
        let client = server.client(&id.to_string()).jwks_uri(&uri).create().await.record;
        assert_eq!(outcome(&server, &client, &token(&own)).await, Ok(()));
    }
    is_over.store(true, Ordering::Relaxed);
    ticks.join().expect("it only counts");
}

#[both_engines]
async fn jw3_what_cannot_be_fetched_is_asked_for_once_in_half_a_minute_and_the_last_good_set_stays() {
    let server = TestServer::start_with(reach_loopback).await;
    let site = WebSite::start().await;
    let own = key("own");
    let client = client_at(&server, &site.url("/jwks")).await;
    for _ in 0..3 {
        assert_eq!(outcome(&server, &client, &token(&own)).await, Err(ClientKeyError::Unavailable));
    }
    assert_eq!(site.received().len(), 1);
    serve(&site, &set_of(&[&own]));
    server.clock().advance(30);
    assert_eq!(outcome(&server, &client, &token(&own)).await, Ok(()));
    for bad in ["<html>", "[]", r#"{"keys":[],"keys":[]}"#] {
        site.serve("/jwks", "application/json", bad.to_owned());
        server.clock().advance(60 * 60);
        assert_eq!(outcome(&server, &client, &token(&own)).await, Ok(()), "{bad}");
    }
    assert_eq!(site.received().len(), 5);
    assert_eq!(server.metric("authmachine_client_key_sets_refused_total"), 3);
    site.serve("/jwks", "text/html", set_of(&[&own]).to_string());
    server.clock().advance(24 * 60 * 60);
    assert_eq!(outcome(&server, &client, &token(&own)).await, Err(ClientKeyError::Unavailable));
}

#[both_engines]
async fn jw8_a_set_that_shows_a_private_key_is_refused_whole() {
    let server = TestServer::start_with(reach_loopback).await;
    let site = WebSite::start().await;
    let own = key("own");
    let client = client_at(&server, &serve(&site, &set_of(&[&own]))).await;
    assert_eq!(outcome(&server, &client, &token(&own)).await, Ok(()));
    let mut shown = set_of(&[&own]);
    shown["keys"][0]["d"] = "AQAB".into();
    serve(&site, &shown);
    server.clock().advance(60 * 60);
    assert_eq!(outcome(&server, &client, &token(&own)).await, Err(ClientKeyError::Unavailable));
    assert!(
        server.log().iter().any(|line| line.contains("The key set of a client at localhost cannot be used"))
    );
}

#[both_engines]
async fn sr1_an_address_that_may_not_be_asked_is_not() {
    let server = TestServer::start().await;
    let site = WebSite::start().await;
    let own = key("own");
    let client = client_at(&server, &serve(&site, &set_of(&[&own]))).await;
    assert_eq!(outcome(&server, &client, &token(&own)).await, Err(ClientKeyError::Unavailable));
    assert!(site.received().is_empty());
}
