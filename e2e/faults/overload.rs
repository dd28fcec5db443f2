//! More than the server can do (checklist RB8, RB9, RB23): what it takes on it finishes, what it cannot it refuses at once, and
//! after it all is as before.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use authmachine_e2e::http::Answer;
use authmachine_e2e::{Client, Engine, Provider, Tokens, Visitor, form, http, note};
use reqwest::{Method, RequestBuilder};
use tokio::task::JoinSet;

use crate::scenario::Scenario;
use crate::slow::{LATE_BY_ITSELF, p99, robot, token_times};

const REDIRECT_URI: &str = "https://shop.example.com/cb";
/// What a hash takes while it is made.
const HASH_KIB: u64 = 19_456;
/// What else may be needed: connections, requests, what the allocator keeps.
const MORE_KIB: u64 = 24 * 1024;

async fn start(engine: &Engine) -> Provider {
    let mut provider = Provider::prepare(engine).await;
    provider.set("LOG__LEVEL", "error");
    // Each try from an address of its own, as behind a proxy: failures are counted by address.
    provider.set("SERVER__TRUSTED_PROXIES", "127.0.0.1,::1");
    provider.launch().await;
    provider
}

/// The log-in page, and a browser's proof that it was there; each request from an address of its own.
#[derive(Clone)]
struct LogIn {
    url: String,
    fields: Vec<(String, String)>,
    cookies: String,
    origin: String,
    from: Arc<AtomicUsize>,
}

impl LogIn {
    async fn open(provider: &Provider) -> Self {
        let mut visitor = Visitor::new();
        let page = visitor.visit(&provider.url("/login")).await;
        let form = form::post_forms(&page.body).into_iter().next().expect("there is a form");
        let cookies = visitor.cookies("localhost");
        let cookies: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        Self {
            url: provider.url("/login"),
            fields: form.fields,
            cookies: cookies.join("; "),
            origin: provider.issuer().to_owned(),
            from: Arc::default(),
        }
    }

    fn request(&self, name: &str, password: &str) -> RequestBuilder {
        let mut fields: Vec<_> =
            self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        fields.extend([("username", name), ("password", password)]);
        let from = u32::try_from(self.from.fetch_add(1, Relaxed)).expect("not that many").to_be_bytes();
        let from = format!("10.{}.{}.{}", from[1], from[2], from[3]);
        let request = http::form(&self.url, &fields).header("origin", &self.origin);
        request.header("cookie", &self.cookies).header("x-forwarded-for", from)
    }
}

/// Every answer with the time that it took.
async fn all_at_once(requests: Vec<RequestBuilder>) -> Vec<(Answer, Duration)> {
    let mut sent = JoinSet::new();
    for request in requests {
        sent.spawn(async move {
            let began = Instant::now();
            (http::send(request).await.expect("an answer"), began.elapsed())
        });
    }
    sent.join_all().await
}

async fn rb9_five_hundred_logins_at_once_are_hashed_or_refused(engine: Engine) {
    let mut scenario = Scenario::begin("500 logins at once", "RB9", &engine, 1, 10);
    let mut provider = start(&engine).await;
    let client = provider.add_client(robot()).await;
    let log_in = LogIn::open(&provider).await;
    all_at_once((0..50).map(|n| log_in.request(&format!("warm{n}"), "a wrong guess")).collect()).await;
    token_times(&client, 100).await;
    let quiet = p99(&token_times(&client, 300).await);
    let base = provider.process().resident_kib();
    let pool =
        HASH_KIB * u64::try_from(std::thread::available_parallelism().map_or(1, Into::into)).expect("few");
    for round in 0..scenario.count {
        let requests: Vec<_> =
            (0..500).map(|n| log_in.request(&format!("nobody{round}-{n}"), "a wrong guess")).collect();
        let logins = tokio::spawn(all_at_once(requests));
        let (mut times, mut most) = (Vec::new(), 0);
        while !logins.is_finished() {
            times.extend(token_times(&client, 5).await);
            most = most.max(provider.process().resident_kib());
        }
        let answers = logins.await.expect("no panic");
        times.sort_unstable();
        let of = |status: u16| {
            let mut of: Vec<_> =
                answers.iter().filter(|(answer, _)| answer.status == status).map(|(_, t)| *t).collect();
            of.sort_unstable();
            of
        };
        let (hashed, refused) = (of(401), of(503));
        assert_eq!(
            hashed.len() + refused.len(),
            500,
            "{:?}",
            answers.iter().map(|(a, _)| a.status).collect::<Vec<_>>()
        );
        let refused_with = answers.iter().filter(|(answer, _)| answer.status == 503);
        assert!(refused_with.clone().all(|(answer, _)| answer.header("retry-after").is_some()));
        let median = refused.get(refused.len() / 2).copied().unwrap_or_default();
        note(format_args!(
            "{} hashed, {} refused after {median:?} (median); {most} KiB at most, {base} before; p99 of a token {:?}, {quiet:?} when it is quiet",
            hashed.len(),
            refused.len(),
            p99(&times)
        ));
        assert!(most <= base + pool + MORE_KIB, "{most} KiB after {base}");
        // Times say something where the server is built for release, and the machine is its own.
        if scenario.is_full() {
            assert!(median <= Duration::from_millis(100), "{median:?}");
            assert!(p99(&times) <= 3 * quiet + LATE_BY_ITSELF, "{:?} and {quiet:?}", p99(&times));
        }
        scenario.happened();
    }
    assert!(provider.stop().await.success());
    scenario.end();
}

