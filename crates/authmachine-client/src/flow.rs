//! The code flow as decisions: what to send, and whether what came back holds. No clock, no network, no cookies.

use authmachine_jose::{Algorithm, JoseError, JwkSet, claims, compact, left_half_hash};
use authmachine_protocol::{Params, ProviderMetadata, Timestamp, form, pkce};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    error::{CallbackError, Error, IdTokenError},
    observer::Checks,
};

/// How far two clocks may be apart.
const CLOCK_TOLERANCE_SECONDS: i64 = 30;
/// How old an ID token that was just issued may be.
const MAX_ID_TOKEN_AGE_SECONDS: i64 = 10 * 60;
/// How long a person may take to sign in.
pub(crate) const ATTEMPT_LIFE_SECONDS: i64 = 10 * 60;

/// A sign-in in flight: what the browser keeps, sealed, until the provider sends it back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attempt {
    #[serde(rename = "l")]
    pub(crate) login_id: String,
    #[serde(rename = "s")]
    pub(crate) state: String,
    #[serde(rename = "n")]
    pub(crate) nonce: String,
    #[serde(rename = "v")]
    pub(crate) code_verifier: String,
    #[serde(rename = "r")]
    pub(crate) return_to: String,
    #[serde(rename = "t")]
    pub(crate) started_at: Timestamp,
}

impl Attempt {
    pub(crate) fn is_live(&self, now: Timestamp) -> bool {
        // One that began later than now was made before the clock was set back.
        (0..ATTEMPT_LIFE_SECONDS).contains(&now.seconds_since(self.started_at))
    }
}

/// What an authorization request says beside the fresh values of its attempt.
#[derive(Clone, Debug)]
pub(crate) struct RequestSettings {
    pub(crate) client_id: String,
    pub(crate) redirect_uri: String,
    pub(crate) scope: String,
    /// Objects whose permissions are asked for; none asks for nothing.
    pub(crate) objects: Vec<String>,
}

/// The parameters of an authorization request (OIDC Core §3.1.2.1, RFC 7636 §4.3).
pub(crate) fn authorization_request(
    settings: &RequestSettings,
    attempt: &Attempt,
) -> Vec<(&'static str, String)> {
    let mut parameters = vec![
        ("client_id", settings.client_id.clone()),
        ("response_type", "code".to_owned()),
        ("redirect_uri", settings.redirect_uri.clone()),
        ("scope", settings.scope.clone()),
        ("state", attempt.state.clone()),
        ("nonce", attempt.nonce.clone()),
        ("code_challenge", pkce::challenge(&attempt.code_verifier)),
        ("code_challenge_method", pkce::S256.to_owned()),
    ];
    if !settings.objects.is_empty() {
        // OIDC Core §5.5: a strict provider refuses any other shape.
        let claims = json!({"userinfo": {"authmachine_permissions": {"values": settings.objects}}});
        parameters.push(("claims", claims.to_string()));
    }
    parameters
}

/// `endpoint` with `parameters` in its query.
pub(crate) fn url_with(endpoint: &str, parameters: &[(&'static str, String)]) -> String {
    form::append_query(endpoint, parameters.iter().map(|(name, value)| (*name, value.as_str())))
}

/// Checks the provider's answer (RFC 6749 §4.1.2, RFC 9207 §2.4) and takes the code out of it. That its `state` belongs
/// to an attempt of this browser has been checked before.
pub(crate) fn check_callback(
    answer: &Params,
    provider: &ProviderMetadata,
    checks: &mut Checks,
) -> Result<String, Error> {
    match answer.get("iss") {
        Some(iss) => {
            checks.that("iss is the provider's", iss == provider.issuer, CallbackError::Issuer)?;
        }
        None => checks.that(
            "iss is there if the provider promises it",
            !provider.authorization_response_iss_parameter_supported,
            CallbackError::IssuerMissing,
        )?,
    }
    let refused = answer.get("error").map(|code| Error::refused(code, answer.get("error_description")));
    checks.ok("it is not an error", refused.map_or(Ok(()), Err))?;
    Ok(checks.ok("there is a code", answer.get("code").ok_or(CallbackError::NoCode))?.to_owned())
}

/// What an ID token must be like.
pub(crate) struct Expected<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) nonce: &'a str,
    pub(crate) algorithm: Algorithm,
    pub(crate) access_token: &'a str,
    pub(crate) now: Timestamp,
}

