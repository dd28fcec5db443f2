//! `authmachine grant …`

use anyhow::{Result, bail};
use authmachine_provider::event::{Event, EventKind};
use authmachine_provider::ids::{Kind, PermissionGrantId};
use authmachine_provider::permission_records::{
    Delegable, Holder, Named, Object, Origin, PermissionGrant, PermissionGrantLine, PermissionType, Source,
    Target, Validity,
};
use authmachine_provider::user::User;
use authmachine_store::{GrantFilter, NotWritten};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::installation::{Installation, Missing};
use crate::named::{self, PAGE};
use crate::when::{self, Span};
use crate::{Place, output};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Grants a permission
    Add {
        #[command(flatten)]
        what: What,
        #[command(flatten)]
        span: Span,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Lists the grants, all or some
    List {
        /// Those that a user holds directly: a name, a mail address or an id
        #[arg(long, value_name = "U", conflicts_with = "group")]
        user: Option<String>,
        /// Those that a group holds, by its code
        #[arg(long, value_name = "G")]
        group: Option<String>,
        /// Those on an object, by its code
        #[arg(long, value_name = "O")]
        object: Option<String>,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Takes a permission away
    Remove {
        #[command(flatten)]
        what: What,
    },
}

/// A grant, named.
#[derive(Args)]
pub(crate) struct What {
    #[command(flatten)]
    holder: HolderName,
    /// The object's code
    #[arg(long, value_name = "O")]
    object: String,
    /// The permission type's code
    #[arg(long = "type", value_name = "T")]
    permission_type: String,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct HolderName {
    /// A user: a name, a mail address or an id
    #[arg(long, value_name = "U")]
    user: Option<String>,
    /// A group's code
    #[arg(long, value_name = "G")]
    group: Option<String>,
}

pub(crate) fn run(command: Command, place: &Place) -> Result<()> {
    match command {
        Command::Add { what, span, json } => add(place, &what, &span, json),
        Command::List { user, group, object, json } => list(place, user, group, object, json),
        Command::Remove { what } => remove(place, &what),
    }
}

/// A grant's parts, found.
struct Found {
    holder: Holder,
    /// The user, if it is one.
    user: Option<User>,
    /// The user's name or the group's code.
    holder_name: String,
    object: Named<Object>,
    permission_type: Named<PermissionType>,
}

impl Found {
    fn find(installation: &Installation, what: &What) -> Result<Self> {
        let (holder, user, holder_name) = match (&what.holder.user, &what.holder.group) {
            (Some(user), _) => {
                let user = installation.user(user)?;
                let name = user.username.clone();
                (Holder::User(user.id), Some(user), name)
            }
            (None, Some(group)) => {
                let group = installation.group(group)?;
                (Holder::Group(group.id), None, group.record.code)
            }
            (None, None) => bail!("a grant is for --user or --group"),
        };
        let object = installation.object(&what.object)?;
        let permission_type = installation.permission_type(&what.permission_type)?;
        Ok(Self { holder, user, holder_name, object, permission_type })
    }

    /// An event about it.
    fn event(&self, installation: &Installation, kind: EventKind, span: &Span) -> Event {
        let group = if self.user.is_none() { Value::from(self.holder_name.as_str()) } else { Value::Null };
        let time = |time: Option<_>| time.map_or(Value::Null, |time| when::rfc3339_of(time).into());
        let mut event = installation.event(
            kind,
            [
                ("group", group),
                ("object", self.object.code.as_str().into()),
                ("type", self.permission_type.code.as_str().into()),
                ("not_before", time(span.not_before)),
                ("not_after", time(span.not_after)),
            ],
        );
        event.detail.retain(|_, value| !value.is_null());
        event.user = self.user.as_ref().map(|user| user.sub.clone());
        event
    }
}

fn add(place: &Place, what: &What, span: &Span, json: bool) -> Result<()> {
    span.check()?;
    let (_, installation) = place.open(Missing::Refuse)?;
    let found = Found::find(&installation, what)?;
    let (grant, origin) = insert(&installation, &found, span)?;
    let Found { holder_name: holder, object, permission_type, .. } = found;
    if json {
        let (target, permission_type) = (object.record.code, permission_type.record.code);
        return Ok(output::json(&view(&PermissionGrantLine {
            grant,
            origin,
            holder,
            target,
            permission_type,
        }))?);
    }
    Ok(output::line(format_args!("{holder} has {} on {}{span}", permission_type.code, object.code))?)
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
        holder: HolderName { user: user.map(str::to_owned), group: group.map(str::to_owned) },
        object: object.to_owned(),
        permission_type: permission_type.to_owned(),
    };
    insert(installation, &Found::find(installation, &what)?, &Span::default()).map(drop)
}

fn insert(installation: &Installation, found: &Found, span: &Span) -> Result<(PermissionGrant, Origin)> {
    let grant = PermissionGrant {
        id: PermissionGrantId(installation.id(Kind::Row)),
        holder: found.holder,
        target: Target::Object(found.object.id),
        permission: found.permission_type.id,
        include_children: false,
        delegable: Delegable::NO,
        validity: Validity::new(span.not_before, span.not_after)?,
        condition: None,
        revoked: false,
    };
    let origin = Origin {
        source: Source::Admin,
        created_by: installation.event(EventKind::PermissionGranted, []).actor,
        created_at: installation.now(),
    };
    let event = found.event(installation, EventKind::PermissionGranted, span);
    let (new, of) = (grant.clone(), origin.clone());
    let written = installation.write(move |tx| {
        let written = tx.insert_permission_grant(&new, &of)?;
        if written.is_ok() {
            tx.insert_event(&event)?;
        }
        Ok(written)
    })?;
    if let Err(NotWritten::GrantedAlready(_)) = written {
        let Found { holder_name, object, permission_type, .. } = found;
        bail!(
            "{holder_name} has {} on {} already; to change its times, remove it first",
            permission_type.code,
            object.code
        );
    }
    written?;
    Ok((grant, origin))
}

fn remove(place: &Place, what: &What) -> Result<()> {
    let (_, installation) = place.open(Missing::Refuse)?;
    let found = Found::find(&installation, what)?;
    let event = found.event(&installation, EventKind::PermissionRemoved, &Span::default());
    let (holder, target, permission) =
        (found.holder, Target::Object(found.object.id), found.permission_type.id);
    let was_there = installation.write(move |tx| {
        let Some(id) = tx.find_same_grant(holder, &target, permission, None)? else { return Ok(false) };
        tx.remove_permission_grant(id)?;
        tx.insert_event(&event)?;
        Ok(true)
    })?;
    let Found { holder_name, object, permission_type, .. } = found;
    if !was_there {
        bail!("{holder_name} has no grant of {} on {}", permission_type.code, object.code);
    }
    Ok(output::line(format_args!("{holder_name} has {} on {} no more", permission_type.code, object.code))?)
}

fn list(
    place: &Place,
    user: Option<String>,
    group: Option<String>,
    object: Option<String>,
    json: bool,
) -> Result<()> {
    let (_, installation) = place.open(Missing::Refuse)?;
    let holder = match (user, group) {
        (Some(user), _) => Some(Holder::User(installation.user(&user)?.id)),
        (None, Some(group)) => Some(Holder::Group(installation.group(&group)?.id)),
        (None, None) => None,
    };
    let object = object.map(|code| installation.object(&code)).transpose()?;
    let filter =
        GrantFilter { holder, target: object.map(|object| Target::Object(object.id)), permission: None };
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
            let holder = line.holder.clone();
            [kind(line).to_owned(), holder, line.target.clone(), line.permission_type.clone(), from, until]
        })
        .collect();
    Ok(output::table(["HOLDER", "NAME", "OBJECT", "TYPE", "FROM", "UNTIL"], &rows)?)
}

fn kind(line: &PermissionGrantLine) -> &'static str {
    match line.grant.holder {
        Holder::User(_) => "user",
        Holder::Group(_) => "group",
        Holder::Client(_) => "client",
        Holder::Everyone => "everyone",
    }
}

fn view(line: &PermissionGrantLine) -> Value {
    json!({
        kind(line): line.holder,
        "object": line.target,
        "type": line.permission_type,
        "not_before": line.grant.validity.not_before().map(when::rfc3339_of),
        "not_after": line.grant.validity.not_after().map(when::rfc3339_of),
        "created_at": when::rfc3339_of(line.origin.created_at),
    })
}
