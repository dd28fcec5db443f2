//! Dynamic registration: what a client may register by itself (RFC 7591, OIDC Registration), decided by an allow-list. A client that
//! changes itself is checked as a new one is (checklist DR2, DR3).

use std::collections::BTreeMap;

use authmachine_jose::{Algorithm, JwkSet, JwkSetError};
use authmachine_protocol::client_metadata::{self, MemberError};
use authmachine_protocol::names::IMPLICIT;
use authmachine_protocol::redirect_uri::{self, ClientKind, UriError};
use authmachine_protocol::{
    ClientAuthMethod, ErrorCode, GrantType, RegistrationRequest, ResponseType, Scopes, scope,
};
use serde_json::{Map, Value};

use crate::client::Client;
use crate::client_metadata::{ClientMetadata, RequestObjectAlg};
use crate::user::is_invisible;

/// The most characters of a name.
const MAX_NAME: usize = 100;

/// What the installation offers.
#[derive(Clone, Debug)]
pub struct Offer {
    /// `oidc.implicit`.
    pub implicit: bool,
    /// `oidc.unsigned_request_objects`.
    pub unsigned_request_objects: bool,
    /// `oidc.unsigned_id_tokens`.
    pub unsigned_id_tokens: bool,
    /// The algorithms that a key of ours signs with, the default first.
    pub signs_with: Vec<Algorithm>,
    /// The scopes that a client may have which nobody here has looked at.
    pub scopes: Scopes,
}

