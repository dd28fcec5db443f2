//! `authmachine user …`

use anyhow::{Context as _, Result, bail};
use authmachine_provider::event::{Event, EventKind};
use authmachine_provider::ids::{Kind, UserId};
use authmachine_provider::user::{self, User, UserStatus};
use authmachine_provider::{password, user_claims};
use authmachine_server::{passwords, random};
use authmachine_store::Inserted;
use clap::Subcommand;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::config::Config;
use crate::installation::{Installation, Missing};
use crate::{Place, output, secret, when};

/// Users that are read at once.
const PAGE: i64 = 500;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Makes a user; asks for the password unless it comes on standard input
    Add {
        /// The name to sign in with
        name: String,
        /// The mail address
        #[arg(long, value_name = "E")]
        email: Option<String>,
        /// Reads the password from standard input, one line
        #[arg(long)]
        password_stdin: bool,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Sets what is said about a user, such as `user set alice name='"Alice Liddell"' department=null`
    #[command(after_help = SET_HELP)]
    Set {
        /// A name, a mail address or an id
        user: String,
        /// `claim=value`, the value in JSON; `null` removes the claim
        #[arg(required = true, value_name = "CLAIM=JSON")]
        claims: Vec<String>,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Lists the users
    List {
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Locks a user: no sign-in, and everything that was issued ends
    Lock {
        /// A name, a mail address or an id
        user: String,
    },
    /// Lets a locked user sign in again
    Unlock {
        /// A name, a mail address or an id
        user: String,
    },
    /// Sets a password; everything that was issued to the user ends
    Passwd {
        /// A name, a mail address or an id
        user: String,
        /// Reads the password from standard input, one line
        #[arg(long)]
        password_stdin: bool,
    },
}

const SET_HELP: &str = "\
The standard claims of OpenID Connect go out by scope, others to first-party clients:
  authmachine user set alice name='\"Alice Liddell\"' email='\"alice@example.com\"' email_verified=true
  authmachine user set alice address='{\"locality\":\"Oxford\",\"country\":\"GB\"}' department='\"Chess\"'
Names, address, profile, picture and website may be there in several languages:
  authmachine user set alice name#ja-Kana-JP='\"アリス\"'";

pub(crate) fn run(command: Command, place: &Place) -> Result<()> {
    match command {
        Command::Add { name, email, password_stdin, json } => add(place, name, email, password_stdin, json),
        Command::Set { user, claims, json } => set(place, &user, &claims, json),
        Command::List { json } => list(place, json),
        Command::Lock { user } => set_status(place, &user, UserStatus::Locked),
        Command::Unlock { user } => set_status(place, &user, UserStatus::Active),
        Command::Passwd { user, password_stdin } => passwd(place, &user, password_stdin),
    }
}

fn add(place: &Place, name: String, email: Option<String>, password_stdin: bool, json: bool) -> Result<()> {
    if let Some(email) = &email {
        user::check_email(email).with_context(|| format!("the address {email:?} cannot be used"))?;
    }
    user::check_username(&name, email.as_deref())
        .with_context(|| format!("the name {name:?} cannot be used"))?;
    let (config, installation) = place.open(Missing::Make)?;
    let hash = new_password(&config, &name, email.as_deref(), password_stdin)?;
    let now = installation.now();
    let user = User {
        id: UserId(installation.id(Kind::Row)),
        sub: random::public_id(),
        username: name,
        email,
        email_verified: false,
        status: UserStatus::Active,
        claims: Map::new(),
        epoch: 0,
        created_at: now,
        updated_at: now,
    };
    insert(&installation, &user, &hash)?;
    if json {
        output::json(&view(&user))?;
    } else {
        output::line(format_args!("Made the user {} with the id {}", user.username, user.sub))?;
    }
    Ok(())
}

/// Stores a new user with the hash of a password.
pub(crate) fn insert(installation: &Installation, user: &User, hash: &str) -> Result<()> {
    let event = about(installation.event(EventKind::UserCreated, []), user);
    let (new, hash, now) = (user.clone(), hash.to_owned(), installation.now());
    let inserted = installation.write(move |tx| {
        let inserted = tx.insert_user(&new)?;
        if inserted == Inserted::Yes {
            tx.set_password(new.id, &hash, now)?;
            tx.insert_event(&event)?;
        }
        Ok(inserted)
    })?;
    match inserted {
        Inserted::Yes => Ok(()),
        Inserted::NameTaken => bail!("there is a user {:?} already", user.username),
        Inserted::EmailTaken => bail!("another user has that mail address"),
    }
}

fn set(place: &Place, name: &str, given: &[String], json: bool) -> Result<()> {
    let given = given.iter().map(|text| claim(text)).collect::<Result<Vec<_>>>()?;
    let (_, installation) = place.open(Missing::Refuse)?;
    let before = installation.user(name)?;
    let mut user = before.clone();
    let was = user.email.clone();
    for (claim, value) in &given {
        match (claim.as_str(), value) {
            ("email", Value::Null) => user.email = None,
            ("email", Value::String(email)) => user.email = Some(email.clone()),
            ("email_verified", value) => {
                if !given.iter().any(|(other, _)| other == "email") {
                    user.email_verified = value.as_bool().unwrap_or(false);
                }
            }
            (_, Value::Null) => {
                user.claims.remove(claim);
            }
            _ => {
                user.claims.insert(claim.clone(), value.clone());
            }
        }
    }
    // A new address is not verified, unless this says so.
    if user.email != was || given.iter().any(|(claim, _)| claim == "email") {
        let said = given
            .iter()
            .rev()
            .find(|(claim, _)| claim == "email_verified")
            .and_then(|(_, value)| value.as_bool());
        user.email_verified =
            said.unwrap_or(user.email == was && user.email_verified) && user.email.is_some();
    }
    user::check_username(&user.username, user.email.as_deref()).context("the address cannot be changed")?;
    user.updated_at = installation.now();

    let names: Vec<Value> = given.iter().map(|(claim, _)| Value::from(claim.as_str())).collect();
    let event = about(installation.event(EventKind::UserChanged, [("claims", names.into())]), &user);
    let changed = user.clone();
    let updated = installation.write(move |tx| {
        // Somebody else may have been quicker.
        if tx.find_user(before.id)?.as_ref() != Some(&before) {
            return Ok(None);
        }
        let updated = tx.update_user(&changed)?;
        if updated == Inserted::Yes {
            tx.insert_event(&event)?;
        }
        Ok(Some(updated))
    })?;
    match updated {
        Some(Inserted::Yes) => {}
        Some(Inserted::NameTaken | Inserted::EmailTaken) => bail!("another user has that mail address"),
        None => bail!("somebody else changed {} in this moment; try again", user.username),
    }
    if json {
        output::json(&view(&user))?
    } else {
        output::line(format_args!("Changed {}", user.username))?
    }
    Ok(())
}

/// Reads `claim=json` and checks it.
fn claim(text: &str) -> Result<(String, Value)> {
    let (name, json) =
        text.split_once('=').with_context(|| format!("{text:?} is not of the form claim=json"))?;
    if matches!(name, "username" | "preferred_username") {
        bail!("a user's name is not changed here");
    }
    let value: Value = match serde_json::from_str(json) {
        Ok(value) => value,
        Err(_) => {
            let quoted = Value::from(json).to_string().replace('\'', r"'\''");
            bail!(
                "the value of {name} is not JSON; a text is quoted twice, once for the shell: {name}='{quoted}'"
            );
        }
    };
    let checked = if value.is_null() {
        user_claims::check(name, &Value::from("1"))
    } else {
        user_claims::check(name, &value)
    };
    match checked {
        // A stand-in for «nothing» was checked: only the name counts.
        Err(why @ (user_claims::ClaimError::Reserved | user_claims::ClaimError::Name)) => {
            Err(why).with_context(|| format!("{name} cannot be set"))
        }
        Err(why) if !value.is_null() => Err(why).with_context(|| format!("{name} cannot be set")),
        _ => {
            if let ("email", Some(email)) = (name, value.as_str()) {
                user::check_email(email).with_context(|| format!("the address {email:?} cannot be used"))?;
            }
            Ok((name.to_owned(), value))
        }
    }
}

fn list(place: &Place, json: bool) -> Result<()> {
    let (_, installation) = place.open(Missing::Refuse)?;
    let mut users: Vec<User> = Vec::new();
    loop {
        let after = users.last().map(|user| user.id);
        let page = installation.read(move |reads| reads.list_users(after, PAGE))?;
        if page.is_empty() {
            break;
        }
        users.extend(page);
    }
    if json {
        return Ok(output::json(&users.iter().map(view).collect())?);
    }
    let rows: Vec<_> = users
        .iter()
        .map(|user| {
            let email = user.email.clone().unwrap_or_default();
            [user.username.clone(), email, user.status.as_str().to_owned(), user.sub.clone()]
        })
        .collect();
    Ok(output::table(["NAME", "EMAIL", "STATUS", "ID"], &rows)?)
}

fn set_status(place: &Place, name: &str, status: UserStatus) -> Result<()> {
    let (_, installation) = place.open(Missing::Refuse)?;
    let user = installation.user(name)?;
    let kind = match status {
        UserStatus::Locked => EventKind::UserLocked,
        UserStatus::Active => EventKind::UserUnlocked,
    };
    let event = about(installation.event(kind, []), &user);
    let (id, now) = (user.id, installation.now());
    installation.write(move |tx| {
        tx.set_user_status(id, status, now)?;
        tx.insert_event(&event)
    })?;
    match status {
        UserStatus::Locked => {
            output::line(format_args!("Locked {}; what was issued has ended", user.username))?
        }
        UserStatus::Active => output::line(format_args!("Unlocked {}", user.username))?,
    }
    Ok(())
}

fn passwd(place: &Place, name: &str, from_stdin: bool) -> Result<()> {
    let (config, installation) = place.open(Missing::Refuse)?;
    let user = installation.user(name)?;
    let hash = new_password(&config, &user.username, user.email.as_deref(), from_stdin)?;
    let event = about(installation.event(EventKind::PasswordChanged, []), &user);
    let (id, now) = (user.id, installation.now());
    installation.write(move |tx| {
        tx.set_password(id, &hash, now)?;
        tx.insert_event(&event)
    })?;
    Ok(output::line(format_args!("Set the password of {}; what was issued has ended", user.username))?)
}

/// Asks for a new password, checks it (checklist PW1) and hashes it.
fn new_password(config: &Config, name: &str, email: Option<&str>, from_stdin: bool) -> Result<String> {
    let given = if from_stdin {
        secret::from_stdin("password")?
    } else {
        secret::ask_twice("password", "--password-stdin")?
    };
    let settings = config.settings(0);
    let own_words = [name, email.unwrap_or_default(), &settings.brand.product_name];
    let least = settings.min_password_characters;
    match password::check_new(&given, least, &own_words) {
        Ok(()) => Ok(hash(&given)),
        Err(password::PasswordError::TooShort) => {
            bail!("a password has at least {least} characters; a few words in a row are easy to remember")
        }
        Err(why) => Err(why.into()),
    }
}

/// The hash that is stored for a password.
pub(crate) fn hash(given: &str) -> String {
    let normal: Zeroizing<String> = password::normalise(given);
    passwords::hash(&normal, &random::bytes())
}

fn about(event: Event, user: &User) -> Event {
    Event { user: Some(user.sub.clone()), ..event }
}

fn view(user: &User) -> Value {
    json!({
        "id": user.sub,
        "username": user.username,
        "email": user.email,
        "email_verified": user.email_verified,
        "status": user.status.as_str(),
        "claims": user.claims,
        "created_at": when::rfc3339_of(user.created_at),
        "updated_at": when::rfc3339_of(user.updated_at),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_not_json_shows_how_to_quote() {
        let said = |text| claim(text).expect_err("refused").to_string();
        assert!(
            said("name=Alice Liddell").ends_with(r#"name='"Alice Liddell"'"#),
            "{}",
            said("name=Alice Liddell")
        );
        assert!(said("name=O'Hara").ends_with(r#"name='"O'\''Hara"'"#), "{}", said("name=O'Hara"));
        assert!(said("name").contains("claim=json"));
        assert!(said("username=\"bob\"").contains("not changed here"));
    }

    #[test]
    fn claims_are_checked_before_anything_is_opened() {
        for good in [
            "name=\"A\"",
            "email_verified=true",
            "department={\"a\":1}",
            "address=null",
            "email_verified=null",
            "birthdate=null",
        ] {
            assert!(claim(good).is_ok(), "{good}");
        }
        for bad in [
            "name=1",
            "name=\"\"",
            "email=\"nobody\"",
            "email_verified=\"yes\"",
            "sub=\"x\"",
            "sub=null",
            "id=1",
            "=1",
            "birthdate=\"1.1.2000\"",
        ] {
            assert!(claim(bad).is_err(), "{bad}");
        }
    }
}
