//! A hundred try to use what works once, all at the same moment (checklist RB5, G3): one gets it. On PostgreSQL they ask two server
//! processes in turn. And of two doors to the same thing, the one that ends it has the last word.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use authmachine_e2e::http::{self, Answer};
use authmachine_e2e::{Client, Engine, Process, Provider, Site, Stop, Tokens, Visitor, form, wait};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::sync::Barrier;
use url::Url;

use crate::scenario::Scenario;

/// How many try at once.
const TRIES: usize = 100;
/// Where the last one came from.
static FROM: AtomicU32 = AtomicU32::new(0);
const REDIRECT_URI: &str = "https://shop.example.com/cb";

on_each_engine!(
    rb5_of_a_hundred_tries_to_use_what_works_once_one_wins,
    rb5_what_ends_something_has_the_last_word,
);

/// One provider: on PostgreSQL it has two processes.
struct Nodes {
    provider: Provider,
    /// Their addresses.
    at: Vec<String>,
    _second: Option<Process>,
}

impl Nodes {
    async fn start(engine: &Engine, settings: &[(&str, &str)]) -> Self {
        let mut provider = Provider::prepare(engine).await;
        provider.set("LOG__LEVEL", "error");
        provider.set("LIVES__CODE", "10m");
        provider.set("FETCH__PRIVATE_NETWORKS", "127.0.0.0/8,::1");
        provider.set("SERVER__TRUSTED_PROXIES", "127.0.0.1,::1");
        settings.iter().for_each(|(name, value)| provider.set(name, value));
        provider.launch().await;
        let mut at = vec![provider.issuer().to_owned()];
        let mut second = None;
        if *engine != Engine::Sqlite {
            let (process, address) = provider.second_node().await;
            second = Some(process);
            at.push(address);
        }
        Self { provider, at, _second: second }
    }

    /// Sends all of them at the same moment.
    async fn race(&self, request: impl Fn(&str) -> RequestBuilder) -> Vec<Answer> {
        let start = Arc::new(Barrier::new(TRIES));
        let tries: Vec<_> = (0..TRIES)
            .map(|n| {
                // Each from an address of its own, as behind a proxy: failures are counted by address.
                let from = FROM.fetch_add(1, Relaxed).to_be_bytes();
                let from = format!("10.{}.{}.{}", from[1], from[2], from[3]);
                let request = request(&self.at[n % self.at.len()]).header("x-forwarded-for", from);
                let start = start.clone();
                tokio::spawn(async move {
                    start.wait().await;
                    http::send(request).await
                })
            })
            .collect();
        let mut answers = Vec::new();
        for one in tries {
            answers.push(one.await.expect("no panic").expect("an answer"));
        }
        answers
    }
}

/// Fails unless one answer has the status of the winner, and the others one of those of losers; the winner's.
#[track_caller]
fn one_won(what: &str, answers: Vec<Answer>, winner: u16, losers: &[u16]) -> Answer {
    let mut statuses = BTreeMap::<u16, usize>::new();
    for answer in &answers {
        *statuses.entry(answer.status).or_default() += 1;
    }
    assert_eq!(statuses.get(&winner), Some(&1), "{what}: {statuses:?}");
    // Who has to wait too long for the others is told so.
    let is_told = |status: &u16| losers.contains(status) || [winner, 503].contains(status);
    assert!(statuses.keys().all(is_told), "{what}: {statuses:?}");
    answers.into_iter().find(|answer| answer.status == winner).expect("it was counted")
}

fn code_of(url: &Url) -> String {
    let code = url.query_pairs().find(|(name, _)| name == "code").map(|(_, value)| value.into_owned());
    code.unwrap_or_else(|| panic!("no code: {url}"))
}

/// A code by the session that the visitor has, or signs in for.
async fn code(client: &Client, visitor: &mut Visitor, name: &str, password: &str) -> String {
    let stop = client.authorize(visitor, name, password, &[]).await.expect("an answer");
    code_of(&stop.left())
}

fn cookies_of(visitor: &Visitor) -> String {
    let cookies = visitor.cookies("localhost");
    let pairs: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("; ")
}

