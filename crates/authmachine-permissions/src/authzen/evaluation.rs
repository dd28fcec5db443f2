//! One evaluation, and many in one request.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Action, AuthzenError, Entity, Members};
use crate::attributes::Attributes;
use crate::json::Json;

/// The most evaluations of one request.
pub const MAX_EVALUATIONS: usize = 1_000;

/// May this subject do this to this resource?
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Who.
    pub subject: Entity,
    /// What.
    pub action: Action,
    /// On what.
    pub resource: Entity,
    /// In which circumstances.
    pub context: Attributes,
}

impl Evaluation {
    /// Reads the body of a request to the evaluation endpoint.
    ///
    /// # Errors
    /// [`AuthzenError`].
    pub fn parse(body: &str) -> Result<Self, AuthzenError> {
        Parts::read(&mut Members::parse(body)?)?.whole()
    }
}

/// What an evaluation is made of, as far as it is said.
#[derive(Clone)]
struct Parts {
    subject: Option<Entity>,
    action: Option<Action>,
    resource: Option<Entity>,
    context: Option<Attributes>,
}

impl Parts {
    fn read(members: &mut Members) -> Result<Self, AuthzenError> {
        Ok(Self {
            subject: members.subject()?,
            action: members.action()?,
            resource: members.resource()?,
            context: match members.0.iter().any(|(name, _)| name == "context") {
                true => Some(members.attributes("context", "context")?),
                false => None,
            },
        })
    }

    /// What is not said is taken from `defaults`, each entity as a whole.
    fn or(self, defaults: &Self) -> Self {
        Self {
            subject: self.subject.or_else(|| defaults.subject.clone()),
            action: self.action.or_else(|| defaults.action.clone()),
            resource: self.resource.or_else(|| defaults.resource.clone()),
            context: self.context.or_else(|| defaults.context.clone()),
        }
    }

    fn whole(self) -> Result<Evaluation, AuthzenError> {
        Ok(Evaluation {
            subject: self.subject.ok_or(AuthzenError::Missing("subject"))?,
            action: self.action.ok_or(AuthzenError::Missing("action"))?,
            resource: self.resource.ok_or(AuthzenError::Missing("resource"))?,
            context: self.context.unwrap_or_default(),
        })
    }
}

/// The body of a request to the evaluations endpoint.
#[derive(Clone, Debug, PartialEq)]
pub enum Evaluations {
    /// It has no array, or an empty one: one evaluation, answered as one.
    Single(Evaluation),
    /// Many.
    Many(Batch),
}

/// Evaluations in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// None for one that lacks something, which the defaults lack too: its decision is no.
    pub items: Vec<Option<Evaluation>>,
    /// When to end.
    pub semantic: Semantic,
}

/// When a batch ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Semantic {
    /// After all of it.
    #[default]
    ExecuteAll,
    /// After the first no.
    DenyOnFirstDeny,
    /// After the first yes.
    PermitOnFirstPermit,
}

impl Evaluations {
    /// Reads the body.
    ///
    /// # Errors
    /// [`AuthzenError`]: something is of the wrong kind, anywhere, or a single evaluation lacks something.
    pub fn parse(body: &str) -> Result<Self, AuthzenError> {
        let mut members = Members::parse(body)?;
        let defaults = Parts::read(&mut members)?;
        let semantic = match members.object("options", "options")? {
            None => Semantic::default(),
            Some(mut options) => {
                let word = options.text("evaluations_semantic", "options.evaluations_semantic")?;
                match word.as_deref() {
                    None | Some("execute_all") => Semantic::ExecuteAll,
                    Some("deny_on_first_deny") => Semantic::DenyOnFirstDeny,
                    Some("permit_on_first_permit") => Semantic::PermitOnFirstPermit,
                    Some(_) => return Err(AuthzenError::Semantic),
                }
            }
        };
        let items = match members.take("evaluations") {
            None => Vec::new(),
            Some(Json::List(items)) => items,
            Some(_) => return Err(AuthzenError::Mistyped("evaluations", "a list")),
        };
        if items.is_empty() {
            return defaults.whole().map(Self::Single);
        }
        if items.len() > MAX_EVALUATIONS {
            return Err(AuthzenError::TooMany);
        }
        let item = |json| {
            let mut members = Members::of(json, "an evaluation")?;
            Ok(Parts::read(&mut members)?.or(&defaults).whole().ok())
        };
        let items = items.into_iter().map(item).collect::<Result<_, AuthzenError>>()?;
        Ok(Self::Many(Batch { items, semantic }))
    }
}

