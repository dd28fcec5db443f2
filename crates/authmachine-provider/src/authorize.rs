//! The authorization endpoint's decisions (RFC 6749 §4.1.1, OIDC Core §3.1.2).
//!
//! [`check`] is the one list of checks, in order: it turns parameters into an [`AuthorizationRequest`] or a refusal.
//! [`next_step`] looks at the browser's session and says what comes next: a page, a code, or an error.

use authmachine_protocol::names::Prompt;
use authmachine_protocol::{
    ClaimsRequest, ErrorCode, GrantType, Params, ResponseMode, ResponseType, Scopes, Timestamp, pkce, scope,
};

use crate::browser_session::{Session, Standing};
use crate::client::{Client, PkceRule};
use crate::consent::Consent;
use crate::interaction::{AuthorizationRequest, Done};
use crate::lives::Lives;
use crate::user::User;
use crate::user_claims;

/// The most bytes of `state`.
pub const MAX_STATE_BYTES: usize = 2_048;
/// The most bytes of `nonce`.
pub const MAX_NONCE_BYTES: usize = 512;
/// The authentication context class of a sign-in by password.
pub const ACR_PASSWORD: &str = "urn:authmachine:acr:pwd";

/// A redirect URI that was found to be the client's. Nothing else can be redirected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedRedirectUri(String);

impl CheckedRedirectUri {
    /// `None` unless `given` is one of `client`'s.
    pub fn check(client: &Client, given: &str) -> Option<Self> {
        client.has_redirect_uri(given).then(|| Self(given.to_owned()))
    }

    /// The URI, byte for byte.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How an authorization request fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The client or its redirect URI cannot be trusted: the browser stays with us.
    Page(PageRefusal),
    /// The client is told.
    Redirect {
        /// Where.
        redirect_uri: CheckedRedirectUri,
        /// Its `state`, if it was one.
        state: Option<String>,
        /// `error`.
        error: ErrorCode,
        /// `error_description`: one of our fixed texts.
        description: &'static str,
    },
}

/// Why the browser stays with us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageRefusal {
    /// `client_id` is missing, repeated, unknown or switched off.
    Client,
    /// `redirect_uri` is missing, repeated or not registered.
    RedirectUri,
}

/// What an `id_token_hint` turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// Whom it is about.
    pub sub: String,
    /// The session it was made in.
    pub sid: Option<String>,
    /// `client_id`s it was made for.
    pub audience: Vec<String>,
}

/// What [`check`] needs to know of the installation.
pub struct Installation<'a> {
    /// `pkce.required`.
    pub pkce: PkceRule,
    /// Verifies an `id_token_hint`: our signature, our issuer; expired ones pass.
    pub verify_hint: &'a dyn Fn(&str) -> Option<Hint>,
}

/// The client that a request names, if there is exactly one name: what to load before [`check`].
pub fn client_id(params: &Params) -> Option<&str> {
    if params.is_repeated("client_id") { None } else { params.get("client_id") }
}

