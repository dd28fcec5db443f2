//! The person's own pages.

mod guessing;
mod password;
mod sessions;
mod sign_in;
