//! The person's own pages: signing in without a client, own sessions, change of password, sign-out.

pub mod assets;
pub mod password;
pub mod permissions;
pub mod root;
pub mod sessions;
pub mod sign_in;

use authmachine_pages::paths;
use axum::Router;
use axum::routing::{get, post};

use crate::app::App;

/// The routes of this folder.
pub fn routes() -> Router<App> {
    Router::new()
        .route(paths::ROOT, get(root::get))
        .route(paths::LOGIN, get(sign_in::get).post(sign_in::post))
        .route(paths::LOGOUT, post(sessions::sign_out))
        .route(paths::END_SESSION, post(sessions::end_one))
        .route(paths::END_OTHER_SESSIONS, post(sessions::end_others))
        .route(paths::PASSWORD, get(password::get).post(password::post))
        .route(paths::PERMISSIONS, get(permissions::get))
        .route(paths::LEND, get(permissions::get_lend).post(permissions::lend))
        .route(paths::END_LENDING, post(permissions::end))
}