/// Checks an authorization request: the one list, in order. `client` is what the store has under [`client_id`].
///
/// # Errors
/// [`Refused`].
pub fn check(
    params: &Params,
    client: Option<&Client>,
    installation: &Installation<'_>,
) -> Result<AuthorizationRequest, Refused> {
    // 1. The client, and where it may be answered. Until both hold, nobody is redirected.
    let client = client.filter(|client| !client.disabled).ok_or(Refused::Page(PageRefusal::Client))?;
    let redirect_uri = match params.get("redirect_uri") {
        Some(given) if !params.is_repeated("redirect_uri") => CheckedRedirectUri::check(client, given),
        _ => None,
    };
    let redirect_uri = redirect_uri.ok_or(Refused::Page(PageRefusal::RedirectUri))?;

    // 2. From here on the client is told, with its `state` if that is one.
    let state = match params.get("state") {
        Some(state) if state.len() <= MAX_STATE_BYTES && !params.is_repeated("state") => {
            Some(state.to_owned())
        }
        _ => None,
    };
    let refuse = |error: ErrorCode, description: &'static str| {
        Err(Refused::Redirect {
            redirect_uri: redirect_uri.clone(),
            state: state.clone(),
            error,
            description,
        })
    };
    if params.has_repeated() {
        return refuse(ErrorCode::InvalidRequest, "A parameter is repeated.");
    }
    if params.get("state").is_some() && state.is_none() {
        return refuse(ErrorCode::InvalidRequest, "state is longer than 2048 bytes.");
    }
    let nonce = params.get("nonce");
    if nonce.is_some_and(|nonce| nonce.len() > MAX_NONCE_BYTES) {
        return refuse(ErrorCode::InvalidRequest, "nonce is longer than 512 bytes.");
    }

    // 3. What is not built says so: an ignored request object would hide what it asks for (OIDC Core §6).
    if params.get("request").is_some() {
        return refuse(ErrorCode::RequestNotSupported, "request objects are not supported.");
    }
    if params.get("request_uri").is_some() {
        return refuse(ErrorCode::RequestUriNotSupported, "request_uri is not supported.");
    }
    if params.get("registration").is_some() {
        return refuse(ErrorCode::RegistrationNotSupported, "registration is not supported.");
    }

    // 4. How the answer is to look.
    let response_type = match params.get("response_type") {
        None => return refuse(ErrorCode::InvalidRequest, "response_type is missing."),
        Some(word) => match ResponseType::from_word(word) {
            Some(response_type) => response_type,
            None => {
                return refuse(ErrorCode::UnsupportedResponseType, "This response_type is not supported.");
            }
        },
    };
    if !client.may_use(GrantType::AuthorizationCode) {
        return refuse(ErrorCode::UnauthorizedClient, "This client may not use response_type code.");
    }
    let response_mode = match params.get("response_mode").map(ResponseMode::from_word) {
        None => ResponseMode::Query,
        Some(Some(mode)) => mode,
        Some(None) => return refuse(ErrorCode::InvalidRequest, "This response_mode is not supported."),
    };

    // 5. What is asked for. Scopes that the client may not have, or nobody knows, are dropped (OIDC Core §3.1.2.1).
    let asked = match Scopes::parse(params.get("scope").unwrap_or_default()) {
        Ok(asked) => asked,
        Err(_) => return refuse(ErrorCode::InvalidScope, "scope is malformed."),
    };
    let mut scopes = asked.intersection(&client.scopes);
    if !client.may_use(GrantType::RefreshToken) {
        scopes = scopes.without(scope::OFFLINE_ACCESS);
    }
    if scopes.is_empty() {
        return refuse(ErrorCode::InvalidScope, "scope names nothing that this client may have.");
    }
    let claims = match params.get("claims").map(ClaimsRequest::parse) {
        None => ClaimsRequest::default(),
        Some(Ok(claims)) => claims,
        Some(Err(_)) => return refuse(ErrorCode::InvalidRequest, "claims is malformed."),
    };

    // 6. Proof that the code reaches who asked for it.
    let code_challenge = params.get("code_challenge");
    match (code_challenge, params.get("code_challenge_method")) {
        (None, None) => {
            let has_oidc_nonce = nonce.is_some() && scopes.contains(scope::OPENID);
            if client.must_use_pkce(installation.pkce, has_oidc_nonce) {
                return refuse(
                    ErrorCode::InvalidRequest,
                    "code_challenge is missing: PKCE with S256 is required.",
                );
            }
        }
        (None, Some(_)) => {
            return refuse(ErrorCode::InvalidRequest, "code_challenge_method without code_challenge.");
        }
        (Some(_), method) if method != Some(pkce::S256) => {
            return refuse(ErrorCode::InvalidRequest, "code_challenge_method must be S256.");
        }
        (Some(challenge), _) if pkce::check_challenge(challenge).is_err() => {
            return refuse(ErrorCode::InvalidRequest, "code_challenge is malformed.");
        }
        (Some(_), _) => {}
    }

    // 7. How the person is to be asked. Words that nobody knows are ignored (OIDC Core §3.1.2.1).
    let prompt_words: Vec<_> =
        params.get("prompt").unwrap_or_default().split(' ').filter(|word| !word.is_empty()).collect();
    let prompt: Vec<_> = prompt_words.iter().filter_map(|word| Prompt::from_word(word)).collect();
    if prompt.contains(&Prompt::None) && prompt_words.len() > 1 {
        return refuse(ErrorCode::InvalidRequest, "prompt=none stands with another value.");
    }
    let max_age = match params.get("max_age") {
        None => None,
        Some(text) if text.bytes().all(|b| b.is_ascii_digit()) => {
            // Longer than any session lives is as long as one likes.
            Some(text.parse::<u32>().map_or(i64::from(u32::MAX), i64::from))
        }
        Some(_) => return refuse(ErrorCode::InvalidRequest, "max_age is not a number of seconds."),
    };

    // 8. Who it is to be.
    let hint_sub = match params.get("id_token_hint").map(installation.verify_hint) {
        None => None,
        Some(Some(hint)) if hint.audience.contains(&client.client_id) => Some(hint.sub),
        Some(_) => {
            return refuse(ErrorCode::InvalidRequest, "id_token_hint is not an ID token of this client.");
        }
    };
    let claimed_sub = match claims.in_id_token("sub").and_then(|claim| claim.values.first()) {
        None => None,
        Some(serde_json::Value::String(sub)) => Some(sub.clone()),
        Some(_) => return refuse(ErrorCode::InvalidRequest, "claims is malformed."),
    };
    if matches!((&hint_sub, &claimed_sub), (Some(a), Some(b)) if a != b) {
        return refuse(ErrorCode::InvalidRequest, "id_token_hint and claims name different users.");
    }

    // 9. How surely. Only what is held may be promised: an essential level that is not ours is refused.
    let mut acr_values: Vec<String> = params
        .get("acr_values")
        .unwrap_or_default()
        .split(' ')
        .filter(|v| !v.is_empty())
        .map(str::to_owned)
        .collect();
    if let Some(acr) = claims.in_id_token("acr") {
        let wanted: Vec<_> =
            acr.values.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect();
        if acr.essential && !acr.values.is_empty() && !wanted.iter().any(|value| value == ACR_PASSWORD) {
            return refuse(ErrorCode::UnmetAuthenticationRequirements, "This acr cannot be met.");
        }
        acr_values.extend(if acr.values.is_empty() { vec![ACR_PASSWORD.to_owned()] } else { wanted });
    }

    Ok(AuthorizationRequest {
        client_id: client.id,
        redirect_uri: redirect_uri.as_str().to_owned(),
        response_type,
        response_mode,
        scopes,
        state: state.clone(),
        nonce: nonce.map(str::to_owned),
        code_challenge: code_challenge.map(str::to_owned),
        prompt,
        max_age,
        required_sub: hint_sub.or(claimed_sub),
        login_hint: params.get("login_hint").filter(|hint| hint.len() <= 254).map(str::to_owned),
        acr_values,
        ui_locales: params.get("ui_locales").filter(|locales| locales.len() <= 254).map(str::to_owned),
        claims,
    })
}

