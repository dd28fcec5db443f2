//! Objects: what permissions are about.

use std::sync::Arc;

use crate::attributes::Attributes;
use crate::code::{self, CodeError};
use crate::graph::{EdgeError, check_edge};
use crate::ids::ObjectId;

/// The deepest that objects may stand in each other.
pub const MAX_OBJECT_DEPTH: usize = 16;
/// The type of an object that says none.
pub const DEFAULT_OBJECT_TYPE: &str = "object";

/// An object, as far as decisions need it.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// The row.
    pub id: ObjectId,
    /// Its code, unique, case-sensitive.
    pub code: String,
    /// What kind of object it is; AuthZEN's resource type.
    pub object_type: String,
    /// The object that it stands in.
    pub parent: Option<ObjectId>,
    /// What conditions may ask about it.
    pub attributes: Option<Arc<Attributes>>,
    /// Nobody may do anything on a disabled object.
    pub disabled: bool,
}

impl Object {
    /// A new object without parent and attributes.
    ///
    /// # Errors
    /// [`CodeError`], for its code or the code of its type.
    pub fn new(id: ObjectId, code: &str, object_type: &str) -> Result<Self, CodeError> {
        code::check_object_code(code)?;
        code::check_type_code(object_type)?;
        Ok(Self {
            id,
            code: code.to_owned(),
            object_type: object_type.to_owned(),
            parent: None,
            attributes: None,
            disabled: false,
        })
    }
}

/// Checks that `object` may be put into `parent`. `parent_of` and `children_of` tell how things stand, without that step.
///
/// # Errors
/// [`EdgeError`].
pub fn check_parent(
    object: ObjectId,
    parent: ObjectId,
    parent_of: impl Fn(ObjectId) -> Option<ObjectId>,
    children_of: impl Fn(ObjectId) -> Vec<ObjectId>,
) -> Result<(), EdgeError> {
    check_edge(object, parent, |id| parent_of(id).into_iter().collect(), children_of, MAX_OBJECT_DEPTH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_have_codes_and_stand_in_no_circle() {
        assert!(Object::new(ObjectId(1), "a", DEFAULT_OBJECT_TYPE).is_ok());
        assert_eq!(Object::new(ObjectId(1), "permissions", "object"), Err(CodeError::Reserved));
        assert_eq!(Object::new(ObjectId(1), &"a".repeat(129), "object"), Err(CodeError::Length(128)));
        assert_eq!(Object::new(ObjectId(1), "a\u{7}", "object"), Err(CodeError::Character));
        assert_eq!(Object::new(ObjectId(1), "a", ""), Err(CodeError::Length(64)));

        // 2 stands in 1.
        let parent_of = |id: ObjectId| (id.0 == 2).then_some(ObjectId(1));
        let children_of = |id: ObjectId| if id.0 == 1 { vec![ObjectId(2)] } else { vec![] };
        let check = |object, parent| check_parent(ObjectId(object), ObjectId(parent), parent_of, children_of);
        assert_eq!(check(3, 2), Ok(()));
        assert_eq!(check(1, 2), Err(EdgeError::Cycle));
        assert_eq!(check(1, 1), Err(EdgeError::Cycle));
    }
}
