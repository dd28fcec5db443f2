//! The discovery document taken at its word (OIDC Discovery §3, RFC 8414 §2): each value that it names works in a whole flow, each
//! value of the registries that it does not name is refused, and a member without a case in [`Provider::prove`] fails.

mod authorization;
mod clients;
mod jws;
mod logout;
mod objects;
mod registration;
mod tokens;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use authmachine_protocol::{GrantType, ResponseType};
use authmachine_server::Settings;
use authmachine_server::settings::RegistrationMode;
use authmachine_testkit::{
    AuthorizeRequest, Browser, ClientApp, ClientBuilder, ISSUER, TestServer, Tokens, both_engines,
    reach_loopback,
};
use http::Method;
use serde_json::{Map, Value, json};

const PATHS: [&str; 2] = ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"];
/// The object that [`Provider::alice`] may do something with.
const OBJECT: &str = "object1";

/// Every member that the registries have (IANA «OAuth Authorization Server Metadata», OIDC Discovery §3 and its extensions).
const REGISTERED: &[&str] = &[
    "acr_values_supported",
    "authorization_details_types_supported",
    "authorization_encryption_alg_values_supported",
    "authorization_encryption_enc_values_supported",
    "authorization_endpoint",
    "authorization_response_iss_parameter_supported",
    "authorization_signing_alg_values_supported",
    "backchannel_authentication_endpoint",
    "backchannel_authentication_request_signing_alg_values_supported",
    "backchannel_logout_session_supported",
    "backchannel_logout_supported",
    "backchannel_token_delivery_modes_supported",
    "backchannel_user_code_parameter_supported",
    "check_session_iframe",
    "claim_types_supported",
    "claims_locales_supported",
    "claims_parameter_supported",
    "claims_supported",
    "client_id_metadata_document_supported",
    "code_challenge_methods_supported",
    "device_authorization_endpoint",
    "display_values_supported",
    "dpop_signing_alg_values_supported",
    "end_session_endpoint",
    "frontchannel_logout_session_supported",
    "frontchannel_logout_supported",
    "grant_types_supported",
    "id_token_encryption_alg_values_supported",
    "id_token_encryption_enc_values_supported",
    "id_token_signing_alg_values_supported",
    "introspection_encryption_alg_values_supported",
    "introspection_encryption_enc_values_supported",
    "introspection_endpoint",
    "introspection_endpoint_auth_methods_supported",
    "introspection_endpoint_auth_signing_alg_values_supported",
    "introspection_signing_alg_values_supported",
    "issuer",
    "jwks_uri",
    "mtls_endpoint_aliases",
    "op_policy_uri",
    "op_tos_uri",
    "prompt_values_supported",
    "protected_resources",
    "pushed_authorization_request_endpoint",
    "registration_endpoint",
    "request_object_encryption_alg_values_supported",
    "request_object_encryption_enc_values_supported",
    "request_object_signing_alg_values_supported",
    "request_parameter_supported",
    "request_uri_parameter_supported",
    "require_pushed_authorization_requests",
    "require_request_uri_registration",
    "require_signed_request_object",
    "response_modes_supported",
    "response_types_supported",
    "revocation_endpoint",
    "revocation_endpoint_auth_methods_supported",
    "revocation_endpoint_auth_signing_alg_values_supported",
    "scopes_supported",
    "service_documentation",
    "signed_metadata",
    "subject_types_supported",
    "tls_client_certificate_bound_access_tokens",
    "token_endpoint",
    "token_endpoint_auth_methods_supported",
    "token_endpoint_auth_signing_alg_values_supported",
    "ui_locales_supported",
    "userinfo_encryption_alg_values_supported",
    "userinfo_encryption_enc_values_supported",
    "userinfo_endpoint",
    "userinfo_signing_alg_values_supported",
];

/// A provider, what it says of itself, and Alice, of whom everything is known.
struct Provider {
    server: TestServer,
    document: Map<String, Value>,
    alice: Browser,
    /// An initial access token (RFC 7591 §3).
    registrar: Option<String>,
    clients: AtomicU32,
}

