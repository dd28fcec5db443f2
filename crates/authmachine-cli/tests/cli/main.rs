//! The built binary from outside, each test in a folder of its own.

mod clients;
mod configuration;
mod demo;
mod doctor;
mod permissions;
mod postgres;
mod questions;
mod serving;
mod support;
mod tls;
mod tokens_and_keys;
mod transfer;
mod users;
