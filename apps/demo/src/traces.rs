//! What happened in recent logins, in memory: bounded in number and in bytes, and for the browser that it happened to.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use authmachine_client::{Check, Message, Observer, Step, StepKind};
use serde_json::{Map, Value};

use crate::{shown::Budget, when, words};

/// The most logins that are kept; the one that nothing happened to for the longest time makes room.
pub(crate) const MAX_LOGINS: usize = 100;
/// The most steps of one login: a good one has eight, and two more looks at the keys.
const MAX_STEPS: usize = 14;
/// What the texts of one login may take as HTML.
const LOGIN_BYTES: usize = 18_000;
/// The same of its latest token check, which is kept apart because it is made again and again.
const TOKEN_CHECK_BYTES: usize = 2_000;

const MAX_JSON_BYTES: usize = 4_500;
const MAX_LINE_BYTES: usize = 300;
const MAX_NAME_BYTES: usize = 60;
const MAX_VALUE_BYTES: usize = 400;
/// What our own markup takes around one row of a list.
const ROW_BYTES: usize = 90;

/// The logins of this process. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Traces(Arc<Mutex<VecDeque<Trace>>>);

/// One login.
#[derive(Clone)]
pub(crate) struct Trace {
    login_id: String,
    pub(crate) steps: Vec<ShownStep>,
    pub(crate) token_check: Option<ShownStep>,
    /// Whether steps are missing at the end.
    pub(crate) is_cut: bool,
    budget: Budget,
}

/// A step, fit to be shown.
#[derive(Clone)]
pub(crate) struct ShownStep {
    pub(crate) kind: StepKind,
    pub(crate) at: SystemTime,
    pub(crate) request: Option<ShownMessage>,
    pub(crate) response: Option<ShownMessage>,
    pub(crate) token: Option<ShownToken>,
    pub(crate) checks: Vec<Check>,
}

/// A request or response.
#[derive(Clone)]
pub(crate) struct ShownMessage {
    pub(crate) line: String,
    pub(crate) fields: Vec<Row>,
    /// Empty if there is none.
    pub(crate) json: String,
}

/// A decoded token.
#[derive(Clone)]
pub(crate) struct ShownToken {
    pub(crate) header: Vec<Row>,
    pub(crate) claims: Vec<Row>,
}

/// A name, its value, and what we have to say about it.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) note: String,
}

impl Traces {
    /// What is known of this login.
    pub(crate) fn find(&self, login_id: &str) -> Option<Trace> {
        self.logins().iter().find(|trace| trace.login_id == login_id).cloned()
    }

    fn logins(&self) -> MutexGuard<'_, VecDeque<Trace>> {
        // A panic elsewhere leaves at worst one login without its last step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Traces {
    fn step(&self, step: Step) {
        let mut logins = self.logins();
        let known = logins.iter().position(|trace| trace.login_id == step.login_id);
        let mut trace = match known.and_then(|at| logins.remove(at)) {
            Some(trace) => trace,
            None => Trace::new(&step.login_id),
        };
        trace.add(step);
        logins.push_back(trace);
        while logins.len() > MAX_LOGINS {
            logins.pop_front();
        }
    }
}

impl Trace {
    fn new(login_id: &str) -> Self {
        Self {
            login_id: login_id.to_owned(),
            steps: Vec::new(),
            token_check: None,
            is_cut: false,
            budget: Budget::new(LOGIN_BYTES),
        }
    }

    fn add(&mut self, step: Step) {
        match step.kind {
            StepKind::TokenCheck => {
                self.token_check = Some(ShownStep::new(step, &mut Budget::new(TOKEN_CHECK_BYTES)));
            }
            _ if self.steps.len() < MAX_STEPS => self.steps.push(ShownStep::new(step, &mut self.budget)),
            _ => self.is_cut = true,
        }
    }

    /// The steps of the login and then the latest token check.
    pub(crate) fn all_steps(&self) -> impl Iterator<Item = &ShownStep> {
        self.steps.iter().chain(&self.token_check)
    }

    /// Whether there was more to show than room.
    pub(crate) fn is_used_up(&self) -> bool {
        self.budget.left() < ROW_BYTES
    }

