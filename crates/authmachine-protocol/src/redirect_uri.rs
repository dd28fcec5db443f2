//! What may be registered as an address to send browsers to, and when a request's address is a registered one.

use url::{Host, Url};

/// The most bytes that a registered URI may have.
pub const MAX_BYTES: usize = 2_000;

/// Why a URI may not be registered. Each says to the operator what to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// Empty, relative, or not a URI.
    #[error("it is not an absolute URI, such as https://app.example/callback")]
    NotAbsolute,
    /// Over [`MAX_BYTES`].
    #[error("it is longer than 2,000 bytes")]
    TooLong,
    /// A control, space, backslash or a character outside ASCII.
    #[error("it has a space, a backslash, a control or a non-ASCII character")]
    Character,
    /// A fragment (RFC 6749 §3.1.2).
    #[error("it has a fragment, from # on")]
    Fragment,
    /// User name or password.
    #[error("it has a user name or password")]
    UserInfo,
    /// `http` to another machine.
    #[error("plain http is only for loopback (localhost, 127.0.0.1, [::1]); use https")]
    PlainHttp,
    /// A scheme that is neither https nor a native client's reverse-domain one.
    #[error("its scheme is not https, nor a reverse domain name such as com.example.app of a native client")]
    Scheme,
}

/// Whether the client is an installed application (RFC 8252), which may use private schemes and loopback ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientKind {
    /// A web application.
    Web,
    /// An installed application.
    Native,
}

/// Checks a URI before it is stored as an address to send browsers to: the one validator for every door.
///
/// # Errors
/// [`UriError`].
pub fn validate(uri: &str, kind: ClientKind) -> Result<(), UriError> {
    if uri.len() > MAX_BYTES {
        return Err(UriError::TooLong);
    }
    if uri.bytes().any(|b| !(0x21..=0x7E).contains(&b) || b == b'\\') {
        return Err(UriError::Character);
    }
    let parsed = Url::parse(uri).map_err(|_| UriError::NotAbsolute)?;
    if uri.contains('#') {
        return Err(UriError::Fragment);
    }
    if !parsed.username().is_empty()
        || parsed.password().is_some()
        || uri.split(['/', '?']).nth(2).is_some_and(|a| a.contains('@'))
    {
        return Err(UriError::UserInfo);
    }
    // Browsers read `https:///x` as `https://x`, others see no host in it: such a URI is none.
    let written = |prefix: &str| {
        uri.split_at_checked(prefix.len())
            .is_some_and(|(start, rest)| start.eq_ignore_ascii_case(prefix) && !rest.starts_with('/'))
    };
    match parsed.scheme() {
        "https" if written("https://") && parsed.has_host() => Ok(()),
        "http" if written("http://") => {
            if parsed.host().is_some_and(|host| is_loopback(&host)) {
                Ok(())
            } else {
                Err(UriError::PlainHttp)
            }
        }
        "https" | "http" => Err(UriError::NotAbsolute),
        scheme if kind == ClientKind::Native && is_reverse_domain(scheme) => Ok(()),
        _ => Err(UriError::Scheme),
    }
}

/// Checks one of a client's `request_uris`: as [`validate`], but a fragment may follow, which names a version of what is fetched
/// (OIDC Core §6.2).
///
/// # Errors
/// [`UriError`].
pub fn validate_request_uri(uri: &str) -> Result<(), UriError> {
    let (address, fragment) = uri.split_once('#').unwrap_or((uri, ""));
    if uri.len() > MAX_BYTES {
        return Err(UriError::TooLong);
    }
    if !fragment.bytes().all(|b| matches!(b, 0x21..=0x7E) && b != b'\\' && b != b'#') {
        return Err(UriError::Character);
    }
    validate(address, ClientKind::Web)
}

/// The host of `uri`, as its sector (OIDC Core §8.1); `None` where it has none.
pub fn host(uri: &str) -> Option<String> {
    Url::parse(uri).ok()?.host_str().map(str::to_owned)
}

/// Whether `given` is `registered` (RFC 9700 §2.1): byte for byte. The one exception: of a native client's loopback IP
/// literal, the port may differ (RFC 8252 §7.3).
pub fn matches(registered: &str, given: &str, kind: ClientKind) -> bool {
    registered == given || (kind == ClientKind::Native && differ_only_in_loopback_port(registered, given))
}