async fn rb8_failed_logins_without_end_keep_nobody_out(engine: Engine) {
    let mut scenario = Scenario::begin("failed logins without end", "RB8 BF1", &engine, 1, 60);
    // In steps of five seconds.
    let time = Duration::from_secs(5);
    let mut provider = start(&engine).await;
    provider.add_user("alice").await;
    let shop = provider.add_client(Client::of("shop", REDIRECT_URI).with(&["--first-party"])).await;
    // She has been here with this browser, and has a session in another one.
    let (mut known, mut live) = (Visitor::new(), Visitor::new());
    for visitor in [&mut known, &mut live] {
        shop.authorize(visitor, "alice", provider.password(), &[]).await.expect("an answer").left();
    }
    let log_in = LogIn::open(&provider).await;
    let (tries, wrong) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut guessing = JoinSet::new();
    for n in 0..16 {
        let (log_in, tries, wrong) = (log_in.clone(), tries.clone(), wrong.clone());
        guessing.spawn(async move {
            loop {
                let count = tries.fetch_add(1, Relaxed);
                // Half of them at her, half at names that nobody has.
                let name = if n % 2 == 0 { "alice".to_owned() } else { format!("nobody{count}") };
                let answer = http::send(log_in.request(&name, &format!("guess {count}"))).await;
                match answer.expect("an answer").status {
                    401 => _ = wrong.fetch_add(1, Relaxed),
                    status => assert!([429, 503].contains(&status), "{status}"),
                }
            }
        });
    }
    let mut memory = Vec::new();
    for _ in 0..scenario.count {
        tokio::time::sleep(time).await;
        // The owner signs in with the browser that is known, and the session lives.
        let began = Instant::now();
        loop {
            let mut again = known.clone();
            let url = shop.authorize_url(&[("prompt", "login")]);
            let stop = again.try_sign_in(&url, "alice", provider.password(), &[REDIRECT_URI]).await;
            match stop.expect("an answer") {
                authmachine_e2e::Stop::Left(_) => break,
                // The pool is full just now.
                page => assert!(began.elapsed() < Duration::from_secs(5), "{page:?}"),
            }
        }
        scenario.recovered(began.elapsed());
        let silent = shop.authorize_url(&[("prompt", "none")]);
        let stop = live.try_visit(&silent, &[REDIRECT_URI]).await.expect("an answer").left();
        assert!(stop.query_pairs().any(|(name, _)| name == "code"), "{stop}");
        memory.push(provider.process().resident_kib());
    }
    guessing.shutdown().await;
    note(format_args!(
        "{} tries, {} of them hashed; memory {:?} KiB",
        tries.load(Relaxed),
        wrong.load(Relaxed),
        (memory.first(), memory.last())
    ));
    let (first, last) = (memory[0], memory[memory.len() - 1]);
    assert!(last <= first + MORE_KIB, "memory is flat: {first} KiB, then {last}");
    assert!(provider.stop().await.success());
    scenario.end();
}

