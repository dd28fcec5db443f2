//! `authmachine grant …`

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use authmachine_permissions::Condition;
use authmachine_provider::event::{Event, EventKind};
use authmachine_provider::ids::{Kind, PermissionGrantId};
use authmachine_provider::permission_records::{
    Delegable, Holder, Origin, PermissionGrant, PermissionGrantLine, Source, Target, Validity,
};
use authmachine_store::{GrantFilter, NotWritten};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::installation::{ACTOR, Installation, Missing};
use crate::named::{self, PAGE};
use crate::when::{self, Span};
use crate::{Place, json_argument, output};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Grants a permission
    Add {
        #[command(flatten)]
        what: Box<What>,
        /// What stands in the object has it too, at any depth
        #[arg(long, conflicts_with = "all_of")]
        include_children: bool,
        /// The holder may lend it, as far as this installation allows; or over so many hops at most, 1 without passing on
        #[arg(long, value_name = "HOPS", num_args = 0..=1, default_missing_value = "any", value_parser = delegable)]
        delegable: Option<Delegable>,
        #[command(flatten)]
        span: Span,
        /// Puts this in place of the same grant with other times, children or lending
        #[arg(long)]
        replace: bool,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Lists the grants, all or some
    List {
        #[command(flatten)]
        holder: HolderFilter,
        #[command(flatten)]
        target: TargetFilter,
        /// Those of a permission type, by its code
        #[arg(long = "type", value_name = "T")]
        permission_type: Option<String>,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Takes a permission away; what was lent by it is of no use from then on
    Remove {
        #[command(flatten)]
        what: Box<What>,
    },
}

/// A grant, named.
#[derive(Args, Default)]
pub(crate) struct What {
    #[command(flatten)]
    holder: HolderName,
    #[command(flatten)]
    target: TargetName,
    /// The permission type's code
    #[arg(long = "type", value_name = "T")]
    permission_type: String,
    /// When it counts, beside the times: a condition in JSON, or `@` and the file that has it
    #[arg(long, value_name = "JSON")]
    condition: Option<String>,
}

#[derive(Args, Default)]
#[group(required = true, multiple = false)]
struct HolderName {
    /// A user: a name, a mail address or an id
    #[arg(long, value_name = "U")]
    user: Option<String>,
    /// A group's code
    #[arg(long, value_name = "G")]
    group: Option<String>,
    /// An application for itself, by its client_id
    #[arg(long, value_name = "C")]
    client: Option<String>,
    /// Everyone there is
    #[arg(long)]
    everyone: bool,
}

#[derive(Args, Default)]
#[group(required = true, multiple = false)]
struct TargetName {
    /// The object's code
    #[arg(long, value_name = "O")]
    object: Option<String>,
    /// On every object of this type, those to come among them
    #[arg(long, value_name = "TYPE")]
    all_of: Option<String>,
}

#[derive(Args)]
#[group(multiple = false)]
pub(crate) struct HolderFilter {
    /// Those that a user holds directly: a name, a mail address or an id
    #[arg(long, value_name = "U")]
    user: Option<String>,
    /// Those that a group holds, by its code
    #[arg(long, value_name = "G")]
    group: Option<String>,
    /// Those that an application holds, by its client_id
    #[arg(long, value_name = "C")]
    client: Option<String>,
    /// Those that everyone holds
    #[arg(long)]
    everyone: bool,
}

#[derive(Args)]
#[group(multiple = false)]
pub(crate) struct TargetFilter {
    /// Those on an object, by its code
    #[arg(long, value_name = "O")]
    object: Option<String>,
    /// Those on every object of a type
    #[arg(long, value_name = "TYPE")]
    all_of: Option<String>,
}

pub(crate) fn run(command: Command, place: &Place) -> Result<()> {
    match command {
        Command::Add { what, include_children, delegable, span, replace, json } => {
            let terms = Terms { include_children, delegable: delegable.unwrap_or(Delegable::NO), span };
            add(place, &what, &terms, replace, json)
        }
        Command::List { holder, target, permission_type, json } => {
            list(place, holder, target, permission_type.as_deref(), json)
        }
        Command::Remove { what } => remove(place, &what),
    }
}

/// Reads over how many hops something may be lent.
fn delegable(text: &str) -> Result<Delegable, String> {
    let hops = text.parse().ok().and_then(Delegable::hops);
    match text {
        "any" => Ok(Delegable::YES),
        _ => hops.ok_or_else(|| "not a number of hops from 0 to 5".to_owned()),
    }
}

/// What a grant may change in while it stays the same.
#[derive(Default)]
struct Terms {
    include_children: bool,
    delegable: Delegable,
    span: Span,
}

/// A grant's parts, found.
struct Found {
    holder: Holder,
    /// The user's name, the group's code or the client's id.
    holder_name: String,
    /// The user's, if it is one.
    sub: Option<String>,
    target: Target,
    permission_type: String,
    filter: GrantFilter,
    condition: Option<Arc<Condition>>,
}

impl Found {
    fn find(installation: &Installation, what: &What) -> Result<Self> {
        let condition = what.condition.as_deref().map(json_argument::condition).transpose()?;
        let HolderName { user, group, client, everyone } = &what.holder;
        let (holder, holder_name, sub) = match (user, group, client, everyone) {
            (Some(user), ..) => {
                let user = installation.user(user)?;
                (Holder::User(user.id), user.username, Some(user.sub))
            }
            (_, Some(group), ..) => {
                let group = installation.group(group)?;
                (Holder::Group(group.id), group.record.code, None)
            }
            (_, _, Some(client), _) => {
                let client = installation.client(client)?;
                (Holder::Client(client.id), client.client_id, None)
            }
            (.., true) => (Holder::Everyone, String::new(), None),
            (.., false) => bail!("a grant is for --user, --group, --client or --everyone"),
        };
        let target = match (&what.target.object, &what.target.all_of) {
            (Some(code), _) => Target::Object(installation.object(code)?.id),
            (None, Some(object_type)) => Target::AllOf(object_type.clone()),
            (None, None) => bail!("a grant is on --object or --all-of"),
        };
        let permission_type = installation.permission_type(&what.permission_type)?;
        let filter = GrantFilter {
            holder: Some(holder),
            target: Some(target.clone()),
            permission: Some(permission_type.id),
        };
        let permission_type = permission_type.record.code;
        Ok(Self { holder, holder_name, sub, target, permission_type, filter, condition })
    }

    /// The grant with the words for it.
    fn line(&self, installation: &Installation, what: &What, terms: &Terms) -> Result<PermissionGrantLine> {
        Ok(PermissionGrantLine {
            grant: PermissionGrant {
                id: PermissionGrantId(installation.id(Kind::Row)),
                holder: self.holder,
                target: self.target.clone(),
                permission: self.filter.permission.expect("it was found"),
                include_children: terms.include_children,
                delegable: terms.delegable,
                validity: Validity::new(terms.span.not_before, terms.span.not_after)?,
                condition: self.condition.clone(),
                revoked: false,
            },
            origin: Origin {
                source: Source::Admin,
                created_by: ACTOR.to_owned(),
                created_at: installation.now(),
            },
            holder: self.holder_name.clone(),
            target: what.target.object.clone().or_else(|| what.target.all_of.clone()).unwrap_or_default(),
            permission_type: self.permission_type.clone(),
        })
    }
}

fn add(place: &Place, what: &What, terms: &Terms, replace: bool, json: bool) -> Result<()> {
    terms.span.check()?;
    let (_, installation) = place.open(Missing::Refuse)?;
    let line = insert(&installation, what, terms, replace)?;
    named::done(json, &view(&line), format_args!("{}{}", words(&line), terms.span))
}

/// Grants a user, or else a group, a permission without end.
pub(crate) fn give(
    installation: &Installation,
    user: Option<&str>,
    group: Option<&str>,
    object: &str,
    permission_type: &str,
) -> Result<()> {
    let what = What {
        holder: HolderName {
            user: user.map(str::to_owned),
            group: group.map(str::to_owned),
            ..HolderName::default()
        },
        target: TargetName { object: Some(object.to_owned()), all_of: None },
        permission_type: permission_type.to_owned(),
        condition: None,
    };
    insert(installation, &what, &Terms::default(), false).map(drop)
}

fn insert(
    installation: &Installation,
    what: &What,
    terms: &Terms,
    replace: bool,
) -> Result<PermissionGrantLine> {
    let found = Found::find(installation, what)?;
    let line = found.line(installation, what, terms)?;
    let granted = about(installation.event(EventKind::PermissionGranted, []), &line, found.sub.clone());
    let changed = Event { kind: EventKind::PermissionChanged, ..granted.clone() };
    let (grant, origin) = (line.grant.clone(), line.origin.clone());
    let written = installation.write(move |tx| {
        let written = match tx.insert_permission_grant(&grant, &origin)? {
            Err(NotWritten::GrantedAlready(id)) if replace => {
                let written = tx.update_permission_grant(&PermissionGrant { id, ..grant.clone() })?;
                (written, &changed)
            }
            written => (written, &granted),
        };
        if written.0.is_ok() {
            tx.insert_event(written.1)?;
        }
        Ok(written.0)
    })?;
    match written {
        Err(NotWritten::GrantedAlready(_)) => bail!("{} already; --replace changes its terms", words(&line)),
        written => written.context("nothing was granted")?,
    }
    Ok(line)
}

fn remove(place: &Place, what: &What) -> Result<()> {
    let (_, installation) = place.open(Missing::Refuse)?;
    let found = Found::find(&installation, what)?;
    let line = found.line(&installation, what, &Terms::default())?;
    let mut event = about(installation.event(EventKind::PermissionRemoved, []), &line, found.sub.clone());
    event.detail.retain(|name, _| !matches!(name.as_str(), "include_children" | "delegable"));
    let grant = line.grant.clone();
    let was_there = installation.write(move |tx| {
        let condition = grant.condition.as_deref();
        let Some(id) = tx.find_same_grant(grant.holder, &grant.target, grant.permission, condition)? else {
            return Ok(false);
        };
        tx.remove_permission_grant(id)?;
        tx.insert_event(&event)?;
        Ok(true)
    })?;
    let holder = name_of(&line);
    if !was_there {
        let others = installation.read(move |reads| reads.list_permission_grants(&found.filter, None, 1))?;
        let hint = match &line.grant.condition {
            _ if others.is_empty() => "",
            None => " without a condition; those with one are named with --condition",
            Some(_) => " with just this condition; `authmachine grant list` shows those that are there",
        };
        bail!("{holder} has no grant of {} on {}{hint}", line.permission_type, target_words(&line));
    }
    Ok(output::line(format_args!(
        "{holder} has {} on {} no more",
        line.permission_type,
        target_words(&line)
    ))?)
}

fn list(
    place: &Place,
    holder: HolderFilter,
    target: TargetFilter,
    permission_type: Option<&str>,
    json: bool,
) -> Result<()> {
    let (_, installation) = place.open(Missing::Refuse)?;
    let holder = match holder {
        HolderFilter { user: Some(user), .. } => Some(Holder::User(installation.user(&user)?.id)),
        HolderFilter { group: Some(group), .. } => Some(Holder::Group(installation.group(&group)?.id)),
        HolderFilter { client: Some(client), .. } => Some(Holder::Client(installation.client(&client)?.id)),
        HolderFilter { everyone, .. } => everyone.then_some(Holder::Everyone),
    };
    let target = match target {
        TargetFilter { object: Some(code), .. } => Some(Target::Object(installation.object(&code)?.id)),
        TargetFilter { all_of, .. } => all_of.map(Target::AllOf),
    };
    let permission = permission_type.map(|code| installation.permission_type(code)).transpose()?;
    let filter = GrantFilter { holder, target, permission: permission.map(|found| found.id) };
    let all = named::all(|last: Option<&PermissionGrantLine>| {
        let after = last.map(|line| line.grant.id);
        let filter = filter.clone();
        installation.read(move |reads| reads.list_permission_grants(&filter, after, PAGE))
    })?;
    if json {
        return Ok(output::json(&all.iter().map(view).collect())?);
    }
    let time = |time: Option<_>| time.map_or_else(|| "-".to_owned(), when::rfc3339_of);
    let rows: Vec<_> = all
        .iter()
        .map(|line| {
            let validity = line.grant.validity;
            let (from, until) = (time(validity.not_before()), time(validity.not_after()));
            let holder = if line.holder.is_empty() { "-".to_owned() } else { line.holder.clone() };
            let target = target_words(line);
            let kind = kind(line.grant.holder).to_owned();
            [kind, holder, target, line.permission_type.clone(), from, until, terms_words(&line.grant)]
        })
        .collect();
    Ok(output::table(["HOLDER", "NAME", "OBJECT", "TYPE", "FROM", "UNTIL", "TERMS"], &rows)?)
}

/// The word for a kind of holder.
pub(crate) const fn kind(holder: Holder) -> &'static str {
    match holder {
        Holder::User(_) => "user",
        Holder::Group(_) => "group",
        Holder::Client(_) => "client",
        Holder::Everyone => "everyone",
    }
}

