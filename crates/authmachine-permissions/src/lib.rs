//! Who may do what on which object, through whom, and why.
//!
//! Pure: it knows *nothing* of stores, clocks or HTTP. Records come in as facts, the time as an argument.
//!
//! - **Records**: [`User`], [`Client`], [`Group`], [`Membership`], [`Object`], [`PermissionType`], [`PermissionGrant`],
//!   [`Delegation`], each with a check for what may be written.
//! - **The definition** is [`World`]: plain lists, obviously right, slow.
//! - **The index** is [`Index`]: the same answers in a microsecond, from memory. [`Index::check`], [`Index::map`],
//!   [`Index::objects_of`], [`Index::subjects_of`], [`Index::explain`].
//! - **Conditions** are [`Condition`], a closed language of tests on attributes.
//! - **AuthZEN** is [`authzen`]: the messages of its API, without HTTP.
//! - **Lending** is decided by [`may_delegate`], ended by leave of [`may_end`], shown by [`below`] and [`above`].
//!
//! # How store and server use it
//!
//! - The store reads all records and the revision in one transaction and gives them to [`Index::build`], in any order; holder by
//!   holder is a little faster. The server keeps the index behind one atomic pointer.
//! - Every write checks what it writes in its unit of work ([`check_membership`], [`check_parent`], [`check_permission_type`],
//!   [`PermissionGrant::check`], [`may_delegate`]) and adds its [`Change`] to the feed. What is removed names its place
//!   ([`Removed`]), so the feed keeps that beside the id.
//! - The node that tails the feed calls [`Index::apply`] with what came, and swaps the pointer. [`IndexError::Gap`] means: build
//!   again. When [`Index::is_overlay_large`], [`Index::compacted`] runs on another thread, and what came meanwhile is applied to
//!   its result.
//! - The server asks with one reading of the clock for each request ([`Circumstances`]). [`TooComplex`] is no, and is logged.
//! - A client that acts for a user gets what both may: two checks.
//! - [`random_world`] makes worlds for the tests of whatever else answers such questions: the store's SQL.

mod answer;
mod attributes;
pub mod authzen;
mod change;
mod code;
mod condition;
mod delegation;
mod explain;
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

pub use answer::{AnswerShape, ApiAnswer, PermissionMap, ShapedAnswer};
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
pub use explain::{
    Barrier, Explanation, Given, GroupStep, Held, Hindrance, Loan, Near, Reach, Right, Verdict,
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
