//! `grant_type=refresh_token` (RFC 6749 §6, OIDC Core §12): a new pair for the old one, which is then used.

use std::sync::Arc;

use authmachine_protocol::{GrantType, Params, Scopes, TokenResponse};
use authmachine_provider::client::Client;
use authmachine_provider::event::{Event, EventKind};
use authmachine_provider::grant::{GrantFacts, Live};
use authmachine_provider::handle::{Handle, RefreshToken};
use authmachine_provider::ids::Kind;
use authmachine_provider::refresh_token::{Recognised, RefreshError, RefreshFamily, refresh};
use authmachine_provider::{Timestamp, access_token};
use authmachine_store::{StoreError, Tx};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Issued, about, event};
use crate::app::App;
use crate::error::OAuthError;
use crate::oidc::id_token;
use crate::random;

pub(super) async fn grant(
    app: &App,
    client: &Arc<Client>,
    form: &Params,
) -> Result<TokenResponse, OAuthError> {
    let token =
        form.get("refresh_token").ok_or_else(|| OAuthError::invalid_request("refresh_token is missing."))?;
    let asked = super::asked_scopes(form)?;
    let token = RefreshToken::parse(token).ok_or(RefreshError::Unknown)?;
    id_token::check_signer(app, client)?;
    let now = app.now();
    let rotation = Rotation {
        app: app.clone(),
        next: token.next(random::bytes()),
        token,
        asked,
        client: client.clone(),
        access: random::handle(&app.ids, Kind::AccessToken, now),
        issued: event(app, EventKind::TokensIssued, client, GrantType::RefreshToken),
        reused: event(app, EventKind::RefreshTokenReused, client, GrantType::RefreshToken),
        now,
    };
    let refreshed = app.store.write(app.write_deadline(), move |tx| rotation.run(tx)).await?;
    if let Err(RefreshError::Reused) = refreshed {
        app.metrics.refresh_token_reused();
    }
    refreshed?.answer(app, client, now).await
}

/// One refresh; everything fresh is captured before the unit of work.
struct Rotation {
    app: App,
    token: RefreshToken,
    next: RefreshToken,
    asked: Option<Scopes>,
    client: Arc<Client>,
    access: Handle,
    issued: Event,
    reused: Event,
    now: Timestamp,
}

type Refreshed = Result<Issued, RefreshError>;

impl Rotation {
    fn run(&self, tx: &mut Tx) -> Result<Refreshed, StoreError> {
        // A second look is needed when, on PostgreSQL, another process rotated in between; by then this unit holds the grant's row,
        // so that a third is not.
        for _ in 0..2 {
            let found = tx.find_refresh_family(self.token.id)?;
            // Another client's token is unknown: nobody ends a family that is not theirs.
            let Some((family, facts)) = found.filter(|(_, facts)| facts.grant.client_id == self.client.id)
            else {
                return Ok(Err(RefreshError::Unknown));
            };
            match family.recognise(&self.token) {
                Recognised::Unknown => return Ok(Err(RefreshError::Unknown)),
                Recognised::Current => {
                    if let Some(refreshed) = self.rotate(tx, &family, facts)? {
                        return Ok(refreshed);
                    }
                }
                Recognised::Previous => {
                    return match self.again(&family, &facts) {
                        Some(issued) => Ok(Ok(issued)),
                        None => self.end(tx, &family, &facts),
                    };
                }
                Recognised::Reused => return self.end(tx, &family, &facts),
            }
        }
        Ok(Err(RefreshError::Unknown))
    }

