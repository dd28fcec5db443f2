//! Counters, in the text format of Prometheus. Labels are words of ours (route templates, status classes), never what a request
//! said, so their number is bounded.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use authmachine_jose::Algorithm;
use authmachine_protocol::names::IMPLICIT;
use authmachine_protocol::{GrantType, Timestamp};
use authmachine_store::{Histogram, Stats};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::fetch::Fetches;
use crate::permissions;

/// `GET /metrics`.
pub async fn get(State(app): State<App>) -> Response {
    let text = app.metrics.render(&app.store.stats());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// The upper ends of the duration histogram, in microseconds.
const BUCKETS_US: [u64; 12] =
    [250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000, 2_500_000, 10_000_000];
/// What status classes are called.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
/// What becomes of a try to tell a client of a logout.
const DELIVERIES: [&str; 3] = ["delivered", "failed", "given_up"];
/// Routes that are told apart; there are fewer.
const MAX_ROUTES: usize = 100;

/// The counters of a running provider, all since its start.
#[derive(Debug, Default)]
pub struct Metrics {
    routes: RwLock<BTreeMap<Box<str>, Arc<Route>>>,
    panics: AtomicU64,
    sign_ins: AtomicU64,
    sign_ins_refused: AtomicU64,
    codes_issued: AtomicU64,
    codes_reused: AtomicU64,
    tokens_issued: [AtomicU64; GrantType::ALL.len()],
    tokens_issued_through_browser: AtomicU64,
    refresh_tokens_reused: AtomicU64,
    tokens_revoked: AtomicU64,
    client_keys_refused: AtomicU64,
    keys: RwLock<Vec<KeyTimes>>,
    logout_deliveries: [AtomicU64; DELIVERIES.len()],
    registrations: [AtomicU64; Registered::ALL.len()],
    delegations: [AtomicU64; Lending::ALL.len()],
    /// Counted by [`crate::listen`].
    pub connections: Arc<Connections>,
    fetches: Arc<Fetches>,
    permissions: Arc<permissions::Counters>,
}

/// What is shown of an algorithm's keys.
#[derive(Clone, Copy, Debug)]
pub struct KeyTimes {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// Since when the active key signs.
    pub since: Timestamp,
    /// When the next one takes over, if it is published.
    pub next: Option<Timestamp>,
}

/// What happened to a client that registered itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// It is there.
    New,
    /// It changed.
    Changed,
    /// It left.
    Deleted,
    /// Nobody used it.
    Expired,
}

impl Registered {
    const ALL: [(Self, &'static str); 4] = [
        (Self::New, "registered"),
        (Self::Changed, "changed"),
        (Self::Deleted, "deleted"),
        (Self::Expired, "expired"),
    ];
}

/// What became of a wish to lend something, or of what was lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lending {
    /// It is lent.
    Created,
    /// The same is lent on other terms.
    Changed,
    /// It was taken or given back.
    Ended,
    /// It may not be lent.
    Refused,
}

impl Lending {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Created, "created"),
        (Self::Changed, "changed"),
        (Self::Ended, "ended"),
        (Self::Refused, "refused"),
    ];
}

/// What is counted about connections.
#[derive(Debug, Default)]
pub struct Connections {
    /// Accepted.
    pub accepted: AtomicU64,
    /// Closed again.
    pub closed: AtomicU64,
    /// Refused, because their address had too many.
    pub refused: AtomicU64,
    /// Closed, because they took too long.
    pub timed_out: AtomicU64,
}

#[derive(Debug, Default)]
struct Route {
    by_class: [AtomicU64; CLASSES.len()],
    by_duration: [AtomicU64; BUCKETS_US.len() + 1],
    total_us: AtomicU64,
}

impl Metrics {
    /// Counters at zero, with those that others keep.
    pub fn new(fetches: Arc<Fetches>, permissions: Arc<permissions::Counters>) -> Self {
        Self { fetches, permissions, ..Self::default() }
    }