/// What the form of a page sends when `more` is filled in, as the visitor's browser would, at any node.
fn submission(
    visitor: &Visitor,
    page: &Answer,
    action: &str,
    more: &[(&str, &str)],
) -> impl Fn(&str) -> RequestBuilder {
    let forms = form::post_forms(&page.body);
    let form = forms.iter().find(|form| form.action.contains(action));
    let form = form.unwrap_or_else(|| panic!("no form {action}: {page:?}"));
    let target = page.url.join(&form.action).expect("an address");
    let mut fields: Vec<(String, String)> = form.fields.clone();
    fields.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let (origin, cookies) = (target.origin().ascii_serialization(), cookies_of(visitor));
    move |node| {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        http::form(&format!("{node}{}", target.path()), &fields)
            .header("origin", &origin)
            .header("cookie", &cookies)
    }
}

/// A request to a path with a client's credentials.
fn with_credentials(
    client: &Client,
    path: &'static str,
    fields: &[(&str, &str)],
) -> impl Fn(&str) -> RequestBuilder {
    let proof = [("client_id", client.id.as_str()), ("client_secret", client.secret.as_str())];
    let fields: Vec<(String, String)> =
        fields.iter().chain(&proof).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    move |node| {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        http::form(&format!("{node}{path}"), &fields)
    }
}