    /// How many checks were made, and how many failed.
    pub(crate) fn checks(&self) -> (usize, usize) {
        let checks = || self.all_steps().flat_map(|step| &step.checks);
        (checks().count(), checks().filter(|check| !check.passed).count())
    }
}

impl ShownStep {
    fn new(step: Step, budget: &mut Budget) -> Self {
        Self {
            kind: step.kind,
            at: step.at,
            // What matters most comes first, so that it is not what a long answer leaves no room for.
            checks: step
                .checks
                .into_iter()
                .take_while(|check| budget.spend(ROW_BYTES + check.rule.len()))
                .collect(),
            token: step.token.map(|token| ShownToken {
                header: claims(&token.header, budget),
                claims: claims(&token.claims, budget),
            }),
            request: step.request.map(|message| ShownMessage::new(message, budget)),
            response: step.response.map(|message| ShownMessage::new(message, budget)),
        }
    }
}

impl ShownMessage {
    fn new(message: Message, budget: &mut Budget) -> Self {
        Self {
            line: budget.line(&message.line, MAX_LINE_BYTES),
            fields: rows(
                message.fields.iter().map(|(name, value)| (name, value)),
                budget,
                |budget, name, value| {
                    let note = words::of_parameter(name);
                    budget.spend(note.len()).then(|| (budget.line(value, MAX_VALUE_BYTES), note.to_owned()))
                },
            ),
            json: message.json.map(|json| budget.json(&json, MAX_JSON_BYTES)).unwrap_or_default(),
        }
    }

    /// Whether there is more than its line.
    pub(crate) fn has_body(&self) -> bool {
        !self.fields.is_empty() || !self.json.is_empty()
    }
}

/// Members of a token, as far as there is room.
pub(crate) fn claims(members: &Map<String, Value>, budget: &mut Budget) -> Vec<Row> {
    rows(members.iter(), budget, |budget, name, value| {
        let mut note = words::of_claim(name).to_owned();
        if let Some(seconds) = value.as_u64().filter(|_| words::is_time(name)) {
            let separator = if note.is_empty() { "" } else { ": " };
            note = format!("{note}{separator}{}", when::utc(seconds));
        }
        budget.spend(note.len()).then(|| (budget.value(value, MAX_VALUE_BYTES), note))
    })
}

