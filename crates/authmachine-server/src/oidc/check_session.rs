//! The frame that apps ask whether the session in this browser is still the one they know of (OpenID Connect Session Management 1.0).

use std::collections::HashSet;

use authmachine_pages::CheckSession;
use authmachine_protocol::redirect_uri;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};

use crate::app::App;
use crate::browser;

/// All but who may frame it.
const CSP: &str =
    "default-src 'none'; script-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors";
/// The most bytes of origins in the policy: proxies take headers of some kilobytes.
const MAX_ORIGINS_BYTES: usize = 3 * 1024;

/// `GET /oidc/check_session`.
pub async fn get(State(app): State<App>, headers: HeaderMap) -> Response {
    let current = app.current();
    let referer = headers.get(header::REFERER).and_then(|value| value.to_str().ok());
    let ancestors = match &current.frame_ancestors {
        Some(all) => all.clone(),
        None => asking(&current.origins, referer).unwrap_or_else(|| "'none'".to_owned()),
    };
    let policy = HeaderValue::try_from(format!("{CSP} {ancestors}"));
    let policy = policy.expect("origins that a policy can name are plain ASCII");
    let page = CheckSession { cookie_name: browser::state_cookie_name(&app) };
    let html = page.render(&browser::chrome(&app, browser::lang(&headers, None)));
    // Pages that are isolated from others frame only what says that it may be.
    let resource_policy =
        (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin"));
    ([(header::CONTENT_SECURITY_POLICY, policy), resource_policy], browser::html(html)).into_response()
}

/// The origins of clients as the policy names them (checklist HD1); `None` when they do not fit.
pub fn frame_ancestors(origins: &HashSet<String>) -> Option<String> {
    let mut named: Vec<String> =
        origins.iter().filter_map(|origin| redirect_uri::policy_source(origin)).collect();
    if named.is_empty() {
        return Some("'none'".to_owned());
    }
    named.sort_unstable();
    Some(named.join(" ")).filter(|all| all.len() <= MAX_ORIGINS_BYTES)
}

/// Where there are too many to name: the client that asks, as its `Referer` says it. Who lies there lies about its own frames.
fn asking(origins: &HashSet<String>, referer: Option<&str>) -> Option<String> {
    let origin = redirect_uri::policy_source(referer?)?;
    origins.contains(&origin).then_some(origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hd1_the_session_frame_names_the_origins_of_clients_or_the_one_that_asks() {
        let origins = |all: &[&str]| all.iter().map(|origin| (*origin).to_owned()).collect::<HashSet<_>>();
        assert_eq!(frame_ancestors(&origins(&[])).as_deref(), Some("'none'"));
        let some =
            origins(&["https://b.example", "https://a.example:8443", "http://[::1]:5000", "https://*.x"]);
        assert_eq!(frame_ancestors(&some).as_deref(), Some("https://a.example:8443 https://b.example"));
        let many: HashSet<String> = (0..1_000).map(|n| format!("https://app{n}.example")).collect();
        assert_eq!(frame_ancestors(&many), None);
        let at = |referer| asking(&many, referer);
        assert_eq!(at(Some("https://app7.example/page?x")).as_deref(), Some("https://app7.example"));
        for other in [None, Some("https://evil.example/"), Some("https://app7.example;x"), Some("'none'")] {
            assert_eq!(at(other), None, "{other:?}");
        }
    }
}
