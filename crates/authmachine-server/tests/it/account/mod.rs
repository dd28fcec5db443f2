//! The person's own pages.

mod guessing;
mod password;
mod permissions;
mod sessions;
mod sign_in;
