//! Reading a condition from JSON.

use ipnet::IpNet;

use super::{
    Attribute, Comparison, Condition, ConditionError, DAYS, EVERY_DAY, MAX_CONDITION_BYTES, MAX_NODES,
    Operand, Source, Test, TimeWindow,
};
use crate::attributes::{Value, is_attribute_name};
use crate::json::Json;

impl Condition {
    /// Reads a condition strictly: nothing unknown, nothing twice, nothing that could never be evaluated.
    ///
    /// # Errors
    /// [`ConditionError`].
    pub fn parse(text: &str) -> Result<Self, ConditionError> {
        if text.len() > MAX_CONDITION_BYTES {
            return Err(ConditionError::TooLarge);
        }
        let condition = Self(test(Json::parse(text)?, &mut 0)?);
        // The stored form has no spaces, but may spell characters and numbers longer.
        if condition.to_json().len() > MAX_CONDITION_BYTES {
            Err(ConditionError::TooLarge)
        } else {
            Ok(condition)
        }
    }
}

/// Reads one test; `nodes` counts them all.
fn test(json: Json, nodes: &mut usize) -> Result<Test, ConditionError> {
    *nodes += 1;
    if *nodes > MAX_NODES {
        return Err(ConditionError::TooManyNodes);
    }
    let kind = json.kind();
    let Json::Object(members) = json else { return Err(ConditionError::NotATest(kind)) };
    let [(operator, operands)] =
        <[_; 1]>::try_from(members).map_err(|_| ConditionError::NotATest("an object of another size"))?;
    match operator.as_str() {
        "all" => Ok(Test::All(tests("all", operands, nodes)?)),
        "any" => Ok(Test::Any(tests("any", operands, nodes)?)),
        "not" => Ok(Test::Not(Box::new(test(operands, nodes)?))),
        "exists" => match operand("exists", operands)? {
            Operand::Attribute(attribute) => Ok(Test::Exists(attribute)),
            Operand::Literal(_) => Err(ConditionError::Operands("exists", "an attribute")),
        },
        "ip_in_range" => ip_in_range(operands),
        "time_window" => time_window(operands).map(Test::TimeWindow).ok_or(ConditionError::TimeWindow),
        other => match Comparison::ALL.into_iter().find(|known| known.as_str() == other) {
            Some(comparison) => compare(comparison, operands),
            None => Err(ConditionError::Operator(operator)),
        },
    }
}

fn tests(operator: &'static str, json: Json, nodes: &mut usize) -> Result<Vec<Test>, ConditionError> {
    match json {
        // `all` of nothing would be true.
        Json::List(list) if !list.is_empty() => list.into_iter().map(|json| test(json, nodes)).collect(),
        _ => Err(ConditionError::Operands(operator, "a list of at least one test")),
    }
}

fn two(operator: &'static str, json: Json) -> Result<[Json; 2], ConditionError> {
    let Json::List(list) = json else {
        return Err(ConditionError::Operands(operator, "a list of two operands"));
    };
    list.try_into().map_err(|_| ConditionError::Operands(operator, "a list of two operands"))
}

fn operand(operator: &'static str, json: Json) -> Result<Operand, ConditionError> {
    match json {
        Json::Object(members) => match <[_; 1]>::try_from(members) {
            Ok([(member, Json::Text(path))]) if member == "attribute" => {
                attribute(&path).map(Operand::Attribute).ok_or(ConditionError::Attribute(path))
            }
            _ => Err(ConditionError::Operands(operator, "{\"attribute\": \"subject.…\"} or a literal")),
        },
        literal => Value::of(literal)
            .map(Operand::Literal)
            .ok_or(ConditionError::Operands(operator, "texts, numbers, truth values and lists of them")),
    }
}

fn attribute(path: &str) -> Option<Attribute> {
    let (source, name) = path.split_once('.')?;
    let of = Source::ALL.into_iter().find(|known| known.as_str() == source)?;
    is_attribute_name(name).then(|| Attribute { of, name: name.to_owned() })
}

fn compare(comparison: Comparison, operands: Json) -> Result<Test, ConditionError> {
    let operator = comparison.as_str();
    let [left, right] = two(operator, operands)?;
    let (left, right) = (operand(operator, left)?, operand(operator, right)?);
    if let (Operand::Literal(_), Operand::Literal(_)) = (&left, &right) {
        return Err(ConditionError::Constant(operator));
    }
    let wrong = |value: &Value| Err(ConditionError::IllTyped(operator, kind(value)));
    for (operand, is_left) in [(&left, true), (&right, false)] {
        let Operand::Literal(value) = operand else { continue };
        let is_scalar = !matches!(value, Value::List(_));
        let fits = match comparison {
            Comparison::Eq | Comparison::Ne => is_scalar,
            Comparison::Lt | Comparison::Le | Comparison::Gt | Comparison::Ge => {
                matches!(value, Value::Integer(_) | Value::Float(_) | Value::Text(_))
            }
            Comparison::In => is_scalar == is_left,
            Comparison::Contains if is_left => matches!(value, Value::List(_) | Value::Text(_)),
            Comparison::Contains => is_scalar,
            Comparison::StartsWith => matches!(value, Value::Text(_)),
        };
        if !fits {
            return wrong(value);
        }
    }
    Ok(Test::Compare(comparison, left, right))
}

