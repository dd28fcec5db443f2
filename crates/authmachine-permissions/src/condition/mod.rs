//! Conditions: a small closed language of tests on attributes, without loops, so that the cost of one is bounded.
//!
//! ```json
//! {"all": [
//!   {"eq": [{"attribute": "subject.department"}, {"attribute": "resource.department"}]},
//!   {"any": [
//!     {"ip_in_range": [{"attribute": "context.ip"}, ["10.0.0.0/8", "fd00::/8"]]},
//!     {"time_window": {"from": "08:00", "to": "18:00", "days": ["mon", "tue"], "utc_offset": "+01:00"}}
//!   ]},
//!   {"not": {"exists": {"attribute": "subject.suspended_since"}}}
//! ]}
//! ```

mod evaluate;
mod parse;

use ipnet::IpNet;
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::attributes::Value;
use crate::json::JsonError;

pub use evaluate::{Entity, Scene, Truth};

/// The most tests and connectives of one condition.
pub const MAX_NODES: usize = 32;
/// The most bytes of a condition as JSON.
pub const MAX_CONDITION_BYTES: usize = 4096;

/// A condition, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition(Test);

/// Why a text is not a condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// More than [`MAX_CONDITION_BYTES`].
    #[error("a condition has at most {MAX_CONDITION_BYTES} bytes")]
    TooLarge,
    /// More than [`MAX_NODES`].
    #[error("a condition has at most {MAX_NODES} tests and connectives")]
    TooManyNodes,
    /// Not JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A test that is not an object of one member.
    #[error("a test is an object with one member, its operator; here is {0}")]
    NotATest(&'static str),
    /// No such operator.
    #[error("there is no operator {0:?}")]
    Operator(String),
    /// Not what the operator takes.
    #[error("{0} takes {1}")]
    Operands(&'static str, &'static str),
    /// Nothing that is asked about.
    #[error("{0} compares two literals, which is always the same; name an attribute")]
    Constant(&'static str),
    /// An attribute that cannot be.
    #[error(
        "an attribute is subject., resource., action. or context. and a name of letters, digits and . _ : -; not {0:?}"
    )]
    Attribute(String),
    /// A literal of a kind that the operator cannot use.
    #[error("{0} cannot be asked of {1}")]
    IllTyped(&'static str, &'static str),
    /// Not an address range.
    #[error("{0:?} is no address range such as 10.0.0.0/8")]
    Range(String),
    /// Not a time window.
    #[error(
        "a time window is {{from, to}} as HH:MM, not equal, and may have days (mon … sun) and utc_offset (+HH:MM)"
    )]
    TimeWindow,
}

impl Condition {
    /// Its one JSON form, the same for equal conditions.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts, numbers and lists are JSON")
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    All(Vec<Test>),
    Any(Vec<Test>),
    Not(Box<Test>),
    Compare(Comparison, Operand, Operand),
    Exists(Attribute),
    IpInRange(Operand, Vec<IpNet>),
    TimeWindow(TimeWindow),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    Contains,
    StartsWith,
}

impl Comparison {
    const ALL: [Self; 9] = [
        Self::Eq,
        Self::Ne,
        Self::Lt,
        Self::Le,
        Self::Gt,
        Self::Ge,
        Self::In,
        Self::Contains,
        Self::StartsWith,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Lt => "lt",
            Self::Le => "le",
            Self::Gt => "gt",
            Self::Ge => "ge",
            Self::In => "in",
            Self::Contains => "contains",
            Self::StartsWith => "starts_with",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Operand {
    Attribute(Attribute),
    Literal(Value),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Attribute {
    of: Source,
    name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Subject,
    Resource,
    Action,
    Context,
}

impl Source {
    const ALL: [Self; 4] = [Self::Subject, Self::Resource, Self::Action, Self::Context];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Resource => "resource",
            Self::Action => "action",
            Self::Context => "context",
        }
    }
}

/// A stretch of each day, or of some days of the week, at a fixed distance from UTC. One that ends before it begins
/// goes over midnight and belongs to the day on which it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TimeWindow {
    /// Minutes after midnight.
    from: u16,
    to: u16,
    /// A bit a day, Monday first.
    days: u8,
    /// Minutes.
    utc_offset: i16,
}

const EVERY_DAY: u8 = 0b111_1111;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Serialize for Test {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut test = serializer.serialize_map(Some(1))?;
        match self {
            Self::All(tests) => test.serialize_entry("all", tests)?,
            Self::Any(tests) => test.serialize_entry("any", tests)?,
            Self::Not(negated) => test.serialize_entry("not", negated)?,
            Self::Compare(comparison, left, right) => {
                test.serialize_entry(comparison.as_str(), &(left, right))?;
            }
            Self::Exists(attribute) => test.serialize_entry("exists", attribute)?,
            Self::IpInRange(address, ranges) => {
                let ranges: Vec<String> = ranges.iter().map(IpNet::to_string).collect();
                test.serialize_entry("ip_in_range", &(address, ranges))?;
            }
            Self::TimeWindow(window) => test.serialize_entry("time_window", window)?,
        }
        test.end()
    }
}

impl Serialize for Operand {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Attribute(attribute) => attribute.serialize(serializer),
            Self::Literal(value) => value.serialize(serializer),
        }
    }
}

impl Serialize for Attribute {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut attribute = serializer.serialize_map(Some(1))?;
        attribute.serialize_entry("attribute", &format_args!("{}.{}", self.of.as_str(), self.name))?;
        attribute.end()
    }
}

impl Serialize for TimeWindow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let clock = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        let mut window = serializer.serialize_map(None)?;
        window.serialize_entry("from", &clock(self.from))?;
        window.serialize_entry("to", &clock(self.to))?;
        if self.days != EVERY_DAY {
            let days: Vec<&str> =
                (0..7).filter(|day| self.days >> day & 1 == 1).map(|day| DAYS[day]).collect();
            window.serialize_entry("days", &days)?;
        }
        if self.utc_offset != 0 {
            let sign = if self.utc_offset < 0 { '-' } else { '+' };
            window
                .serialize_entry("utc_offset", &format!("{sign}{}", clock(self.utc_offset.unsigned_abs())))?;
        }
        window.end()
    }
}
