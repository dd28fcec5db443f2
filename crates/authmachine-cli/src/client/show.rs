//! `client list`, `client show`

use anyhow::Result;
use authmachine_protocol::ClientAuthMethod;
use authmachine_protocol::redirect_uri::ClientKind;
use authmachine_provider::client::{Client, PkceRule};
use authmachine_provider::registration::registered;
use serde_json::{Map, Value, json};

use crate::installation::Missing;
use crate::{Place, output, when};

pub(super) fn list(place: &Place, json: bool) -> Result<()> {
    let (_, installation) = place.open(Missing::Refuse)?;
    let clients = installation.read(|reads| reads.list_clients())?;
    if json {
        return Ok(output::json(&clients.iter().map(|client| Value::Object(view(client))).collect())?);
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

pub(super) fn show(place: &Place, id: &str, json: bool) -> Result<()> {
    let (_, installation) = place.open(Missing::Refuse)?;
    let view = view(&installation.client(id)?);
    if json {
        return Ok(output::json(&view.into())?);
    }
    let rows: Vec<_> = view
        .into_iter()
        .map(|(name, value)| [name, words(&value)])
        .filter(|[_, words]| !words.is_empty())
        .collect();
    Ok(output::table(["NAME", "VALUE"], &rows)?)
}

/// A value as people read it. A client that registered itself does not write to the terminal.
fn words(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.replace(char::is_control, "\u{fffd}"),
        Value::Array(items) => items.iter().map(words).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

/// In the words of RFC 7591 where it has them.
pub(super) fn view(client: &Client) -> Map<String, Value> {
    let own = json!({
        // What can be set, without what follows from it.
        "grant_types": client.grant_types,
        "scope": client.scopes,
        "token_endpoint_auth_method": client.auth_method.map(ClientAuthMethod::as_str),
        "post_logout_redirect_uris": client.post_logout_redirect_uris,
        "public": client.is_public(),
        "first_party": client.first_party,
        "self_registered": client.is_self_registered(),
        "pkce": client.pkce.map(PkceRule::as_str),
        "sector": client.sector,
        "objects": client.objects,
        "subject_ids": client.subject_ids.as_str(),
        "permissions_in_id_token": client.permissions_in_id_token,
        "disabled": client.disabled,
        "created_at": when::rfc3339_of(client.created_at),
    });
    let Value::Object(own) = own else { unreachable!("it is an object") };
    registered(client).into_iter().chain(own).collect()
}