fn ip_in_range(operands: Json) -> Result<Test, ConditionError> {
    let [address, ranges] = two("ip_in_range", operands)?;
    let address = operand("ip_in_range", address)?;
    if let Operand::Literal(_) = address {
        return Err(ConditionError::Constant("ip_in_range"));
    }
    let ranges = match ranges {
        Json::Text(range) => vec![Json::Text(range)],
        Json::List(ranges) if !ranges.is_empty() => ranges,
        _ => {
            return Err(ConditionError::Operands(
                "ip_in_range",
                "an address and a range or a list of ranges",
            ));
        }
    };
    let range = |json| match json {
        Json::Text(text) => match text.parse::<IpNet>() {
            // 10.0.0.1/8 may mean one address or sixteen million.
            Ok(range) if range.addr() == range.network() => Ok(range),
            _ => Err(ConditionError::Range(text)),
        },
        other => Err(ConditionError::IllTyped("ip_in_range", other.kind())),
    };
    Ok(Test::IpInRange(address, ranges.into_iter().map(range).collect::<Result<_, _>>()?))
}

fn time_window(json: Json) -> Option<TimeWindow> {
    let Json::Object(members) = json else { return None };
    let (mut from, mut to) = (None, None);
    let (mut days, mut utc_offset) = (EVERY_DAY, 0);
    for (name, json) in members {
        match (name.as_str(), json) {
            ("from", Json::Text(text)) => from = Some(minutes(&text)?),
            ("to", Json::Text(text)) => to = Some(minutes(&text)?),
            ("utc_offset", Json::Text(text)) => {
                let (sign, rest) = match text.split_at_checked(1)? {
                    ("+", rest) => (1, rest),
                    ("-", rest) => (-1, rest),
                    _ => return None,
                };
                // From Baker Island to Kiritimati.
                let minutes = i16::try_from(minutes(rest)?).ok().filter(|minutes| *minutes <= 14 * 60)?;
                utc_offset = sign * minutes;
            }
            ("days", Json::List(list)) if !list.is_empty() => {
                days = 0;
                for day in list {
                    let Json::Text(day) = day else { return None };
                    days |= 1 << DAYS.iter().position(|known| *known == day)?;
                }
            }
            _ => return None,
        }
    }
    let (from, to) = (from?, to?);
    (from != to).then_some(TimeWindow { from, to, days, utc_offset })
}

