//! What time it is.

use std::{sync::Arc, time::SystemTime};

use authmachine_protocol::Timestamp;

/// The system's clock, or a test's.
#[derive(Clone)]
pub(crate) struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    pub(crate) fn new(time: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(time))
    }

    pub(crate) fn time(&self) -> SystemTime {
        (self.0)()
    }

    pub(crate) fn now(&self) -> Timestamp {
        let since_1970 = self.time().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_ms(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
    }
}

impl Default for Clock {
    #[expect(clippy::disallowed_methods, reason = "the one place where this crate reads the clock")]
    fn default() -> Self {
        Self::new(SystemTime::now)
    }
}
