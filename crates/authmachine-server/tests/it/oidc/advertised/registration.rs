//! What clients may register by themselves: what the lists name, and nothing else.

use authmachine_testkit::Answer;
use serde_json::json;

use super::{Provider, clients, jws, tokens};

impl Provider {
    /// Registers a client with each value of the list, and with others of the registry (OIDC Registration §2, RFC 7591 §2).
    pub(super) async fn registration(&self, member: &str) {
        if !self.document.contains_key("registration_endpoint") {
            return;
        }
        let (name, registry) = match member {
            "grant_types_supported" => ("grant_types", &tokens::GRANT_TYPES[..]),
            "response_types_supported" => (
                "response_types",
                &["code", "id_token", "id_token token", "code id_token", "token", "none"][..],
            ),
            "token_endpoint_auth_methods_supported" => ("token_endpoint_auth_method", &clients::METHODS[..]),
            "token_endpoint_auth_signing_alg_values_supported" => {
                ("token_endpoint_auth_signing_alg", &jws::ALGORITHMS[..])
            }
            "id_token_signing_alg_values_supported" => ("id_token_signed_response_alg", &jws::ALGORITHMS[..]),
            "userinfo_signing_alg_values_supported" => ("userinfo_signed_response_alg", &jws::ALGORITHMS[..]),
            "request_object_signing_alg_values_supported" => {
                ("request_object_signing_alg", &jws::ALGORITHMS[..])
            }
            "subject_types_supported" => ("subject_type", &["public", "pairwise", "x"][..]),
            "id_token_encryption_alg_values_supported" => {
                ("id_token_encrypted_response_alg", &["RSA-OAEP", "ECDH-ES"][..])
            }
            "userinfo_encryption_alg_values_supported" => {
                ("userinfo_encrypted_response_alg", &["RSA-OAEP", "dir"][..])
            }
            "request_object_encryption_alg_values_supported" => {
                ("request_object_encryption_alg", &["RSA-OAEP", "dir"][..])
            }
            _ => return,
        };
        for (word, is_named) in self.named(member, registry) {
            let answer = self.register(name, &word).await;
            if is_named {
                let registered = answer.assert_status(201).json()[name].clone();
                let kept =
                    registered == word || registered.as_array().is_some_and(|all| all.contains(&json!(word)));
                assert!(kept, "{name}={word}: {registered}");
            } else {
                answer.assert_error(400, "invalid_client_metadata");
            }
        }
    }

    /// Asks to register a client that has this value, and what must go with it (RFC 7591 §2.1).
    async fn register(&self, name: &str, word: &str) -> Answer {
        let mut metadata = json!({
            "redirect_uris": ["https://self.example/cb"],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
        });
        match (name, word) {
            ("grant_types", "authorization_code" | "refresh_token") => {}
            ("grant_types", "implicit") => {
                metadata["grant_types"] = json!(["implicit"]);
                metadata["response_types"] = json!(["id_token"]);
            }
            ("grant_types", "client_credentials") => {
                metadata["grant_types"] = json!([word]);
                metadata["response_types"] = json!([]);
            }
            ("grant_types", other) => metadata["grant_types"] = json!(["authorization_code", other]),
            ("response_types", _) => {
                metadata["grant_types"] = json!(["authorization_code", "implicit"]);
                metadata["response_types"] = json!([word]);
            }
            _ => metadata[name] = json!(word),
        }
        if name == "token_endpoint_auth_signing_alg" {
            metadata["token_endpoint_auth_method"] = json!("private_key_jwt");
        }
        if metadata["token_endpoint_auth_method"] == "private_key_jwt" {
            metadata["jwks"] = jws::key_set();
        }
        let mut request = self.server.registration(&metadata);
        if let Some(token) = &self.registrar {
            request = request.bearer(token);
        }
        request.send().await
    }
}