/// What comes next for a checked request.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// The person must prove themselves.
    SignIn,
    /// The person must say which account.
    ChooseAccount,
    /// The person must allow `scopes` and the sight of `objects`.
    Consent(Allowance),
    /// Everything holds: issue a code for this.
    Issue(Allowance),
    /// The client is told that it cannot be done.
    Refuse(ErrorCode),
}

/// What a client is to get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// The scopes of the grant.
    pub scopes: Scopes,
    /// Those, and the scopes of claims that were asked for one by one: what a person allows.
    pub consent_scopes: Scopes,
    /// The objects that were asked for and that the client may see.
    pub objects: Vec<String>,
    /// `acr` for the ID token.
    pub acr: Option<String>,
}

/// What [`next_step`] looks at.
pub struct Situation<'a> {
    /// The client, as it is now.
    pub client: &'a Client,
    /// The browser's session, its user and how it stands.
    pub session: Option<(&'a Session, &'a User)>,
    /// The user's consent to the client.
    pub consent: Option<&'a Consent>,
    /// What the person did for this request.
    pub done: &'a Done,
    /// The installation's lives.
    pub lives: &'a Lives,
    /// The clock.
    pub now: Timestamp,
}

/// Decides what comes next (OIDC Core §3.1.2.3–4).
pub fn next_step(request: &AuthorizationRequest, situation: &Situation<'_>) -> Step {
    let silent = request.prompt.contains(&Prompt::None);
    let ask = |step: Step, error: ErrorCode| if silent { Step::Refuse(error) } else { step };

    let live = situation
        .session
        .filter(|(session, user)| session.standing(user, situation.lives, situation.now) == Standing::Live);
    let Some((session, user)) = live else { return ask(Step::SignIn, ErrorCode::LoginRequired) };
    let proved_now = situation.done.signed_in == Some(session.id);

    if request.required_sub.as_ref().is_some_and(|sub| *sub != user.sub) {
        // A hint for another user never passes: not even when the person insists (checklist AZ4).
        return if proved_now {
            Step::Refuse(ErrorCode::LoginRequired)
        } else {
            ask(Step::SignIn, ErrorCode::LoginRequired)
        };
    }
    if !proved_now {
        if situation.done.other_account {
            return ask(Step::SignIn, ErrorCode::LoginRequired);
        }
        let is_older = |max_age| situation.now > session.auth_time.plus_seconds(max_age) || max_age == 0;
        if request.prompt.contains(&Prompt::Login) || request.max_age.is_some_and(is_older) {
            return ask(Step::SignIn, ErrorCode::LoginRequired);
        }
        if request.prompt.contains(&Prompt::SelectAccount) && !situation.done.account_chosen {
            return Step::ChooseAccount;
        }
    }

    let client = situation.client;
    let allowance = allowance(request, client, situation.consent);
    if client.first_party {
        return Step::Issue(allowance);
    }
    let covered = situation.consent.is_some_and(|consent| {
        consent.scopes.covers(&allowance.consent_scopes)
            && allowance.objects.iter().all(|code| consent.objects.contains(code))
    });
    // A public client proves nothing about itself, so a standing consent does not speak for whoever calls now.
    let must_ask = !covered || request.prompt.contains(&Prompt::Consent) || client.is_public();
    if must_ask && situation.done.consented != Some(session.id) {
        return ask(Step::Consent(allowance), ErrorCode::ConsentRequired);
    }
    if covered { Step::Issue(allowance) } else { ask(Step::Consent(allowance), ErrorCode::ConsentRequired) }
}

