//! What `client add` and `client set` have in common.

use std::path::PathBuf;

use authmachine_jose::Algorithm;
use authmachine_protocol::redirect_uri;
use authmachine_protocol::{ClientAuthMethod, GrantType, ResponseType, Scopes};
use authmachine_provider::client::PkceRule;
use authmachine_provider::subject_ids::SubjectIds;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};

use crate::{api_token, when};

/// What `client add` and `client set` have in common.
#[derive(Args)]
pub(crate) struct Facts {
    /// What people read; by default the id
    #[arg(long, value_name = "N")]
    pub(super) name: Option<String>,
    /// Where browsers return to after signing in; compared byte for byte
    #[arg(long, value_name = "URI", num_args = 1..)]
    pub(super) redirect_uri: Vec<String>,
    /// Where browsers return to after signing out
    #[arg(long, value_name = "URI", num_args = 1..)]
    pub(super) post_logout_redirect_uri: Vec<String>,
    /// Where it is told that a session has ended, by a frame in the browser
    #[arg(long, value_name = "URI")]
    pub(super) frontchannel_logout_uri: Option<String>,
    /// Where it is told that a session has ended, from server to server
    #[arg(long, value_name = "URI")]
    pub(super) backchannel_logout_uri: Option<String>,
    /// Codes of the objects whose permissions it may see, or the beginning of codes and `*`; first-party clients see all, others by
    /// default none
    #[arg(long, value_name = "CODE", num_args = 1..)]
    pub(super) objects: Vec<String>,
    /// What it means by the id of a user when it asks by AuthZEN, for which it needs the scope authzen: sub (the default), username
    /// or email
    #[arg(long, value_name = "IDS", value_parser = api_token::subject_ids)]
    pub(super) subject_ids: Option<SubjectIds>,
    /// Puts the permissions that a request asks for into ID tokens too, while they fit
    #[arg(long)]
    pub(super) permissions_in_id_token: bool,
    /// A grant type; a new client has these beside authorization_code and refresh_token
    #[arg(long, value_name = "G", num_args = 1.., value_parser = grant_type)]
    pub(super) grant_type: Vec<GrantType>,
    /// A response type, such as code or "code id_token"; by default code alone. Those with tokens need oidc.implicit
    #[arg(long, value_name = "T", num_args = 1.., value_parser = response_type)]
    pub(super) response_type: Vec<ResponseType>,
    /// A scope; a new client has these beside openid, profile and email
    #[arg(long, value_name = "S", num_args = 1.., value_parser = Scopes::parse)]
    pub(super) scope: Vec<Scopes>,
    /// What its ID tokens are signed with: RS256 (the default), PS256, ES256 or EdDSA; none needs oidc.unsigned_id_tokens
    #[arg(long, value_name = "A", value_parser = algorithm_or_none)]
    pub(super) id_token_alg: Option<AlgorithmOrNone>,
    /// What its userinfo is signed with; none, the default, is plain JSON
    #[arg(long, value_name = "A", value_parser = algorithm_or_none)]
    pub(super) userinfo_alg: Option<AlgorithmOrNone>,
    /// How it knows people: public (the default), or pairwise, by a `sub` that clients of other sectors do not know
    #[arg(long, value_name = "T", value_parser = ["public", "pairwise"])]
    pub(super) subject_type: Option<String>,
    /// The host whose clients know people by the same pairwise `sub`; by default that of the redirect URIs
    #[arg(long, value_name = "HOST", value_parser = sector)]
    pub(super) sector: Option<String>,
    /// Who must use PKCE, if stricter than pkce.required: public, auto or all
    #[arg(long, value_name = "RULE", value_parser = pkce_rule)]
    pub(super) pkce: Option<PkceRule>,
    /// How it proves itself: client_secret_basic or client_secret_post (by default either), or private_key_jwt
    #[arg(long, value_name = "M", value_parser = auth_method)]
    pub(super) auth_method: Option<ClientAuthMethod>,
    /// A file with its public keys, a JWK Set, which check what it signs
    #[arg(long, value_name = "FILE", conflicts_with = "jwks_uri")]
    pub(super) jwks_file: Option<PathBuf>,
    /// Where its public keys are, fetched when they are needed
    #[arg(long, value_name = "URI")]
    pub(super) jwks_uri: Option<String>,
    /// What its request objects are signed with; by default any algorithm. none needs oidc.unsigned_request_objects
    #[arg(long, value_name = "A", value_parser = algorithm_or_none)]
    pub(super) request_object_alg: Option<AlgorithmOrNone>,
    /// Where its request objects are; no other address is fetched
    #[arg(long, value_name = "URI", num_args = 1..)]
    pub(super) request_uri: Vec<String>,
    /// Refuses its requests unless they come in a signed request object
    #[arg(long)]
    pub(super) require_signed_request_object: bool,
    /// How old a sign-in may be unless a request says so, such as 1h; 0 asks every time
    #[arg(long, value_name = "D", value_parser = max_age)]
    pub(super) default_max_age: Option<u32>,
    /// What acr_values are unless a request names some
    #[arg(long, value_name = "ACR", num_args = 1.., value_parser = NonEmptyStringValueParser::new())]
    pub(super) default_acr_values: Vec<String>,
    /// Says that it needs auth_time, which the ID token of every sign-in has
    #[arg(long)]
    pub(super) require_auth_time: bool,
    /// Where others send people to begin a sign-in, https
    #[arg(long, value_name = "URI")]
    pub(super) initiate_login_uri: Option<String>,
    /// Its logo, PNG, JPEG, GIF or WebP: fetched once, and shown as a copy from this server
    #[arg(long, value_name = "URI")]
    pub(super) logo_uri: Option<String>,
    /// Its website
    #[arg(long, value_name = "URI")]
    pub(super) client_uri: Option<String>,
    /// Its privacy policy
    #[arg(long, value_name = "URI")]
    pub(super) policy_uri: Option<String>,
    /// Its terms of service
    #[arg(long, value_name = "URI")]
    pub(super) tos_uri: Option<String>,
    /// Who looks after it, such as a mail address
    #[arg(long, value_name = "WHO", num_args = 1.., value_parser = NonEmptyStringValueParser::new())]
    pub(super) contact: Vec<String>,
}

