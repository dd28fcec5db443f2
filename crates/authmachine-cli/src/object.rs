//! `authmachine object …`

use std::collections::HashMap;

use anyhow::{Context as _, Result, bail};
use authmachine_permissions::{DEFAULT_OBJECT_TYPE, check_object_code};
use authmachine_provider::event::EventKind;
use authmachine_provider::ids::{Kind, ObjectId};
use authmachine_provider::permission_records::{Named, Object};
use authmachine_store::NotWritten;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::installation::{Installation, Missing};
use crate::named::{self, New, PAGE};
use crate::{Place, confirm, json_argument, output};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Makes an object
    Add {
        #[command(flatten)]
        new: New,
        #[command(flatten)]
        facts: Facts,
    },
    /// Lists the objects, all or some
    List {
        /// Those of a type
        #[arg(long = "type", value_name = "T", conflicts_with = "parent")]
        object_type: Option<String>,
        /// Those that stand in this one itself, by its code
        #[arg(long, value_name = "CODE")]
        parent: Option<String>,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Shows an object
    Show {
        /// Its code
        code: String,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Changes an object; what is not named stays
    Set {
        /// Its code
        code: String,
        /// What people read
        #[arg(long, value_name = "N")]
        name: Option<String>,
        #[command(flatten)]
        facts: Facts,
        /// What it has no more
        #[arg(long, value_name = "WHAT", num_args = 1..)]
        unset: Vec<Optional>,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Removes an object in which no others stand, and with it what was granted and lent on it
    Remove {
        /// Its code
        code: String,
        /// Does not ask
        #[arg(long)]
        yes: bool,
    },
}

/// What an object has beside its code and name.
#[derive(Args)]
pub(crate) struct Facts {
    /// What kind of object it is, such as `document`; a new one is an `object`
    #[arg(long = "type", value_name = "T")]
    object_type: Option<String>,
    /// The code of the object that it stands in; grants with --include-children reach it from there
    #[arg(long, value_name = "CODE")]
    parent: Option<String>,
    /// What conditions may ask about it: a flat JSON object, or `@` and the file that has it
    #[arg(long, value_name = "JSON")]
    attributes: Option<String>,
    /// Nobody may do anything on it
    #[arg(long, conflicts_with = "enable")]
    disable: bool,
    /// What is granted on it counts
    #[arg(long)]
    enable: bool,
}

/// What an object need not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Optional {
    Parent,
    Attributes,
}

pub(crate) fn run(command: Command, place: &Place) -> Result<()> {
    match command {
        Command::Add { new, facts } => add(place, &new, &facts),
        Command::List { object_type, parent, json } => list(place, object_type, parent.as_deref(), json),
        Command::Show { code, json } => show(place, &code, json),
        Command::Set { code, name, facts, unset, json } => {
            set(place, &code, name.as_deref(), &facts, &unset, json)
        }
        Command::Remove { code, yes } => remove(place, &code, yes),
    }
}

fn add(place: &Place, new: &New, facts: &Facts) -> Result<()> {
    check_object_code(&new.code).with_context(|| format!("the code {:?} cannot be used", new.code))?;
    let name = new.name()?;
    let (_, installation) = place.open(Missing::Make)?;
    let mut object = fresh(&installation, &new.code, &name)?;
    apply(&installation, &mut object, facts)?;
    insert(&installation, object.clone())?;
    named::done(
        new.json,
        &view(&object, facts.parent.as_deref()),
        format_args!("Made the object {}", new.code),
    )
}

/// An object that is not stored yet.
pub(crate) fn fresh(installation: &Installation, code: &str, name: &str) -> Result<Named<Object>> {
    let id = ObjectId(installation.id(Kind::Row));
    Ok(Named { record: Object::new(id, code, DEFAULT_OBJECT_TYPE)?, name: name.to_owned() })
}

fn apply(installation: &Installation, object: &mut Named<Object>, facts: &Facts) -> Result<()> {
    if let Some(object_type) = &facts.object_type {
        object.record.object_type.clone_from(object_type);
    }
    if let Some(parent) = &facts.parent {
        object.record.parent = Some(installation.object(parent)?.id);
    }
    if let Some(attributes) = &facts.attributes {
        object.record.attributes = Some(json_argument::attributes(attributes)?);
    }
    object.record.disabled = (object.disabled || facts.disable) && !facts.enable;
    Ok(())
}

/// Stores a new object.
pub(crate) fn insert(installation: &Installation, object: Named<Object>) -> Result<()> {
    let code = object.code.clone();
    let event = installation.event(EventKind::ObjectCreated, [("object", code.as_str().into())]);
    let written = installation.write(move |tx| {
        let written = tx.put_object(&object)?;
        if written.is_ok() {
            tx.insert_event(&event)?;
        }
        Ok(written)
    })?;
    match written {
        Err(NotWritten::CodeTaken) => bail!("there is an object {code} already"),
        written => written.with_context(|| format!("the object {code} was not made")),
    }
}

fn set(
    place: &Place,
    code: &str,
    name: Option<&str>,
    facts: &Facts,
    unset: &[Optional],
    json: bool,
) -> Result<()> {
    let (_, installation) = place.open(Missing::Refuse)?;
    let before = installation.object(code)?;
    let mut object = before.clone();
    if let Some(given) = name {
        object.name = named::name(Some(given), code)?;
    }
    for gone in unset {
        match gone {
            Optional::Parent => object.record.parent = None,
            Optional::Attributes => object.record.attributes = None,
        }
    }
    apply(&installation, &mut object, facts)?;
    let parents = parents(&installation, std::slice::from_ref(&object))?;
    let (was, is) = (view(&before, None), view(&object, None));
    let changed: Vec<&str> =
        ["name", "type", "attributes", "disabled"].into_iter().filter(|fact| was[fact] != is[fact]).collect();
    let changed: Vec<&str> =
        changed.into_iter().chain((before.parent != object.parent).then_some("parent")).collect();
    let event =
        installation.event(EventKind::ObjectChanged, [("object", code.into()), ("changed", json!(changed))]);
    let new = object.clone();
    let written = installation.write(move |tx| {
        // Somebody else may have been quicker.
        if tx.find_object_by_id(before.id)?.as_ref() != Some(&before) {
            return Ok(None);
        }
        let written = tx.put_object(&new)?;
        if written.is_ok() {
            tx.insert_event(&event)?;
        }
        Ok(Some(written))
    })?;
    match written {
        Some(written) => written.with_context(|| format!("the object {code} was not changed"))?,
        None => bail!("somebody else changed {code} in this moment; try again"),
    }
    let parent = object.parent.and_then(|id| parents.get(&id));
    named::done(json, &view(&object, parent.map(String::as_str)), format_args!("Changed the object {code}"))
}

fn remove(place: &Place, code: &str, yes: bool) -> Result<()> {
    let (_, installation) = place.open(Missing::Refuse)?;
    let id = installation.object(code)?.id;
    if !yes {
        confirm::ask(
            code,
            "what was granted and lent on it goes with it.",
            &format!("`authmachine object set {code} --disable`"),
        )?;
    }
    let event = installation.event(EventKind::ObjectRemoved, [("object", code.into())]);
    let removed = installation.write(move |tx| {
        let removed = tx.remove_object(id)?;
        if removed == Ok(true) {
            tx.insert_event(&event)?;
        }
        Ok(removed)
    })?;
    match removed {
        Ok(true) => Ok(output::line(format_args!("Removed the object {code}"))?),
        Ok(false) => bail!("somebody else removed the object in this moment"),
        Err(why) => Err(why).with_context(|| {
            format!("{code} stays; `authmachine object list --parent {code}` shows what stands in it")
        }),
    }
}

fn show(place: &Place, code: &str, json: bool) -> Result<()> {
    let (_, installation) = place.open(Missing::Refuse)?;
    let object = installation.object(code)?;
    let parents = parents(&installation, std::slice::from_ref(&object))?;
    let view = view(&object, object.parent.and_then(|id| parents.get(&id)).map(String::as_str));
    if json {
        return Ok(output::json(&view)?);
    }
    let rows: Vec<_> = ["code", "name", "type", "parent", "attributes", "disabled"]
        .into_iter()
        .filter(|fact| !view[fact].is_null())
        .map(|fact| {
            [fact.to_owned(), view[fact].as_str().map_or_else(|| view[fact].to_string(), str::to_owned)]
        })
        .collect();
    Ok(output::table(["FACT", "VALUE"], &rows)?)
}

fn list(place: &Place, object_type: Option<String>, parent: Option<&str>, json: bool) -> Result<()> {
    let (_, installation) = place.open(Missing::Refuse)?;
    let parent = parent.map(|code| installation.object(code)).transpose()?.map(|object| object.id);
    let all = named::all(|last: Option<&Named<Object>>| {
        let (code, id) = (last.map(|object| object.code.clone()), last.map(|object| object.id));
        let object_type = object_type.clone();
        installation.read(move |reads| match (parent, &object_type) {
            (Some(parent), _) => reads.list_children(parent, id, PAGE),
            (None, Some(object_type)) => reads.list_objects_of_type(object_type, code.as_deref(), PAGE),
            (None, None) => reads.list_objects(code.as_deref(), PAGE),
        })
    })?;
    let parents = parents(&installation, &all)?;
    let parent_of = |object: &Object| object.parent.and_then(|id| parents.get(&id)).map(String::as_str);
    if json {
        return Ok(output::json(&all.iter().map(|object| view(object, parent_of(object))).collect())?);
    }
    let rows: Vec<_> = all
        .iter()
        .map(|object| {
            let parent = parent_of(object).unwrap_or("-").to_owned();
            let status = if object.disabled { "disabled" } else { "active" };
            [object.code.clone(), object.name.clone(), object.object_type.clone(), parent, status.to_owned()]
        })
        .collect();
    Ok(output::table(["CODE", "NAME", "TYPE", "PARENT", "STATUS"], &rows)?)
}

/// The codes of what `objects` stand in.
fn parents(installation: &Installation, objects: &[Named<Object>]) -> Result<HashMap<ObjectId, String>> {
    let mut codes: HashMap<_, _> = objects.iter().map(|object| (object.id, object.code.clone())).collect();
    let mut wanted: Vec<ObjectId> = objects.iter().filter_map(|object| object.parent).collect();
    wanted.retain(|id| !codes.contains_key(id));
    wanted.sort_unstable();
    wanted.dedup();
    let found = installation.read(move |reads| {
        wanted.iter().map(|id| reads.find_object_by_id(*id)).collect::<Result<Vec<_>, _>>()
    })?;
    codes.extend(found.into_iter().flatten().map(|object| (object.id, object.record.code)));
    Ok(codes)
}

fn view(object: &Named<Object>, parent: Option<&str>) -> Value {
    json!({
        "code": object.code,
        "name": object.name,
        "type": object.object_type,
        "parent": parent,
        "attributes": object.attributes.as_deref(),
        "disabled": object.disabled,
    })
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
