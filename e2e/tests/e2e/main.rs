//! The built `authmachine` from outside: one file for each thing to be shown.

#[macro_use]
extern crate authmachine_e2e;

mod browser;
mod demo;
mod interoperability;
mod library;
mod logout;
mod node;
mod operations;
mod pyoidc;
mod python;
mod registered;
mod scripts;
mod spa;
mod xs2;
