//! Signing keys and their life: *next* (published, signs nothing yet), *active*, *retired* (published until nothing that it
//! signed lives), gone. A key takes over by the clock: nothing is written at that moment, so no node comes late.

use authmachine_jose::Algorithm;
use authmachine_protocol::Timestamp;

use crate::lives::Lives;

/// A running server takes up what is new in a quarter of a second, and looks again each minute whatever happens: until then the
/// old key may sign. Clocks of nodes differ by less.
const TAKE_UP_S: i64 = 120;
/// The longest that a retired key stays for the sake of hints, which may be older than the tokens' own lives.
const HINTS_S: i64 = 86_400;

/// A signing key's row.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKeyRecord {
    /// `kid`.
    pub kid: String,
    /// The one algorithm that it signs with.
    pub algorithm: Algorithm,
    /// PKCS#8, sealed under the master key and bound to the `kid`.
    pub private_sealed: Vec<u8>,
    /// When it was made; it is published from then on.
    pub created_at: Timestamp,
    /// From when it signs, until another's time comes.
    pub active_from: Timestamp,
    /// When another took over, written down some time after that.
    pub retired_at: Option<Timestamp>,
    /// When nothing that it signed lives any more, and it leaves the key set; set with `retired_at`.
    pub expires_at: Option<Timestamp>,
}

impl std::fmt::Debug for SigningKeyRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKeyRecord")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl SigningKeyRecord {
    /// Whether it stands in the key set.
    pub fn is_published(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    /// The order in which keys of one algorithm take over.
    fn turn(&self) -> (Timestamp, Timestamp, &str) {
        (self.active_from, self.created_at, &self.kid)
    }
}

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Published, and signs nothing yet.
    Next,
    /// Signs.
    Active,
    /// Signs nothing any more, and verifies what it signed.
    Retired,
    /// Not published any more.
    Gone,
}

/// When keys are made and take over: `keys` in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// How long a key signs; 0 is until the operator says so.
    pub rotate_after_s: i64,
    /// How long the next key is published before it signs: longer than clients keep the key set.
    pub publish_before_s: i64,
}

impl Default for Schedule {
    fn default() -> Self {
        const DAY: i64 = 24 * 60 * 60;
        Self { rotate_after_s: 90 * DAY, publish_before_s: 7 * DAY }
    }
}

/// What there is to do now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Keys to make and to publish.
    pub make: Vec<Next>,
    /// Keys that others have followed.
    pub retire: Vec<Retire>,
}

/// A key to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// What it signs with.
    pub algorithm: Algorithm,
    /// From when.
    pub active_from: Timestamp,
}

/// A key to be written down as retired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retire {
    /// `kid`.
    pub kid: String,
    /// What it signed with.
    pub algorithm: Algorithm,
    /// The `kid` of the key that signs in its place,
    pub successor: String,
    /// since when,
    pub retired_at: Timestamp,
    /// and when the old one leaves the key set.
    pub expires_at: Timestamp,
}

impl Plan {
    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.make.is_empty() && self.retire.is_empty()
    }
}

/// The keys that sign with `algorithm` now or later.
fn candidates(
    keys: &[SigningKeyRecord],
    algorithm: Algorithm,
) -> impl Iterator<Item = &SigningKeyRecord> + Clone {
    keys.iter().filter(move |key| key.algorithm == algorithm && key.retired_at.is_none())
}

/// The algorithms that `keys` sign with, the default first.
pub fn algorithms(keys: &[SigningKeyRecord]) -> impl Iterator<Item = Algorithm> {
    Algorithm::ALL.into_iter().filter(|algorithm| candidates(keys, *algorithm).next().is_some())
}

/// The key that signs with `algorithm` at `now`: of those whose time has come, the last. A clock that went back behind all of
/// them leaves the first.
pub fn active(keys: &[SigningKeyRecord], algorithm: Algorithm, now: Timestamp) -> Option<&SigningKeyRecord> {
    let candidates = candidates(keys, algorithm);
    let come = candidates.clone().filter(|key| key.active_from <= now).max_by_key(|key| key.turn());
    come.or_else(|| candidates.min_by_key(|key| key.turn()))
}

/// The key that takes over from the active one of `algorithm`.
pub fn next(keys: &[SigningKeyRecord], algorithm: Algorithm, now: Timestamp) -> Option<&SigningKeyRecord> {
    let active = active(keys, algorithm, now)?;
    candidates(keys, algorithm).filter(|key| key.turn() > active.turn()).min_by_key(|key| key.turn())
}

/// Where `key`, one of `keys`, is in its life.
pub fn state(keys: &[SigningKeyRecord], key: &SigningKeyRecord, now: Timestamp) -> State {
    match active(keys, key.algorithm, now) {
        _ if !key.is_published(now) => State::Gone,
        _ if key.retired_at.is_some() => State::Retired,
        Some(active) if active.turn() < key.turn() => State::Next,
        Some(active) if active.turn() > key.turn() => State::Retired,
        _ => State::Active,
    }
}

