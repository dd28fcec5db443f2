//! The static files of the pages. Their names change with their content, so browsers may keep them for ever.

use authmachine_pages::ErrorKind;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::error::PageError;

/// `GET /assets/{name}`.
pub async fn get(State(app): State<App>, OriginalUri(uri): OriginalUri, headers: HeaderMap) -> Response {
    match app.site.assets.all().into_iter().find(|asset| asset.path == uri.path()) {
        None => PageError::new(ErrorKind::NotFound).render(&app, &headers),
        Some(asset) => {
            let headers = [
                (header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type)),
                (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
            ];
            (headers, asset.body.clone()).into_response()
        }
    }
}
