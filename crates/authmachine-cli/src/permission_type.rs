//! `authmachine permission-type …`

use anyhow::{Context as _, Result, bail};
use authmachine_permissions::check_type_code;
use authmachine_provider::event::EventKind;
use authmachine_provider::ids::{Kind, PermissionTypeId};
use authmachine_provider::permission_records::{Named, PermissionType};
use authmachine_store::NotWritten;
use clap::Subcommand;
use serde_json::{Value, json};

use crate::installation::{Installation, Missing};
use crate::named::{self, New, PAGE};
use crate::{Place, output};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Makes a permission type
    Add {
        #[command(flatten)]
        new: New,
        /// Codes of the types that whoever holds this one holds as well
        #[arg(long, value_name = "CODE", num_args = 1..)]
        implies: Vec<String>,
    },
    /// Lists the permission types
    List {
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Changes a permission type; what is not named stays
    Set {
        /// Its code
        code: String,
        /// What people read
        #[arg(long, value_name = "N")]
        name: Option<String>,
        /// Codes of all the types that it implies
        #[arg(long, value_name = "CODE", num_args = 1.., conflicts_with = "implies_nothing")]
        implies: Vec<String>,
        /// It implies no other type
        #[arg(long)]
        implies_nothing: bool,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Removes a permission type that nobody holds and no other implies
    Remove {
        /// Its code
        code: String,
    },
}

pub(crate) fn run(command: Command, place: &Place) -> Result<()> {
    match command {
        Command::Add { new, implies } => add(place, &new, &implies),
        Command::List { json } => list(place, json),
        Command::Set { code, name, implies, implies_nothing, json } => {
            let implies = (implies_nothing || !implies.is_empty()).then_some(implies);
            set(place, &code, name.as_deref(), implies.as_deref(), json)
        }
        Command::Remove { code } => remove(place, &code),
    }
}

fn add(place: &Place, new: &New, implies: &[String]) -> Result<()> {
    check_type_code(&new.code).with_context(|| format!("the code {:?} cannot be used", new.code))?;
    let name = new.name()?;
    let (_, installation) = place.open(Missing::Make)?;
    insert(&installation, &new.code, &name, implies)?;
    named::done(
        new.json,
        &view(&new.code, &name, implies),
        format_args!("Made the permission type {}{}", new.code, implying(implies)),
    )
}

/// Stores a new permission type.
pub(crate) fn insert(installation: &Installation, code: &str, name: &str, implies: &[String]) -> Result<()> {
    let implied = find_all(installation, implies)?;
    let id = PermissionTypeId(installation.id(Kind::Row));
    let permission_type = Named {
        record: PermissionType { id, code: code.to_owned(), implies: implied },
        name: name.to_owned(),
    };
    put(installation, permission_type, implies, EventKind::PermissionTypeCreated)
}

fn set(place: &Place, code: &str, name: Option<&str>, implies: Option<&[String]>, json: bool) -> Result<()> {
    let (_, installation) = place.open(Missing::Refuse)?;
    let mut permission_type = installation.permission_type(code)?;
    if let Some(given) = name {
        permission_type.name = named::name(Some(given), code)?;
    }
    let implies = match implies {
        Some(codes) => {
            permission_type.record.implies = find_all(&installation, codes)?;
            codes.to_vec()
        }
        None => {
            let all = all(&installation)?;
            codes_of(&all, &permission_type)
        }
    };
    let view = view(code, &permission_type.name, &implies);
    put(&installation, permission_type, &implies, EventKind::PermissionTypeChanged)?;
    named::done(json, &view, format_args!("Changed the permission type {code}"))
}

fn put(
    installation: &Installation,
    permission_type: Named<PermissionType>,
    implies: &[String],
    kind: EventKind,
) -> Result<()> {
    let code = permission_type.code.clone();
    let detail = [("permission_type", code.as_str().into()), ("implies", json!(implies))];
    let event = installation.event(kind, detail);
    let written = installation.write(move |tx| {
        let written = tx.put_permission_type(&permission_type)?;
        if written.is_ok() {
            tx.insert_event(&event)?;
        }
        Ok(written)
    })?;
    match written {
        Err(NotWritten::CodeTaken) => bail!("there is a permission type {code} already"),
        Err(why) => Err(why).with_context(|| format!("{code} cannot imply {}", implies.join(", "))),
        Ok(()) => Ok(()),
    }
}

fn remove(place: &Place, code: &str) -> Result<()> {
    let (_, installation) = place.open(Missing::Refuse)?;
    let id = installation.permission_type(code)?.id;
    let event = installation.event(EventKind::PermissionTypeRemoved, [("permission_type", code.into())]);
    let removed = installation.write(move |tx| {
        let removed = tx.remove_permission_type(id)?;
        if removed == Ok(true) {
            tx.insert_event(&event)?;
        }
        Ok(removed)
    })?;
    match removed {
        Ok(true) => Ok(output::line(format_args!("Removed the permission type {code}"))?),
        Ok(false) => bail!("somebody else removed the permission type in this moment"),
        Err(why) => Err(why).with_context(|| {
            format!("{code} stays; `authmachine grant list --type {code}` and `permission-type list` show what uses it")
        }),
    }
}

fn list(place: &Place, json: bool) -> Result<()> {
    let (_, installation) = place.open(Missing::Refuse)?;
    let all = all(&installation)?;
    if json {
        let views = all.iter().map(|one| view(&one.code, &one.name, &codes_of(&all, one)));
        return Ok(output::json(&views.collect())?);
    }
    let rows: Vec<_> =
        all.iter().map(|one| [one.code.clone(), one.name.clone(), codes_of(&all, one).join(" ")]).collect();
    Ok(output::table(["CODE", "NAME", "IMPLIES"], &rows)?)
}

/// All of them, by code.
pub(crate) fn all(installation: &Installation) -> Result<Vec<Named<PermissionType>>> {
    named::all(|last: Option<&Named<PermissionType>>| {
        let after = last.map(|permission_type| permission_type.code.clone());
        installation.read(move |reads| reads.list_permission_types(after.as_deref(), PAGE))
    })
}

fn find_all(installation: &Installation, codes: &[String]) -> Result<Vec<PermissionTypeId>> {
    codes.iter().map(|code| installation.permission_type(code).map(|found| found.id)).collect()
}

/// The codes of what one of `all` implies itself.
fn codes_of(all: &[Named<PermissionType>], one: &PermissionType) -> Vec<String> {
    all.iter().filter(|other| one.implies.contains(&other.id)).map(|other| other.code.clone()).collect()
}

fn implying(implies: &[String]) -> String {
    if implies.is_empty() { String::new() } else { format!(", which implies {}", implies.join(", ")) }
}

fn view(code: &str, name: &str, implies: &[String]) -> Value {
    json!({ "code": code, "name": name, "implies": implies })
}
