//! Client assertions: a client proves itself by a token that it signed (RFC 7521 §4.2, RFC 7523 §3, OIDC Core §9).

use authmachine_jose::{Algorithm, ClaimError, Verified, claims, compact, sha256};
use authmachine_protocol::Timestamp;

use crate::client::Client;

/// `client_assertion_type` (RFC 7523 §2.2).
pub const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How far ahead `exp` may lie, so that what is remembered of assertions has an end (checklist CA4, CA5): the hour that common
/// libraries give them.
pub const MAX_LIFE_S: i64 = 60 * 60;
/// How far a client's clock may differ from ours (checklist JW5).
pub const CLOCK_DIFFERENCE_S: i64 = 10;
/// The longest `jti`.
pub const MAX_JTI_BYTES: usize = 256;
/// An assertion is remembered for so long after its end: the nodes of an installation have clocks of their own.
const REMEMBERED_S: i64 = 60;

/// Why an assertion proves nothing. For the audit trail: the client is told that it failed, and no more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssertionError {
    /// A token of another kind (checklist JW6).
    #[error("the token is no client assertion")]
    Kind,
    /// A claim of a wrong type.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// This claim is missing, or says something else than it must.
    #[error("claim {0} is missing or wrong")]
    Wrong(&'static str),
    /// Its time is over.
    #[error("the assertion has expired")]
    Expired,
    /// `exp` lies more than [`MAX_LIFE_S`] ahead.
    #[error("claim exp lies too far ahead")]
    TooLong,
    /// `iat` or `nbf` lies ahead.
    #[error("claim {0} lies in the future")]
    Early(&'static str),
    /// Its `jti` was used before.
    #[error("the assertion was used before")]
    Used,
}

/// What must be remembered of an assertion that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The hash of its `jti`.
    pub jti_sha256: [u8; 32],
    /// Until when.
    pub remember_until: Timestamp,
}

/// The algorithms that `client` may sign with: the one it registered, or any.
pub fn algorithms(client: &Client) -> &[Algorithm] {
    client.metadata.token_endpoint_auth_signing_alg.as_ref().map_or(&Algorithm::ALL, std::slice::from_ref)
}

/// The client that an assertion claims to be of, before anything is believed.
pub fn claimed_client(assertion: &str) -> Option<String> {
    let unverified = compact::parse(assertion).ok()?;
    // As in a form (`Params`), there is no U+0000.
    let sub =
        unverified.danger_unverified_payload().get("sub")?.as_str().filter(|sub| !sub.contains('\0'))?;
    Some(sub.to_owned())
}

/// Decides whether an assertion, signed by the client `client_id`, proves it `now` to whoever goes by one of `audiences`. Its `jti` is
/// still to be used up: that is the last step, and whoever does it first has it.
///
/// # Errors
/// [`AssertionError`].
pub fn check(
    assertion: &Verified,
    client_id: &str,
    audiences: &[&str],
    now: Timestamp,
) -> Result<Accepted, AssertionError> {
    let (header, payload) = (&assertion.header, &assertion.payload);
    let is_typed = header.has_typ("JWT") || header.has_typ("client-authentication+jwt");
    // A request object passes through browsers, signed by the same key (RFC 9101 §10.8).
    let asks = ["response_type", "redirect_uri"].iter().any(|claim| payload.contains_key(*claim));
    if !is_typed && header.typ.is_some() || asks {
        return Err(AssertionError::Kind);
    }
    for claim in ["iss", "sub"] {
        if claims::string(payload, claim)? != Some(client_id) {
            return Err(AssertionError::Wrong(claim));
        }
    }
    // One audience: nobody else can have been given it, to use it here.
    match claims::audience(payload)?.as_deref() {
        Some([one]) if audiences.contains(one) => {}
        _ => return Err(AssertionError::Wrong("aud")),
    }
    let seconds = now.seconds();
    let exp = claims::numeric_date(payload, "exp")?.ok_or(AssertionError::Wrong("exp"))?;
    if exp + CLOCK_DIFFERENCE_S <= seconds {
        return Err(AssertionError::Expired);
    }
    if exp > seconds + MAX_LIFE_S + CLOCK_DIFFERENCE_S {
        return Err(AssertionError::TooLong);
    }
    for claim in ["nbf", "iat"] {
        if claims::numeric_date(payload, claim)?.is_some_and(|at| at > seconds + CLOCK_DIFFERENCE_S) {
            return Err(AssertionError::Early(claim));
        }
    }
    let jti = claims::string(payload, "jti")?
        .filter(|jti| (1..=MAX_JTI_BYTES).contains(&jti.len()))
        .ok_or(AssertionError::Wrong("jti"))?;
    Ok(Accepted {
        jti_sha256: sha256(jti.as_bytes()),
        remember_until: Timestamp::from_seconds(exp + CLOCK_DIFFERENCE_S + REMEMBERED_S),
    })
}