fn differ_only_in_loopback_port(registered: &str, given: &str) -> bool {
    let without_port = |uri: &str| -> Option<String> {
        let host = ["http://127.0.0.1", "http://[::1]"].into_iter().find(|host| uri.starts_with(host))?;
        let rest = &uri[host.len()..];
        let rest = match rest.strip_prefix(':') {
            Some(port) => {
                let digits = port.len() - port.trim_start_matches(|c: char| c.is_ascii_digit()).len();
                port[..digits].parse::<u16>().ok()?;
                &port[digits..]
            }
            None => rest,
        };
        (rest.is_empty() || rest.starts_with(['/', '?'])).then(|| format!("{host}{rest}"))
    };
    matches!((without_port(registered), without_port(given)), (Some(a), Some(b)) if a == b)
}

/// Whether `host` is this machine: `localhost`, or a loopback IP literal.
pub fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
    }
}

fn is_reverse_domain(scheme: &str) -> bool {
    scheme.contains('.') && scheme.split('.').all(|label| !label.is_empty())
}

/// The origin of `uri` as browsers write it, `https://app.example:8443`; `None` where it has none.
pub fn origin(uri: &str) -> Option<String> {
    match Url::parse(uri).ok()?.origin() {
        url::Origin::Opaque(_) => None,
        origin => Some(origin.ascii_serialization()),
    }
}

/// Whether `uri` has the origin of one of `others`: what is framed for a client is its own (Front-Channel Logout §2).
pub fn has_origin_of(uri: &str, others: &[String]) -> bool {
    let own = origin(uri);
    own.is_some() && others.iter().any(|other| origin(other) == own)
}

/// Whether `given` is the origin `own`. On loopback the machine's other names with the same port are as good: whoever types
/// 127.0.0.1 for localhost is at the same place.
pub fn is_own_origin(own: &str, given: &str) -> bool {
    let loopback_port = |text: &str| {
        let url = Url::parse(text).ok().filter(|url| url.scheme() == "http" && url.path() == "/")?;
        url.host().filter(is_loopback).and(url.port_or_known_default())
    };
    given == own || loopback_port(given).is_some_and(|theirs| loopback_port(own) == Some(theirs))
}

/// The origin of `uri` as a Content-Security-Policy can name it; `None` where it cannot, and so where no form is posted to and
/// nothing is framed: private schemes, IPv6 literals, and hosts with characters that mean something in a policy (CSP Level 3 §2.3.1).
pub fn policy_source(uri: &str) -> Option<String> {
    let origin = origin(uri)?;
    let (_, authority) = origin.split_once("://")?;
    authority.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:".contains(&b)).then_some(origin)
}

#[cfg(test)]
mod tests {
    use super::ClientKind::{Native, Web};
    use super::*;

