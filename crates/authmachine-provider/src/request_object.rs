//! Request objects (OIDC Core §6, RFC 9101): an authorization request as a JWT. Only what is inside counts; `client_id` alone stands
//! outside as well, since it says whose object it is.

use authmachine_jose::{Algorithm, claims};
use authmachine_protocol::{Params, Timestamp};
use serde_json::{Map, Value};

use crate::client::Client;
use crate::client_metadata::RequestObjectAlg;

/// How far another clock may be ahead of ours, in seconds.
const TOLERANCE_S: i64 = 10;
/// JWT claims of the object itself, which are no parameters (RFC 7519 §4.1).
const OF_THE_JWT: [&str; 7] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];

/// Where an authorization request's object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// `request`.
    Value(&'a str),
    /// `request_uri`, to be fetched.
    Uri(&'a str),
}

/// Why a request object does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestObjectError {
    /// Both ways, or one of them twice: `invalid_request`.
    Ambiguous,
    /// The client must sign its requests, and this one has no object: `invalid_request` (RFC 9101 §10.5).
    Missing,
    /// `request_uri` is none of the client's: `invalid_request_uri`.
    UnknownUri,
    /// Not signed, and that is not for this client or not for this installation: `request_not_supported`.
    Unsigned,
    /// Malformed, over, of somebody else, for somebody else: `invalid_request_object`.
    Invalid,
}

/// How an object must be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signed {
    /// By the client, with one of these.
    By(Vec<Algorithm>),
    /// Not at all: the header says `none`.
    Not,
}

/// Finds the object of a request (OIDC Core §6.1, §6.2). `None`: the request stands in its parameters.
///
/// # Errors
/// [`RequestObjectError::Ambiguous`], [`RequestObjectError::Missing`] and [`RequestObjectError::UnknownUri`].
pub fn find<'a>(params: &'a Params, client: &Client) -> Result<Option<Source<'a>>, RequestObjectError> {
    if params.is_repeated("request") || params.is_repeated("request_uri") {
        return Err(RequestObjectError::Ambiguous);
    }
    match (params.get("request"), params.get("request_uri")) {
        (None, None) if client.metadata.require_signed_request_object => Err(RequestObjectError::Missing),
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(RequestObjectError::Ambiguous),
        (Some(object), None) => Ok(Some(Source::Value(object))),
        // Byte for byte, with its fragment, as for redirect URIs (checklist RQ3).
        (None, Some(uri)) if client.metadata.request_uris.iter().any(|known| known == uri) => {
            Ok(Some(Source::Uri(uri)))
        }
        (None, Some(_)) => Err(RequestObjectError::UnknownUri),
    }
}

/// Says how `client`'s object whose header names `alg` must be signed; the header only picks among what is registered (checklist JW1).
/// `unsigned`: `oidc.unsigned_request_objects`.
///
/// # Errors
/// [`RequestObjectError::Unsigned`] for `none` where it may not be, [`RequestObjectError::Invalid`] for an algorithm that is not the
/// client's.
pub fn signed(client: &Client, alg: &str, unsigned: bool) -> Result<Signed, RequestObjectError> {
    use RequestObjectAlg::{Signed as By, Unsigned};
    let registered = client.metadata.request_object_signing_alg;
    if alg == "none" {
        let may = unsigned
            && !client.metadata.require_signed_request_object
            && matches!(registered, None | Some(Unsigned));
        return if may { Ok(Signed::Not) } else { Err(RequestObjectError::Unsigned) };
    }
    match registered {
        Some(Unsigned) => Err(RequestObjectError::Invalid),
        Some(By(algorithm)) => Ok(Signed::By(vec![algorithm])),
        None => Ok(Signed::By(Algorithm::ALL.to_vec())),
    }
}

