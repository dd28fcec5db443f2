//! What every page shares.

use std::sync::Arc;

use crate::{
    address,
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
        address::own(path).unwrap_or("/")
    }

    /// `uri` if it is a web address, else the root: what a client registered, checked before, and still never a script.
    pub(crate) fn client<'a>(&self, uri: &'a str) -> &'a str {
        address::web(uri).unwrap_or("/")
    }

    /// The same, or an installed app's own scheme.
    pub(crate) fn app<'a>(&self, uri: &'a str) -> &'a str {
        address::app(uri).unwrap_or("/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xs1_what_is_no_address_leads_to_the_root() {
        let site = Arc::new(Site::new(Brand::default(), "/auth/"));
        let chrome = Chrome { site, lang: Lang::En, request_id: None };
        for (shown, address) in [
            (chrome.own("/login"), "/login"),
            (chrome.own("https://app.example"), "/"),
            (chrome.client("https://app.example/cb"), "https://app.example/cb"),
            (chrome.client("com.example.app:/cb"), "/"),
            (chrome.app("com.example.app:/out"), "com.example.app:/out"),
            (chrome.app("javascript:alert(1)"), "/"),
        ] {
            assert_eq!(shown, address);
        }
        assert_eq!(chrome.link("/login"), "/auth/login");
    }
}
