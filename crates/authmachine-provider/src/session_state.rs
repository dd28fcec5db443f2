//! What a client's page learns of the browser's session (OpenID Connect Session Management 1.0 §3.2).

use authmachine_jose::sha256;
use base64ct::{Base64UrlUnpadded, Encoding};

/// `session_state`: `base64url(SHA-256(client_id SP origin SP browser_state SP salt)) "." salt`. The script of the session frame
/// makes it again from the cookie that holds `browser_state`. `origin` is that of the redirect URI as browsers write it; `salt` is
/// fresh and of `[A-Za-z0-9_-]`.
pub fn session_state(client_id: &str, origin: &str, browser_state: &str, salt: &str) -> String {
    let hash = sha256(format!("{client_id} {origin} {browser_state} {salt}").as_bytes());
    format!("{}.{salt}", Base64UrlUnpadded::encode_string(&hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_state_is_the_hash_that_its_documentation_says() {
        // printf '%s' 'shop https://shop.example abc salt' | openssl dgst -sha256 -binary | basenc --base64url
        let made = session_state("shop", "https://shop.example", "abc", "salt");
        assert_eq!(made, "GyGgzCYnuJEFRBlMnZzEegwjuVJFgMSGgzaG8k8j3tc.salt");
    }
}
