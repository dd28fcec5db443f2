//! The identity provider as an HTTP service.
//!
//! Handlers extract, load, ask the pure crates, save in one unit of work, and answer. This crate knows *nothing* of SQL,
//! of files or of the environment: the store, the master key and checked [`Settings`] are given to [`App::start`].

pub mod account;
pub mod app;
pub mod authzen;
pub mod browser;
pub mod client_keys;
pub mod clock;
pub mod cors;
pub mod error;
pub mod events;
pub mod fetch;
pub mod health;
pub mod jobs;
pub mod keys;
pub mod listen;
pub mod metrics;
pub mod middleware;
pub mod oidc;
pub mod passwords;
pub mod permissions;
pub mod random;
pub mod request;
pub mod scim;
pub mod secrets;
pub mod settings;

pub use app::{App, StartError};
pub use clock::Clock;
pub use settings::{Issuer, IssuerError, Settings};

use axum::Router;
use axum::routing::get;

/// Every route of the provider. Health and metrics are on a listener of their own ([`health::router`]).
pub fn router(app: &App) -> Router {
    Router::new()
        .merge(oidc::routes(&app.settings))
        .merge(account::routes())
        .merge(scim::routes())
        .merge(authzen::routes())
        .route("/assets/{name}", get(account::assets::get))
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .fallback(error::not_found)
        .method_not_allowed_fallback(error::method_not_allowed)
        .with_state(app.clone())
        .layer(axum::middleware::from_fn_with_state(app.clone(), middleware::around))
}
