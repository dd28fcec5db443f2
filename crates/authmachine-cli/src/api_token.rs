//! `authmachine api-token …`

use anyhow::{Result, bail};
use authmachine_protocol::Scopes;
use authmachine_provider::Timestamp;
use authmachine_provider::api_token::{AUTHZEN, ApiToken, PERMISSIONS_READ, SCOPES};
use authmachine_provider::client::ObjectScope;
use authmachine_provider::event::EventKind;
use authmachine_provider::handle::Handle;
use authmachine_provider::ids::{ApiTokenId, Kind};
use authmachine_provider::subject_ids::SubjectIds;
use authmachine_server::random;
use clap::Subcommand;
use serde_json::{Value, json};

use crate::installation::{Installation, Missing};
use crate::when::{self, End};
use crate::{Place, named, object, output};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Makes an API token, which is printed once
    Create {
        /// What to call it
        name: String,
        /// What it is for: permissions:read; authzen, to ask who may do what (AuthZEN); or clients:register, the initial access token
        /// of dynamic registration
        #[arg(long, value_name = "S", num_args = 1.., value_parser = SCOPES.to_vec(), default_value = PERMISSIONS_READ)]
        scope: Vec<String>,
        /// Codes of the objects that it may see, or the beginning of codes and `*`; by default none
        #[arg(long, value_name = "CODE", num_args = 1.., conflicts_with = "all_objects")]
        objects: Vec<String>,
        /// It may see every object
        #[arg(long)]
        all_objects: bool,
        /// What it means by the id of a user when it asks by AuthZEN: sub, username or email
        #[arg(long, value_name = "IDS", value_parser = subject_ids, default_value = SubjectIds::Sub.as_str())]
        subject_ids: SubjectIds,
        /// When it ends: a duration such as 90d, a time such as 2027-01-31T18:00:00Z, or `never`
        #[arg(long, value_name = "T", default_value = "365d", value_parser = when::end)]
        expires: End,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Lists the API tokens
    List {
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Revokes an API token
    Revoke {
        /// Its name
        name: String,
    },
}

pub(crate) fn run(command: Command, place: &Place) -> Result<()> {
    match command {
        Command::Create { name, scope, objects, all_objects, subject_ids, expires, json } => {
            let objects = if all_objects { ObjectScope::All } else { ObjectScope::Attached(objects) };
            let scopes = scope.iter().map(String::as_str).collect();
            create(place, &name, scopes, objects, subject_ids, expires, json)
        }
        Command::List { json } => list(place, json),
        Command::Revoke { name } => revoke(place, &name),
    }
}

pub(crate) fn subject_ids(word: &str) -> Result<SubjectIds, String> {
    SubjectIds::from_word(word).ok_or_else(|| "not one of sub, username, email".to_owned())
}

fn create(
    place: &Place,
    name: &str,
    scopes: Scopes,
    objects: ObjectScope,
    subject_ids: SubjectIds,
    expires: End,
    json: bool,
) -> Result<()> {
    named::name(Some(name), name)?;
    if let ObjectScope::Attached(codes) = &objects {
        object::check_scope(codes)?;
        if codes.is_empty() && (scopes.contains(PERMISSIONS_READ) || scopes.contains(AUTHZEN)) {
            output::note("This token sees no object: name some with --objects, or give it --all-objects");
        }
    }
    let (_, installation) = place.open(Missing::Make)?;
    let expires_at = expires.from(installation.now());
    if expires_at.is_some_and(|end| end <= installation.now()) {
        bail!("--expires is in the past");
    }
    if let ObjectScope::Attached(codes) = &objects {
        object::note_unknown(&installation, codes)?;
    }
    let (token, handle) = insert(&installation, name, scopes, objects, subject_ids, expires_at)?;
    if json {
        let mut view = view(&token, installation.now());
        view["token"] = handle.reveal().into();
        return Ok(output::json(&view)?);
    }
    let until = expires_at
        .map_or("It does not expire".to_owned(), |end| format!("It ends {}", when::rfc3339_of(end)));
    output::line(format_args!("Made the API token {name}. {until}"))?;
    Ok(output::line(format_args!("The token, shown only now: {}", handle.reveal()))?)
}

/// Stores a new API token; the handle is the only copy of its text.
pub(crate) fn insert(
    installation: &Installation,
    name: &str,
    scopes: Scopes,
    objects: ObjectScope,
    subject_ids: SubjectIds,
    expires_at: Option<Timestamp>,
) -> Result<(ApiToken, Handle)> {
    let now = installation.now();
    let handle = random::handle(installation.ids(), Kind::ApiToken, now);
    let token = ApiToken {
        id: ApiTokenId(handle.id()),
        name: name.to_owned(),
        scopes,
        objects,
        subject_ids,
        created_at: now,
        expires_at,
        revoked_at: None,
        last_used_at: None,
    };
    let event = installation.event(EventKind::ApiTokenCreated, [("api_token", name.into())]);
    let (new, sha256) = (token.clone(), handle.sha256());
    let is_new = installation.write(move |tx| {
        let is_new = tx.insert_api_token(&new, &sha256)?;
        if is_new {
            tx.insert_event(&event)?;
        }
        Ok(is_new)
    })?;
    if !is_new {
        bail!("there is an API token {name:?} already, or there was: a revoked one keeps its name");
    }
    Ok((token, handle))
}

fn list(place: &Place, json: bool) -> Result<()> {
    let (_, installation) = place.open(Missing::Refuse)?;
    let tokens = installation.read(|reads| reads.list_api_tokens())?;
    let now = installation.now();
    if json {
        return Ok(output::json(&tokens.iter().map(|token| view(token, now)).collect())?);
    }
    let time = |time: Option<_>| time.map_or_else(|| "-".to_owned(), when::rfc3339_of);
    let rows: Vec<_> = tokens
        .iter()
        .map(|token| {
            let objects = match &token.objects {
                ObjectScope::All => "all".to_owned(),
                ObjectScope::Attached(codes) if codes.is_empty() => "none".to_owned(),
                ObjectScope::Attached(codes) => codes.join(" "),
            };
            let (ends, used) = (time(token.expires_at), time(token.last_used_at));
            [token.name.clone(), status(token, now).to_owned(), token.scopes.to_string(), ends, used, objects]
        })
        .collect();
    Ok(output::table(["NAME", "STATUS", "SCOPE", "ENDS", "LAST USED", "OBJECTS"], &rows)?)
}

fn revoke(place: &Place, name: &str) -> Result<()> {
    let (_, installation) = place.open(Missing::Refuse)?;
    let event = installation.event(EventKind::ApiTokenRevoked, [("api_token", name.into())]);
    let (wanted, now) = (name.to_owned(), installation.now());
    let was_live = installation.write(move |tx| {
        let was_live = tx.revoke_api_token(&wanted, now)?;
        if was_live {
            tx.insert_event(&event)?;
        }
        Ok(was_live)
    })?;
    if !was_live {
        bail!(
            "there is no API token {name:?} that could be revoked; `authmachine api-token list` shows them"
        );
    }
    Ok(output::line(format_args!("Revoked the API token {name}"))?)
}

fn status(token: &ApiToken, now: Timestamp) -> &'static str {
    match token.revoked_at {
        Some(_) => "revoked",
        None if token.is_live(now) => "live",
        None => "expired",
    }
}

fn view(token: &ApiToken, now: Timestamp) -> Value {
    let objects = match &token.objects {
        ObjectScope::All => json!("all"),
        ObjectScope::Attached(codes) => json!(codes),
    };
    json!({
        "name": token.name,
        "status": status(token, now),
        "scope": token.scopes,
        "objects": objects,
        "subject_ids": token.subject_ids.as_str(),
        "created_at": when::rfc3339_of(token.created_at),
        "expires_at": token.expires_at.map(when::rfc3339_of),
        "revoked_at": token.revoked_at.map(when::rfc3339_of),
        "last_used_at": token.last_used_at.map(when::rfc3339_of),
    })
}
