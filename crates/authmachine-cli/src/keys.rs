//! `authmachine keys …`

use anyhow::{Context as _, Result, bail};
use authmachine_jose::Algorithm;
use authmachine_provider::Timestamp;
use authmachine_provider::event::EventKind;
use authmachine_provider::keys::{self as schedule, SigningKeyRecord, State};
use authmachine_server::keys;
use clap::Subcommand;
use serde_json::{Value, json};

use crate::installation::Missing;
use crate::{Place, output, when};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Lists the keys that are published: next, signing, retired
    List {
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Makes and publishes the next key, which signs after `keys.publish_before`; where none signs with the algorithm, at once.
    /// A running server does this by itself, as `keys.rotate_after` has it
    Rotate {
        /// RS256, PS256, ES256 or EdDSA
        #[arg(long, value_name = "A", default_value = "RS256")]
        alg: Algorithm,
        /// Makes a key that signs at once, in the place of the present and the next one, which are not trusted any more: the
        /// one goes when the last ID token that it signed has expired, the other now
        #[arg(long)]
        now: bool,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(command: Command, place: &Place) -> Result<()> {
    match command {
        Command::List { json } => list(place, json),
        Command::Rotate { alg, now, json } => rotate(place, alg, now, json),
    }
}

fn list(place: &Place, json: bool) -> Result<()> {
    let (_, installation) = place.open(Missing::Refuse)?;
    let now = installation.now();
    let mut keys = installation.read(|reads| reads.list_signing_keys())?;
    keys.retain(|key| key.is_published(now));
    if json {
        return Ok(output::json(&keys.iter().map(|key| view(&keys, key, now)).collect())?);
    }
    let rows: Vec<_> = keys
        .iter()
        .map(|key| {
            [
                key.kid.clone(),
                key.algorithm.to_string(),
                status(&keys, key, now).to_owned(),
                when::rfc3339_of(key.created_at),
                when::rfc3339_of(key.active_from),
                key.expires_at.map_or_else(|| "-".to_owned(), when::rfc3339_of),
            ]
        })
        .collect();
    Ok(output::table(["KID", "ALG", "STATUS", "PUBLISHED", "SIGNS FROM", "PUBLISHED UNTIL"], &rows)?)
}

fn rotate(place: &Place, algorithm: Algorithm, at_once: bool, json: bool) -> Result<()> {
    let (config, installation) = place.open(Missing::Refuse)?;
    let now = installation.now();
    let settings = config.settings(0);
    if installation.read(|reads| reads.list_signing_keys())?.is_empty() {
        bail!("there are no keys yet: the first start of `authmachine serve` makes them");
    }
    let new = keys::generate(algorithm, &installation.secrets, now);
    let new_kid = new.kid.clone();
    let rotated = installation.event(EventKind::KeyRotated, []);
    let published = installation.event(EventKind::KeyPublished, []);
    let last_token_ends = now.plus_seconds(schedule::stays_at_least_s(&settings.lives));
    let (old_kid, kid) = installation.write(move |tx| {
        if at_once {
            let old_kid = keys::rotate(tx, &new, last_token_ends)?;
            tx.insert_event(&keys::rotated(rotated.clone(), algorithm, &new.kid, old_kid.as_deref()))?;
            return Ok((old_kid, new.kid.clone()));
        }
        let next = keys::publish(tx, &new, settings.keys.publish_before_s)?;
        if next.active_from <= now {
            tx.insert_event(&keys::rotated(rotated.clone(), algorithm, &next.kid, None))?;
        } else if next.kid == new.kid {
            tx.insert_event(&keys::published(published.clone(), &next))?;
        }
        Ok((None, next.kid))
    })?;
    let keys = installation.read(|reads| reads.list_signing_keys())?;
    let key = keys.iter().find(|key| key.kid == kid).context("the key came and went; try again")?;
    if json {
        return Ok(output::json(&view(&keys, key, now))?);
    }
    output::line(match status(&keys, key, now) {
        "next" => {
            let word = if kid == new_kid { "published, and" } else { "published already:" };
            let from = when::rfc3339_of(key.active_from);
            format!("The key {kid} is {word} signs with {algorithm} from {from} on")
        }
        _ => format!("The key {kid} signs with {algorithm} from now on"),
    })?;
    if let Some(old) = old_kid {
        let until = when::rfc3339_of(last_token_ends);
        output::line(format_args!("The key {old} stays published until {until}"))?;
    }
    Ok(())
}

fn status(keys: &[SigningKeyRecord], key: &SigningKeyRecord, now: Timestamp) -> &'static str {
    match schedule::state(keys, key, now) {
        State::Next => "next",
        State::Active => "signs",
        State::Retired => "retired",
        State::Gone => "expired",
    }
}

fn view(keys: &[SigningKeyRecord], key: &SigningKeyRecord, now: Timestamp) -> Value {
    json!({
        "kid": key.kid,
        "alg": key.algorithm,
        "status": status(keys, key, now),
        "created_at": when::rfc3339_of(key.created_at),
        "active_from": when::rfc3339_of(key.active_from),
        "retired_at": key.retired_at.map(when::rfc3339_of),
        "expires_at": key.expires_at.map(when::rfc3339_of),
    })
}
