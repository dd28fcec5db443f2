//! An application on this crate, from outside: a browser with cookies on one side, a provider that plays by a script
//! on the other.

mod app;
mod authzen;
mod default_client;
mod hostile;
mod op;
mod our_provider;
mod permissions;
mod permissions_api;
mod protection;
mod sign_in;
mod sign_out;
mod token_check;
mod twelve_lines;
