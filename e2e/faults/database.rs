//! PostgreSQL goes away, stands still, loses connections in the middle of transactions, and answers that nobody hears (checklist
//! RB10): whoever asks is told within two seconds, what is public is answered all the same, and nothing is given twice.

use std::time::{Duration, Instant};

use authmachine_e2e::{Client, End, Engine, Provider, Proxy, Spoil, Visitor, Weather, http, note};

use tokio::task::JoinSet;

use crate::ledger::Ledger;
use crate::scenario::Scenario;

/// Checklist RB10.
const TOLD_WITHIN: Duration = Duration::from_secs(2);
const NORMAL_WITHIN: Duration = Duration::from_secs(5);
/// As the driver says it, in one message.
const COMMIT: &[u8] = b"COMMIT\0";

/// A provider that reaches its database by a proxy.
async fn start(engine: &Engine) -> (Provider, Proxy) {
    let mut provider = Provider::prepare(engine).await;
    let proxy = Proxy::to(provider.database_port()).await;
    provider.reach_database_by(proxy.port());
    provider.set("LOG__LEVEL", "error");
    provider.set("LIVES__CODE", "10m");
    provider.launch().await;
    (provider, proxy)
}

/// How long a door took to say that it cannot.
async fn refused_after(door: &str, client: Client, ready: String) -> Duration {
    let unknown = "A".repeat(54);
    let began = Instant::now();
    let answer = match door {
        "token" => client.redeem(&unknown).await,
        "check" => client.token(&[("grant_type", "check_token_revoked"), ("access_token", "x")]).await,
        "revoke" => client.revoke(&unknown).await,
        "authorize" => http::try_get(&client.authorize_url(&[])).await,
        _ => http::try_get(&ready).await,
    };
    let answer = answer.unwrap_or_else(|error| panic!("no answer from {door}: {error}")).expect(503);
    assert!(answer.header("retry-after").is_some(), "{door}: {answer:?}");
    began.elapsed()
}

/// How long each door took to say that it cannot, and each public document to come, all of them asked at once.
async fn ask_all(provider: &Provider, client: &Client) -> (Vec<Duration>, Vec<Duration>) {
    let mut doors = JoinSet::new();
    for door in ["token", "check", "revoke", "authorize", "ready"] {
        doors.spawn(refused_after(door, client.clone(), provider.url("/readyz")));
    }
    let mut public = Vec::new();
    for path in ["/.well-known/openid-configuration", "/oidc/jwks", "/healthz"] {
        let began = Instant::now();
        http::get(&provider.url(path)).await.expect(200);
        public.push(began.elapsed());
    }
    (doors.join_all().await, public)
}

fn worst(times: &[Duration]) -> Duration {
    times.iter().max().copied().unwrap_or_default()
}

async fn away_for_a_while(engine: Engine) {
    let mut scenario = Scenario::begin("database away, paused, half-open", "RB10", &engine, 4, 8);
    let time = Duration::from_secs(if scenario.is_full() { 60 } else { 3 });
    let (mut provider, proxy) = start(&engine).await;
    let mut ledger = Ledger::open(&provider, 4, &mut scenario.random).await;
    let client = provider.add_client(Client::of("asker", "https://asker.example.com/cb")).await;
    let (mut refused, mut public) = (Vec::new(), Vec::new());
    for n in 0..scenario.count {
        ledger
            .under_load(false, async |load| {
                load.acknowledges(10).await;
                match n % 4 {
                    0 => provider.database_away(true).await,
                    1 => proxy.set(Weather::Stall),
                    2 => {
                        proxy.forget();
                        proxy.set(Weather::Stall);
                    }
                    _ => {
                        proxy.cut();
                        proxy.set(Weather::Refuse);
                    }
                }
                let until = Instant::now() + time;
                // What is under way ends first.
                tokio::time::sleep(Duration::from_millis(100)).await;
                while Instant::now() < until {
                    let (some, more) = ask_all(&provider, &client).await;
                    refused.extend(some);
                    public.extend(more);
                }
            })
            .await;
        let started = Instant::now();
        match n % 4 {
            0 => provider.database_away(false).await,
            _ => proxy.set(Weather::Fine),
        }
        let normal = ledger.is_normal(started).await;
        assert!(normal <= NORMAL_WITHIN, "fault {n}: normal after {normal:?}");
        scenario.recovered(normal);
        ledger.check().await;
    }
    ledger.check_all().await;
    note(format_args!("told after {:?} at worst, public after {:?}", worst(&refused), worst(&public)));
    assert!(worst(&refused) <= TOLD_WITHIN, "{:?}", worst(&refused));
    assert!(worst(&public) <= Duration::from_secs(1), "{:?}", worst(&public));
    assert!(provider.stop().await.success());
    scenario.acknowledged(ledger.acknowledged());
    scenario.end();
}

