//! `client remove`

use anyhow::{Result, bail};
use authmachine_provider::event::EventKind;

use super::about;
use crate::installation::Missing;
use crate::{Place, confirm, output};

pub(super) fn remove(place: &Place, id: &str, yes: bool) -> Result<()> {
    let (_, installation) = place.open(Missing::Refuse)?;
    let client = installation.client(id)?;
    if !yes {
        confirm::ask(
            id,
            &format!(
                "its registration and secret, what people allowed it, and every token that it was issued. People stay signed in \
                 here; signed in at {id} they may be until it asks. `authmachine client disable {id}` can be taken back."
            ),
            &format!("`authmachine client disable {id}`"),
        )?;
    }
    let event = about(installation.event(EventKind::ClientDeleted, []), &client);
    let (row, now) = (client.id, installation.now());
    let was_there = installation.write(move |tx| {
        let was_there = tx.delete_client(row, now)?;
        if was_there {
            tx.insert_event(&event)?;
        }
        Ok(was_there)
    })?;
    if !was_there {
        bail!("somebody else removed the client in this moment");
    }
    Ok(output::line(format_args!("Removed the client {id}"))?)
}
