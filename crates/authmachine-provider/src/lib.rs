//! The provider's records, and what is decided on them.
//!
//! Facts in, verdicts out: this crate knows *nothing* of HTTP, SQL, clocks or random generators. Time, fresh ids
//! and fresh secrets are arguments, so every rule is tested as a plain function.

pub mod access_token;
pub mod api_token;
pub mod authorization_code;
pub mod authorize;
pub mod back_channel_logout;
pub mod browser_session;
pub mod client;
pub mod client_assertion;
pub mod client_metadata;
pub mod consent;
pub mod event;
pub mod grant;
pub mod handle;
pub mod ids;
pub mod interaction;
pub mod keys;
pub mod lives;
pub mod logout;
pub mod password;
pub mod permission_records;
pub mod refresh_token;
pub mod registration;
pub mod request_object;
pub mod session_state;
pub mod subject_ids;
#[cfg(test)]
mod testing;
pub mod throttle;
pub mod user;
pub mod user_claims;

pub use authmachine_protocol::Timestamp;
