//! `/access/v1/…` and its metadata: the AuthZEN Authorization API 1.0. `docs/authzen.md` says which demand each test is about.

mod callers;
mod examples;
mod requests;
mod scenario;
mod searches;

use authmachine_permissions::Holder;
use authmachine_protocol::Scopes;
use authmachine_provider::api_token::ApiToken;
use authmachine_provider::subject_ids::SubjectIds;
use authmachine_testkit::{Answer, ApiClient, RequestBuilder, TestServer};
use serde_json::{Value, json};

use crate::rights::{On, Rights};

/// A server on which alice may read and write `door`, and a program that knows people by their names.
struct World {
    rights: Rights,
    api: ApiClient,
}

impl World {
    /// With an index, so that all kinds of grants are answered.
    async fn make() -> Self {
        Self::make_with(|_| {}).await
    }

    async fn make_with(change: impl FnOnce(&mut ApiToken)) -> Self {
        let server = TestServer::start().await;
        let rights = Rights(server.clone());
        for name in ["alice", "bob"] {
            server.user(name).create().await;
        }
        server.permit("alice", "door", &["read", "write"]).await;
        rights.index().await;
        let api = server
            .api_token_with("gateway", |token| {
                token.scopes = Scopes::parse("authzen").expect("a scope");
                token.subject_ids = SubjectIds::Username;
                change(token);
            })
            .await;
        Self { rights, api }
    }

    fn server(&self) -> &TestServer {
        &self.rights.0
    }

    fn request(&self, endpoint: &str, body: &Value) -> RequestBuilder {
        self.server().post(&format!("/access/v1/{endpoint}")).bearer(&self.api.token).json(body)
    }

    async fn ask(&self, endpoint: &str, body: &Value) -> Answer {
        self.request(endpoint, body).send().await
    }

    async fn decision(&self, subject: &str, action: &str, resource: &str) -> bool {
        let answer = self.ask("evaluation", &evaluation(subject, action, resource)).await;
        answer.ok()["decision"].as_bool().expect("a decision")
    }

    /// The ids, or names, that a search finds.
    async fn found(&self, what: &str, body: &Value) -> Vec<String> {
        let answer = self.ask(&format!("search/{what}"), body).await.ok();
        let results = answer["results"].as_array().expect("results");
        let id = |one: &Value| one.get("id").or(one.get("name")).and_then(Value::as_str).map(str::to_owned);
        results.iter().map(|one| id(one).expect("an id or a name")).collect()
    }

    async fn permit(&self, name: &str, on: On<'_>, permission: &str, condition: &str) {
        let holder = Holder::User(self.rights.user(name).await);
        self.rights.grant(holder, on, permission, condition).await;
    }
}

/// May a user do it on an object of the usual type?
fn evaluation(subject: &str, action: &str, resource: &str) -> Value {
    json!({
        "subject": { "type": "user", "id": subject },
        "action": { "name": action },
        "resource": { "type": "object", "id": resource },
    })
}

/// Checks a refusal: a plain message that quotes nothing.
#[track_caller]
fn assert_refused(answer: &Answer, status: u16) {
    answer.assert_status(status);
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.text().ends_with('.') && answer.text().len() < 120, "{}", answer.text());
    assert!(answer.headers.get("authmachine-revision").is_none());
}

/// The tests that `docs/authzen.md` names are there.
#[test]
fn every_demand_names_a_test_that_there_is() {
    const SOURCES: [&str; 10] = [
        include_str!("callers.rs"),
        include_str!("examples.rs"),
        include_str!("requests.rs"),
        include_str!("scenario.rs"),
        include_str!("searches.rs"),
        include_str!("../../../src/settings.rs"),
        include_str!("../../../../authmachine-permissions/src/authzen/evaluation.rs"),
        include_str!("../../../../authmachine-permissions/src/authzen/metadata.rs"),
        include_str!("../../../../authmachine-permissions/src/authzen/search.rs"),
        include_str!("../../../../authmachine-permissions/src/json.rs"),
    ];
    let document = include_str!("../../../../../docs/authzen.md");
    let rows = document.lines().filter(|line| line.starts_with("| ") && line.matches(" | ").count() == 2);
    let tests =
        rows.filter_map(|row| row.rsplit(" | ").next()).flat_map(|tests| tests.split('`').skip(1).step_by(2));
    let tests: Vec<_> = tests.filter(|name| name.matches('_').count() > 3).collect();
    assert!(tests.len() > 40);
    for test in tests {
        assert!(SOURCES.iter().any(|source| source.contains(&format!("fn {test}("))), "{test}");
    }
}