    /// Puts the next token in the place of the current one; `None` when that has happened meanwhile.
    fn rotate(
        &self,
        tx: &mut Tx,
        family: &RefreshFamily,
        facts: GrantFacts,
    ) -> Result<Option<Refreshed>, StoreError> {
        let (now, lives) = (self.now, &self.app.settings.lives);
        let live = match refresh(family, &facts, &self.client, self.asked.as_ref(), now) {
            Ok(live) => live,
            Err(refused) => return Ok(Some(Err(refused))),
        };
        let issued = Issued {
            access_token: self.access.reveal().to_owned().into(),
            access_expires_at: access_token::expires_at(&facts, &live, lives, now),
            refresh_token: Some(self.next.reveal()),
            is_first: false,
            facts,
            live,
        };
        let sealed = (lives.refresh_grace_s > 0).then(|| Answer::of(&issued, self).seal(self));
        let rotated = family.rotated(&self.next, sealed, lives, now);

        let grant_id = issued.facts.grant.id;
        tx.extend_grant(grant_id, rotated.idle_expires_at.max(issued.access_expires_at), now)?;
        if !tx.rotate_refresh_family(&rotated, family.generation)? {
            return Ok(None);
        }
        let row = super::access_token(self.access.id(), &issued.live, now, issued.access_expires_at);
        tx.insert_access_token(&row, &self.access.sha256(), grant_id)?;
        tx.insert_event(&about(&self.issued, &issued.facts))?;
        Ok(Some(Ok(issued)))
    }

    /// The last answer once more, within grace, to the same question (checklist RT1).
    fn again(&self, family: &RefreshFamily, facts: &GrantFacts) -> Option<Issued> {
        let (sealed, until) = family.last_answer.as_ref()?;
        if *until <= self.now {
            return None;
        }
        let live = refresh(family, facts, &self.client, self.asked.as_ref(), self.now).ok()?;
        let answer = Answer::open(sealed, self)?;
        let scopes = Scopes::from_stored(&answer.scope).intersection(&live.scopes);
        (answer.asked == self.asked.as_ref().map(Scopes::to_string)).then(|| Issued {
            facts: facts.clone(),
            live: Live { scopes, ..live },
            access_token: answer.access_token.into(),
            access_expires_at: Timestamp::from_ms(answer.access_expires_at_ms),
            refresh_token: Some(Zeroizing::new(answer.refresh_token)),
            is_first: false,
        })
    }

    /// A used token: somebody has a copy, and who of the two is the thief nobody knows. The grant ends with all that it gave
    /// (RFC 9700 §4.14.2).
    fn end(&self, tx: &mut Tx, family: &RefreshFamily, facts: &GrantFacts) -> Result<Refreshed, StoreError> {
        tx.revoke_grant(facts.grant.id, self.now)?;
        if tx.revoke_refresh_family(family.id, self.now)? {
            tx.insert_event(&about(&self.reused, facts))?;
        }
        Ok(Err(RefreshError::Reused))
    }

    /// What binds a sealed answer to its family and to the token that it answered.
    fn place(&self) -> [u8; 12] {
        let mut place = [0; 12];
        place[..8].copy_from_slice(&self.token.id.to_be_bytes());
        place[8..].copy_from_slice(&self.token.generation.to_be_bytes());
        place
    }
}

/// An answer as it is kept, sealed, while grace lasts. Its ID token is signed anew.
#[derive(Serialize, Deserialize)]
struct Answer {
    asked: Option<String>,
    scope: String,
    access_token: String,
    access_expires_at_ms: i64,
    refresh_token: String,
}

impl Answer {
    fn of(issued: &Issued, rotation: &Rotation) -> Self {
        Self {
            asked: rotation.asked.as_ref().map(Scopes::to_string),
            scope: issued.live.scopes.to_string(),
            access_token: issued.access_token.to_string(),
            access_expires_at_ms: issued.access_expires_at.ms(),
            refresh_token: rotation.next.reveal().to_string(),
        }
    }

    fn seal(&self, rotation: &Rotation) -> Vec<u8> {
        let plain = Zeroizing::new(serde_json::to_vec(self).expect("strings and numbers are JSON"));
        rotation.app.secrets.answers().seal(&plain, &rotation.place())
    }

    fn open(sealed: &[u8], rotation: &Rotation) -> Option<Self> {
        let plain = rotation.app.secrets.answers().open(sealed, &rotation.place())?;
        serde_json::from_slice(&plain).ok()
    }
}
