//! Signing keys that are replaced again and again while tokens are issued.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use authmachine_e2e::{Client, Engine, Provider, Random, Tokens, Visitor, decode, http};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde_json::Value;

use crate::scenario::Scenario;

const ALGORITHMS: [&str; 4] = ["RS256", "ES256", "PS256", "EdDSA"];
/// As long as an ID token lives, and stays verifiable.
const LIFE: Duration = Duration::from_secs(60);
/// ID tokens that are verified again after each new key set.
const REMEMBERED: usize = 50;

on_each_engine!(rb13_every_token_verifies_while_keys_are_rotated);

async fn rb13_every_token_verifies_while_keys_are_rotated(engine: Engine) {
    let mut scenario = Scenario::begin("keys rotated", "RB13", &engine, 4, 1_000);
    let mut provider = Provider::prepare(&engine).await;
    provider.set("LOG__LEVEL", "warn");
    // A key set of a thousand rotations would be large: each stays as long as what it signed.
    provider.set("LIVES__ID_TOKEN", "1m");
    provider.launch().await;
    let stops = Arc::new(AtomicBool::new(false));
    let mut relying_parties = Vec::new();
    for algorithm in ALGORITHMS {
        let id = algorithm.to_ascii_lowercase();
        provider.add_user(&id).await;
        let flags = ["--first-party", "--id-token-alg", algorithm];
        let client = provider.add_client(Client::of(&id, "https://app.example.com/cb").with(&flags)).await;
        let party = RelyingParty {
            algorithm,
            client,
            jwks_uri: provider.url("/oidc/jwks"),
            keys: BTreeMap::new(),
            tokens: Vec::new(),
            verified: Arc::default(),
        };
        let (count, stops, password) = (Arc::clone(&party.verified), Arc::clone(&stops), provider.password());
        relying_parties.push((count, tokio::spawn(party.work(stops, password, scenario.random.number()))));
    }
    for _ in 0..scenario.count {
        let algorithm = ALGORITHMS[scenario.random.below(ALGORITHMS.len())];
        let before: Vec<usize> = relying_parties.iter().map(|(count, _)| count.load(SeqCst)).collect();
        provider.cli(&["keys", "rotate", "--now", "--alg", algorithm]).await;
        // Each has had tokens since.
        for ((count, running), before) in relying_parties.iter().zip(before) {
            while count.load(SeqCst) < before + 2 {
                assert!(!running.is_finished(), "a relying party has stopped");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        scenario.happened();
    }
    stops.store(true, SeqCst);
    for (count, running) in relying_parties {
        running.await.expect("every token verified");
        scenario.acknowledged(count.load(SeqCst));
    }
    assert_eq!(provider.metric("authmachine_panics_total").await, "0");
    scenario.end();
}

/// A client that keeps the key set until it meets a `kid` that it does not know.
struct RelyingParty {
    algorithm: &'static str,
    client: Client,
    jwks_uri: String,
    keys: BTreeMap<String, Value>,
    /// With the time that each was had.
    tokens: Vec<(Instant, String)>,
    verified: Arc<AtomicUsize>,
}

impl RelyingParty {
    async fn work(mut self, stops: Arc<AtomicBool>, password: &'static str, seed: u64) {
        let (mut visitor, mut random) = (Visitor::new(), Random::new(seed));
        let stops_at = [self.client.redirect_uri.clone()];
        while !stops.load(SeqCst) {
            let url = self.client.authorize_url(&[]);
            let left = visitor.sign_in(&url, &self.client.id, password, &[&stops_at[0]]).await.left();
            let code = left.query_pairs().find(|(name, _)| name == "code").expect("a code").1.into_owned();
            let tokens = Tokens::of(self.client.redeem(&code).await.expect("an answer"));
            let token = tokens.id.expect("scope openid");
            if !self.keys.contains_key(&kid(&token)) {
                let jwks = http::get(&self.jwks_uri).await.expect(200).json();
                let keys = jwks["keys"].as_array().expect("a set of keys").iter();
                self.keys =
                    keys.map(|key| (key["kid"].as_str().expect("a name").to_owned(), key.clone())).collect();
                self.tokens.retain(|(made, _)| made.elapsed() < LIFE);
                self.tokens.iter().for_each(|(_, token)| self.verify(token));
            }
            self.verify(&token);
            if self.tokens.len() == REMEMBERED {
                self.tokens.swap_remove(random.below(REMEMBERED));
            }
            self.tokens.push((Instant::now(), token));
            self.verified.fetch_add(1, SeqCst);
        }
    }

    #[track_caller]
    fn verify(&self, token: &str) {
        assert_eq!(decode(token, 0)["alg"], self.algorithm);
        let key = self.keys.get(&kid(token)).unwrap_or_else(|| panic!("no key {} is published", kid(token)));
        let part = |name: &str| {
            let text = key[name].as_str().unwrap_or_else(|| panic!("no {name} in {key}"));
            Base64UrlUnpadded::decode_vec(text).expect("base64url")
        };
        let (signed, signature) = token.rsplit_once('.').expect("a compact token");
        let signature = Base64UrlUnpadded::decode_vec(signature).expect("base64url");
        let (signed, signature) = (signed.as_bytes(), signature.as_slice());
        let rsa = || RsaPublicKeyComponents { n: part("n"), e: part("e") };
        let verdict = match self.algorithm {
            "RS256" => rsa().verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature),
            "PS256" => rsa().verify(&RSA_PSS_2048_8192_SHA256, signed, signature),
            "ES256" => {
                let point = [vec![4], part("x"), part("y")].concat();
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature)
            }
            _ => UnparsedPublicKey::new(&ED25519, part("x")).verify(signed, signature),
        };
        assert!(verdict.is_ok(), "{key} did not sign {token}");
    }
}

fn kid(token: &str) -> String {
    decode(token, 0)["kid"].as_str().expect("a key id").to_owned()
}
