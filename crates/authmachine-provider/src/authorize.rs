//! The authorization endpoint's decisions (RFC 6749 §4.1.1, OIDC Core §3.1.2).
//!
//! [`check`] is the one list of checks, in order: it turns parameters into an [`AuthorizationRequest`] or a refusal.
//! [`next_step`] looks at the browser's session and says what comes next: a page, a code, or an error.

use authmachine_protocol::names::Prompt;
use authmachine_protocol::{
    ClaimsRequest, ErrorCode, GrantType, Params, ResponseMode, ResponseType, Scopes, Timestamp,
    claims_request::language_tags, pkce, redirect_uri, scope,
};

use crate::browser_session::{Session, Standing};
use crate::client::{Client, PkceRule};
use crate::consent::Consent;
use crate::interaction::{AuthorizationRequest, Done};
use crate::lives::Lives;
use crate::request_object::RequestObjectError;
use crate::user::User;
use crate::user_claims;

/// The most bytes of `state`.
pub const MAX_STATE_BYTES: usize = 2_048;
/// The most bytes of `nonce`.
pub const MAX_NONCE_BYTES: usize = 512;
/// The most claims with a language tag that are kept of one request.
const MAX_TAGGED_CLAIMS: usize = 32;
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
        /// How: as the request wants it, if that can be.
        response_mode: ResponseMode,
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
    /// `oidc.implicit`: whether tokens may pass through browsers.
    pub implicit: bool,
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
    let client = known(client)?;
    let answer = Answer::read(params, client)?;

    // 2. From here on the client is told, in the mode of its request and with its `state`, if they are ones.
    let refuse = |error: ErrorCode, description: &'static str| Err(answer.refuse(error, description));
    let state = &answer.state;
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

    // 3. What is not built says so (OIDC Core §7.2.1). Request objects were read before, see [`crate::request_object`].
    if params.get("registration").is_some() {
        return refuse(ErrorCode::RegistrationNotSupported, "registration is not supported.");
    }

    // 4. How the answer is to look.
    let response_type = match answer.response_type {
        _ if params.get("response_type").is_none() => {
            return refuse(ErrorCode::InvalidRequest, "response_type is missing.");
        }
        Some(response_type) if installation.implicit || !response_type.is_front_channel() => response_type,
        _ => return refuse(ErrorCode::UnsupportedResponseType, "This response_type is not supported."),
    };
    if !client.may_be_answered(response_type, installation.implicit) {
        return refuse(ErrorCode::UnauthorizedClient, "This client may not use this response_type.");
    }
    if !answer.mode_is_as_asked {
        return refuse(ErrorCode::InvalidRequest, "This response_mode is not supported here.");
    }

    // 5. What is asked for. Scopes that the client may not have, or nobody knows, are dropped (OIDC Core §3.1.2.1).
    let asked = match Scopes::parse(params.get("scope").unwrap_or_default()) {
        Ok(asked) => asked,
        Err(_) => return refuse(ErrorCode::InvalidScope, "scope is malformed."),
    };
    let mut scopes = asked.intersection(&client.scopes);
    // Only a code brings refresh tokens (OIDC Core §11).
    if !client.may_use(GrantType::RefreshToken) || !response_type.has_code() {
        scopes = scopes.without(scope::OFFLINE_ACCESS);
    }
    if scopes.is_empty() {
        return refuse(ErrorCode::InvalidScope, "scope names nothing that this client may have.");
    }
    if response_type.has_id_token() && !scopes.contains(scope::OPENID) {
        return refuse(ErrorCode::InvalidScope, "An ID token needs the scope openid.");
    }
    // OIDC Core §3.2.2.1, §3.3.2.11: what comes through the browser is bound to the request.
    if response_type.has_id_token() && nonce.is_none() {
        return refuse(ErrorCode::InvalidRequest, "nonce is missing: this response_type requires it.");
    }
    let mut claims = match params.get("claims").map(ClaimsRequest::parse) {
        None => ClaimsRequest::default(),
        Some(Ok(claims)) => claims,
        Some(Err(_)) => return refuse(ErrorCode::InvalidRequest, "claims is malformed."),
    };
    claims.locales = language_tags(params.get("claims_locales").unwrap_or_default());

    // 6. Proof that the code reaches who asked for it.
    let code_challenge = params.get("code_challenge");
    match (code_challenge, params.get("code_challenge_method")) {
        (None, None) if !response_type.has_code() => {}
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

    // 7. How the person is to be asked. A word that discovery does not name is refused (Initiating User Registration via OpenID
    //    Connect §4.2): who writes `create` shall not get a sign-in in its place.
    let prompt_words = params.get("prompt").unwrap_or_default().split(' ').filter(|word| !word.is_empty());
    let Some(prompt) = prompt_words.map(Prompt::from_word).collect::<Option<Vec<_>>>() else {
        return refuse(ErrorCode::InvalidRequest, "prompt has a value that is not supported.");
    };
    if prompt.contains(&Prompt::None) && prompt.len() > 1 {
        return refuse(ErrorCode::InvalidRequest, "prompt=none stands with another value.");
    }
    let max_age = match params.get("max_age") {
        None => client.metadata.default_max_age.map(i64::from),
        Some(text) if text.bytes().all(|b| b.is_ascii_digit()) => {
            // Longer than any session lives is as long as one likes.
            Some(text.parse::<u32>().map_or(i64::from(u32::MAX), i64::from))
        }
        Some(_) => return refuse(ErrorCode::InvalidRequest, "max_age is not a number of seconds."),
    };

    // 8. Who it is to be.
    let hint_sub = match params.get("id_token_hint").map(installation.verify_hint) {
        None => None,
        Some(Some(hint)) if hint.audience.contains(&client.client_id) => Some(vec![hint.sub]),
        Some(_) => {
            return refuse(ErrorCode::InvalidRequest, "id_token_hint is not an ID token of this client.");
        }
    };
    let claimed_subs = match claims.in_id_token("sub").filter(|claim| !claim.values.is_empty()) {
        None => None,
        Some(claim) => {
            let subs: Option<Vec<_>> =
                claim.values.iter().map(|value| value.as_str().map(str::to_owned)).collect();
            match subs {
                Some(subs) => Some(subs),
                None => return refuse(ErrorCode::InvalidRequest, "claims is malformed."),
            }
        }
    };
    let required_subs = match (hint_sub, claimed_subs) {
        (Some(hint), Some(claimed)) if hint.iter().all(|sub| !claimed.contains(sub)) => {
            return refuse(ErrorCode::InvalidRequest, "id_token_hint and claims name different users.");
        }
        (hint, claimed) => hint.or(claimed),
    };

    // 9. How surely. Only what is held may be promised: an essential level that is not ours is refused.
    let mut acr_values: Vec<String> = params.get("acr_values").map_or_else(
        || client.metadata.default_acr_values.clone(),
        |values| values.split(' ').map(str::to_owned).collect(),
    );
    if let Some(acr) = claims.in_id_token("acr") {
        let wanted: Vec<_> =
            acr.values.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect();
        if acr.essential && !acr.values.is_empty() && !wanted.iter().any(|value| value == ACR_PASSWORD) {
            return refuse(ErrorCode::UnmetAuthenticationRequirements, "This acr cannot be met.");
        }
        acr_values.extend(if acr.values.is_empty() { vec![ACR_PASSWORD.to_owned()] } else { wanted });
    }
    acr_values.retain(|value| value == ACR_PASSWORD);
    acr_values.truncate(1);

    Ok(AuthorizationRequest {
        client_id: client.id,
        redirect_uri: answer.redirect_uri.as_str().to_owned(),
        response_type,
        response_mode: answer.mode,
        scopes,
        state: state.clone(),
        nonce: nonce.map(str::to_owned),
        code_challenge: code_challenge.map(str::to_owned),
        prompt,
        max_age,
        required_subs,
        login_hint: params.get("login_hint").filter(|hint| hint.len() <= 254).map(str::to_owned),
        acr_values,
        ui_locales: params.get("ui_locales").filter(|locales| locales.len() <= 254).map(str::to_owned),
        claims: worth_keeping(claims),
    })
}

