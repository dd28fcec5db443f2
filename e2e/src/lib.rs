//! The built binary from outside: browser and foreign clients.
//!
//! A test starts processes ([`Provider`], [`Demo`], [`DemoClient`], programs in Python and Node.js), uses them as people and
//! clients do ([`Chromium`], [`Visitor`], [`http`]), and asserts what they see. What fails panics and shows the processes' logs.
//! The harness knows the command line and the wire, and *nothing* of the crates behind them.

mod chromium;
mod client;
mod database;
mod demo;
pub mod foreign;
pub mod form;
pub mod http;
mod ports;
mod process;
mod provider;
mod proxy;
mod random;
mod site;
mod suite;
mod visitor;
pub mod wait;

pub use chromium::Chromium;
pub use client::{Client, NewClient, Tokens, decode};
pub use database::Engine;
pub use demo::{Demo, DemoClient};
pub use ports::free_port;
pub use process::{Process, stdout};
pub use provider::{Provider, TLS_CERTIFICATE, TLS_KEY};
pub use proxy::{End, Proxy, Spoil, Weather};
pub use random::Random;
pub use site::{Received, Site};
pub use suite::{binary, note, target};
pub use visitor::{Stop, Visitor};
