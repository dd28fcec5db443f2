//! A clock that stands still until a test moves it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use authmachine_provider::Timestamp;
use authmachine_server::Clock;

/// When every test begins: 2027-01-15T08:00:00.123Z. Not a whole second, so that rounding shows.
pub const START: Timestamp = Timestamp::from_ms(1_800_000_000_123);

/// The clock of a test's server.
#[derive(Clone, Debug)]
pub struct TestClock(Arc<AtomicI64>);

impl Default for TestClock {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(START.ms())))
    }
}

impl TestClock {
    /// What the server reads.
    pub fn clock(&self) -> Clock {
        Clock::Fixed(self.0.clone())
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.0.load(Ordering::SeqCst))
    }

    /// Moves the clock, backwards when negative.
    pub fn advance_ms(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }

    /// Moves the clock by seconds.
    pub fn advance(&self, seconds: i64) {
        self.advance_ms(seconds * 1_000);
    }

    /// Moves the clock to a point in time.
    pub fn set(&self, to: Timestamp) {
        self.0.store(to.ms(), Ordering::SeqCst);
    }
}
