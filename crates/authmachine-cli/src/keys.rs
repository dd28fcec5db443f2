//! `authmachine keys …`

use anyhow::{Result, bail};
use authmachine_jose::Algorithm;
use authmachine_provider::Timestamp;
use authmachine_provider::event::EventKind;
use authmachine_provider::keys::SigningKeyRecord;
use authmachine_server::keys;
use clap::Subcommand;
use serde_json::{Value, json};

use crate::installation::Missing;
use crate::{Place, output, when};

/// A running server takes up the new key in a quarter of a second, and looks again each minute whatever happens: until then the
/// old one signs.
const TAKE_UP_S: i64 = 120;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Lists the keys that are published
    List {
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Makes a new key in the place of the one in use, which stays published until the last token that it signed has expired
    Rotate {
        /// RS256, PS256, ES256 or EdDSA
        #[arg(long, value_name = "A", default_value = "RS256")]
        alg: Algorithm,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(command: Command, place: &Place) -> Result<()> {
    match command {
        Command::List { json } => list(place, json),
        Command::Rotate { alg, json } => rotate(place, alg, json),
    }
}

fn list(place: &Place, json: bool) -> Result<()> {
    let (_, installation) = place.open(Missing::Refuse)?;
    let now = installation.now();
    let mut keys = installation.read(|reads| reads.list_signing_keys())?;
    keys.retain(|key| key.is_published(now));
    if json {
        return Ok(output::json(&keys.iter().map(|key| view(key, now)).collect())?);
    }
    let time = |time: Option<_>| time.map_or_else(|| "-".to_owned(), when::rfc3339_of);
    let rows: Vec<_> = keys
        .iter()
        .map(|key| {
            let (made, until) = (when::rfc3339_of(key.created_at), time(key.expires_at));
            [key.kid.clone(), key.algorithm.to_string(), status(key, now).to_owned(), made, until]
        })
        .collect();
    Ok(output::table(["KID", "ALG", "STATUS", "MADE", "PUBLISHED UNTIL"], &rows)?)
}

fn rotate(place: &Place, algorithm: Algorithm, json: bool) -> Result<()> {
    let (config, installation) = place.open(Missing::Refuse)?;
    let now = installation.now();
    let there = installation.read(|reads| reads.list_signing_keys())?;
    if there.is_empty() {
        bail!("there are no keys yet: the first start of `authmachine serve` makes them");
    }
    let old =
        there.iter().find(|key| key.is_active() && key.algorithm == algorithm).map(|key| key.kid.clone());
    let new = keys::generate(algorithm, &installation.secrets, now);
    let last_token_ends = now.plus_seconds(config.settings(0).lives.id_token_s + TAKE_UP_S);
    let event = installation.event(
        EventKind::KeyRotated,
        [
            ("alg", algorithm.as_str().into()),
            ("kid", new.kid.as_str().into()),
            ("old_kid", old.clone().into()),
        ],
    );
    let made = new.clone();
    installation.write(move |tx| {
        keys::rotate(tx, &new, last_token_ends)?;
        tx.insert_event(&event)
    })?;
    if json {
        return Ok(output::json(&view(&made, now))?);
    }
    output::line(format_args!("The key {} signs with {algorithm} from now on", made.kid))?;
    if let Some(old) = old {
        output::line(format_args!(
            "The key {old} stays published until {}",
            when::rfc3339_of(last_token_ends)
        ))?;
    }
    Ok(())
}

fn status(key: &SigningKeyRecord, now: Timestamp) -> &'static str {
    match (key.is_active(), key.is_published(now)) {
        (true, _) => "signs",
        (false, true) => "retired",
        (false, false) => "expired",
    }
}

fn view(key: &SigningKeyRecord, now: Timestamp) -> Value {
    json!({
        "kid": key.kid,
        "alg": key.algorithm,
        "status": status(key, now),
        "created_at": when::rfc3339_of(key.created_at),
        "retired_at": key.retired_at.map(when::rfc3339_of),
        "expires_at": key.expires_at.map(when::rfc3339_of),
    })
}
