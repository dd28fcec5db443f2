//! What conditions can ask about: flat attributes of subjects, objects, actions and the request.

use serde::ser::{Serialize, Serializer};

use crate::json::{Json, JsonError};

/// The most bytes of stored attributes as JSON.
pub const MAX_ATTRIBUTES_BYTES: usize = 4096;
/// The most characters of an attribute's name.
pub const MAX_ATTRIBUTE_NAME: usize = 64;

/// What an attribute or a literal is: a scalar, or a list of scalars.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number; never NaN or infinite, since it comes from JSON.
    Float(f64),
    /// Text.
    Text(String),
    /// Scalars.
    List(Vec<Value>),
}

/// Attributes by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes(
    /// Sorted by name, each once.
    Vec<(String, Value)>,
);

/// Why attributes cannot be stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttributesError {
    /// More than [`MAX_ATTRIBUTES_BYTES`].
    #[error("attributes have at most {MAX_ATTRIBUTES_BYTES} bytes")]
    TooLarge,
    /// Not JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// Not an object, or a member that is neither a scalar nor a list of scalars.
    #[error(
        "attributes are one flat JSON object of texts, numbers, truth values, and lists of them: {0} is {1}"
    )]
    NotFlat(String, &'static str),
    /// A name outside the grammar.
    #[error("an attribute's name has 1 to {MAX_ATTRIBUTE_NAME} letters, digits and . _ : - only: {0:?}")]
    Name(String),
}

impl Attributes {
    /// None.
    pub const NONE: &'static Self = &Self(Vec::new());

    /// Reads attributes to be stored: a flat JSON object of at most 4 KB.
    ///
    /// # Errors
    /// [`AttributesError`].
    pub fn parse(text: &str) -> Result<Self, AttributesError> {
        if text.len() > MAX_ATTRIBUTES_BYTES {
            return Err(AttributesError::TooLarge);
        }
        let members = match Json::parse(text)? {
            Json::Object(members) => members,
            other => return Err(AttributesError::NotFlat("the whole".to_owned(), other.kind())),
        };
        let mut attributes = Vec::with_capacity(members.len());
        for (name, json) in members {
            if !is_attribute_name(&name) {
                return Err(AttributesError::Name(name));
            }
            let kind = json.kind();
            match Value::of(json) {
                Some(value) => attributes.push((name, value)),
                None => return Err(AttributesError::NotFlat(name, kind)),
            }
        }
        Ok(attributes.into_iter().collect())
    }

    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let place = self.0.binary_search_by(|(known, _)| known.as_str().cmp(name)).ok()?;
        Some(&self.0[place].1)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The first of two with one name stays.
impl FromIterator<(String, Value)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(attributes: I) -> Self {
        let mut attributes: Vec<_> = attributes.into_iter().collect();
        attributes.sort_by(|(a, _), (b, _)| a.cmp(b));
        attributes.dedup_by(|(a, _), (b, _)| a == b);
        Self(attributes)
    }
}

impl Serialize for Attributes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl Value {
    /// A scalar or a list of scalars; null, objects and nested lists are neither.
    pub(crate) fn of(json: Json) -> Option<Self> {
        match json {
            Json::List(elements) => {
                elements.into_iter().map(Self::scalar).collect::<Option<_>>().map(Self::List)
            }
            other => Self::scalar(other),
        }
    }

    fn scalar(json: Json) -> Option<Self> {
        match json {
            Json::Bool(value) => Some(Self::Bool(value)),
            Json::Integer(value) => Some(Self::Integer(value)),
            Json::Float(value) => Some(Self::Float(value)),
            Json::Text(value) => Some(Self::Text(value)),
            Json::Null | Json::List(_) | Json::Object(_) => None,
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Integer(value) => serializer.serialize_i64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::List(values) => serializer.collect_seq(values),
        }
    }
}

/// Whether an attribute may be called so.
pub(crate) fn is_attribute_name(name: &str) -> bool {
    (1..=MAX_ATTRIBUTE_NAME).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_attributes_are_flat_small_and_well_named() {
        let text = r#"{"b":[1,"x"],"a":true,"c":1.5}"#;
        let attributes = Attributes::parse(text).expect("flat");
        assert_eq!(attributes.get("a"), Some(&Value::Bool(true)));
        assert_eq!(attributes.get("d"), None);
        assert_eq!(serde_json::to_string(&attributes).expect("json"), r#"{"a":true,"b":[1,"x"],"c":1.5}"#);

        let error = |text: &str| Attributes::parse(text).expect_err(text);
        assert_eq!(error("[]"), AttributesError::NotFlat("the whole".to_owned(), "a list"));
        assert_eq!(error(r#"{"a":{}}"#), AttributesError::NotFlat("a".to_owned(), "an object"));
        assert_eq!(error(r#"{"a":null}"#), AttributesError::NotFlat("a".to_owned(), "null"));
        assert_eq!(error(r#"{"a":[[1]]}"#), AttributesError::NotFlat("a".to_owned(), "a list"));
        assert_eq!(error(r#"{"a b":1}"#), AttributesError::Name("a b".to_owned()));
        assert_eq!(error(r#"{"":1}"#), AttributesError::Name(String::new()));
        assert!(matches!(error(r#"{"a":1,"a":2}"#), AttributesError::Json(_)));
        assert_eq!(error(&format!(r#"{{"a":"{}"}}"#, "x".repeat(4096))), AttributesError::TooLarge);
    }
}