    /// Counts an answer; `route` is its template, empty when nothing matched.
    pub fn count(&self, route: &str, status: StatusCode, elapsed: Duration) {
        let us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        let bucket = BUCKETS_US.iter().position(|end| us <= *end).unwrap_or(BUCKETS_US.len());
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len()) - 1;
        let count = |route: &Route| {
            route.by_class[class].fetch_add(1, Relaxed);
            route.by_duration[bucket].fetch_add(1, Relaxed);
            route.total_us.fetch_add(us, Relaxed);
        };
        if let Some(known) = self.routes.read().unwrap_or_else(PoisonError::into_inner).get(route) {
            return count(known);
        }
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        let name = if routes.len() < MAX_ROUTES { route } else { "" };
        count(routes.entry(name.into()).or_default());
    }

    /// A handler panicked.
    pub fn count_panic(&self) {
        self.panics.fetch_add(1, Relaxed);
    }

    /// A person signed in, or was refused.
    pub fn sign_in(&self, ok: bool) {
        let counter = if ok { &self.sign_ins } else { &self.sign_ins_refused };
        counter.fetch_add(1, Relaxed);
    }

    /// A code was issued.
    pub fn code_issued(&self) {
        self.codes_issued.fetch_add(1, Relaxed);
    }

    /// A code was presented twice.
    pub fn code_reused(&self) {
        self.codes_reused.fetch_add(1, Relaxed);
    }

    /// Tokens were issued for a grant.
    pub fn tokens_issued(&self, grant_type: GrantType) {
        if let Some(index) = GrantType::ALL.iter().position(|known| *known == grant_type) {
            self.tokens_issued[index].fetch_add(1, Relaxed);
        }
    }

    /// Tokens were issued in an authorization response.
    pub fn tokens_issued_through_browser(&self) {
        self.tokens_issued_through_browser.fetch_add(1, Relaxed);
    }

    /// A refresh token was presented twice.
    pub fn refresh_token_reused(&self) {
        self.refresh_tokens_reused.fetch_add(1, Relaxed);
    }

    /// A token was revoked by its client, or a session's tokens at sign-out.
    pub fn token_revoked(&self) {
        self.tokens_revoked.fetch_add(1, Relaxed);
    }

    /// A fetched key set of a client cannot be used.
    pub fn client_keys_refused(&self) {
        self.client_keys_refused.fetch_add(1, Relaxed);
    }

    /// The keys were loaded.
    pub fn set_keys(&self, keys: Vec<KeyTimes>) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// A client was told of a logout, or was not; `is_over`: it is not tried again.
    pub fn logout_delivery(&self, ok: bool, is_over: bool) {
        let index = match (ok, is_over) {
            (true, _) => 0,
            (false, false) => 1,
            (false, true) => 2,
        };
        self.logout_deliveries[index].fetch_add(1, Relaxed);
    }

    /// Something happened to a client that registered itself.
    pub fn registration(&self, what: Registered) {
        if let Some(index) = Registered::ALL.iter().position(|(known, _)| *known == what) {
            self.registrations[index].fetch_add(1, Relaxed);
        }
    }

    /// Something was lent, or was to be, or ended.
    pub fn lending(&self, what: Lending) {
        if let Some(index) = Lending::ALL.iter().position(|(known, _)| *known == what) {
            self.delegations[index].fetch_add(1, Relaxed);
        }
    }

    /// Everything, with the store's counters.
    pub fn render(&self, store: &Stats) -> String {
        let mut page = Page::default();
        self.render_routes(&mut page);
        page.counter("panics_total", "Handlers that panicked: bugs.", &self.panics);
        page.head("sign_ins_total", "counter", "Sign-ins by name and password.");
        page.line("sign_ins_total", "result=\"ok\"", self.sign_ins.load(Relaxed));
        page.line("sign_ins_total", "result=\"refused\"", self.sign_ins_refused.load(Relaxed));
        page.counter("codes_issued_total", "Authorization codes issued.", &self.codes_issued);
        page.counter("codes_reused_total", "Authorization codes presented twice.", &self.codes_reused);
        page.head("tokens_issued_total", "counter", "Token answers by grant type.");
        for (grant_type, count) in GrantType::ALL.iter().zip(&self.tokens_issued) {
            page.line("tokens_issued_total", &format!("grant_type=\"{grant_type}\""), count.load(Relaxed));
        }
        page.line(
            "tokens_issued_total",
            &format!("grant_type=\"{IMPLICIT}\""),
            self.tokens_issued_through_browser.load(Relaxed),
        );
        page.counter(
            "refresh_tokens_reused_total",
            "Refresh tokens presented twice.",
            &self.refresh_tokens_reused,
        );
        page.counter(
            "tokens_revoked_total",
            "Revocations asked for by clients and at sign-out.",
            &self.tokens_revoked,
        );
        page.head("logout_deliveries_total", "counter", "Tries to tell clients of logouts, by result.");
        for (result, count) in DELIVERIES.iter().zip(&self.logout_deliveries) {
            page.line("logout_deliveries_total", &format!("result=\"{result}\""), count.load(Relaxed));
        }
        page.head("fetches_total", "counter", "Fetches of what others named, by result.");
        for (result, count) in self.fetches.counts() {
            page.line("fetches_total", &format!("result=\"{result}\""), count);
        }
        page.counter(
            "client_key_sets_refused_total",
            "Fetched key sets of clients that cannot be used.",
            &self.client_keys_refused,
        );
        page.head(
            "registrations_total",
            "counter",
            "Clients that registered themselves, and what became of them.",
        );
        for ((_, word), count) in Registered::ALL.iter().zip(&self.registrations) {
            page.line("registrations_total", &format!("change=\"{word}\""), count.load(Relaxed));
        }
        page.head("delegations_total", "counter", "What people lend each other, and what became of it.");
        for ((_, word), count) in Lending::ALL.iter().zip(&self.delegations) {
            page.line("delegations_total", &format!("change=\"{word}\""), count.load(Relaxed));
        }

        self.render_permissions(&mut page);
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner).clone();
        page.head(
            "signing_key_since_seconds",
            "gauge",
            "Since when the active key signs, in seconds since 1970.",
        );
        for key in &keys {
            let label = format!("alg=\"{}\"", key.algorithm);
            page.line("signing_key_since_seconds", &label, key.since.seconds());
        }
        page.head("signing_key_next_seconds", "gauge", "When the next key takes over, if it is published.");
        for (key, next) in keys.iter().filter_map(|key| Some((key, key.next?))) {
            page.line("signing_key_next_seconds", &format!("alg=\"{}\"", key.algorithm), next.seconds());
        }

        let connections = &self.connections;
        let closed = connections.closed.load(Relaxed);
        let open = connections.accepted.load(Relaxed).saturating_sub(closed);
        page.single("connections_open", "gauge", "Connections open now.", open);
        page.counter("connections_accepted_total", "Connections accepted.", &connections.accepted);
        page.counter(
            "connections_refused_total",
            "Connections refused: too many from one address.",
            &connections.refused,
        );
        page.counter(
            "connections_timed_out_total",
            "Connections closed because they took too long.",
            &connections.timed_out,
        );

        page.single("store_queue", "gauge", "Units of work that wait now.", store.queue);
        page.single("store_units_total", "counter", "Units of work committed.", store.units);
        page.single("store_failures_total", "counter", "Units of work that failed.", store.failures);
        page.single(
            "store_skipped_total",
            "counter",
            "Units of work whose time was up before they began.",
            store.skipped,
        );
        page.histogram("store_batch_units", "Units of work in a transaction.", &store.batches, 1.0);
        page.histogram("store_commit_seconds", "Time of a COMMIT.", &store.commits, 1e-6);
        page.histogram(
            "store_hold_seconds",
            "Time in which a writer was away from the queue: a transaction, and what moving the log took.",
            &store.holds,
            1e-6,
        );
        page.single(
            "store_longest_hold_seconds",
            "gauge",
            "The longest of these since the start.",
            store.longest_hold.as_secs_f64(),
        );
        page.head("store_purged_rows_total", "counter", "Rows removed because they were over, by table.");
        for (table, rows) in &store.purged {
            page.line("store_purged_rows_total", &format!("table=\"{table}\""), rows);
        }
        if let (Some(file), Some(log)) = (store.file_bytes, store.log_bytes) {
            page.single("store_file_bytes", "gauge", "Size of the database's file.", file);
            page.single("store_log_bytes", "gauge", "Size of its write-ahead log.", log);
            page.single(
                "store_checkpoint_pages_total",
                "counter",
                "Pages moved from the log into the file.",
                store.checkpoint_pages,
            );
            page.single(
                "store_checkpoint_seconds_total",
                "counter",
                "Time spent moving them.",
                store.checkpoint_time.as_secs_f64(),
            );
        }
        let clients = &store.clients;
        page.single("client_cache_entries", "gauge", "Clients in memory.", clients.entries);
        page.single("client_cache_bytes", "gauge", "What they take, about.", clients.bytes);
        page.single("client_cache_hits_total", "counter", "Clients found in memory.", clients.hits);
        page.single("client_cache_misses_total", "counter", "Clients that were not there.", clients.misses);
        page.text
    }

    fn render_permissions(&self, page: &mut Page) {
        let counters = &self.permissions;
        page.head("permission_decisions_total", "counter", "Questions about permissions, by what answered.");
        for (source, count) in [("index", &counters.by_index), ("database", &counters.by_store)] {
            page.line("permission_decisions_total", &format!("source=\"{source}\""), count.load(Relaxed));
        }
        page.counter(
            "permission_too_complex_total",
            "Questions answered with no because finding out would have taken too much.",
            &counters.too_complex,
        );
        page.counter(
            "permission_checks_total",
            "Decisions of the index that were compared with the database's.",
            &counters.checked,
        );
        page.counter("permission_disagreements_total", "Those that differed: bugs.", &counters.disagreements);
        page.counter("permission_index_builds_total", "Permission indexes built.", &counters.builds);
        let took = seconds(counters.build_ms.load(Relaxed) * 1_000);
        page.single("permission_index_build_seconds", "gauge", "How long the last one took.", took);
        for (name, help, value) in [
            ("permission_index_revision", "The revision of the index; 0: there is none.", &counters.revision),
            ("permission_index_bytes", "What the index takes, about.", &counters.bytes),
        ] {
            page.single(name, "gauge", help, value.load(Relaxed));
        }
        let age = counters.age().as_secs_f64();
        page.single(
            "permission_index_age_seconds",
            "gauge",
            "Since when nothing was heard of the database.",
            age,
        );
    }

    fn render_routes(&self, page: &mut Page) {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner).clone();
        let name = |route: &str| {
            if route.is_empty() { "none".to_owned() } else { route.replace(['"', '\\', '\n'], "_") }
        };
        page.head("http_requests_total", "counter", "Requests answered, by route and class of status.");
        for (route, counts) in &routes {
            for (class, count) in CLASSES.iter().zip(&counts.by_class) {
                let count = count.load(Relaxed);
                if count > 0 {
                    page.line(
                        "http_requests_total",
                        &format!("route=\"{}\",status=\"{class}\"", name(route)),
                        count,
                    );
                }
            }
        }
        const DURATION: &str = "http_request_duration_seconds";
        page.head(DURATION, "histogram", "Time from a request's head to its answer's.");
        for (route, counts) in &routes {
            let label = format!("route=\"{}\"", name(route));
            let mut below = 0;
            for (bucket, count) in counts.by_duration.iter().enumerate() {
                below += count.load(Relaxed);
                let end = BUCKETS_US.get(bucket).map_or("+Inf".to_owned(), |us| seconds(*us).to_string());
                page.line("http_request_duration_seconds_bucket", &format!("{label},le=\"{end}\""), below);
            }
            page.line("http_request_duration_seconds_sum", &label, seconds(counts.total_us.load(Relaxed)));
            page.line("http_request_duration_seconds_count", &label, below);
        }
    }
}

