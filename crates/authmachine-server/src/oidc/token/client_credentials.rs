//! `grant_type=client_credentials` (RFC 6749 §4.4): a client acts for itself. No user, so no ID token; no refresh token, since the
//! client can ask again.

use authmachine_protocol::{ClaimsRequest, ErrorCode, GrantType, Params, Scopes, TokenResponse};
use authmachine_provider::client::Client;
use authmachine_provider::event::EventKind;
use authmachine_provider::grant::{Grant, Live};
use authmachine_provider::ids::{GrantId, Kind};

use super::event;
use crate::app::App;
use crate::error::OAuthError;
use crate::oidc::discovery;
use crate::random;

pub(super) async fn grant(app: &App, client: &Client, form: &Params) -> Result<TokenResponse, OAuthError> {
    if client.is_public() || !client.may_use(GrantType::ClientCredentials) {
        return Err(OAuthError::new(
            ErrorCode::UnauthorizedClient,
            "This client may not use client_credentials.",
        ));
    }
    let scopes = granted(&client.scopes, super::asked_scopes(form)?).ok_or_else(|| {
        OAuthError::new(ErrorCode::InvalidScope, "scope names nothing that this client may have for itself.")
    })?;

    let now = app.now();
    let handle = random::handle(&app.ids, Kind::AccessToken, now);
    let life_s = app.settings.lives.access_token_s;
    let expires_at = now.plus_seconds(life_s);
    let grant = Grant {
        id: GrantId(app.ids.next(Kind::Row, now)),
        user_id: None,
        client_id: client.id,
        session_id: None,
        scopes: scopes.clone(),
        claims: ClaimsRequest::default(),
        nonce: None,
        auth_time: None,
        amr: Vec::new(),
        acr: None,
        offline: false,
        user_epoch: 0,
        consent_version: 0,
        created_at: now,
        expires_at,
        revoked_at: None,
    };
    let live = Live { allowed: scopes.clone(), scopes: scopes.clone(), offline: false };
    let row = super::access_token(handle.id(), &live, now, expires_at);
    let (sha256, issued) =
        (handle.sha256(), event(app, EventKind::TokensIssued, client, GrantType::ClientCredentials));
    app.store
        .write(app.write_deadline(), move |tx| {
            tx.insert_grant(&grant)?;
            tx.insert_access_token(&row, &sha256, grant.id)?;
            tx.insert_event(&issued)
        })
        .await?;
    Ok(TokenResponse {
        access_token: handle.reveal().to_owned(),
        token_type: "Bearer".to_owned(),
        expires_in: Some(life_s),
        scope: (!scopes.is_empty()).then(|| scopes.to_string()),
        refresh_token: None,
        id_token: None,
    })
}

/// Of what is `asked`, or else of all that the client may have, what makes sense without a person: none of the provider's own
/// scopes does. `None` when nothing of what is asked is left.
fn granted(allowed: &Scopes, asked: Option<Scopes>) -> Option<Scopes> {
    let own: Scopes = allowed.iter().filter(|scope| !discovery::SCOPES.contains(scope)).collect();
    match asked {
        None => Some(own),
        Some(asked) => Some(asked.intersection(&own)).filter(|scopes| !scopes.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn az2_a_client_for_itself_gets_its_own_scopes_and_none_about_a_person() {
        let scopes = |text: &str| Scopes::parse(text).expect("legal");
        let allowed = scopes("openid profile email address phone read offline_access write");
        for (asked, given) in [
            (None, Some("read write")),
            (Some("write openid"), Some("write")),
            (Some("read admin"), Some("read")),
            (Some("openid"), None),
            (Some("profile email"), None),
            (Some("offline_access"), None),
            (Some("admin"), None),
        ] {
            assert_eq!(granted(&allowed, asked.map(scopes)), given.map(scopes), "{asked:?}");
        }
        assert_eq!(granted(&scopes("openid"), None), Some(Scopes::default()));
    }
}