impl Batch {
    /// The decisions, in order, up to the one that ends it.
    pub fn decide(&self, mut decide: impl FnMut(&Evaluation) -> bool) -> Vec<Decision> {
        let mut decisions = Vec::with_capacity(self.items.len());
        for item in &self.items {
            let decision = item.as_ref().is_some_and(&mut decide);
            decisions.push(Decision(decision));
            match (self.semantic, decision) {
                (Semantic::DenyOnFirstDeny, false) | (Semantic::PermitOnFirstPermit, true) => break,
                _ => {}
            }
        }
        decisions
    }
}

/// The answer to an evaluation: `{"decision": …}` and nothing else, so that the same question has the same answer byte by byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision(pub bool);

impl Decision {
    /// The answer to a batch.
    pub fn batch_body(decisions: &[Self]) -> String {
        let body = std::collections::BTreeMap::from([("evaluations", decisions)]);
        serde_json::to_string(&body).expect("truth values are JSON")
    }
}

impl Serialize for Decision {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut body = serializer.serialize_map(Some(1))?;
        body.serialize_entry("decision", &self.0)?;
        body.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attributes::Value;

    const SUBJECT: &str = r#""subject":{"type":"user","id":"alice"}"#;
    const ACTION: &str = r#""action":{"name":"read"}"#;
    const RESOURCE: &str = r#""resource":{"type":"object","id":"door"}"#;

    fn whole(more: &str) -> String {
        format!("{{{SUBJECT},{ACTION},{RESOURCE}{more}}}")
    }