/// What a client need not have, by the names of the flags that give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Optional {
    Name,
    PostLogoutRedirectUri,
    FrontchannelLogoutUri,
    BackchannelLogoutUri,
    Objects,
    SubjectIds,
    PermissionsInIdToken,
    UserinfoAlg,
    Pkce,
    AuthMethod,
    JwksFile,
    JwksUri,
    RequestObjectAlg,
    RequestUri,
    RequireSignedRequestObject,
    DefaultMaxAge,
    DefaultAcrValues,
    RequireAuthTime,
    InitiateLoginUri,
    LogoUri,
    ClientUri,
    PolicyUri,
    TosUri,
    Contact,
}

fn grant_type(word: &str) -> Result<GrantType, String> {
    GrantType::from_word(word).ok_or_else(|| {
        format!("not one of {}", GrantType::ALL.iter().map(|g| g.as_str()).collect::<Vec<_>>().join(", "))
    })
}

fn response_type(text: &str) -> Result<ResponseType, String> {
    ResponseType::parse(text).ok_or_else(|| {
        let all = ResponseType::ALL.iter().map(|t| t.as_str()).collect::<Vec<_>>();
        format!("not one of {}", all.join(", "))
    })
}

/// `none` where an algorithm could stand.
#[derive(Clone, Copy)]
pub(super) struct AlgorithmOrNone(pub(super) Option<Algorithm>);

fn algorithm_or_none(word: &str) -> Result<AlgorithmOrNone, String> {
    match word {
        "none" => Ok(AlgorithmOrNone(None)),
        word => {
            word.parse().map(|algorithm| AlgorithmOrNone(Some(algorithm))).map_err(|error| format!("{error}"))
        }
    }
}

/// A host as browsers write it, so that it is the same as that of redirect URIs.
fn sector(text: &str) -> Result<String, String> {
    redirect_uri::host(&format!("https://{text}"))
        .filter(|host| host.eq_ignore_ascii_case(text))
        .ok_or_else(|| "not a host, such as example.com".to_owned())
}

fn max_age(text: &str) -> Result<u32, String> {
    let seconds = when::duration(text).and_then(|seconds| u32::try_from(seconds).ok());
    seconds.ok_or_else(|| "not a duration, such as 90s, 10m, 12h or 14d".to_owned())
}

fn pkce_rule(word: &str) -> Result<PkceRule, String> {
    PkceRule::from_word(word).ok_or_else(|| "not public, auto or all".to_owned())
}

fn auth_method(word: &str) -> Result<ClientAuthMethod, String> {
    match ClientAuthMethod::from_word(word) {
        Some(ClientAuthMethod::None) => Err("a client without a secret is --public".to_owned()),
        Some(method) => Ok(method),
        None => Err("not client_secret_basic, client_secret_post or private_key_jwt".to_owned()),
    }
}
