//! Discovery (OIDC Discovery §4) and the key set (RFC 7517 §5): prepared bytes, the same for everybody.

use authmachine_jose::Algorithm;
use authmachine_pages::Lang;
use authmachine_protocol::{
    ClientAuthMethod, GrantType, ProviderMetadata, ResponseMode, ResponseType, claims_request, names,
    names::Prompt, pkce,
};
use authmachine_provider::authorize::ACR_PASSWORD;
use authmachine_provider::user_claims;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use crate::app::App;
use crate::keys::KeyRing;
use crate::settings::{RegistrationMode, Settings};
use crate::{cors, oidc, request};

/// Scopes that the provider knows; a client is allowed some of them.
pub const SCOPES: [&str; 6] = ["openid", "profile", "email", "address", "phone", "offline_access"];

/// The documents, as they are served.
pub struct Documents {
    metadata: Document,
    jwks: Document,
}

struct Document {
    body: Bytes,
    etag: HeaderValue,
}

impl Document {
    fn new(body: Bytes) -> Self {
        let digest = authmachine_jose::sha256(&body);
        let hex: String = authmachine_jose::hex(&digest[..12]);
        let etag = HeaderValue::try_from(format!("\"{hex}\"")).expect("hex in quotes is a header value");
        Self { body, etag }
    }
}

impl Documents {
    /// Writes the documents for these settings and keys.
    pub fn prepare(settings: &Settings, keys: &KeyRing) -> Self {
        let metadata = serde_json::to_vec(&metadata_of(settings, keys)).expect("metadata are JSON");
        Self { metadata: Document::new(metadata.into()), jwks: Document::new(keys.body.clone()) }
    }
}

/// What the provider says of itself: derived from what it does, in this one place.
pub fn metadata_of(settings: &Settings, keys: &KeyRing) -> ProviderMetadata {
    let url = |path: &str| settings.issuer.url(path);
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let auth_methods: Vec<String> =
        ClientAuthMethod::ALL.iter().map(|method| method.as_str().to_owned()).collect();
    let confidential =
        auth_methods.iter().filter(|method| *method != ClientAuthMethod::None.as_str()).cloned().collect();
    let assertion_algs: Vec<String> = Algorithm::ALL.iter().map(|a| a.as_str().to_owned()).collect();
    let mut claims =
        words(&["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash", "sid"]);
    claims.extend(settings.implicit.then(|| "c_hash".to_owned()));
    claims.extend(user_claims::STANDARD.iter().map(|(name, _)| (*name).to_owned()));
    claims.push(claims_request::AUTHMACHINE_PERMISSIONS.to_owned());
    let algorithms: Vec<String> = keys.algorithms().iter().map(|a| a.as_str().to_owned()).collect();
    ProviderMetadata {
        issuer: settings.issuer.as_str().to_owned(),
        authorization_endpoint: url(oidc::AUTHORIZE),
        token_endpoint: Some(url(oidc::TOKEN)),
        userinfo_endpoint: Some(url(oidc::USERINFO)),
        jwks_uri: url(oidc::JWKS),
        end_session_endpoint: Some(url(oidc::END_SESSION)),
        check_session_iframe: Some(url(oidc::CHECK_SESSION)),
        frontchannel_logout_supported: true,
        frontchannel_logout_session_supported: true,
        backchannel_logout_supported: true,
        backchannel_logout_session_supported: true,
        revocation_endpoint: Some(url(oidc::REVOKE)),
        introspection_endpoint: Some(url(oidc::INTROSPECT)),
        registration_endpoint: (settings.registration.mode != RegistrationMode::Off)
            .then(|| url(oidc::REGISTER)),
        scopes_supported: words(&SCOPES),
        response_types_supported: ResponseType::ALL
            .iter()
            .filter(|t| settings.implicit || !t.is_front_channel())
            .map(|t| t.as_str().to_owned())
            .collect(),
        response_modes_supported: ResponseMode::ALL.iter().map(|m| m.as_str().to_owned()).collect(),
        grant_types_supported: GrantType::ALL
            .iter()
            .map(|g| g.as_str())
            .chain(settings.implicit.then_some(names::IMPLICIT))
            .map(str::to_owned)
            .collect(),
        prompt_values_supported: Prompt::ALL.iter().map(|p| p.as_str().to_owned()).collect(),
        acr_values_supported: words(&[ACR_PASSWORD]),
        subject_types_supported: words(&["public", "pairwise"]),
        id_token_signing_alg_values_supported: algorithms
            .iter()
            .cloned()
            .chain(settings.unsigned_id_tokens.then(|| "none".to_owned()))
            .collect(),
        userinfo_signing_alg_values_supported: algorithms,
        token_endpoint_auth_methods_supported: auth_methods.clone(),
        token_endpoint_auth_signing_alg_values_supported: assertion_algs.clone(),
        revocation_endpoint_auth_methods_supported: auth_methods,
        revocation_endpoint_auth_signing_alg_values_supported: assertion_algs.clone(),
        introspection_endpoint_auth_methods_supported: confidential,
        introspection_endpoint_auth_signing_alg_values_supported: assertion_algs,
        display_values_supported: words(&["page"]),
        claim_types_supported: words(&["normal", "distributed"]),
        claims_supported: claims,
        ui_locales_supported: Lang::ALL.iter().map(|lang| lang.tag().to_owned()).collect(),
        claims_parameter_supported: true,
        request_parameter_supported: true,
        request_uri_parameter_supported: true,
        require_request_uri_registration: true,
        request_object_signing_alg_values_supported: Algorithm::ALL
            .iter()
            .map(|algorithm| algorithm.as_str())
            .chain(settings.unsigned_request_objects.then_some("none"))
            .map(str::to_owned)
            .collect(),
        code_challenge_methods_supported: words(&[pkce::S256]),
        authorization_response_iss_parameter_supported: true,
    }
}

/// `GET /.well-known/openid-configuration`, and the same document for clients of OAuth alone (RFC 8414 §3).
pub async fn metadata(State(app): State<App>, request: Request) -> Response {
    serve(&app.current().documents.metadata, request.headers())
}

/// `GET /oidc/jwks`.
pub async fn jwks(State(app): State<App>, request: Request) -> Response {
    serve(&app.current().documents.jwks, request.headers())
}

fn serve(document: &Document, headers: &HeaderMap) -> Response {
    let mut response = if request::is_known(headers, document.etag.to_str().expect("hex in quotes is text")) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], document.body.clone())
            .into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, document.etag.clone());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    cors::public(response)
}
