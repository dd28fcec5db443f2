//! Why the answer is yes or no: the chain as data, and in words.

use std::sync::Arc;

use authmachine_protocol::Timestamp;
use serde_json::{Value as Json, json};

use crate::delegation::{Delegation, Ending, Party};
use crate::grant::{Holder, PermissionGrant};
use crate::ids::{GroupId, UserId};
use crate::subject::Subject;
use crate::validity::Validity;

/// Why one question is answered as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// Who.
    pub subject: Subject,
    /// The code of the object.
    pub object: String,
    /// The code of the permission type.
    pub permission: String,
    /// The answer and its reason.
    pub verdict: Verdict,
}

/// Yes or no, and why.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Yes, by this right.
    Yes(Right),
    /// No, whatever is held.
    Barred(Barrier),
    /// No: no right reaches. Those that came nearest, the nearest first.
    No(Vec<Near>),
}

/// What makes the answer no before any right is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Barrier {
    /// There is no such subject.
    SubjectUnknown,
    /// The subject is disabled.
    SubjectDisabled,
    /// The client that asks is disabled or unknown.
    AskerInactive,
    /// There is no such object.
    ObjectUnknown,
    /// The object is disabled.
    ObjectDisabled,
    /// There is no such permission type.
    PermissionUnknown,
}

/// A right and how it reaches what was asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Right {
    /// By a grant.
    Held(Held),
    /// By a delegation.
    Lent(Loan),
}

/// A grant that reaches somebody.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// Whose it is: the subject asked about, or one who lent it.
    pub by: Subject,
    /// The grant.
    pub grant: PermissionGrant,
    /// From the group that `by` is in to the group that holds the grant; empty if it holds it itself, or everyone does.
    pub groups: Vec<GroupStep>,
    /// How the grant reaches the object.
    pub reach: Reach,
    /// From the type granted to the type asked about, each implying the next.
    pub types: Vec<String>,
}

/// A group on the way to a holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupStep {
    /// The group.
    pub group: GroupId,
    /// Its code.
    pub code: String,
    /// When what comes before it is in it.
    pub validity: Validity,
}

/// How something reaches an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It is on the object itself.
    Itself,
    /// It is on all objects of this type.
    AllOf(String),
    /// It is on an object above: the codes from the nearest up to that one.
    Above(Vec<String>),
}

/// A delegation and by what its giver may lend.
#[derive(Clone, Debug, PartialEq)]
pub struct Loan {
    /// The delegation.
    pub delegation: Arc<Delegation>,
    /// How it reaches the object.
    pub reach: Reach,
    /// From the type lent to the type asked about.
    pub types: Vec<String>,
    /// What the giver has; none if it may not lend it now.
    pub giver: Option<Box<Right>>,
}

/// A right that nearly reached.
#[derive(Clone, Debug, PartialEq)]
pub struct Near {
    /// The right.
    pub right: Right,
    /// All that is in its way, at least one thing.
    pub hindrances: Vec<Hindrance>,
}

/// What keeps a right from counting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hindrance {
    /// The grant begins later.
    NotYet(Timestamp),
    /// The grant or delegation has expired.
    Expired(Timestamp),
    /// The grant was taken back.
    Revoked,
    /// The delegation was ended.
    Ended(Ending),
    /// Its condition is false, or lacks an attribute.
    Condition,
    /// It is on an object above and does not include children.
    WithoutChildren(String),
    /// A membership on the way is not live.
    Membership(String, Validity),
    /// The giver is disabled or gone.
    GiverInactive,
    /// The giver does not hold it any more.
    GiverLacksIt,
    /// The giver holds it, but may not lend it over so many hops.
    GiverMayNotLend,
}

impl Explanation {
    /// Whether the answer is yes.
    pub const fn is_permitted(&self) -> bool {
        matches!(self.verdict, Verdict::Yes(_))
    }

    /// In English, for an administrator or the user itself. `name` says how people call a subject.
    pub fn words(&self, name: &dyn Fn(Subject) -> String) -> String {
        let (subject, object, permission) = (name(self.subject), &self.object, &self.permission);
        let answer = if self.is_permitted() { "may" } else { "may not" };
        let start = format!("{subject} {answer} «{permission}» on «{object}»");
        match &self.verdict {
            Verdict::Yes(right) => format!("{start}, because {}.", right.words(object, name)),
            Verdict::Barred(barrier) => format!("{start}, because {}.", barrier.words(object, permission)),
            Verdict::No(near) if near.is_empty() => format!("{start}: nothing gives it."),
            Verdict::No(near) => {
                let near: Vec<String> = near.iter().map(|near| near.words(object, name)).collect();
                format!("{start}. What comes nearest: {}.", near.join("; "))
            }
        }
    }
}

/// Who gave a grant, and when.
pub type Given = (String, Timestamp);

