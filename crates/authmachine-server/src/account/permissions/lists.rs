//! What a person lends, as a tree, and what was lent to them.

use std::collections::HashSet;

use authmachine_pages::LendingLine;
use authmachine_permissions::MAX_HOPS;
use authmachine_provider::Timestamp;
use authmachine_provider::ids::{DelegationId, UserId};
use authmachine_provider::permission_records::DelegationLine;
use authmachine_store::{DelegationsOf, Reads, StoreError};

use super::known::Edge;

/// Lines on a page, without those below others.
const ON_A_PAGE: usize = 50;
/// Lines below one.
const BELOW: usize = 100;
/// Rows of one statement, and statements for one list: ended ones are among them.
const ROWS: i64 = 200;
const STATEMENTS: usize = 25;

/// Both lists, a page of each.
pub(super) struct Lists {
    pub(super) received: Vec<Line>,
    pub(super) more_received: Option<DelegationId>,
    /// Each followed by those below it.
    pub(super) given: Vec<Line>,
    pub(super) more_given: Option<DelegationId>,
}

/// A live delegation, and where it stands.
pub(super) struct Line {
    row: DelegationLine,
    /// Whether the person on whose page it is received it.
    is_received: bool,
    depth: u8,
    /// Whether more people have it through this one than are listed.
    is_cut: bool,
}

impl Lists {
    pub(super) fn read(
        reads: &mut Reads,
        user: UserId,
        received_after: Option<DelegationId>,
        given_after: Option<DelegationId>,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let (rows, more_received) = live(reads, DelegationsOf::Taker(user), received_after, ON_A_PAGE, now)?;
        let line = |row| Line { row, is_received: true, depth: 0, is_cut: false };
        let received = rows.into_iter().map(line).collect();

        let (rows, more_given) = live(reads, DelegationsOf::Giver(user), given_after, ON_A_PAGE, now)?;
        let mut given = Vec::new();
        for row in rows {
            let root = given.len();
            let mut seen = HashSet::from([row.delegation.id]);
            // The next one to be listed is the last.
            let mut open = vec![Line { row, is_received: false, depth: 0, is_cut: false }];
            while let Some(line) = open.pop() {
                let (id, depth) = (line.row.delegation.id, line.depth + 1);
                let may_go_on = line.row.delegation.hops_left > 0 && depth <= MAX_HOPS;
                given.push(line);
                if may_go_on {
                    let (mut below, more) = live(reads, DelegationsOf::Parent(id), None, BELOW, now)?;
                    below.retain(|row| seen.insert(row.delegation.id));
                    let room = (BELOW + 1 + root).saturating_sub(given.len() + open.len());
                    given[root].is_cut |= more.is_some() || below.len() > room;
                    below.truncate(room);
                    let line = |row| Line { row, is_received: false, depth, is_cut: false };
                    open.extend(below.into_iter().rev().map(line));
                }
            }
        }
        Ok(Self { received, more_received, given, more_given })
    }

    /// Those of which it is to be found out whether they give anything: what is below one that does not is as idle, and not asked about.
    pub(super) fn to_be_asked(&self) -> Vec<Edge> {
        let lines = self.received.iter().chain(self.given.iter().filter(|line| line.depth == 0));
        let edge = |Line { row, .. }: &Line| Edge {
            id: row.delegation.id,
            giver: row.delegation.from,
            object: row.object.clone(),
            permission: row.permission_type.clone(),
        };
        lines.map(edge).collect()
    }
}

impl Line {
    pub(super) fn view(&self, idle: &HashSet<DelegationId>) -> LendingLine {
        let Self { row, is_received, depth, is_cut } = self;
        let delegation = &row.delegation;
        LendingLine {
            id_form_value: delegation.id.to_string(),
            permission: row.permission_type.clone(),
            object: row.object.clone(),
            person: if *is_received { row.from.clone() } else { row.to.clone() },
            passed_on_by: (*depth > 0).then(|| row.from.clone()),
            depth: *depth,
            until_ms: delegation.expires_at.map(|end| end.ms()),
            hops: delegation.hops_left,
            is_idle: idle.contains(&delegation.id),
            is_cut: *is_cut,
        }
    }
}

/// Some live delegations after `after`, oldest first, and the last one looked at if there may be more.
fn live(
    reads: &mut Reads,
    of: DelegationsOf,
    after: Option<DelegationId>,
    most: usize,
    now: Timestamp,
) -> Result<(Vec<DelegationLine>, Option<DelegationId>), StoreError> {
    let (mut found, mut after) = (Vec::new(), after);
    for _ in 0..STATEMENTS {
        let rows = reads.list_delegations(of, after, ROWS)?;
        let were_all = i64::try_from(rows.len()).is_ok_and(|count| count < ROWS);
        for row in rows {
            if found.len() == most && row.delegation.is_live(now) {
                return Ok((found, after));
            }
            after = Some(row.delegation.id);
            if row.delegation.is_live(now) {
                found.push(row);
            }
        }
        if were_all {
            return Ok((found, None));
        }
    }
    Ok((found, after))
}
