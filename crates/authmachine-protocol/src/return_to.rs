//! Return addresses inside our own site.

/// The most bytes that a return path may have.
pub const MAX_BYTES: usize = 2_000;

/// Whether `path` is a path of the own site the way browsers read it: `Location: path` stays on this origin.
///
/// Browsers take `//` and `/\` as the start of a host name and drop tabs and line ends before they look, so
/// neither those nor anything outside visible ASCII is let through.
pub fn is_own_path(path: &str) -> bool {
    let bytes = path.as_bytes();
    bytes.first() == Some(&b'/')
        && !matches!(bytes.get(1), Some(b'/' | b'\\'))
        && bytes.len() <= MAX_BYTES
        && bytes.iter().all(|b| (0x21..=0x7E).contains(b) && *b != b'\\')
        && url::Url::parse("http://own.invalid")
            .and_then(|own| own.join(path))
            .is_ok_and(|joined| joined.host_str() == Some("own.invalid") && joined.scheme() == "http")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ru7_only_own_paths_pass() {
        for good in ["/", "/a/b?c=d#e", "/?next=//evil.example", "/a//b"] {
            assert!(is_own_path(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "javascript:alert(1)",
            "/ä",
            " /",
            "/a b",
            "/./\\evil",
            "/a\\b",
        ] {
            assert!(!is_own_path(bad), "{bad:?}");
        }
        assert!(!is_own_path(&format!("/{}", "a".repeat(MAX_BYTES))));
    }
}