impl Provider {
    async fn start(change: impl FnOnce(&mut Settings)) -> Self {
        let server = TestServer::start_with(|settings| {
            reach_loopback(settings);
            change(settings);
        })
        .await;
        let user = [
            ("name", "Alice Liddell"),
            ("family_name", "Liddell"),
            ("given_name", "Alice"),
            ("middle_name", "Pleasance"),
            ("nickname", "Al"),
            ("profile", "https://alice.example/"),
            ("picture", "https://alice.example/alice.png"),
            ("website", "https://alice.example/blog"),
            ("gender", "female"),
            ("birthdate", "1852-05-04"),
            ("zoneinfo", "Europe/London"),
            ("locale", "en-GB"),
            ("phone_number", "+44 1865 1234"),
        ];
        let user = user.into_iter().fold(server.user("alice"), |user, (name, value)| user.claim(name, value));
        user.claim("address", json!({"locality": "Oxford"})).create().await;
        server.permit("alice", OBJECT, &["read"]).await;
        let alice = server.browser().log_in("alice").await;
        let document = server.get(PATHS[0]).send().await.ok().as_object().expect("an object").clone();
        let registrar = match server.app().settings.registration.mode {
            RegistrationMode::Token => {
                let token = server.api_token_with("registrar", |token| {
                    token.scopes = ["clients:register"].into_iter().collect();
                });
                Some(token.await.token)
            }
            RegistrationMode::Off | RegistrationMode::Open => None,
        };
        Self { server, document, alice, registrar, clients: AtomicU32::new(0) }
    }

    /// A client that may do whatever a client of the operator's may.
    fn client(&self) -> ClientBuilder {
        let number = self.clients.fetch_add(1, Ordering::Relaxed);
        self.server
            .client(&format!("app-{number}"))
            .first_party()
            .grants(GrantType::ALL)
            .response_types(ResponseType::ALL)
            .scopes("openid profile email address phone offline_access")
    }

    /// Sends the request as Alice and redeems the code.
    async fn tokens(&self, app: &ClientApp, request: AuthorizeRequest) -> Tokens {
        app.redeem(&self.alice.authorize_with(&request.url()).await.code()).await.ok()
    }

    /// The words of a list; none where it is absent.
    fn words(&self, member: &str) -> BTreeSet<String> {
        let list = self.document.get(member).map_or(&[][..], |list| list.as_array().expect("a list"));
        list.iter().map(|word| word.as_str().expect("a word").to_owned()).collect()
    }

    /// What a list names and what else there is, each with whether it is named.
    fn named(&self, member: &str, registry: &[&str]) -> Vec<(String, bool)> {
        let named = self.words(member);
        let others = registry.iter().filter(|word| !named.contains(**word)).map(|word| (*word).to_owned());
        others.map(|word| (word, false)).chain(named.iter().cloned().map(|word| (word, true))).collect()
    }

    /// Whether a flag is there and set.
    fn is(&self, member: &str) -> bool {
        self.document.get(member) == Some(&json!(true))
    }

    /// The path of an endpoint.
    fn path(&self, member: &str) -> &str {
        self.document[member].as_str().and_then(|url| url.strip_prefix(ISSUER)).expect("below the issuer")
    }

    /// Proves everything that the document says, and that what it does not say is so.
    async fn prove_all(self) {
        let provider = Arc::new(self);
        let members: BTreeSet<_> = provider
            .document
            .keys()
            .cloned()
            .chain(REGISTERED.iter().map(|name| (*name).to_owned()))
            .collect();
        let mut failed = Vec::new();
        for member in members {
            let (provider, name) = (provider.clone(), member.clone());
            let proof = tokio::spawn(async move {
                provider.check_shape(&name);
                provider.prove(&name).await;
                provider.registration(&name).await;
            });
            failed.extend(proof.await.is_err().then_some(member));
        }
        assert!(failed.is_empty(), "what is said of these is not so: {failed:?}");
    }

