//! Every method of the store, on both engines.

mod api_tokens;
mod assertion_ids;
mod changes;
mod cleanup;
mod client_cache;
mod clients;
mod consents;
mod events;
mod hostile;
mod interactions;
mod logout_deliveries;
mod mirror;
mod opening;
mod permission_feed;
mod permission_writes;
mod permissions;
mod records;
mod sessions;
mod signing_keys;
mod support;
mod throttles;
mod tokens;
mod units;
mod users;
mod year;
