//! `grant_type=authorization_code` (RFC 6749 §4.1.3, OIDC Core §3.1.3).

use std::sync::Arc;

use authmachine_protocol::{GrantType, Params, TokenResponse};
use authmachine_provider::authorization_code::{CodeError, CodeRequest, Taken, redeem};
use authmachine_provider::client::Client;
use authmachine_provider::event::{Event, EventKind};
use authmachine_provider::handle::{Handle, Presented, RefreshToken};
use authmachine_provider::ids::Kind;
use authmachine_provider::lives::Lives;
use authmachine_provider::refresh_token::RefreshFamily;
use authmachine_provider::{Timestamp, access_token};
use authmachine_store::{StoreError, Tx};

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
    let code = form.get("code").ok_or_else(|| OAuthError::invalid_request("code is missing."))?;
    let code = Presented::parse(Kind::AuthorizationCode, code).ok_or(CodeError::Unknown)?;
    id_token::check_signer(app, client)?;
    let now = app.now();
    let redemption = Redemption {
        code,
        request: CodeRequest {
            redirect_uri: form.get("redirect_uri").map(str::to_owned),
            code_verifier: form.get("code_verifier").map(str::to_owned),
        },
        client: client.clone(),
        access: random::handle(&app.ids, Kind::AccessToken, now),
        refresh: random::refresh_token(&app.ids, now),
        issued: event(app, EventKind::TokensIssued, client, GrantType::AuthorizationCode),
        reused: event(app, EventKind::CodeReused, client, GrantType::AuthorizationCode),
        lives: app.settings.lives,
        now,
    };
    let redeemed = app.store.write(app.write_deadline(), move |tx| redemption.run(tx)).await?;
    if let Err(CodeError::AlreadyUsed) = redeemed {
        app.metrics.code_reused();
    }
    redeemed?.answer(app, client, now).await
}

/// One redemption; everything fresh is captured before the unit of work.
struct Redemption {
    code: Presented,
    request: CodeRequest,
    client: Arc<Client>,
    access: Handle,
    refresh: RefreshToken,
    issued: Event,
    reused: Event,
    lives: Lives,
    now: Timestamp,
}

impl Redemption {
    /// All of it is on disk when the unit ends, or none of it.
    fn run(&self, tx: &mut Tx) -> Result<Result<Issued, CodeError>, StoreError> {
        let now = self.now;
        let (code, facts) = match tx.take_code(&self.code, self.client.id, now)? {
            Taken::Unknown => return Ok(Err(CodeError::Unknown)),
            // RFC 6749 §4.1.2: a code seen twice may be stolen, so all that it gave ends.
            Taken::Before(facts) => {
                tx.revoke_grant(facts.grant.id, now)?;
                tx.insert_event(&about(&self.reused, &facts))?;
                return Ok(Err(CodeError::AlreadyUsed));
            }
            Taken::Now(taken) => *taken,
        };
        let live = match redeem(&code, &facts, &self.request, &self.client, now) {
            Ok(live) => live,
            Err(refused) => return Ok(Err(refused)), // the code stays used
        };

        let access_expires_at = access_token::expires_at(&facts, &live, &self.lives, now);
        let family = self
            .client
            .may_use(GrantType::RefreshToken)
            .then(|| RefreshFamily::begin(&self.refresh, &facts, &live, &self.lives, now));
        let last = family.as_ref().map_or(access_expires_at, |f| f.idle_expires_at.max(access_expires_at));
        let grant_id = facts.grant.id;
        tx.extend_grant(grant_id, last, now)?;
        let row = super::access_token(self.access.id(), &live, now, access_expires_at);
        tx.insert_access_token(&row, &self.access.sha256(), grant_id)?;
        if let Some(family) = &family {
            tx.insert_refresh_family(family, grant_id)?;
        }
        tx.insert_event(&about(&self.issued, &facts))?;
        Ok(Ok(Issued {
            facts,
            live,
            access_token: self.access.reveal().to_owned().into(),
            access_expires_at,
            refresh_token: family.map(|_| self.refresh.reveal()),
            is_first: true,
        }))
    }
}