impl Explanation {
    /// As JSON, for programs, with the words that people use in place of row ids; those of grants and delegations are texts, since
    /// not every reader of JSON knows 63 bits. `name` says how people call a subject, `given`
    /// by whom and when something was granted, where that is known.
    pub fn data(
        &self,
        name: &dyn Fn(Subject) -> String,
        given: &dyn Fn(&PermissionGrant) -> Option<Given>,
    ) -> Json {
        let names = Names { name, given, object: &self.object };
        let mut data = json!({
            "subject": { "type": self.subject.kind().as_str(), "name": name(self.subject) },
            "object": self.object,
            "permission": self.permission,
            "permitted": self.is_permitted(),
            "words": self.words(name),
        });
        match &self.verdict {
            Verdict::Yes(right) => data["because"] = right.data(&names),
            Verdict::Barred(barrier) => {
                data["barred"] = json!({
                    "code": barrier.code(),
                    "words": barrier.words(&self.object, &self.permission),
                });
            }
            Verdict::No(near) => data["nearest"] = near.iter().map(|near| near.data(&names)).collect(),
        }
        data
    }
}

/// What ids are called.
struct Names<'a> {
    name: &'a dyn Fn(Subject) -> String,
    given: &'a dyn Fn(&PermissionGrant) -> Option<Given>,
    /// The object asked about.
    object: &'a str,
}

impl Right {
    fn data(&self, names: &Names<'_>) -> Json {
        match self {
            Self::Held(held) => held.data(names),
            Self::Lent(loan) => loan.data(names),
        }
    }
}

impl Held {
    fn data(&self, names: &Names<'_>) -> Json {
        let PermissionGrant { holder, include_children, validity, condition, .. } = &self.grant;
        let by = (names.name)(self.by);
        let (kind, holder) = match (holder, self.groups.last()) {
            (Holder::Everyone, _) => ("everyone", None),
            (Holder::Group(_), Some(step)) => ("group", Some(step.code.clone())),
            (Holder::Group(_), None) => ("group", Some(by.clone())),
            (Holder::User(_), _) => ("user", Some(by.clone())),
            (Holder::Client(_), _) => ("client", Some(by.clone())),
        };
        let groups: Vec<Json> = self
            .groups
            .iter()
            .map(|step| {
                let (from, until) = (step.validity.not_before(), step.validity.not_after());
                json!({ "group": step.code, "not_before": from.map(rfc3339), "not_after": until.map(rfc3339) })
            })
            .collect();
        let (by_whom, at) = (names.given)(&self.grant).unzip();
        json!({
            "kind": "grant",
            "id": self.grant.id.to_string(),
            "by": by,
            "holder": { "type": kind, "name": holder },
            "groups": groups,
            "on": self.reach.data(names.object),
            "types": self.types,
            "include_children": include_children,
            "not_before": validity.not_before().map(rfc3339),
            "not_after": validity.not_after().map(rfc3339),
            "condition": condition.as_deref(),
            "given_by": by_whom,
            "given_at": at.map(rfc3339),
        })
    }
}

impl Loan {
    fn data(&self, names: &Names<'_>) -> Json {
        let Delegation { id, from, to, hops_left, expires_at, condition, created_by, created_at, .. } =
            &*self.delegation;
        let user = |id: &UserId| (names.name)(Subject::User(*id));
        json!({
            "kind": "delegation",
            "id": id.to_string(),
            "from": user(from),
            "to": user(to),
            "on": self.reach.data(names.object),
            "types": self.types,
            "hops_left": hops_left,
            "expires_at": expires_at.map(rfc3339),
            "condition": condition.as_deref(),
            "given_by": match created_by {
                Party::User(id) => user(id),
                Party::Administrator => "administrator".to_owned(),
            },
            "given_at": rfc3339(*created_at),
            "giver": self.giver.as_ref().map(|right| right.data(names)),
        })
    }
}

impl Reach {
    fn data(&self, object: &str) -> Json {
        match self {
            Self::Itself => json!({ "object": object }),
            Self::AllOf(object_type) => json!({ "all_of": object_type }),
            Self::Above(above) => json!({ "object": above.last(), "above": above }),
        }
    }
}

impl Near {
    fn data(&self, names: &Names<'_>) -> Json {
        let hindrances: Vec<Json> = self
            .hindrances
            .iter()
            .map(|hindrance| json!({ "code": hindrance.code(), "words": hindrance.words() }))
            .collect();
        json!({ "right": self.right.data(names), "but": hindrances })
    }
}

impl Barrier {
    const fn code(self) -> &'static str {
        match self {
            Self::SubjectUnknown => "subject_unknown",
            Self::SubjectDisabled => "subject_disabled",
            Self::AskerInactive => "asker_inactive",
            Self::ObjectUnknown => "object_unknown",
            Self::ObjectDisabled => "object_disabled",
            Self::PermissionUnknown => "permission_unknown",
        }
    }
}

impl Hindrance {
    const fn code(&self) -> &'static str {
        match self {
            Self::NotYet(_) => "not_yet",
            Self::Expired(_) => "expired",
            Self::Revoked => "revoked",
            Self::Ended(_) => "ended",
            Self::Condition => "condition",
            Self::WithoutChildren(_) => "without_children",
            Self::Membership(..) => "membership",
            Self::GiverInactive => "giver_inactive",
            Self::GiverLacksIt => "giver_lacks_it",
            Self::GiverMayNotLend => "giver_may_not_lend",
        }
    }
}

