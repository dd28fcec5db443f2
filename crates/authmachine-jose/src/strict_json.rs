//! JSON from strangers: one reading only, and no deeper than anybody needs.
//!
//! `serde_json` alone lets a repeated member win silently, so two readers of one token could see two subjects.

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::{cell::Cell, fmt};

/// Levels of objects and arrays, the outermost counted.
pub const MAX_DEPTH: usize = 32;

/// Why a text is not taken as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not JSON (RFC 8259), or something stands after it.
    #[error("not valid JSON")]
    Malformed,
    /// JSON, but no object.
    #[error("not a JSON object")]
    NotAnObject,
    /// An object, at any depth, names a member twice (RFC 7515 §4, RFC 7519 §4).
    #[error("a JSON member is given twice")]
    DuplicateMember,
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("JSON nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
}

/// Reads one JSON object and nothing after it.
///
/// # Errors
/// See [`JsonError`].
pub fn parse_object(json: &[u8]) -> Result<Map<String, Value>, JsonError> {
    let fault = Cell::new(JsonError::Malformed);
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let value = Strict { room: MAX_DEPTH, fault: &fault }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|_| fault.get())?;
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(JsonError::NotAnObject),
    }
}

/// Reads a value with `room` levels left, and notes in `fault` what serde's error cannot carry.
#[derive(Clone, Copy)]
struct Strict<'a> {
    room: usize,
    fault: &'a Cell<JsonError>,
}

impl Strict<'_> {
    fn fail<E: serde::de::Error>(self, fault: JsonError) -> E {
        self.fault.set(fault);
        E::custom(fault)
    }

    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        let room = self.room.checked_sub(1).ok_or_else(|| self.fail(JsonError::TooDeep))?;
        Ok(Self { room, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            array.push(item);
        }
        Ok(array.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(self.fail(JsonError::DuplicateMember));
            }
            object.insert(name, members.next_value_seed(inner)?);
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nested(levels: usize) -> String {
        format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels))
    }

    #[test]
    fn jw4_an_object_reads_as_serde_json_reads_it() {
        for json in [
            "{}",
            r#" {"a" : [1, -2, 2.5, 1e3, 18446744073709551615, null, true, "\u00e9\n", {"b": []}], "c": {}} "#,
            r#"{"a":{"x":1},"b":{"x":2}}"#,
            &nested(MAX_DEPTH),
        ] {
            assert_eq!(parse_object(json.as_bytes()), Ok(serde_json::from_str(json).unwrap()), "{json}");
        }
    }

    #[test]
    fn jw4_what_can_be_read_in_two_ways_is_refused() {
        let mixed_depth = format!(r#"{{"a":{}{}}}"#, "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
        for (json, error) in [
            (r#"{"sub":"a","sub":"b"}"#, JsonError::DuplicateMember),
            (r#"{"sub":"a","\u0073ub":"a"}"#, JsonError::DuplicateMember),
            (r#"{"a":[{"b":{"c":1,"d":2,"c":1}}]}"#, JsonError::DuplicateMember),
            (&nested(MAX_DEPTH + 1), JsonError::TooDeep),
            (&nested(5_000), JsonError::TooDeep),
            (&mixed_depth, JsonError::TooDeep),
            ("[]", JsonError::NotAnObject),
            ("\"{}\"", JsonError::NotAnObject),
            ("null", JsonError::NotAnObject),
            ("", JsonError::Malformed),
            ("{} {}", JsonError::Malformed),
            ("{}\u{0}", JsonError::Malformed),
            ("\u{feff}{}", JsonError::Malformed),
            (r#"{"a":1,}"#, JsonError::Malformed),
            (r#"{"a":1e999}"#, JsonError::Malformed),
            (r#"{"a":NaN}"#, JsonError::Malformed),
            (r#"{"a":"\ud800"}"#, JsonError::Malformed),
            (r#"{'a':1}"#, JsonError::Malformed),
        ] {
            assert_eq!(parse_object(json.as_bytes()), Err(error), "{json:.60}");
        }
        assert_eq!(parse_object(b"{\"a\":\"\xff\"}"), Err(JsonError::Malformed));
    }

    proptest! {
        #[test]
        fn jw4_no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = parse_object(&bytes);
        }

        #[test]
        fn jw4_it_takes_nothing_that_serde_json_refuses(json in r#"[\{\}\[\]":,a-b0-1\. ]{0,24}"#) {
            if let Ok(object) = parse_object(json.as_bytes()) {
                prop_assert_eq!(object, serde_json::from_str::<Map<String, Value>>(&json).unwrap());
            }
        }
    }
}
