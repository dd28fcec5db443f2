//! Every call to the database fails once, at every door (checklist G1, RB4): the answer is 503, nothing is half done, and the same
//! request works after. And the answer to each commit is lost: what can be used once is not had twice.

use std::sync::Arc;

use authmachine_jose::{Algorithm, SigningKey};
use authmachine_protocol::{GrantType, form};
use authmachine_testkit::{
    Answer, ApiClient, Browser, ClientApp, PASSWORD, RequestBuilder, Site, TestServer, both_engines,
};
use http::Method;
use serde_json::json;

use super::{doors, registration_on};

/// The most calls that one request makes.
const MANY: u32 = 60;
/// The last ones are for a client's own work.
const SCOPES: &str = "openid profile email jobs:run authzen";

/// A way through a door: how it is named below, and the route with its method.
const WAYS: [(&str, &str); 61] = [
    ("own page", "GET /"),
    ("log-in page", "GET /login"),
    ("log-in", "POST /login"),
    ("wrong log-in", "POST /login"),
    ("sign-out", "POST /logout"),
    ("password page", "GET /account/password"),
    ("new password", "POST /account/password"),
    ("end one session", "POST /account/sessions/end"),
    ("end other sessions", "POST /account/sessions/end-others"),
    ("own permissions", "GET /account/permissions"),
    ("lending page", "GET /account/permissions/lend"),
    ("lending", "POST /account/permissions/lend"),
    ("lending to nobody", "POST /account/permissions/lend"),
    ("taking back", "POST /account/permissions/end"),
    ("discovery", "GET /.well-known/openid-configuration"),
    ("OAuth metadata", "GET /.well-known/oauth-authorization-server"),
    ("key set", "GET /oidc/jwks"),
    ("authorization", "GET /oidc/authorize"),
    ("authorization to be answered later", "GET /oidc/authorize"),
    ("posted authorization", "POST /oidc/authorize"),
    ("interaction", "GET /interaction/{handle}"),
    ("log-in for a client", "POST /interaction/{handle}"),
    ("end of an interaction", "GET /interaction/{handle}"),
    ("consent", "POST /interaction/{handle}"),
    ("no consent", "POST /interaction/{handle}"),
    ("logo", "GET /oidc/clients/{client_id}/logo"),
    ("code", "POST /oidc/token"),
    ("refresh", "POST /oidc/token"),
    ("client credentials", "POST /oidc/token"),
    ("client credentials by assertion", "POST /oidc/token"),
    ("wrong secret", "POST /oidc/token"),
    ("check_token_revoked", "POST /oidc/token"),
    ("preflight of token", "OPTIONS /oidc/token"),
    ("userinfo", "GET /oidc/userinfo"),
    ("posted userinfo", "POST /oidc/userinfo"),
    ("preflight of userinfo", "OPTIONS /oidc/userinfo"),
    ("revocation of an access token", "POST /oidc/revoke"),
    ("revocation of a family", "POST /oidc/revoke"),
    ("preflight of revocation", "OPTIONS /oidc/revoke"),
    ("introspection", "POST /oidc/introspect"),
    ("logout", "GET /oidc/logout"),
    ("posted logout", "POST /oidc/logout"),
    ("confirmed logout", "POST /oidc/logout/confirm"),
    ("frame", "GET /oidc/check_session"),
    ("registration", "POST /oidc/register"),
    ("registered client", "GET /oidc/register/{client_id}"),
    ("update of a client", "PUT /oidc/register/{client_id}"),
    ("removal of a client", "DELETE /oidc/register/{client_id}"),
    ("permissions", "GET /api/scim/v1/Users/{id}/permissions"),
    ("permissions, version 2", "GET /api/scim/v2/Users/{id}/permissions"),
    ("all permissions", "GET /api/scim/v1/Users/{id}/permissions"),
    ("evaluation", "POST /access/v1/evaluation"),
    ("evaluation for a client", "POST /access/v1/evaluation"),
    ("evaluations", "POST /access/v1/evaluations"),
    ("search for subjects", "POST /access/v1/search/subject"),
    ("search for resources", "POST /access/v1/search/resource"),
    ("search for actions", "POST /access/v1/search/action"),
    ("AuthZEN metadata", "GET /.well-known/authzen-configuration"),
    ("asset", "GET /assets/{name}"),
    ("liveness", "GET /healthz"),
    ("readiness", "GET /readyz"),
];

