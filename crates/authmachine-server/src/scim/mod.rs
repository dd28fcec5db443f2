//! The API for programs, under the paths that existing clients use.

pub mod permissions;

use axum::Router;
use axum::routing::get;

use crate::app::App;

/// The routes of this folder.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/scim/v1/Users/{id}/permissions", get(permissions::get))
        .route("/api/scim/v1/Users/{id}/permissions/", get(permissions::get))
        .route("/api/scim/v2/Users/{id}/permissions", get(permissions::get))
        .route("/api/scim/v2/Users/{id}/permissions/", get(permissions::get))
}
