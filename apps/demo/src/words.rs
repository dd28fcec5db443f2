//! What the developer's page says about steps, parameters and claims.

use authmachine_client::StepKind;

/// How a step is explained.
pub(crate) struct Words {
    pub(crate) title: &'static str,
    /// From whom, through whom, to whom.
    pub(crate) route: &'static [&'static str],
    pub(crate) text: &'static str,
    /// Empty if there is none.
    pub(crate) standard: &'static str,
    /// What the step's response is to this app.
    pub(crate) response: &'static str,
}

pub(crate) fn of_step(kind: StepKind) -> Words {
    type Route = &'static [&'static str];
    let (title, route, text, standard): (_, Route, _, _) = match kind {
        StepKind::Discovery => (
            "Discovery",
            &["this app", "provider"],
            "Where are the provider’s endpoints, and what can it do? Asked once, then kept for a while.",
            "OpenID Connect Discovery 1.0, §4",
        ),
        StepKind::AuthorizationRequest => (
            "Authorization request",
            &["this app", "browser", "provider"],
            "The browser is sent to the provider, with fresh values that the answer must match.",
            "OpenID Connect Core 1.0, §3.1.2.1",
        ),
        StepKind::AuthorizationResponse => (
            "Authorization response",
            &["provider", "browser", "this app"],
            "The browser comes back with a code. The code alone is worth nothing.",
            "OpenID Connect Core 1.0, §3.1.2.5",
        ),
        StepKind::TokenRequest => (
            "Token request",
            &["this app", "provider"],
            "The code becomes tokens, past the browser. The app proves who it is, and that it began this sign-in.",
            "RFC 6749, §4.1.3; RFC 7636, §4.5",
        ),
        StepKind::Keys => (
            "Signing keys",
            &["this app", "provider"],
            "The public keys by which the provider’s signatures are checked. Kept for a while, too.",
            "RFC 7517, §5",
        ),
        StepKind::IdToken => (
            "ID token",
            &["inside this app"],
            "Who signed in, when, at which provider and for which app. Believed only if every check holds.",
            "OpenID Connect Core 1.0, §3.1.3.7",
        ),
        StepKind::Userinfo => (
            "User info",
            &["this app", "provider"],
            "What the provider tells about the user, for the scopes and claims that were asked for.",
            "OpenID Connect Core 1.0, §5.3",
        ),
        StepKind::Session => (
            "Session",
            &["this app", "browser"],
            "The user is signed in here: what the app must remember is sealed into a cookie.",
            "",
        ),
        StepKind::TokenCheck => (
            "Token check",
            &["this app", "provider"],
            "Does the access token still hold? Asked again each time one of these pages is opened; this is the latest answer.",
            "",
        ),
        StepKind::Logout => (
            "Log-out",
            &["this app", "browser", "provider"],
            "The browser is sent to the provider, to end the session there.",
            "OpenID Connect RP-Initiated Logout 1.0, §2",
        ),
    };
    let response = if kind == StepKind::Session { "Handed out" } else { "Came back" };
    Words { title, route, text, standard, response }
}

/// What a parameter is for; empty for what is not ours to explain.
pub(crate) fn of_parameter(name: &str) -> &'static str {
    match name {
        "client_id" => "which app asks",
        "response_type" => "the code flow",
        "redirect_uri" => "where the answer goes",
        "scope" => "what the app wants to know",
        "state" => "ties the answer to this browser",
        "nonce" => "ties the ID token to this sign-in",
        "code_challenge" => "hash of a secret that only this app knows",
        "code_challenge_method" => "how it was hashed",
        "claims" => "single claims that are wanted",
        "code" => "good once, for a minute or so",
        "iss" => "who answers",
        "grant_type" => "what is handed in",
        "code_verifier" => "the secret behind code_challenge",
        "Authorization" => "the app proves who it is",
        "client_secret" => "the app proves who it is",
        "access_token" | "token" => "the token in question",
        _ => "",
    }
}

/// What a claim or header member means.
pub(crate) fn of_claim(name: &str) -> &'static str {
    match name {
        "iss" => "the provider",
        "sub" => "the user, as this provider names them",
        "aud" => "the app it is meant for",
        "azp" => "the app that asked for it",
        "exp" => "not to be accepted from then on",
        "iat" => "issued",
        "auth_time" => "the user signed in at the provider",
        "nonce" => "the one that this app sent",
        "at_hash" => "belongs to this access token",
        "sid" => "the session at the provider",
        "acr" | "amr" => "how the user signed in",
        "alg" => "how it is signed",
        "kid" => "by which key",
        "typ" => "what it is",
        _ => "",
    }
}

/// Claims that are times (RFC 7519 §2, NumericDate).
pub(crate) fn is_time(claim: &str) -> bool {
    matches!(claim, "exp" | "iat" | "nbf" | "auth_time" | "updated_at")
}