fn name_of(line: &PermissionGrantLine) -> &str {
    if line.grant.holder == Holder::Everyone { "everyone" } else { &line.holder }
}

fn target_words(line: &PermissionGrantLine) -> String {
    match line.grant.target {
        Target::Object(_) => line.target.clone(),
        Target::AllOf(_) => format!("all of {}", line.target),
    }
}

fn words(line: &PermissionGrantLine) -> String {
    format!("{} has {} on {}", name_of(line), line.permission_type, target_words(line))
}

fn terms_words(grant: &PermissionGrant) -> String {
    let hops = match grant.delegable {
        Delegable::NO => None,
        Delegable::YES => Some("delegable".to_owned()),
        limited => Some(format!("delegable {}", limited.as_hops())),
    };
    let children = grant.include_children.then(|| "with children".to_owned());
    let condition = grant.condition.as_ref().map(|_| "conditional".to_owned());
    let all: Vec<_> = [children, hops, condition].into_iter().flatten().collect();
    if all.is_empty() { "-".to_owned() } else { all.join(", ") }
}

/// Whether a grant may be lent: no, without limit, or over how many hops.
pub(crate) fn delegable_view(delegable: Delegable) -> Value {
    match delegable {
        Delegable::NO => false.into(),
        Delegable::YES => true.into(),
        limited => limited.as_hops().into(),
    }
}