/// A request that goes through, and what is said then.
struct Happy {
    request: RequestBuilder,
    status: u16,
    /// A part of the body.
    says: &'static str,
    /// What the same request is told after its first answer was lost.
    again: u16,
}

impl Happy {
    fn new(request: RequestBuilder, status: u16) -> Self {
        Self { request, status, says: "", again: status }
    }

    fn says(self, says: &'static str) -> Self {
        Self { says, ..self }
    }

    /// It works once.
    fn once(self, again: u16) -> Self {
        Self { again, ..self }
    }

    fn is(&self, answer: &Answer) -> bool {
        answer.status.as_u16() == self.status && String::from_utf8_lossy(&answer.body).contains(self.says)
    }
}

struct World {
    server: TestServer,
    /// Of the operator's own.
    shop: ClientApp,
    /// It asks for consent, and may act for itself.
    guest: ClientApp,
    /// The same, with a key in place of a secret.
    robot: ClientApp,
    alice: Browser,
    api: ApiClient,
    sub: String,
    /// Only read.
    token: String,
}

impl World {
    async fn make() -> Self {
        let server = TestServer::start_with(registration_on).await;
        server.user("alice").create().await;
        server.permit_to_lend("alice", "object1", &["read"]).await;
        server.user("bob").create().await;
        let grants = [GrantType::AuthorizationCode, GrantType::RefreshToken, GrantType::ClientCredentials];
        let key = Arc::new(SigningKey::generate(Algorithm::ES256, "its key".to_owned()).expect("a key"));
        let robot =
            server.client("robot").scopes(SCOPES).grants(&grants).private_key_jwt(&key).create().await;
        let logo = "https://guest.example/logo.png";
        let guest = server.client("guest").scopes(SCOPES).grants(&grants).create().await;
        let guest = guest.change(|client| client.metadata.logo_uri = Some(logo.to_owned())).await;
        let (id, now) = (guest.record.id, server.clock().now());
        server
            .write(move |tx| {
                assert!(tx.claim_client_logo(id, logo, now)?);
                tx.set_client_logo(id, logo, b"a picture")
            })
            .await;
        let api = server.api_token_with("api", |token| {
            token.scopes = authmachine_protocol::Scopes::parse("permissions:read authzen").expect("scopes");
        });
        let api = api.await;
        let sub = server.find_user("alice").await.expect("made").sub;
        // Its first use is written down.
        api.permissions(&sub, &["object1"]).await.assert_status(200);
        let shop = server.client("shop").first_party().create().await;
        let alice = server.browser().log_in("alice").await;
        let mut world = Self { server, shop, guest, robot, alice, api, sub, token: String::new() };
        world.token = world.tokens().await.access_token;
        world
    }

    fn form(&self, app: &ClientApp, target: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        let proof = [("client_id", app.id()), ("client_secret", app.secret.as_deref().unwrap_or_default())];
        self.server.post(target).form(&[fields, &proof].concat())
    }

    fn post(&self, browser: &Browser, target: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        let body = form::encode(fields.iter().copied());
        browser.request(Site::Own, &Method::POST, target, Some(&body))
    }

    fn get(&self, browser: &Browser, target: &str) -> RequestBuilder {
        browser.request(Site::Foreign, &Method::GET, target, None)
    }

    async fn tokens(&self) -> authmachine_testkit::Tokens {
        let claims = r#"{"authmachine_permissions":["object1"]}"#;
        let url = self.shop.authorize().with("claims", claims).url();
        self.shop.redeem(&self.alice.follow(&url).await.code()).await.ok()
    }