    async fn prove(&self, member: &str) {
        match member {
            "issuer" => self.issuer().await,
            "authorization_endpoint" | "userinfo_endpoint" | "end_session_endpoint" => {
                self.takes(member, &[Method::GET, Method::POST]).await;
            }
            "token_endpoint" | "revocation_endpoint" | "introspection_endpoint" => {
                self.takes(member, &[Method::POST]).await;
            }
            "jwks_uri" => self.takes(member, &[Method::GET]).await,
            "check_session_iframe" => {
                self.takes_if_there(member, &[Method::GET], "/oidc/check_session").await;
                self.session_state().await;
            }
            "registration_endpoint" => self.takes_if_there(member, &[Method::POST], "/oidc/register").await,
            "backchannel_logout_supported" | "backchannel_logout_session_supported" => {
                self.back_channel_logout().await;
            }
            "frontchannel_logout_supported" | "frontchannel_logout_session_supported" => {
                self.front_channel_logout().await;
            }
            "scopes_supported" => self.scopes().await,
            "response_types_supported" => self.response_types().await,
            "response_modes_supported" => self.response_modes().await,
            "grant_types_supported" => self.grant_types().await,
            "prompt_values_supported" => self.prompts().await,
            "display_values_supported" => self.displays().await,
            "ui_locales_supported" => self.ui_locales().await,
            "code_challenge_methods_supported" => self.code_challenge_methods().await,
            "authorization_response_iss_parameter_supported" => self.iss_parameter().await,
            "request_parameter_supported" => self.request_parameter().await,
            "request_uri_parameter_supported" | "require_request_uri_registration" => {
                self.request_uri_parameter().await;
            }
            "request_object_signing_alg_values_supported" => self.request_object_algorithms().await,
            "acr_values_supported" => self.acr_values().await,
            "claims_supported" => self.claims().await,
            "claims_parameter_supported" => self.claims_parameter().await,
            "claim_types_supported" => {
                // The second is what an ID token has when permissions do not fit (`pe11_…`).
                assert_eq!(self.document[member], json!(["normal", "distributed"]));
            }
            "subject_types_supported" => self.subject_types().await,
            "id_token_signing_alg_values_supported" => self.id_token_algorithms().await,
            "userinfo_signing_alg_values_supported" => self.userinfo_algorithms().await,
            "token_endpoint_auth_methods_supported"
            | "revocation_endpoint_auth_methods_supported"
            | "introspection_endpoint_auth_methods_supported" => self.auth_methods(member).await,
            "token_endpoint_auth_signing_alg_values_supported"
            | "revocation_endpoint_auth_signing_alg_values_supported"
            | "introspection_endpoint_auth_signing_alg_values_supported" => self.assertions(member).await,
            _ if REGISTERED.contains(&member) => {
                assert!(
                    !self.document.contains_key(member),
                    "{member} is advertised, and no case here proves it"
                );
                self.is_not_built(member).await;
            }
            _ => panic!("{member} stands in the document, and no registry has it"),
        }
    }

    /// The member's JSON type, if it is there (OIDC Discovery §3, RFC 8414 §2).
    fn check_shape(&self, member: &str) {
        let Some(value) = self.document.get(member) else { return };
        let is_flag = member.starts_with("require_")
            || ["_parameter_supported", "_logout_supported", "_session_supported"]
                .iter()
                .any(|end| member.ends_with(end));
        if is_flag {
            assert!(value.is_boolean(), "{member}: {value}");
        } else if member.ends_with("_supported") {
            let words = self.words(member);
            assert!(!words.is_empty() && words.iter().all(|word| !word.is_empty()), "{member}: {value}");
            assert_eq!(Some(words.len()), value.as_array().map(Vec::len), "{member} names each once");
        } else {
            let path = value.as_str().and_then(|url| url.strip_prefix(ISSUER)).unwrap_or_else(|| {
                panic!("{member} is an address below the issuer: {value}");
            });
            assert!(
                !path.contains(['?', '#']) && (member == "issuer") == path.is_empty(),
                "{member}: {value}"
            );
        }
    }

    async fn issuer(&self) {
        let app = self.client().create().await;
        let tokens = self.tokens(&app, app.authorize()).await;
        let claims = self.server.verify(tokens.id_token()).await;
        assert_eq!(claims["iss"], self.document["issuer"]);
    }

    /// The endpoint takes these methods and no others (RFC 9110 §15.5.6). What else it needs is not there, so it refuses.
    async fn takes(&self, member: &str, methods: &[Method]) {
        let path = self.path(member);
        for method in [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let answer = self.server.request(method.clone(), path).send().await;
            let status = answer.status.as_u16();
            let is_taken = methods.contains(if method == Method::HEAD { &Method::GET } else { &method });
            if is_taken {
                assert!(status < 500 && ![404, 405, 501].contains(&status), "{method} {path}: {status}");
            } else {
                assert_eq!(status, 405, "{method} {path}");
                let allowed = answer.header("allow").unwrap_or_default();
                assert!(methods.iter().all(|method| allowed.contains(method.as_str())), "{path}: {allowed}");
            }
        }
    }

    /// The same of an endpoint that is there while something is on; otherwise there is nothing at its `path`.
    async fn takes_if_there(&self, member: &str, methods: &[Method], path: &str) {
        if self.document.contains_key(member) {
            self.takes(member, methods).await;
        } else {
            self.is_nowhere(path).await;
        }
    }

    async fn is_nowhere(&self, path: &str) {
        for method in [Method::GET, Method::POST] {
            self.server.request(method, path).send().await.assert_page(404, "There is nothing here");
        }
    }