/// Minutes after midnight of `HH:MM`.
fn minutes(clock: &str) -> Option<u16> {
    let digit = |place: usize| {
        clock.as_bytes().get(place).filter(|b| b.is_ascii_digit()).map(|b| u16::from(b - b'0'))
    };
    if clock.len() != 5 || clock.as_bytes()[2] != b':' {
        return None;
    }
    let (hours, minutes) = (digit(0)? * 10 + digit(1)?, digit(3)? * 10 + digit(4)?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "a truth value",
        Value::Integer(_) | Value::Float(_) => "a number",
        Value::Text(_) => "text",
        Value::List(_) => "a list",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: &str = r#"{"eq":[{"attribute":"resource.owner"},{"attribute":"subject.email"}]}"#;

    #[test]
    fn a_condition_comes_back_as_it_was_said() {
        let all = format!(
            r#"{{"all":[{OWNER},{}]}}"#,
            [
                r#"{"any":[{"ne":[{"attribute":"action.name"},"read"]},{"lt":[{"attribute":"context.amount"},100]}]}"#,
                r#"{"not":{"exists":{"attribute":"subject.left"}}}"#,
                r#"{"in":[{"attribute":"subject.team"},["a","b",3,true,1.5]]}"#,
                r#"{"contains":[{"attribute":"subject.roles"},"boss"]}"#,
                r#"{"contains":["a,b",{"attribute":"subject.x"}]}"#,
                r#"{"starts_with":[{"attribute":"resource.id"},"shop/"]}"#,
                r#"{"ip_in_range":[{"attribute":"context.ip"},["10.0.0.0/8","fd00::/8"]]}"#,
                r#"{"time_window":{"from":"22:00","to":"06:00","days":["mon","sun"],"utc_offset":"-03:30"}}"#,
                r#"{"time_window":{"from":"00:00","to":"23:59"}}"#,
            ]
            .join(",")
        );
        assert_eq!(Condition::parse(&all).expect("every operator").to_json(), all);
    }

    #[test]
    fn a_condition_that_could_never_be_evaluated_is_refused() {
        use ConditionError as E;
        let error = |text: &str| Condition::parse(text).expect_err(text);
        let of = |operator: &str, operands: &str| error(&format!(r#"{{"{operator}":{operands}}}"#));
        const A: &str = r#"{"attribute":"context.a"}"#;

        assert!(matches!(error("{"), E::Json(_)));
        assert!(
            matches!(error(&format!(r#"{{"not":{OWNER},"not":{OWNER}}}"#)), E::Json(_)),
            "a member twice"
        );
        assert_eq!(error("[]"), E::NotATest("a list"));
        assert_eq!(error("{}"), E::NotATest("an object of another size"));
        assert_eq!(
            error(&format!(r#"{{"not":{OWNER},"all":[]}}"#)),
            E::NotATest("an object of another size")
        );
        assert_eq!(of("like", "[1,2]"), E::Operator("like".to_owned()));
        assert_eq!(of("all", "[]"), E::Operands("all", "a list of at least one test"));
        assert_eq!(of("eq", "[1]"), E::Operands("eq", "a list of two operands"));
        assert_eq!(of("eq", "1"), E::Operands("eq", "a list of two operands"));
        assert_eq!(of("eq", "[1,2]"), E::Constant("eq"));
        assert_eq!(of("exists", "\"a\""), E::Operands("exists", "an attribute"));
        for path in ["subject", "subject.", "user.a", "Subject.a", "subject.a b", "context.ä", ""] {
            let text = format!(r#"[{{"attribute":"{path}"}},1]"#);
            assert_eq!(of("eq", &text), E::Attribute(path.to_owned()));
        }
        assert!(matches!(of("eq", &format!(r#"[{{"attr":"subject.a"}},{A}]"#)), E::Operands(..)));
        assert!(matches!(of("eq", &format!("[null,{A}]")), E::Operands(..)));
        assert_eq!(of("eq", &format!("[[1],{A}]")), E::IllTyped("eq", "a list"));
        assert_eq!(of("lt", &format!("[true,{A}]")), E::IllTyped("lt", "a truth value"));
        assert_eq!(of("in", &format!("[{A},1]")), E::IllTyped("in", "a number"));
        assert_eq!(of("in", &format!("[[1],{A}]")), E::IllTyped("in", "a list"));
        assert_eq!(of("contains", &format!("[1,{A}]")), E::IllTyped("contains", "a number"));
        assert_eq!(of("contains", &format!("[{A},[1]]")), E::IllTyped("contains", "a list"));
        assert_eq!(of("starts_with", &format!("[{A},1]")), E::IllTyped("starts_with", "a number"));
        for range in ["10.0.0.1/8", "10.0.0.0/33", "10.0.0.0", "x"] {
            assert_eq!(of("ip_in_range", &format!(r#"[{A},"{range}"]"#)), E::Range(range.to_owned()));
        }
        assert_eq!(of("ip_in_range", r#"["10.0.0.1","10.0.0.0/8"]"#), E::Constant("ip_in_range"));
        assert_eq!(of("ip_in_range", &format!("[{A},[1]]")), E::IllTyped("ip_in_range", "a number"));
        for window in [
            "1",
            r#"{"from":"08:00"}"#,
            r#"{"from":"08:00","to":"08:00"}"#,
            r#"{"from":"8:00","to":"09:00"}"#,
            r#"{"from":"08:00","to":"24:00"}"#,
            r#"{"from":"08:00","to":"09:60"}"#,
            r#"{"from":"08:00","to":"09:00","days":[]}"#,
            r#"{"from":"08:00","to":"09:00","days":["Mon"]}"#,
            r#"{"from":"08:00","to":"09:00","utc_offset":"01:00"}"#,
            r#"{"from":"08:00","to":"09:00","utc_offset":"+15:00"}"#,
            r#"{"from":"08:00","to":"09:00","zone":"UTC"}"#,
        ] {
            assert_eq!(of("time_window", window), E::TimeWindow, "{window}");
        }
    }

    #[test]
    fn a_condition_has_32_nodes_and_4_kilobytes_at_most() {
        let any = |tests: usize| format!(r#"{{"any":[{}]}}"#, vec![OWNER; tests].join(","));
        assert!(Condition::parse(&any(31)).is_ok());
        assert_eq!(Condition::parse(&any(32)), Err(ConditionError::TooManyNodes));
        let long = format!(r#"{{"eq":[{{"attribute":"subject.a"}},"{}"]}}"#, "x".repeat(4096));
        assert_eq!(Condition::parse(&long), Err(ConditionError::TooLarge));
        let short = format!(r#"{{"in":[{{"attribute":"subject.a"}},[{}]]}}"#, vec!["1e15"; 500].join(","));
        assert_eq!(Condition::parse(&short), Err(ConditionError::TooLarge), "as it would be stored");
        let nested = format!("{}{OWNER}{}", r#"{"not":"#.repeat(33), "}".repeat(33));
        assert!(Condition::parse(&nested).is_err(), "nested 33 deep");
    }
}