/// Why a client is not registered so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationError {
    /// It signs people in, and does not say where they return to.
    #[error("redirect_uris is missing")]
    NoRedirectUri,
    /// They cannot return there.
    #[error("one of the redirect_uris cannot be used: {0}")]
    RedirectUri(UriError),
    /// Another address that is none for us.
    #[error("{0} cannot be used: {1}")]
    Uri(&'static str, UriError),
    /// Plain http, where the standard wants https even for loopback.
    #[error("{0} must be https")]
    NotHttps(&'static str),
    /// A member of the wrong type, or too large.
    #[error(transparent)]
    Member(#[from] MemberError),
    /// A value that is not built, or not switched on here.
    #[error("{0} has a value that is not supported here")]
    Unsupported(&'static str),
    /// RFC 7591 §2.1.
    #[error("grant_types and response_types do not fit each other")]
    Grants,
    /// RFC 6749 §4.4.
    #[error("client_credentials is for clients with a secret")]
    NoSecret,
    /// RFC 7591 §2.
    #[error("jwks and jwks_uri exclude each other")]
    TwoKeySets,
    /// OIDC Core §9.
    #[error("private_key_jwt needs jwks or jwks_uri")]
    NoKeySet,
    /// Its keys are none.
    #[error("jwks cannot be used: {0}")]
    Keys(JwkSetError),
    /// Front-Channel Logout §2.
    #[error("frontchannel_logout_uri has not the scheme, host and port of one of the redirect_uris")]
    ForeignFrame,
    /// OIDC Core §8.1: no common host, and no document that stands for one.
    #[error("sector_identifier_uri is missing: pairwise redirect_uris have one host or a sector")]
    NoSector,
    /// The sector's document cannot be had, or is not a JSON array of strings.
    #[error("sector_identifier_uri does not lead to a JSON array of redirect URIs")]
    SectorDocument,
    /// OIDC Registration §5.
    #[error("sector_identifier_uri does not list each of the redirect_uris")]
    NotOfSector,
}

impl RegistrationError {
    /// `error` (RFC 7591 §3.2.2).
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::NoRedirectUri | Self::RedirectUri(_) => ErrorCode::InvalidRedirectUri,
            _ => ErrorCode::InvalidClientMetadata,
        }
    }
}

/// What `client` is once `request` is registered. Whatever is not asked for gets its default; what no client may set stays as it is.
/// A `sector_identifier_uri` is still to be fetched: see [`check_sector`].
///
/// # Errors
/// [`RegistrationError`].
pub fn register(
    request: RegistrationRequest,
    offer: &Offer,
    client: Client,
) -> Result<Client, RegistrationError> {
    let kind = match request.application_type.as_deref() {
        None | Some("web") => ClientKind::Web,
        Some("native") => ClientKind::Native,
        Some(_) => return Err(RegistrationError::Unsupported("application_type")),
    };
    let (response_types, grant_types) = grants(&request, offer)?;
    let auth_method = match &request.token_endpoint_auth_method {
        None => ClientAuthMethod::ClientSecretBasic,
        Some(word) => ClientAuthMethod::from_word(word)
            .ok_or(RegistrationError::Unsupported("token_endpoint_auth_method"))?,
    };
    if auth_method == ClientAuthMethod::None && grant_types.contains(&GrantType::ClientCredentials) {
        return Err(RegistrationError::NoSecret);
    }
    let scopes = scopes(&request, offer, &grant_types)?;
    if !response_types.is_empty() && scopes.is_empty() {
        return Err(RegistrationError::Unsupported("scope"));
    }

    // http to loopback passes for every flow: OIDC Registration §2 keeps web clients from it, but no network is in between.
    for uri in &request.redirect_uris {
        redirect_uri::validate(uri, kind).map_err(RegistrationError::RedirectUri)?;
    }
    if request.redirect_uris.is_empty() && !response_types.is_empty() {
        return Err(RegistrationError::NoRedirectUri);
    }
    check_keys(&request)?;
    refuse_encryption(&request)?;
    let sector = sector(&request)?;
    let (id_token_alg, unsigned_id_tokens) = id_token_alg(&request, offer, &response_types)?;
    let userinfo_alg = request
        .userinfo_signed_response_alg
        .as_deref()
        .map(|word| signs_with(word, offer, "userinfo_signed_response_alg"))
        .transpose()?;
    let request_object_signing_alg = match request.request_object_signing_alg.as_deref() {
        None => None,
        Some("none") if offer.unsigned_request_objects => Some(RequestObjectAlg::Unsigned),
        Some(word) => Some(RequestObjectAlg::Signed(verifies(word, "request_object_signing_alg")?)),
    };
    let token_endpoint_auth_signing_alg = request
        .token_endpoint_auth_signing_alg
        .as_deref()
        .map(|word| verifies(word, "token_endpoint_auth_signing_alg"))
        .transpose()?;

    let name = request.client_name.as_deref().map(name).filter(|name| !name.is_empty());
    let host = || request.redirect_uris.first().and_then(|uri| redirect_uri::host(uri));
    let client = Client {
        name: name.or_else(host).unwrap_or_else(|| client.client_id.clone()),
        auth_method: Some(auth_method),
        kind,
        grant_types,
        response_types,
        scopes,
        id_token_alg,
        userinfo_alg,
        sector,
        redirect_uris: request.redirect_uris,
        post_logout_redirect_uris: request.post_logout_redirect_uris,
        metadata: ClientMetadata {
            client_uri: request.client_uri,
            logo_uri: request.logo_uri,
            policy_uri: request.policy_uri,
            tos_uri: request.tos_uri,
            contacts: request.contacts.iter().map(|contact| visible(contact)).collect(),
            jwks: request.jwks.map(Value::Object),
            jwks_uri: request.jwks_uri,
            sector_identifier_uri: request.sector_identifier_uri,
            token_endpoint_auth_signing_alg,
            request_object_signing_alg,
            require_signed_request_object: request.require_signed_request_object,
            request_uris: request.request_uris,
            unsigned_id_tokens,
            default_max_age: request.default_max_age,
            require_auth_time: request.require_auth_time,
            default_acr_values: request.default_acr_values,
            initiate_login_uri: request.initiate_login_uri,
            frontchannel_logout_uri: request.frontchannel_logout_uri,
            frontchannel_logout_session_required: request.frontchannel_logout_session_required,
            backchannel_logout_uri: request.backchannel_logout_uri,
            backchannel_logout_session_required: request.backchannel_logout_session_required,
            names_scope: request.scope.is_some(),
            software_id: request.software_id,
            software_version: request.software_version,
            localized: localized(request.localized),
        },
        ..client
    };
    check_addresses(&client)?;
    Ok(client)
}

/// What the client may ask for at the two endpoints (RFC 7591 §2.1, OIDC Registration §2). A response type without its grant type is
/// refused; a grant type that no response type needs is left out.
fn grants(
    request: &RegistrationRequest,
    offer: &Offer,
) -> Result<(Vec<ResponseType>, Vec<GrantType>), RegistrationError> {
    let mut named = Vec::new();
    for word in request.grant_types.iter().filter(|word| *word != IMPLICIT) {
        named.push(GrantType::from_word(word).ok_or(RegistrationError::Unsupported("grant_types"))?);
    }
    let implicit = request.grant_types.iter().any(|word| word == IMPLICIT);
    let for_itself = !named.is_empty() && !implicit && !named.contains(&GrantType::AuthorizationCode);

    let mut response_types = Vec::new();
    for text in &request.response_types {
        let known = ResponseType::parse(text).filter(|t| offer.implicit || !t.is_front_channel());
        let known = known.ok_or(RegistrationError::Unsupported("response_types"))?;
        if !response_types.contains(&known) {
            response_types.push(known);
        }
    }
    if response_types.is_empty() && !for_itself {
        response_types.push(ResponseType::Code);
    }

    let has_code = response_types.iter().any(|t| t.has_code());
    if request.grant_types.is_empty() {
        return Ok((response_types, has_code.then_some(GrantType::AuthorizationCode).into_iter().collect()));
    }
    let is_front_channel = response_types.iter().any(|t| t.is_front_channel());
    if has_code && !named.contains(&GrantType::AuthorizationCode) || is_front_channel && !implicit {
        return Err(RegistrationError::Grants);
    }
    named.retain(|grant_type| has_code || *grant_type == GrantType::ClientCredentials);
    if named.is_empty() && response_types.is_empty() {
        return Err(RegistrationError::Grants);
    }
    Ok((response_types, named))
}

/// All that is offered, or what of it is asked for.
fn scopes(
    request: &RegistrationRequest,
    offer: &Offer,
    grant_types: &[GrantType],
) -> Result<Scopes, RegistrationError> {
    let offered = match grant_types.contains(&GrantType::RefreshToken) {
        true => offer.scopes.clone(),
        false => offer.scopes.without(scope::OFFLINE_ACCESS),
    };
    match &request.scope {
        None => Ok(offered),
        Some(text) => match Scopes::parse(text) {
            Ok(asked) => Ok(asked.intersection(&offered)),
            Err(_) => Err(MemberError("scope").into()),
        },
    }
}

/// Every address beside the redirect URIs passes the one validator, whoever registers it (checklist RU3, RU8, DR4).
///
/// # Errors
/// [`RegistrationError`].
pub fn check_addresses(client: &Client) -> Result<(), RegistrationError> {
    let metadata = &client.metadata;
    let localized = metadata
        .localized
        .iter()
        .filter_map(|(member, text)| Some((client_metadata::base_name(member)?, text.as_str()?)))
        .filter(|(name, _)| name.ends_with("_uri"));
    let of_web = [
        ("client_uri", &metadata.client_uri),
        ("logo_uri", &metadata.logo_uri),
        ("policy_uri", &metadata.policy_uri),
        ("tos_uri", &metadata.tos_uri),
        ("jwks_uri", &metadata.jwks_uri),
        ("sector_identifier_uri", &metadata.sector_identifier_uri),
        ("initiate_login_uri", &metadata.initiate_login_uri),
        ("frontchannel_logout_uri", &metadata.frontchannel_logout_uri),
        ("backchannel_logout_uri", &metadata.backchannel_logout_uri),
    ];
    for (name, uri) in
        of_web.into_iter().filter_map(|(name, uri)| Some((name, uri.as_deref()?))).chain(localized)
    {
        redirect_uri::validate(uri, ClientKind::Web).map_err(|why| RegistrationError::Uri(name, why))?;
    }
    for uri in &client.post_logout_redirect_uris {
        redirect_uri::validate(uri, client.kind)
            .map_err(|why| RegistrationError::Uri("post_logout_redirect_uris", why))?;
    }
    for uri in &metadata.request_uris {
        redirect_uri::validate_request_uri(uri).map_err(|why| RegistrationError::Uri("request_uris", why))?;
    }
    // OIDC Core §4, OIDC Registration §2.
    let is_https =
        |uri: &String| redirect_uri::origin(uri).is_some_and(|origin| origin.starts_with("https:"));
    if !metadata.initiate_login_uri.as_ref().is_none_or(is_https) {
        return Err(RegistrationError::NotHttps("initiate_login_uri"));
    }
    if let Some(frame) = &metadata.frontchannel_logout_uri
        && !redirect_uri::has_origin_of(frame, &client.redirect_uris)
    {
        return Err(RegistrationError::ForeignFrame);
    }
    Ok(())
}

/// The client's keys: in one place, and none of them private (checklist JW8).
fn check_keys(request: &RegistrationRequest) -> Result<(), RegistrationError> {
    let Some(jwks) = &request.jwks else {
        let by_key = request.token_endpoint_auth_method.as_deref() == Some("private_key_jwt");
        return match by_key && request.jwks_uri.is_none() {
            true => Err(RegistrationError::NoKeySet),
            false => Ok(()),
        };
    };
    if request.jwks_uri.is_some() {
        return Err(RegistrationError::TwoKeySets);
    }
    let text = Value::from(jwks.clone()).to_string();
    JwkSet::parse(&text).map(drop).map_err(RegistrationError::Keys)
}

/// Encryption is not built, and whoever asks for it must not get what everybody can read.
fn refuse_encryption(request: &RegistrationRequest) -> Result<(), RegistrationError> {
    let asked = [
        ("id_token_encrypted_response_alg", &request.id_token_encrypted_response_alg),
        ("id_token_encrypted_response_enc", &request.id_token_encrypted_response_enc),
        ("userinfo_encrypted_response_alg", &request.userinfo_encrypted_response_alg),
        ("userinfo_encrypted_response_enc", &request.userinfo_encrypted_response_enc),
        ("request_object_encryption_alg", &request.request_object_encryption_alg),
        ("request_object_encryption_enc", &request.request_object_encryption_enc),
    ];
    match asked.into_iter().find(|(_, value)| value.is_some()) {
        None => Ok(()),
        Some((name, _)) => Err(RegistrationError::Unsupported(name)),
    }
}

/// The sector of a client with pairwise subjects: the host of its sector document, or the one host of its redirect URIs.
fn sector(request: &RegistrationRequest) -> Result<Option<String>, RegistrationError> {
    match request.subject_type.as_deref() {
        None | Some("public") => return Ok(None),
        Some("pairwise") => {}
        Some(_) => return Err(RegistrationError::Unsupported("subject_type")),
    }
    let uris = match &request.sector_identifier_uri {
        Some(uri) => std::slice::from_ref(uri),
        None => &request.redirect_uris[..],
    };
    let mut hosts: Vec<_> = uris.iter().map(|uri| redirect_uri::host(uri)).collect();
    hosts.dedup();
    match &mut hosts[..] {
        [Some(host)] => Ok(Some(std::mem::take(host))),
        _ => Err(RegistrationError::NoSector),
    }
}

/// Checks the document behind a `sector_identifier_uri`: it lists every redirect URI, byte for byte (OIDC Registration §5).
///
/// # Errors
/// [`RegistrationError::SectorDocument`], [`RegistrationError::NotOfSector`].
pub fn check_sector(document: &[u8], redirect_uris: &[String]) -> Result<(), RegistrationError> {
    let listed: Vec<String> =
        serde_json::from_slice(document).map_err(|_| RegistrationError::SectorDocument)?;
    match redirect_uris.iter().all(|uri| listed.contains(uri)) {
        true => Ok(()),
        false => Err(RegistrationError::NotOfSector),
    }
}

fn id_token_alg(
    request: &RegistrationRequest,
    offer: &Offer,
    response_types: &[ResponseType],
) -> Result<(Algorithm, bool), RegistrationError> {
    const MEMBER: &str = "id_token_signed_response_alg";
    // The default of the standard, or what there is.
    let default = match offer.signs_with.contains(&Algorithm::RS256) {
        true => Algorithm::RS256,
        false => offer.signs_with.first().copied().unwrap_or(Algorithm::RS256),
    };
    match request.id_token_signed_response_alg.as_deref() {
        None => Ok((default, false)),
        // OIDC Registration §2: never through the browser.
        Some("none") if offer.unsigned_id_tokens && !response_types.iter().any(|t| t.has_id_token()) => {
            Ok((default, true))
        }
        Some(word) => Ok((signs_with(word, offer, MEMBER)?, false)),
    }
}

/// An algorithm that one of our keys signs with.
fn signs_with(word: &str, offer: &Offer, member: &'static str) -> Result<Algorithm, RegistrationError> {
    let known = word.parse().ok().filter(|algorithm| offer.signs_with.contains(algorithm));
    known.ok_or(RegistrationError::Unsupported(member))
}

/// An algorithm that we can check.
fn verifies(word: &str, member: &'static str) -> Result<Algorithm, RegistrationError> {
    word.parse().map_err(|_| RegistrationError::Unsupported(member))
}

/// Names in other languages are names, too; addresses were checked.
fn localized(given: BTreeMap<String, String>) -> Map<String, Value> {
    let kept = |member: &str, text: String| match client_metadata::base_name(member) {
        Some("client_name") => name(&text),
        _ => text,
    };
    given.into_iter().map(|(member, text)| (member.clone(), kept(&member, text).into())).collect()
}

/// What people read as the client's name, cut where it is too long.
fn name(text: &str) -> String {
    visible(text).chars().take(MAX_NAME).collect::<String>().trim_end().to_owned()
}

/// Text without what deceives its readers: controls, directions, what cannot be seen (checklist DR6).
fn visible(text: &str) -> String {
    let hides = |c: char| !c.is_whitespace() && (c.is_control() || is_invisible(c));
    let shown: String = text.chars().filter(|c| !hides(*c)).collect();
    shown.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What is registered, in the words of the standards (RFC 7591 §3.2.1).
pub fn registered(client: &Client) -> Map<String, Value> {
    let metadata = serde_json::to_value(&client.metadata).expect("metadata are JSON");
    let Value::Object(mut all) = metadata else { unreachable!("a struct is an object") };
    // Not the standards' words.
    all.remove("unsigned_id_tokens");
    all.remove("names_scope");
    all.remove("localized");
    all.extend(client.metadata.localized.clone());
    let has_front_channel = client.response_types.iter().any(|t| t.is_front_channel());
    let grant_types: Vec<_> = client
        .grant_types
        .iter()
        .map(|grant_type| grant_type.as_str())
        .chain(has_front_channel.then_some(IMPLICIT))
        .collect();
    let id_token_alg = match client.metadata.unsigned_id_tokens {
        true => "none",
        false => client.id_token_alg.as_str(),
    };
    let own: [(&str, Value); 10] = [
        ("client_id", client.client_id.clone().into()),
        ("client_id_issued_at", client.created_at.seconds().into()),
        ("client_name", client.name.clone().into()),
        ("redirect_uris", client.redirect_uris.clone().into()),
        ("response_types", client.response_types.iter().map(|t| t.as_str()).collect()),
        ("grant_types", grant_types.into()),
        ("subject_type", if client.sector.is_some() { "pairwise" } else { "public" }.into()),
        ("id_token_signed_response_alg", id_token_alg.into()),
        (
            "application_type",
            match client.kind {
                ClientKind::Web => "web",
                ClientKind::Native => "native",
            }
            .into(),
        ),
        (
            "token_endpoint_auth_method",
            client.auth_method.unwrap_or(ClientAuthMethod::ClientSecretBasic).as_str().into(),
        ),
    ];
    all.extend(own.map(|(name, value)| (name.to_owned(), value)));
    // RFC 7591 §2: without `scope` none is registered. Clients that know OpenID Connect's registration alone have no such member, and
    // idpyoidc takes no answer with one that it did not name.
    if client.metadata.names_scope {
        all.insert("scope".to_owned(), client.scopes.to_string().into());
    }
    if let Some(algorithm) = client.userinfo_alg {
        all.insert("userinfo_signed_response_alg".to_owned(), algorithm.as_str().into());
    }
    if !client.post_logout_redirect_uris.is_empty() {
        all.insert("post_logout_redirect_uris".to_owned(), client.post_logout_redirect_uris.clone().into());
    }
    all
}

#[cfg(test)]
mod tests {
    use authmachine_protocol::Timestamp;

    use super::*;
    use crate::ids::ClientId;

    fn offer() -> Offer {
        Offer {
            implicit: false,
            unsigned_request_objects: false,
            unsigned_id_tokens: false,
            signs_with: vec![Algorithm::ES256],
            scopes: Scopes::parse("openid profile offline_access").expect("legal"),
        }
    }

    fn request(uris: &[&str]) -> RegistrationRequest {
        RegistrationRequest {
            redirect_uris: uris.iter().map(|uri| (*uri).to_owned()).collect(),
            ..RegistrationRequest::default()
        }
    }

    #[test]
    fn dr2_dr3_what_no_client_may_set_stays_as_it_is() {
        let before = Client {
            secret_hmac: Some([1; 32]),
            objects: vec!["object1".to_owned()],
            pkce: Some(crate::client::PkceRule::All),
            registration_sha256: Some([2; 32]),
            ..Client::bare(ClientId(7), "id".to_owned(), Timestamp::from_seconds(9))
        };
        let after = register(request(&["https://rp.example/cb"]), &offer(), before.clone()).expect("legal");
        assert_eq!(after.id_token_alg, Algorithm::ES256, "the default of a server without an RSA key");
        assert_eq!(after.scopes.to_string(), "openid profile");
        let kept = |client: &Client| {
            let Client { id, secret_hmac, first_party, registration_sha256, created_at, .. } = *client;
            (
                id,
                secret_hmac,
                first_party,
                registration_sha256,
                created_at,
                client.objects.clone(),
                client.pkce,
            )
        };
        assert_eq!(kept(&after), kept(&before));
        assert_eq!((after.client_id.as_str(), after.disabled), ("id", false));
    }

    #[test]
    fn a_sector_is_one_host() {
        let sector = |uris: &[&str], document: Option<&str>| {
            let asked = RegistrationRequest {
                subject_type: Some("pairwise".to_owned()),
                sector_identifier_uri: document.map(str::to_owned),
                ..request(uris)
            };
            sector(&asked)
        };
        let is = |host: &str| Ok(Some(host.to_owned()));
        assert_eq!(sector(&["https://a.example/1", "https://a.example:444/2"], None), is("a.example"));
        assert_eq!(sector(&["https://a.example/1"], Some("https://s.example/x")), is("s.example"));
        for none in [
            &["https://a.example/", "https://b.example/", "https://a.example/2"][..],
            &["com.example:/"],
            &[],
        ] {
            assert_eq!(sector(none, None), Err(RegistrationError::NoSector), "{none:?}");
        }
        let uris = ["https://a.example/1".to_owned()];
        assert_eq!(check_sector(br#"["https://b.example/","https://a.example/1"]"#, &uris), Ok(()));
        for (document, why) in [
            ("[]", RegistrationError::NotOfSector),
            (r#"["https://a.example/"]"#, RegistrationError::NotOfSector),
            (r#"["https://a.example/1",null]"#, RegistrationError::SectorDocument),
            (r#""https://a.example/1""#, RegistrationError::SectorDocument),
            ("", RegistrationError::SectorDocument),
        ] {
            assert_eq!(check_sector(document.as_bytes(), &uris), Err(why), "{document}");
        }
    }

    #[test]
    fn dr6_a_name_has_nothing_that_hides_or_turns() {
        for (given, kept) in [
            (" a\t\u{2028}b ", "a b"),
            ("a\u{202e}b\u{200b}c\u{ad}", "abc"),
            ("\u{0}\u{7f}\u{feff}", ""),
            ("日本 ä", "日本 ä"),
        ] {
            assert_eq!(name(given), kept, "{given:?}");
        }
        assert_eq!(name(&"ä".repeat(200)).chars().count(), MAX_NAME);
    }
}
