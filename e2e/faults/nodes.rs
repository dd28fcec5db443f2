//! Two server processes on one database: what ends at one of them has ended at every door of the other within a second (checklist
//! TK8, SE5).

use std::time::{Duration, Instant};

use authmachine_e2e::{Client, Engine, Provider, Stop, Tokens, Visitor, http, note, wait};
use reqwest::Method;
use url::Url;

use crate::scenario::Scenario;

const WITHIN: Duration = Duration::from_secs(1);
const REDIRECT_URI: &str = "https://shop.example.com/cb";
const LOGOUT_URI: &str = "https://shop.example.com/out";

/// A sign-in at the first node, and what it gave.
struct Signed {
    visitor: Visitor,
    /// Not redeemed.
    code: String,
    tokens: Tokens,
}

/// What may have ended.
#[derive(Clone, Copy)]
struct Ends {
    session: bool,
    code: bool,
    refresh: bool,
}

const ACCESS_ALONE: Ends = Ends { session: false, code: false, refresh: false };
const TOKENS: Ends = Ends { refresh: true, ..ACCESS_ALONE };
const EVERYTHING: Ends = Ends { session: true, code: true, refresh: true };

async fn sign_in(shop: &Client, name: &str, password: &str) -> Signed {
    let mut visitor = Visitor::new();
    let mut codes = Vec::new();
    for _ in 0..2 {
        let stop = shop.authorize(&mut visitor, name, password, &[]).await.expect("an answer").left();
        codes
            .extend(stop.query_pairs().find(|(name, _)| name == "code").map(|(_, value)| value.into_owned()));
    }
    let tokens = Tokens::of(shop.redeem(&codes[0]).await.expect("an answer"));
    Signed { visitor, code: codes.remove(1), tokens }
}

/// Whether every door says that it has ended. What is used up by asking is asked last.
async fn has_ended(there: &Client, node: &str, signed: &mut Signed, ends: Ends) -> bool {
    let access = &signed.tokens.access;
    let userinfo = there.userinfo(access).await.expect("an answer").status;
    let active = there.is_active(access).await.unwrap_or(false);
    let check = [("grant_type", "check_token_revoked"), ("access_token", access.as_str())];
    let revoked = there.token(&check).await.expect("an answer").expect(200).json()["revoked"] == true;
    if userinfo != 401 || active || !revoked {
        return false;
    }
    if ends.session {
        signed.visitor.by_way_of = Some((origin(&there.authorize_url(&[])), node.to_owned()));
        let url = there.authorize_url(&[("prompt", "none")]);
        let stop = signed.visitor.try_visit(&url, &[REDIRECT_URI]).await.expect("an answer");
        let Stop::Left(url) = stop else { panic!("prompt=none shows nothing: {stop:?}") };
        if !url.query_pairs().any(|pair| pair == ("error".into(), "login_required".into())) {
            return false;
        }
    }
    if ends.refresh {
        let refresh = signed.tokens.refresh.as_deref().expect("it may refresh");
        there.refresh(refresh).await.expect("an answer").expect(400);
    }
    if ends.code {
        there.redeem(&signed.code).await.expect("an answer").expect(400);
    }
    true
}

fn origin(url: &str) -> String {
    Url::parse(url).expect("an address").origin().ascii_serialization()
}

