//! The static files, under names that change with their content, so that browsers may keep them for ever.

use axum::{
    extract::Path,
    http::header,
    response::{IntoResponse, Response},
};

/// A static file.
pub(crate) struct Asset {
    name: &'static str,
    ending: &'static str,
    content_type: &'static str,
    body: &'static str,
}

pub(crate) const STYLE: Asset = Asset {
    name: "demo",
    ending: "css",
    content_type: "text/css; charset=utf-8",
    body: include_str!("../assets/demo.css"),
};

/// An open door with a keyhole: the sign beside the name, and the favicon.
pub(crate) const MARK: Asset = Asset {
    name: "mark",
    ending: "svg",
    content_type: "image/svg+xml",
    body: include_str!("../assets/mark.svg"),
};

impl Asset {
    pub(crate) fn path(&self) -> String {
        format!("/assets/{}.{:016x}.{}", self.name, fnv1a(self.body.as_bytes()), self.ending)
    }
}

/// `GET /assets/{name}`.
pub(crate) async fn get(Path(name): Path<String>) -> Response {
    match [STYLE, MARK].into_iter().find(|asset| asset.path().strip_prefix("/assets/") == Some(&name)) {
        None => crate::not_found().await,
        Some(asset) => {
            let headers = [
                (header::CONTENT_TYPE, asset.content_type),
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ];
            (headers, asset.body).into_response()
        }
    }
}

/// FNV-1a, 64 bits: tells versions of our own files apart. Not for security.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hd1_files_load_nothing_from_elsewhere() {
        for asset in [STYLE, MARK] {
            let body = asset.body.replace("http://www.w3.org/2000/svg", "");
            for foreign in ["http:", "https:", "url(", "\"//", "@import", "data:", "<script", "style="] {
                assert!(!body.contains(foreign), "{foreign} in {}", asset.name);
            }
        }
    }
}
