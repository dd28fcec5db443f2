//! Evaluating a condition: true, false, or an error that counts as false for an allow.

use std::cmp::Ordering;
use std::net::IpAddr;

use authmachine_protocol::Timestamp;

use super::{Attribute, Comparison, Condition, EVERY_DAY, Operand, Source, Test, TimeWindow};
use crate::attributes::{Attributes, Value};

/// What a condition comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not.
    False,
    /// An attribute is missing or of the wrong kind, and the rest does not decide.
    Error,
}

impl Truth {
    const fn of(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }
}

/// One of those that a condition asks about, with what is known of it.
#[derive(Clone, Copy, Debug)]
pub struct Entity<'a> {
    /// The attribute `id`, which no properties replace; an entity without has none.
    pub id: Option<&'a str>,
    /// The attribute `type`, likewise.
    pub kind: Option<&'a str>,
    /// The attribute `name`, likewise.
    pub name: Option<&'a str>,
    /// Properties that count first.
    pub first: &'a Attributes,
    /// Properties that fill gaps.
    pub then: &'a Attributes,
}

impl Entity<'static> {
    /// Nothing known.
    pub const NOTHING: Self =
        Self { id: None, kind: None, name: None, first: Attributes::NONE, then: Attributes::NONE };
}

/// All that a condition can ask about.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The one reading of the clock.
    pub now: Timestamp,
    /// Who acts.
    pub subject: Entity<'a>,
    /// On what.
    pub resource: Entity<'a>,
    /// What it does.
    pub action: Entity<'a>,
    /// The circumstances.
    pub context: Entity<'a>,
}

impl Condition {
    /// Evaluates it. An error in one branch of `all` or `any` does not matter when another branch decides.
    pub fn evaluate(&self, scene: &Scene<'_>) -> Truth {
        evaluate(&self.0, scene)
    }
}

fn evaluate(test: &Test, scene: &Scene<'_>) -> Truth {
    match test {
        Test::All(tests) => first_or_worst(tests, scene, Truth::False, Truth::True),
        Test::Any(tests) => first_or_worst(tests, scene, Truth::True, Truth::False),
        Test::Not(test) => match evaluate(test, scene) {
            Truth::True => Truth::False,
            Truth::False => Truth::True,
            Truth::Error => Truth::Error,
        },
        Test::Compare(comparison, left, right) => {
            let values = look(left, scene).zip(look(right, scene));
            values.and_then(|(left, right)| compare(*comparison, left, right)).map_or(Truth::Error, Truth::of)
        }
        Test::Exists(attribute) => Truth::of(find(attribute, scene).is_some()),
        Test::IpInRange(address, ranges) => match look(address, scene) {
            Some(Seen::Text(text)) => text.parse::<IpAddr>().map_or(Truth::Error, |address| {
                // A listener on both families sees an IPv4 peer as ::ffff:1.2.3.4.
                let address = address.to_canonical();
                Truth::of(ranges.iter().any(|range| range.contains(&address)))
            }),
            _ => Truth::Error,
        },
        Test::TimeWindow(window) => Truth::of(window.contains(scene.now)),
    }
}

/// The first `decisive`, else an error if there was one, else `otherwise`.
fn first_or_worst(tests: &[Test], scene: &Scene<'_>, decisive: Truth, otherwise: Truth) -> Truth {
    let mut result = otherwise;
    for test in tests {
        match evaluate(test, scene) {
            truth if truth == decisive => return decisive,
            Truth::Error => result = Truth::Error,
            _ => {}
        }
    }
    result
}

/// A value where it lies.
#[derive(Clone, Copy)]
enum Seen<'a> {
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(&'a str),
    List(&'a [Value]),
}

impl<'a> From<&'a Value> for Seen<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Bool(value) => Self::Bool(*value),
            Value::Integer(value) => Self::Integer(*value),
            Value::Float(value) => Self::Float(*value),
            Value::Text(value) => Self::Text(value),
            Value::List(value) => Self::List(value),
        }
    }
}

