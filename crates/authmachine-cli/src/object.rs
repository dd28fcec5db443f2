//! `authmachine object …`

use anyhow::{Context as _, Result, bail};
use authmachine_permissions::{DEFAULT_OBJECT_TYPE, check_object_code};
use authmachine_provider::event::EventKind;
use authmachine_provider::ids::{Kind, ObjectId};
use authmachine_provider::permission_records::{Named, Object};
use authmachine_store::NotWritten;
use clap::Subcommand;

use crate::installation::{Installation, Missing};
use crate::named::{self, New, PAGE};
use crate::{Place, output};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Makes an object
    Add(New),
    /// Lists the objects
    List {
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(command: Command, place: &Place) -> Result<()> {
    match command {
        Command::Add(new) => {
            check_object_code(&new.code)
                .with_context(|| format!("the code {:?} cannot be used", new.code))?;
            let name = new.name()?;
            let (_, installation) = place.open(Missing::Make)?;
            insert(&installation, &new.code, &name)?;
            named::made("object", &new.code, &name, new.json)
        }
        Command::List { json } => {
            let (_, installation) = place.open(Missing::Refuse)?;
            let all = named::all(|last: Option<&Named<Object>>| {
                let after = last.map(|object| object.code.clone());
                installation.read(move |reads| reads.list_objects(after.as_deref(), PAGE))
            })?;
            named::list(all.iter().map(|object| (&*object.code, &*object.name)), json)
        }
    }
}

/// Says which of `codes` belong to no object yet: one may be a slip of the pen.
pub(crate) fn note_unknown(installation: &Installation, codes: &[String]) -> Result<()> {
    for code in codes.iter().filter(|code| !code.ends_with('*')) {
        let wanted = code.clone();
        if installation.read(move |reads| reads.find_object(&wanted))?.is_none() {
            output::note(format_args!(
                "There is no object {code} yet; `authmachine object add {code}` makes it"
            ));
        }
    }
    Ok(())
}

/// Checks what names the objects that somebody may see: codes, or the beginning of codes and `*`.
pub(crate) fn check_scope(names: &[String]) -> Result<()> {
    for name in names {
        check_object_code(name.strip_suffix('*').unwrap_or(name))
            .with_context(|| format!("the object code {name:?} cannot be used"))?;
    }
    Ok(())
}

/// Stores a new object.
pub(crate) fn insert(installation: &Installation, code: &str, name: &str) -> Result<()> {
    let id = ObjectId(installation.id(Kind::Row));
    let object = Named { record: Object::new(id, code, DEFAULT_OBJECT_TYPE)?, name: name.to_owned() };
    let event = installation.event(EventKind::ObjectCreated, [("object", code.into())]);
    let written = installation.write(move |tx| {
        let written = tx.put_object(&object)?;
        if written.is_ok() {
            tx.insert_event(&event)?;
        }
        Ok(written)
    })?;
    match written {
        Err(NotWritten::CodeTaken) => bail!("there is an object {code} already"),
        written => Ok(written?),
    }
}
