//! What an authorization request may say, and where the answer stands.

use authmachine_protocol::{ResponseMode, ResponseType};
use authmachine_testkit::ISSUER;
use serde_json::json;

use super::Provider;

impl Provider {
    pub(super) async fn response_types(&self) {
        let app = self.client().create().await;
        let all: Vec<&str> = ResponseType::ALL.iter().map(|response_type| response_type.as_str()).collect();
        let registry =
            [&all[..], &["token", "none", "code none", "id_token none", "saml", "code code"]].concat();
        for (word, is_named) in self.named("response_types_supported", &registry) {
            let request = app.authorize().with("response_type", &word);
            let visit = self.alice.follow(&request.url()).await;
            if !is_named {
                visit.assert_refused("unsupported_response_type");
                continue;
            }
            let params = visit.params();
            for (part, parameter) in [("code", "code"), ("token", "access_token"), ("id_token", "id_token")] {
                let is_there = params.contains_key(parameter);
                assert_eq!(is_there, word.split(' ').any(|w| w == part), "{word}: {parameter}");
            }
        }
        // OIDC Discovery §3: what clients that register themselves may count on.
        let named = self.words("response_types_supported");
        if self.document.contains_key("registration_endpoint") && named.len() > 1 {
            assert!(
                ["code", "id_token", "id_token token"].iter().all(|word| named.contains(*word)),
                "{named:?}"
            );
        }
    }

    pub(super) async fn response_modes(&self) {
        let app = self.client().create().await;
        let registry = [
            "query",
            "fragment",
            "form_post",
            "query.jwt",
            "fragment.jwt",
            "form_post.jwt",
            "jwt",
            "web_message",
        ];
        for (word, is_named) in self.named("response_modes_supported", &registry) {
            let visit = self.alice.follow(&app.authorize().with("response_mode", &word).url()).await;
            match ResponseMode::from_word(&word) {
                Some(ResponseMode::FormPost) if is_named => {
                    let (action, fields) = visit.form_post();
                    assert_eq!(action, app.redirect_uri());
                    app.redeem(&fields["code"]).await.ok();
                }
                Some(mode) if is_named => {
                    let joint = if mode == ResponseMode::Query { '?' } else { '#' };
                    assert!(
                        visit.away().starts_with(&format!("{}{joint}", app.redirect_uri())),
                        "{}",
                        visit.url
                    );
                    app.redeem(&visit.code()).await.ok();
                }
                None if is_named => panic!("{word} is advertised, and nobody can ask for it"),
                _ => {
                    visit.assert_refused("invalid_request");
                }
            }
        }
    }

    pub(super) async fn prompts(&self) {
        let app = self.server.client("asks").create().await;
        self.alice.authorize(&app).await.code();
        for (word, is_named) in
            self.named("prompt_values_supported", &["none", "login", "consent", "select_account", "create"])
        {
            let visit = self.alice.follow(&app.authorize().with("prompt", &word).url()).await;
            match word.as_str() {
                // Initiating User Registration §4.2: a value that is not declared.
                _ if !is_named => drop(visit.assert_refused("invalid_request")),
                "none" => drop(visit.code()),
                "login" => assert!(visit.asks_for("password", "")),
                "consent" => assert!(visit.asks_for("decision", "yes") && !visit.asks_for("password", "")),
                "select_account" => assert!(visit.asks_for("decision", "switch")),
                _ => panic!("prompt={word} is advertised, and no case here proves it"),
            }
        }
    }

    /// `display` changes nothing that a person could miss, and is never an error (OIDC Core §15.1).
    pub(super) async fn displays(&self) {
        let app = self.client().create().await;
        for (word, _) in self.named("display_values_supported", &["page", "popup", "touch", "wap", "x"]) {
            let visit = self.server.browser().follow(&app.authorize().with("display", &word).url()).await;
            assert!(visit.asks_for("password", ""), "{word}");
        }
        assert!(self.words("display_values_supported").contains("page"), "OIDC Core §3.1.2.1: the default");
    }

    pub(super) async fn ui_locales(&self) {
        let app = self.client().create().await;
        for (tag, is_named) in self.named("ui_locales_supported", &["en", "de", "fr", "se", "zh-Hans"]) {
            for wish in [tag.clone(), format!("x-none {tag}"), format!("{tag} en")] {
                let url = app.authorize().with("ui_locales", &wish).url();
                let visit = self.server.browser().follow(&url).await;
                // What we do not speak is no error: then it is the browser's language.
                let spoken = if is_named { &tag } else { "en" };
                let page = visit.assert_page(200, "").answer().text();
                assert!(page.contains(&format!("<html lang=\"{spoken}\"")), "{wish}");
            }
        }
    }

    pub(super) async fn code_challenge_methods(&self) {
        const VERIFIER: &str = "a-verifier-that-is-long-enough-0123456789-._~";
        let app = self.client().create().await;
        for (word, is_named) in self.named("code_challenge_methods_supported", &["S256", "plain", "S512", ""])
        {
            // Absent means `plain` (RFC 7636 §4.3).
            let challenge = if word == "S256" {
                authmachine_protocol::pkce::challenge(VERIFIER)
            } else {
                VERIFIER.to_owned()
            };
            let request = app.authorize().with_challenge(&challenge).with("code_challenge_method", &word);
            let visit = self.alice.follow(&request.url()).await;
            if !is_named {
                visit.assert_refused("invalid_request");
                continue;
            }
            let code = visit.code();
            app.redeem_with(&code, VERIFIER).await.ok();
            let code = self.alice.follow(&request.url()).await.code();
            app.redeem_with(&code, &VERIFIER.replace('a', "b")).await.assert_error(400, "invalid_grant");
        }
    }

    pub(super) async fn iss_parameter(&self) {
        let is_there = self.is("authorization_response_iss_parameter_supported");
        let app = self.client().create().await;
        for request in [app.authorize(), app.authorize().with("max_age", "x")] {
            let params = self.alice.follow(&request.url()).await.params();
            assert_eq!(params.get("iss").map(String::as_str), is_there.then_some(ISSUER), "RFC 9207 §3");
        }
    }

    pub(super) async fn acr_values(&self) {
        let app = self.client().create().await;
        for (word, is_named) in
            self.named("acr_values_supported", &["0", "1", "phr", "phrh", "urn:mace:incommon:iap:silver"])
        {
            // A wish is met or left out; a must is met or refused (OIDC Core §5.5.1.1).
            let tokens = self.tokens(&app, app.authorize().with("acr_values", &word)).await;
            let claims = self.server.verify(tokens.id_token()).await;
            assert_eq!(claims.get("acr"), is_named.then(|| json!(word)).as_ref());
            let must = json!({"id_token": {"acr": {"essential": true, "value": word}}}).to_string();
            let visit = self.alice.follow(&app.authorize().with("claims", &must).url()).await;
            if is_named {
                let tokens = app.redeem(&visit.code()).await.ok();
                assert_eq!(self.server.verify(tokens.id_token()).await["acr"], word);
            } else {
                visit.assert_refused("unmet_authentication_requirements");
            }
        }
    }
}
