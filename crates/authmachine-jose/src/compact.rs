//! Signed tokens in compact form (RFC 7515 §7.1, RFC 7519): read strictly, believed only after `verify`.

use crate::{
    Algorithm, JwkSet, base64url,
    strict_json::{self, JsonError},
};
use serde_json::{Map, Value};

/// The longest token that is read.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// How many keys are tried on a token without `kid`.
pub const MAX_KEYS_TRIED: usize = 8;

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JoseError {
    /// Longer than [`MAX_TOKEN_BYTES`].
    #[error("the token is longer than 16 KiB")]
    TooLong,
    /// Not three parts with dots between: five would be encrypted, anything else no token.
    #[error("the token is not a signed token in compact form")]
    NotCompact,
    /// A part is not strict base64url.
    #[error("the token is not base64url")]
    Base64,
    /// Header or payload is not strictly a JSON object.
    #[error("the token's header or payload: {0}")]
    Json(#[from] JsonError),
    /// This header member is missing or no string.
    #[error("the token's header member {0} is missing or not a string")]
    Header(&'static str),
    /// The header has `crit`, `b64` or `zip`, none of which we take (RFC 7515 §4.1.11, RFC 7797, RFC 7516 §4.1.3).
    #[error("the token's header has {0}, which is not supported")]
    UnsupportedHeader(&'static str),
    /// `alg` is none of those allowed here.
    #[error("the token's algorithm is not allowed here")]
    AlgorithmNotAllowed,
    /// No key has the token's `kid`. The signer may have new keys: fetching them again can help.
    #[error("no known key has the token's kid")]
    UnknownKid,
    /// No key serves the token's algorithm, or the key of its `kid` does not.
    #[error("no known key fits the token's algorithm")]
    NoKey,
    /// The keys that fit did not make this signature.
    #[error("the token's signature is wrong")]
    Signature,
}

/// The members of a protected header that say something to us. Keys and addresses of keys in a header
/// (`jwk`, `jku`, `x5u`, `x5c`) are never looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// `alg`, as it stands.
    pub algorithm: String,
    /// `kid`, the name of a key and nothing else.
    pub kid: Option<String>,
    /// `typ`; compare it with [`has_typ`](Self::has_typ).
    pub typ: Option<String>,
    /// `cty`.
    pub cty: Option<String>,
}

impl Header {
    /// Whether `typ` is this media type: without regard to case, and to `application/` before it (RFC 7515 §4.1.9).
    #[must_use]
    pub fn has_typ(&self, expected: &str) -> bool {
        const PREFIX: &str = "application/";
        self.typ.as_deref().is_some_and(|typ| {
            let short = match typ.split_at_checked(PREFIX.len()) {
                Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
                _ => typ,
            };
            short.eq_ignore_ascii_case(expected)
        })
    }

    fn read(mut members: Map<String, Value>) -> Result<Self, JoseError> {
        for unsupported in ["crit", "b64", "zip"] {
            if members.contains_key(unsupported) {
                return Err(JoseError::UnsupportedHeader(unsupported));
            }
        }
        let mut text = |member| match members.remove(member) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(JoseError::Header(member)),
        };
        Ok(Self {
            algorithm: text("alg")?.ok_or(JoseError::Header("alg"))?,
            kid: text("kid")?,
            typ: text("typ")?,
            cty: text("cty")?,
        })
    }
}

/// A token in good form, and nothing more: anybody may have made it.
#[derive(Debug)]
pub struct Unverified<'a> {
    header: Header,
    payload: Map<String, Value>,
    /// Header and payload as they were sent, with the dot between.
    signed: &'a str,
    signature: Vec<u8>,
}

/// A token that one of the given keys has signed. Whether its claims hold here and now is for the caller.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    /// What it was signed with, one of those allowed.
    pub algorithm: Algorithm,
    /// Its protected header.
    pub header: Header,
    /// Its claims; [`claims`](crate::claims) reads them.
    pub payload: Map<String, Value>,
}

/// Reads a token's form: three parts of strict base64url, header and payload strict JSON objects.
///
/// # Errors
/// What concerns the form, of [`JoseError`].
pub fn parse(token: &str) -> Result<Unverified<'_>, JoseError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(JoseError::TooLong);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(JoseError::NotCompact)?;
    let (header, payload) = signed.split_once('.').ok_or(JoseError::NotCompact)?;
    if payload.contains('.') {
        return Err(JoseError::NotCompact);
    }
    let object = |part| -> Result<_, JoseError> {
        Ok(strict_json::parse_object(&base64url::decode(part).ok_or(JoseError::Base64)?)?)
    };
    Ok(Unverified {
        header: Header::read(object(header)?)?,
        payload: object(payload)?,
        signed,
        signature: base64url::decode(signature).ok_or(JoseError::Base64)?,
    })
}

