//! The common demands: what every module asks of what passes through it.

use authmachine_e2e::http::Answer;
use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde_json::{Map, Value};
use url::Url;

use crate::claims;
use crate::jwt::{self, Jwt};
use crate::random::entropy_bits;

/// Now, in whole seconds.
pub(crate) fn now() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "a client of a running provider has no other clock")]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(now.expect("after 1970").as_secs()).expect("before the sun goes out")
}

/// A document of JSON, an object.
#[track_caller]
pub(crate) fn is_json(answer: &Answer) -> Map<String, Value> {
    let media_type = answer.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
    assert_eq!(media_type.trim(), "application/json", "{answer:?}");
    let Value::Object(object) = answer.json() else { panic!("no object: {answer:?}") };
    object
}

/// A page for people.
#[track_caller]
pub(crate) fn is_html(answer: &Answer) {
    let content_type = answer.header("content-type").unwrap_or_default();
    assert!(content_type.starts_with("text/html"), "{answer:?}");
    assert!(answer.body.contains("<h1"), "nothing to read: {answer:?}");
}

/// What only one may see is kept by no cache (RFC 6749 §5.1).
#[track_caller]
pub(crate) fn is_not_stored(answer: &Answer) {
    assert!(answer.header("cache-control").is_some_and(|value| value.contains("no-store")), "{answer:?}");
}

/// A page tells the person that a request cannot be answered; nothing in it leads to the client.
#[track_caller]
pub(crate) fn is_an_error_page(answer: &Answer, site: &str) {
    assert_eq!(answer.status, 400, "{answer:?}");
    is_html(answer);
    assert!(answer.header("location").is_none() && answer.header("refresh").is_none(), "{answer:?}");
    assert!(!answer.body.contains(site), "the page names the client's address: {answer:?}");
}

/// Codes and texts of errors keep to their characters (RFC 6749 §4.1.2.1, §5.2).
#[track_caller]
pub(crate) fn is_an_error(error: &str, description: Option<&str>) {
    let is_allowed = |text: &str| text.bytes().all(|b| matches!(b, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E));
    assert!(!error.is_empty() && is_allowed(error), "error: {error:?}");
    assert!(description.is_none_or(is_allowed), "error_description: {description:?}");
}

/// A JSON error of an endpoint: exactly this status and code.
#[track_caller]
pub(crate) fn is_refused(answer: &Answer, status: u16, error: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    is_not_stored(answer);
    let body = is_json(answer);
    assert_eq!(body["error"], error, "{answer:?}");
    is_an_error(error, body.get("error_description").and_then(Value::as_str));
}

/// Codes and tokens are long and various enough (RFC 6749 §10.10).
#[track_caller]
pub(crate) fn cannot_be_guessed(name: &str, value: &str) {
    assert!(value.bytes().all(|b| b.is_ascii_graphic()), "{name}: {value}");
    assert!(value.len() * 8 >= 128, "{name} is short: {value}");
    assert!(entropy_bits(value) > 96.0, "{name} repeats itself: {value}");
}

/// The key set: each key public, whole, and under a name of its own (RFC 7517 §4, §5).
#[track_caller]
pub(crate) fn keys(answer: &Answer) -> Vec<Map<String, Value>> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let set = answer.json();
    let keys = set["keys"].as_array().expect("keys");
    let keys: Vec<_> = keys.iter().map(|key| key.as_object().expect("a key is an object").clone()).collect();
    assert!(!keys.is_empty(), "no keys");
    let mut names = Vec::new();
    for key in &keys {
        let text = |name: &str| key.get(name).and_then(Value::as_str).unwrap_or_default();
        let kid = text("kid");
        assert!(!kid.trim().is_empty(), "a key has no kid: {key:?}");
        assert!(!names.contains(&kid), "two keys are called {kid}");
        names.push(kid);
        for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"] {
            assert!(!key.contains_key(private), "{kid} shows its {private}");
        }
        let bytes =
            |name: &str| Base64UrlUnpadded::decode_vec(text(name)).expect("base64url without padding").len();
        match (text("kty"), text("crv")) {
            ("RSA", _) => assert!(bytes("n") >= 256 && bytes("e") > 0, "{key:?}"),
            ("EC", "P-256") => assert_eq!((bytes("x"), bytes("y")), (32, 32), "{key:?}"),
            ("OKP", "Ed25519") => assert_eq!(bytes("x"), 32, "{key:?}"),
            other => panic!("a key of an unknown kind: {other:?}"),
        }
        assert_eq!(text("use"), "sig", "{key:?}");
    }
    keys
}

