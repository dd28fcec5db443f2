//! `authmachine check` and `authmachine why`

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use authmachine_permissions::{
    Attributes, Circumstances, Explanation, Hindrance, Index, Loan, Near, Party, PermissionGrant, Question,
    Reach, Right, Subject, Verdict,
};
use authmachine_provider::Timestamp;
use authmachine_provider::ids::{PermissionGrantId, PermissionTypeId, UserId};
use authmachine_provider::permission_records::Origin;
use authmachine_store::{DelegationsOf, GrantFilter, Reads, SliceOf, SliceSettings, StoreError};
use clap::Args;
use serde_json::{Map, Value, json};

use crate::installation::{Installation, Missing};
use crate::when;
use crate::{Place, output};

/// How many delegations that are over are looked through, and how many of them are told.
const MOST_LOOKED_AT: i64 = 1_000;
const MOST_TOLD: usize = 3;

#[derive(Args)]
pub(crate) struct Options {
    /// A name, a mail address or an id
    user: String,
    /// The permission type's code
    #[arg(value_name = "TYPE")]
    permission_type: String,
    /// The object's code
    object: String,
    /// Asks for another moment, such as 2027-01-31T18:00:00Z
    #[arg(long, value_name = "T", value_parser = when::timestamp)]
    at: Option<Timestamp>,
    /// What an application would say of the request, for conditions: `ip=10.1.2.3`, the value in JSON or a text
    #[arg(long, value_name = "KEY=VALUE", num_args = 1..)]
    context: Vec<String>,
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

/// A question and what it depends on.
struct Asked {
    installation: Installation,
    user: UserId,
    index: Index,
    context: Attributes,
    now: Timestamp,
}

impl Asked {
    fn ask(place: &Place, options: &Options) -> Result<Self> {
        let context = context(&options.context)?;
        let (_, installation) = place.open(Missing::Refuse)?;
        let user = installation.user(&options.user)?.id;
        let now = options.at.unwrap_or_else(|| installation.now());
        let codes = [options.object.clone()];
        let giver_conditions_bind_taker = installation.giver_conditions_bind_taker;
        let settings = SliceSettings { giver_conditions_bind_taker, ..SliceSettings::at(now) };
        let index = installation.read(move |reads| {
            reads.permission_slice(SliceOf::Objects(Subject::User(user), &codes), &settings)
        })??;
        Ok(Self { installation, user, index, context, now })
    }

    fn question<'a>(&self, options: &'a Options) -> Question<'a> {
        Question {
            subject: Subject::User(self.user),
            object: &options.object,
            permission: &options.permission_type,
        }
    }

    fn circumstances(&self) -> Circumstances<'_> {
        Circumstances { context: &self.context, ..Circumstances::at(self.now) }
    }

    fn explain(&self, options: &Options) -> Result<Explanation> {
        let mut explanation = self
            .index
            .explain(&self.question(options), &self.circumstances())
            .context("the answer is no, without a reason")?;
        if let Verdict::No(near) = &mut explanation.verdict {
            let (user, now) = (self.user, self.now);
            let (object, permission) = (options.object.clone(), options.permission_type.clone());
            near.extend(self.installation.read(move |reads| over(reads, user, &object, &permission, now))?);
        }
        Ok(explanation)
    }

    /// Says what may have been meant, where the question names what is not there.
    fn note_missing(&self, options: &Options) {
        let object = self.installation.object(&options.object).map(drop);
        let permission_type = self.installation.permission_type(&options.permission_type).map(drop);
        for why in [object, permission_type].into_iter().filter_map(Result::err) {
            output::note(format_args!("{why}"));
        }
    }
}

/// Answers with the exit code: 0 for yes, 1 for no.
pub(crate) fn check(options: &Options, place: &Place) -> Result<ExitCode> {
    let asked = Asked::ask(place, options)?;
    let is_permitted =
        asked.index.check(&asked.question(options), &asked.circumstances()).context("the answer is no")?;
    if options.json {
        output::json(&json!({
            "user": name(&asked.installation, Subject::User(asked.user)),
            "object": options.object,
            "type": options.permission_type,
            "permitted": is_permitted,
        }))?;
    } else {
        output::line(if is_permitted { "yes" } else { "no" })?;
    }
    if is_permitted {
        return Ok(ExitCode::SUCCESS);
    }
    asked.note_missing(options);
    Ok(ExitCode::FAILURE)
}

/// Explains the answer, whatever it is.
pub(crate) fn why(options: &Options, place: &Place) -> Result<()> {
    let asked = Asked::ask(place, options)?;
    let explanation = asked.explain(options)?;
    let installation = &asked.installation;
    let name = |subject| name(installation, subject);
    let origin = |grant: &PermissionGrant| origin(installation, grant).ok().flatten();
    let given = |grant: &PermissionGrant| origin(grant).map(|origin| (origin.created_by, origin.created_at));
    if options.json {
        output::json(&explanation.data(&name, &given))?;
    } else {
        output::line(explanation.words(&name))?;
        let rights: Vec<&Right> = match &explanation.verdict {
            Verdict::Yes(right) => vec![right],
            Verdict::Barred(_) => Vec::new(),
            Verdict::No(near) => near.iter().map(|near| &near.right).collect(),
        };
        for right in rights {
            tell_origin(right, &name, &origin)?;
        }
    }
    if !explanation.is_permitted() {
        asked.note_missing(options);
    }
    Ok(())
}