/// What is still to be answered of `claims`: strangers' requests are kept while they wait, so nothing else of them is (checklist
/// DO3). `sub` and `acr` have had their say, other names answer nothing, and values narrow nothing.
fn worth_keeping(mut claims: ClaimsRequest) -> ClaimsRequest {
    for asked in [&mut claims.userinfo, &mut claims.id_token] {
        let mut tagged = 0;
        asked.retain(|claim| {
            tagged += usize::from(claim.name.contains('#'));
            user_claims::scope_of(&claim.name).is_some()
                && (tagged <= MAX_TAGGED_CLAIMS || !claim.name.contains('#'))
        });
        asked.iter_mut().for_each(|claim| claim.values.clear());
    }
    claims
}

/// The client of a request, unless it is unknown or switched off.
fn known(client: Option<&Client>) -> Result<&Client, Refused> {
    client.filter(|client| !client.disabled).ok_or(Refused::Page(PageRefusal::Client))
}

/// Refuses a request whose request object does not count: where the parameters outside say, if that is the client's.
pub fn refuse_object(params: &Params, client: Option<&Client>, error: RequestObjectError) -> Refused {
    let answer = match known(client).and_then(|client| Answer::read(params, client)) {
        Ok(answer) => answer,
        Err(refused) => return refused,
    };
    let (error, description) = match error {
        RequestObjectError::Ambiguous => {
            (ErrorCode::InvalidRequest, "request and request_uri are not both possible, nor twice.")
        }
        RequestObjectError::Missing => {
            (ErrorCode::InvalidRequest, "This client must use a signed request object.")
        }
        RequestObjectError::UnknownUri => (
            ErrorCode::InvalidRequestUri,
            "request_uri is not one that the client registered, or gave nothing.",
        ),
        RequestObjectError::Unsigned => {
            (ErrorCode::RequestNotSupported, "Unsigned request objects are not supported here.")
        }
        RequestObjectError::Invalid => {
            (ErrorCode::InvalidRequestObject, "The request object is malformed, expired or not the client's.")
        }
    };
    answer.refuse(error, description)
}

