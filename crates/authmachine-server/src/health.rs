//! Whether the service is alive, whether it can do its work, and its counters. Without versions and without secrets (checklist HO5).

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::app::App;
use crate::error::{self, RETRY_AFTER_S};
use crate::{metrics, middleware};

/// The routes of the listener for operators: metrics are served there only.
pub fn router(app: &App) -> Router {
    Router::new()
        .route("/metrics", get(metrics::get))
        .route("/healthz", get(live))
        .route("/readyz", get(ready))
        .fallback(error::not_found)
        .method_not_allowed_fallback(error::method_not_allowed)
        .with_state(app.clone())
        .layer(axum::middleware::from_fn_with_state(app.clone(), middleware::around))
}

/// `GET /healthz`: the process answers.
pub async fn live() -> Response {
    error::json(&serde_json::json!({ "status": "ok" }))
}

/// `GET /readyz`: the database answers, too.
pub async fn ready(State(app): State<App>) -> Response {
    match app.store.read(|reads| reads.current_revision()).await {
        Ok(_) => error::json(&serde_json::json!({ "status": "ok" })),
        Err(error) => {
            tracing::warn!(cause = %error, "Not ready: the database does not answer");
            let body = error::json(&serde_json::json!({ "status": "unavailable" }));
            (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, RETRY_AFTER_S.to_string())], body)
                .into_response()
        }
    }
}
