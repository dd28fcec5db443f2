//! Logos of clients. A page of ours shows no picture from elsewhere: each logo is fetched once, guarded, drawn anew as a small PNG,
//! and served from here (checklist DR4, XS5).

use std::io::Cursor;
use std::time::Duration;

use authmachine_provider::client::Client;
use authmachine_provider::ids::ClientId;
use authmachine_store::{Logo, StoreError, Tx};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use image::{DynamicImage, ImageFormat, ImageReader, Limits};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::app::App;
use crate::error::{self, ApiError};

/// The pictures that are read. SVG is a document with scripts and is none of them.
const FORMATS: [ImageFormat; 4] = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::WebP];
/// Their media types.
const MEDIA_TYPES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];
/// The longest side of a picture that is read, in pixels.
const MAX_SIDE: u32 = 2_048;
/// The most bytes that drawing one may take.
const MAX_DRAWING_BYTES: u64 = 24 * 1024 * 1024;
/// The longest side of a copy, in pixels.
const COPY_SIDE: u32 = 128;
/// How long a registration waits for its logo, so that the first sign-in shows it.
const WAIT: Duration = Duration::from_secs(1);

/// One picture is drawn at a time, whatever its size.
static DRAWING: Semaphore = Semaphore::const_new(1);

/// The path of a client's logo; `None` for a `client_id` that no path of ours can have.
pub fn path(client: &Client) -> Option<String> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:@".contains(&b);
    let is_segment = client.client_id.bytes().all(is_plain) && ![".", ".."].contains(&&*client.client_id);
    is_segment.then(|| format!("/oidc/clients/{}/logo", client.client_id))
}

/// `GET /oidc/clients/{client_id}/logo`.
pub async fn get(State(app): State<App>, Path(client_id): Path<String>, headers: HeaderMap) -> Response {
    let found = app
        .store
        .read(move |reads| {
            let client = reads.find_client_by_client_id(&client_id)?.filter(|client| !client.disabled);
            match client.and_then(|client| Some((client.id, client.metadata.logo_uri?))) {
                Some((id, source)) => reads.find_client_logo(id, &source),
                None => Ok(None),
            }
        })
        .await;
    let png = match found {
        Ok(Some(png)) => png,
        Ok(None) => return ApiError::new(StatusCode::NOT_FOUND, "There is no logo here.").into_response(),
        Err(error) => return ApiError::from(error).into_response(),
    };
    let etag: String = authmachine_jose::hex(&authmachine_jose::sha256(&png)[..12]);
    let etag = HeaderValue::try_from(format!("\"{etag}\"")).expect("hex in quotes is a header value");
    let always = [
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
        (header::ETAG, etag.clone()),
    ];
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| *known == etag) {
        return (StatusCode::NOT_MODIFIED, always).into_response();
    }
    (always, [(header::CONTENT_TYPE, HeaderValue::from_static("image/png"))], png).into_response()
}

/// The path of the client's logo, if we have a copy. If we have none and nobody has tried, it is fetched while the page is read.
pub async fn show(app: &App, client: &Client) -> Option<String> {
    let (id, source, now) = (client.id, client.metadata.logo_uri.clone()?, app.now());
    match app.store.read(move |reads| reads.client_logo(id, &source, now)).await {
        Ok(Logo::Copied) => path(client),
        Ok(Logo::Wanted) => {
            drop(fetch(app, client));
            None
        }
        Ok(Logo::Missing) => None,
        Err(error) => {
            error::log_store(&error);
            None
        }
    }
}

/// Fetches the logo of a client that has just registered it. Whether it comes changes nothing else.
pub async fn copy(app: &App, client: &Client) {
    if let Some(fetching) = fetch(app, client) {
        let _ = tokio::time::timeout(WAIT, fetching).await;
    }
}

fn fetch(app: &App, client: &Client) -> Option<JoinHandle<()>> {
    let (app, id, source) = (app.clone(), client.id, client.metadata.logo_uri.clone()?);
    Some(tokio::spawn(async move {
        if let Err(error) = fetch_and_keep(&app, id, source).await {
            error::log_store(&error);
        }
    }))
}