    #[test]
    fn ru3_one_validator_knows_what_may_be_stored() {
        for good in [
            "https://app.example/cb",
            "https://app.example/cb?x=1",
            "HTTPS://app.example/cb",
            "http://localhost:5000/cb",
            "http://127.0.0.1/cb",
            "http://[::1]:5000/cb",
        ] {
            assert_eq!(validate(good, Web), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("", UriError::NotAbsolute),
            ("/cb", UriError::NotAbsolute),
            ("https:/app.example/cb", UriError::NotAbsolute),
            ("https:app.example", UriError::NotAbsolute),
            ("https:///app.example/cb", UriError::NotAbsolute),
            ("http:///localhost/cb", UriError::NotAbsolute),
            ("http://app.example/cb", UriError::PlainHttp),
            ("http://localhost.evil.example/cb", UriError::PlainHttp),
            ("https://app.example/cb#f", UriError::Fragment),
            ("https://app.example/cb#", UriError::Fragment),
            ("https://user@app.example/", UriError::UserInfo),
            ("https://:pw@app.example/", UriError::UserInfo),
            ("https://@app.example/", UriError::UserInfo),
            ("https://app.example\\@evil.example/", UriError::Character),
            ("https://app.example/a b", UriError::Character),
            ("https://app.example/\r\nx", UriError::Character),
            ("https://äpp.example/", UriError::Character),
            ("javascript:alert(1)", UriError::Scheme),
            ("JaVaScRiPt:alert(1)", UriError::Scheme),
            ("data:text/html,x", UriError::Scheme),
            ("file:///etc/passwd", UriError::Scheme),
            ("com.example.app:/cb", UriError::Scheme),
        ] {
            assert_eq!(validate(bad, Web), Err(why), "{bad}");
        }
        assert_eq!(validate("com.example.app:/cb", Native), Ok(()));
        assert_eq!(validate("javascript:alert(1)", Native), Err(UriError::Scheme));
        assert_eq!(
            validate(&format!("https://a.example/{}", "a".repeat(2_000)), Web),
            Err(UriError::TooLong)
        );
    }

    #[test]
    fn ru3_request_uris_alone_have_fragments() {
        for good in [
            "https://app.example/r",
            "https://app.example/r#GkurKxf5T0Y-mnPFCHqWOMiZi4VS138cQO_V7PZHAdM",
            "https://app.example/r#",
        ] {
            assert_eq!(validate_request_uri(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("https://app.example/r#a#b", UriError::Character),
            ("https://app.example/r#a b", UriError::Character),
            ("https://app.example/r#\\", UriError::Character),
            ("http://app.example/r#a", UriError::PlainHttp),
            ("urn:x#a", UriError::Scheme),
            ("#a", UriError::NotAbsolute),
        ] {
            assert_eq!(validate_request_uri(bad), Err(why), "{bad}");
        }
        assert_eq!(
            validate_request_uri(&format!("https://a.example/#{}", "a".repeat(2_000))),
            Err(UriError::TooLong)
        );
    }

    #[test]
    fn xs3_a_form_goes_where_a_policy_can_name_the_origin() {
        for (uri, expected) in [
            ("https://app.example/cb?x=1", Some("https://app.example")),
            ("HTTPS://APP.example:443/cb", Some("https://app.example")),
            ("https://app.example:8443", Some("https://app.example:8443")),
            ("http://127.0.0.1:5000/cb", Some("http://127.0.0.1:5000")),
            ("http://localhost/cb", Some("http://localhost")),
            ("http://[::1]:5000/cb", None),
            ("https://a;sandbox/cb", None),
            ("https://a'none'.example/cb", None),
            ("https://*.example/cb", None),
            ("https://a,b.example/cb", None),
            ("com.example.app:/cb", None),
            ("/cb", None),
        ] {
            assert_eq!(policy_source(uri).as_deref(), expected, "{uri}");
        }
    }

    #[test]
    fn ru1_a_redirect_uri_is_compared_byte_for_byte() {
        let registered = "https://app.example/cb?x=%7e";
        assert!(matches(registered, registered, Web));
        for other in [
            "https://app.example/cb",
            "https://app.example/cb?x=%7E",
            "https://app.example/cb?x=~",
            "https://APP.example/cb?x=%7e",
            "https://app.example:443/cb?x=%7e",
            "https://app.example/cb?x=%7e&y",
            "https://app.example/./cb?x=%7e",
            "https://app.example/cb?x=%7e#",
        ] {
            assert!(!matches(registered, other, Native), "{other}");
        }
    }

    #[test]
    fn ru2_only_a_native_loopback_literal_may_change_its_port() {
        assert!(matches("http://127.0.0.1/cb", "http://127.0.0.1:4711/cb", Native));
        assert!(matches("http://[::1]:1/cb", "http://[::1]:4711/cb", Native));
        assert!(!matches("http://127.0.0.1/cb", "http://127.0.0.1:4711/cb", Web));
        assert!(!matches("http://localhost/cb", "http://localhost:4711/cb", Native));
        assert!(!matches("http://127.0.0.1/cb", "http://127.0.0.1:4711/other", Native));
        assert!(!matches("http://127.0.0.1/cb", "http://127.0.0.1:99999/cb", Native));
        assert!(!matches("http://127.0.0.1/cb", "http://127.0.0.1:1@evil.example/cb", Native));
        assert!(!matches("http://127.0.0.1/cb", "http://127.0.0.1.evil.example/cb", Native));
    }
}
