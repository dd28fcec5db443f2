//! How answers look on the wire.

use serde::ser::{Serialize, SerializeMap, Serializer};

/// A map from object codes, in the order of the question, to the permission types held, sorted and each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PermissionMap(Vec<(String, Vec<String>)>);

impl PermissionMap {
    /// Adds `code` with `types`, unless it is there: a question asked twice is answered once.
    pub fn insert<'a>(&mut self, code: &str, types: impl Iterator<Item = &'a str>) {
        if self.0.iter().all(|(known, _)| known != code) {
            let mut types: Vec<String> = types.map(str::to_owned).collect();
            types.sort_unstable();
            types.dedup();
            self.0.push((code.to_owned(), types));
        }
    }

    /// The codes and their types, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(code, types)| (code.as_str(), types.as_slice()))
    }

    /// How many codes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for PermissionMap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

/// The answer of `GET …/Users/{id}/permissions`, in the form that both generations of clients read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiAnswer(pub PermissionMap);

impl ApiAnswer {
    /// The same answer in another shape.
    pub const fn in_shape(&self, shape: AnswerShape) -> ShapedAnswer<'_> {
        ShapedAnswer { map: &self.0, shape }
    }
}

impl Serialize for ApiAnswer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.in_shape(AnswerShape::Merged).serialize(serializer)
    }
}

/// For which generation of clients an answer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AnswerShape {
    /// For both: `permissions` for the newer, the same map flat for the older. A code equal to one of the body's own members
    /// stands in `permissions` only.
    #[default]
    Merged,
    /// `is_superuser` and `permissions` alone.
    Wrapped,
    /// The map alone.
    Flat,
}

/// An answer in a shape.
#[derive(Clone, Copy, Debug)]
pub struct ShapedAnswer<'a> {
    map: &'a PermissionMap,
    shape: AnswerShape,
}

impl Serialize for ShapedAnswer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.shape == AnswerShape::Flat {
            return self.map.serialize(serializer);
        }
        let mut body = serializer.serialize_map(None)?;
        // The console's flag; there is no console yet, so nobody has it.
        body.serialize_entry("is_superuser", &false)?;
        body.serialize_entry("permissions", self.map)?;
        if self.shape == AnswerShape::Merged {
            for (code, types) in
                self.map.iter().filter(|(code, _)| !matches!(*code, "is_superuser" | "permissions"))
            {
                body.serialize_entry(code, types)?;
            }
        }
        body.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_body_serves_both_generations() {
        let mut map = PermissionMap::default();
        map.insert("obj1", ["write", "read", "read"].into_iter());
        map.insert("obj2", std::iter::empty());
        map.insert("permissions", std::iter::empty());
        map.insert("is_superuser", ["x"].into_iter());
        let answer = ApiAnswer(map);
        let shaped = |shape| serde_json::to_string(&answer.in_shape(shape)).expect("json");
        assert_eq!(
            shaped(AnswerShape::Wrapped),
            r#"{"is_superuser":false,"permissions":{"obj1":["read","write"],"obj2":[],"permissions":[],"is_superuser":["x"]}}"#
        );
        assert_eq!(
            shaped(AnswerShape::Flat),
            r#"{"obj1":["read","write"],"obj2":[],"permissions":[],"is_superuser":["x"]}"#
        );
        assert_eq!(shaped(AnswerShape::Merged), serde_json::to_string(&answer).expect("json"));
        assert_eq!(
            serde_json::to_string(&answer).expect("json"),
            r#"{"is_superuser":false,"permissions":{"obj1":["read","write"],"obj2":[],"permissions":[],"is_superuser":["x"]},"obj1":["read","write"],"obj2":[]}"#
        );
    }
}
