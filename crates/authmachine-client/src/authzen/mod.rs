//! Asks any policy decision point that speaks the AuthZEN Authorization API 1.0: may this subject do this to this
//! resource, and who or what may be in its place?
//!
//! ```no_run
//! use authmachine_client::authzen::{Evaluation, Pdp, Resource, Subject};
//!
//! # async fn run() -> Result<(), authmachine_client::Error> {
//! let pdp = Pdp::builder("https://pdp.example").bearer_token("an access token or API token").build()?;
//! let alice = Subject::new("user", "alice@example.com");
//! let report = Resource::new("document", "2027-01");
//!
//! let question = Evaluation::new(alice.clone(), "read", report.clone()).with("ip", "192.0.2.1");
//! let may_read = pdp.evaluate(&question).await?.permitted;
//! let who_may_read = pdp.subjects("user", "read", &report).all(1_000).await?;
//! let what_she_may_do = pdp.actions(&alice, &report).all(100).await?;
//! # Ok(())
//! # }
//! ```
//!
//! An error is never a yes: whoever cannot act on it writes `.await.is_ok_and(|decision| decision.permitted)`.
//!
//! # What an answer may be used for again
//!
//! A decision point that says which revision of its data an answer is from (header `AuthMachine-Revision`, as AuthMachine
//! does) saves questions. An answer is used again, for the same caller and the same question to the letter,
//!
//! - for a second at most ([`PdpBuilder::cache`]), counted from when it was asked for: what depends on the time is late by
//!   no more than that;
//! - until any answer shows a newer revision: then all older ones are forgotten;
//! - never in place of what [`Pdp::at_least`] demands.
//!
//! Errors are not kept, nor are answers without a revision; 4,096 answers and 4 MiB are kept at most, in memory, shared by
//! the clones of a [`Pdp`]. After a database is restored from a backup its revisions may begin lower: nothing is kept
//! until they have caught up or the application is started again.
//!
//! **Reading one's own writes**: AuthMachine answers a change with its revision. [`Pdp::at_least`] that revision sees
//! the change, on whichever server answers.

mod pdp;
mod search;

pub use pdp::{Pdp, PdpBuilder};
pub use search::Search;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

/// Subjects and resources look alike: a type, an id, and properties.
macro_rules! entity {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        pub struct $name {
            /// `type`.
            #[serde(rename = "type")]
            pub kind: String,
            /// `id`, unique within its type.
            pub id: String,
            /// What the decision point may need to know beside that, and does not know itself.
            #[serde(skip_serializing_if = "Map::is_empty")]
            pub properties: Map<String, Value>,
        }

        impl $name {
            /// The one of this type with this id.
            pub fn new(kind: impl Into<String>, id: impl Into<String>) -> Self {
                Self { kind: kind.into(), id: id.into(), properties: Map::new() }
            }

            /// With one property more.
            #[must_use]
            pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
                self.properties.insert(name.into(), value.into());
                self
            }

            /// Reads what a search has found.
            fn read(found: &Value, kind: &str) -> Option<Self> {
                let kind = found["type"].as_str().filter(|found| *found == kind)?;
                Some(Self { properties: properties(found)?, ..Self::new(kind, found["id"].as_str()?) })
            }
        }

    };
}

entity! {
    /// Who wants to do something (AuthZEN 1.0 §5.1). AuthMachine knows the types `user`, `group` and `client`.
    Subject
}
entity! {
    /// What it is done to (AuthZEN 1.0 §5.2). With AuthMachine an object: its type and its code.
    Resource
}

/// What is done (AuthZEN 1.0 §5.3). With AuthMachine a permission type. A name alone is one: `"read".into()`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Action {
    /// `name`.
    pub name: String,
    /// What the decision point may need to know beside that.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub properties: Map<String, Value>,
}

impl From<&str> for Action {
    fn from(name: &str) -> Self {
        Self { name: name.to_owned(), properties: Map::new() }
    }
}

impl Action {
    /// Reads what a search has found; actions have no type.
    fn read(found: &Value, _: &str) -> Option<Self> {
        Some(Self { properties: properties(found)?, ..found["name"].as_str()?.into() })
    }
}

/// The properties of something that was found: none, or an object.
fn properties(found: &Value) -> Option<Map<String, Value>> {
    match &found["properties"] {
        Value::Null => Some(Map::new()),
        Value::Object(properties) => Some(properties.clone()),
        _ => None,
    }
}

/// One question: may `subject` do `action` to `resource` (AuthZEN 1.0 §6.1)?
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evaluation {
    /// Who.
    pub subject: Subject,
    /// Does what.
    pub action: Action,
    /// To what.
    pub resource: Resource,
    /// Under which circumstances: an address, a device, a time.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub context: Map<String, Value>,
}

impl Evaluation {
    /// The question without circumstances.
    pub fn new(subject: Subject, action: impl Into<Action>, resource: Resource) -> Self {
        Self { subject, action: action.into(), resource, context: Map::new() }
    }

    /// With one circumstance more.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.context.insert(name.into(), value.into());
        self
    }
}

/// The answer to an [`Evaluation`] (AuthZEN 1.0 §5.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// `decision`.
    pub permitted: bool,
    /// What the decision point says beside that: a reason, or advice such as to sign in more strongly.
    pub context: Map<String, Value>,
}

impl Decision {
    /// Reads one strictly: what is not exactly `true` or `false` is no decision.
    fn read(decision: &Map<String, Value>) -> Result<Self, String> {
        let permitted = decision.get("decision").and_then(Value::as_bool);
        let context = match decision.get("context") {
            None | Some(Value::Null) => Some(Map::new()),
            Some(context) => context.as_object().cloned(),
        };
        let permitted = permitted.ok_or("decision is neither true nor false")?;
        Ok(Self { permitted, context: context.ok_or("context is no object")? })
    }
}