/// Checks an ID token (OIDC Core §3.1.3.7) and gives its claims, which nobody sees before all of it held.
pub(crate) fn check_id_token(
    token: &str,
    keys: &JwkSet,
    expected: &Expected<'_>,
    checks: &mut Checks,
) -> Result<Map<String, Value>, IdTokenError> {
    let parsed = checks.ok("it is a signed token in compact form", compact::parse(token))?;
    checks.that(
        "alg is the one this client is registered for",
        parsed.header().algorithm == expected.algorithm.as_str(),
        JoseError::AlgorithmNotAllowed,
    )?;
    let verified =
        checks.ok("a key of the provider's signed it", parsed.verify(keys, &[expected.algorithm]))?;
    let claims = &verified.payload;
    let text = |name: &'static str| claims::string(claims, name)?.ok_or(IdTokenError::ClaimMissing(name));
    let time = |name: &'static str| {
        Ok::<_, IdTokenError>(Timestamp::from_seconds(
            claims::numeric_date(claims, name)?.ok_or(IdTokenError::ClaimMissing(name))?,
        ))
    };

    checks.that(
        "iss is the provider, byte for byte",
        text("iss")? == expected.issuer,
        IdTokenError::Issuer,
    )?;
    checks.that("sub is there", !text("sub")?.is_empty(), IdTokenError::ClaimMissing("sub"))?;
    let audience = claims::audience(claims)?.ok_or(IdTokenError::ClaimMissing("aud"))?;
    checks.that("aud is this client", audience.contains(&expected.client_id), IdTokenError::Audience)?;
    let azp = claims::string(claims, "azp")?;
    checks.that(
        "azp is this client, and there if aud names several",
        azp.map_or(audience.len() == 1, |azp| azp == expected.client_id),
        IdTokenError::AuthorizedParty,
    )?;
    let (now, expires_at, issued_at) = (expected.now, time("exp")?, time("iat")?);
    checks.that(
        "exp is to come",
        now < expires_at.plus_seconds(CLOCK_TOLERANCE_SECONDS),
        IdTokenError::Expired,
    )?;
    let window = now.plus_seconds(-MAX_ID_TOKEN_AGE_SECONDS - CLOCK_TOLERANCE_SECONDS)
        ..=now.plus_seconds(CLOCK_TOLERANCE_SECONDS);
    checks.that("iat is just now", window.contains(&issued_at), IdTokenError::IssuedAt)?;
    checks.that(
        "nonce is the one of this sign-in",
        claims::string(claims, "nonce")? == Some(expected.nonce),
        IdTokenError::Nonce,
    )?;
    if let Some(at_hash) = claims::string(claims, "at_hash")? {
        checks.that(
            "at_hash is of this access token",
            at_hash == left_half_hash(expected.algorithm, expected.access_token),
            IdTokenError::AccessTokenHash,
        )?;
    }
    Ok(verified.payload)
}

/// Claims about the token itself: nobody needs them once it has been checked.
const TOKEN_CLAIMS: [&str; 9] = ["iss", "aud", "azp", "exp", "iat", "nbf", "nonce", "at_hash", "jti"];

