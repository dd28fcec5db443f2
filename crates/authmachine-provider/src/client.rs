//! Clients (RFC 6749 §2).

use authmachine_jose::Algorithm;
use authmachine_protocol::redirect_uri::{self, ClientKind};
use authmachine_protocol::{
    ClientAuthMethod, GrantType, Params, ResponseType, Scopes, Timestamp, basic_auth,
};

use crate::client_assertion;
use crate::client_metadata::ClientMetadata;
use crate::ids::ClientId;
use crate::subject_ids::SubjectIds;

/// Who must use PKCE (RFC 7636). Ordered: a client can be set stricter than the installation, never looser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PkceRule {
    /// Public clients alone.
    Public,
    /// Public clients; others unless they send `nonce` with `openid` (OAuth 2.1 §7.5.1).
    Auto,
    /// Everybody.
    All,
}

impl PkceRule {
    /// The word in configuration and storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Auto => "auto",
            Self::All => "all",
        }
    }

    /// Reads the word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Public, Self::Auto, Self::All].into_iter().find(|rule| rule.as_str() == word)
    }
}

/// Which objects a client or API token may see at all; everything else answers as if nothing were held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectScope {
    /// Those named, by code, or by the beginning of their codes and `*`; none when empty.
    Attached(Vec<String>),
    /// Every object.
    All,
}

impl ObjectScope {
    /// Whether the object `code` may be seen.
    pub fn sees(&self, code: &str) -> bool {
        match self {
            Self::All => true,
            Self::Attached(names) => names.iter().any(|name| is_named(name, code)),
        }
    }
}

/// Whether the name of an object, or of all whose codes begin so, names `code`. No code has a `*`.
fn is_named(name: &str, code: &str) -> bool {
    name.strip_suffix('*').map_or(name == code, |beginning| code.starts_with(beginning))
}

