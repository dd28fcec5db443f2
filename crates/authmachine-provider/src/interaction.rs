//! Authorization requests that wait for a person: checked once, kept at the server (checklist AZ1, MF5).

use authmachine_protocol::names::Prompt;
use authmachine_protocol::{ClaimsRequest, ResponseMode, ResponseType, Scopes, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ids::{ClientId, SessionId};

/// A checked authorization request (OIDC Core §3.1.2.1): nothing of it is read from the browser again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// The client.
    pub client_id: ClientId,
    /// One of the client's, byte for byte.
    pub redirect_uri: String,
    /// `response_type`.
    pub response_type: ResponseType,
    /// `response_mode`, or the default of the response type.
    pub response_mode: ResponseMode,
    /// `scope`, narrowed to what the client may ask for.
    pub scopes: Scopes,
    /// `state`, returned unmodified.
    pub state: Option<String>,
    /// `nonce`.
    pub nonce: Option<String>,
    /// `code_challenge`, S256.
    pub code_challenge: Option<String>,
    /// `prompt`.
    pub prompt: Vec<Prompt>,
    /// `max_age`, in seconds.
    pub max_age: Option<i64>,
    /// The `sub` that `id_token_hint` demands, or those of which the values of the `sub` claim demand one.
    pub required_subs: Option<Vec<String>>,
    /// `login_hint`.
    pub login_hint: Option<String>,
    /// `acr_values`, or those of the `acr` claim.
    pub acr_values: Vec<String>,
    /// `ui_locales`.
    pub ui_locales: Option<String>,
    /// `claims`.
    pub claims: ClaimsRequest,
}

/// An authorization request's row while a person signs in or consents.
#[derive(Clone, Debug, PartialEq)]
pub struct Interaction {
    /// The row, and the id of the handle in the page's address.
    pub id: i64,
    /// What was asked.
    pub request: AuthorizationRequest,
    /// What the person has done so far.
    pub done: Done,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// The steps that a person has done in an interaction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// The session in which the person proved themselves for this interaction.
    pub signed_in: Option<SessionId>,
    /// The account was chosen (`prompt=select_account`).
    pub account_chosen: bool,
    /// The person wants another account: they must sign in before anything else.
    #[serde(default)]
    pub other_account: bool,
    /// The session in which consent was asked and given for this interaction.
    pub consented: Option<SessionId>,
}
