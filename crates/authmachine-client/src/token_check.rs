//! Whether an access token still holds: the provider's three answers, and what follows from each.

use std::{collections::HashMap, sync::Mutex};

use authmachine_jose::sha256;
use authmachine_protocol::Timestamp;

/// How long a session is kept while the provider gives no answer.
const KEPT_WITHOUT_ANSWER_SECONDS: i64 = 5 * 60;

/// What the provider says about an access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It holds.
    Alive,
    /// It was revoked, or has expired.
    Ended,
    /// Nothing that could be relied on.
    Silence,
    /// This provider has no such check.
    NotCheckable,
}

/// What is known of a session's access token at this request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenStatus {
    /// The provider said so just now, or within [`token_check_cache`](crate::LoginBuilder::token_check_cache).
    Alive,
    /// The provider does not answer; it did less than five minutes ago, so the session is kept.
    Unanswered,
    /// The provider has no way to ask.
    NotCheckable,
}

/// What follows for the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It goes on.
    Keep(TokenStatus),
    /// It is over.
    End,
    /// Nobody knows: 503.
    Doubt,
}

/// Decides about a session whose token was last known to hold at `last_alive`.
pub(crate) fn judge(answer: Answer, last_alive: Timestamp, now: Timestamp) -> Verdict {
    match answer {
        Answer::Alive => Verdict::Keep(TokenStatus::Alive),
        Answer::Ended => Verdict::End,
        Answer::NotCheckable => Verdict::Keep(TokenStatus::NotCheckable),
        Answer::Silence if now.seconds_since(last_alive) < KEPT_WITHOUT_ANSWER_SECONDS => {
            Verdict::Keep(TokenStatus::Unanswered)
        }
        Answer::Silence => Verdict::Doubt,
    }
}

/// What this process remembers of the tokens that it has seen, by hash: for minutes that they held, and until their
/// session's end that they ended.
#[derive(Default)]
pub(crate) struct Memory(Mutex<State>);

#[derive(Default)]
struct State {
    alive: HashMap<[u8; 32], Timestamp>,
    ended_until: HashMap<[u8; 32], Timestamp>,
    /// Number of entries at which the useless ones are dropped.
    tidy_at: usize,
}

impl Memory {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // Each change is one insertion, so a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// When `token` was last known to hold.
    pub(crate) fn last_alive(&self, token: &str) -> Option<Timestamp> {
        self.state().alive.get(&sha256(token.as_bytes())).copied()
    }

    pub(crate) fn is_ended(&self, token: &str) -> bool {
        self.state().ended_until.contains_key(&sha256(token.as_bytes()))
    }

    pub(crate) fn note_alive(&self, token: &str, now: Timestamp) {
        let mut state = self.state();
        state.alive.insert(sha256(token.as_bytes()), now);
        state.tidy(now);
    }

    /// Remembers that the session of `token` is over, so that a copy of its cookie is worth nothing.
    pub(crate) fn note_ended(&self, token: &str, until: Timestamp, now: Timestamp) {
        let mut state = self.state();
        let hash = sha256(token.as_bytes());
        state.alive.remove(&hash);
        state.ended_until.insert(hash, until);
        state.tidy(now);
    }

    /// Notes that `state` comes back now; `false` if it did before. Kept as long as a sign-in may take.
    pub(crate) fn is_first_use(&self, state: &str, until: Timestamp, now: Timestamp) -> bool {
        let mut memory = self.state();
        let first = memory.ended_until.insert(sha256(format!("state {state}").as_bytes()), until).is_none();
        memory.tidy(now);
        first
    }
}

impl State {
    /// Drops what no longer matters, each time the number of entries has doubled.
    fn tidy(&mut self, now: Timestamp) {
        if self.alive.len() + self.ended_until.len() < self.tidy_at.max(1_024) {
            return;
        }
        // A day covers every cache time that makes sense; past it the provider is asked again.
        self.alive.retain(|_, at| now.seconds_since(*at) < 24 * 60 * 60);
        self.ended_until.retain(|_, until| now < *until);
        self.tidy_at = 2 * (self.alive.len() + self.ended_until.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    #[test]
    fn cl6_doubt_keeps_a_session_for_five_minutes_and_never_ends_it() {
        for (answer, silent_seconds, verdict) in [
            (Answer::Alive, 100_000, Verdict::Keep(TokenStatus::Alive)),
            (Answer::Ended, 0, Verdict::End),
            (Answer::NotCheckable, 100_000, Verdict::Keep(TokenStatus::NotCheckable)),
            (Answer::Silence, 0, Verdict::Keep(TokenStatus::Unanswered)),
            (Answer::Silence, 299, Verdict::Keep(TokenStatus::Unanswered)),
            (Answer::Silence, 300, Verdict::Doubt),
            (Answer::Silence, 100_000, Verdict::Doubt),
        ] {
            assert_eq!(
                judge(answer, NOW, NOW.plus_seconds(silent_seconds)),
                verdict,
                "{answer:?} {silent_seconds}"
            );
        }
    }

    #[test]
    fn cl2_a_state_comes_back_once() {
        let memory = Memory::default();
        assert!(memory.is_first_use("s", NOW.plus_seconds(600), NOW));
        assert!(!memory.is_first_use("s", NOW.plus_seconds(600), NOW));
        assert!(memory.is_first_use("t", NOW.plus_seconds(600), NOW));
    }

    #[test]
    fn the_memory_forgets_what_no_longer_matters() {
        let memory = Memory::default();
        for n in 0..5_000 {
            let now = NOW.plus_seconds(n * 60);
            memory.note_alive(&format!("a{n}"), now);
            memory.note_ended(&format!("e{n}"), now.plus_seconds(60), now);
        }
        let state = memory.state();
        assert!(state.alive.len() + state.ended_until.len() < 5_000);
        drop(state);
        assert!(memory.is_ended("e4999") && !memory.is_ended("a4999") && !memory.is_ended("e0"));
        assert_eq!(memory.last_alive("a4999"), Some(NOW.plus_seconds(4_999 * 60)));
    }
}
