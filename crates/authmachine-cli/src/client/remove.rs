//! `client remove`

use std::io::{self, IsTerminal as _};

use anyhow::{Result, bail};
use authmachine_provider::event::EventKind;

use super::about;
use crate::installation::Missing;
use crate::{Place, output};

pub(super) fn remove(place: &Place, id: &str, yes: bool) -> Result<()> {
    let (_, installation) = place.open(Missing::Refuse)?;
    let client = installation.client(id)?;
    if !yes {
        confirm(id)?;
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

/// Says what ends, and waits for a yes.
fn confirm(id: &str) -> Result<()> {
    if !io::stdin().is_terminal() {
        bail!(
            "nobody is here to ask whether {id} goes for good: say --yes, or `authmachine client disable {id}`"
        );
    }
    output::note(format_args!(
        "{id} goes for good: its registration and secret, what people allowed it, and every token that it was issued. People stay \
         signed in here; signed in at {id} they may be until it asks. `authmachine client disable {id}` can be taken back.\n\
         Type yes to remove it:"
    ));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    if answer.trim() != "yes" {
        bail!("{id} stays");
    }
    Ok(())
}
