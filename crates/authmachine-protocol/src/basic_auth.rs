//! HTTP Basic as OAuth uses it (RFC 6749 §2.3.1): both parts are form-encoded before they are joined.

use base64ct::{Base64, Encoding};

use crate::form::Params;

/// Why an `Authorization: Basic` header cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the Basic credentials are malformed")]
pub struct MalformedBasic;

/// Reads `client_id` and `client_secret` from the value of an `Authorization` header. `None` when the scheme is
/// another one.
///
/// # Errors
/// [`MalformedBasic`] when the scheme is Basic and the rest is not two form-encoded parts.
pub fn decode(header: &str) -> Option<Result<(String, String), MalformedBasic>> {
    let (scheme, credentials) = header.split_once(' ').unwrap_or((header, ""));
    scheme.eq_ignore_ascii_case("basic").then(|| {
        let bytes = Base64::decode_vec(credentials.trim_matches(' ')).map_err(|_| MalformedBasic)?;
        let colon = bytes.iter().position(|b| *b == b':').ok_or(MalformedBasic)?;
        Ok((form_decode(&bytes[..colon])?, form_decode(&bytes[colon + 1..])?))
    })
}

/// Writes the value of an `Authorization` header.
pub fn encode(client_id: &str, client_secret: &str) -> String {
    let part = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!(
        "Basic {}",
        Base64::encode_string(format!("{}:{}", part(client_id), part(client_secret)).as_bytes())
    )
}

fn form_decode(part: &[u8]) -> Result<String, MalformedBasic> {
    if part.iter().any(|b| matches!(b, b'&' | b'=')) {
        // Legal in a secret that a lax client did not encode: taken as it stands.
        let text = String::from_utf8(part.to_vec()).map_err(|_| MalformedBasic)?;
        return if text.contains('\0') { Err(MalformedBasic) } else { Ok(text) };
    }
    let named = [b"v=", part].concat();
    let params = Params::parse(&named).map_err(|_| MalformedBasic)?;
    Ok(params.get("v").unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_parts_are_form_encoded() {
        for (id, secret) in [("test", "test"), ("a:b", "p+ %&=ä"), ("x", "")] {
            assert_eq!(decode(&encode(id, secret)), Some(Ok((id.to_owned(), secret.to_owned()))));
        }
        assert_eq!(decode("Bearer abc"), None);
        assert_eq!(decode("basic dGVzdDp0ZXN0"), Some(Ok(("test".to_owned(), "test".to_owned()))));
    }

    #[test]
    fn g10_malformed_credentials_are_an_error() {
        for bad in ["Basic", "Basic ", "Basic ???", "Basic dGVzdA==", "Basic dGVzdDol", "Basic /zo="] {
            assert_eq!(decode(bad), Some(Err(MalformedBasic)), "{bad}");
        }
        // No text of ours has U+0000, however it is written.
        for (id, secret) in [("a\0", "b"), ("a=\0", "b"), ("a", "b&\0"), ("a%00", "b")] {
            let header = format!("Basic {}", Base64::encode_string(format!("{id}:{secret}").as_bytes()));
            assert_eq!(decode(&header), Some(Err(MalformedBasic)), "{id:?} {secret:?}");
        }
    }
}
