//! Who may do what on which object: codes, answers and their shapes.
//!
//! Pure: it knows *nothing* of stores, clocks or HTTP. What a subject holds comes in as facts; the full engine
//! (nesting, delegation, conditions) replaces [`evaluate`] and nothing else.

mod answer;
mod attributes;
mod change;
mod code;
mod condition;
mod delegation;
mod grant;
mod graph;
mod group;
mod ids;
mod index;
mod json;
mod naive;
mod object;
mod permission_type;
mod question;
pub mod random_world;
mod subject;
mod validity;

use std::collections::BTreeMap;

pub use answer::{ApiAnswer, PermissionMap};
pub use attributes::{Attributes, AttributesError, MAX_ATTRIBUTE_NAME, MAX_ATTRIBUTES_BYTES, Value};
pub use change::{Change, FeedEntry, Record, Removed};
pub use code::{
    CodeError, MAX_OBJECT_CODE, MAX_TYPE_CODE, check_group_code, check_object_code, check_type_code,
};
pub use condition::{Condition, ConditionError, Entity, MAX_CONDITION_BYTES, MAX_NODES, Scene, Truth};
pub use delegation::{
    Branch, Delegation, Ending, LendFacts, LendRequest, LendSettings, Lent, MAX_HOPS, Party, Refusal,
    RightSource, Via, above, below, may_delegate, may_end,
};
pub use grant::{Delegable, GrantError, Holder, PermissionGrant, Target};
pub use graph::{EdgeError, check_edge};
pub use group::{Group, MAX_GROUP_DEPTH, Member, Membership, check_membership};
pub use ids::{ClientId, DelegationId, GroupId, ObjectId, PermissionGrantId, PermissionTypeId, UserId};
pub use index::{Index, IndexError, TooComplex, TooMany};
pub use json::JsonError;
pub use naive::World;
pub use object::{DEFAULT_OBJECT_TYPE, MAX_OBJECT_DEPTH, Object, check_parent};
pub use permission_type::{
    MAX_IMPLIED_DEPTH, MAX_PERMISSION_TYPES, PermissionType, PermissionTypeError, check_permission_type,
};
pub use question::{Circumstances, Question};
pub use subject::{Client, Subject, SubjectKind, User};
pub use validity::{NeverValid, Validity};

/// Evaluates a question about objects: for each of `requested`, in that order and each once, the permission types held.
///
/// `held` are the (object, type) pairs that live grants give the subject, directly or through groups; `visible` says which
/// objects the asker may see at all. An unknown, an invisible and an empty object answer alike.
pub fn evaluate<'a>(
    requested: impl IntoIterator<Item = &'a str>,
    held: &[(String, String)],
    visible: impl Fn(&str) -> bool,
) -> PermissionMap {
    let mut types_on: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (object, permission) in held {
        types_on.entry(object).or_default().push(permission);
    }
    let mut map = PermissionMap::default();
    for code in requested {
        let types = types_on.get(code).filter(|_| visible(code));
        map.insert(code, types.into_iter().flatten().copied());
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_invisible_and_empty_objects_answer_alike() {
        let held =
            [("a", "write"), ("a", "read"), ("hidden", "read")].map(|(o, t)| (o.to_owned(), t.to_owned()));
        let map = evaluate(["b", "a", "hidden", "a"], &held, |code| code != "hidden");
        assert_eq!(
            serde_json::to_string(&map).expect("json"),
            r#"{"b":[],"a":["read","write"],"hidden":[]}"#
        );
    }
}