/// How long a key stays published after another took over: until the last ID token has expired, and for a day at most as long as
/// a session lives, whose client brings its ID token back as a hint (RP-Initiated Logout §2).
pub fn stays_s(lives: &Lives) -> i64 {
    lives.id_token_s.max(lives.session_s.min(HINTS_S)) + TAKE_UP_S
}

/// How long a key stays that the operator does not trust any more: until the last ID token has expired.
pub fn stays_at_least_s(lives: &Lives) -> i64 {
    lives.id_token_s + TAKE_UP_S
}

/// What `schedule` asks to be done about `keys` at `now`; a key stays for `stays_s` after its time. Algorithms that have no key get
/// none: which there are is the operator's choice.
pub fn plan(keys: &[SigningKeyRecord], schedule: Schedule, stays_s: i64, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    for algorithm in Algorithm::ALL {
        let Some(active) = active(keys, algorithm, now) else { continue };
        for old in candidates(keys, algorithm).filter(|key| key.turn() < active.turn()) {
            plan.retire.push(Retire {
                kid: old.kid.clone(),
                algorithm,
                successor: active.kid.clone(),
                retired_at: active.active_from,
                expires_at: active.active_from.plus_seconds(stays_s),
            });
        }
        let due = active.active_from.plus_seconds(schedule.rotate_after_s);
        let soonest = now.plus_seconds(schedule.publish_before_s);
        // A key that a wrong clock has put into the far future is none to wait for.
        let is_waiting = next(keys, algorithm, now)
            .is_some_and(|next| next.active_from <= now.plus_seconds(schedule.rotate_after_s));
        if schedule.rotate_after_s > 0 && due <= soonest && !is_waiting {
            plan.make.push(Next { algorithm, active_from: due.max(soonest) });
        }
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;
    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const STAYS_S: i64 = 1_000;

    fn days(days: i64) -> Timestamp {
        NOW.plus_seconds(days * DAY)
    }

    /// An RS256 key that was made and signs so many days from now.
    fn key(kid: &str, made: i64, from: i64) -> SigningKeyRecord {
        SigningKeyRecord {
            kid: kid.to_owned(),
            algorithm: Algorithm::RS256,
            private_sealed: Vec::new(),
            created_at: days(made),
            active_from: days(from),
            retired_at: None,
            expires_at: None,
        }
    }

    fn retired(kid: &str, at: i64) -> SigningKeyRecord {
        SigningKeyRecord {
            retired_at: Some(days(at)),
            expires_at: Some(days(at).plus_seconds(STAYS_S)),
            ..key(kid, -200, -200)
        }
    }

    #[test]
    fn jw9_the_last_key_whose_time_has_come_signs() {
        let es256 = SigningKeyRecord { algorithm: Algorithm::ES256, ..key("other", -1, -1) };
        for (keys, active_kid, next_kid) in [
            (vec![], None, None),
            (vec![key("a", -1, -1)], Some("a"), None),
            (vec![key("a", -9, -9), es256], Some("a"), None),
            (vec![key("a", -9, -9), key("b", -1, 1)], Some("a"), Some("b")),
            (vec![key("a", -9, -9), key("b", -1, 0)], Some("b"), None),
            (vec![key("c", -1, 0), key("b", -2, -1), key("a", -9, -9)], Some("c"), None),
            // Of two for one moment, the younger.
            (vec![key("a", -2, 0), key("b", -3, 0)], Some("a"), None),
            (vec![key("a", -2, 0), key("b", -2, 0)], Some("b"), None),
            (vec![key("a", -9, -9), key("c", -1, 5), key("b", -1, 3)], Some("a"), Some("b")),
            (vec![retired("a", -1), key("b", -2, -1)], Some("b"), None),
            (vec![retired("a", 0)], None, None),
            // RB12: the clock went back.
            (vec![key("b", 20, 20), key("a", 10, 10)], Some("a"), Some("b")),
            (vec![retired("a", 10), key("b", 3, 10)], Some("b"), None),
        ] {
            let kid = |key: Option<&SigningKeyRecord>| key.map(|key| key.kid.clone());
            assert_eq!(kid(active(&keys, Algorithm::RS256, NOW)).as_deref(), active_kid, "{keys:?}");
            assert_eq!(kid(next(&keys, Algorithm::RS256, NOW)).as_deref(), next_kid, "{keys:?}");
        }
    }

    #[test]
    fn jw9_a_key_has_one_state_at_a_time() {
        let keys =
            [retired("gone", -1), retired("old", 0), key("was", -9, -9), key("is", -8, 0), key("be", 0, 1)];
        let states: Vec<State> = keys.iter().map(|key| state(&keys, key, NOW)).collect();
        assert_eq!(states, [State::Gone, State::Retired, State::Retired, State::Active, State::Next]);
    }

    #[test]
    fn jw9_the_next_key_is_made_in_time_and_the_old_one_retires() {
        let made = |in_days: i64| Plan {
            make: vec![Next { algorithm: Algorithm::RS256, active_from: days(in_days) }],
            retire: Vec::new(),
        };
        let retire = |kid: &str, successor: &str, at: i64| Retire {
            kid: kid.to_owned(),
            algorithm: Algorithm::RS256,
            successor: successor.to_owned(),
            retired_at: days(at),
            expires_at: days(at).plus_seconds(STAYS_S),
        };
        let retiring = |all: &[Retire]| Plan { make: Vec::new(), retire: all.to_vec() };
        let schedule = |after: i64, before: i64| Schedule {
            rotate_after_s: after * DAY,
            publish_before_s: before * DAY,
        };
        let usual = Schedule::default();
        for (name, keys, schedule, expected) in [
            ("no key, no choice", vec![], usual, Plan::default()),
            ("young", vec![key("a", -82, -82)], usual, Plan::default()),
            ("a week before its time is over", vec![key("a", -83, -83)], usual, made(7)),
            ("the server was down", vec![key("a", -300, -300)], usual, made(7)),
            ("its age counts from when it signs", vec![key("a", -89, -82)], usual, Plan::default()),
            ("the next is there", vec![key("a", -89, -89), key("b", -6, 1)], usual, Plan::default()),
            ("published by hand", vec![key("a", -1, -1), key("b", 0, 7)], usual, Plan::default()),
            ("never", vec![key("a", -300, -300)], schedule(0, 7), Plan::default()),
            ("short", vec![key("a", 0, 0)], schedule(2, 1), Plan::default()),
            ("short and due", vec![key("a", -1, -1)], schedule(2, 1), made(1)),
            ("over", vec![key("a", -90, -90), key("b", -7, 0)], usual, retiring(&[retire("a", "b", 0)])),
            (
                "never, and yet over",
                vec![key("a", -90, -90), key("b", -7, 0)],
                schedule(0, 7),
                retiring(&[retire("a", "b", 0)]),
            ),
            (
                "two at once",
                vec![key("c", -3, -1), key("a", -90, -90), key("b", -7, -2)],
                usual,
                retiring(&[retire("a", "c", -1), retire("b", "c", -1)]),
            ),
            (
                "down for long",
                vec![key("a", -180, -180), key("b", -97, -90)],
                usual,
                Plan { retire: vec![retire("a", "b", -90)], ..made(7) },
            ),
            ("retired is retired", vec![retired("a", 0), key("b", -7, 0)], usual, Plan::default()),
            ("rb12: the clock went back", vec![retired("a", 10), key("b", 3, 10)], usual, Plan::default()),
            ("rb12: and had been far ahead", vec![key("a", -89, -89), key("b", 900, 907)], usual, made(7)),
        ] {
            assert_eq!(plan(&keys, schedule, STAYS_S, NOW), expected, "{name}");
        }
    }

    #[test]
    fn jw9_nothing_is_left_to_do_once_a_plan_is_done_and_each_key_was_published_before_it_signed() {
        let schedule = Schedule { rotate_after_s: 10 * DAY, publish_before_s: 3 * DAY };
        let mut keys = vec![key("0", 0, 0)];
        for day in 0..100 {
            let now = days(day);
            let before = active(&keys, Algorithm::RS256, now).map(|key| key.kid.clone());
            let plan_now = plan(&keys, schedule, STAYS_S, now);
            for next in &plan_now.make {
                let kid = keys.len().to_string();
                keys.push(SigningKeyRecord {
                    created_at: now,
                    active_from: next.active_from,
                    ..key(&kid, 0, 0)
                });
            }
            for old in &plan_now.retire {
                let key = keys.iter_mut().find(|key| key.kid == old.kid).expect("one of ours");
                (key.retired_at, key.expires_at) = (Some(old.retired_at), Some(old.expires_at));
            }
            assert!(plan(&keys, schedule, STAYS_S, now).is_empty(), "day {day}");
            assert_eq!(active(&keys, Algorithm::RS256, now).map(|key| key.kid.clone()), before, "day {day}");
        }
        assert_eq!(keys.len(), 11);
        for (n, key) in keys.iter().enumerate().skip(1) {
            assert_eq!(key.active_from, days(10 * n as i64));
            assert_eq!(key.active_from.seconds_since(key.created_at), 3 * DAY);
        }
    }

    #[test]
    fn jw9_a_retired_key_stays_for_tokens_and_for_hints_of_a_session() {
        let stays = |id_token_s, session_s| stays_s(&Lives { id_token_s, session_s, ..Lives::default() });
        assert_eq!(stays(600, 12 * 3_600), 12 * 3_600 + TAKE_UP_S);
        assert_eq!(stays(2 * DAY, 3_600), 2 * DAY + TAKE_UP_S);
        assert_eq!(stays(600, 400 * DAY), DAY + TAKE_UP_S, "modest, however long sessions are");
        assert_eq!(stays_at_least_s(&Lives::default()), 600 + TAKE_UP_S);
    }
}