fn view(line: &PermissionGrantLine) -> Value {
    let PermissionGrant { holder, target, include_children, delegable, validity, condition, .. } =
        &line.grant;
    let target_kind = if matches!(target, Target::Object(_)) { "object" } else { "all_of" };
    json!({
        kind(*holder): if *holder == Holder::Everyone { true.into() } else { Value::from(line.holder.as_str()) },
        target_kind: line.target,
        "type": line.permission_type,
        "include_children": include_children,
        "delegable": delegable_view(*delegable),
        "not_before": validity.not_before().map(when::rfc3339_of),
        "not_after": validity.not_after().map(when::rfc3339_of),
        "condition": condition.as_deref(),
        "source": line.origin.source.as_str(),
        "created_by": line.origin.created_by,
        "created_at": when::rfc3339_of(line.origin.created_at),
    })
}

/// An event about a grant; of a user, `sub` says which.
pub(crate) fn about(event: Event, line: &PermissionGrantLine, sub: Option<String>) -> Event {
    let mut detail = view(line).as_object().cloned().unwrap_or_default();
    detail.retain(|name, value| {
        !matches!(name.as_str(), "user" | "client" | "source" | "created_by" | "created_at")
            && !value.is_null()
            && *value != false
    });
    let client = matches!(line.grant.holder, Holder::Client(_)).then(|| line.holder.clone());
    Event { user: sub, client, detail, ..event }
}