#[cfg(test)]
mod tests {
    use authmachine_jose::Header;
    use serde_json::{Value, json};

    use super::*;
    use crate::testing;

    const NOW: i64 = 1_800_000_000;
    const AUDIENCES: [&str; 2] = ["https://id.example", "https://id.example/oidc/token"];

    fn signed(typ: Option<&str>, claims: Value) -> Verified {
        let Value::Object(payload) = claims else { panic!("claims are an object") };
        Verified {
            algorithm: Algorithm::ES256,
            header: Header {
                algorithm: "ES256".to_owned(),
                kid: None,
                typ: typ.map(str::to_owned),
                cty: None,
            },
            payload,
        }
    }

    fn claims() -> Value {
        json!({"iss": "shop", "sub": "shop", "aud": AUDIENCES[0], "jti": "1", "exp": NOW + 60, "iat": NOW})
    }

    fn checked(claims: Value) -> Result<Accepted, AssertionError> {
        check(&signed(None, claims), "shop", &AUDIENCES, Timestamp::from_ms(NOW * 1_000 + 999))
    }

    /// The usual claims with one changed, or left out.
    fn with(claim: &str, value: Option<Value>) -> Result<Accepted, AssertionError> {
        let mut claims = claims();
        let members = claims.as_object_mut().expect("an object");
        match value {
            Some(value) => _ = members.insert(claim.to_owned(), value),
            None => _ = members.remove(claim),
        }
        checked(claims)
    }

    #[test]
    fn ca4_an_assertion_is_of_the_client_and_for_us_alone() {
        let accepted = checked(claims()).expect("it is good");
        assert_eq!(accepted.jti_sha256, sha256(b"1"));
        assert_eq!(accepted.remember_until, Timestamp::from_seconds(NOW + 60 + 70));
        for aud in [json!(AUDIENCES[0]), json!(AUDIENCES[1]), json!([AUDIENCES[0]]), json!([AUDIENCES[1]])] {
            assert!(with("aud", Some(aud.clone())).is_ok(), "{aud}");
        }
        for aud in [
            json!([]),
            json!(""),
            json!("https://id.example/"),
            json!("https://id.example/oidc/revoke"),
            json!("https://other.example"),
            json!([AUDIENCES[0], "https://other.example"]),
            json!([AUDIENCES[0], AUDIENCES[1]]),
            json!([AUDIENCES[0], AUDIENCES[0]]),
        ] {
            assert_eq!(with("aud", Some(aud.clone())), Err(AssertionError::Wrong("aud")), "{aud}");
        }
        for claim in ["iss", "sub"] {
            for other in ["", "Shop", "shop ", "other", AUDIENCES[0]] {
                assert_eq!(with(claim, Some(json!(other))), Err(AssertionError::Wrong(claim)), "{other}");
            }
        }
        for claim in ["iss", "sub", "aud", "exp", "jti"] {
            assert_eq!(with(claim, None), Err(AssertionError::Wrong(claim)), "{claim}");
        }
        for claim in ["nbf", "iat"] {
            assert!(with(claim, None).is_ok(), "{claim}");
        }
    }

