//! What was given is checked and put into a client.

use std::path::Path;

use anyhow::{Context as _, Error, Result, anyhow, bail};
use authmachine_jose::{Algorithm, JwkSet};
use authmachine_protocol::redirect_uri::{self, ClientKind};
use authmachine_protocol::{ClientAuthMethod, GrantType, Scopes};
use authmachine_provider::client::Client;
use authmachine_provider::client_metadata::RequestObjectAlg;
use authmachine_provider::registration::{RegistrationError, check_addresses};
use authmachine_provider::subject_ids::SubjectIds;
use authmachine_server::keys;
use serde_json::Value;

use super::facts::{AlgorithmOrNone, Facts, Optional};
use crate::config::Config;
use crate::installation::Installation;
use crate::{named, object, output};

/// Checks what was given and puts it into `client`.
pub(super) fn apply(installation: &Installation, client: &mut Client, facts: Facts) -> Result<()> {
    if let Some(given) = &facts.name {
        client.name = named::name(Some(given), &client.client_id)?;
    }
    for uri in &facts.redirect_uri {
        redirect_uri::validate(uri, client.kind)
            .with_context(|| format!("--redirect-uri {uri:?} cannot be used"))?;
    }
    replace(&mut client.redirect_uris, facts.redirect_uri);
    replace(&mut client.post_logout_redirect_uris, facts.post_logout_redirect_uri);
    let metadata = &mut client.metadata;
    for (given, there) in [
        (facts.frontchannel_logout_uri, &mut metadata.frontchannel_logout_uri),
        (facts.backchannel_logout_uri, &mut metadata.backchannel_logout_uri),
        (facts.initiate_login_uri, &mut metadata.initiate_login_uri),
        (facts.logo_uri, &mut metadata.logo_uri),
        (facts.client_uri, &mut metadata.client_uri),
        (facts.policy_uri, &mut metadata.policy_uri),
        (facts.tos_uri, &mut metadata.tos_uri),
    ] {
        *there = given.or(there.take());
    }
    if let Some(file) = &facts.jwks_file {
        (metadata.jwks, metadata.jwks_uri) = (Some(read_keys(file)?), None);
    }
    if let Some(uri) = facts.jwks_uri {
        (metadata.jwks, metadata.jwks_uri) = (None, Some(uri));
    }
    replace(&mut metadata.request_uris, facts.request_uri);
    if let Some(AlgorithmOrNone(algorithm)) = facts.request_object_alg {
        metadata.request_object_signing_alg =
            Some(algorithm.map_or(RequestObjectAlg::Unsigned, RequestObjectAlg::Signed));
    }
    metadata.require_signed_request_object |= facts.require_signed_request_object;
    metadata.default_max_age = facts.default_max_age.or(metadata.default_max_age);
    replace(&mut metadata.default_acr_values, facts.default_acr_values);
    metadata.require_auth_time |= facts.require_auth_time;
    replace(&mut metadata.contacts, facts.contact);
    check_addresses(client).map_err(in_flags)?;
    let metadata = &client.metadata;
    if metadata.require_signed_request_object
        && metadata.request_object_signing_alg == Some(RequestObjectAlg::Unsigned)
    {
        bail!("--require-signed-request-object and --request-object-alg none exclude each other");
    }
    object::check_scope(&facts.objects)?;
    object::note_unknown(installation, &facts.objects)?;
    replace(&mut client.objects, facts.objects);
    if client.first_party && !client.objects.is_empty() {
        output::note("A first-party client sees every object, whatever --objects says");
    }
    client.subject_ids = facts.subject_ids.unwrap_or(client.subject_ids);
    client.permissions_in_id_token |= facts.permissions_in_id_token;
    replace(&mut client.grant_types, facts.grant_type);
    replace(&mut client.response_types, facts.response_type);
    if !facts.scope.is_empty() {
        client.scopes = facts.scope.iter().flat_map(Scopes::iter).collect();
    }
    client.pkce = facts.pkce.or(client.pkce);
    client.auth_method = facts.auth_method.or(client.auth_method);
    let has_keys = client.metadata.jwks.is_some() || client.metadata.jwks_uri.is_some();
    if client.auth_method == Some(ClientAuthMethod::PrivateKeyJwt) && !has_keys {
        bail!("private_key_jwt needs the client's public keys: --jwks-file or --jwks-uri");
    }
    if let Some(AlgorithmOrNone(algorithm)) = facts.id_token_alg {
        client.metadata.unsigned_id_tokens = algorithm.is_none();
        client.id_token_alg = algorithm.unwrap_or(client.id_token_alg);
        check_algorithm(installation, client.id_token_alg)?;
    }
    if let Some(AlgorithmOrNone(algorithm)) = facts.userinfo_alg {
        algorithm.map_or(Ok(()), |algorithm| check_algorithm(installation, algorithm))?;
        client.userinfo_alg = algorithm;
    }
    if client.metadata.unsigned_id_tokens && client.response_types.iter().any(|t| t.has_id_token()) {
        bail!("a client whose ID tokens come through browsers gets them signed: no --id-token-alg none");
    }
    apply_sector(client, facts.subject_type.as_deref(), facts.sector)?;
    let signs_people_in = client.may_use(GrantType::AuthorizationCode)
        || client.response_types.iter().any(|t| t.is_front_channel());
    if signs_people_in && client.redirect_uris.is_empty() || client.grant_types.is_empty() {
        bail!(
            "a client that signs people in needs --redirect-uri; one that does not needs --grant-type client_credentials"
        );
    }
    if client.is_public() && client.may_use(GrantType::ClientCredentials) {
        bail!("client_credentials is for clients with a secret (RFC 6749 §4.4)");
    }
    if client.first_party && client.is_public() && client.kind == ClientKind::Native {
        bail!(
            "a native client without a secret cannot be first-party: another app on the device can take its place, and would \
             get tokens without anybody being asked (RFC 8252 §8.6)"
        );
    }
    Ok(())
}

