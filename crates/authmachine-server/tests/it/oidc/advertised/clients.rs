//! How clients prove themselves.

use authmachine_protocol::{ClientAuthMethod, basic_auth};
use authmachine_provider::ids::ClientId;
use authmachine_testkit::{Answer, ClientApp, ISSUER};
use serde_json::{Value, json};

use super::{Provider, jws};

/// The methods of the registry (IANA «OAuth Token Endpoint Authentication Methods»).
pub(super) const METHODS: [&str; 8] = [
    "none",
    "client_secret_post",
    "client_secret_basic",
    "client_secret_jwt",
    "private_key_jwt",
    "tls_client_auth",
    "self_signed_tls_client_auth",
    "attest_jwt_client_auth",
];
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

impl Provider {
    /// At one endpoint: the list's methods, each with a client that registered it, and no others.
    pub(super) async fn auth_methods(&self, member: &str) {
        for (method, is_named) in self.named(member, &METHODS) {
            let app = self.client_with(&method).await;
            let assertion = match method.as_str() {
                "client_secret_jwt" => Some(self.assertion(&app, "HS256")),
                "private_key_jwt" => Some(self.assertion(&app, "RS256")),
                _ => None,
            };
            let answer = self.present(member, &app, &method, assertion.as_deref()).await;
            if is_named {
                answer.assert_status(200);
            } else {
                answer.assert_error(401, "invalid_client");
            }
        }
    }

    /// At one endpoint: assertions signed with the list's algorithms, and with no others. Where there are none, there is no list.
    pub(super) async fn assertions(&self, member: &str) {
        let methods = member.replace("auth_signing_alg_values", "auth_methods");
        let is_built = self.words(&methods).contains("private_key_jwt");
        assert_eq!(self.document.contains_key(member), is_built, "RFC 8414 §2: {member}");
        assert!(!self.words(member).contains("none"), "RFC 8414 §2: {member}");
        for (algorithm, is_named) in self.named(member, &jws::ALGORITHMS) {
            let app = self.client_with("private_key_jwt").await;
            let assertion = self.assertion(&app, &algorithm);
            let answer = self.present(member, &app, "private_key_jwt", Some(&assertion)).await;
            if is_named {
                answer.assert_status(200);
            } else {
                answer.assert_error(401, "invalid_client");
            }
        }
    }

    /// A client that registered `method`, if there is such a one here; with a secret and keys in any case, unless it is public.
    async fn client_with(&self, method: &str) -> ClientApp {
        let app = if method == "none" { self.client().public() } else { self.client() }.create().await;
        app.change(|client| {
            client.auth_method = ClientAuthMethod::from_word(method);
            if method != "none" {
                client.metadata.jwks = Some(jws::key_set());
            }
        })
        .await
    }

    fn assertion(&self, app: &ClientApp, algorithm: &str) -> String {
        let ClientId(unique) = app.record.id;
        let now = self.server.clock().now().seconds();
        let claims: Value = json!({
            "iss": app.id(), "sub": app.id(), "aud": ISSUER, "iat": now, "exp": now + 60, "jti": format!("{unique}-{algorithm}"),
        });
        jws::signed(algorithm, "JWT", &claims, app.secret.as_deref().unwrap_or_default())
    }

    /// Asks the endpoint of a list for what it is there for, with this proof.
    async fn present(&self, member: &str, app: &ClientApp, method: &str, assertion: Option<&str>) -> Answer {
        let (endpoint, _) = member.split_once("_auth_").expect("a list of an endpoint");
        let secret = app.secret.as_deref().unwrap_or_default();
        let code = match endpoint {
            "token_endpoint" => self.alice.follow(&app.authorize().with_pkce().url()).await.code(),
            _ => String::new(),
        };
        let mut fields = match endpoint {
            "token_endpoint" => vec![
                ("grant_type", "authorization_code"),
                ("code", &code),
                ("redirect_uri", app.redirect_uri()),
                ("code_verifier", "a-verifier-that-is-long-enough-0123456789-._~"),
            ],
            _ => vec![("token", "x")],
        };
        let mut request = self.server.post(self.path(endpoint));
        match (method, assertion) {
            (_, Some(assertion)) => {
                fields.extend([("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion)]);
            }
            ("client_secret_basic", None) => {
                request = request.header("authorization", &basic_auth::encode(app.id(), secret));
            }
            ("client_secret_post", None) => {
                fields.extend([("client_id", app.id()), ("client_secret", secret)])
            }
            // A certificate is none of the parameters.
            (_, None) => fields.push(("client_id", app.id())),
        }
        request.form(&fields).send().await
    }
}
