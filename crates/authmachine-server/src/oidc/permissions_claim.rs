//! The claim `authmachine_permissions`: the objects that a request asked for, and what its person may do on them at this moment
//! (permissions.md §4).

use authmachine_permissions::{Circumstances, PermissionMap, Subject};
use authmachine_protocol::Timestamp;
use authmachine_protocol::claims_request::AUTHMACHINE_PERMISSIONS;
use authmachine_provider::client::Client;
use authmachine_provider::grant::GrantFacts;
use authmachine_store::StoreError;
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::oidc;
use crate::permissions::{self, Effort};

/// The most bytes of the claim in an ID token,
const MAX_CLAIM_BYTES: usize = 2 * 1024;
/// and of all its claims: with its header and a signature of 2,048 bits it then has at most 4 KiB, about what a cookie holds.
const MAX_PAYLOAD_BYTES: usize = 2_700;

/// The claim of a grant, if it was asked for.
///
/// # Errors
/// [`StoreError`].
pub async fn evaluate(
    app: &App,
    facts: &GrantFacts,
    now: Timestamp,
) -> Result<Option<PermissionMap>, StoreError> {
    let (Some(user), Some(client), Some(asked)) =
        (&facts.user, &facts.client, &facts.grant.claims.userinfo_permissions)
    else {
        return Ok(None);
    };
    let seen: Vec<String> = asked.iter().filter(|code| sees(facts, code)).cloned().collect();
    let (subject, asker, asked) = (Subject::User(user.id), client.id, asked.clone());
    let answered = permissions::ask(app, Effort::Little, 0, move |source| {
        let circumstances = Circumstances { asker: Some(asker), ..Circumstances::at(now) };
        source.map(subject, &asked, |code| seen.iter().any(|seen| seen == code), &circumstances)
    });
    Ok(Some(answered.await?.answer))
}

/// Whether the client may see the object `code`: its own scope of objects, and unless it is first-party the person's consent.
fn sees(facts: &GrantFacts, code: &str) -> bool {
    facts.client.as_ref().is_some_and(|client| {
        let consented =
            facts.consent.as_ref().is_some_and(|consent| consent.objects.iter().any(|c| c == code));
        client.sees(code) && (client.first_party || consented)
    })
}

/// Adds the claim to userinfo's.
pub fn insert(claims: &mut Map<String, Value>, permissions: &PermissionMap) {
    let map = serde_json::to_value(permissions).expect("a map of strings is JSON");
    claims.insert(AUTHMACHINE_PERMISSIONS.to_owned(), map);
}

/// What an ID token says of the claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InIdToken {
    /// Nothing: it was not asked for, or its client is not set so.
    Nothing,
    /// The claim, if it fits.
    Claim(PermissionMap),
    /// Where it is to be had.
    Pointer,
}

impl InIdToken {
    /// What the next ID token of a grant says. Never an error: what it would be about is issued already.
    pub async fn of(app: &App, client: &Client, facts: &GrantFacts, now: Timestamp) -> Self {
        if !client.permissions_in_id_token {
            return Self::Nothing;
        }
        match evaluate(app, facts, now).await {
            Ok(permissions) => permissions.map_or(Self::Nothing, Self::Claim),
            Err(error) => {
                tracing::warn!(cause = %error, "An ID token goes without its permissions");
                Self::Pointer
            }
        }
    }

    /// Adds it to the other claims. A part of the claim would be a wrong answer: if it does not fit, a pointer to userinfo stands in its
    /// place (OIDC Core §5.6.2).
    pub fn insert(&self, app: &App, claims: &mut Map<String, Value>) {
        let bytes = |value: &Value| value.to_string().len();
        match self {
            Self::Nothing => return,
            Self::Claim(permissions) => {
                insert(claims, permissions);
                let all: usize = claims.iter().map(|(name, value)| name.len() + bytes(value) + 4).sum();
                if bytes(&claims[AUTHMACHINE_PERMISSIONS]) <= MAX_CLAIM_BYTES && all <= MAX_PAYLOAD_BYTES {
                    return;
                }
                claims.remove(AUTHMACHINE_PERMISSIONS);
            }
            Self::Pointer => {}
        }
        let userinfo = app.settings.issuer.url(oidc::USERINFO);
        claims.insert("_claim_names".to_owned(), json!({ AUTHMACHINE_PERMISSIONS: "userinfo" }));
        claims.insert("_claim_sources".to_owned(), json!({ "userinfo": { "endpoint": userinfo } }));
    }
}
