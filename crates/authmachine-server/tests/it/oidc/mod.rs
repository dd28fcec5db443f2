//! `/oidc/…` and `/interaction/…`.

mod advertised;
mod authorize;
mod back_channel_logout;
mod client_authentication;
mod client_keys;
mod client_logo;
mod consent;
mod cors;
mod discovery;
mod end_session;
mod endings;
mod form_post;
mod id_token;
mod interaction;
mod introspection;
mod keys;
mod pkce;
mod prompt;
mod refresh;
mod registration;
mod registration_management;
mod request_object;
mod response_types;
mod revocation;
mod token;
mod userinfo;