/// A client: an application that signs people in here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The row.
    pub id: ClientId,
    /// `client_id` on the wire.
    pub client_id: String,
    /// What people read on the pages.
    pub name: String,
    /// HMAC-SHA-256 of the secret under the installation's key for client secrets; public clients have none.
    pub secret_hmac: Option<[u8; 32]>,
    /// The one method registered; `None` allows basic and post (RFC 6749 §2.3.1). [`ClientAuthMethod::None`] makes the client public.
    pub auth_method: Option<ClientAuthMethod>,
    /// Web or native.
    pub kind: ClientKind,
    /// Ours: no consent, logout without hint may redirect, all objects visible.
    pub first_party: bool,
    /// Stricter than the installation's rule, if set.
    pub pkce: Option<PkceRule>,
    /// What it may ask for at the token endpoint.
    pub grant_types: Vec<GrantType>,
    /// What it may ask for at the authorization endpoint.
    pub response_types: Vec<ResponseType>,
    /// The scopes it may ask for.
    pub scopes: Scopes,
    /// What its ID tokens are signed with.
    pub id_token_alg: Algorithm,
    /// `userinfo_signed_response_alg`; `None` is plain JSON.
    pub userinfo_alg: Option<Algorithm>,
    /// The sector that its users' pairwise subjects belong to (OIDC Core §8.1); `None` is `subject_type=public`.
    pub sector: Option<String>,
    /// `redirect_uris`.
    pub redirect_uris: Vec<String>,
    /// `post_logout_redirect_uris`.
    pub post_logout_redirect_uris: Vec<String>,
    /// The objects it may see, as in [`ObjectScope::Attached`]; of a first-party client always all ([`Client::sees`]).
    pub objects: Vec<String>,
    /// What it means by the id of a user when it asks about permissions.
    pub subject_ids: SubjectIds,
    /// Whether its ID tokens carry the permissions that a request asked for.
    pub permissions_in_id_token: bool,
    /// What it says of itself.
    pub metadata: ClientMetadata,
    /// SHA-256 of its registration access token (RFC 7592 §3); `None` unless it registered itself.
    pub registration_sha256: Option<[u8; 32]>,
    /// Switched off by an operator.
    pub disabled: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Client {
    /// A client of which nothing is known yet but who it is: confidential, of the web, allowed nothing, its ID tokens signed with the
    /// standard's default (OIDC Registration §2).
    pub fn bare(id: ClientId, client_id: String, now: Timestamp) -> Self {
        Self {
            id,
            name: client_id.clone(),
            client_id,
            secret_hmac: None,
            auth_method: None,
            kind: ClientKind::Web,
            first_party: false,
            pkce: None,
            grant_types: Vec::new(),
            response_types: Vec::new(),
            scopes: Scopes::default(),
            id_token_alg: Algorithm::RS256,
            userinfo_alg: None,
            sector: None,
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            objects: Vec::new(),
            subject_ids: SubjectIds::default(),
            permissions_in_id_token: false,
            metadata: ClientMetadata::default(),
            registration_sha256: None,
            disabled: false,
            created_at: now,
        }
    }

    /// Whether it proves itself by nothing.
    pub fn is_public(&self) -> bool {
        self.auth_method == Some(ClientAuthMethod::None)
    }

    /// Whether `method` is how it may prove itself, now.
    pub fn may_prove_itself_by(&self, method: ClientAuthMethod) -> bool {
        use ClientAuthMethod::{ClientSecretBasic, ClientSecretPost};
        let fits = match self.auth_method {
            Some(registered) => registered == method,
            None => matches!(method, ClientSecretBasic | ClientSecretPost),
        };
        fits && !self.disabled
    }

    /// Whether it registered itself, so that nobody here has looked at it.
    pub fn is_self_registered(&self) -> bool {
        self.registration_sha256.is_some()
    }

    /// The sector whose pairwise subjects it sees (OIDC Core §8.1); a first-party client sees the real ones.
    pub fn pairwise_sector(&self) -> Option<&str> {
        self.sector.as_deref().filter(|_| !self.first_party)
    }

    /// Whether its ID tokens at the token endpoint are unsigned: it registered that, none comes to it through browsers (OIDC
    /// Registration §2), and the installation has it so.
    pub fn has_unsigned_id_tokens(&self, installation: bool) -> bool {
        installation
            && self.metadata.unsigned_id_tokens
            && !self.response_types.iter().any(|response_type| response_type.has_id_token())
    }

    /// Whether it may use `grant_type`.
    pub fn may_use(&self, grant_type: GrantType) -> bool {
        self.grant_types.contains(&grant_type)
    }

    /// Whether it may be answered with `response_type`; `implicit`: whether the installation lets tokens pass through browsers.
    pub fn may_be_answered(&self, response_type: ResponseType, implicit: bool) -> bool {
        self.response_types.contains(&response_type)
            && (implicit || !response_type.is_front_channel())
            && (!response_type.has_code() || self.may_use(GrantType::AuthorizationCode))
    }

    /// Whether it may see the object `code`.
    pub fn sees(&self, code: &str) -> bool {
        self.first_party || self.objects.iter().any(|name| is_named(name, code))
    }

    /// The objects that it may see.
    pub fn object_scope(&self) -> ObjectScope {
        if self.first_party { ObjectScope::All } else { ObjectScope::Attached(self.objects.clone()) }
    }

    /// The codes of the objects attached to it, one by one: what a request asks for that names none.
    pub fn attached_codes(&self) -> Vec<String> {
        self.objects.iter().filter(|name| !name.ends_with('*')).cloned().collect()
    }

    /// Whether `given` is one of its `redirect_uris`.
    pub fn has_redirect_uri(&self, given: &str) -> bool {
        self.redirect_uris.iter().any(|registered| redirect_uri::matches(registered, given, self.kind))
    }

    /// Whether `given` is one of its `post_logout_redirect_uris`.
    pub fn has_post_logout_redirect_uri(&self, given: &str) -> bool {
        self.post_logout_redirect_uris.iter().any(|registered| registered == given)
    }

    /// Whether an authorization request must carry `code_challenge` (checklist PK2). `has_oidc_nonce`: the request has
    /// scope `openid` and a `nonce`.
    pub fn must_use_pkce(&self, installation: PkceRule, has_oidc_nonce: bool) -> bool {
        match self.pkce.map_or(installation, |own| own.max(installation)) {
            PkceRule::All => true,
            PkceRule::Auto => self.is_public() || !has_oidc_nonce,
            PkceRule::Public => self.is_public(),
        }
    }
}

/// How a client presented itself at an endpoint, before anything is believed.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The client that it claims to be.
    pub client_id: String,
    /// What is to prove it.
    pub proof: Proof,
}

