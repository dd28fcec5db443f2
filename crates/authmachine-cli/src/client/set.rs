//! `client set`, `client disable`, `client enable`

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use authmachine_protocol::ClientAuthMethod;
use authmachine_provider::client::Client;
use authmachine_provider::event::EventKind;
use serde_json::Value;

use super::about;
use super::apply::{apply, note_switch, unset};
use super::facts::{Facts, Optional};
use super::show::view;
use crate::installation::{Installation, Missing};
use crate::{Place, output};

pub(super) fn set(place: &Place, id: &str, facts: Facts, gone: &[Optional], json: bool) -> Result<()> {
    let (config, installation) = place.open(Missing::Refuse)?;
    let before = installation.client(id)?;
    let mut client = before.clone();
    if client.is_public() && (facts.auth_method.is_some() || gone.contains(&Optional::AuthMethod)) {
        bail!("{id} is a public client: it has no secret to prove itself by");
    }
    let had_key = client.auth_method == Some(ClientAuthMethod::PrivateKeyJwt);
    unset(&mut client, gone);
    apply(&installation, &mut client, facts)?;
    match (had_key, client.auth_method == Some(ClientAuthMethod::PrivateKeyJwt)) {
        (false, true) => client.secret_hmac = None,
        (true, false) => {
            output::note(format_args!("`authmachine client rotate-secret {id}` gives it a secret"))
        }
        _ => {}
    }
    let (was, is) = (view(&before), view(&client));
    let names: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    let changed: Vec<Value> = names
        .into_iter()
        .filter(|name| was.get(*name) != is.get(*name))
        .map(|name| name.as_str().into())
        .collect();
    if changed.is_empty() {
        bail!("nothing of {id} would change; `authmachine client set --help` shows what can");
    }
    note_switch(&config, &client);
    if before.sector != client.sector {
        output::note(format_args!("{id} knows everybody by another sub from now on"));
    }
    update(&installation, before, client, [("changed", changed.into())])?;
    if json {
        output::json(&is.into())?
    } else {
        output::line(format_args!("Changed the client {id}"))?
    }
    Ok(())
}

pub(super) fn switch(place: &Place, id: &str, disabled: bool) -> Result<()> {
    let (_, installation) = place.open(Missing::Refuse)?;
    let before = installation.client(id)?;
    let client = Client { disabled, ..before.clone() };
    update(&installation, before, client, [("disabled", disabled.into())])?;
    let done = if disabled { "Disabled" } else { "Enabled" };
    Ok(output::line(format_args!("{done} the client {id}"))?)
}

/// Stores `after` in the place of `before`, unless somebody else was quicker.
fn update<const N: usize>(
    installation: &Installation,
    before: Client,
    after: Client,
    detail: [(&str, Value); N],
) -> Result<()> {
    let event = about(installation.event(EventKind::ClientChanged, detail), &after);
    let is_done = installation.write(move |tx| {
        let is_done = tx.replace_client(&before, &after)?;
        if is_done {
            tx.insert_event(&event)?;
        }
        Ok(is_done)
    })?;
    if !is_done {
        bail!("somebody else changed the client in this moment; try again");
    }
    Ok(())
}
