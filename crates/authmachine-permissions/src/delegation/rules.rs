//! Who may lend what to whom, and who may end it.

use std::sync::Arc;

use authmachine_protocol::Timestamp;

use super::{Delegation, MAX_HOPS};
use crate::condition::Condition;
use crate::ids::{DelegationId, ObjectId, PermissionGrantId, PermissionTypeId, UserId};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

/// What an installation allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LendSettings {
    /// The longest chain from a grant to its last taker: 0 forbids lending, 1 passing on. At most [`MAX_HOPS`].
    pub most_hops: u8,
    /// The longest time; none for any, and for no end at all (compatibility mode).
    pub longest_ms: Option<i64>,
    /// The most live delegations of one giver.
    pub most_given: usize,
    /// The most live delegations to one taker.
    pub most_taken: usize,
    /// The permission types that may be lent; none for all.
    pub permissions: Option<Vec<PermissionTypeId>>,
    /// The objects on which something may be lent; none for all.
    pub objects: Option<Vec<ObjectId>>,
    /// How old the giver's login may be; none for any.
    pub login_within_ms: Option<i64>,
}

impl Default for LendSettings {
    fn default() -> Self {
        Self {
            most_hops: 1,
            longest_ms: Some(90 * DAY_MS),
            most_given: 1000,
            most_taken: 1000,
            permissions: None,
            objects: None,
            login_within_ms: Some(10 * MINUTE_MS),
        }
    }
}

/// The shortest time for which something is lent.
const SHORTEST_MS: i64 = MINUTE_MS;

/// What a giver asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct LendRequest {
    /// Who lends.
    pub from: UserId,
    /// To whom.
    pub to: UserId,
    /// On which object.
    pub object: ObjectId,
    /// With its descendants?
    pub include_children: bool,
    /// What.
    pub permission: PermissionTypeId,
    /// How many times the taker may have it passed on.
    pub hops_left: u8,
    /// Until when.
    pub expires_at: Option<Timestamp>,
    /// Under which further condition.
    pub condition: Option<Arc<Condition>>,
    /// Who asks.
    pub created_by: Party,
}

/// Who does something to a delegation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// A user for itself.
    User(UserId),
    /// An administrator.
    Administrator,
}

/// Something by which the giver holds the right, and may lend it, now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RightSource {
    /// Its row.
    pub via: Via,
    /// The hops over which it may still be lent, at least 1.
    pub hops: u8,
    /// When it ends.
    pub ends_at: Option<Timestamp>,
}

/// The row by which somebody holds a right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// A grant, own or of a group.
    Grant(PermissionGrantId),
    /// A delegation received.
    Delegation(DelegationId),
}

/// How things stand when a request is decided.
#[derive(Clone, Debug)]
pub struct LendFacts<'a> {
    /// Whether the giver is there and not disabled.
    pub giver_is_active: bool,
    /// Whether the taker is there and not disabled.
    pub taker_is_active: bool,
    /// Whether the object is there and not disabled.
    pub object_is_active: bool,
    /// Whether the giver holds the right at all, delegable or not.
    pub giver_holds_it: bool,
    /// By what the giver may lend it.
    pub sources: &'a [RightSource],
    /// The giver's live delegations.
    pub given: usize,
    /// The live delegations to the taker.
    pub taken: usize,
    /// The live delegation of the same from, to, object and permission type.
    pub existing: Option<&'a Delegation>,
    /// When the giver last proved who it is.
    pub logged_in_at: Timestamp,
}