async fn cut_in_the_middle(engine: Engine) {
    let mut scenario = Scenario::begin("database connections cut mid-transaction", "RB10", &engine, 10, 500);
    let (mut provider, proxy) = start(&engine).await;
    let mut ledger = Ledger::open(&provider, 8, &mut scenario.random).await;
    for _ in 0..scenario.count {
        let moment = Duration::from_micros(scenario.random.below(20_000).try_into().expect("small"));
        ledger
            .under_load(false, async |load| {
                load.acknowledges(20).await;
                tokio::time::sleep(moment).await;
                proxy.cut();
                load.acknowledges(1).await;
            })
            .await;
        scenario.recovered(ledger.is_normal(Instant::now()).await);
        ledger.check().await;
    }
    ledger.check_all().await;
    assert!(provider.stop().await.success());
    provider.check_database().await;
    scenario.acknowledged(ledger.acknowledged());
    scenario.end();
}

async fn commits_without_an_answer(engine: Engine) {
    let mut scenario = Scenario::begin("answers to COMMIT lost", "RB10", &engine, 10, 500);
    let (mut provider, proxy) = start(&engine).await;
    let mut ledger = Ledger::open(&provider, 8, &mut scenario.random).await;
    let ends = [End::Reset, End::Close, End::Silence];
    for n in 0..scenario.count {
        let lost = proxy.spoiled();
        ledger
            .under_load(false, async |load| {
                load.acknowledges(10).await;
                // Silence takes a thread of the pool for as long as an answer may take: now and then is enough.
                let then = ends[if n % 10 == 9 { 2 } else { n % 2 }];
                proxy.spoil(Spoil { mark: COMMIT, keep: 0, then });
                while proxy.spoiled() == lost {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                load.acknowledges(1).await;
            })
            .await;
        scenario.recovered(ledger.is_normal(Instant::now()).await);
        ledger.check().await;
    }
    ledger.check_all().await;
    assert!(provider.stop().await.success());
    provider.check_database().await;
    scenario.acknowledged(ledger.acknowledged());
    scenario.end();
}

/// One by one: what a lost answer was about, is had once or not at all.
async fn lost_answers_are_not_had_again(engine: Engine) {
    let (provider, proxy) = start(&engine).await;
    provider.add_user("alice").await;
    let redirect_uri = "https://shop.example.com/cb";
    let client = provider.add_client(Client::of("shop", redirect_uri).with(&["--first-party"])).await;
    let mut visitor = Visitor::new();
    let lose = || proxy.spoil(Spoil { mark: COMMIT, keep: 0, then: End::Reset });
    let url = client.authorize_url(&[]);
    let code = async |visitor: &mut Visitor| {
        let stop = visitor.sign_in(&url, "alice", provider.password(), &[redirect_uri]).await.left();
        let found = stop.query_pairs().find(|(name, _)| name == "code").map(|(_, value)| value.into_owned());
        found.expect("a code")
    };
    let (first, second) = (code(&mut visitor).await, code(&mut visitor).await);

    lose();
    client.redeem(&first).await.expect("an answer").expect(503);
    client.redeem(&first).await.expect("an answer").expect(400);

    let tokens = authmachine_e2e::Tokens::of(client.redeem(&second).await.expect("an answer"));
    let refresh = tokens.refresh.expect("it may refresh");
    lose();
    client.refresh(&refresh).await.expect("an answer").expect(503);
    client.refresh(&refresh).await.expect("an answer").expect(400);
    // Its second use was reuse: nothing of the family works.
    assert!(!client.is_active(&tokens.access).await.expect("an answer"));
    assert_eq!(proxy.spoiled(), 2);
}

macro_rules! on_postgres {
    ($($test:ident = $run:ident),+ $(,)?) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            if let Some(engine) = Engine::postgres() {
                $run(engine).await;
            }
        })+
    };
}

on_postgres! {
    rb10_while_the_database_is_away_everybody_is_told_and_then_it_goes_on = away_for_a_while,
    rb10_connections_cut_in_the_middle_lose_nothing = cut_in_the_middle,
    rb10_commits_whose_answer_is_lost_lose_nothing = commits_without_an_answer,
    rb10_what_a_lost_answer_was_about_is_not_had_twice = lost_answers_are_not_had_again,
}
