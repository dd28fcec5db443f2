//! SQLite and PostgreSQL: migrations, queries and transactions. The only SQL of the project.
//!
//! A write is a unit of work, [`Store::write`]: a plain function from facts to facts in one transaction. A read is
//! [`Store::read`]. What they may call are the methods of [`Tx`] and [`Reads`], a file for each group of tables. The crate
//! knows *nothing* of HTTP and decides nothing: that is `authmachine-provider`'s.

mod access_tokens;
mod api_tokens;
mod assertion_ids;
mod authorization_codes;
mod changes;
mod cleanup;
mod client_cache;
mod client_logos;
mod clients;
mod consents;
mod dialect;
mod engine;
pub mod error;
mod events;
mod faults;
pub mod folder;
mod grants;
mod interactions;
mod logout_deliveries;
mod meta;
mod migrations;
mod permissions;
mod queue;
mod refresh_families;
mod sessions;
pub mod settings;
mod signing_keys;
mod statements;
mod stats;
mod store;
mod subjects;
mod throttles;
mod unit;
mod users;
mod value;

pub use changes::Change;
pub use cleanup::{Pace, Purge, Step};
pub use client_cache::{CacheStats, TRUSTED_FOR};
pub use client_logos::Logo;
pub use error::{OpenError, StoreError};
pub use faults::Faults;
pub use permissions::NotWritten;
pub use permissions::delegations::DelegationsOf;
pub use permissions::feed::Feed;
pub use permissions::grants::GrantFilter;
pub use permissions::lending::{Lending, NotLent};
pub use permissions::slice::{SliceOf, SliceSettings, TooLarge};
pub use sessions::MAX_LISTED_SESSIONS;
pub use settings::Settings;
pub use stats::{Histogram, Stats};
pub use store::{Changed, Marker, Store};
pub use unit::{Reads, Tx};
pub use users::Inserted;

/// Every statement of the store with its name, a list for each file.
pub(crate) const STATEMENTS: &[&[(&str, &str)]] = &[
    access_tokens::STATEMENTS,
    api_tokens::STATEMENTS,
    assertion_ids::STATEMENTS,
    authorization_codes::STATEMENTS,
    changes::STATEMENTS,
    cleanup::STATEMENTS,
    client_logos::STATEMENTS,
    clients::STATEMENTS,
    consents::STATEMENTS,
    events::STATEMENTS,
    grants::STATEMENTS,
    interactions::STATEMENTS,
    logout_deliveries::STATEMENTS,
    meta::STATEMENTS,
    permissions::delegations::STATEMENTS,
    permissions::feed::STATEMENTS,
    permissions::grants::STATEMENTS,
    permissions::groups::STATEMENTS,
    permissions::held::STATEMENTS,
    permissions::objects::STATEMENTS,
    permissions::slice::STATEMENTS,
    permissions::snapshot::STATEMENTS,
    permissions::types::STATEMENTS,
    refresh_families::STATEMENTS,
    sessions::STATEMENTS,
    signing_keys::STATEMENTS,
    subjects::STATEMENTS,
    throttles::STATEMENTS,
    users::STATEMENTS,
];
