//! A decision point: where it is, who asks, and the two ways to ask for decisions.

use std::{fmt, sync::Arc, time::Duration};

use authmachine_jose::strict_json;
use authmachine_protocol::basic_auth;
use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value, json};
use url::{Position, Url};

use super::{Action, Decision, Evaluation, Resource, Search, Semantic, Subject};
use crate::{
    Error, HttpClient,
    answers::{Answers, Question},
    builder::{PERMISSION_CACHE, Secret, Settings, check_server},
    clock::Clock,
    document::Document,
    http_client::{self, bad_answer},
    provider::is_endpoint,
};

/// A policy decision point. Cheap to clone; clones share its metadata and the answers that are kept.
#[derive(Clone)]
pub struct Pdp {
    server: Arc<Server>,
    /// Value of `Authorization`.
    authorization: Option<Secret>,
    at_least: Option<u64>,
}

struct Server {
    /// `policy_decision_point`, without a slash at its end.
    identifier: String,
    metadata_url: String,
    http: Arc<dyn HttpClient>,
    clock: Clock,
    endpoints: Document<Endpoints>,
    answers: Arc<Answers>,
}

/// The five things to ask (AuthZEN 1.0 §10.1).
#[derive(Clone, Copy, Debug)]
pub(super) enum Api {
    Evaluation,
    Evaluations,
    SearchSubject,
    SearchResource,
    SearchAction,
}

/// Member of the metadata and default path, by [`Api`].
const APIS: [(&str, &str); 5] = [
    ("access_evaluation_endpoint", "/access/v1/evaluation"),
    ("access_evaluations_endpoint", "/access/v1/evaluations"),
    ("search_subject_endpoint", "/access/v1/search/subject"),
    ("search_resource_endpoint", "/access/v1/search/resource"),
    ("search_action_endpoint", "/access/v1/search/action"),
];

/// URLs, by [`Api`].
struct Endpoints([Option<String>; 5]);

impl Pdp {
    /// The decision point `identifier`, such as `https://pdp.example/tenant1`.
    pub fn builder(identifier: impl Into<String>) -> PdpBuilder {
        PdpBuilder {
            identifier: identifier.into(),
            authorization: None,
            cache: PERMISSION_CACHE,
            plain_http: false,
            http: None,
        }
    }

    /// The provider as a decision point.
    pub(crate) fn of_provider(settings: &Settings, http: Arc<dyn HttpClient>, answers: Arc<Answers>) -> Self {
        let url = Url::parse(&settings.issuer).expect("`build` has read it");
        let authorization = match (&settings.client_secret, &settings.api_token) {
            (Some(secret), _) => Some(basic(&settings.request.client_id, secret.reveal())),
            (None, Some(token)) => Some(bearer(token.reveal())),
            (None, None) => None,
        };
        Self::assemble(settings.issuer.clone(), &url, http, settings.clock.clone(), answers, authorization)
    }

    fn assemble(
        identifier: String,
        url: &Url,
        http: Arc<dyn HttpClient>,
        clock: Clock,
        answers: Arc<Answers>,
        authorization: Option<Secret>,
    ) -> Self {
        let metadata_url = well_known(url);
        let server =
            Server { identifier, metadata_url, http, clock, endpoints: Document::default(), answers };
        Self { server: Arc::new(server), authorization, at_least: None }
    }

    /// Asks with this token instead: an access token, which ends some time, or an API token.
    #[must_use]
    pub fn with_bearer_token(&self, token: &str) -> Self {
        Self { authorization: Some(bearer(token)), ..self.clone() }
    }

    /// Asks for answers that have seen `revision` of the decision point's data. An older answer is an error, and so is one
    /// that does not say which revision it is from: only AuthMachine does.
    #[must_use]
    pub fn at_least(&self, revision: u64) -> Self {
        Self { at_least: Some(revision), ..self.clone() }
    }

    /// Asks one question (AuthZEN 1.0 §6).
    ///
    /// # Errors
    /// Whenever there is no decision. None of them is a yes.
    pub async fn evaluate(&self, question: &Evaluation) -> Result<Decision, Error> {
        self.ask(Api::Evaluation, question, |answer| Decision::read(&answer)).await
    }

