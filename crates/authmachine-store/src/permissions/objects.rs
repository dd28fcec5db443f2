//! Objects.

use std::collections::HashMap;
use std::sync::Arc;

use authmachine_permissions::{
    Attributes, AttributesError, MAX_ATTRIBUTES_BYTES, MAX_OBJECT_DEPTH, check_object_code, check_parent,
    check_type_code,
};
use authmachine_provider::ids::ObjectId;
use authmachine_provider::permission_records::{Named, Object};

use super::NotWritten;
use crate::changes::OBJECT;
use crate::error::StoreError;
use crate::statements::statements;
use crate::unit::{Reads, Tx};
use crate::value::{Row, json, params};

macro_rules! columns {
    () => {
        "objects.id, objects.code, objects.object_type, objects.parent_id, objects.attributes, objects.disabled"
    };
}
pub(super) use columns;

statements! {
    FIND = concat!("SELECT ", columns!(), ", name FROM objects WHERE code = $1");
    FIND_BY_ID = concat!("SELECT ", columns!(), ", name FROM objects WHERE id = $1");
    LIST_OBJECTS = concat!("SELECT ", columns!(), ", name FROM objects WHERE code > $1 ORDER BY code LIMIT $2");
    LIST_OF_TYPE = concat!("SELECT ", columns!(), ", name FROM objects
        WHERE object_type = $1 AND code > $2 ORDER BY code LIMIT $3");
    LIST_CHILDREN = concat!("SELECT ", columns!(), ", name FROM objects
        WHERE parent_id = $1 AND id > $2 ORDER BY id LIMIT $3");
    PUT = "INSERT INTO objects (id, code, name, object_type, parent_id, attributes, disabled)
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO UPDATE SET name = excluded.name,
        object_type = excluded.object_type, parent_id = excluded.parent_id, attributes = excluded.attributes,
        disabled = excluded.disabled";
    PARENT = "SELECT parent_id FROM objects WHERE id = $1";
    CHILDREN = "SELECT id FROM objects WHERE parent_id = $1";
    HAS_CHILDREN = "SELECT id FROM objects WHERE parent_id = $1 LIMIT 1";
    /// With the grants and delegations on it.
    DELETE = "DELETE FROM objects WHERE id = $1";
}

pub(super) fn read(row: &mut Row<'_>) -> Result<Object, StoreError> {
    row.table("objects");
    Ok(Object {
        id: row.get()?,
        code: row.get()?,
        object_type: row.get()?,
        parent: row.get()?,
        attributes: row.optional(1, |row| row.word(|text| Attributes::parse(text).ok().map(Arc::new)))?,
        disabled: row.get()?,
    })
}

fn read_named(row: &mut Row<'_>) -> Result<Named<Object>, StoreError> {
    Ok(Named { record: read(row)?, name: row.get()? })
}

impl Reads {
    /// The object with that code.
    pub fn find_object(&mut self, code: &str) -> Result<Option<Named<Object>>, StoreError> {
        self.one(FIND, params![code], read_named)
    }

    /// The object in the row `id`.
    pub fn find_object_by_id(&mut self, id: ObjectId) -> Result<Option<Named<Object>>, StoreError> {
        self.one(FIND_BY_ID, params![id], read_named)
    }

    /// The objects after the code `after`, by code, at most `limit`.
    pub fn list_objects(
        &mut self,
        after: Option<&str>,
        limit: i64,
    ) -> Result<Vec<Named<Object>>, StoreError> {
        // No code is empty.
        self.all(LIST_OBJECTS, params![after.unwrap_or_default(), limit], read_named)
    }

    /// The objects of a type after the code `after`, by code, at most `limit`.
    pub fn list_objects_of_type(
        &mut self,
        object_type: &str,
        after: Option<&str>,
        limit: i64,
    ) -> Result<Vec<Named<Object>>, StoreError> {
        self.all(LIST_OF_TYPE, params![object_type, after.unwrap_or_default(), limit], read_named)
    }

    /// The objects that stand in `parent` itself, after the row `after`, oldest first, at most `limit`.
    pub fn list_children(
        &mut self,
        parent: ObjectId,
        after: Option<ObjectId>,
        limit: i64,
    ) -> Result<Vec<Named<Object>>, StoreError> {
        let after = after.map_or(i64::MIN, |id| id.0);
        self.all(LIST_CHILDREN, params![parent, after, limit], read_named)
    }
}

impl Tx {
    /// Stores a new object, or what has changed of one that is there: all but its code.
    pub fn put_object(&mut self, object: &Named<Object>) -> Result<Result<(), NotWritten>, StoreError> {
        self.hold_changes()?;
        let known: Option<String> =
            self.one(FIND_BY_ID, params![object.id], read_named)?.map(|known| known.record.code);
        match known {
            Some(code) if code != object.code => return Ok(Err(NotWritten::CodeChanged)),
            Some(_) => {}
            None => {
                if let Err(error) = check_object_code(&object.code) {
                    return Ok(Err(error.into()));
                }
                if self.find_object(&object.code)?.is_some() {
                    return Ok(Err(NotWritten::CodeTaken));
                }
            }
        }
        if let Err(error) = check_type_code(&object.object_type) {
            return Ok(Err(error.into()));
        }
        if let Some(parent) = object.parent
            && let Err(error) = self.check_parent(object.id, parent)?
        {
            return Ok(Err(error));
        }
        let attributes = object.attributes.as_deref().map(json);
        if attributes.as_ref().is_some_and(|text| text.len() > MAX_ATTRIBUTES_BYTES) {
            return Ok(Err(AttributesError::TooLarge.into()));
        }
        let values = params![
            object.id,
            &object.code,
            &object.name,
            &object.object_type,
            object.parent,
            attributes,
            object.disabled,
        ];
        self.run(PUT, values)?;
        self.note(OBJECT, object.id.0, None).map(Ok)
    }

    /// Whether `object` may stand in `parent`.
    fn check_parent(
        &mut self,
        object: ObjectId,
        parent: ObjectId,
    ) -> Result<Result<(), NotWritten>, StoreError> {
        let mut parents = HashMap::new();
        let mut upper = parent;
        // One more than may be: then it is too deep, whatever comes after.
        for _ in 0..=MAX_OBJECT_DEPTH + 1 {
            let Some(above) = self.one(PARENT, params![upper], |row| row.get::<Option<ObjectId>>())? else {
                return Ok(Err(NotWritten::UnknownObject));
            };
            let Some(above) = above.filter(|_| upper != object) else { break };
            parents.insert(upper, above);
            upper = above;
        }
        let mut children: HashMap<ObjectId, Vec<ObjectId>> = HashMap::new();
        let mut level = vec![object];
        for _ in 0..=MAX_OBJECT_DEPTH + 1 {
            let mut next = Vec::new();
            for id in level {
                let below = self.all(CHILDREN, params![id], |row| row.get())?;
                next.extend_from_slice(&below);
                children.insert(id, below);
            }
            level = next;
        }
        let parent_of = |id| parents.get(&id).copied();
        let children_of = |id| children.get(&id).cloned().unwrap_or_default();
        Ok(check_parent(object, parent, parent_of, children_of).map_err(NotWritten::from))
    }

    /// Removes an object, and with it what was granted and lent on it; `false` when there is none. One in which others stand
    /// is not removed: they would silently lose what they have through it.
    pub fn remove_object(&mut self, id: ObjectId) -> Result<Result<bool, NotWritten>, StoreError> {
        self.hold_changes()?;
        if self.one(HAS_CHILDREN, params![id], |row| row.get::<ObjectId>())?.is_some() {
            return Ok(Err(NotWritten::HasChildren));
        }
        if self.run(DELETE, params![id])? == 0 {
            return Ok(Ok(false));
        }
        // Grants and delegations on what is not there count for nothing: one change says it all.
        self.note(OBJECT, id.0, None)?;
        Ok(Ok(true))
    }
}
