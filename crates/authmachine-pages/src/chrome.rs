//! What every page shares.

use std::sync::Arc;

use crate::{
    assets::{Assets, assets},
    brand::Brand,
    lang::Lang,
    text,
};

/// An installation as its pages know it; made once at the start.
#[derive(Debug, Clone)]
pub struct Site {
    /// Name and colour.
    pub brand: Brand,
    /// The path of the issuer's URL without a trailing slash: empty, or for example `/auth`.
    pub base_path: String,
    /// The static files that pages refer to.
    pub assets: Assets,
}

impl Site {
    /// A site with the static files of `brand`. A trailing slash of `base_path` is dropped.
    pub fn new(brand: Brand, base_path: &str) -> Self {
        Self { assets: assets(&brand), base_path: base_path.trim_end_matches('/').into(), brand }
    }
}

/// What surrounds one page: the site, the person's language, the request.
#[derive(Debug, Clone)]
pub struct Chrome {
    /// Shared by all requests.
    pub site: Arc<Site>,
    /// See [`Lang::negotiate`].
    pub lang: Lang,
    /// Shown on error pages, for the person to quote.
    pub request_id: Option<String>,
}

impl Chrome {
    pub(crate) fn product(&self) -> String {
        text::foreign(&self.site.brand.product_name)
    }

    /// A path of [`crate::paths`] or an asset's, below the base path.
    pub(crate) fn link(&self, path: &str) -> String {
        format!("{}{path}", self.site.base_path)
    }

    pub(crate) fn assets(&self) -> &Assets {
        &self.site.assets
    }

    /// `path` if it is a path on this site, else the root: no form leaves it, whatever a handler was talked into.
    pub(crate) fn own<'a>(&self, path: &'a str) -> &'a str {
        let own = path.starts_with('/')
            && !path[1..].starts_with(['/', '\\'])
            && !path.contains(|c: char| c.is_control() || c == '\\');
        if own { path } else { "/" }
    }

    /// `uri` if it is a web address, else the root: a client's redirect URI, checked before, and still never a script.
    pub(crate) fn client<'a>(&self, uri: &'a str) -> &'a str {
        let is_web = ["https://", "http://"]
            .iter()
            .any(|scheme| uri.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
        if is_web && uri.bytes().all(|b| b.is_ascii_graphic() && b != b'\\') { uri } else { "/" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xs1_a_form_posts_to_a_path_of_its_own_site_only() {
        let chrome = Chrome {
            site: Arc::new(Site::new(Brand::default(), "/auth/")),
            lang: Lang::En,
            request_id: None,
        };
        for own in ["/", "/login?interaction=a%2Fb", "/auth/login"] {
            assert_eq!(chrome.own(own), own);
        }
        for foreign in [
            "",
            "login",
            "javascript:alert(1)",
            "//evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "https://e",
        ] {
            assert_eq!(chrome.own(foreign), "/", "{foreign}");
        }
        assert_eq!(chrome.link("/login"), "/auth/login");
    }

    #[test]
    fn xs3_a_form_leaves_the_site_for_a_web_address_only() {
        let chrome =
            Chrome { site: Arc::new(Site::new(Brand::default(), "")), lang: Lang::En, request_id: None };
        for web in ["https://app.example/cb?x=%7e&y", "http://localhost:5000/cb", "HTTPS://app.example/"] {
            assert_eq!(chrome.client(web), web);
        }
        for other in [
            "",
            "/cb",
            "javascript:alert(1)",
            "JaVaScRiPt:https://",
            "data:text/html,x",
            "https:app.example",
            " https://app.example",
            "https://app.example\\@evil.example",
            "https://app.example/\n",
            "https://äpp.example/",
        ] {
            assert_eq!(chrome.client(other), "/", "{other}");
        }
    }
}
