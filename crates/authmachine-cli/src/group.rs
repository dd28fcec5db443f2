//! `authmachine group …`

use std::collections::HashMap;

use anyhow::{Context as _, Result, bail};
use authmachine_permissions::check_group_code;
use authmachine_provider::event::{Event, EventKind};
use authmachine_provider::ids::{GroupId, Kind, UserId};
use authmachine_provider::permission_records::{Group, Member, Membership, MembershipLine, Named, Validity};
use authmachine_provider::user::User;
use authmachine_store::NotWritten;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::installation::{Installation, Missing};
use crate::named::{self, New, PAGE};
use crate::when::{self, Span};
use crate::{Place, confirm, output};

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
    /// Removes a group, and with it what it was granted; its members stay what they are
    Remove {
        /// The group's code
        code: String,
        /// Does not ask
        #[arg(long)]
        yes: bool,
    },
    /// Puts a user or another group into a group, or changes until when; `--remove` takes it out
    Member(MemberOptions),
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
pub(crate) struct MemberOptions {
    /// The group's code
    group: String,
    #[command(flatten)]
    who: Who,
    /// Takes the member out
    #[arg(long, conflicts_with_all = ["not_before", "not_after"])]
    remove: bool,
    #[command(flatten)]
    span: Span,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Who {
    /// A user: a name, a mail address or an id
    user: Option<String>,
    /// Another group's code: whoever is in it is in this one too
    #[arg(long = "group", id = "inner", value_name = "G")]
    inner: Option<String>,
}

pub(crate) fn run(command: Command, place: &Place) -> Result<()> {
    match command {
        Command::Add(new) => {
            check_group_code(&new.code).with_context(|| format!("the code {:?} cannot be used", new.code))?;
            let name = new.name()?;
            let (_, installation) = place.open(Missing::Make)?;
            insert(&installation, &new.code, &name)?;
            named::done(new.json, &view(&new.code, &name), format_args!("Made the group {}", new.code))
        }
        Command::List { json } => list(place, json),
        Command::Remove { code, yes } => remove(place, &code, yes),
        Command::Member(options) => change_member(&options, place),
        Command::Members { group, json } => members(place, &group, json),
    }
}

fn list(place: &Place, json: bool) -> Result<()> {
    let (_, installation) = place.open(Missing::Refuse)?;
    let all = named::all(|last: Option<&Named<Group>>| {
        let after = last.map(|group| group.code.clone());
        installation.read(move |reads| reads.list_groups(after.as_deref(), PAGE))
    })?;
    if json {
        return Ok(output::json(&all.iter().map(|group| view(&group.code, &group.name)).collect())?);
    }
    let rows: Vec<_> = all.into_iter().map(|group| [group.record.code, group.name]).collect();
    Ok(output::table(["CODE", "NAME"], &rows)?)
}

fn view(code: &str, name: &str) -> Value {
    json!({ "code": code, "name": name })
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

fn remove(place: &Place, code: &str, yes: bool) -> Result<()> {
    let (_, installation) = place.open(Missing::Refuse)?;
    let id = installation.group(code)?.id;
    if !yes {
        let ends = "what it was granted goes with it; its members stay, without what they had through it.";
        confirm::ask(
            code,
            ends,
            &format!("take members out with `authmachine group member {code} --remove`"),
        )?;
    }
    let event = installation.event(EventKind::GroupRemoved, [("group", code.into())]);
    let was_there = installation.write(move |tx| {
        let was_there = tx.remove_group(id)?;
        if was_there {
            tx.insert_event(&event)?;
        }
        Ok(was_there)
    })?;
    if !was_there {
        bail!("somebody else removed the group in this moment");
    }
    Ok(output::line(format_args!("Removed the group {code}"))?)
}

fn change_member(options: &MemberOptions, place: &Place) -> Result<()> {
    options.span.check()?;
    let (_, installation) = place.open(Missing::Refuse)?;
    let group = installation.group(&options.group)?;
    let found = match (&options.who.user, &options.who.inner) {
        (Some(user), _) => Found::of_user(&installation.user(user)?),
        (None, Some(inner)) => {
            let inner = installation.group(inner)?;
            let words = format!("the group {}", inner.code);
            Found { member: Member::Group(inner.id), words, sub: None, code: Some(inner.record.code) }
        }
        (None, None) => bail!("say who: a user, or --group and a group"),
    };
    let words = found.words.clone();
    if !options.remove {
        put_member(&installation, &group, found, &options.span)?;
        return Ok(output::line(format_args!("{words} is in the group {}{}", group.code, options.span))?);
    }
    let event = found.event(&installation, EventKind::GroupMemberRemoved, &group.code, &Span::default());
    let (member, group_id) = (found.member, group.id);
    let was_there = installation.write(move |tx| {
        let was_there = tx.remove_membership(member, group_id)?;
        if was_there {
            tx.insert_event(&event)?;
        }
        Ok(was_there)
    })?;
    if !was_there {
        bail!("{words} is not in the group {} itself", group.code);
    }
    Ok(output::line(format_args!("{words} is not in the group {} any more", group.code))?)
}

/// Puts `user` into `group`, without end.
pub(crate) fn add_member(installation: &Installation, group: &Named<Group>, user: &User) -> Result<()> {
    put_member(installation, group, Found::of_user(user), &Span::default())
}

fn put_member(installation: &Installation, group: &Named<Group>, found: Found, span: &Span) -> Result<()> {
    let event = found.event(installation, EventKind::GroupMemberAdded, &group.code, span);
    let validity = Validity::new(span.not_before, span.not_after)?;
    let membership = Membership { member: found.member, group: group.id, validity };
    let written = installation.write(move |tx| {
        let written = tx.put_membership(&membership)?;
        if written.is_ok() {
            tx.insert_event(&event)?;
        }
        Ok(written)
    })?;
    written.with_context(|| format!("{} cannot be in the group {}", found.words, group.code))
}

/// Who is meant.
struct Found {
    member: Member,
    /// For people.
    words: String,
    /// Of a user.
    sub: Option<String>,
    /// Of a group.
    code: Option<String>,
}

impl Found {
    fn of_user(user: &User) -> Self {
        let (words, sub) = (user.username.clone(), Some(user.sub.clone()));
        Self { member: Member::User(user.id), words, sub, code: None }
    }

    fn event(&self, installation: &Installation, kind: EventKind, group: &str, span: &Span) -> Event {
        let time = |time: Option<_>| time.map_or(Value::Null, |time| when::rfc3339_of(time).into());
        let detail = [
            ("group", group.into()),
            ("member", self.code.clone().into()),
            ("not_before", time(span.not_before)),
            ("not_after", time(span.not_after)),
        ];
        let mut event = Event { user: self.sub.clone(), ..installation.event(kind, detail) };
        event.detail.retain(|_, value| !value.is_null());
        event
    }
}

fn members(place: &Place, group: &str, json: bool) -> Result<()> {
    let (_, installation) = place.open(Missing::Refuse)?;
    let id = installation.group(group)?.id;
    let members = named::all(|last: Option<&MembershipLine>| {
        let after = last.map(|line| line.membership.member);
        installation.read(move |reads| reads.list_memberships_in(id, after, PAGE))
    })?;
    if json {
        let users = installation.read(move |reads| reads.list_members(id))?;
        let subs: HashMap<UserId, String> = users.into_iter().map(|user| (user.id, user.sub)).collect();
        return Ok(output::json(&members.iter().map(|line| member_view(line, &subs)).collect())?);
    }
    let time = |time: Option<_>| time.map_or_else(|| "-".to_owned(), when::rfc3339_of);
    let rows: Vec<_> = members
        .into_iter()
        .map(|line| {
            let kind = if matches!(line.membership.member, Member::User(_)) { "user" } else { "group" };
            let validity = line.membership.validity;
            [kind.to_owned(), line.member, time(validity.not_before()), time(validity.not_after())]
        })
        .collect();
    Ok(output::table(["MEMBER", "NAME", "FROM", "UNTIL"], &rows)?)
}

fn member_view(line: &MembershipLine, subs: &HashMap<UserId, String>) -> Value {
    let validity = line.membership.validity;
    let mut view = json!({
        "not_before": validity.not_before().map(when::rfc3339_of),
        "not_after": validity.not_after().map(when::rfc3339_of),
    });
    match line.membership.member {
        Member::User(id) => {
            view["username"] = line.member.as_str().into();
            view["id"] = subs.get(&id).cloned().into();
        }
        Member::Group(_) => view["group"] = line.member.as_str().into(),
    }
    view
}