fn look<'a>(operand: &'a Operand, scene: &Scene<'a>) -> Option<Seen<'a>> {
    match operand {
        Operand::Literal(value) => Some(value.into()),
        Operand::Attribute(attribute) => find(attribute, scene),
    }
}

fn find<'a>(attribute: &Attribute, scene: &Scene<'a>) -> Option<Seen<'a>> {
    let entity = match attribute.of {
        Source::Subject => &scene.subject,
        Source::Resource => &scene.resource,
        Source::Action => &scene.action,
        Source::Context => &scene.context,
    };
    // What identifies an entity is never taken from properties, which a caller could choose.
    let identity = match (attribute.of, attribute.name.as_str()) {
        (Source::Subject | Source::Resource, "id") => Some(entity.id),
        (Source::Subject | Source::Resource, "type") => Some(entity.kind),
        (Source::Action, "name") => Some(entity.name),
        _ => None,
    };
    if let Some(identity) = identity {
        return identity.map(Seen::Text);
    }
    entity.first.get(&attribute.name).or_else(|| entity.then.get(&attribute.name)).map(Seen::from)
}

/// None when the kinds do not fit each other.
fn compare(comparison: Comparison, left: Seen<'_>, right: Seen<'_>) -> Option<bool> {
    match comparison {
        Comparison::Eq => equal(left, right),
        Comparison::Ne => equal(left, right).map(|equal| !equal),
        Comparison::Lt => order(left, right).map(Ordering::is_lt),
        Comparison::Le => order(left, right).map(Ordering::is_le),
        Comparison::Gt => order(left, right).map(Ordering::is_gt),
        Comparison::Ge => order(left, right).map(Ordering::is_ge),
        Comparison::In => is_among(left, right),
        Comparison::Contains => match (left, right) {
            (Seen::Text(text), Seen::Text(part)) => Some(text.contains(part)),
            _ => is_among(right, left),
        },
        Comparison::StartsWith => match (left, right) {
            (Seen::Text(text), Seen::Text(start)) => Some(text.starts_with(start)),
            _ => None,
        },
    }
}

fn is_among(element: Seen<'_>, list: Seen<'_>) -> Option<bool> {
    match (element, list) {
        (Seen::List(_), _) => None,
        // A list may mix kinds; an element of another kind is simply not it.
        (_, Seen::List(list)) => Some(list.iter().any(|one| equal(one.into(), element) == Some(true))),
        _ => None,
    }
}

fn equal(left: Seen<'_>, right: Seen<'_>) -> Option<bool> {
    match (left, right) {
        (Seen::Bool(left), Seen::Bool(right)) => Some(left == right),
        _ => order(left, right).map(Ordering::is_eq),
    }
}

