//! `client list`

use anyhow::Result;
use authmachine_protocol::ClientAuthMethod;
use authmachine_protocol::redirect_uri::ClientKind;
use authmachine_provider::client::{Client, PkceRule};
use serde_json::{Value, json};

use crate::installation::Missing;
use crate::{Place, output, when};

pub(super) fn list(place: &Place, json: bool) -> Result<()> {
    let (_, installation) = place.open(Missing::Refuse)?;
    let clients = installation.read(|reads| reads.list_clients())?;
    if json {
        return Ok(output::json(&clients.iter().map(view).collect())?);
    }
    let rows: Vec<_> = clients
        .iter()
        .map(|client| {
            let kind = match (client.is_public(), client.kind) {
                (true, ClientKind::Native) => "public, native",
                (true, ClientKind::Web) => "public",
                (false, ClientKind::Native) => "confidential, native",
                (false, ClientKind::Web) => "confidential",
            };
            let whose = if client.first_party { "first-party" } else { "other" };
            let status = if client.disabled { "disabled" } else { "enabled" };
            let words = [kind, whose, status].map(str::to_owned);
            let [kind, whose, status] = words;
            [
                client.client_id.clone(),
                client.name.clone(),
                kind,
                whose,
                status,
                client.redirect_uris.join(" "),
            ]
        })
        .collect();
    Ok(output::table(["ID", "NAME", "KIND", "WHOSE", "STATUS", "REDIRECT URIS"], &rows)?)
}

/// In the words of RFC 7591 where it has them.
pub(super) fn view(client: &Client) -> Value {
    json!({
        "client_id": client.client_id,
        "client_name": client.name,
        "application_type": match client.kind { ClientKind::Web => "web", ClientKind::Native => "native" },
        "public": client.is_public(),
        "token_endpoint_auth_method": client.auth_method.map(ClientAuthMethod::as_str),
        "jwks": client.metadata.jwks,
        "jwks_uri": client.metadata.jwks_uri,
        "first_party": client.first_party,
        "pkce": client.pkce.map(PkceRule::as_str),
        "grant_types": client.grant_types,
        "response_types": client.response_types,
        "scope": client.scopes,
        "id_token_signed_response_alg": match client.metadata.unsigned_id_tokens {
            true => "none",
            false => client.id_token_alg.as_str(),
        },
        "userinfo_signed_response_alg": client.userinfo_alg,
        "subject_type": if client.sector.is_some() { "pairwise" } else { "public" },
        "sector": client.sector,
        "redirect_uris": client.redirect_uris,
        "post_logout_redirect_uris": client.post_logout_redirect_uris,
        "frontchannel_logout_uri": client.metadata.frontchannel_logout_uri,
        "backchannel_logout_uri": client.metadata.backchannel_logout_uri,
        "objects": client.objects,
        "disabled": client.disabled,
        "created_at": when::rfc3339_of(client.created_at),
    })
}