/// Reads the parameters inside `payload`, which is signed as it must be.
///
/// # Errors
/// [`RequestObjectError::Invalid`].
pub fn read(
    payload: &Map<String, Value>,
    client: &Client,
    issuer: &str,
    now: Timestamp,
) -> Result<Params, RequestObjectError> {
    let invalid = |_| RequestObjectError::Invalid;
    let text = |name| claims::string(payload, name).map_err(invalid);
    let date = |name| claims::numeric_date(payload, name).map_err(invalid);
    let now_s = now.seconds();
    let is_of = |name| Ok(text(name)?.is_none_or(|id| id == client.client_id));
    let audience = claims::audience(payload).map_err(invalid)?;
    let holds = is_of("iss")?
        && is_of("client_id")?
        && audience.is_none_or(|audience| audience.contains(&issuer))
        && date("exp")?.is_none_or(|exp| now_s < exp.saturating_add(TOLERANCE_S))
        && date("nbf")?.is_none_or(|nbf| nbf <= now_s + TOLERANCE_S)
        && date("iat")?.is_none_or(|iat| iat <= now_s + TOLERANCE_S)
        // A client's assertion names itself here, and is no request (RFC 9101 §10.8).
        && text("sub")?.is_none_or(|sub| sub != client.client_id)
        && !payload.contains_key("events");
    if !holds || payload.contains_key("request") || payload.contains_key("request_uri") {
        return Err(RequestObjectError::Invalid);
    }

    let mut params = vec![("client_id".to_owned(), client.client_id.clone())];
    for (name, value) in payload {
        let value = match value {
            _ if name == "client_id" || OF_THE_JWT.contains(&name.as_str()) => continue,
            Value::Null => continue,
            Value::String(text) if text.contains('\0') => return Err(RequestObjectError::Invalid),
            Value::String(text) => text.clone(),
            // `max_age` is a number here and `claims` an object (OIDC Core §6.1).
            Value::Number(_) | Value::Bool(_) | Value::Object(_) | Value::Array(_) => value.to_string(),
        };
        params.push((name.clone(), value));
    }
    Ok(params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client_metadata::ClientMetadata;
    use crate::testing::{NOW, shop};
    use serde_json::json;

    const ISSUER: &str = "https://id.example";

    fn shop_with(metadata: ClientMetadata) -> Client {
        Client { metadata, ..shop() }
    }

    #[test]
    fn rq3_a_request_uri_is_one_of_the_clients() {
        let uri = "https://shop.example/request#hash";
        let client = shop_with(ClientMetadata { request_uris: vec![uri.to_owned()], ..Default::default() });
        let found = |params: &[(&str, &str)]| {
            let params: Params = params.iter().copied().collect();
            find(&params, &client).map(|source| source.is_some())
        };
        assert_eq!(found(&[]), Ok(false));
        assert_eq!(found(&[("request", "a.b.c")]), Ok(true));
        assert_eq!(found(&[("request_uri", uri)]), Ok(true));
        for other in
            ["https://shop.example/request", "https://shop.example/request#other", "https://evil.example/"]
        {
            assert_eq!(found(&[("request_uri", other)]), Err(RequestObjectError::UnknownUri), "{other}");
        }
        assert_eq!(found(&[("request", "a"), ("request_uri", uri)]), Err(RequestObjectError::Ambiguous));
        let twice = Params::parse_keeping_repeated(b"request=a&request=a").expect("legal");
        assert_eq!(find(&twice, &client), Err(RequestObjectError::Ambiguous));
    }

    #[test]
    fn rq4_what_must_be_signed_is() {
        use RequestObjectError::{Invalid, Missing, Unsigned};
        let must = shop_with(ClientMetadata { require_signed_request_object: true, ..Default::default() });
        assert_eq!(find(&Params::from_iter([("scope", "openid")]), &must), Err(Missing));
        assert_eq!(signed(&must, "none", true), Err(Unsigned));

        let registered =
            |alg| shop_with(ClientMetadata { request_object_signing_alg: Some(alg), ..Default::default() });
        let es256 = registered(RequestObjectAlg::Signed(Algorithm::ES256));
        let none = registered(RequestObjectAlg::Unsigned);
        for (client, alg, unsigned, expected) in [
            (&shop(), "none", true, Ok(Signed::Not)),
            (&shop(), "none", false, Err(Unsigned)),
            (&shop(), "None", true, Ok(Signed::By(Algorithm::ALL.to_vec()))),
            (&shop(), "RS256", true, Ok(Signed::By(Algorithm::ALL.to_vec()))),
            (&es256, "none", true, Err(Unsigned)),
            (&es256, "RS256", true, Ok(Signed::By(vec![Algorithm::ES256]))),
            (&none, "none", true, Ok(Signed::Not)),
            (&none, "none", false, Err(Unsigned)),
            (&none, "RS256", true, Err(Invalid)),
        ] {
            assert_eq!(signed(client, alg, unsigned), expected, "{alg} {unsigned}");
        }
    }

    #[test]
    fn rq1_an_object_is_of_the_client_for_us_and_of_now() {
        let now = NOW.seconds();
        let read = |payload: Value| {
            read(payload.as_object().expect("an object"), &shop(), ISSUER, NOW).map(|params| {
                params.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
            })
        };
        let inside = read(json!({
            "iss": "shop", "aud": ["https://other.example", ISSUER], "exp": now + 60, "iat": now, "nbf": now - 5, "jti": "1",
            "client_id": "shop", "max_age": 60, "state": "a b", "claims": {"userinfo": {"name": null}}, "nonce": null,
        }));
        let mut expected =
            ["client_id=shop", "max_age=60", "state=a b", r#"claims={"userinfo":{"name":null}}"#];
        let mut inside = inside.expect("legal");
        expected.sort_unstable();
        inside.sort_unstable();
        assert_eq!(inside, expected);
        assert!(read(json!({"exp": now - 9, "nbf": now + 10, "iat": now + 10})).is_ok());
        for bad in [
            json!({"iss": "other"}),
            json!({"client_id": "other"}),
            json!({"client_id": 1}),
            json!({"aud": "https://other.example"}),
            json!({"aud": "https://id.example/"}),
            json!({"aud": []}),
            json!({"exp": now - 10}),
            json!({"exp": "tomorrow"}),
            json!({"nbf": now + 11}),
            json!({"iat": now + 11}),
            json!({"sub": "shop"}),
            json!({"events": {}}),
            json!({"request": "a.b.c"}),
            json!({"request_uri": "https://shop.example/r"}),
            json!({"state": "a\u{0}b"}),
        ] {
            assert_eq!(read(bad.clone()), Err(RequestObjectError::Invalid), "{bad}");
        }
    }
}