/// Takes away from `client` what it need not have.
pub(super) fn unset(client: &mut Client, facts: &[Optional]) {
    let metadata = &mut client.metadata;
    for fact in facts {
        match fact {
            Optional::Name => client.name.clone_from(&client.client_id),
            Optional::PostLogoutRedirectUri => client.post_logout_redirect_uris.clear(),
            Optional::FrontchannelLogoutUri => metadata.frontchannel_logout_uri = None,
            Optional::BackchannelLogoutUri => metadata.backchannel_logout_uri = None,
            Optional::Objects => client.objects.clear(),
            Optional::SubjectIds => client.subject_ids = SubjectIds::default(),
            Optional::PermissionsInIdToken => client.permissions_in_id_token = false,
            Optional::UserinfoAlg => client.userinfo_alg = None,
            Optional::Pkce => client.pkce = None,
            Optional::AuthMethod => client.auth_method = None,
            Optional::JwksFile => metadata.jwks = None,
            Optional::JwksUri => metadata.jwks_uri = None,
            Optional::RequestObjectAlg => metadata.request_object_signing_alg = None,
            Optional::RequestUri => metadata.request_uris.clear(),
            Optional::RequireSignedRequestObject => metadata.require_signed_request_object = false,
            Optional::DefaultMaxAge => metadata.default_max_age = None,
            Optional::DefaultAcrValues => metadata.default_acr_values.clear(),
            Optional::RequireAuthTime => metadata.require_auth_time = false,
            Optional::InitiateLoginUri => metadata.initiate_login_uri = None,
            Optional::LogoUri => metadata.logo_uri = None,
            Optional::ClientUri => metadata.client_uri = None,
            Optional::PolicyUri => metadata.policy_uri = None,
            Optional::TosUri => metadata.tos_uri = None,
            Optional::Contact => metadata.contacts.clear(),
        }
    }
}

