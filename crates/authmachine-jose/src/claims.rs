//! Readers for claims, strict about types: a claim of the wrong type is an error and never a missing claim,
//! nor is `null` (checklist JW5).

use serde_json::{Map, Value};

/// A claim is there but not of its type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("claim {claim} is not {expected}")]
pub struct ClaimError {
    /// The claim's name.
    pub claim: String,
    /// What it must be, in words: «a string».
    pub expected: &'static str,
}

/// A claim that is a string, as `iss`, `sub`, `nonce`.
///
/// # Errors
/// The claim has another type.
pub fn string<'a>(claims: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, ClaimError> {
    typed(claims, name, "a string", Value::as_str)
}

/// A claim that is `true` or `false`, as `email_verified`.
///
/// # Errors
/// The claim has another type; `"true"` is one.
pub fn boolean(claims: &Map<String, Value>, name: &str) -> Result<Option<bool>, ClaimError> {
    typed(claims, name, "true or false", Value::as_bool)
}

/// `aud` (RFC 7519 §4.1.3): one string, or an array of strings.
///
/// # Errors
/// The claim has another type, also if just one element has.
pub fn audience(claims: &Map<String, Value>) -> Result<Option<Vec<&str>>, ClaimError> {
    typed(claims, "aud", "a string or an array of strings", |value| match value {
        Value::String(one) => Some(vec![one.as_str()]),
        Value::Array(many) => many.iter().map(Value::as_str).collect(),
        _ => None,
    })
}

/// A `NumericDate` (RFC 7519 §2) in seconds since 1970, as `exp`, `iat`, `auth_time`; a fraction is cut off, downwards.
///
/// # Errors
/// The claim is no number, or so large that its milliseconds do not fit an `i64`.
pub fn numeric_date(claims: &Map<String, Value>, name: &str) -> Result<Option<i64>, ClaimError> {
    const LIMIT: i64 = i64::MAX / 1_000;
    typed(claims, name, "a time in seconds since 1970", |value| {
        let whole = value.as_i64().or_else(|| {
            let seconds = value.as_f64()?.floor();
            // Within the limit the conversion is exact enough: it cuts nothing but what floor left.
            (seconds.abs() <= LIMIT as f64).then_some(seconds as i64)
        })?;
        (-LIMIT..=LIMIT).contains(&whole).then_some(whole)
    })
}

fn typed<'a, T>(
    claims: &'a Map<String, Value>,
    name: &str,
    expected: &'static str,
    read: impl FnOnce(&'a Value) -> Option<T>,
) -> Result<Option<T>, ClaimError> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    read(value).map(Some).ok_or_else(|| ClaimError { claim: name.to_owned(), expected })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn jw5_an_absent_claim_is_none() {
        let none = Map::new();
        assert_eq!(string(&none, "iss"), Ok(None));
        assert_eq!(boolean(&none, "email_verified"), Ok(None));
        assert_eq!(audience(&none), Ok(None));
        assert_eq!(numeric_date(&none, "exp"), Ok(None));
    }

    #[test]
    fn jw5_a_claim_of_its_type_is_read() {
        let claims = object(json!({"iss": "", "yes": true, "aud": ["a", "b"], "exp": 1_300_819_380}));
        assert_eq!(string(&claims, "iss"), Ok(Some("")));
        assert_eq!(boolean(&claims, "yes"), Ok(Some(true)));
        assert_eq!(audience(&claims), Ok(Some(vec!["a", "b"])));
        assert_eq!(numeric_date(&claims, "exp"), Ok(Some(1_300_819_380)));
        assert_eq!(audience(&object(json!({"aud": "a"}))), Ok(Some(vec!["a"])));
        assert_eq!(audience(&object(json!({"aud": []}))), Ok(Some(vec![])));
    }

    #[test]
    fn jw5_another_type_is_refused_and_never_read_as_absent() {
        for value in [json!(null), json!(1), json!(true), json!([]), json!(["a"]), json!({})] {
            assert!(string(&object(json!({"iss": value})), "iss").is_err(), "{value}");
        }
        for value in [json!(null), json!(1), json!(0), json!("true"), json!([true])] {
            assert!(boolean(&object(json!({"b": value})), "b").is_err(), "{value}");
        }
        for value in [json!(null), json!(1), json!({}), json!(["a", 1]), json!([["a"]]), json!([null])] {
            assert!(audience(&object(json!({"aud": value}))).is_err(), "{value}");
        }
        let error = numeric_date(&object(json!({"exp": "1300819380"})), "exp").unwrap_err();
        assert_eq!(error.to_string(), "claim exp is not a time in seconds since 1970");
    }

    #[test]
    fn jw5_times_are_whole_seconds_within_bounds() {
        let exp = |value: Value| numeric_date(&object(json!({"exp": value})), "exp").ok().flatten();
        assert_eq!(exp(json!(10.9)), Some(10));
        assert_eq!(exp(json!(-10.1)), Some(-11));
        assert_eq!(exp(json!(1.3e9)), Some(1_300_000_000));
        assert_eq!(exp(json!(i64::MAX / 1_000)), Some(i64::MAX / 1_000));
        let refused = [
            json!(null),
            json!(true),
            json!([1]),
            json!("1"),
            json!(1e300),
            json!(-1e300),
            json!(u64::MAX),
            json!(i64::MAX),
            json!(i64::MIN),
        ];
        for value in refused {
            assert_eq!(exp(value.clone()), None, "{value}");
        }
    }
}
