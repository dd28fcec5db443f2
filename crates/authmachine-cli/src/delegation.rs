//! `authmachine delegation …`

use anyhow::{Context as _, Result, anyhow, bail};
use authmachine_permissions::{
    Circumstances, Delegation, Ending, LendRequest, LendSettings, Lent, Party, Refusal,
};
use authmachine_provider::Timestamp;
use authmachine_provider::event::{Event, EventKind};
use authmachine_provider::ids::{DelegationId, Kind};
use authmachine_provider::permission_records::DelegationLine;
use authmachine_store::{DelegationsOf, Lending, NotLent, Reads, StoreError};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::installation::{Installation, Missing};
use crate::named::{self, PAGE};
use crate::when::{self, End};
use crate::{Place, json_argument, output};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Lends in a user's place: what it holds and may lend, as far as this installation allows. Lending the same again changes it
    Add(Box<New>),
    /// Lists what is lent, all or some
    List {
        #[command(flatten)]
        of: Of,
        /// Those that are over as well
        #[arg(long)]
        all: bool,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Shows a delegation, and what was passed on from it
    Show {
        /// Its number, as `delegation list` has it
        id: i64,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Ends a delegation; what was passed on from it is of no use from then on
    End {
        /// Its number, as `delegation list` has it
        id: i64,
        /// Why, for those whom it concerns
        #[arg(long, value_name = "TEXT", default_value = "ended by an administrator")]
        reason: String,
    },
}

/// What is lent.
#[derive(Args)]
pub(crate) struct New {
    /// Who lends: a name, a mail address or an id
    #[arg(long, value_name = "U")]
    from: String,
    /// To whom: a name, a mail address or an id
    #[arg(long, value_name = "U")]
    to: String,
    /// The object's code
    #[arg(long, value_name = "O")]
    object: String,
    /// The permission type's code
    #[arg(long = "type", value_name = "T")]
    permission_type: String,
    /// Until when: a duration such as 14d, a time such as 2027-01-31T18:00:00Z, or `never` where that is allowed
    #[arg(long, value_name = "T", value_parser = when::end)]
    until: Option<End>,
    /// How many times it may be passed on
    #[arg(long, value_name = "N", default_value = "0")]
    hops: u8,
    /// With what stands in the object, at any depth
    #[arg(long)]
    include_children: bool,
    /// When it counts, beside that: a condition on the taker in JSON, or `@` and the file that has it
    #[arg(long, value_name = "JSON")]
    condition: Option<String>,
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[group(multiple = false)]
pub(crate) struct Of {
    /// Those that a user gave: a name, a mail address or an id
    #[arg(long, value_name = "U")]
    from: Option<String>,
    /// Those that a user received
    #[arg(long, value_name = "U")]
    to: Option<String>,
    /// Those on an object, by its code
    #[arg(long, value_name = "O")]
    object: Option<String>,
}

pub(crate) fn run(command: Command, place: &Place) -> Result<()> {
    match command {
        Command::Add(new) => add(place, &new),
        Command::List { of, all, json } => list(place, &of, all, json),
        Command::Show { id, json } => show(place, DelegationId(id), json),
        Command::End { id, reason } => end(place, DelegationId(id), &reason),
    }
}

fn add(place: &Place, new: &New) -> Result<()> {
    let condition = new.condition.as_deref().map(json_argument::condition).transpose()?;
    let (_, installation) = place.open(Missing::Refuse)?;
    let (from, to) = (installation.user(&new.from)?, installation.user(&new.to)?);
    let object = installation.object(&new.object)?;
    let permission_type = installation.permission_type(&new.permission_type)?;
    let now = installation.now();
    let request = LendRequest {
        from: from.id,
        to: to.id,
        object: object.id,
        include_children: new.include_children,
        permission: permission_type.id,
        hops_left: new.hops,
        expires_at: new.until.and_then(|end| end.from(now)),
        condition,
        created_by: Party::Administrator,
    };
    let id = DelegationId(installation.id(Kind::Row));
    let made = installation.event(EventKind::DelegationCreated, []);
    let words = (from.username, to.username, object.record.code, permission_type.record.code);
    let subs = (from.sub, to.sub);
    let settings = LendSettings::default();
    let giver_conditions_bind_taker = installation.giver_conditions_bind_taker;
    let lent = installation.write(move |tx| {
        let lending = Lending { settings: &settings, giver_conditions_bind_taker, logged_in_at: now, id };
        let lent = match tx.lend(&request, &lending, &Circumstances::at(now))? {
            Ok(lent) => lent,
            Err(refused) => return Ok(Err(refused)),
        };
        let kind = match lent {
            Lent::New(_) => EventKind::DelegationCreated,
            Lent::Updated(_) => EventKind::DelegationChanged,
        };
        let (Lent::New(delegation) | Lent::Updated(delegation)) = lent;
        let (from, to, object, permission_type) = words.clone();
        let line = DelegationLine { delegation, from, to, object, permission_type };
        tx.insert_event(&about(Event { kind, ..made.clone() }, &line, subs.clone()))?;
        Ok(Ok(line))
    })?;
    let line = lent.map_err(|refused| anyhow!("nothing was lent: {}", reason(&refused)))?;
    named::done(new.json, &view(&line, now), words_of(&line))
}

/// Why nothing was lent, with times as people write them.
pub(crate) fn reason(refused: &NotLent) -> String {
    match refused {
        NotLent::Refused(Refusal::EndNeeded { latest }) => {
            format!("say until when; {} at the latest", when::rfc3339_of(*latest))
        }
        NotLent::Refused(Refusal::BeyondExpiry { latest }) => {
            format!("it may be lent until {} at the latest", when::rfc3339_of(*latest))
        }
        refused => refused.to_string(),
    }
}

fn list(place: &Place, of: &Of, all: bool, json: bool) -> Result<()> {
    let (_, installation) = place.open(Missing::Refuse)?;
    let of = match of {
        Of { from: Some(from), .. } => DelegationsOf::Giver(installation.user(from)?.id),
        Of { to: Some(to), .. } => DelegationsOf::Taker(installation.user(to)?.id),
        Of { object: Some(object), .. } => DelegationsOf::Object(installation.object(object)?.id),
        Of { .. } => DelegationsOf::All,
    };
    let now = installation.now();
    let mut lines = named::all(|last: Option<&DelegationLine>| {
        let after = last.map(|line| line.delegation.id);
        installation.read(move |reads| reads.list_delegations(of, after, PAGE))
    })?;
    lines.retain(|line| all || line.delegation.is_live(now));
    if json {
        return Ok(output::json(&lines.iter().map(|line| view(line, now)).collect())?);
    }
    let rows: Vec<_> = lines
        .into_iter()
        .map(|line| {
            let until = line.delegation.expires_at.map_or_else(|| "-".to_owned(), when::rfc3339_of);
            let (id, status) = (line.delegation.id.to_string(), status(&line.delegation, now).to_owned());
            [id, line.from, line.to, line.permission_type, line.object, until, status]
        })
        .collect();
    Ok(output::table(["ID", "FROM", "TO", "TYPE", "OBJECT", "UNTIL", "STATUS"], &rows)?)
}

/// A delegation and, further in, what was passed on from it.
struct Branch {
    line: DelegationLine,
    passed_on: Vec<Branch>,
}

impl Branch {
    fn read(reads: &mut Reads, line: DelegationLine) -> Result<Self, StoreError> {
        let children = reads.list_delegations(DelegationsOf::Parent(line.delegation.id), None, PAGE)?;
        // A parent is older than what was passed on from it, so this ends.
        let newer = children.into_iter().filter(|child| child.delegation.id > line.delegation.id);
        let passed_on = newer.map(|child| Self::read(reads, child)).collect::<Result<_, _>>()?;
        Ok(Self { line, passed_on })
    }

    fn view(&self, now: Timestamp) -> Value {
        let mut view = view(&self.line, now);
        view["passed_on"] = self.passed_on.iter().map(|branch| branch.view(now)).collect();
        view
    }

    fn write(&self, depth: usize, now: Timestamp) -> Result<()> {
        let Self { line, passed_on } = self;
        let (id, status) = (line.delegation.id, status(&line.delegation, now));
        output::line(format_args!("{:depth$}{} ({status}, {id})", "", words_of(line)))?;
        passed_on.iter().try_for_each(|branch| branch.write(depth + 2, now))
    }
}

fn show(place: &Place, id: DelegationId, json: bool) -> Result<()> {
    let (_, installation) = place.open(Missing::Refuse)?;
    let line = find(&installation, id)?;
    let tree = installation.read(move |reads| Branch::read(reads, line.clone()))?;
    let now = installation.now();
    if json { Ok(output::json(&tree.view(now))?) } else { tree.write(0, now) }
}

fn end(place: &Place, id: DelegationId, reason: &str) -> Result<()> {
    let reason = named::name(Some(reason), reason).context("the reason cannot be used")?;
    let (_, installation) = place.open(Missing::Refuse)?;
    let line = find(&installation, id)?;
    let (giver, taker) = (line.delegation.from, line.delegation.to);
    let subs = installation.read(move |reads| {
        let mut sub = |id| Ok(reads.find_user(id)?.map(|user| user.sub).unwrap_or_default());
        Ok((sub(giver)?, sub(taker)?))
    })?;
    let mut event = about(installation.event(EventKind::DelegationEnded, []), &line, subs);
    event.detail.insert("reason".to_owned(), reason.as_str().into());
    let ending = Ending { at: installation.now(), reason };
    let was_there = installation.write(move |tx| {
        let was_there = tx.end_delegation(id, &ending)?;
        if was_there {
            tx.insert_event(&event)?;
        }
        Ok(was_there)
    })?;
    if !was_there {
        bail!("the delegation {id} has ended already");
    }
    Ok(output::line(format_args!("Ended: {}", words_of(&line)))?)
}

fn find(installation: &Installation, id: DelegationId) -> Result<DelegationLine> {
    // Those after the one before it.
    let before = DelegationId(id.0.saturating_sub(1));
    let found =
        installation.read(move |reads| reads.list_delegations(DelegationsOf::All, Some(before), 1))?;
    found.into_iter().find(|line| line.delegation.id == id).with_context(|| {
        format!("there is no delegation {id}; `authmachine delegation list` shows those that are there")
    })
}

fn status(delegation: &Delegation, now: Timestamp) -> &'static str {
    match delegation.ended {
        Some(_) => "ended",
        None if delegation.is_live(now) => "live",
        None => "expired",
    }
}

fn words_of(line: &DelegationLine) -> String {
    let DelegationLine { delegation, from, to, object, permission_type } = line;
    let until = delegation.expires_at.map(|end| format!(" until {}", when::rfc3339_of(end)));
    format!("{from} lends {to} {permission_type} on {object}{}", until.unwrap_or_default())
}

fn view(line: &DelegationLine, now: Timestamp) -> Value {
    let DelegationLine { delegation, from, to, object, permission_type } = line;
    json!({
        // Not every reader of JSON knows 63 bits.
        "id": delegation.id.to_string(),
        "from": from,
        "to": to,
        "object": object,
        "type": permission_type,
        "include_children": delegation.include_children,
        "hops_left": delegation.hops_left,
        "expires_at": delegation.expires_at.map(when::rfc3339_of),
        "condition": delegation.condition.as_deref(),
        "parent": delegation.parent.map(|id| id.to_string()),
        "by_administrator": delegation.created_by == Party::Administrator,
        "created_at": when::rfc3339_of(delegation.created_at),
        "status": status(delegation, now),
        "ended_at": delegation.ended.as_ref().map(|ending| when::rfc3339_of(ending.at)),
        "reason": delegation.ended.as_ref().map(|ending| ending.reason.as_str()),
    })
}

/// An event about a delegation: its user is the taker, and `detail` has the giver by its `sub`.
pub(crate) fn about(event: Event, line: &DelegationLine, (giver, taker): (String, String)) -> Event {
    let DelegationLine { delegation, object, permission_type, .. } = line;
    let detail = json!({
        "delegation": delegation.id.to_string(),
        "from": giver,
        "object": object,
        "type": permission_type,
        "include_children": delegation.include_children,
        "hops_left": delegation.hops_left,
        "expires_at": delegation.expires_at.map(when::rfc3339_of),
    });
    let mut detail = detail.as_object().cloned().unwrap_or_default();
    detail.retain(|_, value| !value.is_null());
    Event { user: Some(taker), detail, ..event }
}