/// Requests that come whether the one before was answered or not, so many a second; those that were answered well, and refused.
async fn open_loop(request: impl Fn() -> RequestBuilder, rate: usize, time: Duration) -> (usize, usize) {
    let mut sent = JoinSet::new();
    let began = Instant::now();
    let (mut good, mut refused) = (0, 0);
    let mut count = |answer: Result<u16, tokio::task::JoinError>| match answer.expect("no panic") {
        200 => good += 1,
        _ => refused += 1,
    };
    for n in 0.. {
        let at = began
            + Duration::from_secs(1) * u32::try_from(n).expect("not that many")
                / u32::try_from(rate).expect("not that many");
        if at > began + time {
            break;
        }
        tokio::time::sleep_until(at.into()).await;
        let request = request();
        sent.spawn(async move { http::send(request).await.map_or(0, |answer| answer.status) });
        while let Some(answer) = sent.try_join_next() {
            count(answer);
        }
    }
    // What is not answered by now is no answer.
    while let Some(answer) = sent.try_join_next() {
        count(answer);
    }
    (good, refused)
}

/// So many at a time, the next when one is answered: what the server can do in a second.
async fn capacity(request: impl Fn() -> RequestBuilder, time: Duration) -> usize {
    let began = Instant::now();
    let (mut sent, mut good) = (JoinSet::new(), 0);
    for _ in 0..32 {
        let request = request();
        sent.spawn(http::send(request));
    }
    while let Some(answer) = sent.join_next().await {
        if answer.expect("no panic").expect("an answer").status == 200 {
            good += 1;
        }
        if began.elapsed() < time {
            sent.spawn(http::send(request()));
        }
    }
    usize::try_from(good * 1_000 / began.elapsed().as_millis()).expect("not that many")
}

async fn rb23_ten_times_too_much_is_shed_and_the_rest_is_done(engine: Engine) {
    let mut scenario = Scenario::begin("ten times overload", "RB23", &engine, 1, 5);
    let time = Duration::from_secs(if scenario.is_full() { 10 } else { 3 });
    let mut provider = start(&engine).await;
    provider.add_user("alice").await;
    // Signing costs the server more than asking costs us.
    let more = ["--first-party", "--userinfo-alg", "RS256"];
    let shop = provider.add_client(Client::of("shop", REDIRECT_URI).with(&more)).await;
    let stop = shop
        .authorize(&mut Visitor::new(), "alice", provider.password(), &[])
        .await
        .expect("an answer")
        .left();
    let code = stop.query_pairs().find(|(name, _)| name == "code").expect("a code").1.into_owned();
    let tokens = Tokens::of(shop.redeem(&code).await.expect("an answer"));
    let url = provider.url("/oidc/userinfo");
    let ask = || http::request(Method::GET, &url).bearer_auth(&tokens.access);
    capacity(ask, Duration::from_secs(1)).await;
    for _ in 0..scenario.count {
        let can = capacity(ask, time).await;
        let (good, refused) = open_loop(ask, 10 * can, time).await;
        let goodput = good * 1_000 / usize::try_from(time.as_millis()).expect("short");
        let since = Instant::now();
        loop {
            let began = Instant::now();
            if http::send(ask()).await.is_ok_and(|answer| answer.status == 200)
                && began.elapsed() < LATE_BY_ITSELF * 3
            {
                break;
            }
            assert!(since.elapsed() < Duration::from_secs(5), "it is not normal again");
        }
        note(format_args!(
            "{can}/s is what it can, {goodput}/s what it did of ten times that; {refused} refused"
        ));
        // Asking costs us more than the server's answers, unless it is built for release.
        assert!(!scenario.is_full() || 10 * goodput >= 8 * can, "{goodput}/s of {can}/s");
        scenario.recovered(since.elapsed());
    }
    assert_eq!(provider.metric("authmachine_panics_total").await, "0");
    assert!(provider.stop().await.success());
    scenario.end();
}

on_each_engine!(
    rb8_failed_logins_without_end_keep_nobody_out,
    rb9_five_hundred_logins_at_once_are_hashed_or_refused,
    rb23_ten_times_too_much_is_shed_and_the_rest_is_done,
);
