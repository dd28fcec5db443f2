//! All records at one revision, for building an index.

use std::collections::HashMap;
use std::sync::Arc;

use authmachine_permissions::{Condition, Record};

use super::{delegations, feed, grants, groups, objects, types};
use crate::error::StoreError;
use crate::statements::statements;
use crate::store::Store;
use crate::unit::Reads;
use crate::value::{Row, params};

/// Rows of one statement: few enough for memory, many enough that the statement itself costs nothing.
const PAGE: i64 = 10_000;

/// A page of a table with one key: after $1, at most $2.
macro_rules! page {
    ($columns:expr, $table:literal) => {
        concat!("SELECT ", $columns, " FROM ", $table, " WHERE id > $1 ORDER BY id LIMIT $2")
    };
}

statements! {
    COUNT_ALL_GRANTS = "SELECT COUNT(*) FROM permission_grants";
    USERS = page!("id, '', '', NULL, FALSE, status", "users");
    USERS_WITH_ATTRIBUTES = page!("id, sub, username, email, email_verified, status, claims", "users");
    CLIENTS = page!("id, client_id, disabled, trusted", "clients");
    GROUPS = page!("id, code", "user_groups");
    OBJECTS = page!(objects::columns!(), "objects");
    TYPES = page!("id, code, implies", "permission_types");
    GRANTS = page!(grants::columns!(), "permission_grants");
    DELEGATIONS = page!(delegations::columns!(), "delegations");
    MEMBERSHIPS = "SELECT user_id, group_id, not_before, not_after FROM memberships
        WHERE (user_id, group_id) > ($1, $2) ORDER BY user_id, group_id LIMIT $3";
    NESTINGS = "SELECT member_id, group_id, not_before, not_after FROM nestings
        WHERE (member_id, group_id) > ($1, $2) ORDER BY member_id, group_id LIMIT $3";
}

/// The tables, in the order in which they are read.
#[derive(Clone, Copy)]
enum Table {
    Users,
    Clients,
    Groups,
    Memberships,
    Nestings,
    Objects,
    Types,
    Grants,
    Delegations,
}

const TABLES: [Table; 9] = [
    Table::Users,
    Table::Clients,
    Table::Groups,
    Table::Memberships,
    Table::Nestings,
    Table::Objects,
    Table::Types,
    Table::Grants,
    Table::Delegations,
];

/// A walk through all tables, page by page.
struct Walk<'a> {
    reads: &'a mut Reads,
    with_attributes: bool,
    tables: std::slice::Iter<'static, Table>,
    table: Option<Table>,
    /// The key of the last row.
    after: (i64, i64),
    page: std::vec::IntoIter<Record>,
    /// Grants still to come.
    grants: usize,
    /// Equal conditions are one in memory.
    conditions: HashMap<String, Arc<Condition>>,
    failed: Option<StoreError>,
}

impl Iterator for Walk<'_> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        loop {
            if let Some(record) = self.page.next() {
                return Some(self.share(record));
            }
            let table = self.table?;
            match self.read(table) {
                Ok(page) if page.is_empty() => {
                    self.table = self.tables.next().copied();
                    self.after = (i64::MIN, i64::MIN);
                }
                Ok(page) => self.page = page.into_iter(),
                Err(error) => {
                    self.failed = Some(error);
                    self.table = None;
                }
            }
        }
    }

    /// The grants: of all else there are fewer.
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.grants, None)
    }
}

impl Walk<'_> {
    fn read(&mut self, table: Table) -> Result<Vec<Record>, StoreError> {
        let with_attributes = self.with_attributes;
        let users = if with_attributes { USERS_WITH_ATTRIBUTES } else { USERS };
        let page: Vec<Record> = match table {
            Table::Users => self.by_id(users, |row| feed::read_user(row, with_attributes).map(Record::User)),
            Table::Clients => self.by_id(CLIENTS, |row| feed::read_client(row).map(Record::Client)),
            Table::Groups => self.by_id(GROUPS, |row| groups::read(row).map(Record::Group)),
            Table::Memberships => {
                self.by_pair(MEMBERSHIPS, |row| groups::read_membership(row).map(Record::Membership))
            }
            Table::Nestings => {
                self.by_pair(NESTINGS, |row| groups::read_nesting(row).map(Record::Membership))
            }
            Table::Objects => self.by_id(OBJECTS, |row| objects::read(row).map(Record::Object)),
            Table::Types => self.by_id(TYPES, |row| types::read(row).map(Record::PermissionType)),
            Table::Grants => self.by_id(GRANTS, |row| grants::read(row).map(Record::Grant)),
            Table::Delegations => {
                self.by_id(DELEGATIONS, |row| delegations::read(row).map(Record::Delegation))
            }
        }?;
        Ok(page)
    }

    fn by_id(
        &mut self,
        sql: &'static str,
        read: impl Fn(&mut Row<'_>) -> Result<Record, StoreError>,
    ) -> Result<Vec<Record>, StoreError> {
        let mut last = self.after.0;
        let page = self.reads.all(sql, params![self.after.0, PAGE], |row| {
            last = row.first()?;
            read(row)
        })?;
        self.after.0 = last;
        Ok(page)
    }

    fn by_pair(
        &mut self,
        sql: &'static str,
        read: impl Fn(&mut Row<'_>) -> Result<Record, StoreError>,
    ) -> Result<Vec<Record>, StoreError> {
        let mut last = self.after;
        let page = self.reads.all(sql, params![self.after.0, self.after.1, PAGE], |row| {
            let record = read(row)?;
            if let Record::Membership(membership) = &record {
                last = (row.first()?, membership.group.0);
            }
            Ok(record)
        })?;
        self.after = last;
        Ok(page)
    }

    fn share(&mut self, mut record: Record) -> Record {
        let condition = match &mut record {
            Record::Grant(grant) => {
                self.grants = self.grants.saturating_sub(1);
                &mut grant.condition
            }
            Record::Delegation(delegation) => &mut delegation.condition,
            _ => return record,
        };
        if let Some(condition) = condition {
            let known = self.conditions.entry(condition.to_json()).or_insert_with(|| condition.clone());
            *condition = known.clone();
        }
        record
    }
}

impl Store {
    /// Gives all records that decisions depend on, and the revision at which they were so, to `build`, page by page: they are
    /// never in memory all at once. Blocks for seconds when there are millions, so it is for a thread of its own; it has a
    /// connection of its own too, which no request waits for.
    ///
    /// # Errors
    /// [`StoreError`]; what `build` made of the records until then is dropped.
    pub fn permission_snapshot<T>(
        &self,
        build: impl FnOnce(&mut dyn Iterator<Item = Record>, u64) -> T,
    ) -> Result<T, StoreError> {
        self.extra_reader()?.in_one_view(|reads| {
            let revision = u64::try_from(reads.current_revision()?)
                .map_err(|_| StoreError::Corrupt { table: "counters", id: 0 })?;
            let grants: Option<i64> = reads.one(COUNT_ALL_GRANTS, &[], |row| row.get())?;
            let mut tables = TABLES.iter();
            let mut walk = Walk {
                with_attributes: reads.subjects_asked_since()?.is_some(),
                reads,
                table: tables.next().copied(),
                tables,
                after: (i64::MIN, i64::MIN),
                page: Vec::new().into_iter(),
                grants: grants.and_then(|count| usize::try_from(count).ok()).unwrap_or_default(),
                conditions: HashMap::new(),
                failed: None,
            };
            let built = build(&mut walk, revision);
            walk.failed.map_or(Ok(built), Err)
        })
    }
}