/// What an ID token is to say.
pub(crate) struct Expected<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) nonce: Option<&'a str>,
    /// The request had `max_age`, or asked for it otherwise.
    pub(crate) auth_time: bool,
    /// What it came with, which `c_hash` and `at_hash` are about.
    pub(crate) code: Option<&'a str>,
    pub(crate) access_token: Option<&'a str>,
    /// It came through the browser, where the hashes are a must.
    pub(crate) is_front: bool,
    /// Claims about the person that were asked for here.
    pub(crate) asked: &'a [&'a str],
}

/// Claims of the token itself.
const OWN_CLAIMS: [&str; 15] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "nonce",
    "acr",
    "amr",
    "azp",
    "at_hash",
    "c_hash",
    "s_hash",
    "jti",
    "sid",
];

/// The claims of an ID token (OIDC Core §2, §3.1.3.7, §3.2.2.11, §3.3.2.11).
#[track_caller]
pub(crate) fn id_token(token: &Jwt, expected: &Expected<'_>) {
    let claims = &token.claims;
    assert_eq!(token.text("iss"), Some(expected.issuer), "iss");
    let audience: Vec<_> = match &claims["aud"] {
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    };
    assert_eq!(audience, [expected.client_id], "aud");
    assert!(token.text("azp").is_none_or(|azp| azp == expected.client_id), "azp: {claims:?}");
    let sub = token.text("sub").expect("sub");
    assert!((1..=255).contains(&sub.len()) && sub.is_ascii(), "sub: {sub}");

    let now = now();
    let time = |name: &str| {
        let value = claims.get(name)?;
        Some(value.as_i64().unwrap_or_else(|| panic!("{name} is no whole number: {value}")))
    };
    assert!(time("exp").expect("exp") > now, "expired: {claims:?}");
    assert!((now - 300..=now + 5).contains(&time("iat").expect("iat")), "iat at {now}: {claims:?}");
    let auth_time = time("auth_time");
    assert!(auth_time.is_some() || !expected.auth_time, "auth_time is missing: {claims:?}");
    assert!(auth_time.is_none_or(|at| (now - 366 * 86_400..=now + 5).contains(&at)), "auth_time: {claims:?}");

    assert_eq!(token.text("nonce"), expected.nonce, "nonce");
    assert!(
        claims.get("acr").is_none_or(|acr| acr.as_str().is_some_and(|acr| !acr.is_empty())),
        "{claims:?}"
    );
    let is_list = |amr: &Value| amr.as_array().is_some_and(|amr| amr.iter().all(Value::is_string));
    assert!(claims.get("amr").is_none_or(is_list), "{claims:?}");
    for (hash, of) in [("at_hash", expected.access_token), ("c_hash", expected.code)] {
        let (there, right) = (token.text(hash), of.map(jwt::left_half));
        assert!(there.is_some() || right.is_none() || !expected.is_front, "{hash} is missing: {claims:?}");
        assert!(there.is_none() || there == right.as_deref(), "{hash} is wrong: {claims:?}");
    }
    claims::have_their_types(claims, now);
    let unasked: Vec<_> = claims
        .keys()
        .filter(|name| !OWN_CLAIMS.contains(&name.as_str()) && !expected.asked.contains(&name.as_str()))
        .collect();
    assert!(unasked.is_empty(), "nobody asked for {unasked:?} in the ID token");
}

/// A token answer (RFC 6749 §5.1, OIDC Core §3.1.3.3).
#[track_caller]
pub(crate) fn token_response(answer: &Answer) -> Map<String, Value> {
    assert_eq!(answer.status, 200, "{answer:?}");
    is_not_stored(answer);
    let body = is_json(answer);
    let text = |name: &str| body.get(name).map(|value| value.as_str().expect("text"));
    cannot_be_guessed("access_token", text("access_token").expect("access_token"));
    assert!(text("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("Bearer")), "{answer:?}");
    assert!(body.get("expires_in").and_then(Value::as_u64).is_some_and(|seconds| seconds > 0), "{answer:?}");
    if let Some(refresh_token) = text("refresh_token") {
        cannot_be_guessed("refresh_token", refresh_token);
    }
    assert!(body.values().all(|value| !value.is_null()), "{answer:?}");
    body
}

/// A userinfo answer (OIDC Core §5.3.2).
#[track_caller]
pub(crate) fn userinfo(answer: &Answer) -> Map<String, Value> {
    assert_eq!(answer.status, 200, "{answer:?}");
    is_not_stored(answer);
    let claims = is_json(answer);
    claims::have_their_types(&claims, now());
    assert!(claims.contains_key("sub"), "no sub: {claims:?}");
    claims
}

/// An address that a browser or a program may be sent to.
#[track_caller]
pub(crate) fn is_https(name: &str, value: &Value) {
    let url = Url::parse(value.as_str().unwrap_or_default());
    assert!(
        url.is_ok_and(|url| url.scheme() == "https" && url.has_host()),
        "{name} is no https URL: {value}"
    );
}