/// Why something is not lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Lending is switched off.
    #[error("lending is switched off")]
    SwitchedOff,
    /// The giver is disabled or gone.
    #[error("the giver is not active")]
    GiverInactive,
    /// The giver's login is too old.
    #[error("log in again: this needs a recent login")]
    LoginTooOld,
    /// To the giver itself.
    #[error("nobody lends to itself")]
    ToOneself,
    /// The taker is disabled, gone, or never was.
    #[error("the taker is not an active user")]
    TakerInactive,
    /// The object is disabled or gone.
    #[error("the object is not active")]
    ObjectInactive,
    /// The settings name other types or objects.
    #[error("this may not be lent here")]
    NotLendable,
    /// The giver does not hold the right.
    #[error("the giver does not hold this permission")]
    NotHeld,
    /// The giver holds it, but must not lend it.
    #[error("the giver holds this permission without the right to lend it")]
    NotDelegable,
    /// More passing on than the giver or the settings have.
    #[error("it may be passed on {most} times at most")]
    BeyondHops {
        /// The most hops left to the taker.
        most: u8,
    },
    /// No end where one is needed.
    #[error("say until when; {0} at the latest", latest.seconds())]
    EndNeeded {
        /// The latest end possible.
        latest: Timestamp,
    },
    /// Later than the settings or the giver's own right allow.
    #[error("it may be lent until {0} at the latest", latest.seconds())]
    BeyondExpiry {
        /// The latest end possible.
        latest: Timestamp,
    },
    /// Shorter than a minute, or in the past.
    #[error("it is lent for a minute at least")]
    TooShort,
    /// The giver has lent too much.
    #[error("the giver has {most} live delegations, which is the limit")]
    TooManyGiven {
        /// The limit.
        most: usize,
    },
    /// The taker has received too much.
    #[error("the taker has {most} live delegations, which is the limit")]
    TooManyTaken {
        /// The limit.
        most: usize,
    },
}

/// A request that was allowed.
#[derive(Clone, Debug, PartialEq)]
pub enum Lent {
    /// A new row.
    New(Delegation),
    /// The row that there was for the same from, to, object and type, as it is now.
    Updated(Delegation),
}

/// Decides whether `request` is allowed at `now`. `id` is for a new row.
///
/// The rules are in the order in which a person can do something about them. An administrator who lends in a user's place
/// needs no login of that user, and is bound by all else: nobody lends what the giver lacks.
///
/// # Errors
/// [`Refusal`].
pub fn may_delegate(
    facts: &LendFacts<'_>,
    request: &LendRequest,
    settings: &LendSettings,
    id: DelegationId,
    now: Timestamp,
) -> Result<Lent, Refusal> {
    if settings.most_hops == 0 {
        return Err(Refusal::SwitchedOff);
    }
    if !facts.giver_is_active {
        return Err(Refusal::GiverInactive);
    }
    if let (Party::User(_), Some(within_ms)) = (request.created_by, settings.login_within_ms)
        && now > facts.logged_in_at.plus_ms(within_ms)
    {
        return Err(Refusal::LoginTooOld);
    }
    if request.from == request.to {
        return Err(Refusal::ToOneself);
    }
    if !facts.object_is_active {
        return Err(Refusal::ObjectInactive);
    }
    let is_listed = settings.permissions.as_ref().is_none_or(|listed| listed.contains(&request.permission))
        && settings.objects.as_ref().is_none_or(|listed| listed.contains(&request.object));
    if !is_listed {
        return Err(Refusal::NotLendable);
    }
    let source = source_for(facts, request, settings, now)?;
    if request.expires_at.is_some_and(|end| end < now.plus_ms(SHORTEST_MS)) {
        return Err(Refusal::TooShort);
    }
    // Only now, so that nobody learns of another without a right that could be lent (checklist PE10).
    if !facts.taker_is_active {
        return Err(Refusal::TakerInactive);
    }
    if facts.existing.is_none() && facts.given >= settings.most_given {
        return Err(Refusal::TooManyGiven { most: settings.most_given });
    }
    if facts.existing.is_none() && facts.taken >= settings.most_taken {
        return Err(Refusal::TooManyTaken { most: settings.most_taken });
    }
    let delegation = Delegation {
        id: facts.existing.map_or(id, |existing| existing.id),
        from: request.from,
        to: request.to,
        object: request.object,
        include_children: request.include_children,
        permission: request.permission,
        hops_left: request.hops_left,
        expires_at: request.expires_at,
        condition: request.condition.clone(),
        parent: match source.via {
            Via::Grant(_) => None,
            Via::Delegation(parent) => Some(parent),
        },
        created_by: request.created_by,
        created_at: facts.existing.map_or(now, |existing| existing.created_at),
        ended: None,
    };
    Ok(if facts.existing.is_some() { Lent::Updated(delegation) } else { Lent::New(delegation) })
}

