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
use facts::{Facts, Optional};
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
        /// Takes away what it need not have, by the names of the flags, such as logo-uri
        #[arg(long, value_name = "NAME", num_args = 1.., hide_possible_values = true)]
        unset: Vec<Optional>,
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
    /// Shows all that is known of a client, in the words of client registration
    Show {
        /// `client_id`
        id: String,
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
        /// Does not ask
        #[arg(long)]
        yes: bool,
    },
}

pub(crate) fn run(command: Command, place: &Place) -> Result<()> {
    match command {
        Command::Add(new) => add::add(place, *new),
        Command::Set { id, facts, unset, json } => set::set(place, &id, *facts, &unset, json),
        Command::List { json } => show::list(place, json),
        Command::Show { id, json } => show::show(place, &id, json),
        Command::RotateSecret { id, secret_stdin, json } => {
            secret::rotate_secret(place, &id, secret_stdin, json)
        }
        Command::Disable { id } => set::switch(place, &id, true),
        Command::Enable { id } => set::switch(place, &id, false),
        Command::Remove { id, yes } => remove::remove(place, &id, yes),
    }
}

fn about(event: Event, client: &Client) -> Event {
    Event { client: Some(client.client_id.clone()), ..event }
}
