//! Faults on demand, for tests: nothing here happens by itself.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::error::{StoreError, unavailable};

/// Makes calls to the database fail. One call is one statement, or the COMMIT of a transaction.
#[derive(Debug, Default)]
pub struct Faults {
    /// The call to fail, counted from the next one; 0 is none.
    call: AtomicI64,
    /// The transaction whose answer is lost, in the same way.
    commit: AtomicI64,
}

impl Faults {
    /// Makes the `n`-th call from now fail as if the database were away, once; 1 is the next call, 0 takes the order back.
    pub fn fail_call(&self, n: u32) {
        self.call.store(n.into(), Ordering::SeqCst);
    }

    /// Makes the `n`-th transaction from now commit, and its units fail as if the connection had been lost at that moment, once; 1 is
    /// the next one, 0 takes the order back.
    pub fn lose_answer(&self, n: u32) {
        self.commit.store(n.into(), Ordering::SeqCst);
    }

    /// Whether an ordered failure is still to come.
    pub fn is_pending(&self) -> bool {
        self.call.load(Ordering::SeqCst) > 0 || self.commit.load(Ordering::SeqCst) > 0
    }

    pub(crate) fn call(&self) -> Result<(), StoreError> {
        if is_due(&self.call) { Err(unavailable("a fault was ordered")) } else { Ok(()) }
    }

    pub(crate) fn committed(&self) -> Result<(), StoreError> {
        if is_due(&self.commit) {
            return Err(unavailable("the answer to COMMIT was lost, as ordered"));
        }
        Ok(())
    }
}

fn is_due(countdown: &AtomicI64) -> bool {
    countdown.load(Ordering::Relaxed) > 0 && countdown.fetch_sub(1, Ordering::SeqCst) == 1
}
