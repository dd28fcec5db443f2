//! Style sheet, script and mark, under names that carry a hash of their content.

use crate::brand::Brand;

/// A static file. Its path names its content, so it may be cached for a year and called `immutable`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// `/assets/<name>.<hash>.<ending>`, below the site's base path.
    pub path: String,
    /// For the `Content-Type` header.
    pub content_type: &'static str,
    /// UTF-8 text.
    pub body: String,
}

/// All static files of an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assets {
    /// In the brand's colour.
    pub stylesheet: Asset,
    /// Shows and hides passwords; pages work without it.
    pub script: Asset,
    /// Posts the form of a [`FormPost`](crate::FormPost) page; it works without.
    pub form_post: Asset,
    /// Goes on from a [`LogoutFrames`](crate::LogoutFrames) page; it works without.
    pub logout: Asset,
    /// Answers the messages that a [`CheckSession`](crate::CheckSession) frame is sent.
    pub check_session: Asset,
    /// The sign beside the product's name, and the favicon.
    pub mark: Asset,
}

impl Assets {
    /// Every file, for a server to route.
    pub fn all(&self) -> [&Asset; 6] {
        [&self.stylesheet, &self.script, &self.form_post, &self.logout, &self.check_session, &self.mark]
    }
}

/// The static files in the colour of `brand`.
pub fn assets(brand: &Brand) -> Assets {
    let script = |name, body: &str| asset(name, "js", "text/javascript; charset=utf-8", body.into());
    Assets {
        stylesheet: asset("style", "css", "text/css; charset=utf-8", stylesheet(brand)),
        script: script("page", include_str!("../assets/page.js")),
        form_post: script("form_post", include_str!("../assets/form_post.js")),
        logout: script("logout", include_str!("../assets/logout.js")),
        check_session: script("check_session", include_str!("../assets/check_session.js")),
        mark: asset("mark", "svg", "image/svg+xml", mark(brand)),
    }
}

/// The style sheet in the colour of `brand`.
pub fn stylesheet(brand: &Brand) -> String {
    brand.accent.custom_properties() + include_str!("../assets/style.css")
}

/// A keyhole in a cogwheel.
fn mark(brand: &Brand) -> String {
    include_str!("../assets/mark.svg")
        .replace("ACCENT", &brand.accent.to_string())
        .replace("GLYPH", &brand.accent.text_on().to_string())
}

fn asset(name: &str, ending: &str, content_type: &'static str, body: String) -> Asset {
    Asset { path: format!("/assets/{name}.{:016x}.{ending}", fnv1a(body.as_bytes())), content_type, body }
}

/// FNV-1a, 64 bits: tells versions of our own files apart, the same on every node. Not for security.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn another_colour_is_another_file() {
        let ours = assets(&Brand::default());
        let theirs = assets(&Brand { accent: "#b3261e".parse().unwrap(), ..Brand::default() });
        assert_ne!(ours.stylesheet.path, theirs.stylesheet.path);
        assert_ne!(ours.mark.path, theirs.mark.path);
        assert_eq!(ours.script, theirs.script);
        assert!(theirs.mark.body.contains("#b3261e") && !theirs.mark.body.contains("ACCENT"));
        assert!(theirs.stylesheet.body.contains("--accent:#b3261e"));
    }

    #[test]
    fn hd1_files_load_nothing_from_elsewhere() {
        for asset in assets(&Brand::default()).all() {
            let body = asset.body.replace("http://www.w3.org/2000/svg", "");
            for foreign in ["http:", "https:", "url(", "\"//", "@import", "data:", "<script", "style="] {
                assert!(!body.contains(foreign), "{foreign} in {}", asset.path);
            }
        }
    }
}