/// Who gave what stands in an explanation, and when: a line for each link of the chain.
fn tell_origin(
    right: &Right,
    name: &dyn Fn(Subject) -> String,
    origin: &dyn Fn(&PermissionGrant) -> Option<Origin>,
) -> Result<()> {
    match right {
        Right::Held(held) => {
            let Some(origin) = origin(&held.grant) else { return Ok(()) };
            let by = if origin.created_by.is_empty() { "somebody" } else { &origin.created_by };
            let what = held.types.first().map_or("", String::as_str);
            let (at, way) = (when::rfc3339_of(origin.created_at), origin.source.as_str());
            output::line(format_args!("  «{what}» was granted by {by} ({way}) at {at}"))?;
        }
        Right::Lent(loan) => {
            let delegation = &loan.delegation;
            let by = match delegation.created_by {
                Party::User(user) => name(Subject::User(user)),
                Party::Administrator => "an administrator".to_owned(),
            };
            let what = loan.types.first().map_or("", String::as_str);
            let at = when::rfc3339_of(delegation.created_at);
            output::line(format_args!("  «{what}» was lent by {by} at {at} (delegation {})", delegation.id))?;
            if let Some(giver) = &loan.giver {
                tell_origin(giver, name, origin)?;
            }
        }
    }
    Ok(())
}

fn name(installation: &Installation, subject: Subject) -> String {
    let found = installation.read(move |reads| match subject {
        Subject::User(id) => Ok(reads.find_user(id)?.map(|user| user.username)),
        Subject::Group(id) => Ok(reads.find_group_by_id(id)?.map(|group| group.record.code)),
        Subject::Client(id) => Ok(reads.find_client(id)?.map(|client| client.client_id)),
    });
    found.ok().flatten().unwrap_or_else(|| "somebody who is gone".to_owned())
}

fn origin(installation: &Installation, grant: &PermissionGrant) -> Result<Option<Origin>> {
    let filter = GrantFilter {
        holder: Some(grant.holder),
        target: Some(grant.target.clone()),
        permission: Some(grant.permission),
    };
    let (id, before) = (grant.id, PermissionGrantId(grant.id.0 - 1));
    let found = installation.read(move |reads| reads.list_permission_grants(&filter, Some(before), 1))?;
    Ok(found.into_iter().find(|line| line.grant.id == id).map(|line| line.origin))
}

/// What was lent to a user and is over by now: a slice has only what can count.
fn over(
    reads: &mut Reads,
    user: UserId,
    object: &str,
    permission: &str,
    now: Timestamp,
) -> Result<Vec<Near>, StoreError> {
    let lent: Vec<_> = reads
        .list_delegations(DelegationsOf::Taker(user), None, MOST_LOOKED_AT)?
        .into_iter()
        .filter(|line| !line.delegation.is_live(now) && line.delegation.created_at <= now)
        .collect();
    let mut above = Vec::new();
    let mut next = if lent.is_empty() { None } else { reads.find_object(object)? };
    while let Some(found) = next {
        let parent = found.parent;
        above.push(found);
        next = parent.map(|id| reads.find_object_by_id(id)).transpose()?.flatten();
    }
    let types = reads.list_permission_types(None, MOST_LOOKED_AT)?;
    let implies = |id: PermissionTypeId| {
        let mut all = vec![id];
        let mut at = 0;
        while let Some(one) = all.get(at).and_then(|id| types.iter().find(|known| known.id == *id)) {
            all.extend(one.implies.iter().filter(|id| !all.contains(id)).copied().collect::<Vec<_>>());
            at += 1;
        }
        all
    };
    let wanted = types.iter().find(|one| one.code == permission).map(|one| one.id);
    let told = lent.into_iter().rev().filter_map(|line| {
        let delegation = line.delegation;
        let place = above.iter().position(|object| object.id == delegation.object)?;
        let reaches = place == 0 || delegation.include_children;
        if !reaches || !implies(delegation.permission).contains(&wanted?) {
            return None;
        }
        let reach = match place {
            0 => Reach::Itself,
            _ => Reach::Above(above[1..=place].iter().map(|object| object.code.clone()).collect()),
        };
        let mut types = vec![line.permission_type];
        types.extend((types[0] != permission).then(|| permission.to_owned()));
        let hindrance = match (&delegation.ended, delegation.expires_at) {
            (Some(ending), _) => Hindrance::Ended(ending.clone()),
            (None, end) => Hindrance::Expired(end.unwrap_or(now)),
        };
        let loan = Loan { delegation: Arc::new(delegation), reach, types, giver: None };
        Some(Near { right: Right::Lent(loan), hindrances: vec![hindrance] })
    });
    Ok(told.take(MOST_TOLD).collect())
}

/// Reads `key=value`, the value in JSON, or else a text.
fn context(given: &[String]) -> Result<Attributes> {
    let mut context = Map::new();
    for pair in given {
        let Some((key, value)) = pair.split_once('=') else {
            bail!("{pair:?} is not of the form key=value");
        };
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        if context.insert(key.to_owned(), value).is_some() {
            bail!("--context says {key} twice");
        }
    }
    Attributes::parse(&Value::from(context).to_string()).context("--context cannot be used")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_json_or_text() {
        let read = |given: &[&str]| context(&given.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>());
        let good = read(&["ip=10.1.2.3", "floor=3", "tags=[\"a\"]", "quoted=\"3\"", "empty="]).expect("good");
        assert_eq!(
            serde_json::to_value(&good).expect("JSON"),
            json!({ "ip": "10.1.2.3", "floor": 3, "tags": ["a"], "quoted": "3", "empty": "" })
        );
        for bad in [&["ip"][..], &["a=1", "a=2"], &["a b=1"], &["a={\"b\":1}"], &["a=null"]] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }
}