/// The source by which the request can be met, a grant before a delegation; or what is nearest to one.
fn source_for(
    facts: &LendFacts<'_>,
    request: &LendRequest,
    settings: &LendSettings,
    now: Timestamp,
) -> Result<RightSource, Refusal> {
    let most_left =
        |source: &RightSource| source.hops.min(settings.most_hops).min(MAX_HOPS).saturating_sub(1);
    let Some(most) = facts.sources.iter().filter(|source| source.hops > 0).map(most_left).max() else {
        return Err(if facts.giver_holds_it { Refusal::NotDelegable } else { Refusal::NotHeld });
    };
    if request.hops_left > most {
        return Err(Refusal::BeyondHops { most });
    }
    let latest = |source: &RightSource| {
        let by_settings = settings.longest_ms.map(|longest| now.plus_ms(longest));
        by_settings.into_iter().chain(source.ends_at).min()
    };
    let fits = |source: &RightSource| match (latest(source), request.expires_at) {
        (None, _) => true,
        (Some(latest), Some(end)) => end <= latest,
        (Some(_), None) => false,
    };
    let able = || facts.sources.iter().filter(|s| s.hops > 0 && most_left(s) >= request.hops_left);
    let by_grants_first = |source: &&RightSource| matches!(source.via, Via::Delegation(_));
    if let Some(source) = able().filter(|source| fits(source)).min_by_key(by_grants_first) {
        return Ok(*source);
    }
    // All of them end, or one would fit.
    let latest = able().filter_map(latest).max().unwrap_or(now);
    Err(match request.expires_at {
        None => Refusal::EndNeeded { latest },
        Some(_) => Refusal::BeyondExpiry { latest },
    })
}

/// How a delegation ended before its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// When.
    pub at: Timestamp,
    /// Why, in words for people.
    pub reason: String,
}

