//! JSON as others may send it: no member twice, nested at most 32 deep, whole numbers within 64 bits, others to 15 digits.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// The deepest that lists and objects may stand in each other.
pub(crate) const MAX_DEPTH: usize = 32;

/// A JSON text that was read strictly. Members keep their order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// Why a text is not JSON that we read; says where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the JSON that is read here: {0}")]
pub struct JsonError(String);

impl Json {
    /// Reads a whole text.
    pub(crate) fn parse(text: &str) -> Result<Self, JsonError> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let read = |reader: &mut serde_json::Deserializer<_>| {
            let json = At(0).deserialize(&mut *reader)?;
            reader.end()?;
            Ok(json)
        };
        read(&mut reader).map_err(|error: serde_json::Error| JsonError(error.to_string()))
    }

    /// What kind of thing it is, for messages.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a truth value",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

/// Reads a value that stands in so many others.
struct At(usize);

impl<'de> DeserializeSeed<'de> for At {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl At {
    fn deeper<E: Error>(&self) -> Result<Self, E> {
        if self.0 == MAX_DEPTH {
            return Err(E::custom(format_args!("nested deeper than {MAX_DEPTH}")));
        }
        Ok(Self(self.0 + 1))
    }
}

impl<'de> Visitor<'de> for At {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Integer(value))
    }

    // As a float it could equal a number that it is not.
    fn visit_u64<E: Error>(self, value: u64) -> Result<Json, E> {
        i64::try_from(value).map(Json::Integer).map_err(|_| E::custom("a whole number is beyond 64 bits"))
    }

    // To 15 digits, of which every one survives writing and reading. Of 17 the reader may miss the last, so that a number would
    // no longer equal itself after it was stored.
    fn visit_f64<E: Error>(self, value: f64) -> Result<Json, E> {
        let rounded = format!("{value:.14e}").parse().ok().filter(|rounded: &f64| rounded.is_finite());
        rounded.map(Json::Float).ok_or_else(|| E::custom("a number is too large"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element_seed(self.deeper()?)? {
            list.push(element);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut object: Vec<(String, Json)> = Vec::new();
        let mut names = std::collections::HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            if !names.insert(name.clone()) {
                return Err(A::Error::custom(format_args!("the member {name:?} stands twice")));
            }
            object.push((name, members.next_value_seed(self.deeper()?)?));
        }
        Ok(Json::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_read_strictly() {
        assert_eq!(
            Json::parse(r#"{"a":[1,-2.5,null],"b":true}"#),
            Ok(Json::Object(vec![
                ("a".to_owned(), Json::List(vec![Json::Integer(1), Json::Float(-2.5), Json::Null])),
                ("b".to_owned(), Json::Bool(true)),
            ]))
        );
        for bad in [
            "",
            "{",
            "1 2",
            r#"{"a":1,"a":2}"#,
            r#"{"a":1,"\u0061":2}"#,
            "9223372036854775808",
            "1e999",
            "1.7976931348623157e308",
            r#""\ud800""#,
            &format!("{}{}", "[".repeat(33), "]".repeat(33)),
            &"[".repeat(100_000),
        ] {
            assert!(Json::parse(bad).is_err(), "{bad:.40}");
        }
        assert!(Json::parse(&format!("{}{}", "[".repeat(32), "]".repeat(32))).is_ok());
        assert_eq!(Json::parse("0.30000000000000004"), Ok(Json::Float(0.3)));
    }
}