async fn fetch_and_keep(app: &App, id: ClientId, source: String) -> Result<(), StoreError> {
    let (claimed, now) = (source.clone(), app.now());
    let claim = move |tx: &mut Tx| tx.claim_client_logo(id, &claimed, now);
    if !app.store.write(app.write_deadline(), claim).await? {
        return Ok(());
    }
    // The fetcher has said why, if it failed.
    let Ok(fetched) = app.fetcher.get(&source, &MEDIA_TYPES).await else { return Ok(()) };
    let turn = DRAWING.acquire().await.expect("it is never closed");
    let drawn = spawn_blocking(move || draw(&fetched.body)).await;
    drop(turn);
    let Ok(Some(png)) = drawn else {
        tracing::warn!(client = %id, "A client's logo is no picture that can be shown");
        return Ok(());
    };
    app.store.write(app.write_deadline(), move |tx| tx.set_client_logo(id, &source, &png)).await
}

/// Draws a picture anew, as a small PNG: nothing of the original's bytes is left.
fn draw(picture: &[u8]) -> Option<Vec<u8>> {
    let mut reader = ImageReader::new(Cursor::new(picture)).with_guessed_format().ok()?;
    reader.format().filter(|format| FORMATS.contains(format))?;
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(MAX_SIDE), Some(MAX_SIDE));
    limits.max_alloc = Some(MAX_DRAWING_BYTES);
    reader.limits(limits);
    let picture = reader.decode().ok()?;
    let small = match picture.width().max(picture.height()) {
        0..=COPY_SIDE => picture,
        _ => picture.thumbnail(COPY_SIDE, COPY_SIDE),
    };
    let mut png = Cursor::new(Vec::new());
    DynamicImage::ImageRgba8(small.into_rgba8()).write_to(&mut png, ImageFormat::Png).ok()?;
    Some(png.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::RgbImage;

    fn picture(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let image = DynamicImage::ImageRgb8(RgbImage::from_fn(width, height, |x, y| {
            image::Rgb([x.to_le_bytes()[0], y.to_le_bytes()[0], 7])
        }));
        image.write_to(&mut bytes, format).expect("it can be written");
        bytes.into_inner()
    }

    fn size(png: &[u8]) -> (u32, u32) {
        assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"));
        let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().expect("four bytes"));
        (number(16), number(20))
    }

    #[test]
    fn xs5_a_picture_is_drawn_anew_and_small() {
        for format in FORMATS {
            let drawn = draw(&picture(300, 150, format)).expect("it is a picture");
            assert_eq!(size(&drawn), (128, 64), "{format:?}");
            assert_eq!(size(&draw(&picture(16, 20, format)).expect("small")), (16, 20));
        }
        let mut with_tail = picture(16, 16, ImageFormat::Png);
        with_tail.extend(b"<script>alert(1)</script>");
        let drawn = draw(&with_tail).expect("it is a picture");
        assert!(!drawn.windows(7).any(|bytes| bytes == b"<script"));
    }

    #[test]
    fn xs5_do1_what_is_no_picture_or_too_large_is_refused() {
        assert!(draw(&picture(MAX_SIDE, 2, ImageFormat::Png)).is_some());
        assert!(draw(&picture(MAX_SIDE + 1, 2, ImageFormat::Png)).is_none());
        assert!(draw(&picture(2, MAX_SIDE + 1, ImageFormat::Gif)).is_none());
        // A header that promises more pixels than there is memory.
        let mut bomb = picture(16, 16, ImageFormat::Png);
        bomb[16..24].copy_from_slice(&[0x7F, 0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF]);
        let svg = br#"<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>"#;
        let half = &picture(64, 64, ImageFormat::Jpeg)[..200];
        for bad in [&bomb[..], svg, half, b"", b"GIF89a", b"BM", b"<html>", &[0; 1_000]] {
            assert!(draw(bad).is_none(), "{:?}", String::from_utf8_lossy(&bad[..bad.len().min(20)]));
        }
    }
}