/// What of several questions is answered (AuthZEN 1.0 §7.1.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Semantic {
    /// `execute_all`: all of them.
    #[default]
    ExecuteAll,
    /// `deny_on_first_deny`: up to the first no. All are permitted if the last answer is yes.
    DenyOnFirstDeny,
    /// `permit_on_first_permit`: up to the first yes. One is permitted if the last answer is yes.
    PermitOnFirstPermit,
}

impl Semantic {
    fn as_str(self) -> &'static str {
        match self {
            Self::ExecuteAll => "execute_all",
            Self::DenyOnFirstDeny => "deny_on_first_deny",
            Self::PermitOnFirstPermit => "permit_on_first_permit",
        }
    }

    /// Whether no answer follows this one.
    fn ends_at(self, decision: &Decision) -> bool {
        match self {
            Self::ExecuteAll => false,
            Self::DenyOnFirstDeny => !decision.permitted,
            Self::PermitOnFirstPermit => decision.permitted,
        }
    }

    /// Holds the answers against the number of questions: one for each, in order, up to the one that ends it. Decision
    /// points that answer all the same are understood.
    fn check(self, mut decisions: Vec<Decision>, asked: usize) -> Result<Vec<Decision>, String> {
        let end = decisions.iter().position(|decision| self.ends_at(decision)).map(|at| at + 1);
        let answered = decisions.len();
        if answered == asked || end == Some(answered) && answered < asked {
            decisions.truncate(end.unwrap_or(answered));
            return Ok(decisions);
        }
        Err(format!("{asked} questions have {answered} answers"))
    }
}

impl Serialize for Semantic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn questions_are_written_as_the_standard_has_them() {
        let alice = Subject::new("user", "alice@example.com");
        let mut read = Action::from("can_read");
        read.properties.insert("method".into(), "GET".into());
        let question = Evaluation::new(alice, read, Resource::new("account", "123").with("owner", "bob"))
            .with("time", "1985-10-26T01:22-07:00");
        assert_eq!(
            serde_json::to_value(question).expect("JSON"),
            json!({
                "subject": {"type": "user", "id": "alice@example.com"},
                "resource": {"type": "account", "id": "123", "properties": {"owner": "bob"}},
                "action": {"name": "can_read", "properties": {"method": "GET"}},
                "context": {"time": "1985-10-26T01:22-07:00"},
            })
        );
    }

    #[test]
    fn pe1_only_true_is_yes() {
        let read = |answer: Value| Decision::read(answer.as_object().expect("an object"));
        let yes =
            read(json!({"decision": true, "context": {"reason": "r"}, "unknown": 1})).expect("a decision");
        assert!(yes.permitted && yes.context["reason"] == "r");
        assert!(!read(json!({"decision": false, "context": null})).expect("a decision").permitted);
        for bad in [
            json!({}),
            json!({"decision": "true"}),
            json!({"decision": 1}),
            json!({"decision": null}),
            json!({"decision": [true]}),
            json!({"Decision": true}),
            json!({"decision": true, "context": "x"}),
            json!({"decision": true, "context": []}),
        ] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn pe1_answers_are_held_against_the_questions() {
        use Semantic::{DenyOnFirstDeny as Deny, ExecuteAll as All, PermitOnFirstPermit as Permit};
        let decisions = |text: &str| -> Vec<Decision> {
            text.chars().map(|c| Decision { permitted: c == 'y', context: Map::new() }).collect()
        };
        for (semantic, asked, answered, expected) in [
            (All, 3, "yny", Some("yny")),
            (All, 3, "yn", None),
            (All, 3, "ynyy", None),
            (All, 1, "", None),
            (Deny, 3, "yn", Some("yn")),
            (Deny, 3, "yyy", Some("yyy")),
            (Deny, 3, "yy", None),
            (Deny, 3, "", None),
            // As others answer who do not stop; the rest is left out.
            (Deny, 3, "yny", Some("yn")),
            (Deny, 3, "nyn", Some("n")),
            (Deny, 3, "ny", None),
            (Deny, 2, "yyn", None),
            (Permit, 3, "y", Some("y")),
            (Permit, 3, "nny", Some("nny")),
            (Permit, 3, "nnn", Some("nnn")),
            (Permit, 3, "nn", None),
            (Permit, 2, "nny", None),
        ] {
            let checked = semantic.check(decisions(answered), asked).ok();
            assert_eq!(checked, expected.map(decisions), "{semantic:?} {asked} {answered}");
        }
    }

    #[test]
    fn what_was_found_is_read_strictly() {
        for (found, is_read) in [
            (json!({"type": "user", "id": "a"}), true),
            (json!({"type": "user", "id": "a", "properties": {"x": 1}, "unknown": 1}), true),
            (json!({"type": "user", "id": "a", "properties": null}), true),
            (json!({"type": "user", "id": "a", "properties": []}), false),
            (json!({"type": "user", "id": 7}), false),
            (json!({"type": "user"}), false),
            (json!({"type": "group", "id": "a"}), false),
            (json!({"id": "a"}), false),
            (json!("a"), false),
            (json!(null), false),
        ] {
            assert_eq!(Subject::read(&found, "user").is_some(), is_read, "{found}");
            assert_eq!(Resource::read(&found, "user").is_some(), is_read, "{found}");
        }
        assert_eq!(Action::read(&json!({"name": "read"}), ""), Some("read".into()));
        assert_eq!(Action::read(&json!({"name": 1}), ""), None);
    }
}