    /// What an absent member would have been about does nothing.
    async fn is_not_built(&self, member: &str) {
        match member {
            "pushed_authorization_request_endpoint" => {
                for path in ["/oidc/par", "/oidc/request"] {
                    self.is_nowhere(path).await;
                }
                // RFC 9126 §4: without it no such reference is known.
                let app = self.client().create().await;
                let request = app.authorize().with("request_uri", "urn:ietf:params:oauth:request_uri:x");
                let visit = self.alice.follow(&request.url()).await;
                assert!(visit.is_away() && visit.params().contains_key("error"), "{}", visit.url);
            }
            "device_authorization_endpoint" => {
                for path in ["/oidc/device", "/oidc/device_authorization", "/device"] {
                    self.is_nowhere(path).await;
                }
            }
            "backchannel_authentication_endpoint" => self.is_nowhere("/oidc/backchannel").await,
            "dpop_signing_alg_values_supported" | "tls_client_certificate_bound_access_tokens" => {
                // RFC 9449 §5: a proof that is not read binds nothing, and the answer does not say that it does.
                let app = self.client().create().await;
                let tokens = self.tokens(&app, app.authorize()).await;
                assert_eq!(tokens.body["token_type"], "Bearer");
            }
            "client_id_metadata_document_supported" => {
                let url = "/oidc/authorize?response_type=code&client_id=https%3A%2F%2Fapp.example%2Fclient";
                self.alice.follow(url).await.assert_page(400, "");
            }
            _ => {}
        }
    }
}

#[both_engines]
async fn what_is_advertised_is_what_is_accepted() {
    Provider::start(|_| {}).await.prove_all().await;
}

/// What certification asks for (`oidc.profile = "conformance"`).
fn for_certification(settings: &mut Settings) {
    settings.implicit = true;
    settings.unsigned_request_objects = true;
    settings.unsigned_id_tokens = true;
    settings.registration.mode = RegistrationMode::Open;
    settings.pkce = authmachine_provider::client::PkceRule::Public;
}

#[both_engines]
async fn what_is_advertised_for_certification_is_what_is_accepted() {
    Provider::start(for_certification).await.prove_all().await;
}

#[both_engines]
async fn what_is_advertised_to_holders_of_tokens_is_what_is_accepted() {
    Provider::start(|settings| settings.registration.mode = RegistrationMode::Token).await.prove_all().await;
}

#[both_engines]
async fn the_document_has_what_it_must_have_and_tells_both_kinds_of_clients_the_same() {
    for change in [|_: &mut Settings| {}, for_certification] {
        let provider = Provider::start(change).await;
        // OIDC Discovery §3, RFC 8414 §2: REQUIRED and RECOMMENDED.
        for member in [
            "issuer",
            "authorization_endpoint",
            "token_endpoint",
            "userinfo_endpoint",
            "jwks_uri",
            "scopes_supported",
            "response_types_supported",
            "subject_types_supported",
            "id_token_signing_alg_values_supported",
            "claims_supported",
            // Absent they would mean something else than what is so.
            "grant_types_supported",
            "response_modes_supported",
            "token_endpoint_auth_methods_supported",
            "revocation_endpoint_auth_methods_supported",
            "introspection_endpoint_auth_methods_supported",
            "request_uri_parameter_supported",
        ] {
            assert!(provider.document.contains_key(member), "{member}");
        }
        assert!(provider.words("scopes_supported").contains("openid"));
        assert!(provider.words("id_token_signing_alg_values_supported").contains("RS256"));
        let [openid, oauth] = PATHS.map(|path| provider.server.get(path));
        let (openid, oauth) = (openid.send().await, oauth.send().await);
        assert_eq!(openid.body, oauth.body);
        assert_eq!(openid.header("etag"), oauth.header("etag"));
        assert_eq!(openid.header("content-type"), Some("application/json"));
    }
}

#[both_engines]
async fn an_algorithm_without_a_key_is_neither_advertised_nor_used() {
    let provider = Provider::start(|_| {}).await;
    provider.server.drop_key(authmachine_jose::Algorithm::ES256).await;
    let app = provider.client().id_token_alg(authmachine_jose::Algorithm::ES256).create().await;
    let document = provider.server.get(PATHS[0]).send().await.ok();
    assert_eq!(document["id_token_signing_alg_values_supported"], json!(["RS256", "PS256", "EdDSA"]));
    let code = provider.alice.authorize(&app).await.code();
    app.redeem(&code).await.assert_error(500, "server_error");
}
