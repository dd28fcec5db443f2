//! Addresses in attributes: which of them a page may lead to (checklist XS1). Whoever stored them checked them before.

/// `path`, if it is a path on this site in every browser's eyes.
pub(crate) fn own(path: &str) -> Option<&str> {
    let is_own = path.starts_with('/')
        && !path[1..].starts_with(['/', '\\'])
        && !path.contains(|c: char| c.is_control() || c == '\\');
    is_own.then_some(path)
}

/// `uri`, if it is https, or http on loopback.
pub(crate) fn web(uri: &str) -> Option<&str> {
    let rest = after(uri, "https://").or_else(|| after(uri, "http://").filter(|rest| is_loopback(rest)))?;
    let has_host = !rest.is_empty() && !rest.starts_with(['/', '?', '#', ':', '@']);
    (has_host && !authority(rest).contains('@') && is_plain(uri)).then_some(uri)
}

/// `uri`, if it is as [`web`] has it, or of an installed app's own scheme: a reverse domain name (RFC 8252 §7.1), so never
/// `javascript:` or `data:`.
pub(crate) fn app(uri: &str) -> Option<&str> {
    let is_private = || {
        uri.split_once(':').is_some_and(|(scheme, _)| {
            scheme.contains('.')
                && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        })
    };
    web(uri).or_else(|| (is_plain(uri) && is_private()).then_some(uri))
}

fn after<'a>(uri: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = uri.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn authority(rest: &str) -> &str {
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// Whether what follows `http://` begins with a name of this machine.
fn is_loopback(rest: &str) -> bool {
    let authority = authority(rest);
    if let Some(port) = authority.strip_prefix("[::1]") {
        return port.is_empty() || port.starts_with(':');
    }
    let host = authority.split(':').next().unwrap_or_default();
    let is_ipv4 = || host.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback());
    host == "localhost" || host.ends_with(".localhost") || is_ipv4()
}

fn is_plain(uri: &str) -> bool {
    uri.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xs1_a_path_of_our_own_leads_nowhere_else() {
        for path in ["/", "/login?interaction=a%2Fb", "/auth/login"] {
            assert_eq!(own(path), Some(path));
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
            assert_eq!(own(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn xs1_xs3_a_web_address_is_https_or_this_machine() {
        for uri in [
            "https://app.example/cb?x=%7e&y",
            "HTTPS://app.example/",
            "https://app.example/@alice",
            "http://localhost:5000/cb",
            "http://app.localhost",
            "http://127.0.0.1/cb",
            "http://[::1]:5000/cb",
        ] {
            assert_eq!((web(uri), app(uri)), (Some(uri), Some(uri)));
        }
        for other in [
            "",
            "/cb",
            "https://",
            "https:///app.example",
            "http://app.example/",
            "http://localhost.evil.example/",
            "http://127.0.0.1.evil.example/",
            "http://localhost@evil.example/",
            "http://[::1].evil.example/",
            "https://app.example@evil.example/",
            "javascript:alert(1)",
            "JaVaScRiPt:https://",
            "javascript://x.y/%0aalert(1)",
            "data:text/html,x",
            "https:app.example",
            " https://app.example",
            "https://app.example\\@evil.example",
            "https://app.example/\n",
            "https://äpp.example/",
        ] {
            assert_eq!((web(other), app(other)), (None, None), "{other}");
        }
    }

    #[test]
    fn xs1_an_installed_app_is_reached_by_its_reverse_domain_name() {
        for uri in ["com.example.app:/out", "com.example.app://out?x=1"] {
            assert_eq!((web(uri), app(uri)), (None, Some(uri)));
        }
        for other in ["com.example.app", "intent:x.y", "1.x:/", "java\tscript.x:/", ".:alert(1)", "a/b.c:d"] {
            assert_eq!(app(other), None, "{other}");
        }
    }
}
