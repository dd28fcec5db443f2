//! What the certification plans of the OpenID Foundation ask of a provider, in our own words: the built binary over HTTPS, with
//! clients that registered themselves and clients of the operator, on both engines.
//!
//! `docs/conformance.md` says which requirement is where. [`areas`] has a function for each module of the plans, named as the
//! plans name it; every flow in it passes through the common demands of [`checks`]. Nothing here knows a crate of ours: the
//! clients' side is written from the specifications alone.

mod areas;
mod browser;
mod checks;
mod claims;
mod documentation;
mod installation;
mod jwt;
mod random;
mod relying_party;
mod response;
mod run;
mod runner;
mod site;
mod variant;

fn main() -> std::process::ExitCode {
    runner::main()
}
