//! `authmachine client …`

mod add;
mod apply;
mod facts;
mod remove;
mod secret;
mod set;
mod show;

use anyhow::Result;
use authmachine_provider::client::Client;
use authmachine_provider::event::Event;
use clap::Subcommand;

use crate::Place;
use add::Add;
pub(crate) use add::insert;
use facts::Facts;
pub(crate) use secret::has_short_secret;

/// The most characters of a client id and of a secret.
const MAX_CHARACTERS: usize = 200;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Registers a client; without a secret it gets one, which is printed once
    Add(Box<Add>),
    /// Changes a client; each list that is given takes the place of the one there was
    Set {
        /// `client_id`
        id: String,
        #[command(flatten)]
        facts: Box<Facts>,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Lists the clients
    List {
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Gives a client another secret, which is printed once; the old one is of no use from then on
    RotateSecret {
        /// `client_id`
        id: String,
        /// Reads the new secret from standard input, one line, in place of making one
        #[arg(long)]
        secret_stdin: bool,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Switches a client off: nobody signs in there, and what it was issued is of no use meanwhile
    Disable {
        /// `client_id`
        id: String,
    },
    /// Switches a client on again
    Enable {
        /// `client_id`
        id: String,
    },
    /// Removes a client for good, with what people allowed it; what it was issued is of no use from then on
    Remove {
        /// `client_id`
        id: String,
    },
}

pub(crate) fn run(command: Command, place: &Place) -> Result<()> {
    match command {
        Command::Add(new) => add::add(place, *new),
        Command::Set { id, facts, json } => set::set(place, &id, *facts, json),
        Command::List { json } => show::list(place, json),
        Command::RotateSecret { id, secret_stdin, json } => {
            secret::rotate_secret(place, &id, secret_stdin, json)
        }
        Command::Disable { id } => set::switch(place, &id, true),
        Command::Enable { id } => set::switch(place, &id, false),
        Command::Remove { id } => remove::remove(place, &id),
    }
}

fn about(event: Event, client: &Client) -> Event {
    Event { client: Some(client.client_id.clone()), ..event }
}