/// How a request wants to be answered: read before anything is refused, since refusals go the same way.
struct Answer {
    redirect_uri: CheckedRedirectUri,
    /// `state`, if it is one.
    state: Option<String>,
    response_type: Option<ResponseType>,
    mode: ResponseMode,
    /// `response_mode` is absent, or can be met.
    mode_is_as_asked: bool,
}

impl Answer {
    fn read(params: &Params, client: &Client) -> Result<Self, Refused> {
        let redirect_uri = match params.get("redirect_uri") {
            Some(given) if !params.is_repeated("redirect_uri") => CheckedRedirectUri::check(client, given),
            _ => None,
        };
        let redirect_uri = redirect_uri.ok_or(Refused::Page(PageRefusal::RedirectUri))?;
        let once = |name| params.get(name).filter(|_| !params.is_repeated(name));
        let response_type = once("response_type").and_then(ResponseType::parse);
        // A type that nobody knows is answered as those are that have a token among their words.
        let has_token = || {
            once("response_type")
                .is_some_and(|text| text.split(' ').any(|word| ["token", "id_token"].contains(&word)))
        };
        let default = match response_type {
            Some(response_type) => response_type.default_mode(),
            None if has_token() => ResponseMode::Fragment,
            None => ResponseMode::Query,
        };
        let asked = once("response_mode").map(ResponseMode::from_word);
        let fits = |mode: ResponseMode| match mode {
            // Tokens never stand in a query (Multiple Response Type Encoding Practices §3, §5).
            ResponseMode::Query => default == ResponseMode::Query,
            ResponseMode::Fragment => true,
            ResponseMode::FormPost => redirect_uri::policy_source(redirect_uri.as_str()).is_some(),
        };
        let (mode, mode_is_as_asked) = match asked {
            None => (default, true),
            Some(Some(mode)) if fits(mode) => (mode, true),
            Some(_) => (default, false),
        };
        let state = once("state").filter(|state| state.len() <= MAX_STATE_BYTES).map(str::to_owned);
        Ok(Self { redirect_uri, state, response_type, mode, mode_is_as_asked })
    }

