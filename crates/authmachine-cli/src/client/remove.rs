//! `client remove`

use anyhow::{Result, bail};
use authmachine_provider::event::EventKind;

use super::about;
use crate::installation::Missing;
use crate::{Place, output};

pub(super) fn remove(place: &Place, id: &str) -> Result<()> {
    let (_, installation) = place.open(Missing::Refuse)?;
    let client = installation.client(id)?;
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