/// What is wrong, in the words of the command line: `post_logout_redirect_uris` was given as `--post-logout-redirect-uri`.
fn in_flags(error: RegistrationError) -> Error {
    let flag = |name: &str| format!("--{}", name.trim_end_matches('s').replace('_', "-"));
    match error {
        RegistrationError::Uri(name, why) => anyhow!("{} cannot be used: {why}", flag(name)),
        RegistrationError::NotHttps(name) => anyhow!("{} must be https", flag(name)),
        RegistrationError::ForeignFrame => {
            anyhow!("--frontchannel-logout-uri has not the scheme, host and port of a --redirect-uri")
        }
        other => other.into(),
    }
}

fn apply_sector(client: &mut Client, subject_type: Option<&str>, sector: Option<String>) -> Result<()> {
    client.sector = match (subject_type, sector) {
        (Some("public"), Some(_)) => bail!("--sector is for pairwise subjects"),
        (Some("public"), None) => None,
        (_, Some(sector)) => Some(sector),
        (None, None) => client.sector.take(),
        (Some(_), None) => Some(match client.sector.take() {
            Some(sector) => sector,
            None => host_of_all(&client.redirect_uris).context(
                "the redirect URIs have more than one host, or none: pairwise subjects need --sector",
            )?,
        }),
    };
    if client.sector.is_some() && client.first_party {
        bail!("a first-party client knows people as they are: it cannot have pairwise subjects");
    }
    Ok(())
}

fn host_of_all(uris: &[String]) -> Option<String> {
    let mut hosts = uris.iter().map(|uri| redirect_uri::host(uri));
    let first = hosts.next()??;
    hosts.all(|host| host.as_ref() == Some(&first)).then_some(first)
}

/// The public keys in a file, those that we can use.
fn read_keys(file: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let keys = JwkSet::parse(&text).with_context(|| format!("{} cannot be used", file.display()))?;
    if keys.keys().is_empty() {
        bail!(
            "{} has no key that can be used: RSA of 2,048 bits and more, P-256, or Ed25519, to check signatures",
            file.display()
        );
    }
    Ok(serde_json::to_value(&keys)?)
}

/// What is registered is one thing, what the installation lets happen another.
pub(super) fn note_switch(config: &Config, client: &Client) {
    if !config.implicit
        && let Some(response_type) = client.response_types.iter().find(|t| t.is_front_channel())
    {
        output::note(format_args!(
            "The response type {response_type} is of no use until oidc.implicit is on in the configuration"
        ));
    }
    if !config.unsigned_request_objects
        && client.metadata.request_object_signing_alg == Some(RequestObjectAlg::Unsigned)
    {
        output::note(
            "Its unsigned request objects are refused until oidc.unsigned_request_objects is on in the configuration",
        );
    }
    if !config.unsigned_id_tokens && client.metadata.unsigned_id_tokens {
        output::note(format_args!(
            "Its ID tokens are signed with {} until oidc.unsigned_id_tokens is on in the configuration",
            client.id_token_alg
        ));
    }
}

fn replace<T: PartialEq>(there: &mut Vec<T>, given: Vec<T>) {
    if !given.is_empty() {
        there.clear();
        for item in given {
            if !there.contains(&item) {
                there.push(item);
            }
        }
    }
}

/// Whether a key signs with `algorithm`; an installation that was never served gets its first ones then.
fn check_algorithm(installation: &Installation, algorithm: Algorithm) -> Result<()> {
    let there = installation.read(|reads| reads.list_signing_keys())?;
    let is_there = match there.as_slice() {
        [] => keys::INITIAL.contains(&algorithm),
        there => authmachine_provider::keys::algorithms(there).any(|known| known == algorithm),
    };
    if !is_there {
        bail!(
            "no key signs with {algorithm}; after the first start `authmachine keys rotate --alg {algorithm}` makes one"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_replaces_and_comes_once() {
        let mut there = vec![1, 2];
        replace(&mut there, Vec::new());
        assert_eq!(there, [1, 2]);
        replace(&mut there, vec![3, 3, 1]);
        assert_eq!(there, [3, 1]);
    }
}