/// What is to prove a client.
#[derive(Clone, PartialEq, Eq)]
pub enum Proof {
    /// Nothing: a public client.
    Nothing,
    /// Its secret, by HTTP Basic.
    Basic(String),
    /// Its secret, in the form.
    Post(String),
    /// A token that it signed ([`client_assertion`]).
    Assertion(String),
}

impl Proof {
    /// The method that this is.
    pub fn method(&self) -> ClientAuthMethod {
        match self {
            Self::Nothing => ClientAuthMethod::None,
            Self::Basic(_) => ClientAuthMethod::ClientSecretBasic,
            Self::Post(_) => ClientAuthMethod::ClientSecretPost,
            Self::Assertion(_) => ClientAuthMethod::PrivateKeyJwt,
        }
    }

    /// The secret, if there is one.
    pub fn secret(&self) -> Option<&str> {
        match self {
            Self::Basic(secret) | Self::Post(secret) => Some(secret),
            Self::Nothing | Self::Assertion(_) => None,
        }
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("client_id", &self.client_id)
            .field("method", &self.proof.method())
            .finish_non_exhaustive()
    }
}

/// Why a client's credentials cannot be read or are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientAuthError {
    /// None at all: `invalid_client`.
    #[error("client authentication is missing")]
    Missing,
    /// More than one method, or two identities: `invalid_request` (RFC 6749 §2.3).
    #[error("exactly one client authentication method may be used")]
    Conflicting,
    /// An unreadable `Authorization` header: `invalid_client`.
    #[error("the Authorization header is malformed")]
    Malformed,
    /// Unknown client, wrong secret, wrong method, disabled: all alike, `invalid_client`.
    #[error("client authentication failed")]
    Failed,
}

impl Credentials {
    /// Reads credentials from the `Authorization` header and the form (RFC 6749 §2.3). Exactly one method must be used; a `client_id`
    /// in the form beside Basic or an assertion is allowed if it names the same client.
    ///
    /// # Errors
    /// [`ClientAuthError`].
    pub fn read(authorization: Option<&str>, form: &Params) -> Result<Self, ClientAuthError> {
        let basic = match authorization {
            None => None,
            Some(header) => match basic_auth::decode(header) {
                Some(Ok(pair)) => Some(pair),
                Some(Err(_)) | None => return Err(ClientAuthError::Malformed),
            },
        };
        let named = form.get("client_id");
        let secret = form.get("client_secret");
        let assertion = (form.get("client_assertion_type"), form.get("client_assertion"));
        match (basic, secret, assertion) {
            (Some((id, _)), None, (None, None)) if named.is_some_and(|named| named != id) => {
                Err(ClientAuthError::Conflicting)
            }
            (Some((client_id, secret)), None, (None, None)) => {
                Ok(Self { client_id, proof: Proof::Basic(secret) })
            }
            (None, Some(secret), (None, None)) => {
                let client_id = named.ok_or(ClientAuthError::Missing)?.to_owned();
                Ok(Self { client_id, proof: Proof::Post(secret.to_owned()) })
            }
            (None, None, (None, None)) => {
                let client_id = named.ok_or(ClientAuthError::Missing)?.to_owned();
                Ok(Self { client_id, proof: Proof::Nothing })
            }
            // Whether `named` is the assertion's client is found out with everything else in it.
            (None, None, (Some(client_assertion::TYPE), Some(assertion))) => {
                let client_id =
                    named.map(str::to_owned).or_else(|| client_assertion::claimed_client(assertion));
                let client_id = client_id.ok_or(ClientAuthError::Failed)?;
                Ok(Self { client_id, proof: Proof::Assertion(assertion.to_owned()) })
            }
            // RFC 7521 §4.2.1: another type, or half of it.
            (None, None, _) => Err(ClientAuthError::Failed),
            _ => Err(ClientAuthError::Conflicting),
        }
    }
}