fn base64url(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

/// A program with a key in place of a secret.
struct Robot {
    pair: EcdsaKeyPair,
    issuer: String,
    /// Where its public key is.
    _site: Site,
}

impl Robot {
    async fn register(provider: &Provider) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        let site = Site::serve(String::new()).await;
        // RFC 5480 §2.2: 4, x, y.
        let point = pair.public_key().as_ref();
        let (x, y) = (base64url(&point[1..33]), base64url(&point[33..]));
        let jwk = json!({ "kty": "EC", "crv": "P-256", "use": "sig", "kid": "its key", "x": x, "y": y });
        site.put("/keys", json!({ "keys": [jwk] }).to_string());
        let uri = format!("{}/keys", site.url());
        let more = ["--grant-type", "client_credentials", "--scope", "jobs:run"];
        let new = Client::of("robot", "https://robot.example.com/cb").jwks_uri(&uri).with(&more);
        provider.add_client(new).await;
        Self { pair, issuer: provider.issuer().to_owned(), _site: site }
    }

    fn request(&self, jti: &str) -> impl Fn(&str) -> RequestBuilder {
        #[expect(clippy::disallowed_methods, reason = "the server's clock is the system's")]
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later").as_secs();
        let claims = json!({ "iss": "robot", "sub": "robot", "aud": self.issuer, "jti": jti, "iat": now, "exp": now + 60 });
        let part = |json: &Value| base64url(json.to_string().as_bytes());
        let signed = format!("{}.{}", part(&json!({ "alg": "ES256", "kid": "its key" })), part(&claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).expect("it signs");
        let assertion = format!("{signed}.{}", base64url(signature.as_ref()));
        move |node| {
            let fields = [
                ("grant_type", "client_credentials"),
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                ("client_assertion", &assertion),
            ];
            http::form(&format!("{node}/oidc/token"), &fields)
        }
    }
}

async fn rb5_of_a_hundred_tries_to_use_what_works_once_one_wins(engine: Engine) {
    let mut scenario = Scenario::begin("races for what works once", "RB5 G3", &engine, 5, 1_000);
    let settings = [("REGISTRATION__MODE", "token"), ("REGISTRATION__MAX_CLIENTS", "1")];
    let nodes = Nodes::start(&engine, &settings).await;
    let provider = &nodes.provider;
    provider.add_user("alice").await;
    let shop = provider.add_client(Client::of("shop", REDIRECT_URI).with(&["--first-party"])).await;
    let site = Site::serve(String::new()).await;
    let receiver = format!("{}/receiver", site.url());
    let told = ["--backchannel-logout-uri", &*receiver];
    let guest_uri = "https://guest.example.com/cb";
    let guest = provider.add_client(Client::of("guest", guest_uri).with(&told)).await;
    let robot = Robot::register(provider).await;
    let api = ["api-token", "create", "registrar", "--scope", "clients:register"];
    let registrar = provider.json(&api).await["token"].as_str().expect("it is shown once").to_owned();

    let password = provider.password();
    let mut alice = Visitor::new();
    code(&shop, &mut alice, "alice", password).await;
    let mut is_place_free = true;
    for round in 0..scenario.count {
        let fields = |code: &str| {
            [
                ("grant_type", "authorization_code".to_owned()),
                ("code", code.to_owned()),
                ("redirect_uri", REDIRECT_URI.to_owned()),
            ]
        };
        let once = code(&shop, &mut alice, "alice", password).await;
        let redeem = fields(&once);
        let redeem: Vec<_> = redeem.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answers = nodes.race(with_credentials(&shop, "/oidc/token", &redeem)).await;
        let won = Tokens::of(one_won("code", answers, 200, &[400]));
        assert!(
            !shop.is_active(&won.access).await.expect("an answer"),
            "used twice: what it gave is revoked"
        );
        scenario.happened();

        let once = code(&shop, &mut alice, "alice", password).await;
        let tokens = Tokens::of(shop.redeem(&once).await.expect("an answer"));
        let refresh = tokens.refresh.expect("it may refresh");
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
        let answers = nodes.race(with_credentials(&shop, "/oidc/token", &refresh)).await;
        let won = Tokens::of(one_won("refresh token", answers, 200, &[400]));
        assert!(!shop.is_active(&won.access).await.expect("an answer"), "used twice: the family is revoked");
        scenario.happened();

        let asks = guest.authorize_url(&[("prompt", "consent")]);
        let Stop::Page(page) = alice.try_visit(&asks, &[guest_uri]).await.expect("an answer") else {
            panic!("she is asked");
        };
        let end = page.url.path().to_owned();
        let yes = submission(&alice, &page, "", &[("decision", "yes")]);
        http::send(yes(provider.issuer())).await.expect("an answer").expect(303);
        let cookies = cookies_of(&alice);
        let finish =
            |node: &str| http::request(Method::GET, &format!("{node}{end}")).header("cookie", &cookies);
        let won = one_won("end of an interaction", nodes.race(finish).await, 303, &[400]);
        let bought = guest.redeem(&code_of(&won.location().expect("a way back"))).await.expect("an answer");
        bought.expect(200);
        scenario.happened();

        let answers = nodes.race(robot.request(&format!("jti {round}"))).await;
        one_won("assertion", answers, 200, &[401, 429]);
        scenario.happened();

        if is_place_free {
            let metadata = json!({ "redirect_uris": ["https://rp.example.com/cb"] }).to_string();
            let register = |node: &str| {
                let request =
                    http::request(Method::POST, &format!("{node}/oidc/register")).bearer_auth(&registrar);
                request.header("content-type", "application/json").body(metadata.clone())
            };
            let answers = nodes.race(register).await;
            // Who was told nothing may get the place when it is free again.
            is_place_free = answers.iter().all(|answer| answer.status != 503);
            let registered = one_won("last place", answers, 201, &[400]).json();
            let [uri, token] = ["registration_client_uri", "registration_access_token"]
                .map(|name| registered[name].as_str().expect("RFC 7591 §3.2.1").to_owned());
            let removal = http::request(Method::DELETE, &uri).bearer_auth(token);
            http::send(removal).await.expect("an answer").expect(204);
            scenario.happened();
        }

        // The person signs out: whoever is to be told is told once.
        let mut leaving = Visitor::new();
        code(&guest, &mut leaving, "alice", password).await;
        let before = site.came_to("/receiver").len();
        let page = leaving.visit(&provider.url("/oidc/logout")).await;
        let answers = nodes.race(submission(&leaving, &page, "logout", &[("decision", "yes")])).await;
        assert!(answers.iter().all(|answer| [200, 303].contains(&answer.status)), "{answers:?}");
        wait::until("the logout token", || {
            let count = site.came_to("/receiver").len();
            std::future::ready((count > before).then_some(()))
        })
        .await;
        if round % 10 == 0 {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let tokens = site.came_to("/receiver");
        let mut once: Vec<&str> = tokens.iter().map(|form| form["logout_token"].as_str()).collect();
        once.sort_unstable();
        once.dedup();
        assert_eq!((once.len(), tokens.len()), (before + 1, before + 1), "told once");
        scenario.happened();

        // Many at one log-in page: most have to wait, because each try counts before it is known to be right.
        if round % 10 == 0 {
            let mut stranger = Visitor::new();
            let page = stranger
                .try_visit(&shop.authorize_url(&[]), &[REDIRECT_URI])
                .await
                .expect("an answer")
                .page();
            let sign_in = [("username", "alice"), ("password", password)];
            let answers = nodes.race(submission(&stranger, &page, "", &sign_in)).await;
            // Who comes when it is answered already has no session in their cookies, and is asked anew.
            let is_in = |answer: &Answer| answer.status == 303 && answer.headers.contains_key("set-cookie");
            assert!(answers.iter().any(is_in), "somebody comes in");
            assert!(
                answers.iter().all(|answer| [303, 400, 429, 503].contains(&answer.status)),
                "{answers:?}"
            );
            // What the others left behind is over with the next right one.
            wait::until("the next sign-in", || async {
                let stop =
                    shop.authorize(&mut Visitor::new(), "alice", password, &[]).await.expect("an answer");
                matches!(stop, Stop::Left(_)).then_some(())
            })
            .await;
            scenario.happened();
        }
    }
    provider.check_database().await;
    scenario.end();
}

async fn rb5_what_ends_something_has_the_last_word(engine: Engine) {
    let mut scenario = Scenario::begin("races of use and end", "RB5 G3 RT4", &engine, 5, 1_000);
    let nodes = Nodes::start(&engine, &[]).await;
    let provider = &nodes.provider;
    provider.add_user("alice").await;
    let logout_uri = "https://shop.example.com/out";
    let new = Client::of("shop", REDIRECT_URI).logout_uri(logout_uri).with(&["--first-party"]);
    let shop = provider.add_client(new).await;
    let there = shop.at(nodes.at.last().expect("there is one"));
    let password = provider.password();
    let mut alice = Visitor::new();
    code(&shop, &mut alice, "alice", password).await;
    for _ in 0..scenario.count {
        // Refreshed at one node and revoked at the other: once that is acknowledged, nothing works and nothing comes.
        let once = code(&shop, &mut alice, "alice", password).await;
        let tokens = Tokens::of(shop.redeem(&once).await.expect("an answer"));
        let refresh = tokens.refresh.clone().expect("it may refresh");
        let (refreshed, revoked) = tokio::join!(shop.refresh(&refresh), there.revoke(&refresh));
        revoked.expect("an answer").expect(200);
        let refreshed = refreshed.expect("an answer");
        let mut all = vec![tokens.access];
        if refreshed.status == 200 {
            let new = Tokens::of(refreshed);
            shop.refresh(&new.refresh.expect("it may refresh")).await.expect("an answer").expect(400);
            all.push(new.access);
        } else {
            refreshed.expect(400);
        }
        for access in all {
            assert!(
                !shop.is_active(&access).await.expect("an answer"),
                "RT4: a token outlived its revocation"
            );
        }
        scenario.happened();

        // Redeemed at one node while the session, with all that it issued, ends at the other.
        let mut leaving = Visitor::new();
        let once = code(&shop, &mut leaving, "alice", password).await;
        let mut out = Url::parse(&provider.url("/oidc/logout")).expect("an address");
        out.query_pairs_mut()
            .extend_pairs([("post_logout_redirect_uri", logout_uri), ("revoke_tokens", "1")]);
        let stops = [logout_uri];
        let (redeemed, left) = tokio::join!(there.redeem(&once), leaving.try_visit(out.as_str(), &stops));
        left.expect("an answer").left();
        let redeemed = redeemed.expect("an answer");
        if redeemed.status == 200 {
            let tokens = Tokens::of(redeemed);
            assert!(
                !shop.is_active(&tokens.access).await.expect("an answer"),
                "LO5: a token outlived the logout"
            );
            let refresh = tokens.refresh.expect("it may refresh");
            shop.refresh(&refresh).await.expect("an answer").expect(400);
        } else {
            redeemed.expect(400);
        }
        scenario.happened();
    }
    provider.check_database().await;
    scenario.end();
}
