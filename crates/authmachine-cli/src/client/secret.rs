//! `client rotate-secret`, and what is stored of secrets.

use anyhow::{Result, bail};
use authmachine_protocol::ClientAuthMethod;
use authmachine_provider::client::Client;
use authmachine_provider::event::EventKind;
use authmachine_server::random;
use serde_json::json;

use super::{MAX_CHARACTERS, about};
use crate::installation::{Installation, Missing};
use crate::{Place, output, secret};

/// The fewest characters of a chosen secret that `doctor` has nothing to say about.
const ENOUGH: usize = 32;

pub(super) fn rotate_secret(place: &Place, id: &str, from_stdin: bool, json: bool) -> Result<()> {
    let (_, installation) = place.open(Missing::Refuse)?;
    let client = installation.client(id)?;
    if client.is_public() {
        bail!("{id} is a public client: it has no secret");
    }
    if client.auth_method == Some(ClientAuthMethod::PrivateKeyJwt) {
        bail!("{id} has a key in place of a secret (private_key_jwt)");
    }
    let secret = if from_stdin { secret::from_stdin("secret")? } else { random::secret() };
    let hmac = checked_hmac(&installation, &secret)?;
    let mark = weak_mark(&hmac, &secret);
    let event = about(installation.event(EventKind::ClientSecretRotated, []), &client);
    let (row, now) = (client.id, installation.now());
    installation.write(move |tx| {
        tx.set_client_secret(row, &hmac, now)?;
        if let Some(mark) = &mark {
            tx.insert_meta(mark, "1")?;
        }
        tx.insert_event(&event)
    })?;
    if json {
        let mut view = json!({ "client_id": id });
        if !from_stdin {
            view["client_secret"] = secret.as_str().into();
        }
        return Ok(output::json(&view)?);
    }
    if from_stdin {
        Ok(output::line(format_args!("{id} has the new secret"))?)
    } else {
        Ok(output::line(format_args!("The new secret of {id}, shown only now: {}", *secret))?)
    }
}

/// RFC 6749 appendix A.2.
pub(super) fn check_secret(secret: &str) -> Result<()> {
    if secret.is_empty() || secret.len() > MAX_CHARACTERS || !secret.bytes().all(|b| matches!(b, 0x20..=0x7E))
    {
        bail!("the secret cannot be used: it has 1 to {MAX_CHARACTERS} printable ASCII characters");
    }
    Ok(())
}

/// What is stored of `secret`.
pub(super) fn checked_hmac(installation: &Installation, secret: &str) -> Result<[u8; 32]> {
    check_secret(secret)?;
    Ok(installation.secrets.client_secret(secret))
}

/// Where the database notes that a secret is short: once it is hashed, nothing shows it. Bound to what is stored of the secret,
/// so that the note dies with it.
pub(super) fn weak_mark(hmac: &[u8; 32], secret: &str) -> Option<String> {
    (secret.len() < ENOUGH).then(|| mark_of(hmac))
}

fn mark_of(hmac: &[u8; 32]) -> String {
    let start: String = authmachine_jose::hex(&hmac[..8]);
    format!("short_secret:{start}")
}

/// Whether the client's secret is noted as a short one.
pub(crate) fn has_short_secret(installation: &Installation, client: &Client) -> Result<bool> {
    let Some(hmac) = &client.secret_hmac else { return Ok(false) };
    let mark = mark_of(hmac);
    Ok(installation.read(move |reads| reads.find_meta(&mark))?.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g7_a_secret_of_ours_has_256_bits_and_a_short_one_is_noted() {
        let ours = random::secret();
        assert_eq!(ours.len(), 43);
        assert_ne!(*ours, *random::secret());
        assert_eq!(weak_mark(&[7; 32], &ours), None);
        assert_eq!(weak_mark(&[7; 32], &"x".repeat(32)), None);
        assert_eq!(weak_mark(&[7; 32], "test").as_deref(), Some("short_secret:0707070707070707"));
    }
}