    /// What the way needs, made afresh: its request goes through now.
    async fn happy(&self, way: &str, n: u32) -> Happy {
        let (server, shop, alice) = (&self.server, &self.shop, &self.alice);
        match way {
            "own page" => Happy::new(self.get(alice, "/"), 200).says("alice"),
            "log-in page" => Happy::new(self.get(&server.browser(), "/login"), 200),
            "log-in" => {
                let page = server.browser().open("/login").await;
                Happy::new(page.submission(&[("username", "alice"), ("password", PASSWORD)]), 303)
            }
            "wrong log-in" => {
                let page = server.browser().open("/login").await;
                // A name of its own each time: wrong tries add up.
                let name = format!("nobody{n}");
                Happy::new(page.submission(&[("username", &name), ("password", "a wrong guess")]), 401)
            }
            "password page" => Happy::new(self.get(alice, "/account/password"), 200),
            "sign-out" | "new password" | "end one session" | "end other sessions" => {
                // Somebody new each time: the calls grow with the sessions of an account.
                let name = format!("{way} {n}").replace(' ', "-");
                server.user(&name).create().await;
                let browser = server.browser().log_in(&name).await;
                server.browser().log_in(&name).await;
                let page = browser.open("/").await;
                let value = |name: &str| {
                    let forms = page.forms();
                    let found = forms.iter().flat_map(|form| &form.fields).find(|(field, _)| field == name);
                    found.expect("it is on the page").1.clone()
                };
                let (csrf, session) = (value("csrf"), value("session"));
                let csrf = ("csrf", csrf.as_str());
                match way {
                    "sign-out" => Happy::new(self.post(&browser, "/logout", &[csrf]), 303),
                    "end one session" => Happy::new(page.submission(&[("session", &session)]), 303).once(404),
                    "end other sessions" => {
                        Happy::new(self.post(&browser, "/account/sessions/end-others", &[csrf]), 303)
                    }
                    _ => {
                        let new =
                            [("current_password", PASSWORD), ("new_password", "another fine set of words")];
                        let page = browser.open("/account/password").await;
                        // Every session of before has ended, this one too: its successor's cookie was in the answer.
                        Happy::new(page.submission(&new), 303)
                    }
                }
            }
            "own permissions" => Happy::new(self.get(alice, "/account/permissions"), 200).says("object1"),
            "lending page" | "lending" | "lending to nobody" | "taking back" => {
                // Names of nobody add up, too.
                let name = format!("{way} {n}").replace(' ', "-");
                server.user(&name).create().await;
                server.permit_to_lend(&name, "object1", &["read"]).await;
                let browser = server.browser().log_in(&name).await;
                let address = "/account/permissions/lend?object=object1&permission=read";
                let page = browser.open(address).await;
                let until = ("until", "2027-01-16T08:00");
                match way {
                    "lending page" => Happy::new(self.get(&browser, address), 200).says("name=\"until\""),
                    "lending" => Happy::new(page.submission(&[("to", "bob"), until]), 303),
                    "lending to nobody" => Happy::new(page.submission(&[("to", "nobody"), until]), 400),
                    _ => {
                        let page = page.submit(&[("to", "bob"), until]).await;
                        let forms = page.forms().into_iter();
                        let mut fields = forms.flat_map(|form| form.fields);
                        let lending = fields.find(|(name, _)| name == "lending").expect("it is lent").1;
                        Happy::new(page.submission(&[("lending", &lending)]), 303)
                    }
                }
            }
            "discovery" | "OAuth metadata" | "AuthZEN metadata" | "key set" | "liveness" | "readiness" => {
                let (_, door) = WAYS.iter().find(|(name, _)| *name == way).expect("it is there");
                Happy::new(server.get(door.strip_prefix("GET ").expect("read")), 200)
            }
            "authorization" => Happy::new(self.get(alice, &shop.authorize_url()), 303),
            "authorization to be answered later" => {
                Happy::new(self.get(&server.browser(), &self.guest.authorize_url()), 303)
            }
            "posted authorization" => {
                Happy::new(self.post(alice, "/oidc/authorize", &shop.authorize().params()), 303)
            }
            "interaction" => {
                let page = server.browser().follow(&self.guest.authorize_url()).await;
                Happy::new(self.get(page.browser(), page.trail[0].location()), 200).says("Sign in")
            }
            "log-in for a client" => {
                let page = server.browser().follow(&self.guest.authorize_url()).await;
                Happy::new(page.submission(&[("username", "alice"), ("password", PASSWORD)]), 303)
            }
            "consent" | "no consent" | "end of an interaction" => {
                // A client of its own each time: a yes is remembered.
                let app = server.client(&format!("guest{n}-{}", way.len())).create().await;
                let page = alice.follow(&app.authorize_url()).await;
                match way {
                    // Its answer is the way to the end.
                    "consent" => Happy::new(page.submission(&[("decision", "yes")]), 303),
                    "no consent" => Happy::new(page.submission(&[("decision", "no")]), 303).once(400),
                    _ => {
                        page.submission(&[("decision", "yes")]).send().await.assert_status(303);
                        Happy::new(self.get(alice, page.trail[0].location()), 303).once(400)
                    }
                }
            }
            "logo" => Happy::new(server.get("/oidc/clients/guest/logo"), 200).says("a picture"),
            "code" => {
                let code = alice.authorize(shop).await.code();
                let fields = [
                    ("grant_type", "authorization_code"),
                    ("code", code.as_str()),
                    ("redirect_uri", shop.redirect_uri()),
                ];
                Happy::new(self.form(shop, "/oidc/token", &fields), 200).says("id_token").once(400)
            }
            "refresh" => {
                let token = self.tokens().await;
                let fields = [("grant_type", "refresh_token"), ("refresh_token", token.refresh_token())];
                Happy::new(self.form(shop, "/oidc/token", &fields), 200).says("refresh_token").once(400)
            }
            "client credentials" => {
                let fields = [("grant_type", "client_credentials"), ("scope", "jobs:run")];
                Happy::new(self.form(&self.guest, "/oidc/token", &fields), 200).says("access_token")
            }
            "client credentials by assertion" => {
                let assertion = self.robot.sign(Some("JWT"), &self.robot.assertion_claims());
                let fields = [
                    ("grant_type", "client_credentials"),
                    ("scope", "jobs:run"),
                    ("client_assertion_type", authmachine_provider::client_assertion::TYPE),
                    ("client_assertion", assertion.as_str()),
                ];
                Happy::new(server.post("/oidc/token").form(&fields), 200).says("access_token").once(401)
            }
            "wrong secret" => {
                let fields =
                    [("grant_type", "client_credentials"), ("client_id", "guest"), ("client_secret", "x")];
                // Twenty are free from one address.
                let request = server.post("/oidc/token").from(&format!("192.0.2.{}", n + 1)).form(&fields);
                Happy::new(request, 401).says("invalid_client")
            }
            "check_token_revoked" => {
                let fields = [("grant_type", "check_token_revoked"), ("access_token", self.token.as_str())];
                Happy::new(self.form(shop, "/oidc/token", &fields), 200).says(r#""revoked":false"#)
            }
            "userinfo" | "posted userinfo" => {
                let request = match way {
                    "userinfo" => server.get("/oidc/userinfo").bearer(&self.token),
                    _ => server.post("/oidc/userinfo").form(&[("access_token", self.token.as_str())]),
                };
                Happy::new(request, 200).says(r#""authmachine_permissions":{"object1":["read"]}"#)
            }
            "revocation of an access token" => {
                let token = self.tokens().await.access_token;
                Happy::new(self.form(shop, "/oidc/revoke", &[("token", token.as_str())]), 200)
            }
            "revocation of a family" => {
                let tokens = self.tokens().await;
                Happy::new(self.form(shop, "/oidc/revoke", &[("token", tokens.refresh_token())]), 200)
            }
            "introspection" => {
                let request = self.form(shop, "/oidc/introspect", &[("token", self.token.as_str())]);
                Happy::new(request, 200).says(r#""active":true"#)
            }
            "preflight of token" | "preflight of userinfo" | "preflight of revocation" => {
                let (_, door) = WAYS.iter().find(|(name, _)| *name == way).expect("it is there");
                let path = door.strip_prefix("OPTIONS ").expect("a preflight");
                let request = server.request(Method::OPTIONS, path).header("origin", "https://shop.example");
                Happy::new(request.header("access-control-request-method", "POST"), 204)
            }
            "logout" | "posted logout" => {
                let browser = server.browser().log_in("alice").await;
                shop.redeem(&browser.authorize(shop).await.code()).await.ok();
                let uri = shop.post_logout_redirect_uri();
                let fields = [("post_logout_redirect_uri", uri), ("revoke_tokens", "1")];
                let request = match way {
                    "logout" => self.get(&browser, &format!("/oidc/logout?{}", form::encode(fields))),
                    _ => self.post(&browser, "/oidc/logout", &fields),
                };
                Happy::new(request, 303)
            }
            "confirmed logout" => {
                let page = server.browser().log_in("alice").await.follow("/oidc/logout").await;
                Happy::new(page.submission(&[("decision", "yes")]), 303)
            }
            "frame" => Happy::new(server.get("/oidc/check_session"), 200),
            "registration" => {
                let metadata = json!({ "redirect_uris": ["https://rp.example/cb"] });
                Happy::new(server.registration(&metadata), 201).says("client_secret")
            }
            "registered client" | "update of a client" | "removal of a client" => {
                let client = server.register(json!({ "redirect_uris": ["https://rp.example/cb"] })).await;
                let new = json!({ "client_id": client.id(), "redirect_uris": ["https://rp.example/new"] });
                match way {
                    "registered client" => Happy::new(client.manage(Method::GET), 200),
                    "update of a client" => Happy::new(client.manage(Method::PUT).json(&new), 200),
                    _ => Happy::new(client.manage(Method::DELETE), 204).once(401),
                }
            }
            "permissions" | "permissions, version 2" => {
                let version = if way == "permissions" { 1 } else { 2 };
                let target = format!("/api/scim/v{version}/Users/{}/permissions?object=object1", self.sub);
                let request =
                    server.get(&target).header("authorization", &format!("Token {}", self.api.token));
                Happy::new(request.header("content-type", "application/json"), 200)
                    .says(r#""object1":["read"]"#)
            }
            "all permissions" => {
                let request = server.get(&format!("/api/scim/v1/Users/{}/permissions", self.sub));
                Happy::new(request.bearer(&self.api.token), 200).says(r#""object1":["read"]"#)
            }
            "evaluation"
            | "evaluation for a client"
            | "evaluations"
            | "search for subjects"
            | "search for resources"
            | "search for actions" => {
                let (_, door) = WAYS.iter().find(|(name, _)| *name == way).expect("it is there");
                let request = server.post(door.strip_prefix("POST ").expect("asked"));
                let request = match way {
                    "evaluation for a client" => {
                        let app = &self.guest;
                        let secret = app.secret.as_deref().expect("it has one");
                        request.header(
                            "authorization",
                            &authmachine_protocol::basic_auth::encode(app.id(), secret),
                        )
                    }
                    _ => request.bearer(&self.api.token),
                };
                let mut body = json!({
                    "subject": { "type": "user", "id": self.sub },
                    "action": { "name": "read" },
                    "resource": { "type": "object", "id": "object1" },
                });
                if way == "evaluations" {
                    body["evaluations"] = json!([{}, {}]);
                }
                let says = match way {
                    "search for subjects" => r#"{"type":"user","id":"#,
                    "search for resources" => r#"{"type":"object","id":"object1"}"#,
                    "search for actions" => r#"{"name":"read"}"#,
                    "evaluations" => r#"[{"decision":true},{"decision":true}]"#,
                    _ => r#"{"decision":"#,
                };
                Happy::new(request.json(&body), 200).says(says)
            }
            "asset" => {
                let page = server.get("/login").send().await;
                let name = page.text().split("\"/assets/").nth(1).and_then(|rest| rest.split('"').next());
                Happy::new(server.get(&format!("/assets/{}", name.expect("the page has a style"))), 200)
            }
            other => panic!("{other} has a request"),
        }
    }
}

fn assert_unavailable(answer: &Answer, what: &str) {
    assert_eq!(answer.status.as_u16(), 503, "{what}: {}", String::from_utf8_lossy(&answer.body));
    assert!(answer.header("retry-after").is_some_and(|value| value.parse::<u32>().is_ok()), "{what}");
    assert!(!answer.headers.contains_key("set-cookie") && !answer.headers.contains_key("location"), "{what}");
}

#[both_engines]
async fn rb4_there_is_a_way_through_every_door() {
    let server = TestServer::start_with(registration_on).await;
    let mut of_ways: Vec<_> = WAYS.iter().map(|(_, door)| (*door).to_owned()).collect();
    of_ways.sort();
    of_ways.dedup();
    // The same handler with a slash after it.
    let doors: Vec<_> =
        doors(&server).await.into_iter().filter(|door| !door.ends_with("permissions/")).collect();
    assert_eq!(doors, of_ways);
}

#[both_engines]
async fn rb4_g1_whichever_call_fails_at_whichever_door_nothing_is_half_done() {
    let world = World::make().await;
    let server = &world.server;
    for (way, _) in WAYS {
        let mut calls = 0;
        loop {
            calls += 1;
            assert!(calls < MANY, "{way} ends");
            let happy = world.happy(way, calls).await;
            let before = server.state();
            let faults = server.store().faults();
            faults.fail_call(calls);
            let answer = happy.request.clone().send().await;
            let was_made = !faults.is_pending();
            faults.fail_call(0);
            if !happy.is(&answer) {
                let what = format!("{way}, call {calls}");
                assert!(was_made, "{what}: {}", String::from_utf8_lossy(&answer.body));
                assert_unavailable(&answer, &what);
                let mut after = server.state();
                // Used up before the call that failed: it was a proof, and good once.
                let is_used_up = after.get("assertion_ids") != before.get("assertion_ids");
                after.extend(before.get_key_value("assertion_ids").map(|(k, v)| (k.clone(), v.clone())));
                assert!(after == before, "{what} is half done");
                let again = happy.request.clone().send().await;
                match is_used_up {
                    true => _ = again.assert_status(happy.again),
                    false => assert!(happy.is(&again), "{what}: {}", String::from_utf8_lossy(&again.body)),
                }
            }
            if !was_made {
                break;
            }
        }
    }
}

/// How many rows there are that say who may do what.
fn count(server: &TestServer) -> i64 {
    server.state().values().map(|rows| i64::try_from(rows.len()).expect("few")).sum()
}

#[both_engines]
async fn rb4_g1_an_answer_that_is_lost_at_whichever_door_is_not_had_twice() {
    let world = World::make().await;
    let server = &world.server;
    let faults = server.store().faults();
    for (way, _) in WAYS {
        // Undisturbed, it says how much there is to be had.
        let happy = world.happy(way, MANY).await;
        let before = count(server);
        let answer = happy.request.clone().send().await;
        assert!(happy.is(&answer), "{way}: {}", String::from_utf8_lossy(&answer.body));
        let grows = count(server) - before;
        for n in 1..MANY {
            let happy = world.happy(way, MANY + n).await;
            let before = count(server);
            faults.lose_answer(n);
            let answer = happy.request.clone().send().await;
            let was_made = !faults.is_pending();
            faults.lose_answer(0);
            if !happy.is(&answer) {
                assert_unavailable(&answer, way);
                let again = happy.request.clone().send().await.status.as_u16();
                assert!(again == happy.status || again == happy.again, "{way}: {again}");
                if happy.again != happy.status {
                    assert!(count(server) - before <= grows, "{way} is had twice");
                }
            }
            if !was_made {
                break;
            }
        }
    }
}

/// Of a handler that panics or never ends nobody is told more than that.
#[tokio::test]
async fn g8_what_a_handler_leaves_unanswered_is_told_in_the_words_of_those_who_asked() {
    use authmachine_server::{App, Clock, Issuer, Settings, middleware};
    use authmachine_store::Store;
    use authmachine_store::settings::{Database, Synchronous};
    use axum::Router;
    use tower::ServiceExt as _;

    async fn broken() -> http::StatusCode {
        panic!("as ordered")
    }

    let folder = tempfile::tempdir().expect("a folder");
    let database = Database::Sqlite { folder: folder.path().to_owned(), synchronous: Synchronous::Off };
    let store = Store::open(authmachine_store::Settings::new(database)).expect("it opens");
    let settings = Settings::new(Issuer::parse("https://id.example").expect("an issuer"));
    let app = App::start(settings, store, &[7; 32], Clock::System).await.expect("it starts");
    // They make its first keys, for which every other door waits.
    let jobs = authmachine_server::jobs::start(app.clone());
    let router: Router = Router::new()
        .fallback(broken)
        .layer(axum::middleware::from_fn_with_state(app.clone(), middleware::around));
    for (path, content_type, says) in [
        ("/oidc/token", "application/json", r#""error":"server_error""#),
        ("/oidc/userinfo", "application/json", r#""error":"server_error""#),
        ("/oidc/introspect", "application/json", r#""error":"server_error""#),
        ("/oidc/register/x", "application/json", r#""error":"server_error""#),
        ("/api/scim/v2/Users/x/permissions", "application/json", r#""status":"500""#),
        ("/oidc/authorize", "text/html; charset=utf-8", "<!doctype html>"),
        ("/login", "text/html; charset=utf-8", "<!doctype html>"),
    ] {
        let request = http::Request::builder().uri(path).body(axum::body::Body::empty()).expect("a request");
        let Ok(response) = router.clone().oneshot(request).await;
        assert_eq!(response.status(), 500, "{path}");
        assert_eq!(response.headers()["content-type"], content_type, "{path}");
        assert_eq!(response.headers()["x-request-id"].len(), 16, "{path}");
        assert_eq!(response.headers()["cache-control"], "no-store", "{path}");
        let body = axum::body::to_bytes(response.into_body(), 64 * 1024).await.expect("a body");
        let body = String::from_utf8_lossy(&body);
        assert!(body.contains(says) && !body.contains("as ordered"), "{path}: {body}");
    }
    jobs.stop().await;
}