    #[test]
    fn an_evaluation_is_read_with_its_properties_and_unknown_members_are_ignored() {
        let body = r#"{"subject":{"type":"user","id":"alice","properties":{"a":1,"deep":{"x":1},"null":null},"more":1},
            "action":{"name":"read","properties":{"b":true}},"resource":{"type":"object","id":"door"},
            "context":{"ip":"10.0.0.1"},"unknown":[1,{}]}"#;
        let evaluation = Evaluation::parse(body).expect("whole");
        assert_eq!((&*evaluation.subject.kind, &*evaluation.subject.id), ("user", "alice"));
        assert_eq!(evaluation.subject.properties.get("a"), Some(&Value::Integer(1)));
        assert_eq!(evaluation.subject.properties.get("deep"), None, "conditions cannot ask about it");
        assert_eq!(evaluation.subject.properties.get("null"), None);
        assert_eq!(evaluation.action.properties.get("b"), Some(&Value::Bool(true)));
        assert_eq!(evaluation.context.get("ip"), Some(&Value::Text("10.0.0.1".to_owned())));
    }

    #[test]
    fn what_is_missing_or_mistyped_is_refused() {
        use AuthzenError::{Json, Missing, Mistyped};
        let error = |body: &str| Evaluation::parse(body).expect_err(body);
        for body in ["", "{", "nonsense", r#"{"subject":1,"subject":2}"#] {
            assert!(matches!(error(body), Json(_)), "{body}");
        }
        assert_eq!(error("[]"), Mistyped("the body", "an object"));
        assert_eq!(error("null"), Mistyped("the body", "an object"));
        assert_eq!(error("{}"), Missing("subject"));
        assert_eq!(error(&format!("{{{SUBJECT},{RESOURCE}}}")), Missing("action"));
        assert_eq!(error(&format!("{{{SUBJECT},{ACTION}}}")), Missing("resource"));
        for (body, expected) in [
            (r#""subject":"alice""#, Mistyped("subject", "an object")),
            (r#""subject":null"#, Mistyped("subject", "an object")),
            (r#""subject":{"id":"alice"}"#, Missing("subject.type")),
            (r#""subject":{"type":"user"}"#, Missing("subject.id")),
            (r#""subject":{"type":"user","id":1}"#, Mistyped("subject.id", "text")),
            (
                r#""subject":{"type":"user","id":"a","properties":[]}"#,
                Mistyped("subject.properties", "an object"),
            ),
        ] {
            assert_eq!(error(&format!("{{{body},{ACTION},{RESOURCE}}}")), expected);
        }
        assert_eq!(error(&format!(r#"{{{SUBJECT},"action":{{}},{RESOURCE}}}"#)), Missing("action.name"));
        assert_eq!(error(&whole(r#","context":"x""#)), Mistyped("context", "an object"));
        let deep = format!(r#","x":{}{}"#, "[".repeat(33), "]".repeat(33));
        assert!(matches!(error(&whole(&deep)), Json(_)), "nested 33 deep");
    }

    fn batch(body: &str) -> Batch {
        match Evaluations::parse(body).expect(body) {
            Evaluations::Many(batch) => batch,
            Evaluations::Single(single) => panic!("one evaluation: {single:?}"),
        }
    }

    #[test]
    fn defaults_replace_whole_entities_and_an_item_that_stays_incomplete_is_no() {
        let body = format!(
            r#"{{{SUBJECT},"context":{{"a":1}},"evaluations":[
                {{{ACTION},{RESOURCE}}},
                {{{ACTION},{RESOURCE},"subject":{{"type":"user","id":"bob"}},"context":{{}}}},
                {{{RESOURCE}}}]}}"#
        );
        let batch = batch(&body);
        let ids = batch.items.iter().map(|item| item.as_ref().map(|item| item.subject.id.as_str()));
        assert_eq!(ids.collect::<Vec<_>>(), [Some("alice"), Some("bob"), None]);
        let second = batch.items[1].as_ref().expect("complete");
        assert!(second.context.is_empty(), "its own context, not a mixture");
        assert_eq!(
            Decision::batch_body(&batch.decide(|_| true)),
            r#"{"evaluations":[{"decision":true},{"decision":true},{"decision":false}]}"#
        );
    }

    #[test]
    fn a_batch_ends_as_its_semantic_says() {
        let decisions = |semantic: &str| {
            let item = |id| format!(r#"{{"resource":{{"type":"object","id":"{id}"}}}}"#);
            let items: Vec<String> = ["no", "yes", "no", "yes"].into_iter().map(item).collect();
            let body = format!(r#"{{{SUBJECT},{ACTION},"evaluations":[{}]{semantic}}}"#, items.join(","));
            batch(&body).decide(|one| one.resource.id == "yes").iter().map(|d| d.0).collect::<Vec<_>>()
        };
        let option = |word| format!(r#","options":{{"evaluations_semantic":"{word}"}}"#);
        assert_eq!(decisions(""), [false, true, false, true]);
        assert_eq!(decisions(r#","options":{}"#), [false, true, false, true]);
        assert_eq!(decisions(&option("execute_all")), [false, true, false, true]);
        assert_eq!(decisions(&option("deny_on_first_deny")), [false]);
        assert_eq!(decisions(&option("permit_on_first_permit")), [false, true]);
    }

    #[test]
    fn a_batch_of_none_is_one_evaluation_and_a_bad_one_is_refused() {
        for more in ["", r#","evaluations":[]"#] {
            assert!(matches!(Evaluations::parse(&whole(more)), Ok(Evaluations::Single(_))), "{more}");
        }
        let error = |more: &str| Evaluations::parse(&whole(more)).expect_err(more);
        assert_eq!(Evaluations::parse("{}"), Err(AuthzenError::Missing("subject")));
        assert_eq!(error(r#","evaluations":{}"#), AuthzenError::Mistyped("evaluations", "a list"));
        assert_eq!(error(r#","evaluations":[1]"#), AuthzenError::Mistyped("an evaluation", "an object"));
        assert_eq!(
            error(r#","evaluations":[{"subject":1}]"#),
            AuthzenError::Mistyped("subject", "an object")
        );
        assert_eq!(error(r#","options":{"evaluations_semantic":"any"}"#), AuthzenError::Semantic);
        let wrong = AuthzenError::Mistyped("options.evaluations_semantic", "text");
        assert_eq!(error(r#","options":{"evaluations_semantic":1}"#), wrong);
        let many = format!(r#","evaluations":[{}]"#, vec!["{}"; 1_001].join(","));
        assert_eq!(error(&many), AuthzenError::TooMany);
    }

    #[test]
    fn the_answer_to_one_is_a_decision_alone() {
        assert_eq!(serde_json::to_string(&Decision(true)).expect("json"), r#"{"decision":true}"#);
    }
}