fn seconds(us: u64) -> f64 {
    Duration::from_micros(us).as_secs_f64()
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.text, "# HELP authmachine_{name} {help}\n# TYPE authmachine_{name} {kind}\n");
    }

    fn line(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let _ = match labels {
            "" => writeln!(self.text, "authmachine_{name} {value}"),
            labels => writeln!(self.text, "authmachine_{name}{{{labels}}} {value}"),
        };
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
        self.head(name, kind, help);
        self.line(name, "", value);
    }

    /// `unit`: what one of its values is, as it is shown.
    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram, unit: f64) {
        self.head(name, "histogram", help);
        let mut below = 0;
        #[expect(clippy::cast_precision_loss, reason = "seconds with 15 digits are enough")]
        let shown = |value: u64| value as f64 * unit;
        for (end, count) in &histogram.buckets {
            below += count;
            self.line(&format!("{name}_bucket"), &format!("le=\"{}\"", shown(*end)), below);
        }
        self.line(&format!("{name}_bucket"), "le=\"+Inf\"", histogram.count);
        self.line(&format!("{name}_sum"), "", shown(histogram.sum));
        self.line(&format!("{name}_count"), "", histogram.count);
    }

    fn counter(&mut self, name: &str, help: &str, counter: &AtomicU64) {
        self.single(name, "counter", help, counter.load(Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_shown() {
        let metrics = Metrics::default();
        metrics.count("/oidc/token", StatusCode::OK, Duration::from_micros(300));
        metrics.count("/oidc/token", StatusCode::BAD_REQUEST, Duration::from_secs(60));
        metrics.count("", StatusCode::NOT_FOUND, Duration::ZERO);
        metrics.count_panic();
        metrics.sign_in(true);
        metrics.sign_in(false);
        metrics.tokens_issued(GrantType::RefreshToken);
        metrics.tokens_issued_through_browser();
        metrics.set_keys(vec![KeyTimes {
            algorithm: Algorithm::RS256,
            since: Timestamp::from_ms(1_500),
            next: Some(Timestamp::from_seconds(9)),
        }]);
        metrics.logout_delivery(false, false);
        metrics.registration(Registered::Deleted);
        metrics.connections.accepted.fetch_add(3, Relaxed);
        metrics.connections.closed.fetch_add(1, Relaxed);
        let text = metrics.render(&Stats {
            commits: Histogram { buckets: vec![(500, 2), (1_000, 3)], count: 6, sum: 1_500_000 },
            longest_hold: Duration::from_millis(20),
            purged: vec![("grants", 7)],
            file_bytes: Some(4_096),
            log_bytes: Some(0),
            ..Stats::default()
        });
        for line in [
            r#"authmachine_http_requests_total{route="/oidc/token",status="2xx"} 1"#,
            r#"authmachine_http_requests_total{route="/oidc/token",status="4xx"} 1"#,
            r#"authmachine_http_requests_total{route="none",status="4xx"} 1"#,
            r#"authmachine_http_request_duration_seconds_bucket{route="/oidc/token",le="0.00025"} 0"#,
            r#"authmachine_http_request_duration_seconds_bucket{route="/oidc/token",le="0.0005"} 1"#,
            r#"authmachine_http_request_duration_seconds_bucket{route="/oidc/token",le="10"} 1"#,
            r#"authmachine_http_request_duration_seconds_bucket{route="/oidc/token",le="+Inf"} 2"#,
            r#"authmachine_http_request_duration_seconds_sum{route="/oidc/token"} 60.0003"#,
            r#"authmachine_http_request_duration_seconds_count{route="/oidc/token"} 2"#,
            "# TYPE authmachine_panics_total counter",
            "authmachine_panics_total 1",
            r#"authmachine_sign_ins_total{result="ok"} 1"#,
            r#"authmachine_sign_ins_total{result="refused"} 1"#,
            r#"authmachine_tokens_issued_total{grant_type="refresh_token"} 1"#,
            r#"authmachine_tokens_issued_total{grant_type="authorization_code"} 0"#,
            r#"authmachine_tokens_issued_total{grant_type="implicit"} 1"#,
            r#"authmachine_logout_deliveries_total{result="failed"} 1"#,
            r#"authmachine_fetches_total{result="not_allowed"} 0"#,
            r#"authmachine_signing_key_since_seconds{alg="RS256"} 1"#,
            r#"authmachine_signing_key_next_seconds{alg="RS256"} 9"#,
            r#"authmachine_registrations_total{change="registered"} 0"#,
            r#"authmachine_registrations_total{change="deleted"} 1"#,
            "authmachine_connections_open 2",
            r#"authmachine_store_commit_seconds_bucket{le="0.0005"} 2"#,
            r#"authmachine_store_commit_seconds_bucket{le="0.001"} 5"#,
            r#"authmachine_store_commit_seconds_bucket{le="+Inf"} 6"#,
            "authmachine_store_commit_seconds_sum 1.5",
            "authmachine_store_commit_seconds_count 6",
            "authmachine_store_longest_hold_seconds 0.02",
            r#"authmachine_store_purged_rows_total{table="grants"} 7"#,
            "authmachine_store_file_bytes 4096",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} in\n{text}");
        }
    }

    #[test]
    fn ch2_routes_without_end_are_one_route() {
        let metrics = Metrics::default();
        for route in 0..10_000 {
            metrics.count(&format!("/{route}"), StatusCode::OK, Duration::ZERO);
        }
        assert!(metrics.routes.read().expect("not poisoned").len() <= MAX_ROUTES + 1);
    }
}