impl Barrier {
    fn words(self, object: &str, permission: &str) -> String {
        match self {
            Self::SubjectUnknown => "there is no such subject".to_owned(),
            Self::SubjectDisabled => "the subject is disabled".to_owned(),
            Self::AskerInactive => "the client that asks is not active".to_owned(),
            Self::ObjectUnknown => format!("there is no object «{object}»"),
            Self::ObjectDisabled => format!("«{object}» is disabled"),
            Self::PermissionUnknown => format!("there is no permission type «{permission}»"),
        }
    }
}

impl Right {
    fn words(&self, object: &str, name: &dyn Fn(Subject) -> String) -> String {
        match self {
            Self::Held(held) => held.words(object, name),
            Self::Lent(loan) => {
                let Delegation { from, to, expires_at, .. } = &*loan.delegation;
                let (from, to) = (name(Subject::User(*from)), name(Subject::User(*to)));
                let until = until(*expires_at);
                let what = described(&loan.types, &loan.reach, object);
                let chain = loan.giver.as_ref().map(|right| format!("; {}", right.words(object, name)));
                format!("{from} lent {what} to {to}{until}{}", chain.unwrap_or_default())
            }
        }
    }
}

impl Held {
    fn words(&self, object: &str, name: &dyn Fn(Subject) -> String) -> String {
        let what = described(&self.types, &self.reach, object);
        let (by, until) = (name(self.by), until(self.grant.validity.not_after()));
        let groups: Vec<String> = self.groups.iter().map(|step| format!("«{}»", step.code)).collect();
        match (self.grant.holder, groups.as_slice()) {
            (Holder::Everyone, _) => format!("everyone holds {what}{until}"),
            (_, []) => format!("{by} holds {what}{until}"),
            (_, groups) => format!("{by} is in {}, which holds {what}{until}", groups.join(", which is in ")),
        }
    }
}

/// «admin» (which implies «read») on «house» (in which «door» is)
fn described(types: &[String], reach: &Reach, object: &str) -> String {
    let on = match reach {
        Reach::Itself => format!("on «{object}»"),
        Reach::AllOf(object_type) => format!("on every object of the type «{object_type}»"),
        Reach::Above(above) => {
            let holder = above.last().map_or("", String::as_str);
            format!("on «{holder}» (in which «{object}» is)")
        }
    };
    match types {
        [first, .., last] => format!("«{first}» (which implies «{last}») {on}"),
        _ => format!("«{}» {on}", types.first().map_or("", String::as_str)),
    }
}

impl Near {
    fn words(&self, object: &str, name: &dyn Fn(Subject) -> String) -> String {
        let hindrances: Vec<String> = self.hindrances.iter().map(Hindrance::words).collect();
        format!("{}, but {}", self.right.words(object, name), hindrances.join(", and "))
    }
}

impl Hindrance {
    fn words(&self) -> String {
        match self {
            Self::NotYet(at) => format!("that begins at {}", at_utc(*at)),
            Self::Expired(at) => format!("that expired at {}", at_utc(*at)),
            Self::Revoked => "that was taken back".to_owned(),
            Self::Ended(ending) => format!("that was ended at {}: {}", at_utc(ending.at), ending.reason),
            Self::Condition => "its condition is not met".to_owned(),
            Self::WithoutChildren(code) => format!("that is on «{code}» alone, without what is in it"),
            Self::Membership(group, validity) => {
                let from =
                    validity.not_before().map(|at| format!(" from {}", at_utc(at))).unwrap_or_default();
                format!("the membership in «{group}» is{from}{}", until(validity.not_after()))
            }
            Self::GiverInactive => "the giver is not active".to_owned(),
            Self::GiverLacksIt => "the giver no longer holds it".to_owned(),
            Self::GiverMayNotLend => "the giver may not lend it, or not so far".to_owned(),
        }
    }
}

fn until(end: Option<Timestamp>) -> String {
    end.map(|end| format!(" until {}", at_utc(end))).unwrap_or_default()
}

/// `2026-11-29T15:45:00Z`.
fn rfc3339(at: Timestamp) -> String {
    at_utc(at).replacen(' ', "T", 1).replace(" UTC", "Z")
}

/// `2026-11-29 15:45:00 UTC`.
fn at_utc(at: Timestamp) -> String {
    let (day, second) = (at.seconds().div_euclid(86_400), at.seconds().rem_euclid(86_400));
    // Years that begin in March, so that a leap day is the last of its year; eras of 400 years.
    let day = day + 719_468;
    let (era, day_of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day_of_month:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_people_write_them() {
        for (seconds, written) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_795_967_100, "2026-11-29 15:45:00 UTC"),
            (4_107_542_399, "2100-02-28 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
            (-1, "1969-12-31 23:59:59 UTC"),
        ] {
            assert_eq!(at_utc(Timestamp::from_seconds(seconds)), written);
        }
        assert_eq!(rfc3339(Timestamp::from_seconds(0)), "1970-01-01T00:00:00Z");
    }
}