/// Decides whether a secret, or nothing at all, proves `client`. `presented_hmac` is the presented secret under the installation's
/// key; it is computed for unknown clients too, so that both take the same time. An assertion is decided on elsewhere
/// ([`client_assertion`]), and proves nothing here.
///
/// # Errors
/// [`ClientAuthError::Failed`], whatever the cause.
pub fn authenticate(
    client: Option<&Client>,
    proof: &Proof,
    presented_hmac: &[u8; 32],
) -> Result<(), ClientAuthError> {
    // Compared against something even when there is no client.
    let expected = client.and_then(|client| client.secret_hmac).unwrap_or([0; 32]);
    let same = authmachine_jose::constant_time_eq(presented_hmac, &expected);
    let is_proven = client.is_some_and(|client| {
        client.may_prove_itself_by(proof.method())
            && match proof {
                Proof::Nothing => true,
                Proof::Basic(secret) | Proof::Post(secret) => {
                    same && client.secret_hmac.is_some() && !secret.is_empty()
                }
                Proof::Assertion(_) => false,
            }
    });
    if is_proven { Ok(()) } else { Err(ClientAuthError::Failed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ca1_exactly_one_method_is_read() {
        use ClientAuthError::{Conflicting, Failed, Malformed, Missing};
        // {"alg":"none"} and {"sub":"shop"}.
        const JWT: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJzaG9wIn0.";
        let basic = basic_auth::encode("shop", "s");
        let basic = Some(basic.as_str());
        let id = ("client_id", "shop");
        let other = ("client_id", "other");
        let secret = ("client_secret", "s");
        let kind = ("client_assertion_type", client_assertion::TYPE);
        let saml = ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer");
        let jwt = ("client_assertion", JWT);
        let credentials = |client_id: &str, proof| Ok(Credentials { client_id: client_id.to_owned(), proof });
        let text = str::to_owned;
        for (authorization, form, expected) in [
            (None, vec![], Err(Missing)),
            (None, vec![id], credentials("shop", Proof::Nothing)),
            (None, vec![secret], Err(Missing)),
            (None, vec![id, secret], credentials("shop", Proof::Post(text("s")))),
            (basic, vec![], credentials("shop", Proof::Basic(text("s")))),
            (basic, vec![id], credentials("shop", Proof::Basic(text("s")))),
            (basic, vec![other], Err(Conflicting)),
            (basic, vec![secret], Err(Conflicting)),
            (Some("Digest x"), vec![id], Err(Malformed)),
            (None, vec![kind, jwt], credentials("shop", Proof::Assertion(text(JWT)))),
            (None, vec![id, kind, jwt], credentials("shop", Proof::Assertion(text(JWT)))),
            (None, vec![other, kind, jwt], credentials("other", Proof::Assertion(text(JWT)))),
            (None, vec![kind, ("client_assertion", "x")], Err(Failed)),
            (None, vec![id, jwt], Err(Failed)),
            (None, vec![id, kind], Err(Failed)),
            (None, vec![id, saml, jwt], Err(Failed)),
            (None, vec![id, secret, kind, jwt], Err(Conflicting)),
            (None, vec![id, secret, jwt], Err(Conflicting)),
            (None, vec![id, secret, kind], Err(Conflicting)),
            (basic, vec![kind, jwt], Err(Conflicting)),
            (basic, vec![saml], Err(Conflicting)),
        ] {
            let params: Params = form.iter().copied().collect();
            let read = Credentials::read(authorization, &params);
            assert!(read == expected, "{authorization:?} {form:?}: {read:?}");
        }
    }

    #[test]
    fn ca1_the_registered_method_is_the_only_one() {
        use ClientAuthMethod::{ClientSecretBasic, ClientSecretPost, None as Nothing, PrivateKeyJwt};
        for (registered, allowed) in [
            (None, vec![ClientSecretBasic, ClientSecretPost]),
            (Some(ClientSecretBasic), vec![ClientSecretBasic]),
            (Some(ClientSecretPost), vec![ClientSecretPost]),
            (Some(PrivateKeyJwt), vec![PrivateKeyJwt]),
            (Some(Nothing), vec![Nothing]),
        ] {
            let mut client = Client { auth_method: registered, ..crate::testing::shop() };
            for method in ClientAuthMethod::ALL {
                assert_eq!(
                    client.may_prove_itself_by(*method),
                    allowed.contains(method),
                    "{registered:?} {method}"
                );
            }
            client.disabled = true;
            assert!(!ClientAuthMethod::ALL.iter().any(|method| client.may_prove_itself_by(*method)));
        }
    }
}
