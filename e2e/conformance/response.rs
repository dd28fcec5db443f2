//! Authorization responses, read as a strict client does (RFC 6749 §4.1.2, Multiple Response Types, Form Post Response Mode).

use std::collections::BTreeMap;

use url::form_urlencoded;

use crate::browser::Landing;
use crate::checks;
use crate::relying_party::Request;
use crate::variant::Variant;

/// The way an answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Query,
    Fragment,
    FormPost,
}

/// What a client is told.
pub(crate) type Params = BTreeMap<String, String>;

impl Mode {
    /// The one that a request is to be answered in.
    pub(crate) fn of(request: &Request) -> Self {
        match request.get("response_type") {
            _ if request.get("response_mode") == Some("form_post") => Self::FormPost,
            Some("code") | None => Self::Query,
            Some(_) => Self::Fragment,
        }
    }
}

/// Reads what the browser brought: in this mode and nothing elsewhere, at the redirect URI byte for byte.
#[track_caller]
pub(crate) fn read(landing: &Landing, redirect_uri: &str, mode: Mode) -> Params {
    checks::is_not_stored(&landing.sent_by);
    let pairs: Vec<(String, String)> = match (mode, &landing.form) {
        (Mode::FormPost, Some(fields)) => {
            assert_eq!(landing.address, redirect_uri, "the form goes elsewhere");
            let page = landing.sent_by.body.to_ascii_lowercase();
            assert!(!page.contains("enctype") && !page.contains("accept-charset"), "a plain form: {page}");
            checks::is_html(&landing.sent_by);
            fields.clone()
        }
        (Mode::Query | Mode::Fragment, None) => {
            let mark = match mode {
                Mode::Fragment => '#',
                _ if redirect_uri.contains('?') => '&',
                _ => '?',
            };
            let text = landing
                .address
                .strip_prefix(redirect_uri)
                .and_then(|rest| rest.strip_prefix(mark))
                .unwrap_or_else(|| panic!("{} is not {redirect_uri}{mark}…", landing.address));
            assert!(!text.contains('#'), "a fragment is added: {}", landing.address);
            form_urlencoded::parse(text.as_bytes()).into_owned().collect()
        }
        _ => panic!("answered otherwise than by {mode:?}: {landing:?}"),
    };
    let mut params = Params::new();
    for (name, value) in pairs {
        assert!(!value.is_empty(), "{name} is empty");
        let before = params.insert(name.clone(), value);
        assert!(before.is_none(), "{name} is there twice");
    }
    params
}

/// `state` comes back exactly, and never unasked; `iss` is the issuer (RFC 9207).
#[track_caller]
pub(crate) fn comes_back(params: &Params, request: &Request, issuer: &str) {
    let state = request.state();
    assert_eq!(params.get("state").map(String::as_str), state, "state");
    // The standard lets it out; discovery promises it.
    assert_eq!(params.get("iss").map(String::as_str), Some(issuer), "iss");
}

/// An answer to a request that was granted: what the response type names, and nothing else.
#[track_caller]
pub(crate) fn is_granted(params: &Params, request: &Request, variant: Variant, issuer: &str) {
    assert!(!params.contains_key("error"), "refused: {params:?}");
    comes_back(params, request, issuer);
    for (name, is_due) in [
        ("code", variant.has_code()),
        ("id_token", variant.has_id_token()),
        ("access_token", variant.has_token()),
        ("token_type", variant.has_token()),
    ] {
        assert_eq!(params.contains_key(name), is_due, "{name} for {}: {params:?}", variant.response_type);
    }
    if let Some(code) = params.get("code") {
        checks::cannot_be_guessed("code", code);
    }
    if let Some(token) = params.get("access_token") {
        checks::cannot_be_guessed("access_token", token);
        assert!(params["token_type"].eq_ignore_ascii_case("Bearer"), "{params:?}");
        let expires_in = params.get("expires_in").expect("expires_in");
        assert!(expires_in.parse::<u32>().is_ok_and(|seconds| seconds > 0), "{expires_in}");
    }
    let known = [
        "code",
        "id_token",
        "access_token",
        "token_type",
        "expires_in",
        "scope",
        "state",
        "iss",
        "session_state",
    ];
    only_has(params, &known);
}

/// An answer to a request that was refused; the error code.
#[track_caller]
pub(crate) fn is_refused(params: &Params, request: &Request, issuer: &str) -> String {
    let error = params.get("error").unwrap_or_else(|| panic!("not refused: {params:?}"));
    comes_back(params, request, issuer);
    only_has(params, &["error", "error_description", "error_uri", "state", "iss", "session_state"]);
    checks::is_an_error(error, params.get("error_description").map(String::as_str));
    error.clone()
}

#[track_caller]
fn only_has(params: &Params, known: &[&str]) {
    let unknown: Vec<_> = params.keys().filter(|name| !known.contains(&name.as_str())).collect();
    assert!(unknown.is_empty(), "{unknown:?} in an authorization response");
}
