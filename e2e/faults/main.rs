//! The built `authmachine` under faults: one file for each kind. Every fault happens under load, and again and again; the
//! workload is its own oracle ([`ledger`]), and each test gives an account ([`scenario`]).
//!
//! Here the runs are short; `cargo xtask faults` runs them in full, and docs/faults.md has what they found.

#[macro_use]
extern crate authmachine_e2e;

mod clock;
mod damage;
mod database;
mod disk;
mod framing;
mod full;
mod keys;
mod kill9;
mod ledger;
mod nodes;
mod overload;
mod peers;
mod power;
mod preload;
mod races;
mod scenario;
mod slow;
mod stop;
