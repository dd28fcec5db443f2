//! What a user may do on which object, as the provider says it.

use std::collections::BTreeMap;

use authmachine_protocol::claims_request::AUTHMACHINE_PERMISSIONS;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Error;

/// Permission types by object code. What is not in it is not allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Permissions(BTreeMap<String, Vec<String>>);

/// The user lacks a permission.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("permission {permission_type:?} on {object:?} is missing")]
pub struct Forbidden {
    /// What was needed.
    pub permission_type: String,
    /// On which object.
    pub object: String,
}

/// Why somebody is not let through. As an answer of axum's it is 403 for [`Forbidden`] and 503 where nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// They lack a permission.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// What they may do is not known, which is no permission.
    #[error("what the user may do is not known: {0}")]
    NotKnown(#[from] Error),
}

impl Permissions {
    /// Whether `permission_type` is held on `object`.
    pub fn has(&self, permission_type: &str, object: &str) -> bool {
        self.on(object).iter().any(|held| held == permission_type)
    }

    /// `Ok` only if `permission_type` is held on `object`.
    ///
    /// # Errors
    /// [`Forbidden`], which axum answers with 403.
    pub fn require(&self, permission_type: &str, object: &str) -> Result<(), Forbidden> {
        if self.has(permission_type, object) {
            return Ok(());
        }
        Err(Forbidden { permission_type: permission_type.to_owned(), object: object.to_owned() })
    }

    /// The types held on `object`.
    pub fn on(&self, object: &str) -> &[String] {
        self.0.get(object).map_or(&[], Vec::as_slice)
    }

    /// Each object that was asked for, with the types held on it, which may be none.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(object, types)| (object.as_str(), types.as_slice()))
    }

    /// Whether no object is named.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads the claim out of a user's claims: a map of objects, or a list of `object:type`. What has another form is
    /// no permission.
    pub(crate) fn from_claims(claims: &Map<String, Value>) -> Self {
        match claims.get(AUTHMACHINE_PERMISSIONS) {
            Some(Value::Object(map)) => Self::from_map(map),
            Some(Value::Array(list)) => {
                let mut permissions = Self::default();
                // An object code may hold colons; a type may not.
                for (object, held) in list.iter().filter_map(|one| one.as_str()?.rsplit_once(':')) {
                    permissions.0.entry(object.to_owned()).or_default().push(held.to_owned());
                }
                permissions
            }
            _ => Self::default(),
        }
    }

    /// Reads the API's answer about `objects`, or about all of them if none is named: wrapped in `permissions`, or flat.
    pub(crate) fn from_answer(answer: &Map<String, Value>, objects: &[&str]) -> Self {
        let mut all = match answer.get("permissions") {
            Some(Value::Object(wrapped)) => Self::from_map(wrapped),
            // A list under that name is the flat form about an object of that name.
            _ => Self::from_map(answer),
        };
        if !objects.is_empty() {
            all.0.retain(|object, _| objects.contains(&object.as_str()));
        }
        all
    }

    fn from_map(map: &Map<String, Value>) -> Self {
        let types = |value: &Value| -> Option<Vec<String>> {
            value.as_array()?.iter().map(|one| one.as_str().map(str::to_owned)).collect()
        };
        Self(map.iter().filter_map(|(object, value)| Some((object.clone(), types(value)?))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(value: Value, objects: &[&str]) -> Value {
        serde_json::to_value(Permissions::from_answer(value.as_object().expect("an object"), objects))
            .expect("JSON")
    }

    #[test]
    fn both_shapes_of_the_api_are_read() {
        let both = json!({
            "is_superuser": false, "permissions": {"obj1": ["read", "write"], "obj2": []},
            "obj1": ["read", "write"], "obj2": []
        });
        let read = json!({"obj1": ["read", "write"], "obj2": []});
        assert_eq!(answer(both, &["obj1", "obj2"]), read);
        assert_eq!(answer(json!({"is_superuser": false, "permissions": read}), &[]), read);
        assert_eq!(answer(read.clone(), &["obj1", "obj2"]), read);
        assert_eq!(answer(read, &["obj2"]), json!({"obj2": []}));
        let superuser = json!({"is_superuser": true, "permissions": {"obj1": []}});
        assert_eq!(answer(superuser, &["obj1", "is_superuser"]), json!({"obj1": []}), "adds nothing");
        let more = json!({"permissions": {"obj1": ["read"], "obj3": ["read"]}, "obj3": ["read"]});
        assert_eq!(answer(more, &["obj1"]), json!({"obj1": ["read"]}), "what was not asked for");
        assert_eq!(
            answer(json!({"permissions": ["read"]}), &["permissions"]),
            json!({"permissions": ["read"]})
        );
    }

    #[test]
    fn cl6_what_cannot_be_read_is_no_permission() {
        for bad in [
            json!({}),
            json!({"a": "read"}),
            json!({"a": [1]}),
            json!({"a": {"read": true}}),
            json!({"a": null}),
            json!({"a": ["write", 1]}),
        ] {
            assert_eq!(answer(bad.clone(), &["a"]), json!({}), "{bad}");
            assert_eq!(answer(json!({"permissions": bad}), &["a"]), json!({}), "wrapped: {bad}");
            let claims = json!({AUTHMACHINE_PERMISSIONS: bad});
            assert!(!Permissions::from_claims(claims.as_object().expect("object")).has("read", "a"), "{bad}");
        }
    }

    #[test]
    fn a_permission_is_required_by_type_and_object() {
        for claim in [json!({"object1": ["read"]}), json!(["object1:read"])] {
            let claims = json!({AUTHMACHINE_PERMISSIONS: claim});
            let permissions = Permissions::from_claims(claims.as_object().expect("object"));
            assert_eq!(permissions.require("read", "object1"), Ok(()));
            assert!(permissions.require("write", "object1").is_err());
            assert!(permissions.require("read", "object2").is_err());
            assert!(permissions.require("object1", "read").is_err());
        }
    }
}
