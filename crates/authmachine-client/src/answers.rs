//! Questions about permissions, and their answers: bounded, and kept for a moment by the revision they are from.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use authmachine_jose::{sha256, strict_json};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode, header};
use serde_json::{Map, Value};

use crate::{
    Error,
    builder::Secret,
    http_client::{HttpClient, bad_answer, send},
};

/// Says in an answer which revision of the permission data it is from: AuthMachine's own.
const REVISION: HeaderName = HeaderName::from_static("authmachine-revision");
/// Says in a question which revision the answer must have seen.
const AT_LEAST_REVISION: HeaderName = HeaderName::from_static("authmachine-at-least-revision");

/// The most bytes of an answer: what userinfo may take with permissions in it, and more than a page of a search does.
const MAX_ANSWER_BYTES: usize = 256 * 1024;
const MAX_KEPT: usize = 4_096;
const MAX_KEPT_BYTES: usize = 4 * 1024 * 1024;
/// What an answer takes beside its text, roughly.
const ENTRY_BYTES: usize = 200;
/// The most characters of a refusal's text.
const MAX_MESSAGE_CHARS: usize = 300;

/// One question, by one caller.
pub(crate) struct Question<'a> {
    pub(crate) method: Method,
    pub(crate) url: &'a str,
    /// Value of `Authorization`.
    pub(crate) authorization: Option<&'a Secret>,
    /// JSON, empty with GET.
    pub(crate) body: Bytes,
    pub(crate) at_least: Option<u64>,
}

/// Asks one server, and keeps its answers.
pub(crate) struct Answers {
    http: Arc<dyn HttpClient>,
    keep_for: Duration,
    kept: Mutex<Kept>,
}

impl Answers {
    pub(crate) fn new(http: Arc<dyn HttpClient>, keep_for: Duration) -> Self {
        Self { http, keep_for, kept: Mutex::default() }
    }

    /// The answer, as `read` understands it; what it does not understand is an error, and so is any status but 200.
    pub(crate) async fn ask<T>(
        &self,
        question: Question<'_>,
        read: impl Fn(Map<String, Value>) -> Result<T, String>,
    ) -> Result<T, Error> {
        let read =
            |body: &[u8]| strict_json::parse_object(body).map_err(|e| format!("it is {e}")).and_then(&read);
        let Question { url, at_least, .. } = question;
        let shown_url = url.split('?').next().unwrap_or_default();
        // The age counts from here: what happens on the way may be older than the answer's arrival.
        let (key, asked_at) = (question.key(), Instant::now());
        if let Some(body) = self.kept().find(&key, at_least, asked_at, self.keep_for)
            && let Ok(answer) = read(&body)
        {
            return Ok(answer);
        }
        let (request, body) = question.into_request();
        let answer = send(&*self.http, request, body, MAX_ANSWER_BYTES).await?;
        if answer.status() != StatusCode::OK {
            return Err(not_answered(shown_url, &answer));
        }
        let revision = revision(answer.headers());
        if let Some(demanded) = at_least
            && revision.is_none_or(|found| found < demanded)
        {
            return Err(Error::TooOld { url: shown_url.to_owned(), demanded, found: revision });
        }
        let read = read(answer.body()).map_err(|problem| bad_answer(shown_url, &answer, &problem))?;
        if let Some(revision) = revision
            && !self.keep_for.is_zero()
        {
            self.kept().keep(key, answer.body(), revision, asked_at);
        }
        Ok(read)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Nothing in there panics half way through a change.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Question<'_> {
    /// A hash of all that an answer may depend on. What is demanded of its age is asked of the answer instead.
    fn key(&self) -> Key {
        let authorization = self.authorization.map(Secret::reveal).unwrap_or_default();
        let mut text = Vec::new();
        for part in
            [self.method.as_str().as_bytes(), self.url.as_bytes(), authorization.as_bytes(), &self.body]
        {
            text.extend_from_slice(&part.len().to_be_bytes());
            text.extend_from_slice(part);
        }
        sha256(&text)
    }

    fn into_request(self) -> (http::request::Builder, Bytes) {
        let mut request = Request::builder()
            .method(self.method)
            .uri(self.url)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(authorization) = self.authorization {
            request = request.header(header::AUTHORIZATION, authorization.reveal());
        }
        if let Some(revision) = self.at_least {
            request = request.header(AT_LEAST_REVISION, revision);
        }
        (request, self.body)
    }
}

type Key = [u8; 32];

/// Answers of one revision, the newest that was seen.
#[derive(Default)]
struct Kept {
    revision: u64,
    answers: HashMap<Key, KeptAnswer>,
    /// Which came when; the first of them goes first.
    by_age: BTreeMap<u64, Key>,
    next: u64,
    bytes: usize,
}

struct KeptAnswer {
    body: Bytes,
    asked_at: Instant,
    number: u64,
}

impl Kept {
    fn find(&self, key: &Key, at_least: Option<u64>, now: Instant, keep_for: Duration) -> Option<Bytes> {
        let answer = self.answers.get(key)?;
        let is_fresh = now.saturating_duration_since(answer.asked_at) < keep_for;
        let is_new_enough = at_least.is_none_or(|demanded| self.revision >= demanded);
        (is_fresh && is_new_enough).then(|| answer.body.clone())
    }