/// Numbers by value, texts byte by byte.
fn order(left: Seen<'_>, right: Seen<'_>) -> Option<Ordering> {
    match (left, right) {
        (Seen::Integer(left), Seen::Integer(right)) => Some(left.cmp(&right)),
        (Seen::Float(left), Seen::Float(right)) => left.partial_cmp(&right),
        (Seen::Integer(left), Seen::Float(right)) => Some(order_mixed(left, right)),
        (Seen::Float(left), Seen::Integer(right)) => Some(order_mixed(right, left).reverse()),
        (Seen::Text(left), Seen::Text(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

/// Exact: turning the whole number into a float would make neighbours equal beyond 2⁵³.
fn order_mixed(whole: i64, float: f64) -> Ordering {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if float >= BEYOND {
        Ordering::Less
    } else if float < -BEYOND {
        Ordering::Greater
    } else {
        #[expect(clippy::cast_possible_truncation, reason = "within the range of i64, as just seen")]
        let floor = float.floor() as i64;
        whole.cmp(&floor).then(if float.fract() == 0.0 { Ordering::Equal } else { Ordering::Less })
    }
}

impl TimeWindow {
    fn contains(&self, now: Timestamp) -> bool {
        let minutes = now.ms().div_euclid(60_000).saturating_add(self.utc_offset.into());
        let (day, minute) = (minutes.div_euclid(24 * 60), minutes.rem_euclid(24 * 60));
        let (from, to) = (i64::from(self.from), i64::from(self.to));
        // 1970-01-01 was a Thursday.
        let on = |day: i64| self.days == EVERY_DAY || self.days >> (day + 3).rem_euclid(7) & 1 == 1;
        if from < to {
            (from..to).contains(&minute) && on(day)
        } else {
            (minute >= from && on(day)) || (minute < to && on(day - 1))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes(text: &str) -> Attributes {
        Attributes::parse(text).expect("attributes")
    }

    /// Evaluates `test` with these properties of the context.
    fn truth(test: &str, context: &str) -> Truth {
        at(test, context, 0)
    }

    fn at(test: &str, context: &str, now_ms: i64) -> Truth {
        let first = attributes(context);
        let scene = Scene {
            now: Timestamp::from_ms(now_ms),
            subject: Entity::NOTHING,
            resource: Entity::NOTHING,
            action: Entity::NOTHING,
            context: Entity { first: &first, ..Entity::NOTHING },
        };
        Condition::parse(&test.replace('@', r#"{"attribute":"context.a"}"#)).expect(test).evaluate(&scene)
    }

    #[test]
    fn every_operator_is_true_false_or_an_error() {
        use Truth::{Error, False, True};
        for (test, context, expected) in [
            (r#"{"eq":[@,"x"]}"#, r#"{"a":"x"}"#, True),
            (r#"{"eq":[@,"x"]}"#, r#"{"a":"y"}"#, False),
            (r#"{"eq":[@,"1"]}"#, r#"{"a":1}"#, Error),
            (r#"{"eq":[@,"x"]}"#, r#"{"b":"x"}"#, Error),
            (r#"{"eq":[@,"x"]}"#, r#"{"a":["x"]}"#, Error),
            (r#"{"eq":[@,true]}"#, r#"{"a":true}"#, True),
            (r#"{"eq":[@,1]}"#, r#"{"a":1.0}"#, True),
            (r#"{"ne":[@,"x"]}"#, r#"{"a":"y"}"#, True),
            (r#"{"ne":[@,"x"]}"#, r#"{"b":"y"}"#, Error),
            (r#"{"eq":[@,9007199254740993]}"#, r#"{"a":9007199254740992.0}"#, False),
            (r#"{"gt":[@,9007199254740992.0]}"#, r#"{"a":9007199254740993}"#, True),
            (r#"{"lt":[@,1e300]}"#, r#"{"a":9223372036854775807}"#, True),
            (r#"{"gt":[@,-1e300]}"#, r#"{"a":-9223372036854775808}"#, True),
            (r#"{"lt":[@,-1]}"#, r#"{"a":-1.5}"#, True),
            (r#"{"le":[@,2]}"#, r#"{"a":2}"#, True),
            (r#"{"ge":[@,"b"]}"#, r#"{"a":"a"}"#, False),
            (r#"{"lt":[@,"2"]}"#, r#"{"a":1}"#, Error),
            (r#"{"in":[@,["x",1]]}"#, r#"{"a":1}"#, True),
            (r#"{"in":[@,["x",1]]}"#, r#"{"a":"1"}"#, False),
            (r#"{"in":["x",@]}"#, r#"{"a":["y","x"]}"#, True),
            (r#"{"in":["x",@]}"#, r#"{"a":"x"}"#, Error),
            (r#"{"contains":[@,"x"]}"#, r#"{"a":["x"]}"#, True),
            (r#"{"contains":[@,"x"]}"#, r#"{"a":"axb"}"#, True),
            (r#"{"contains":[@,"x"]}"#, r#"{"a":1}"#, Error),
            (r#"{"contains":[@,1]}"#, r#"{"a":"1"}"#, Error),
            (r#"{"starts_with":[@,"x"]}"#, r#"{"a":"xy"}"#, True),
            (r#"{"starts_with":[@,"y"]}"#, r#"{"a":"xy"}"#, False),
            (r#"{"starts_with":[@,"y"]}"#, r#"{"a":3}"#, Error),
            (r#"{"exists":@}"#, r#"{"a":false}"#, True),
            (r#"{"exists":@}"#, "{}", False),
            (r#"{"ip_in_range":[@,"10.0.0.0/8"]}"#, r#"{"a":"10.2.3.4"}"#, True),
            (r#"{"ip_in_range":[@,"10.0.0.0/8"]}"#, r#"{"a":"::ffff:10.2.3.4"}"#, True),
            (r#"{"ip_in_range":[@,["fd00::/8","10.0.0.0/8"]]}"#, r#"{"a":"11.2.3.4"}"#, False),
            (r#"{"ip_in_range":[@,"10.0.0.0/8"]}"#, r#"{"a":"10.2.3.4:80"}"#, Error),
            (r#"{"not":{"exists":@}}"#, "{}", True),
            (r#"{"not":{"eq":[@,1]}}"#, "{}", Error),
            (r#"{"any":[{"eq":[@,1]},{"not":{"exists":@}}]}"#, "{}", True),
            (r#"{"any":[{"eq":[@,1]},{"exists":@}]}"#, "{}", Error),
            (r#"{"all":[{"eq":[@,1]},{"exists":@}]}"#, "{}", False),
            (r#"{"all":[{"eq":[@,1]},{"not":{"exists":@}}]}"#, "{}", Error),
            (r#"{"all":[{"eq":[@,1]},{"exists":@}]}"#, r#"{"a":1}"#, True),
        ] {
            assert_eq!(truth(test, context), expected, "{test} with {context}");
        }
    }

    #[test]
    fn a_time_window_goes_by_the_clock_of_the_server() {
        const HOUR: i64 = 3_600_000;
        let day = r#"{"time_window":{"from":"08:00","to":"18:00"}}"#;
        let night = r#"{"time_window":{"from":"22:00","to":"06:00","days":["thu"],"utc_offset":"+01:00"}}"#;
        for (window, hours, expected) in [
            (day, 8, Truth::True),
            (day, 18, Truth::False),
            (day, 24 + 17, Truth::True),
            (day, -24 + 9, Truth::True),
            (night, 20, Truth::False),
            (night, 21, Truth::True),
            (night, 24 + 4, Truth::True),
            (night, 24 + 5, Truth::False),
            (night, 24 + 21, Truth::False),
            (night, 4, Truth::False),
            (night, 7 * 24 + 21, Truth::True),
        ] {
            assert_eq!(at(window, "{}", hours * HOUR), expected, "{window} at {hours}");
        }
        assert_eq!(at(day, r#"{"time":"09:00"}"#, 0), Truth::False, "PE6: the caller's time does not count");
    }

    #[test]
    fn pe6_no_property_replaces_what_identifies() {
        let properties = attributes(r#"{"id":"x","type":"x","name":"x"}"#);
        let liar = Entity { first: &properties, then: &properties, ..Entity::NOTHING };
        let known = Entity { id: Some("real"), kind: Some("user"), name: Some("read"), ..liar };
        let now = Timestamp::from_ms(0);
        for attribute in ["subject.id", "subject.type", "resource.id", "resource.type", "action.name"] {
            let test = |value: &str| {
                Condition::parse(&format!(r#"{{"eq":[{{"attribute":"{attribute}"}},"{value}"]}}"#))
                    .expect("test")
            };
            for (entity, expected) in [(liar, Truth::Error), (known, Truth::False)] {
                let scene = Scene { now, subject: entity, resource: entity, action: entity, context: entity };
                assert_eq!(test("x").evaluate(&scene), expected, "{attribute}");
            }
        }
    }
}