    #[test]
    fn ca4_its_id_has_a_length() {
        let long = "x".repeat(MAX_JTI_BYTES);
        assert!(with("jti", Some(json!(long))).is_ok());
        for jti in [String::new(), format!("{long}x")] {
            assert_eq!(with("jti", Some(json!(jti))), Err(AssertionError::Wrong("jti")));
        }
    }

    #[test]
    fn jw5_ten_seconds_pass_and_a_minute_in_the_future_does_not() {
        for (claim, at, expected) in [
            ("exp", NOW - 9, Ok(())),
            ("exp", NOW - 10, Err(AssertionError::Expired)),
            ("exp", 0, Err(AssertionError::Expired)),
            ("exp", NOW + MAX_LIFE_S + 10, Ok(())),
            ("exp", NOW + MAX_LIFE_S + 11, Err(AssertionError::TooLong)),
            ("exp", i64::MAX / 1_000, Err(AssertionError::TooLong)),
            ("nbf", NOW + 10, Ok(())),
            ("nbf", NOW + 11, Err(AssertionError::Early("nbf"))),
            ("iat", NOW + 10, Ok(())),
            ("iat", NOW + 60, Err(AssertionError::Early("iat"))),
            ("iat", NOW - 86_400, Ok(())),
        ] {
            assert_eq!(with(claim, Some(json!(at))).map(drop), expected, "{claim} {at}");
        }
    }

    #[test]
    fn jw5_a_claim_of_another_type_is_a_refusal() {
        for claim in ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"] {
            for value in [json!(null), json!(true), json!({}), json!(["shop", 1])] {
                let outcome = with(claim, Some(value.clone()));
                assert!(matches!(outcome, Err(AssertionError::Claim(_))), "{claim} {value}: {outcome:?}");
            }
        }
        assert!(matches!(with("exp", Some(json!("1800000060"))), Err(AssertionError::Claim(_))));
        assert!(matches!(with("sub", Some(json!(["shop"]))), Err(AssertionError::Claim(_))));
    }

    #[test]
    fn jw6_no_token_of_another_kind_is_an_assertion() {
        let now = Timestamp::from_seconds(NOW);
        for typ in
            [None, Some("JWT"), Some("jwt"), Some("client-authentication+jwt"), Some("application/JWT")]
        {
            assert!(check(&signed(typ, claims()), "shop", &AUDIENCES, now).is_ok(), "{typ:?}");
        }
        for typ in ["", "at+jwt", "logout+jwt", "oauth-authz-req+jwt", "dpop+jwt", "secevent+jwt", "JOSE"] {
            let outcome = check(&signed(Some(typ), claims()), "shop", &AUDIENCES, now);
            assert_eq!(outcome, Err(AssertionError::Kind), "{typ}");
        }
        for claim in ["response_type", "redirect_uri"] {
            assert_eq!(with(claim, Some(json!("x"))), Err(AssertionError::Kind), "{claim}");
        }
    }

    #[test]
    fn jw1_the_registered_algorithm_is_the_only_one() {
        let mut client = testing::shop();
        assert_eq!(algorithms(&client), Algorithm::ALL);
        client.metadata.token_endpoint_auth_signing_alg = Some(Algorithm::PS256);
        assert_eq!(algorithms(&client), [Algorithm::PS256]);
    }

    #[test]
    fn what_an_assertion_claims_is_read_from_its_sub() {
        // {"alg":"none"} and {"sub":"shop"}, {"sub":"a\u0000"}, {"sub":1}, {}.
        for (payload, expected) in [
            ("eyJzdWIiOiJzaG9wIn0", Some("shop")),
            ("eyJzdWIiOiJhXHUwMDAwIn0", None),
            ("eyJzdWIiOjF9", None),
            ("e30", None),
            ("", None),
        ] {
            let token = format!("eyJhbGciOiJub25lIn0.{payload}.");
            assert_eq!(claimed_client(&token).as_deref(), expected, "{payload}");
        }
    }
}