/// Whether `party` may end a delegation. `above` are the delegations that it was passed on from, nearest first.
pub fn may_end<'a>(
    party: Party,
    delegation: &Delegation,
    above: impl IntoIterator<Item = &'a Delegation>,
) -> bool {
    match party {
        Party::Administrator => true,
        Party::User(user) => {
            user == delegation.from
                || user == delegation.to
                || above.into_iter().any(|ancestor| ancestor.from == user)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000_000);
    const ALICE: UserId = UserId(1);
    const BOB: UserId = UserId(2);
    const CAROL: UserId = UserId(3);
    const NEW: DelegationId = DelegationId(9);

    const fn days(days: i64) -> Timestamp {
        NOW.plus_ms(days * DAY_MS)
    }

    fn request() -> LendRequest {
        LendRequest {
            from: ALICE,
            to: BOB,
            object: ObjectId(1),
            include_children: false,
            permission: PermissionTypeId(1),
            hops_left: 0,
            expires_at: Some(days(1)),
            condition: None,
            created_by: Party::User(ALICE),
        }
    }

    const GRANT: RightSource =
        RightSource { via: Via::Grant(PermissionGrantId(1)), hops: u8::MAX, ends_at: None };

    fn facts(sources: &[RightSource]) -> LendFacts<'_> {
        LendFacts {
            giver_is_active: true,
            taker_is_active: true,
            object_is_active: true,
            giver_holds_it: true,
            sources,
            given: 0,
            taken: 0,
            existing: None,
            logged_in_at: NOW,
        }
    }

    fn decide(facts: &LendFacts<'_>, request: &LendRequest) -> Result<Lent, Refusal> {
        may_delegate(facts, request, &LendSettings::default(), NEW, NOW)
    }

    fn lent(result: Result<Lent, Refusal>) -> Delegation {
        match result.expect("allowed") {
            Lent::New(delegation) | Lent::Updated(delegation) => delegation,
        }
    }

    #[test]
    fn alice_lends_what_she_holds_by_a_grant() {
        let delegation = lent(decide(&facts(&[GRANT]), &request()));
        assert_eq!((delegation.id, delegation.from, delegation.to), (NEW, ALICE, BOB));
        assert_eq!((delegation.parent, delegation.hops_left, delegation.created_at), (None, 0, NOW));
        assert!(delegation.is_live(days(1).plus_ms(-1)) && !delegation.is_live(days(1)));
    }

    #[test]
    fn each_rule_has_its_refusal() {
        let good = facts(&[GRANT]);
        let check = |facts: LendFacts<'_>, refusal| assert_eq!(decide(&facts, &request()), Err(refusal));
        check(LendFacts { giver_is_active: false, ..good.clone() }, Refusal::GiverInactive);
        check(LendFacts { taker_is_active: false, ..good.clone() }, Refusal::TakerInactive);
        check(LendFacts { object_is_active: false, ..good.clone() }, Refusal::ObjectInactive);
        check(LendFacts { sources: &[], giver_holds_it: false, ..good.clone() }, Refusal::NotHeld);
        check(LendFacts { sources: &[], ..good.clone() }, Refusal::NotDelegable);
        check(LendFacts { given: 1000, ..good.clone() }, Refusal::TooManyGiven { most: 1000 });
        check(LendFacts { taken: 1000, ..good.clone() }, Refusal::TooManyTaken { most: 1000 });
        let logged_in_at = NOW.plus_ms(-10 * MINUTE_MS - 1);
        check(LendFacts { logged_in_at, ..good.clone() }, Refusal::LoginTooOld);
        let by_administrator = LendRequest { created_by: Party::Administrator, ..request() };
        assert!(decide(&LendFacts { logged_in_at, ..good.clone() }, &by_administrator).is_ok());

        let asks = |change: fn(&mut LendRequest)| {
            let mut request = request();
            change(&mut request);
            decide(&good, &request).expect_err("refused")
        };
        assert_eq!(asks(|r| r.to = ALICE), Refusal::ToOneself);
        assert_eq!(asks(|r| r.hops_left = 1), Refusal::BeyondHops { most: 0 });
        assert_eq!(asks(|r| r.expires_at = None), Refusal::EndNeeded { latest: days(90) });
        assert_eq!(asks(|r| r.expires_at = Some(days(91))), Refusal::BeyondExpiry { latest: days(90) });
        assert_eq!(asks(|r| r.expires_at = Some(NOW.plus_ms(MINUTE_MS - 1))), Refusal::TooShort);
        assert_eq!(asks(|r| r.expires_at = Some(days(-1))), Refusal::TooShort);
    }

    #[test]
    fn pe10_who_may_not_lend_learns_of_nobody_whether_they_are_there() {
        let good = facts(&[GRANT]);
        for nobody in [false, true] {
            let facts = |sources, holds| LendFacts {
                taker_is_active: !nobody,
                taken: if nobody { 0 } else { 1000 },
                sources,
                giver_holds_it: holds,
                ..good.clone()
            };
            assert_eq!(decide(&facts(&[], false), &request()), Err(Refusal::NotHeld));
            assert_eq!(decide(&facts(&[], true), &request()), Err(Refusal::NotDelegable));
        }
    }

    #[test]
    fn settings_widen_and_narrow() {
        let with = |change: fn(&mut LendSettings), request: &LendRequest| {
            let mut settings = LendSettings::default();
            change(&mut settings);
            may_delegate(&facts(&[GRANT]), request, &settings, NEW, NOW)
        };
        assert_eq!(with(|s| s.most_hops = 0, &request()), Err(Refusal::SwitchedOff));
        assert_eq!(with(|s| s.permissions = Some(vec![]), &request()), Err(Refusal::NotLendable));
        assert_eq!(with(|s| s.objects = Some(vec![ObjectId(2)]), &request()), Err(Refusal::NotLendable));
        let endless = LendRequest { expires_at: None, ..request() };
        assert_eq!(lent(with(|s| s.longest_ms = None, &endless)).expires_at, None);
        let passing_on = LendRequest { hops_left: 4, ..request() };
        assert_eq!(lent(with(|s| s.most_hops = 5, &passing_on)).hops_left, 4);
        let too_far = LendRequest { hops_left: 5, ..request() };
        assert_eq!(with(|s| s.most_hops = 200, &too_far), Err(Refusal::BeyondHops { most: 4 }));
    }

    #[test]
    fn pe3_what_is_passed_on_is_never_more_than_what_was_received() {
        let wide = LendSettings { most_hops: 5, ..LendSettings::default() };
        let received = RightSource { via: Via::Delegation(DelegationId(5)), hops: 2, ends_at: Some(days(7)) };
        let decide =
            |sources: &[RightSource], request| may_delegate(&facts(sources), &request, &wide, NEW, NOW);
        let asked = |hops_left, end| LendRequest { hops_left, expires_at: end, ..request() };

        let passed_on = lent(decide(&[received], asked(1, Some(days(7)))));
        assert_eq!((passed_on.parent, passed_on.hops_left), (Some(DelegationId(5)), 1));
        assert_eq!(decide(&[received], asked(2, Some(days(7)))), Err(Refusal::BeyondHops { most: 1 }));
        let beyond = Err(Refusal::BeyondExpiry { latest: days(7) });
        assert_eq!(decide(&[received], asked(1, Some(days(8)))), beyond);
        assert_eq!(decide(&[received], asked(1, None)), Err(Refusal::EndNeeded { latest: days(7) }));

        // With a grant beside it, the grant counts wherever it is enough.
        let grant = RightSource { hops: 1, ..GRANT };
        assert_eq!(lent(decide(&[received, grant], asked(0, Some(days(8))))).parent, None);
        assert_eq!(decide(&[received, grant], asked(1, Some(days(8)))), beyond, "no source alone is enough");
    }

    #[test]
    fn lending_again_updates_what_there_is() {
        let old = Delegation { created_at: days(-3), ..lent(decide(&facts(&[GRANT]), &request())) };
        let old = Delegation { id: DelegationId(4), ..old };
        let full = LendFacts { existing: Some(&old), given: 1000, taken: 1000, ..facts(&[GRANT]) };
        let again = LendRequest { expires_at: Some(days(2)), ..request() };
        let Lent::Updated(updated) = decide(&full, &again).expect("no new one") else {
            panic!("a second row")
        };
        assert_eq!(
            (updated.id, updated.created_at, updated.expires_at),
            (old.id, old.created_at, Some(days(2)))
        );
    }

    #[test]
    fn giver_giver_above_taker_and_administrators_may_end_it() {
        let first = lent(decide(&facts(&[GRANT]), &request()));
        let second = Delegation { from: BOB, to: CAROL, parent: Some(first.id), ..first.clone() };
        let dave = UserId(4);
        for (user, may) in [(ALICE, true), (BOB, true), (CAROL, true), (dave, false)] {
            assert_eq!(may_end(Party::User(user), &second, [&first]), may, "{user}");
        }
        assert!(!may_end(Party::User(CAROL), &first, []), "who has it from a taker");
        assert!(may_end(Party::Administrator, &first, []));
    }
}