/// Reads a token and checks its signature, see [`Unverified::verify`].
///
/// # Errors
/// See [`JoseError`].
pub fn verify(token: &str, keys: &JwkSet, allowed: &[Algorithm]) -> Result<Verified, JoseError> {
    parse(token)?.verify(keys, allowed)
}

/// An unsecured JWT (RFC 7519 §6): anybody could have made it, and nothing here ever believes one.
#[must_use]
pub fn danger_unsecured(payload: &[u8]) -> String {
    format!("{}.{}.", base64url::encode(br#"{"alg":"none"}"#), base64url::encode(payload))
}

impl Unverified<'_> {
    /// The header, as the sender wrote it.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The claims of somebody unknown. Good only for finding out whose keys to check them with.
    #[must_use]
    pub fn danger_unverified_payload(&self) -> &Map<String, Value> {
        &self.payload
    }

    /// Checks the signature. Keys and algorithms are the caller's; the header only picks among them: with
    /// `kid` the key of that name, without it each key that fits the algorithm, up to [`MAX_KEYS_TRIED`].
    ///
    /// # Errors
    /// [`JoseError::AlgorithmNotAllowed`], [`JoseError::UnknownKid`], [`JoseError::NoKey`] or [`JoseError::Signature`].
    pub fn verify(self, keys: &JwkSet, allowed: &[Algorithm]) -> Result<Verified, JoseError> {
        let algorithm = allowed
            .iter()
            .copied()
            .find(|algorithm| algorithm.as_str() == self.header.algorithm)
            .ok_or(JoseError::AlgorithmNotAllowed)?;
        let kid = self.header.kid.as_deref();
        if kid.is_some_and(|kid| !keys.has_kid(kid)) {
            return Err(JoseError::UnknownKid);
        }
        let mut tried = 0;
        let is_signed = keys.candidates(algorithm, kid).take(MAX_KEYS_TRIED).any(|key| {
            tried += 1;
            key.is_signed(algorithm, self.signed.as_bytes(), &self.signature)
        });
        match (is_signed, tried) {
            (true, _) => Ok(Verified { algorithm, header: self.header, payload: self.payload }),
            (false, 0) => Err(JoseError::NoKey),
            (false, _) => Err(JoseError::Signature),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Jwk, SigningKey, hmac_sha256,
        testing::{
            ED25519_JWK, ED25519_PKCS8, OPENSSL_PS256, OPENSSL_PS256_LONG_SALT, P256_JWK, P256_PKCS8,
            RFC7515_A2, RFC7515_A3, RSA_JWK, RSA_PKCS8, jwk_with,
        },
    };
    use proptest::prelude::*;
    use serde_json::json;

    fn set(keys: &[&str]) -> JwkSet {
        keys.iter().map(|jwk| jwk.parse::<Jwk>().unwrap()).collect()
    }

    fn published(keys: &[&SigningKey]) -> JwkSet {
        keys.iter().map(|key| key.public_jwk()).collect()
    }

    fn eddsa(kid: &str) -> SigningKey {
        SigningKey::from_pkcs8(Algorithm::EdDSA, kid, ED25519_PKCS8).unwrap()
    }

    /// A token with this header and payload, signed by the Ed25519 key whatever the header says.
    fn forged(header: &str, payload: &str) -> String {
        forged_bytes(header.as_bytes(), payload.as_bytes())
    }

    fn forged_bytes(header: &[u8], payload: &[u8]) -> String {
        // `SigningKey::sign` writes a header of its own, so this signs with the bare key pair.
        let signed = format!("{}.{}", base64url::encode(header), base64url::encode(payload));
        let key = aws_lc_rs::signature::Ed25519KeyPair::from_pkcs8(ED25519_PKCS8).unwrap();
        format!("{signed}.{}", base64url::encode(key.sign(signed.as_bytes()).as_ref()))
    }

    fn refused(token: &str) -> JoseError {
        verify(token, &set(&[ED25519_JWK]), &Algorithm::ALL).unwrap_err()
    }

    #[test]
    fn tokens_of_the_standards_and_of_openssl_verify() {
        let keys = set(&[RSA_JWK, P256_JWK, ED25519_JWK]);
        for (token, algorithm) in [
            (RFC7515_A2, Algorithm::RS256),
            (RFC7515_A3, Algorithm::ES256),
            (OPENSSL_PS256, Algorithm::PS256),
        ] {
            let verified = verify(token, &keys, &Algorithm::ALL).unwrap();
            assert_eq!(verified.algorithm, algorithm);
            assert_eq!(verified.header.algorithm, algorithm.as_str());
            let claims = json!({"iss": "joe", "exp": 1_300_819_380, "http://example.com/is_root": true});
            assert_eq!(Value::Object(verified.payload), claims);
        }
        // RFC 7518 §3.5: the salt is as long as the hash.
        let long_salt = verify(OPENSSL_PS256_LONG_SALT, &keys, &Algorithm::ALL);
        assert_eq!(long_salt, Err(JoseError::Signature));
    }

    #[test]
    fn what_each_algorithm_signs_it_verifies() {
        for (algorithm, pkcs8) in [
            (Algorithm::RS256, RSA_PKCS8),
            (Algorithm::PS256, RSA_PKCS8),
            (Algorithm::ES256, P256_PKCS8),
            (Algorithm::EdDSA, ED25519_PKCS8),
        ] {
            let key = SigningKey::from_pkcs8(algorithm, "k", pkcs8).unwrap();
            let token = key.sign(Some("JWT"), br#"{"sub":"alice"}"#).unwrap();
            let verified = verify(&token, &published(&[&key]), &[algorithm]).unwrap();
            assert_eq!(verified.payload["sub"], "alice");
            assert_eq!(
                (verified.header.kid.as_deref(), verified.header.typ.as_deref()),
                (Some("k"), Some("JWT"))
            );
            let other: Vec<_> = Algorithm::ALL.into_iter().filter(|other| *other != algorithm).collect();
            let wrong = verify(&token, &published(&[&key]), &other);
            assert_eq!(wrong, Err(JoseError::AlgorithmNotAllowed), "{algorithm}");
        }
    }

    #[test]
    fn jw1_the_header_only_picks_among_what_is_allowed() {
        let keys = set(&[RSA_JWK, P256_JWK, ED25519_JWK]);
        assert_eq!(verify(RFC7515_A2, &keys, &[Algorithm::ES256]), Err(JoseError::AlgorithmNotAllowed));
        assert_eq!(verify(RFC7515_A2, &keys, &[]), Err(JoseError::AlgorithmNotAllowed));
        for algorithm in ["none", "None", "NONE", "", "HS256", "RS512", "eddsa", "EdDSA "] {
            let token = forged(&json!({"alg": algorithm}).to_string(), "{}");
            assert_eq!(refused(&token), JoseError::AlgorithmNotAllowed, "{algorithm}");
        }
        // RFC 7519 §6.1, an unsecured JWT.
        let unsecured = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UifQ.";
        assert_eq!(danger_unsecured(br#"{"iss":"joe"}"#), unsecured);
        assert_eq!(refused(unsecured), JoseError::AlgorithmNotAllowed);
        // Allowed and of the right key, but not what the key is kept to.
        let kept: JwkSet =
            [Jwk::from_value(&jwk_with(RSA_JWK, json!({"alg": "PS256"}))).unwrap()].into_iter().collect();
        assert_eq!(verify(RFC7515_A2, &kept, &Algorithm::ALL), Err(JoseError::NoKey));
    }

    #[test]
    fn jw1_a_public_key_is_no_secret_for_an_hmac() {
        let signed = format!(
            "{}.{}",
            base64url::encode(br#"{"alg":"HS256","typ":"JWT"}"#),
            base64url::encode(br#"{"sub":"admin"}"#)
        );
        for secret in [RSA_JWK, P256_JWK, ED25519_JWK] {
            let mac = hmac_sha256(secret.as_bytes(), signed.as_bytes());
            let token = format!("{signed}.{}", base64url::encode(&mac));
            let verified = verify(&token, &set(&[secret]), &Algorithm::ALL);
            assert_eq!(verified, Err(JoseError::AlgorithmNotAllowed));
        }
    }

    #[test]
    fn jw1_a_signature_counts_under_its_own_algorithm_only() {
        let (signed, signature) = RFC7515_A3.rsplit_once('.').unwrap();
        let (_, payload) = signed.split_once('.').unwrap();
        let keys = set(&[RSA_JWK, P256_JWK, ED25519_JWK]);
        for algorithm in ["RS256", "PS256", "EdDSA"] {
            let header = base64url::encode(json!({"alg": algorithm}).to_string().as_bytes());
            let token = format!("{header}.{payload}.{signature}");
            assert_eq!(verify(&token, &keys, &Algorithm::ALL), Err(JoseError::Signature), "{algorithm}");
        }
    }

    #[test]
    fn jw2_keys_and_addresses_in_a_header_are_never_used() {
        let attacker = SigningKey::generate(Algorithm::EdDSA, "evil").unwrap();
        let jwk = serde_json::to_value(attacker.public_jwk()).unwrap();
        for header in [
            json!({"alg": "EdDSA", "jwk": jwk}),
            json!({"alg": "EdDSA", "jku": "https://evil.example/jwks", "x5u": "https://evil.example/"}),
            json!({"alg": "EdDSA", "x5c": ["MIIB"], "x5t": "abc"}),
        ] {
            let token = forged(&header.to_string(), "{}");
            let attackers_own = verify(&token, &published(&[&eddsa("evil")]), &Algorithm::ALL);
            assert!(attackers_own.is_ok(), "the members are ignored: {header}");
            let ours = published(&[&SigningKey::generate(Algorithm::EdDSA, "ours").unwrap()]);
            assert_eq!(verify(&token, &ours, &Algorithm::ALL), Err(JoseError::Signature), "{header}");
        }
    }

    #[test]
    fn jw2_crit_zip_and_b64_are_refused() {
        for (header, member) in [
            (r#"{"alg":"EdDSA","crit":["exp"],"exp":1}"#, "crit"),
            (r#"{"alg":"EdDSA","crit":[]}"#, "crit"),
            (r#"{"alg":"EdDSA","crit":null}"#, "crit"),
            (r#"{"alg":"EdDSA","b64":false,"crit":["b64"]}"#, "crit"),
            (r#"{"alg":"EdDSA","b64":true}"#, "b64"),
            (r#"{"alg":"EdDSA","zip":"DEF"}"#, "zip"),
        ] {
            assert_eq!(refused(&forged(header, "{}")), JoseError::UnsupportedHeader(member), "{header}");
        }
    }

    #[test]
    fn jw3_a_kid_names_one_of_our_keys_and_nothing_else() {
        let (old, new) = (eddsa("old"), SigningKey::generate(Algorithm::EdDSA, "new").unwrap());
        let token = old.sign(None, b"{}").unwrap();
        assert!(verify(&token, &published(&[&new, &old]), &Algorithm::ALL).is_ok());
        assert_eq!(verify(&token, &published(&[&new]), &Algorithm::ALL), Err(JoseError::UnknownKid));
        // Unknown also where the key itself is there, without its name.
        assert_eq!(verify(&token, &set(&[ED25519_JWK]), &Algorithm::ALL), Err(JoseError::UnknownKid));
        // The named key alone is tried, though the other one would fit.
        let wrong_name = forged(r#"{"alg":"EdDSA","kid":"new"}"#, "{}");
        assert_eq!(
            verify(&wrong_name, &published(&[&new, &old]), &Algorithm::ALL),
            Err(JoseError::Signature)
        );
        for kid in ["../../etc/passwd", "' OR 1=1 --", "", "https://evil.example/"] {
            let token = forged(&json!({"alg": "EdDSA", "kid": kid}).to_string(), "{}");
            assert_eq!(refused(&token), JoseError::UnknownKid, "{kid}");
        }
        let rsa = SigningKey::from_pkcs8(Algorithm::RS256, "old", RSA_PKCS8).unwrap();
        assert_eq!(verify(&token, &published(&[&rsa]), &Algorithm::ALL), Err(JoseError::NoKey));
    }

    #[test]
    fn jw3_without_kid_each_fitting_key_is_tried_up_to_a_bound() {
        let token = forged(r#"{"alg":"EdDSA"}"#, "{}");
        let others = |count| {
            (0..count).map(|n| SigningKey::generate(Algorithm::EdDSA, n.to_string()).unwrap().public_jwk())
        };
        let last_of = |count: usize| -> JwkSet {
            // Keys of other types do not count against the bound.
            [RSA_JWK.parse().unwrap()]
                .into_iter()
                .chain(others(count - 1))
                .chain([eddsa("own").public_jwk()])
                .collect()
        };
        assert!(verify(&token, &last_of(MAX_KEYS_TRIED), &Algorithm::ALL).is_ok());
        assert_eq!(verify(&token, &last_of(MAX_KEYS_TRIED + 1), &Algorithm::ALL), Err(JoseError::Signature));
        assert_eq!(verify(&token, &set(&[RSA_JWK]), &Algorithm::ALL), Err(JoseError::NoKey));
        assert_eq!(verify(&token, &JwkSet::default(), &Algorithm::ALL), Err(JoseError::NoKey));
    }

    #[test]
    fn jw4_only_the_strict_compact_form_is_read() {
        let good = forged(r#"{"alg":"EdDSA"}"#, r#"{"sub":"alice"}"#);
        assert!(verify(&good, &set(&[ED25519_JWK]), &Algorithm::ALL).is_ok());
        let parts: Vec<&str> = good.split('.').collect();
        let (header, payload, signature) = (parts[0], parts[1], parts[2]);
        let general =
            json!({"payload": payload, "signatures": [{"protected": header, "signature": signature}]});
        let flattened = json!({"payload": payload, "protected": header, "signature": signature});
        for (token, error) in [
            (String::new(), JoseError::NotCompact),
            (".".to_owned(), JoseError::NotCompact),
            (header.to_owned(), JoseError::NotCompact),
            (format!("{header}.{payload}"), JoseError::NotCompact),
            (format!("{good}."), JoseError::NotCompact),
            (format!(".{good}"), JoseError::NotCompact),
            (format!("{good}.{signature}"), JoseError::NotCompact),
            (format!("{header}.{payload}.{payload}.{payload}.{signature}"), JoseError::NotCompact),
            (general.to_string(), JoseError::NotCompact),
            (flattened.to_string(), JoseError::NotCompact),
            ("..".to_owned(), JoseError::Json(JsonError::Malformed)),
            (format!("{header}..{signature}"), JoseError::Json(JsonError::Malformed)),
            (format!("{header}={}", &good[header.len()..]), JoseError::Base64),
            (format!("{header}.{payload}==.{signature}"), JoseError::Base64),
            (format!("{good}=="), JoseError::Base64),
            (format!("{good}\n"), JoseError::Base64),
            (format!(" {good}"), JoseError::Base64),
            (format!("{header}.{payload} .{signature}"), JoseError::Base64),
            (format!("{header}.{payload}.é"), JoseError::Base64),
            (format!("{header}.{payload}.+/+/"), JoseError::Base64),
            (format!("{header}.{payload}."), JoseError::Signature),
            (format!("{header}.{payload}.AAAA"), JoseError::Signature),
        ] {
            assert_eq!(refused(&token), error, "{token}");
        }
        // The last letter of 64 bytes has four bits to spare, which must be zero: one spelling only.
        let mut other_spelling = good.clone();
        let last = other_spelling.pop().unwrap();
        other_spelling.push(char::from(last as u8 + 1));
        assert_eq!(refused(&other_spelling), JoseError::Base64);
    }

    #[test]
    fn jw4_each_changed_letter_is_noticed() {
        let good = forged(r#"{"alg":"EdDSA"}"#, r#"{"sub":"alice"}"#);
        for at in 0..good.len() {
            let mut changed = good.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(verify(&changed, &set(&[ED25519_JWK]), &Algorithm::ALL).is_err(), "letter {at}");
        }
    }

    #[test]
    fn jw4_header_and_payload_are_strict_json_though_signed() {
        let duplicate = JoseError::Json(JsonError::DuplicateMember);
        let deep = |levels: usize| format!(r#"{{"a":{}{}}}"#, "[".repeat(levels - 1), "]".repeat(levels - 1));
        let head = r#"{"alg":"EdDSA"}"#;
        for (header, payload, error) in [
            (r#"{"alg":"EdDSA","alg":"EdDSA"}"#, "{}", duplicate),
            (r#"{"alg":"EdDSA","x":{"a":1,"a":1}}"#, "{}", duplicate),
            (head, r#"{"sub":"alice","sub":"bob"}"#, duplicate),
            (head, r#"{"claims":[{"a":1,"\u0061":2}]}"#, duplicate),
            (head, &deep(33), JoseError::Json(JsonError::TooDeep)),
            (head, "[]", JoseError::Json(JsonError::NotAnObject)),
            (head, "\"text\"", JoseError::Json(JsonError::NotAnObject)),
            (head, "{}{}", JoseError::Json(JsonError::Malformed)),
            (head, "", JoseError::Json(JsonError::Malformed)),
            ("null", "{}", JoseError::Json(JsonError::NotAnObject)),
            ("{}", "{}", JoseError::Header("alg")),
            (r#"{"alg":null}"#, "{}", JoseError::Header("alg")),
            (r#"{"alg":["EdDSA"]}"#, "{}", JoseError::Header("alg")),
            (r#"{"alg":"EdDSA","kid":1}"#, "{}", JoseError::Header("kid")),
            (r#"{"alg":"EdDSA","typ":{}}"#, "{}", JoseError::Header("typ")),
            (r#"{"alg":"EdDSA","cty":false}"#, "{}", JoseError::Header("cty")),
        ] {
            assert_eq!(refused(&forged(header, payload)), error, "{header} {payload}");
        }
        let latin1 = forged_bytes(b"{\"alg\":\"EdDSA\"}", b"{\"name\":\"\xe9\"}");
        assert_eq!(refused(&latin1), JoseError::Json(JsonError::Malformed));
        assert!(verify(&forged(head, &deep(32)), &set(&[ED25519_JWK]), &Algorithm::ALL).is_ok());
    }

    #[test]
    fn jw4_size_is_capped() {
        let of_size =
            |padding: usize| forged(r#"{"alg":"EdDSA"}"#, &json!({"a": "x".repeat(padding)}).to_string());
        assert!(of_size(12_000).len() < MAX_TOKEN_BYTES);
        assert!(verify(&of_size(12_000), &set(&[ED25519_JWK]), &Algorithm::ALL).is_ok());
        assert_eq!(refused(&of_size(12_300)), JoseError::TooLong);
        assert_eq!(refused(&"a.b.".repeat(MAX_TOKEN_BYTES)), JoseError::TooLong);
    }

    #[test]
    fn jw6_typ_is_compared_as_a_media_type() {
        let header = |typ: &str| {
            let token = forged(&json!({"alg": "EdDSA", "typ": typ}).to_string(), "{}");
            verify(&token, &set(&[ED25519_JWK]), &Algorithm::ALL).unwrap().header
        };
        for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+jwt"] {
            assert!(header(typ).has_typ("at+jwt"), "{typ}");
        }
        for typ in
            ["JWT", "", "at+jwt ", "x/at+jwt", "application/", "application/application/at+jwt", "äääääää"]
        {
            assert!(!header(typ).has_typ("at+jwt"), "{typ}");
        }
        let without = forged(r#"{"alg":"EdDSA"}"#, "{}");
        assert!(!parse(&without).unwrap().header().has_typ("JWT"));
    }

    #[test]
    fn unverified_claims_are_there_only_under_their_name() {
        let token = forged(r#"{"alg":"none","kid":"x"}"#, r#"{"iss":"https://a.example"}"#);
        let unverified = parse(&token).unwrap();
        assert_eq!(unverified.header().kid.as_deref(), Some("x"));
        assert_eq!(unverified.danger_unverified_payload()["iss"], "https://a.example");
    }

    proptest! {
        #[test]
        fn jw4_no_text_makes_the_parser_panic(text: String) {
            let _ = parse(&text);
        }

        #[test]
        fn jw4_no_bytes_in_its_parts_make_it_panic(header: Vec<u8>, payload: Vec<u8>, signature: Vec<u8>) {
            let alg = base64url::encode(br#"{"alg":"RS256"}"#);
            let [header, payload, signature] = [header, payload, signature].map(|part| base64url::encode(&part));
            let _ = parse(&format!("{header}.{payload}.{signature}"));
            let keys = set(&[RSA_JWK, P256_JWK, ED25519_JWK]);
            let token = format!("{alg}.e30.{signature}");
            prop_assert!(verify(&token, &keys, &Algorithm::ALL).is_err());
        }

        #[test]
        fn what_is_signed_comes_back(sub: String, typ: Option<String>, kid: String) {
            let key = eddsa(&kid);
            let payload = json!({ "sub": sub });
            let token = key.sign(typ.as_deref(), payload.to_string().as_bytes()).unwrap();
            let verified = verify(&token, &published(&[&key]), &[Algorithm::EdDSA]).unwrap();
            prop_assert_eq!(Value::Object(verified.payload), payload);
            prop_assert_eq!((verified.header.kid, verified.header.typ), (Some(kid), typ));
        }
    }
}
