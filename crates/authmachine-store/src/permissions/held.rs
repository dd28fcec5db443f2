//! What a user holds by plain grants: on objects, without conditions, itself or by a group.

use authmachine_provider::Timestamp;
use authmachine_provider::ids::UserId;

use crate::error::StoreError;
use crate::statements::statements;
use crate::unit::Reads;
use crate::value::{Param, Row, params};

/// How many object codes one statement asks for; unused places hold NULL, which equals nothing.
const CODES: usize = 16;

/// What a user ($1) holds at a moment ($2), directly and by groups; `$only` narrows the objects.
macro_rules! held {
    ($only:literal) => {
        concat!(
            "SELECT objects.code, permission_types.code FROM permission_grants
            JOIN objects ON objects.id = permission_grants.object_id
            JOIN permission_types ON permission_types.id = permission_grants.type_id
            WHERE permission_grants.holder_kind = 'user' AND permission_grants.holder_id = $1
            AND (permission_grants.not_before IS NULL OR permission_grants.not_before <= $2)
            AND (permission_grants.not_after IS NULL OR permission_grants.not_after > $2)
            AND permission_grants.condition IS NULL",
            $only,
            " UNION SELECT objects.code, permission_types.code FROM memberships
            JOIN permission_grants
                ON permission_grants.holder_kind = 'group' AND permission_grants.holder_id = memberships.group_id
            JOIN objects ON objects.id = permission_grants.object_id
            JOIN permission_types ON permission_types.id = permission_grants.type_id
            WHERE memberships.user_id = $1
            AND (memberships.not_before IS NULL OR memberships.not_before <= $2)
            AND (memberships.not_after IS NULL OR memberships.not_after > $2)
            AND (permission_grants.not_before IS NULL OR permission_grants.not_before <= $2)
            AND (permission_grants.not_after IS NULL OR permission_grants.not_after > $2)
            AND permission_grants.condition IS NULL",
            $only,
            " ORDER BY 1, 2"
        )
    };
}

statements! {
    HELD = held!("");
    HELD_ON = held!(" AND objects.code IN ($3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)");
}

impl Reads {
    /// What a user holds at `now`, as pairs of object code and type code, sorted and each once: directly or by a group that
    /// they are in at `now`, on the objects named or on all. Whether the user is active is not asked here.
    pub fn held_permissions(
        &mut self,
        user: UserId,
        objects: Option<&[String]>,
        now: Timestamp,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let read = |row: &mut Row<'_>| Ok((row.get()?, row.get()?));
        let Some(codes) = objects else { return self.all(HELD, params![user, now], read) };
        let mut held = Vec::new();
        for codes in codes.chunks(CODES) {
            let mut values = vec![Param::from(user), Param::from(now)];
            values.extend(codes.iter().map(Param::from));
            values.resize(2 + CODES, Param::Null);
            held.extend(self.all(HELD_ON, &values, read)?);
        }
        held.sort_unstable();
        held.dedup();
        Ok(held)
    }
}