    fn refuse(&self, error: ErrorCode, description: &'static str) -> Refused {
        Refused::Redirect {
            redirect_uri: self.redirect_uri.clone(),
            response_mode: self.mode,
            state: self.state.clone(),
            error,
            description,
        }
    }
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
    /// Everything holds: issue what the response type says for this.
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
    /// `sub` of that user as the client knows it.
    pub sub: Option<&'a str>,
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
    let Some((session, _)) = live else { return ask(Step::SignIn, ErrorCode::LoginRequired) };
    let proved_now = situation.done.signed_in == Some(session.id);

    let is_known_as = |subs: &Vec<String>| subs.iter().any(|sub| situation.sub == Some(sub));
    if request.required_subs.as_ref().is_some_and(|subs| !is_known_as(subs)) {
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
    let objects = match &request.claims.userinfo_permissions {
        Some(codes) if codes.is_empty() => client.attached_codes(),
        Some(codes) => codes.iter().filter(|code| client.sees(code)).cloned().collect(),
        None => Vec::new(),
    };
    let acr = request.acr_values.iter().find(|value| *value == ACR_PASSWORD).cloned();
    Allowance { scopes, consent_scopes, objects, acr }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::SessionId;
    use crate::testing::{NOW, facts, shop};

    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    /// A request of `shop` for everything: those of `changes` with a value are set, those without are left out.
    fn params(changes: &[(&str, &str)]) -> Params {
        let usual = [
            ("client_id", "shop"),
            ("redirect_uri", "https://shop.example/cb"),
            ("response_type", "code"),
            ("scope", "openid profile offline_access"),
            ("state", "s"),
            ("nonce", "n"),
        ];
        let unchanged = usual.iter().filter(|(name, _)| changes.iter().all(|(n, _)| n != name));
        unchanged.chain(changes.iter().filter(|(_, value)| !value.is_empty())).copied().collect()
    }

    fn everything() -> Client {
        Client { response_types: ResponseType::ALL.to_vec(), ..shop() }
    }

    fn checked(
        client: &Client,
        implicit: bool,
        pkce: PkceRule,
        changes: &[(&str, &str)],
    ) -> Result<AuthorizationRequest, (ErrorCode, ResponseMode)> {
        let installation = Installation { pkce, implicit, verify_hint: &|_| None };
        check(&params(changes), Some(client), &installation).map_err(|refused| match refused {
            Refused::Redirect { error, response_mode, state, .. } => {
                assert_eq!(state.as_deref(), Some("s"));
                (error, response_mode)
            }
            Refused::Page(page) => panic!("the client is told, but: {page:?}"),
        })
    }

    #[test]
    fn do3_of_what_strangers_ask_only_what_can_be_answered_is_kept() {
        let many = |prefix: &str| (0..500).map(|n| format!("{prefix}{n}")).collect::<Vec<_>>();
        let acr_values = format!("{} {ACR_PASSWORD} {ACR_PASSWORD}", many("urn:x").join(" "));
        let names: Vec<_> = many("x").iter().map(|name| format!(r#""{name}":null"#)).collect();
        let claims = format!(
            r#"{{"userinfo":{{"name":{{"values":["{}"]}},{}}},"id_token":{{"acr":null,"email":{{"essential":true}}}}}}"#,
            "v".repeat(5_000),
            names.join(",")
        );
        let request =
            checked(&shop(), false, PkceRule::Auto, &[("acr_values", &acr_values), ("claims", &claims)])
                .expect("legal");
        assert_eq!(request.acr_values, [ACR_PASSWORD]);
        assert_eq!(request.claims.userinfo.iter().map(|claim| &claim.name).collect::<Vec<_>>(), ["name"]);
        assert_eq!(request.claims.id_token.iter().map(|claim| &claim.name).collect::<Vec<_>>(), ["email"]);
        assert!(request.claims.id_token[0].essential);
        assert!(serde_json::to_string(&request).expect("JSON").len() < 2_000);
    }

    #[test]
    fn az2_response_types_are_those_of_the_client_and_of_the_installation() {
        use ErrorCode::{UnauthorizedClient, UnsupportedResponseType};
        let error = |client: &Client, implicit, response_type: &str| {
            let refused =
                checked(client, implicit, PkceRule::Auto, &[("response_type", response_type)]).err();
            refused.map(|(error, _)| error)
        };
        for response_type in ResponseType::ALL {
            let word = response_type.as_str();
            let backwards: Vec<_> = word.split(' ').rev().collect();
            let (is_code, backwards) = (word == "code", backwards.join(" "));
            for word in [word, &backwards] {
                assert_eq!(error(&everything(), true, word), None, "{word}");
                let off = (!is_code).then_some(UnsupportedResponseType);
                assert_eq!(error(&everything(), false, word), off, "{word}: off by default");
                let unregistered = (!is_code).then_some(UnauthorizedClient);
                assert_eq!(error(&shop(), true, word), unregistered, "{word}: denied by default");
            }
            // A code is of no use to who may not redeem it.
            let machine = Client { grant_types: vec![GrantType::ClientCredentials], ..everything() };
            let expected = response_type.has_code().then_some(UnauthorizedClient);
            assert_eq!(error(&machine, true, word), expected, "{word}");
        }
        for unknown in ["token", "none", "code code", "code  token", "CODE", "code id_token token x"] {
            assert_eq!(error(&everything(), true, unknown), Some(UnsupportedResponseType), "{unknown}");
        }
    }

    #[test]
    fn the_answer_stands_where_the_type_has_it_unless_the_request_says_where() {
        use ErrorCode::{InvalidRequest, InvalidScope, UnsupportedResponseType};
        use ResponseMode::{FormPost, Fragment, Query};
        let answered = |response_type: &str, response_mode: &str, scope: &str| {
            let changes =
                [("response_type", response_type), ("response_mode", response_mode), ("scope", scope)];
            checked(&everything(), true, PkceRule::Auto, &changes).map(|request| request.response_mode)
        };
        for (response_type, response_mode, expected) in [
            ("code", "", Ok(Query)),
            ("code", "query", Ok(Query)),
            ("code", "fragment", Ok(Fragment)),
            ("code", "form_post", Ok(FormPost)),
            ("code", "web_message", Err((InvalidRequest, Query))),
            ("code", "Query", Err((InvalidRequest, Query))),
            ("id_token", "", Ok(Fragment)),
            ("token code", "", Ok(Fragment)),
            ("id_token token", "fragment", Ok(Fragment)),
            ("code id_token", "form_post", Ok(FormPost)),
            // What passes through browsers never stands in a query, not even by request.
            ("id_token", "query", Err((InvalidRequest, Fragment))),
            ("code token", "query", Err((InvalidRequest, Fragment))),
            ("token", "", Err((UnsupportedResponseType, Fragment))),
            ("token", "query", Err((UnsupportedResponseType, Fragment))),
            ("token", "form_post", Err((UnsupportedResponseType, FormPost))),
            ("none", "", Err((UnsupportedResponseType, Query))),
            ("code mytoken", "", Err((UnsupportedResponseType, Query))),
            ("x id_token", "", Err((UnsupportedResponseType, Fragment))),
            ("", "", Err((InvalidRequest, Query))),
            ("", "form_post", Err((InvalidRequest, FormPost))),
        ] {
            assert_eq!(
                answered(response_type, response_mode, "openid"),
                expected,
                "{response_type} {response_mode}"
            );
        }
        // Every other refusal goes the same way.
        for (response_type, response_mode, mode) in
            [("code", "", Query), ("code id_token", "", Fragment), ("id_token", "form_post", FormPost)]
        {
            assert_eq!(answered(response_type, response_mode, "x"), Err((InvalidScope, mode)));
        }
        // Of two types or modes none is the client's.
        let twice = Params::parse_keeping_repeated(
            b"client_id=shop&redirect_uri=https://shop.example/cb&response_type=id_token&response_type=code\
              &response_mode=form_post&response_mode=fragment&state=s",
        )
        .expect("legal");
        let installation = Installation { pkce: PkceRule::Auto, implicit: true, verify_hint: &|_| None };
        let refused = check(&twice, Some(&everything()), &installation);
        assert!(
            matches!(&refused, Err(Refused::Redirect { response_mode: Query, error: InvalidRequest, .. })),
            "{refused:?}"
        );
    }

    #[test]
    fn xs3_a_form_is_posted_where_a_policy_can_name_the_origin() {
        use authmachine_protocol::redirect_uri::ClientKind;
        let uris = ["http://127.0.0.1/cb", "http://[::1]/cb", "com.example.app:/cb"];
        let client = Client {
            kind: ClientKind::Native,
            redirect_uris: uris.map(str::to_owned).to_vec(),
            ..everything()
        };
        for (uri, expected) in [
            ("http://127.0.0.1:4711/cb", Ok(ResponseMode::FormPost)),
            ("http://[::1]:4711/cb", Err((ErrorCode::InvalidRequest, ResponseMode::Query))),
            ("com.example.app:/cb", Err((ErrorCode::InvalidRequest, ResponseMode::Query))),
        ] {
            let changes = [("redirect_uri", uri), ("response_mode", "form_post")];
            let mode = checked(&client, false, PkceRule::Auto, &changes).map(|request| request.response_mode);
            assert_eq!(mode, expected, "{uri}");
        }
    }

    #[test]
    fn an_id_token_through_the_browser_needs_a_nonce_and_openid() {
        let without = |response_type: &str, name: &str, value: &str| {
            let changes =
                [("response_type", response_type), (name, value), ("code_challenge_method", "S256")];
            let changes = [&changes[..], &[("code_challenge", CHALLENGE)]].concat();
            checked(&everything(), true, PkceRule::Auto, &changes).err().map(|(error, _)| error)
        };
        for response_type in ResponseType::ALL {
            let (word, needs) = (response_type.as_str(), response_type.has_id_token());
            assert_eq!(without(word, "nonce", ""), needs.then_some(ErrorCode::InvalidRequest), "{word}");
            assert_eq!(without(word, "scope", "profile"), needs.then_some(ErrorCode::InvalidScope), "{word}");
        }
    }

    #[test]
    fn pk2_the_code_of_a_hybrid_answer_needs_what_a_code_needs() {
        let public =
            Client { auth_method: Some(authmachine_protocol::ClientAuthMethod::None), ..everything() };
        for response_type in ResponseType::ALL {
            let word = response_type.as_str();
            let is_refused = |client: &Client, pkce, changes: &[(&str, &str)]| {
                let changes = [&[("response_type", word)], changes].concat();
                let refused = checked(client, true, pkce, &changes).err();
                assert!(refused.is_none_or(|(error, _)| error == ErrorCode::InvalidRequest));
                refused.is_some()
            };
            let has_code = response_type.has_code();
            assert!(!is_refused(&everything(), PkceRule::Auto, &[]), "{word}: there is a nonce");
            assert_eq!(is_refused(&everything(), PkceRule::All, &[]), has_code, "{word}");
            for rule in [PkceRule::Public, PkceRule::Auto, PkceRule::All] {
                assert_eq!(is_refused(&public, rule, &[]), has_code, "{word}");
                let proof = [("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
                assert!(!is_refused(&public, rule, &proof), "{word}");
                let plain = [("code_challenge", CHALLENGE), ("code_challenge_method", "plain")];
                assert!(is_refused(&public, rule, &plain), "{word}");
            }
            if !response_type.has_id_token() {
                let no_nonce = &[("nonce", "")];
                assert!(is_refused(&everything(), PkceRule::Auto, no_nonce), "{word}");
                assert!(!is_refused(&everything(), PkceRule::Public, no_nonce), "{word}");
            }
        }
    }

    #[test]
    fn only_a_code_brings_what_outlives_the_session() {
        for response_type in ResponseType::ALL {
            let changes = [("response_type", response_type.as_str())];
            let request = checked(&everything(), true, PkceRule::Auto, &changes).expect("legal");
            assert_eq!(request.response_type, *response_type);
            assert_eq!(request.scopes.contains(scope::OFFLINE_ACCESS), response_type.has_code());
        }
    }

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
        let installation = Installation { pkce: PkceRule::Auto, implicit: false, verify_hint: &|_| None };
        let request = check(&params, Some(&client), &installation).expect("a legal request");
        let next = |consented| {
            let done = Done { consented, ..Done::default() };
            let situation = Situation {
                client: &client,
                session: Some((&session, &user)),
                sub: Some(&user.sub),
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