    /// Asks several questions at once (AuthZEN 1.0 §7). The answers come in the order of the questions, one for each, or
    /// with another [`Semantic`] up to the one that settles it. No question has no answer.
    ///
    /// # Errors
    /// Whenever a decision is missing, also of one question alone. None of them is a yes.
    pub async fn evaluate_all(
        &self,
        questions: &[Evaluation],
        semantic: Semantic,
    ) -> Result<Vec<Decision>, Error> {
        if questions.is_empty() {
            return Ok(Vec::new()); // the standard reads it as one question that lacks everything
        }
        let body = json!({"evaluations": questions, "options": {"evaluations_semantic": semantic}});
        self.ask(Api::Evaluations, &body, |answer| {
            let decisions = answer.get("evaluations").and_then(Value::as_array);
            let decisions = decisions.ok_or("evaluations is no array")?.iter();
            let decisions =
                decisions.map(|one| Decision::read(one.as_object().ok_or("an evaluation is no object")?));
            semantic.check(decisions.collect::<Result<_, _>>()?, questions.len())
        })
        .await
    }

    /// Searches the subjects of type `kind` that may do `action` to `resource` (AuthZEN 1.0 §8.4).
    pub fn subjects(&self, kind: &str, action: impl Into<Action>, resource: &Resource) -> Search<Subject> {
        let subject = json!({"type": kind});
        let question =
            members([("subject", subject), ("action", json!(action.into())), ("resource", json!(resource))]);
        Search::new(self, Api::SearchSubject, question, kind, Subject::read)
    }

    /// Searches the resources of type `kind` that `subject` may do `action` to (AuthZEN 1.0 §8.5).
    pub fn resources(&self, subject: &Subject, action: impl Into<Action>, kind: &str) -> Search<Resource> {
        let resource = json!({"type": kind});
        let question =
            members([("subject", json!(subject)), ("action", json!(action.into())), ("resource", resource)]);
        Search::new(self, Api::SearchResource, question, kind, Resource::read)
    }

    /// Searches what `subject` may do to `resource` (AuthZEN 1.0 §8.6).
    pub fn actions(&self, subject: &Subject, resource: &Resource) -> Search<Action> {
        let question = members([("subject", json!(subject)), ("resource", json!(resource))]);
        Search::new(self, Api::SearchAction, question, "", Action::read)
    }

    pub(super) async fn ask<T>(
        &self,
        api: Api,
        question: &impl Serialize,
        read: impl Fn(Map<String, Value>) -> Result<T, String>,
    ) -> Result<T, Error> {
        let body = serde_json::to_vec(question).expect("maps with text keys are JSON");
        let url = self.endpoint(api).await?;
        let question = Question {
            method: Method::POST,
            url: &url,
            authorization: self.authorization.as_ref(),
            body: body.into(),
            at_least: self.at_least,
        };
        self.server.answers.ask(question, read).await
    }

    /// Where to ask. A decision point without metadata is asked at the standard's paths (AuthZEN 1.0 §10.1).
    pub(super) async fn endpoint(&self, api: Api) -> Result<String, Error> {
        let Server { identifier, metadata_url: url, http, clock, endpoints, .. } = &*self.server;
        let read = |answer: &Response<Bytes>| match answer.status() {
            StatusCode::OK => Endpoints::read(identifier, url, answer),
            StatusCode::NOT_FOUND => Ok(Endpoints::default_of(identifier)),
            _ => Err(bad_answer(url, answer, "expected 200")),
        };
        let (endpoints, _) = endpoints.get(&**http, clock, url, false, read).await?;
        let endpoint = endpoints.0[api as usize].clone();
        endpoint
            .ok_or_else(|| Error::NotOffered { server: identifier.clone(), endpoint: APIS[api as usize].0 })
    }
}

impl fmt::Debug for Pdp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pdp").field("identifier", &self.server.identifier).finish_non_exhaustive()
    }
}

impl Endpoints {
    fn default_of(identifier: &str) -> Self {
        Self(APIS.map(|(_, path)| Some(format!("{identifier}{path}"))))
    }

    /// Reads metadata (AuthZEN 1.0 §9), and checks that they are the decision point's own (§9.2.3).
    fn read(identifier: &str, url: &str, answer: &Response<Bytes>) -> Result<Self, Error> {
        let bad = |problem: &str| bad_answer(url, answer, problem);
        let metadata = strict_json::parse_object(answer.body()).map_err(|e| bad(&format!("it is {e}")))?;
        let found = metadata.get("policy_decision_point").and_then(Value::as_str);
        let found = found.ok_or_else(|| bad("policy_decision_point is missing"))?;
        // As with an issuer, the configured one may have had a slash more or less at its end.
        if found.strip_suffix('/').unwrap_or(found) != identifier {
            return Err(Error::PdpMismatch { configured: identifier.to_owned(), found: found.to_owned() });
        }
        let mut endpoints = [const { None }; APIS.len()];
        for ((name, _), endpoint) in APIS.iter().zip(&mut endpoints) {
            *endpoint = match metadata.get(*name) {
                None => None,
                Some(Value::String(url)) if is_endpoint(url, identifier) => Some(url.clone()),
                Some(other) => return Err(bad(&format!("{name} is {other}, which is no https endpoint"))),
            };
        }
        match endpoints[Api::Evaluation as usize] {
            Some(_) => Ok(Self(endpoints)),
            None => Err(bad("access_evaluation_endpoint is missing")),
        }
    }
}

