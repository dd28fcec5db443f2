//! Log in with OpenID Connect in a few lines, with routes and an extractor for axum.
//!
//! ```no_run
//! use authmachine_client::{Denied, Login, User};
//! use axum::{Router, routing::get};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let login = Login::from_env()?; // AUTHMACHINE_URL, AUTHMACHINE_CLIENT_ID, AUTHMACHINE_CLIENT_SECRET
//! let app = Router::new()
//!     .route("/", get(async |user: Option<User>| match user {
//!         Some(user) => format!("Logged in as {}", user.name()),
//!         None => "Nobody is logged in".to_owned(),
//!     }))
//!     // A handler with a `User` is for signed-in users: a page load is sent to log in, a script gets 401.
//!     .route("/reports", get(async |user: User| {
//!         user.require("read", "reports").await?; // else 403
//!         Ok::<_, Denied>("the reports")
//!     }));
//! let app = login.attach(app); // last: adds /login, /oidc-callback, /logout, /oidc-logout-callback
//! axum::serve(tokio::net::TcpListener::bind(login.local_address()).await?, app).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Any OpenID provider will do. What AuthMachine has beyond the standard, permissions and the check whether a token
//! still holds, is asked for in ways that other providers answer in standard errors.
//!
//! The session lives in a sealed cookie: no store is needed, and nothing of it can be read or changed outside.
//! Without feature `axum` only the settings, [`PermissionsApi`] and [`authzen`] remain, for programs without pages.
//!
//! The crate knows nothing of the provider's insides: it shares the words of the protocol with it
//! (`authmachine-protocol`) and the cryptography (`authmachine-jose`), no more.
#![cfg_attr(not(feature = "axum"), expect(dead_code, reason = "nobody signs in without pages"))]

mod answers;
mod api;
pub mod authzen;
mod builder;
mod clock;
mod cookies;
mod document;
mod env;
mod error;
mod flow;
mod http_client;
mod login;
mod observer;
#[cfg(feature = "axum")]
mod page;
mod permissions;
mod provider;
mod random;
mod session;
mod token_check;
mod user;
#[cfg(feature = "axum")]
mod web;

pub use api::PermissionsApi;
pub use builder::LoginBuilder;
pub use env::Variables;
pub use error::{CallbackError, Error, ErrorKind, IdTokenError};
pub use http_client::{HttpAnswer, HttpClient, HttpError};
pub use login::Login;
pub use observer::{Check, DecodedToken, Message, Observer, Step, StepKind};
#[cfg(feature = "axum")]
pub use page::{Action, Page};
pub use permissions::{Denied, Forbidden, Permissions};
pub use token_check::TokenStatus;
pub use user::User;
#[cfg(feature = "axum")]
pub use web::require;

pub use authmachine_jose::{Algorithm, ClaimError, JoseError};
pub use authmachine_protocol::ClientAuthMethod;

/// What the README shows compiles.
#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../README.md")]
struct Readme;
