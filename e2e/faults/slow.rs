//! Thousands of connections that are slow or idle (checklist RB7, DO4): each costs little, each is closed in time, and the others
//! are served as before.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::{Duration, Instant};

use authmachine_e2e::{Client, Engine, NewClient, Provider, http, note, wait};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use crate::scenario::Scenario;

/// From one address, below the server's bound.
const PER_ADDRESS: usize = 250;
/// Checklist RB7.
const KIB_EACH: u64 = 40;
const CLOSED_WITHIN: Duration = Duration::from_secs(30);
/// Between two bytes of those who are slow.
const DRIP: Duration = Duration::from_secs(3);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    SlowHead,
    SlowBody,
    Idle,
}

impl Kind {
    /// When the server has had enough.
    fn deadline(self) -> Duration {
        Duration::from_secs(match self {
            Self::SlowHead => 10,
            Self::SlowBody => 30,
            Self::Idle => 60,
        })
    }

    /// What is sent at once, and what comes after it byte by byte.
    fn bytes(self) -> (&'static str, &'static [u8]) {
        match self {
            Self::SlowHead => ("POST /oidc/token HTTP/1.1\r\nHost: a\r\nx: ", b"y"),
            Self::SlowBody => (
                "POST /oidc/token HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                 Content-Length: 1000\r\n\r\ngrant_type=",
                b"y",
            ),
            Self::Idle => ("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", b""),
        }
    }
}

/// Lets us and what we start have so many descriptors.
fn raise_descriptors(count: usize) {
    // The soft limit alone: the other is root's.
    let limit = format!("--nofile={count}:");
    let done = Command::new("prlimit").args(["--pid", &std::process::id().to_string(), &limit]).status();
    assert!(done.is_ok_and(|status| status.success()), "prlimit lets nobody have {count} descriptors");
}

/// A connection to the provider from the `n`-th address of loopback.
pub(crate) async fn connect(port: u16, n: usize) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    let [high, low] = u16::try_from(2 + n / PER_ADDRESS).expect("not that many").to_be_bytes();
    socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, high, low), 0)))?;
    socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await
}

/// How long after its last whole request a connection is closed.
async fn hold(port: u16, n: usize, kind: Kind) -> Duration {
    let mut stream = connect(port, n).await.unwrap_or_else(|error| panic!("connection {n}: {error}"));
    let (first, then) = kind.bytes();
    stream.write_all(first.as_bytes()).await.expect("open");
    let mut since = Instant::now();
    let mut part = [0; 512];
    loop {
        tokio::select! {
            count = stream.read(&mut part) => match count {
                // The first answer to one that idles then.
                Ok(count) if count > 0 => if kind == Kind::Idle { since = Instant::now() },
                _ => return since.elapsed(),
            },
            () = tokio::time::sleep(DRIP), if !then.is_empty() => {
                // It is closed: the next read says so.
                let _ = stream.write_all(then).await;
            }
        }
    }
}

/// How long a token takes, sorted.
pub(crate) async fn token_times(client: &Client, count: usize) -> Vec<Duration> {
    let mut times = Vec::new();
    for _ in 0..count {
        let began = Instant::now();
        client.token(&[("grant_type", "client_credentials")]).await.expect("an answer").expect(200);
        times.push(began.elapsed());
    }
    times.sort_unstable();
    times
}

pub(crate) fn p99(sorted: &[Duration]) -> Duration {
    sorted[sorted.len() * 99 / 100]
}

/// A client that gets tokens for itself.
pub(crate) fn robot() -> NewClient<'static> {
    let more = &["--grant-type", "client_credentials", "--scope", "jobs:run"];
    Client::of("robot", "https://robot.example.com/cb").with(more)
}

/// What is measured beside others on two cores is late now and then by itself.
pub(crate) const LATE_BY_ITSELF: Duration = Duration::from_millis(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rb7_slow_and_idle_connections_cost_little_and_are_closed() {
    let mut scenario = Scenario::begin("slow and idle connections", "RB7 DO4", &Engine::Sqlite, 500, 10_000);
    let count = scenario.count;
    raise_descriptors(count + 1_000);
    let mut provider = Provider::prepare(&Engine::Sqlite).await;
    provider.set("LOG__LEVEL", "error");
    provider.launch().await;
    let client = provider.add_client(robot()).await;
    let asked = if scenario.is_full() { 2_000 } else { 300 };
    token_times(&client, asked / 2).await;
    let quiet = p99(&token_times(&client, asked).await);
    for kind in [Kind::SlowHead, Kind::SlowBody, Kind::Idle] {
        let before = provider.process().resident_kib();
        let port = provider.port();
        let mut held = JoinSet::new();
        for n in 0..count {
            held.spawn(hold(port, n, kind));
            // As many as the system lets wait to be accepted.
            if n % 100 == 99 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        // One that found the queue full comes again after a second.
        let open: usize = wait::until("every connection to be open", || async {
            let open = provider.metric("authmachine_connections_open").await.parse().expect("a number");
            (open >= count).then_some(open)
        })
        .await;
        let each = (provider.process().resident_kib().saturating_sub(before))
            / u64::try_from(count).expect("a count");
        let busy = p99(&token_times(&client, asked).await);
        note(format_args!(
            "{kind:?}: {open} open, {each} KiB each; p99 of a token {busy:?}, {quiet:?} when it is quiet"
        ));
        assert!(each <= KIB_EACH, "{kind:?}: {each} KiB each");
        assert!(busy <= 3 * quiet + LATE_BY_ITSELF, "{kind:?}: {busy:?} and {quiet:?} when it is quiet");
        if kind == Kind::Idle && !scenario.is_full() {
            // A minute more: the listener's own tests have shorter ones.
            held.shutdown().await;
            break;
        }
        let mut latest = Duration::ZERO;
        while let Some(closed) = held.join_next().await {
            latest = latest.max(closed.expect("no panic"));
            scenario.happened();
        }
        note(format_args!("{kind:?}: the last was closed after {latest:?}"));
        assert!(latest <= kind.deadline() + CLOSED_WITHIN, "{kind:?}: {latest:?}");
    }
    http::get(&provider.url("/healthz")).await.expect(200);
    assert_eq!(provider.metric("authmachine_panics_total").await, "0");
    assert!(provider.stop().await.success());
    scenario.end();
}
