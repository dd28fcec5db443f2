//! Decision points: those that keep to AuthZEN 1.0, those that do not, and those that are not there.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use authmachine_client::{
    Error, ErrorKind, HttpAnswer, HttpClient, HttpError,
    authzen::{Action, Decision, Evaluation, Pdp, PdpBuilder, Resource, Semantic, Subject},
};
use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};

use crate::app::App;

const PDP: &str = "https://pdp.example/t1";
const METADATA: &str = "https://pdp.example/.well-known/authzen-configuration/t1";

/// A decision point that answers what it is told.
#[derive(Clone)]
struct Script(Arc<Mutex<Inner>>);

struct Inner {
    metadata: (u16, Value),
    /// One after the other; the last one again and again.
    answers: VecDeque<Answer>,
    asked: Vec<Request<Bytes>>,
}

/// Status, revision and body.
type Answer = Result<(u16, Option<u64>, String), HttpError>;

impl Script {
    fn new(answers: impl IntoIterator<Item = Value>) -> Self {
        let api = |path: &str| format!("https://api.pdp.example/{path}");
        let metadata = json!({
            "policy_decision_point": PDP,
            "access_evaluation_endpoint": api("one"),
            "access_evaluations_endpoint": api("many"),
            "search_subject_endpoint": api("who"),
            "search_resource_endpoint": api("which"),
            "search_action_endpoint": api("what"),
            "capabilities": ["urn:x"],
        });
        let answers = answers.into_iter().map(|body| Ok((200, None, body.to_string()))).collect();
        Self(Arc::new(Mutex::new(Inner { metadata: (200, metadata), answers, asked: Vec::new() })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("no test panicked with the script in hand")
    }

    fn builder(&self) -> PdpBuilder {
        Pdp::builder(PDP).http_client(self.clone())
    }

    fn pdp(&self) -> Pdp {
        self.builder().build().expect("legal settings")
    }

    /// What was asked but for metadata: URL and body.
    fn asked(&self) -> Vec<(String, Value)> {
        let inner = self.inner();
        let asked = inner.asked.iter().filter(|request| request.uri() != METADATA);
        asked.map(|r| (r.uri().to_string(), serde_json::from_slice(r.body()).expect("JSON"))).collect()
    }
}

impl HttpClient for Script {
    fn send(&self, request: Request<Bytes>, _: usize) -> HttpAnswer<'_> {
        let mut inner = self.inner();
        let answer = if request.uri() == METADATA {
            let (status, body) = &inner.metadata;
            Ok((*status, None, body.to_string()))
        } else if inner.answers.len() > 1 {
            inner.answers.pop_front().expect("there are several")
        } else {
            inner.answers.front().expect("an answer").clone()
        };
        inner.asked.push(request);
        let answer = answer.map(|(status, revision, body)| {
            let mut answer =
                Response::builder().status(status).header("location", "https://elsewhere.example/yes");
            if let Some(revision) = revision {
                answer = answer.header("AuthMachine-Revision", revision);
            }
            answer.body(body.into()).expect("an answer")
        });
        Box::pin(async move { answer })
    }
}

fn alice() -> Subject {
    Subject::new("user", "alice@example.com")
}

fn account() -> Resource {
    Resource::new("account", "123")
}

fn question() -> Evaluation {
    Evaluation::new(alice(), "can_read", account())
}

#[tokio::test]
async fn a_question_is_asked_as_the_standard_has_it() {
    let script =
        Script::new([json!({"decision": false, "context": {"acr_values": "urn:com:example:loa:3"}})]);
    let asked = question().with("time", "1985-10-26T01:22-07:00");
    let decision = script.pdp().evaluate(&asked).await.expect("a decision");
    assert!(!decision.permitted && decision.context["acr_values"] == "urn:com:example:loa:3");
    let expected = json!({
        "subject": {"type": "user", "id": "alice@example.com"},
        "resource": {"type": "account", "id": "123"},
        "action": {"name": "can_read"},
        "context": {"time": "1985-10-26T01:22-07:00"},
    });
    assert_eq!(script.asked(), [("https://api.pdp.example/one".to_owned(), expected)]);
    let inner = script.inner();
    let request = inner.asked.last().expect("asked");
    assert_eq!(
        (request.method().as_str(), &request.headers()["content-type"]),
        ("POST", &"application/json".parse().expect("a value"))
    );
    assert!(!request.headers().contains_key("authorization"));
}

#[tokio::test]
async fn the_caller_proves_itself_by_secret_or_token() {
    let script = Script::new([json!({"decision": true})]);
    let by_secret = script.builder().client_secret("app", "se cret").build().expect("legal");
    let by_token = script.builder().bearer_token("token-1").build().expect("legal");
    for (pdp, expected) in [
        (by_secret.clone(), "Basic YXBwOnNlK2NyZXQ="),
        (by_token, "Bearer token-1"),
        (by_secret.with_bearer_token("token-2"), "Bearer token-2"),
    ] {
        pdp.evaluate(&question()).await.expect("a decision");
        let inner = script.inner();
        assert_eq!(inner.asked.last().expect("asked").headers()["authorization"], expected);
        let metadata = inner.asked.iter().filter(|request| request.uri() == METADATA);
        assert!(metadata.clone().all(|request| !request.headers().contains_key("authorization")));
    }
}

#[tokio::test]
async fn metadata_are_read_once_and_must_be_the_decision_point_s_own() {
    let script = Script::new([json!({"decision": true})]);
    let pdp = script.pdp();
    for _ in 0..3 {
        pdp.evaluate(&question()).await.expect("a decision");
    }
    assert_eq!(script.inner().asked.len(), 4);

    let endpoint = "access_evaluation_endpoint";
    for (member, value, kind) in [
        ("policy_decision_point", json!("https://evil.example"), ErrorKind::Operator),
        ("policy_decision_point", json!("https://pdp.example"), ErrorKind::Operator),
        ("policy_decision_point", json!("https://pdp.example/T1"), ErrorKind::Operator),
        ("policy_decision_point", json!(null), ErrorKind::Provider),
        ("policy_decision_point", json!([PDP]), ErrorKind::Provider),
        (endpoint, json!(null), ErrorKind::Provider),
        (endpoint, json!("http://api.pdp.example/one"), ErrorKind::Provider),
        (endpoint, json!("/one"), ErrorKind::Provider),
        (endpoint, json!("https://api.pdp.example/one#x"), ErrorKind::Provider),
        (endpoint, json!(["https://api.pdp.example/one"]), ErrorKind::Provider),
        ("search_action_endpoint", json!("javascript:alert(1)"), ErrorKind::Provider),
    ] {
        let script = Script::new([json!({"decision": true})]);
        script.inner().metadata.1[member] = value.clone();
        let error = script.pdp().evaluate(&question()).await.expect_err("not its own");
        assert_eq!(error.kind(), kind, "{member} {value}: {error}");
        assert!(script.asked().is_empty(), "{member} {value}: nothing is asked, no secret sent");
    }
    for (status, kind) in [(500, ErrorKind::TryAgain), (403, ErrorKind::Provider), (302, ErrorKind::Provider)]
    {
        let script = Script::new([json!({"decision": true})]);
        script.inner().metadata.0 = status;
        let error = script.pdp().evaluate(&question()).await.expect_err("no metadata");
        assert_eq!((error.kind(), script.asked().len()), (kind, 0), "{status}");
    }
}

#[tokio::test]
async fn a_decision_point_without_metadata_is_asked_at_the_default_paths() {
    let script = Script::new([
        json!({"decision": true}),
        json!({"evaluations": [{"decision": true}]}),
        json!({"results": []}),
    ]);
    script.inner().metadata.0 = 404;
    let pdp = Pdp::builder(format!("{PDP}/")).http_client(script.clone()).build().expect("legal");
    assert!(pdp.evaluate(&question()).await.expect("a decision").permitted);
    pdp.evaluate_all(&[question()], Semantic::ExecuteAll).await.expect("decisions");
    pdp.subjects("user", "read", &account()).all(1).await.expect("none");
    pdp.resources(&alice(), "read", "account").all(1).await.expect("none");
    pdp.actions(&alice(), &account()).all(1).await.expect("none");
    let asked: Vec<_> = script.asked().into_iter().map(|(url, _)| url).collect();
    let paths = ["evaluation", "evaluations", "search/subject", "search/resource", "search/action"];
    assert_eq!(asked, paths.map(|path| format!("{PDP}/access/v1/{path}")));
}

#[tokio::test]
async fn what_a_decision_point_does_not_offer_is_not_asked() {
    let script = Script::new([json!({"evaluations": [{"decision": true}]})]);
    script.inner().metadata.1.as_object_mut().expect("an object").remove("access_evaluations_endpoint");
    let error = script.pdp().evaluate_all(&[question()], Semantic::ExecuteAll).await.expect_err("none");
    assert_eq!(error.to_string(), "https://pdp.example/t1 has no access_evaluations_endpoint");
    assert!(script.asked().is_empty());
}

#[tokio::test]
async fn several_questions_have_their_answers_in_order() {
    let decisions = |text: &str| -> Vec<_> { text.chars().map(|c| json!({"decision": c == 'y'})).collect() };
    let asked = ["1", "2", "3"].map(|id| Evaluation::new(alice(), "read", Resource::new("document", id)));
    for (semantic, name, answered, expected) in [
        (Semantic::ExecuteAll, "execute_all", "yny", Some("yny")),
        (Semantic::DenyOnFirstDeny, "deny_on_first_deny", "yn", Some("yn")),
        (Semantic::PermitOnFirstPermit, "permit_on_first_permit", "y", Some("y")),
        (Semantic::ExecuteAll, "execute_all", "yn", None),
        (Semantic::DenyOnFirstDeny, "deny_on_first_deny", "y", None),
    ] {
        let script = Script::new([json!({"evaluations": decisions(answered), "decision": true})]);
        let got = script.pdp().evaluate_all(&asked, semantic).await;
        let got = got
            .ok()
            .map(|all| all.iter().map(|one| if one.permitted { 'y' } else { 'n' }).collect::<String>());
        assert_eq!(got.as_deref(), expected, "{name} {answered}");
        let (url, body) = script.asked().remove(0);
        assert_eq!(url, "https://api.pdp.example/many");
        assert_eq!(body["options"], json!({"evaluations_semantic": name}));
        assert_eq!(body["evaluations"][2]["resource"], json!({"type": "document", "id": "3"}));
        assert_eq!(body["evaluations"].as_array().map(Vec::len), Some(3));
    }
    let script = Script::new([json!({"decision": true})]);
    assert_eq!(script.pdp().evaluate_all(&[], Semantic::default()).await, Ok(Vec::<Decision>::new()));
    assert!(script.inner().asked.is_empty());
}

#[tokio::test]
async fn pe1_no_answer_of_any_kind_is_a_yes() {
    let yes = r#"{"decision":true}"#;
    let huge = format!("{yes}{}", " ".repeat(256 * 1024));
    let deep = format!(r#"{{"decision":true,"context":{}1{}}}"#, r#"{"a":"#.repeat(40), "}".repeat(40));
    let mut answers: Vec<_> = [
        (200, ""),
        (200, "true"),
        (200, "[true]"),
        (200, r#"[{"decision":true}]"#),
        (200, r#"{"decision":"true"}"#),
        (200, r#"{"decision":1}"#),
        (200, r#"{"decision":true,"decision":false}"#),
        (200, r#"{"decision":false,"decision":true}"#),
        (200, r#"{"decision":true,"context":[]}"#),
        (200, r#"{"decision":true} {"decision":true}"#),
        (200, r#"{"decision":true"#),
        (200, r#"{"evaluations":[{"decision":true}]}"#),
        (200, huge.as_str()),
        (200, deep.as_str()),
        (201, yes),
        (204, yes),
        (206, yes),
        (301, yes),
        (302, yes),
        (400, yes),
        (401, yes),
        (403, yes),
        (404, yes),
        (429, yes),
        (500, yes),
        (503, yes),
    ]
    .map(|(status, body)| Ok((status, None, body.to_owned())))
    .into();
    answers.extend([HttpError::Connect, HttpError::Timeout, HttpError::TooLarge, HttpError::Broken].map(Err));
    for answer in answers {
        let script = Script::new([]);
        script.inner().answers = [answer.clone()].into();
        let decision = script.pdp().evaluate(&question()).await;
        assert!(decision.is_err(), "{answer:?}");
        assert!(!decision.is_ok_and(|decision| decision.permitted));
        assert_eq!(script.asked().len(), 1, "{answer:?}: not asked again, not led elsewhere");
        assert!(
            script.pdp().evaluate_all(&[question()], Semantic::ExecuteAll).await.is_err() || {
                matches!(&answer, Ok((200, _, body)) if body.contains("evaluations"))
            }
        );
    }
}

#[tokio::test]
async fn pe1_one_bad_decision_spoils_the_batch() {
    for bad in [
        json!({}),
        json!({"evaluations": {}}),
        json!({"evaluations": [true, true]}),
        json!({"evaluations": [{"decision": true}, {"decision": "true"}]}),
        json!({"evaluations": [{"decision": true}, {}]}),
        json!({"evaluations": [{"decision": true}, null]}),
        json!({"evaluations": [{"decision": true}]}),
        json!({"evaluations": [{"decision": true}, {"decision": true}, {"decision": true}]}),
        json!({"decision": true}),
    ] {
        let script = Script::new([bad.clone()]);
        let answer = script.pdp().evaluate_all(&[question(), question()], Semantic::ExecuteAll).await;
        assert!(matches!(answer, Err(Error::BadAnswer { .. })), "{bad}: {answer:?}");
    }
}

#[tokio::test]
async fn errors_say_whose_turn_it_is() {
    for (status, kind) in [
        (400, ErrorKind::Operator),
        (401, ErrorKind::Operator),
        (403, ErrorKind::Operator),
        (429, ErrorKind::TryAgain),
        (500, ErrorKind::TryAgain),
        (503, ErrorKind::TryAgain),
        (302, ErrorKind::Provider),
    ] {
        let script = Script::new([]);
        script.inner().answers = [Ok((status, None, "subject is missing".to_owned()))].into();
        let error = script.pdp().evaluate(&question()).await.expect_err("no decision");
        assert_eq!(error.kind(), kind, "{status}");
        assert_eq!(error.to_string().contains("subject is missing"), status >= 400, "{error}");
    }
}

#[tokio::test]
async fn a_search_goes_through_all_pages_and_changes_nothing_but_the_token() {
    let script = Script::new([
        json!({"page": {"next_token": "t2", "count": 2, "total": 3},
               "results": [{"type": "account", "id": "123"}, {"type": "account", "id": "456", "properties": {"x": 1}}]}),
        json!({"page": {"next_token": "t3"}, "results": []}),
        json!({"page": {"next_token": ""}, "results": [{"type": "account", "id": "789"}]}),
    ]);
    let search = script.pdp().resources(&alice(), "can_read", "account").limit(2).with("ip", "192.0.2.1");
    let found = search.all(3).await.expect("three");
    assert_eq!(found.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["123", "456", "789"]);
    assert_eq!(found[1].properties["x"], 1);
    for (n, (url, body)) in script.asked().iter().enumerate() {
        let mut page = json!({"limit": 2});
        if n > 0 {
            page["token"] = json!(format!("t{}", n + 1));
        }
        let expected = json!({
            "subject": {"type": "user", "id": "alice@example.com"}, "action": {"name": "can_read"},
            "resource": {"type": "account"}, "context": {"ip": "192.0.2.1"}, "page": page,
        });
        assert_eq!((url.as_str(), body), ("https://api.pdp.example/which", &expected));
    }
    assert_eq!(script.asked().len(), 3);
}

#[tokio::test]
async fn subjects_and_actions_are_searched_too() {
    let script = Script::new([
        json!({"results": [{"type": "user", "id": "alice"}, {"type": "user", "id": "bob"}]}),
        json!({"page": {"count": 2}, "results": [{"name": "can_read"}, {"name": "can_write"}]}),
    ]);
    let who = script.pdp().subjects("user", "can_read", &account()).all(10).await.expect("two");
    assert_eq!(who, [Subject::new("user", "alice"), Subject::new("user", "bob")]);
    let what = script.pdp().actions(&alice(), &account()).all(10).await.expect("two");
    assert_eq!(what, [Action::from("can_read"), Action::from("can_write")]);
    let [(who_url, who), (what_url, what)] = &script.asked()[..] else { panic!("two questions") };
    assert_eq!(
        (who_url.as_str(), what_url.as_str()),
        ("https://api.pdp.example/who", "https://api.pdp.example/what")
    );
    let account = json!({"type": "account", "id": "123"});
    assert_eq!(
        *who,
        json!({"subject": {"type": "user"}, "action": {"name": "can_read"}, "resource": account})
    );
    assert_eq!(*what, json!({"subject": {"type": "user", "id": "alice@example.com"}, "resource": account}));
}

#[tokio::test]
async fn pe9_a_list_is_whole_or_an_error() {
    let one = |next: &str| json!({"page": {"next_token": next}, "results": [{"type": "user", "id": next}]});
    let endless = |results: Value| {
        (0..100).map(move |n| json!({"page": {"next_token": n.to_string()}, "results": results}))
    };
    for (why, answers, most) in [
        ("more than wanted", vec![one("a"), one("b"), one("")], 2),
        (
            "more than wanted on one page",
            vec![json!({"results": [{"type": "user", "id": "a"}, {"type": "user", "id": "b"}]})],
            1,
        ),
        ("a page that leads to itself", vec![one("a"), one("a")], 50),
        ("for ever", endless(json!([{"type": "user", "id": "a"}])).collect(), 50),
        ("nothing for ever", endless(json!([])).collect(), 50),
        ("another type", vec![json!({"results": [{"type": "group", "id": "a"}]})], 50),
        ("no type", vec![json!({"results": [{"id": "a"}]})], 50),
        ("no results", vec![json!({"page": {"next_token": ""}})], 50),
        ("results of another form", vec![json!({"results": {"type": "user", "id": "a"}})], 50),
        ("a token of another form", vec![json!({"page": {"next_token": 7}, "results": []})], 50),
        ("a page of another form", vec![json!({"page": "a", "results": []})], 50),
    ] {
        let script = Script::new(answers);
        let found = script.pdp().subjects("user", "read", &account()).all(most).await;
        assert!(found.is_err(), "{why}: {found:?}");
        assert!(script.asked().len() <= most + 1, "{why}");
    }
    let script = Script::new([one("a"), json!({"results": []}), one("")]);
    let mut search = script.pdp().subjects("user", "read", &account());
    assert_eq!(search.next_page().await.expect("a page").map(|page| page.len()), Some(1));
    script.inner().answers.push_front(Err(HttpError::Timeout));
    assert!(search.next_page().await.is_err());
    assert_eq!(search.next_page().await.expect("the same page").map(|page| page.len()), Some(0));
    assert_eq!(search.next_page().await.expect("no error"), None, "that was the last");
    assert_eq!(search.next_page().await.expect("no error"), None);
}

#[tokio::test]
async fn pe7_decisions_are_kept_by_their_revision() {
    let script = Script::new([]);
    let say = |revision, permitted: bool| {
        script.inner().answers = [Ok((200, revision, json!({"decision": permitted}).to_string()))].into();
    };
    let pdp = script.builder().cache(Duration::from_secs(60)).bearer_token("a").build().expect("legal");
    let ask =
        async |pdp: &Pdp, question: Evaluation| pdp.evaluate(&question).await.expect("a decision").permitted;

    say(Some(7), true);
    assert!(ask(&pdp, question()).await && ask(&pdp.clone(), question()).await);
    assert_eq!(script.asked().len(), 1, "the same question of a clone");
    say(Some(7), false);
    for other in [
        Evaluation::new(Subject::new("user", "bob"), "can_read", account()),
        Evaluation::new(Subject::new("group", "alice@example.com"), "can_read", account()),
        Evaluation::new(alice(), "can_write", account()),
        Evaluation::new(alice(), "can_read", Resource::new("account", "124")),
        Evaluation::new(alice(), "can_read", account().with("owner", "bob")),
        question().with("ip", "192.0.2.1"),
    ] {
        assert!(!ask(&pdp, other.clone()).await, "{other:?}");
    }
    assert!(!ask(&pdp.with_bearer_token("b"), question()).await, "another caller");
    assert!(ask(&pdp, question()).await, "still kept");

    let asked = script.asked().len();
    say(Some(8), false);
    assert!(!ask(&pdp.at_least(8), question()).await, "read your own write");
    assert!(!ask(&pdp, question()).await, "and all older answers are forgotten");
    assert_eq!(script.asked().len(), asked + 1);
    let demanded =
        script.inner().asked.last().expect("asked").headers()["authmachine-at-least-revision"].clone();
    assert_eq!(demanded, "8");

    for found in [Some(8), None] {
        say(found, true);
        let error = pdp.at_least(9).evaluate(&question()).await.expect_err("too old");
        assert!(matches!(error, Error::TooOld { demanded: 9, found: f, .. } if f == found), "{error}");
    }

    // Without a revision, and with a cache of no time, each question is asked.
    for (revision, cache) in [(None, 60), (Some(7), 0)] {
        let pdp = script.builder().cache(Duration::from_secs(cache)).build().expect("legal");
        say(revision, true);
        assert!(ask(&pdp, question()).await);
        say(revision, false);
        assert!(!ask(&pdp, question()).await, "{revision:?} {cache}");
    }
}

#[tokio::test]
async fn the_provider_is_a_decision_point_too() {
    let app = App::with(|builder| builder.api_token("api-token"));
    {
        let mut script = app.op.script();
        let metadata = json!({
            "policy_decision_point": "https://op.example",
            "access_evaluation_endpoint": "https://op.example/access/v1/evaluation",
        });
        script.answers.insert("/.well-known/authzen-configuration", (200, metadata.to_string()));
        script.answers.insert("/access/v1/evaluation", (200, r#"{"decision":true}"#.to_owned()));
    }
    assert!(app.login.pdp().evaluate(&question()).await.expect("a decision").permitted);
    let asked = app.op.seen("/access/v1/evaluation").remove(0);
    assert!(asked.headers["authorization"].to_str().is_ok_and(|value| value.starts_with("Basic ")));
    assert!(matches!(
        app.login.pdp().evaluate_all(&[question()], Semantic::ExecuteAll).await,
        Err(Error::NotOffered { .. })
    ));
}

/// A decision point on a socket that answers each question with `answer`; gives its address.
async fn on_a_socket(
    answer: impl Fn(&str) -> axum::response::Response + Clone + Send + Sync + 'static,
) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let router = axum::Router::new().fallback(async move |uri: http::Uri| answer(uri.path()));
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

#[tokio::test]
async fn do1_the_default_client_is_bounded_and_goes_nowhere_else() {
    use axum::response::IntoResponse as _;
    let json = |body: String| ([("content-type", "application/json")], body).into_response();
    let metadata =
        |path: &str| path.starts_with("/.well-known").then(|| http::StatusCode::NOT_FOUND.into_response());
    let ask = async |address: &str| Pdp::builder(address).build().expect("legal").evaluate(&question()).await;

    let good =
        on_a_socket(move |path| metadata(path).unwrap_or_else(|| json(r#"{"decision":true}"#.to_owned())))
            .await;
    assert!(ask(&good).await.expect("a decision").permitted);
    let huge = on_a_socket(move |path| {
        metadata(path).unwrap_or_else(|| json(format!(r#"{{"decision":true}}{}"#, " ".repeat(300_000))))
    })
    .await;
    assert!(matches!(ask(&huge).await, Err(Error::Unreachable { cause: HttpError::TooLarge, .. })));
    let away = on_a_socket(move |path| {
        let elsewhere = [("location", format!("{good}/access/v1/evaluation"))];
        metadata(path).unwrap_or_else(|| (http::StatusCode::TEMPORARY_REDIRECT, elsewhere).into_response())
    })
    .await;
    assert!(matches!(ask(&away).await, Err(Error::BadAnswer { status: 307, .. })));
}
