//! `client add`

use anyhow::{Result, bail};
use authmachine_protocol::redirect_uri::ClientKind;
use authmachine_protocol::{ClientAuthMethod, GrantType, ResponseType};
use authmachine_provider::client::Client;
use authmachine_provider::event::EventKind;
use authmachine_provider::ids::{ClientId, Kind};
use authmachine_server::random;
use clap::Args;
use zeroize::Zeroizing;

use super::apply::{apply, note_switch};
use super::facts::Facts;
use super::secret::{checked_hmac, weak_mark};
use super::show::view;
use super::{MAX_CHARACTERS, about};
use crate::installation::{Installation, Missing};
use crate::{Place, output, secret};

/// What a client that signs people in may ask for at the token endpoint, unless more is said.
const GRANT_TYPES: [GrantType; 2] = [GrantType::AuthorizationCode, GrantType::RefreshToken];
/// The scopes that a client may ask for, unless more is said.
const SCOPES: [&str; 3] = ["openid", "profile", "email"];

/// Arguments of `client add`.
#[derive(Args)]
pub(crate) struct Add {
    /// `client_id`
    #[arg(long, value_name = "ID")]
    id: String,
    /// The secret, which the process list shows to every user of this machine: better none, or --secret-stdin
    #[arg(long, value_name = "S", conflicts_with_all = ["secret_stdin", "public"])]
    secret: Option<String>,
    /// Reads the secret from standard input, one line
    #[arg(long, conflicts_with = "public")]
    secret_stdin: bool,
    /// Ours: no consent is asked for, logout without a hint returns, every object can be seen
    #[arg(long)]
    first_party: bool,
    /// Has no secret, such as an application in a browser or on a phone; must use PKCE
    #[arg(long, conflicts_with = "auth_method")]
    public: bool,
    /// Is installed on people's devices: private schemes may be registered, and loopback ports are free
    #[arg(long)]
    native: bool,
    #[command(flatten)]
    facts: Facts,
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn add(place: &Place, new: Add) -> Result<()> {
    let Add { id: client_id, secret, secret_stdin, first_party, public, native, facts, json } = new;
    check_id(&client_id)?;
    let (config, installation) = place.open(Missing::Make)?;
    let mut client = Client {
        auth_method: public.then_some(ClientAuthMethod::None),
        kind: if native { ClientKind::Native } else { ClientKind::Web },
        first_party,
        grant_types: if facts.redirect_uri.is_empty() { Vec::new() } else { GRANT_TYPES.to_vec() },
        response_types: if facts.redirect_uri.is_empty() { Vec::new() } else { vec![ResponseType::Code] },
        scopes: SCOPES.into_iter().collect(),
        ..Client::bare(ClientId(installation.id(Kind::Row)), client_id, installation.now())
    };
    let wider = Facts {
        grant_type: client.grant_types.iter().chain(&facts.grant_type).copied().collect(),
        scope: [client.scopes.clone()].into_iter().chain(facts.scope).collect(),
        ..facts
    };
    apply(&installation, &mut client, wider)?;
    note_switch(&config, &client);

    if secret.is_some() {
        output::note(
            "warning: --secret shows the secret to every user of this machine, in the process list; use --secret-stdin",
        );
    }
    let has_key = client.auth_method == Some(ClientAuthMethod::PrivateKeyJwt);
    if has_key && (secret.is_some() || secret_stdin) {
        bail!("a client with private_key_jwt has no secret");
    }
    let (secret, is_ours) = match secret {
        _ if public || has_key => (None, false),
        Some(secret) => (Some(Zeroizing::new(secret)), false),
        None if secret_stdin => (Some(secret::from_stdin("secret")?), false),
        None => (Some(random::secret()), true),
    };
    insert(&installation, &client, secret.as_ref().map(|secret| secret.as_str()))?;

    let shown = secret.filter(|_| is_ours);
    if json {
        let mut view = view(&client);
        if let Some(secret) = &shown {
            view.insert("client_secret".to_owned(), secret.as_str().into());
        }
        return Ok(output::json(&view.into())?);
    }
    output::line(format_args!("Made the client {}", client.client_id))?;
    if let Some(secret) = shown {
        output::line(format_args!("Its secret, shown only now: {}", *secret))?;
    }
    Ok(())
}

/// Stores a new client with its secret.
pub(crate) fn insert(installation: &Installation, client: &Client, secret: Option<&str>) -> Result<()> {
    let mut client = client.clone();
    client.secret_hmac = secret.map(|secret| checked_hmac(installation, secret)).transpose()?;
    let detail = [("first_party", client.first_party.into()), ("public", client.is_public().into())];
    let event = about(installation.event(EventKind::ClientCreated, detail), &client);
    let mark = client.secret_hmac.as_ref().zip(secret).and_then(|(hmac, secret)| weak_mark(hmac, secret));
    let client_id = client.client_id.clone();
    let is_new = installation.write(move |tx| {
        let is_new = tx.insert_client(&client)?;
        if is_new {
            if let Some(mark) = &mark {
                tx.insert_meta(mark, "1")?;
            }
            tx.insert_event(&event)?;
        }
        Ok(is_new)
    })?;
    if !is_new {
        bail!("there is a client {client_id:?} already");
    }
    Ok(())
}

/// RFC 6749 appendix A.1 would allow spaces, but people copy ids from texts.
fn check_id(id: &str) -> Result<()> {
    if id.is_empty() || id.len() > MAX_CHARACTERS || !id.bytes().all(|b| b.is_ascii_graphic()) {
        bail!(
            "the client id {id:?} cannot be used: it has 1 to {MAX_CHARACTERS} printable ASCII characters, no spaces"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::secret::check_secret;
    use super::*;

    #[test]
    fn ids_and_secrets_are_printable_ascii() {
        for good in ["a", "shop", "a:b%/+", &"x".repeat(200)] {
            assert!(check_id(good).is_ok() && check_secret(good).is_ok(), "{good}");
        }
        for bad in ["", "a\n", "ä", "a\u{7f}", &"x".repeat(201)] {
            assert!(check_id(bad).is_err() && check_secret(bad).is_err(), "{bad:?}");
        }
        assert!(check_id("a b").is_err());
        assert!(check_secret("a b").is_ok());
    }
}