/// What is known of the user: the ID token's claims about them, and over these what userinfo says. `sub` must be the
/// same in both (OIDC Core §5.3.2).
pub(crate) fn user_claims(
    mut id_token: Map<String, Value>,
    userinfo: Option<Map<String, Value>>,
    checks: &mut Checks,
) -> Result<Map<String, Value>, Error> {
    if let Some(userinfo) = userinfo {
        checks.that(
            "sub is that of the ID token",
            userinfo.get("sub").is_some_and(|sub| id_token.get("sub") == Some(sub)),
            Error::UserinfoSubject,
        )?;
        id_token.extend(userinfo);
    }
    id_token.retain(|name, _| !TOKEN_CLAIMS.contains(&name.as_str()));
    Ok(id_token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use authmachine_jose::SigningKey;
    use std::sync::LazyLock;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
    static KEY: LazyLock<SigningKey> =
        LazyLock::new(|| SigningKey::generate(Algorithm::ES256, "k1").expect("a key"));

    fn expected() -> Expected<'static> {
        Expected {
            issuer: "https://op.example",
            client_id: "app",
            nonce: "n-1",
            algorithm: Algorithm::ES256,
            access_token: "at-1",
            now: NOW,
        }
    }

    /// A good token's claims with these members changed; `null` takes one away.
    fn claims_with(changes: Value) -> Map<String, Value> {
        let mut claims = json!({
            "iss": "https://op.example", "sub": "u-1", "aud": "app", "nonce": "n-1",
            "iat": NOW.seconds(), "exp": NOW.seconds() + 600,
            "at_hash": left_half_hash(Algorithm::ES256, "at-1"),
        });
        let members = claims.as_object_mut().expect("an object");
        for (name, value) in changes.as_object().expect("an object") {
            match value {
                Value::Null => drop(members.remove(name)),
                value => drop(members.insert(name.clone(), value.clone())),
            }
        }
        members.clone()
    }

    fn check(changes: Value) -> Result<Map<String, Value>, IdTokenError> {
        let payload = Value::Object(claims_with(changes)).to_string();
        let token = KEY.sign(None, payload.as_bytes()).expect("signed");
        let keys: JwkSet = [KEY.public_jwk()].into_iter().collect();
        check_id_token(&token, &keys, &expected(), &mut Checks::default())
    }

    #[test]
    fn cl4_a_good_id_token_holds() {
        for good in [
            json!({}),
            json!({"aud": ["app"]}),
            json!({"aud": ["app", "api"], "azp": "app"}),
            json!({"azp": "app"}),
            json!({"at_hash": null}),
            json!({"iat": NOW.seconds() + 30}),
            json!({"iat": NOW.seconds() - 630}),
            json!({"exp": NOW.seconds() - 29}),
        ] {
            assert!(check(good.clone()).is_ok(), "{good}: {:?}", check(good.clone()));
        }
    }

    #[test]
    fn cl4_a_wrong_claim_refuses_the_id_token() {
        for (bad, why) in [
            (json!({"iss": "https://op.example/"}), IdTokenError::Issuer),
            (json!({"iss": "https://evil.example"}), IdTokenError::Issuer),
            (json!({"iss": null}), IdTokenError::ClaimMissing("iss")),
            (json!({"sub": null}), IdTokenError::ClaimMissing("sub")),
            (json!({"sub": ""}), IdTokenError::ClaimMissing("sub")),
            (json!({"aud": "other"}), IdTokenError::Audience),
            (json!({"aud": ["other"]}), IdTokenError::Audience),
            (json!({"aud": []}), IdTokenError::Audience),
            (json!({"aud": null}), IdTokenError::ClaimMissing("aud")),
            (json!({"aud": ["app", "api"]}), IdTokenError::AuthorizedParty),
            (json!({"aud": ["app", "api"], "azp": "api"}), IdTokenError::AuthorizedParty),
            (json!({"azp": "other"}), IdTokenError::AuthorizedParty),
            (json!({"exp": NOW.seconds() - 30}), IdTokenError::Expired),
            (json!({"exp": null}), IdTokenError::ClaimMissing("exp")),
            (json!({"iat": NOW.seconds() + 31}), IdTokenError::IssuedAt),
            (json!({"iat": NOW.seconds() - 631}), IdTokenError::IssuedAt),
            (json!({"iat": null}), IdTokenError::ClaimMissing("iat")),
            (json!({"nonce": "n-2"}), IdTokenError::Nonce),
            (json!({"nonce": ""}), IdTokenError::Nonce),
            (json!({"nonce": null}), IdTokenError::Nonce),
            (json!({"at_hash": "x"}), IdTokenError::AccessTokenHash),
        ] {
            assert_eq!(check(bad.clone()), Err(why), "{bad}");
        }
        for typed in [json!({"iss": 1}), json!({"exp": "soon"}), json!({"aud": 1}), json!({"at_hash": []})] {
            assert!(matches!(check(typed.clone()), Err(IdTokenError::Claim(_))), "{typed}");
        }
    }

    #[test]
    fn cl4_algorithm_and_signature_are_ours_to_choose() {
        let payload = Value::Object(claims_with(json!({}))).to_string();
        let keys: JwkSet = [KEY.public_jwk()].into_iter().collect();
        let refused = |token: &str, expected: &Expected<'_>| {
            check_id_token(token, &keys, expected, &mut Checks::default()).expect_err("refused")
        };
        let token = KEY.sign(None, payload.as_bytes()).expect("signed");
        let rs256 = Expected { algorithm: Algorithm::RS256, ..expected() };
        assert_eq!(refused(&token, &rs256), JoseError::AlgorithmNotAllowed.into());

        let stranger = SigningKey::generate(Algorithm::ES256, "k1").expect("a key");
        let forged = stranger.sign(None, payload.as_bytes()).expect("signed");
        assert_eq!(refused(&forged, &expected()), JoseError::Signature.into());

        let other_kid = SigningKey::generate(Algorithm::ES256, "k2").expect("a key");
        let unknown = other_kid.sign(None, payload.as_bytes()).expect("signed");
        assert_eq!(refused(&unknown, &expected()), JoseError::UnknownKid.into());

        // {"alg":"none"}, the payload, and no signature.
        let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", token.split('.').nth(1).expect("payload"));
        assert_eq!(refused(&unsigned, &expected()), JoseError::AlgorithmNotAllowed.into());
    }

    #[test]
    fn cl4_userinfo_about_somebody_else_is_refused() {
        let merge = |userinfo: Value| {
            let userinfo = userinfo.as_object().cloned();
            user_claims(claims_with(json!({"acr": "1"})), userinfo, &mut Checks::default())
        };
        for bad in [json!({"sub": "u-2"}), json!({"name": "x"}), json!({"sub": ["u-1"]})] {
            assert_eq!(merge(bad), Err(Error::UserinfoSubject));
        }
        let claims = merge(json!({"sub": "u-1", "name": "A"})).expect("same subject");
        assert_eq!(Value::Object(claims), json!({"sub": "u-1", "name": "A", "acr": "1"}));
        assert!(merge(Value::Null).is_ok(), "a provider without userinfo");
    }

    fn callback(query: &str, promised: bool) -> Result<String, Error> {
        let provider = ProviderMetadata {
            issuer: "https://op.example".to_owned(),
            authorization_response_iss_parameter_supported: promised,
            ..ProviderMetadata::default()
        };
        let answer = Params::parse(query.as_bytes()).expect("a legal query");
        check_callback(&answer, &provider, &mut Checks::default())
    }

    #[test]
    fn cl3_iss_is_checked_when_present_and_demanded_when_promised() {
        let ours = "code=c&iss=https%3A%2F%2Fop.example";
        assert_eq!(callback(ours, true).as_deref(), Ok("c"));
        assert_eq!(callback(ours, false).as_deref(), Ok("c"));
        assert_eq!(callback("code=c", false).as_deref(), Ok("c"));
        assert_eq!(callback("code=c", true), Err(CallbackError::IssuerMissing.into()));
        for evil in ["https%3A%2F%2Fevil.example", "https%3A%2F%2Fop.example%2F", "HTTPS%3A%2F%2Fop.example"]
        {
            let mixed_up = format!("code=c&iss={evil}");
            assert_eq!(callback(&mixed_up, false), Err(CallbackError::Issuer.into()), "{evil}");
            // The error of another provider is no error of ours.
            let error = format!("error=access_denied&iss={evil}");
            assert_eq!(callback(&error, false), Err(CallbackError::Issuer.into()), "{evil}");
        }
    }

    #[test]
    fn an_error_says_whose_turn_it_is() {
        use crate::ErrorKind::{Operator, TryAgain, User};
        for (code, turn) in [
            ("access_denied", User),
            ("temporarily_unavailable", TryAgain),
            ("login_required", TryAgain),
            ("invalid_request", Operator),
            ("something_new", Operator),
        ] {
            let error =
                callback(&format!("error={code}&error_description=why&code=c"), false).expect_err("an error");
            assert_eq!(error.kind(), turn, "{code}");
            assert_eq!(error.to_string(), format!("the provider refused: {code} (why)"));
        }
        assert_eq!(callback("state=s", false), Err(CallbackError::NoCode.into()));
    }

    #[test]
    fn permissions_are_asked_for_only_when_the_app_asks() {
        let attempt = Attempt {
            login_id: "l".into(),
            state: "s".into(),
            nonce: "n".into(),
            code_verifier: "v".repeat(43),
            return_to: "/".into(),
            started_at: NOW,
        };
        let mut settings = RequestSettings {
            client_id: "app".into(),
            redirect_uri: "https://app.example/oidc-callback".into(),
            scope: "openid".into(),
            objects: vec![],
        };
        let url = url_with("https://op.example/auth?x=1", &authorization_request(&settings, &attempt));
        assert!(url.starts_with(
            "https://op.example/auth?x=1&client_id=app&response_type=code&redirect_uri=https%3A"
        ));
        assert!(
            !url.contains("claims=")
                && url.contains("code_challenge_method=S256")
                && !url.contains(&attempt.code_verifier)
        );
        settings.objects = vec!["object1".into()];
        let parameters = authorization_request(&settings, &attempt);
        assert!(parameters.contains(&(
            "claims",
            r#"{"userinfo":{"authmachine_permissions":{"values":["object1"]}}}"#.to_owned()
        )));
        assert!(attempt.is_live(NOW.plus_seconds(599)) && !attempt.is_live(NOW.plus_seconds(600)));
        assert!(!attempt.is_live(NOW.plus_seconds(-1)));
    }
}