    /// Keeps an answer of `revision`. A newer one than before drops all others; an older one, of a node that lags, is
    /// not kept.
    fn keep(&mut self, key: Key, body: &[u8], revision: u64, asked_at: Instant) {
        if revision > self.revision {
            *self = Self { revision, ..Self::default() };
        }
        if revision < self.revision {
            return;
        }
        self.drop_answer(&key);
        // A copy: the text may be part of a longer one.
        let answer = KeptAnswer { body: Bytes::copy_from_slice(body), asked_at, number: self.next };
        self.bytes += answer.bytes();
        self.by_age.insert(answer.number, key);
        self.next += 1;
        self.answers.insert(key, answer);
        while self.answers.len() > MAX_KEPT || self.bytes > MAX_KEPT_BYTES {
            let oldest = *self.by_age.first_key_value().expect("each answer has its number").1;
            self.drop_answer(&oldest);
        }
    }

    fn drop_answer(&mut self, key: &Key) {
        if let Some(answer) = self.answers.remove(key) {
            self.by_age.remove(&answer.number);
            self.bytes -= answer.bytes();
        }
    }
}

impl KeptAnswer {
    fn bytes(&self) -> usize {
        self.body.len() + ENTRY_BYTES
    }
}

/// What an answer says of its revision: once, in decimal.
fn revision(headers: &HeaderMap) -> Option<u64> {
    let mut values = headers.get_all(REVISION).iter();
    let (value, None) = (values.next()?.to_str().ok()?, values.next()) else { return None };
    value.bytes().all(|b| b.is_ascii_digit()).then(|| value.parse().ok()).flatten()
}

/// An answer that is none, with the server's own words.
fn not_answered(url: &str, answer: &Response<Bytes>) -> Error {
    let status = answer.status();
    if !status.is_client_error() && !status.is_server_error() {
        return bad_answer(url, answer, "expected 200");
    }
    // The standard has a text; SCIM and others have it in an object.
    let text = match serde_json::from_slice(answer.body()) {
        Ok(Value::String(text)) => text,
        Ok(Value::Object(error)) => {
            error.get("detail").and_then(Value::as_str).unwrap_or_default().to_owned()
        }
        _ => String::from_utf8_lossy(answer.body()).into_owned(),
    };
    let message = text.trim().chars().filter(|c| !c.is_control()).take(MAX_MESSAGE_CHARS).collect();
    Error::Declined { url: url.to_owned(), status: status.as_u16(), message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use crate::{HttpAnswer, HttpError};

    const SECOND: Duration = Duration::from_secs(1);

    fn key(n: u64) -> Key {
        sha256(&n.to_be_bytes())
    }

    #[test]
    fn an_answer_is_kept_for_its_time_and_no_longer() {
        let (mut kept, asked_at) = (Kept::default(), Instant::now());
        kept.keep(key(1), b"yes", 7, asked_at);
        let find = |n, after| kept.find(&key(n), None, asked_at + after, SECOND);
        assert_eq!(find(1, Duration::ZERO).as_deref(), Some(&b"yes"[..]));
        assert!(find(1, Duration::from_millis(999)).is_some());
        assert!(find(1, SECOND).is_none(), "exactly");
        assert!(find(2, Duration::ZERO).is_none(), "another question");
    }

    #[test]
    fn pe7_a_newer_revision_drops_what_was_kept() {
        let (mut kept, now) = (Kept::default(), Instant::now());
        kept.keep(key(1), b"yes", 7, now);
        kept.keep(key(2), b"no", 8, now);
        assert!(kept.find(&key(1), None, now, SECOND).is_none());
        assert!(kept.find(&key(2), None, now, SECOND).is_some());
        kept.keep(key(1), b"yes", 7, now);
        assert!(kept.find(&key(1), None, now, SECOND).is_none(), "of a node that lags");
        assert!(kept.find(&key(2), Some(8), now, SECOND).is_some());
        assert!(kept.find(&key(2), Some(9), now, SECOND).is_none(), "not new enough");
    }

    #[test]
    fn do1_what_is_kept_is_bounded_in_number_and_bytes() {
        let (mut kept, now) = (Kept::default(), Instant::now());
        for n in 0..10_000 {
            kept.keep(key(n), b"yes", 7, now);
        }
        assert_eq!((kept.answers.len(), kept.by_age.len()), (MAX_KEPT, MAX_KEPT));
        assert!(kept.find(&key(0), None, now, SECOND).is_none() && kept.answers.contains_key(&key(9_999)));
        let long = vec![b' '; MAX_ANSWER_BYTES];
        for n in 0..100 {
            kept.keep(key(n), &long, 7, now);
            kept.keep(key(n), &long, 7, now);
            assert!(kept.bytes <= MAX_KEPT_BYTES);
        }
        assert!(kept.answers.len() < 20 && kept.answers.contains_key(&key(99)));
        let bytes: usize = kept.answers.values().map(KeptAnswer::bytes).sum();
        assert_eq!((kept.bytes, kept.by_age.len()), (bytes, kept.answers.len()), "counted right");
    }

    #[test]
    fn pe7_the_key_holds_the_whole_question() {
        let ask = |method, url, authorization: Option<&str>, body: &'static str| {
            let secret = authorization.map(|text| Secret::new(text.to_owned()));
            let authorization = secret.as_ref();
            Question { method, url, authorization, body: body.into(), at_least: None }.key()
        };
        let keys = [
            ask(Method::POST, "https://a", Some("Bearer x"), "{}"),
            ask(Method::GET, "https://a", Some("Bearer x"), "{}"),
            ask(Method::POST, "https://b", Some("Bearer x"), "{}"),
            ask(Method::POST, "https://a", Some("Bearer y"), "{}"),
            ask(Method::POST, "https://a", None, "{}"),
            ask(Method::POST, "https://a", Some("Bearer x"), "{ }"),
            // The same letters, parted elsewhere.
            ask(Method::POST, "https://aB", Some("earer x"), "{}"),
        ];
        for (n, key) in keys.iter().enumerate() {
            assert_eq!(keys.iter().position(|other| other == key), Some(n));
        }
    }

    #[test]
    fn a_revision_is_one_decimal_number() {
        let read = |values: &[&'static str]| {
            let mut map = HeaderMap::new();
            for value in values {
                map.append(REVISION, http::HeaderValue::from_static(value));
            }
            revision(&map)
        };
        assert_eq!((read(&["0"]), read(&["18446744073709551615"])), (Some(0), Some(u64::MAX)));
        for bad in
            [&[][..], &[""], &["-1"], &["+1"], &["1.0"], &["0x1"], &["18446744073709551616"], &["1", "2"]]
        {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }

    /// Answers by the number of the question.
    struct Script<F>(F, AtomicUsize);

    impl<F: Fn(usize, &Request<Bytes>) -> (u16, Option<u64>, &'static str) + Send + Sync> HttpClient
        for Script<F>
    {
        fn send(&self, request: Request<Bytes>, _: usize) -> HttpAnswer<'_> {
            let (status, revision, body) = self.0(self.1.fetch_add(1, Ordering::Relaxed), &request);
            let mut answer = Response::builder().status(status);
            if let Some(revision) = revision {
                answer = answer.header(REVISION, revision);
            }
            let answer = answer.body(body.into()).map_err(|_| HttpError::Broken);
            Box::pin(async move { answer })
        }
    }

    /// Asks the same again and again; gives the answers, and how often the server was asked.
    async fn ask_each<F>(
        keep_for: Duration,
        at_least: &[Option<u64>],
        script: F,
    ) -> (Vec<Result<bool, Error>>, usize)
    where
        F: Fn(usize, &Request<Bytes>) -> (u16, Option<u64>, &'static str) + Send + Sync + 'static,
    {
        let script = Arc::new(Script(script, AtomicUsize::new(0)));
        let http: Arc<dyn HttpClient> = script.clone();
        let answers = Answers::new(http, keep_for);
        let mut read = Vec::new();
        for at_least in at_least {
            let url = "https://pdp.example";
            let question = Question {
                method: Method::GET,
                url,
                authorization: None,
                body: Bytes::new(),
                at_least: *at_least,
            };
            let answer = answers.ask(question, |answer| {
                answer.get("yes").and_then(Value::as_bool).ok_or_else(|| "odd".to_owned())
            });
            read.push(answer.await);
        }
        (read, script.1.load(Ordering::Relaxed))
    }

    const YES: &str = r#"{"yes":true}"#;
    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn only_answers_that_say_their_revision_are_kept() {
        let (read, asked) = ask_each(MINUTE, &[None; 3], |_, _| (200, Some(7), YES)).await;
        assert_eq!((read, asked), (vec![Ok(true); 3], 1));
        let (read, asked) = ask_each(MINUTE, &[None; 3], |_, _| (200, None, YES)).await;
        assert_eq!((read, asked), (vec![Ok(true); 3], 3));
        let (read, asked) = ask_each(Duration::ZERO, &[None; 3], |_, _| (200, Some(7), YES)).await;
        assert_eq!((read, asked), (vec![Ok(true); 3], 3), "switched off");
    }

    #[tokio::test]
    async fn pe1_errors_are_not_kept_and_never_a_yes() {
        for (status, body) in
            [(500, YES), (403, YES), (302, YES), (204, YES), (200, "{}"), (200, "["), (200, "")]
        {
            let (read, asked) = ask_each(MINUTE, &[None; 2], move |n, _| match n {
                0 => (status, Some(7), body),
                _ => (200, Some(7), r#"{"yes":false}"#),
            })
            .await;
            assert!(read[0].is_err(), "{status} {body}");
            assert_eq!((&read[1], asked), (&Ok(false), 2), "{status} {body}");
        }
    }

    #[tokio::test]
    async fn a_demanded_revision_is_asked_for_and_held_against_the_answer() {
        let demands = [None, Some(7), Some(8), Some(8), Some(9)];
        let (read, asked) = ask_each(MINUTE, &demands, |n, request| {
            let demanded =
                request.headers().get(AT_LEAST_REVISION).map(|value| value.to_str().expect("ASCII"));
            assert_eq!(demanded, [None, Some("8"), Some("9")][n]);
            (200, Some(if n == 0 { 7 } else { 8 }), YES)
        })
        .await;
        assert_eq!(asked, 3, "what is kept will do for 7, and then for 8");
        assert_eq!(read[..4], [Ok(true), Ok(true), Ok(true), Ok(true)]);
        assert!(matches!(read[4], Err(Error::TooOld { demanded: 9, found: Some(8), .. })), "{:?}", read[4]);
        let (read, _) = ask_each(MINUTE, &[Some(1)], |_, _| (200, None, YES)).await;
        assert!(matches!(read[0], Err(Error::TooOld { found: None, .. })), "says nothing: {:?}", read[0]);
    }

    #[tokio::test]
    async fn a_refusal_says_why_and_forges_no_line() {
        for (body, message) in [
            ("no\nsubject ", ": nosubject"),
            (r#""no subject\n""#, ": no subject"),
            (r#"{"status":"400","detail":"no subject"}"#, ": no subject"),
            (r#"{"yes":true}"#, ""),
            ("", ""),
        ] {
            let (read, _) = ask_each(MINUTE, &[None], move |_, _| (400, None, body)).await;
            let error = read[0].as_ref().expect_err("400").to_string();
            assert_eq!(error, format!("https://pdp.example declined with 400{message}"));
        }
    }
}