/// Rows while there is room for them; a last one says that there are more.
fn rows<'a, T: ?Sized + 'a>(
    pairs: impl Iterator<Item = (&'a String, &'a T)>,
    budget: &mut Budget,
    fill: impl Fn(&mut Budget, &str, &T) -> Option<(String, String)>,
) -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, value) in pairs {
        let row = budget.spend(ROW_BYTES).then(|| budget.line(name, MAX_NAME_BYTES)).and_then(|shown_name| {
            fill(budget, name, value).map(|(value, note)| Row { name: shown_name, value, note })
        });
        let Some(row) = row else {
            rows.push(Row { name: "…".to_owned(), value: String::new(), note: "there is more".to_owned() });
            break;
        };
        rows.push(row);
    }
    rows
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use authmachine_client::DecodedToken;
    use serde_json::json;

    pub(crate) fn step(login_id: &str, kind: StepKind, text: &str) -> Step {
        let message = || Message {
            line: format!("GET {text}"),
            fields: vec![("state".to_owned(), text.to_owned()), (text.to_owned(), text.to_owned())],
            json: Some(json!({text: [text, {"deep": text}], "b": true})),
        };
        let members = || Map::from_iter([("sub".to_owned(), json!(text)), (text.to_owned(), json!([text]))]);
        Step {
            login_id: login_id.to_owned(),
            at: SystemTime::UNIX_EPOCH,
            kind,
            request: Some(message()),
            response: Some(message()),
            token: Some(DecodedToken { header: members(), claims: members() }),
            checks: vec![
                Check { rule: "sub is there", passed: true },
                Check { rule: "iss is the provider", passed: false },
            ],
        }
    }

    /// A login with every kind of step, many times.
    pub(crate) fn long_trace(text: &str) -> Trace {
        let traces = Traces::default();
        for kind in
            [StepKind::Discovery, StepKind::IdToken, StepKind::TokenCheck, StepKind::Session].repeat(20)
        {
            traces.step(step("l", kind, text));
        }
        traces.find("l").expect("it was just added")
    }

    fn bytes(step: &ShownStep) -> usize {
        let message = |message: &Option<ShownMessage>| {
            message.as_ref().map_or(0, |m| {
                m.line.len()
                    + m.json.len()
                    + m.fields.iter().map(|row| row.name.len() + row.value.len()).sum::<usize>()
            })
        };
        let token = step.token.iter().flat_map(|token| token.header.iter().chain(&token.claims));
        let token: usize = token.map(|row| row.name.len() + row.value.len() + row.note.len()).sum();
        message(&step.request) + message(&step.response) + token
    }

    #[test]
    fn a_hundred_logins_are_kept_and_those_in_use_longest() {
        let traces = Traces::default();
        for n in 0..MAX_LOGINS {
            traces.step(step(&format!("l{n}"), StepKind::Discovery, "x"));
        }
        // Somebody opens a page of login 0: its token is checked.
        traces.step(step("l0", StepKind::TokenCheck, "x"));
        for n in MAX_LOGINS..MAX_LOGINS + 50 {
            traces.step(step(&format!("l{n}"), StepKind::Discovery, "x"));
        }
        assert_eq!(traces.logins().len(), MAX_LOGINS);
        assert!(traces.find("l0").is_some() && traces.find("l51").is_some() && traces.find("l149").is_some());
        assert!(
            traces.find("l1").is_none() && traces.find("l50").is_none() && traces.find("other").is_none()
        );
    }

    #[test]
    fn a_login_is_bounded_in_bytes_whatever_it_is_told() {
        for text in ["a", "\"", "𝕳", "\u{202e}", "a\n"] {
            for length in [1, 100, 20_000] {
                let trace = long_trace(&text.repeat(length));
                assert_eq!(trace.steps.len(), MAX_STEPS);
                assert!(trace.is_cut);
                let total: usize = trace.all_steps().map(bytes).sum();
                assert!(total <= LOGIN_BYTES + TOKEN_CHECK_BYTES, "{text:?} × {length}: {total}");
            }
        }
    }

    #[test]
    fn only_the_latest_token_check_is_kept() {
        let traces = Traces::default();
        traces.step(step("l", StepKind::Session, "x"));
        for n in 0..1_000 {
            traces.step(step("l", StepKind::TokenCheck, &n.to_string()));
        }
        let trace = traces.find("l").expect("it was just added");
        assert_eq!(trace.steps.len(), 1);
        let check = trace.token_check.as_ref().expect("there was one");
        assert_eq!(check.request.as_ref().expect("sent").line, "GET 999");
        assert!(!trace.is_cut && !trace.is_used_up());
        assert_eq!(trace.checks(), (4, 2));
    }

    #[test]
    fn steps_stand_in_the_order_they_came() {
        let traces = Traces::default();
        for kind in [StepKind::Discovery, StepKind::TokenCheck, StepKind::Session, StepKind::Logout] {
            traces.step(step("l", kind, "x"));
            traces.step(step("other", kind, "x"));
        }
        let trace = traces.find("l").expect("it was just added");
        let kinds: Vec<_> = trace.all_steps().map(|step| step.kind).collect();
        assert_eq!(kinds, [StepKind::Discovery, StepKind::Session, StepKind::Logout, StepKind::TokenCheck]);
    }

    #[test]
    fn times_in_a_token_are_readable() {
        let members = json!({"exp": 1_763_959_327, "updated_at": 0, "iat": "soon", "nonce": "n"});
        let rows = claims(members.as_object().expect("an object"), &mut Budget::new(9_999));
        let note = |name: &str| rows.iter().find(|row| row.name == name).expect("a row").note.as_str();
        assert_eq!(note("exp"), "not to be accepted from then on: 2025-11-24 04:42:07 UTC");
        assert_eq!(note("updated_at"), "1970-01-01 00:00:00 UTC");
        assert_eq!(note("iat"), "issued");
    }
}
