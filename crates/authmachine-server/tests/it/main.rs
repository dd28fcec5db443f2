//! The server's suite: flows through the real router over a real store. Folders mirror routes; what concerns every route stands
//! beside them. Each test runs on both engines; its name begins with the id of the security checklist that it is about.

// The discovery document is a large literal.
#![recursion_limit = "256"]

mod account;
mod authzen;
mod contract;
mod everywhere;
mod faults;
mod fetch;
mod jobs;
mod logs;
mod nodes;
mod oidc;
mod permissions;
mod rights;
mod scim;
mod simulation;
