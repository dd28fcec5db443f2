//! Faults on demand, for tests: nothing here happens by itself.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use crate::error::{StoreError, unavailable};

/// Makes calls to the database fail. One call is one statement, or the COMMIT of a transaction.
#[derive(Debug, Default)]
pub struct Faults {
    /// The call to fail, counted from the next one; 0 is none.
    countdown: AtomicI64,
    lose_answer: AtomicBool,
}

impl Faults {
    /// Makes the `n`-th call from now fail as if the database were away, once; 1 is the next call, 0 takes the order back.
    pub fn fail_call(&self, n: u32) {
        self.countdown.store(n.into(), Ordering::SeqCst);
    }

    /// Whether an ordered failure is still to come.
    pub fn is_pending(&self) -> bool {
        self.countdown.load(Ordering::SeqCst) > 0 || self.lose_answer.load(Ordering::SeqCst)
    }

    /// Makes the next transaction commit, and its units fail as if the connection had been lost at that moment.
    pub fn lose_next_answer(&self) {
        self.lose_answer.store(true, Ordering::SeqCst);
    }

    pub(crate) fn call(&self) -> Result<(), StoreError> {
        if self.countdown.load(Ordering::Relaxed) > 0 && self.countdown.fetch_sub(1, Ordering::SeqCst) == 1 {
            return Err(unavailable("a fault was ordered"));
        }
        Ok(())
    }

    pub(crate) fn committed(&self) -> Result<(), StoreError> {
        if self.lose_answer.load(Ordering::Relaxed) && self.lose_answer.swap(false, Ordering::SeqCst) {
            return Err(unavailable("the answer to COMMIT was lost, as ordered"));
        }
        Ok(())
    }
}
