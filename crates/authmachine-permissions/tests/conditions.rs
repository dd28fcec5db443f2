//! Conditions from anybody: reading one never panics, and what was read comes back as it was.

use authmachine_permissions::{Attributes, Condition, ConditionError, Entity, MAX_NODES, Scene};
use authmachine_protocol::Timestamp;
use proptest::prelude::*;

fn attribute() -> impl Strategy<Value = String> {
    let sources = prop_oneof!["subject", "resource", "action", "context"];
    (sources, "[a-z_]{1,3}").prop_map(|(source, name)| format!(r#"{{"attribute":"{source}.{name}"}}"#))
}

fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        (-1e300..1e300_f64).prop_map(|value| serde_json::to_string(&value).expect("a number")),
        ".{0,8}".prop_map(|text| serde_json::to_string(&text).expect("text")),
    ]
}

fn list() -> impl Strategy<Value = String> {
    prop::collection::vec(scalar(), 0..4).prop_map(|elements| format!("[{}]", elements.join(",")))
}

fn leaf() -> impl Strategy<Value = String> {
    let comparison = prop_oneof!["eq", "ne", "lt", "le", "gt", "ge", "in", "contains", "starts_with"];
    let operand = || prop_oneof![3 => attribute(), 2 => scalar(), 1 => list()];
    let clock = || (0..24_u8, 0..60_u8).prop_map(|(hour, minute)| format!("{hour:02}:{minute:02}"));
    prop_oneof![
        4 => (comparison, operand(), operand()).prop_map(|(op, a, b)| format!(r#"{{"{op}":[{a},{b}]}}"#)),
        1 => attribute().prop_map(|attribute| format!(r#"{{"exists":{attribute}}}"#)),
        1 => (attribute(), 0..=255_u8, 0..=32_u8).prop_map(|(address, first, length)| {
            format!(r#"{{"ip_in_range":[{address},"{first}.0.0.0/{length}"]}}"#)
        }),
        1 => (clock(), clock(), "[+-]0[0-9]:[0-5][0-9]").prop_map(|(from, to, offset)| {
            format!(r#"{{"time_window":{{"from":"{from}","to":"{to}","days":["mon","sun"],"utc_offset":"{offset}"}}}}"#)
        }),
    ]
}

/// Most of these are conditions, some break a rule.
fn condition() -> impl Strategy<Value = String> {
    leaf().prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            (prop_oneof!["all", "any"], prop::collection::vec(inner.clone(), 0..4))
                .prop_map(|(op, tests)| format!(r#"{{"{op}":[{}]}}"#, tests.join(","))),
            inner.prop_map(|test| format!(r#"{{"not":{test}}}"#)),
        ]
    })
}

/// Evaluates it in one place; that it ends is what counts.
fn evaluate(condition: &Condition) {
    let attributes = Attributes::parse(r#"{"a":1,"b":"10.1.2.3","c":["x",1.5],"d":true,"e":-0.5}"#);
    let attributes = attributes.expect("flat attributes");
    let entity = Entity { first: &attributes, id: Some("a"), ..Entity::NOTHING };
    for ms in [i64::MIN, -1, 0, i64::MAX] {
        let now = Timestamp::from_ms(ms);
        condition.evaluate(&Scene {
            now,
            subject: entity,
            resource: entity,
            action: entity,
            context: entity,
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_a_condition_or_an_error(text in prop_oneof![".{0,200}", "[\\[\\]{}\":,a-z0-9.]{0,200}"]) {
        if let Ok(condition) = Condition::parse(&text) {
            evaluate(&condition);
        }
        let _ = Attributes::parse(&text);
    }

    #[test]
    fn a_condition_survives_being_stored(text in condition()) {
        match Condition::parse(&text) {
            Ok(condition) => {
                let stored = condition.to_json();
                let read = Condition::parse(&stored);
                prop_assert_eq!(read.as_ref(), Ok(&condition), "{}", stored);
                prop_assert_eq!(read.map(|read| read.to_json()), Ok(stored));
                evaluate(&condition);
            }
            Err(ConditionError::Json(error)) => prop_assert!(false, "{}: {}", error, text),
            Err(_) => {}
        }
    }

    #[test]
    fn a_text_that_was_cut_or_changed_is_an_error_or_another_condition(
        text in condition(), place in any::<prop::sample::Index>(), put in ".{0,2}"
    ) {
        let at = place.index(text.len() + 1);
        if let Some((before, after)) = text.split_at_checked(at) {
            let rest: String = after.chars().skip(1).collect();
            for changed in [before.to_owned(), format!("{before}{put}{rest}")] {
                if let Ok(condition) = Condition::parse(&changed) {
                    evaluate(&condition);
                }
            }
        }
    }

    #[test]
    fn the_number_of_nodes_is_what_is_limited(leaves in 1..60_usize) {
        let test = r#"{"exists":{"attribute":"subject.a"}}"#;
        let text = format!(r#"{{"any":[{}]}}"#, vec![test; leaves].join(","));
        let expected = if leaves < MAX_NODES { None } else { Some(ConditionError::TooManyNodes) };
        prop_assert_eq!(Condition::parse(&text).err(), expected);
    }
}