async fn seen_elsewhere(engine: Engine) {
    let mut scenario = Scenario::begin("what ends at one node, at the other", "TK8 SE5", &engine, 1, 20);
    let mut provider = Provider::prepare(&engine).await;
    provider.set("LOG__LEVEL", "warn");
    provider.launch().await;
    let (_second, node) = provider.second_node().await;
    let new = Client::of("shop", REDIRECT_URI).logout_uri(LOGOUT_URI).with(&["--first-party"]);
    let shop = provider.add_client(new).await;
    let there = shop.at(&node);
    let password = provider.password();
    let mut worst = Duration::ZERO;
    for round in 0..scenario.count {
        for (n, act) in
            ["revoke access", "revoke refresh", "log out", "lock", "passwd", "sign out everywhere"]
                .iter()
                .enumerate()
        {
            let name = format!("user{round}-{n}");
            provider.add_user(&name).await;
            let mut signed = sign_in(&shop, &name, password).await;
            assert!(
                there.is_active(&signed.tokens.access).await.expect("an answer"),
                "{act}: it works there"
            );
            let tokens = signed.tokens.clone();
            let ends = match *act {
                "revoke access" => {
                    shop.revoke(&tokens.access).await.expect("an answer").expect(200);
                    ACCESS_ALONE
                }
                "revoke refresh" => {
                    let refresh = tokens.refresh.as_deref().expect("it may refresh");
                    shop.revoke(refresh).await.expect("an answer").expect(200);
                    TOKENS
                }
                "log out" => {
                    let mut out = Url::parse(&provider.url("/oidc/logout")).expect("an address");
                    out.query_pairs_mut()
                        .extend_pairs([("post_logout_redirect_uri", LOGOUT_URI), ("revoke_tokens", "1")]);
                    let left =
                        signed.visitor.try_visit(out.as_str(), &[LOGOUT_URI]).await.expect("an answer");
                    left.left();
                    EVERYTHING
                }
                "lock" => {
                    provider.cli(&["user", "lock", &name]).await;
                    EVERYTHING
                }
                "passwd" => {
                    let arguments = ["user", "passwd", &name, "--password-stdin"];
                    let done = provider.run(&arguments, Some("another fine set of words\n")).await;
                    assert!(done.status.success(), "{done:?}");
                    EVERYTHING
                }
                _ => {
                    // The other session's end by the person's own page ends the session, and what it issued with it is for
                    // `revoke_tokens`: here the password changes on the page, in a second browser.
                    let mut elsewhere = sign_in(&shop, &name, password).await;
                    let page = elsewhere.visitor.visit(&provider.url("/account/password")).await;
                    let new = [("current_password", password), ("new_password", "another fine set of words")];
                    elsewhere.visitor.press(&page, "/account/password", &new).await.expect(200);
                    EVERYTHING
                }
            };
            let since = Instant::now();
            while !has_ended(&there, &node, &mut signed, ends).await {
                assert!(since.elapsed() < wait::PATIENCE, "{act} is not seen");
            }
            worst = worst.max(since.elapsed());
            scenario.recovered(since.elapsed());
        }
    }
    // What is cached: clients and API tokens.
    let signed = sign_in(&shop, "user0-0", password).await;
    provider.cli(&["client", "disable", "shop"]).await;
    let since = Instant::now();
    wait::until("the end of the client", || async {
        let refused =
            there.token(&[("grant_type", "client_credentials")]).await.expect("an answer").status == 401;
        let userinfo = there.userinfo(&signed.tokens.access).await.expect("an answer").status == 401;
        (refused && userinfo).then_some(())
    })
    .await;
    worst = worst.max(since.elapsed());
    scenario.recovered(since.elapsed());

    let created = provider.json(&["api-token", "create", "reader", "--all-objects"]).await;
    let token = created["token"].as_str().expect("it is shown once").to_owned();
    let ask = || {
        let request = http::request(Method::GET, &format!("{node}/api/scim/v2/Users/x/permissions?object=o"));
        http::send(request.header("authorization", format!("Token {token}")))
    };
    assert_ne!(ask().await.expect("an answer").status, 401);
    provider.cli(&["api-token", "revoke", "reader"]).await;
    let since = Instant::now();
    wait::until("the end of the API token", || async {
        (ask().await.expect("an answer").status == 401).then_some(())
    })
    .await;
    worst = worst.max(since.elapsed());
    scenario.recovered(since.elapsed());
    note(format_args!("seen after {worst:?} at worst"));
    assert!(worst <= WITHIN, "{worst:?}");
    scenario.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tk8_what_ends_at_one_node_has_ended_at_every_door_of_the_other_within_a_second() {
    if let Some(engine) = Engine::postgres() {
        seen_elsewhere(engine).await;
    }
}
