//! OAuth 2 and OpenID Connect messages, and the rules that both sides of the wire share.
//!
//! Everything here is pure: text in, values out. The crate knows *nothing* of HTTP servers, stores, sessions
//! or keys; time is an argument.

pub mod basic_auth;
pub mod claims_request;
pub mod client_metadata;
pub mod discovery;
pub mod error;
pub mod form;
pub mod names;
pub mod pkce;
pub mod redirect_uri;
pub mod return_to;
pub mod scope;
pub mod time;
pub mod token;

pub use claims_request::ClaimsRequest;
pub use client_metadata::RegistrationRequest;
pub use discovery::ProviderMetadata;
pub use error::ErrorCode;
pub use form::Params;
pub use names::{ClientAuthMethod, GrantType, ResponseMode, ResponseType};
pub use scope::Scopes;
pub use time::Timestamp;
pub use token::{ErrorBody, TokenResponse};
