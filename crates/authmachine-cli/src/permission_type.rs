//! `authmachine permission-type …`

use anyhow::{Context as _, Result, bail};
use authmachine_permissions::check_type_code;
use authmachine_provider::event::EventKind;
use authmachine_provider::ids::{Kind, PermissionTypeId};
use authmachine_provider::permission_records::{Named, PermissionType};
use authmachine_store::NotWritten;
use clap::Subcommand;

use crate::Place;
use crate::installation::{Installation, Missing};
use crate::named::{self, New, PAGE};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Makes a permission type
    Add(New),
    /// Lists the permission types
    List {
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(command: Command, place: &Place) -> Result<()> {
    match command {
        Command::Add(new) => {
            check_type_code(&new.code).with_context(|| format!("the code {:?} cannot be used", new.code))?;
            let name = new.name()?;
            let (_, installation) = place.open(Missing::Make)?;
            insert(&installation, &new.code, &name)?;
            named::made("permission type", &new.code, &name, new.json)
        }
        Command::List { json } => {
            let (_, installation) = place.open(Missing::Refuse)?;
            let all = named::all(|last: Option<&Named<PermissionType>>| {
                let after = last.map(|permission_type| permission_type.code.clone());
                installation.read(move |reads| reads.list_permission_types(after.as_deref(), PAGE))
            })?;
            named::list(
                all.iter().map(|permission_type| (&*permission_type.code, &*permission_type.name)),
                json,
            )
        }
    }
}

/// Stores a new permission type.
pub(crate) fn insert(installation: &Installation, code: &str, name: &str) -> Result<()> {
    let id = PermissionTypeId(installation.id(Kind::Row));
    let permission_type = Named {
        record: PermissionType { id, code: code.to_owned(), implies: Vec::new() },
        name: name.to_owned(),
    };
    let event = installation.event(EventKind::PermissionTypeCreated, [("permission_type", code.into())]);
    let written = installation.write(move |tx| {
        let written = tx.put_permission_type(&permission_type)?;
        if written.is_ok() {
            tx.insert_event(&event)?;
        }
        Ok(written)
    })?;
    match written {
        Err(NotWritten::CodeTaken) => bail!("there is a permission type {code} already"),
        written => Ok(written?),
    }
}