fn members<const N: usize>(members: [(&str, Value); N]) -> Map<String, Value> {
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Where the metadata are: the well-known part stands between host and path (AuthZEN 1.0 §9.2).
fn well_known(url: &Url) -> String {
    let path = url.path().strip_suffix('/').unwrap_or(url.path());
    format!("{}/.well-known/authzen-configuration{path}", &url[..Position::BeforePath])
}

fn basic(client_id: &str, secret: &str) -> Secret {
    Secret::new(basic_auth::encode(client_id, secret))
}

fn bearer(token: &str) -> Secret {
    Secret::new(format!("Bearer {token}"))
}

/// Settings of a [`Pdp`].
#[derive(Clone)]
#[must_use = "a builder does nothing until `build`"]
pub struct PdpBuilder {
    identifier: String,
    authorization: Option<Secret>,
    cache: Duration,
    plain_http: bool,
    http: Option<Arc<dyn HttpClient>>,
}

impl PdpBuilder {
    /// Asks as this client, by its secret (HTTP Basic as RFC 6749 §2.3.1 has it).
    pub fn client_secret(mut self, client_id: &str, secret: &str) -> Self {
        self.authorization = Some(basic(client_id, secret));
        self
    }

    /// Asks with a token: an access token, or an API token of AuthMachine's.
    pub fn bearer_token(mut self, token: &str) -> Self {
        self.authorization = Some(bearer(token));
        self
    }

    /// How long an answer may be [used again](super#what-an-answer-may-be-used-for-again). Default: a second. With zero
    /// each question is asked.
    pub fn cache(mut self, time: Duration) -> Self {
        self.cache = time;
        self
    }

    /// Another HTTP client.
    pub fn http_client(mut self, client: impl HttpClient + 'static) -> Self {
        self.http = Some(Arc::new(client));
        self
    }

    /// Accepts a decision point on plain http beyond this machine: whoever is on the network can say yes to anything.
    pub fn danger_accept_plain_http(mut self) -> Self {
        self.plain_http = true;
        self
    }

    /// Checks the settings. Asks nothing yet.
    ///
    /// # Errors
    /// [`Error::Config`] names the setting and the cure.
    pub fn build(self) -> Result<Pdp, Error> {
        let identifier = self.identifier.strip_suffix('/').unwrap_or(&self.identifier).to_owned();
        let url = check_server("the decision point", &identifier, self.plain_http)?;
        let http = match self.http {
            Some(http) => http,
            None => http_client::for_server(&url)?,
        };
        let answers = Arc::new(Answers::new(Arc::clone(&http), self.cache));
        Ok(Pdp::assemble(identifier, &url, http, Clock::default(), answers, self.authorization))
    }
}

impl fmt::Debug for PdpBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PdpBuilder").field("identifier", &self.identifier).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_well_known_part_stands_between_host_and_path() {
        for (identifier, expected) in [
            ("https://pdp.example", "https://pdp.example/.well-known/authzen-configuration"),
            ("https://pdp.example/", "https://pdp.example/.well-known/authzen-configuration"),
            ("https://pdp.example:8443/t1", "https://pdp.example:8443/.well-known/authzen-configuration/t1"),
            ("https://pdp.example/a/b/", "https://pdp.example/.well-known/authzen-configuration/a/b"),
        ] {
            assert_eq!(well_known(&Url::parse(identifier).expect("a URL")), expected);
        }
    }

    #[test]
    fn cl9_plain_http_needs_loopback_or_a_method_that_says_danger() {
        for good in
            ["https://pdp.example", "https://pdp.example/t1/", "http://localhost:8080", "http://[::1]:1"]
        {
            assert!(Pdp::builder(good).build().is_ok(), "{good}");
        }
        for bad in [
            "http://pdp.example",
            "ftp://pdp.example",
            "pdp.example",
            "",
            "https://pdp.example?x",
            "https://p#f",
        ] {
            let error = Pdp::builder(bad).build().expect_err(bad).to_string();
            assert!(error.starts_with("the decision point is"), "{error}");
        }
        assert!(Pdp::builder("http://pdp.example").danger_accept_plain_http().build().is_ok());
    }

    #[test]
    fn lg1_nothing_shows_the_secret() {
        let builder = Pdp::builder("https://pdp.example").client_secret("app", "hidden");
        let shown =
            format!("{builder:?} {:?}", builder.clone().build().expect("legal").with_bearer_token("hidden"));
        assert!(!shown.contains("hidden") && shown.contains("pdp.example"), "{shown}");
    }
}