fn allowance(request: &AuthorizationRequest, client: &Client, consent: Option<&Consent>) -> Allowance {
    let offline = client.first_party
        || request.prompt.contains(&Prompt::Consent)
        || consent.is_some_and(|consent| consent.scopes.contains(scope::OFFLINE_ACCESS));
    let scopes = if offline { request.scopes.clone() } else { request.scopes.without(scope::OFFLINE_ACCESS) };
    let by_name = request.claims.userinfo.iter().chain(&request.claims.id_token);
    let consent_scopes = scopes.union(
        &by_name
            .filter_map(|claim| user_claims::scope_of(&claim.name))
            .filter(|scope| client.scopes.contains(scope))
            .collect(),
    );
    let seen = client.object_scope();
    let objects = match &request.claims.userinfo_permissions {
        Some(codes) if codes.is_empty() => client.objects.clone(),
        Some(codes) => codes.iter().filter(|code| seen.sees(code)).cloned().collect(),
        None => Vec::new(),
    };
    let acr = request.acr_values.iter().find(|value| *value == ACR_PASSWORD).cloned();
    Allowance { scopes, consent_scopes, objects, acr }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::PkceRule;
    use crate::ids::SessionId;
    use crate::testing::{NOW, facts, shop};

    #[test]
    fn az3_a_yes_counts_in_the_session_in_which_it_was_given() {
        let (client, facts, lives) = (shop(), facts(), Lives::default());
        let (session, user) = (facts.session.expect("it has one"), facts.user.expect("it has one"));
        let params = Params::from_iter([
            ("redirect_uri", client.redirect_uris[0].as_str()),
            ("response_type", "code"),
            ("scope", "openid"),
            ("nonce", "n"),
            ("prompt", "consent"),
        ]);
        let installation = Installation { pkce: PkceRule::Auto, verify_hint: &|_| None };
        let request = check(&params, Some(&client), &installation).expect("a legal request");
        let next = |consented| {
            let done = Done { consented, ..Done::default() };
            let situation = Situation {
                client: &client,
                session: Some((&session, &user)),
                consent: facts.consent.as_ref(),
                done: &done,
                lives: &lives,
                now: NOW,
            };
            next_step(&request, &situation)
        };
        assert!(matches!(next(None), Step::Consent(_)));
        assert!(matches!(next(Some(SessionId(session.id.0 + 1))), Step::Consent(_)));
        assert!(matches!(next(Some(session.id)), Step::Issue(_)));
    }
}
