//! `authmachine group …`

use anyhow::{Context as _, Result, bail};
use authmachine_permissions::check_group_code;
use authmachine_provider::Timestamp;
use authmachine_provider::event::{Event, EventKind};
use authmachine_provider::ids::{GroupId, Kind};
use authmachine_provider::permission_records::{Group, Member as GroupMember, Membership, Named, Validity};
use authmachine_provider::user::User;
use authmachine_store::NotWritten;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::installation::{Installation, Missing};
use crate::named::{self, New, PAGE};
use crate::when::Span;
use crate::{Place, output};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Makes a group
    Add(New),
    /// Lists the groups
    List {
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Puts a user into a group, or changes until when; `--remove` takes the user out
    Member(Member),
    /// Lists the members of a group
    Members {
        /// The group's code
        group: String,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
pub(crate) struct Member {
    /// The group's code
    group: String,
    /// A name, a mail address or an id
    user: String,
    /// Takes the user out
    #[arg(long, conflicts_with_all = ["not_before", "not_after"])]
    remove: bool,
    #[command(flatten)]
    span: Span,
}

pub(crate) fn run(command: Command, place: &Place) -> Result<()> {
    match command {
        Command::Add(new) => {
            check_group_code(&new.code).with_context(|| format!("the code {:?} cannot be used", new.code))?;
            let name = new.name()?;
            let (_, installation) = place.open(Missing::Make)?;
            insert(&installation, &new.code, &name)?;
            named::made("group", &new.code, &name, new.json)
        }
        Command::List { json } => {
            let (_, installation) = place.open(Missing::Refuse)?;
            let all = named::all(|last: Option<&Named<Group>>| {
                let after = last.map(|group| group.code.clone());
                installation.read(move |reads| reads.list_groups(after.as_deref(), PAGE))
            })?;
            named::list(all.iter().map(|group| (&*group.code, &*group.name)), json)
        }
        Command::Member(member) => change_member(&member, place),
        Command::Members { group, json } => members(place, &group, json),
    }
}

/// Stores a new group.
pub(crate) fn insert(installation: &Installation, code: &str, name: &str) -> Result<()> {
    let id = GroupId(installation.id(Kind::Row));
    let group = Named { record: Group { id, code: code.to_owned() }, name: name.to_owned() };
    let event = installation.event(EventKind::GroupCreated, [("group", code.into())]);
    let written = installation.write(move |tx| {
        let written = tx.put_group(&group)?;
        if written.is_ok() {
            tx.insert_event(&event)?;
        }
        Ok(written)
    })?;
    match written {
        Err(NotWritten::CodeTaken) => bail!("there is a group {code} already"),
        written => Ok(written?),
    }
}

fn change_member(member: &Member, place: &Place) -> Result<()> {
    member.span.check()?;
    let (_, installation) = place.open(Missing::Refuse)?;
    let group = installation.group(&member.group)?;
    let user = installation.user(&member.user)?;
    if !member.remove {
        add_member(&installation, &group, &user, member.span.not_before, member.span.not_after)?;
        return Ok(output::line(format_args!(
            "{} is in the group {}{}",
            user.username, group.code, member.span
        ))?);
    }
    let event = about(
        installation.event(EventKind::GroupMemberRemoved, [("group", group.code.as_str().into())]),
        &user,
    );
    let (group_id, user_id) = (group.id, user.id);
    let was_there = installation.write(move |tx| {
        let was_there = tx.remove_membership(GroupMember::User(user_id), group_id)?;
        if was_there {
            tx.insert_event(&event)?;
        }
        Ok(was_there)
    })?;
    if !was_there {
        bail!("{} is not in the group {}", user.username, group.code);
    }
    Ok(output::line(format_args!("{} is not in the group {} any more", user.username, group.code))?)
}

/// Puts `user` into `group`, for that time.
pub(crate) fn add_member(
    installation: &Installation,
    group: &Named<Group>,
    user: &User,
    not_before: Option<Timestamp>,
    not_after: Option<Timestamp>,
) -> Result<()> {
    let time = |time: Option<Timestamp>| time.map_or(Value::Null, |time| time.seconds().into());
    let detail = [
        ("group", group.code.as_str().into()),
        ("not_before", time(not_before)),
        ("not_after", time(not_after)),
    ];
    let event = about(installation.event(EventKind::GroupMemberAdded, detail), user);
    let membership = Membership {
        member: GroupMember::User(user.id),
        group: group.id,
        validity: Validity::new(not_before, not_after)?,
    };
    let written = installation.write(move |tx| {
        let written = tx.put_membership(&membership)?;
        if written.is_ok() {
            tx.insert_event(&event)?;
        }
        Ok(written)
    })?;
    Ok(written?)
}

fn members(place: &Place, group: &str, json: bool) -> Result<()> {
    let (_, installation) = place.open(Missing::Refuse)?;
    let id = installation.group(group)?.id;
    let members = installation.read(move |reads| reads.list_members(id))?;
    if json {
        let view = |user: &User| json!({ "id": user.sub, "username": user.username });
        return Ok(output::json(&members.iter().map(view).collect())?);
    }
    let rows: Vec<_> = members.iter().map(|user| [user.username.clone(), user.sub.clone()]).collect();
    Ok(output::table(["NAME", "ID"], &rows)?)
}

fn about(event: Event, user: &User) -> Event {
    Event { user: Some(user.sub.clone()), ..event }
}
