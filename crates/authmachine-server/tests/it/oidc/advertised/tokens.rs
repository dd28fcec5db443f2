//! What clients are given: scopes, claims, subjects, and what signs them.

use std::collections::BTreeSet;

use authmachine_jose::{Algorithm, JwkSet};
use authmachine_protocol::ResponseType;
use authmachine_provider::user_claims::STANDARD;
use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde_json::{Map, Value, json};

use super::{OBJECT, Provider, jws};

/// The grant types of the registries (IANA «OAuth Parameters», OpenID CIBA, OpenID4VCI).
pub(super) const GRANT_TYPES: [&str; 12] = [
    "authorization_code",
    "refresh_token",
    "client_credentials",
    "implicit",
    "password",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:jwt-bearer",
    "urn:ietf:params:oauth:grant-type:saml2-bearer",
    "urn:ietf:params:oauth:grant-type:token-exchange",
    "urn:ietf:params:oauth:grant-type:uma-ticket",
    "urn:openid:params:grant-type:ciba",
    "urn:ietf:params:oauth:grant-type:pre-authorized_code",
];

impl Provider {
    pub(super) async fn scopes(&self) {
        let app = self.client().create().await;
        let registry =
            ["openid", "profile", "email", "address", "phone", "offline_access", "groups", "roles"];
        for (scope, is_named) in self.named("scopes_supported", &registry) {
            let browser = self.server.browser().log_in("alice").await;
            let request =
                app.authorize().with("scope", &format!("openid {scope}").replace("openid openid", "openid"));
            let tokens = app.redeem(&browser.authorize_with(&request.url()).await.code()).await.ok();
            let is_given = tokens.scope.split(' ').any(|given| given == scope);
            assert_eq!(is_given, is_named, "{scope}");
            let userinfo = app.userinfo(&tokens.access_token).await.ok();
            match scope.as_str() {
                _ if !is_named => {}
                "openid" => assert!(tokens.id_token.is_some()),
                // OIDC Core §11: access while nobody is there.
                "offline_access" => {
                    browser.sign_out().await;
                    app.refresh(tokens.refresh_token()).await.ok();
                }
                _ => {
                    let claims: Vec<_> = STANDARD.iter().filter(|(_, of)| *of == scope).collect();
                    assert!(!claims.is_empty(), "{scope} is advertised, and no case here proves it");
                    for (name, _) in claims {
                        assert!(userinfo.get(name).is_some(), "OIDC Core §5.4: {scope}: {name}");
                    }
                }
            }
        }
    }

    pub(super) async fn grant_types(&self) {
        let app = self.client().scopes("openid profile offline_access read").create().await;
        for (word, is_named) in self.named("grant_types_supported", &GRANT_TYPES) {
            match word.as_str() {
                "authorization_code" if is_named => drop(self.tokens(&app, app.authorize()).await),
                "refresh_token" if is_named => {
                    let tokens = self.tokens(&app, app.authorize()).await;
                    app.refresh(tokens.refresh_token()).await.ok();
                }
                "client_credentials" if is_named => drop(app.token(&[("grant_type", &word)]).await.ok()),
                // A word for the authorization endpoint (RFC 7591 §2.1): the token endpoint never takes it.
                "implicit" => {
                    let request = app.authorize().with("response_type", "id_token token");
                    let visit = self.alice.follow(&request.url()).await;
                    assert_eq!(visit.params().contains_key("access_token"), is_named);
                    app.token(&[("grant_type", &word)]).await.assert_error(400, "unsupported_grant_type");
                }
                _ => {
                    assert!(!is_named, "{word} is advertised, and no case here proves it");
                    let fields = [
                        ("grant_type", word.as_str()),
                        ("username", "alice"),
                        ("password", authmachine_testkit::PASSWORD),
                        ("device_code", "x"),
                        ("assertion", "x"),
                        ("subject_token", "x"),
                        ("auth_req_id", "x"),
                    ];
                    app.token(&fields).await.assert_error(400, "unsupported_grant_type");
                }
            }
        }
    }

    /// What a client gets that asks for all there is, in both places: exactly the claims that are named.
    pub(super) async fn claims(&self) {
        let app = self
            .server
            .client("curious")
            .scopes("openid profile email address phone offline_access")
            .response_types(ResponseType::ALL)
            .objects(&[OBJECT])
            .create()
            .await;
        let by_name: Map<String, Value> =
            STANDARD.iter().map(|(name, _)| ((*name).to_owned(), Value::Null)).collect();
        let mut at_userinfo = by_name.clone();
        at_userinfo.insert("authmachine_permissions".to_owned(), json!({"values": [OBJECT]}));
        let claims = json!({"id_token": by_name, "userinfo": at_userinfo}).to_string();
        let acr = self.words("acr_values_supported").into_iter().collect::<Vec<_>>().join(" ");
        let request =
            app.authorize().with("claims", &claims).with("acr_values", &acr).with("max_age", "1000");

        let mut had: BTreeSet<String> = BTreeSet::new();
        let tokens = self.tokens(&app, request.clone()).await;
        had.extend(self.server.verify(tokens.id_token()).await.keys().cloned());
        let userinfo = app.userinfo(&tokens.access_token).await.ok();
        had.extend(userinfo.as_object().expect("an object").keys().cloned());
        for response_type in self.words("response_types_supported") {
            let visit =
                self.alice.authorize_with(&request.clone().with("response_type", &response_type).url()).await;
            if let Some(id_token) = visit.params().get("id_token") {
                had.extend(self.server.verify(id_token).await.keys().cloned());
            }
        }
        assert_eq!(had, self.words("claims_supported"));
    }

    pub(super) async fn claims_parameter(&self) {
        let app = self.client().create().await;
        let claims = r#"{"id_token":{"email":{"essential":true}},"userinfo":{"nickname":null}}"#;
        let request = app.authorize().with("scope", "openid").with("claims", claims);
        let tokens = self.tokens(&app, request).await;
        let is_read = self.is("claims_parameter_supported");
        assert_eq!(self.server.verify(tokens.id_token()).await.contains_key("email"), is_read);
        assert_eq!(app.userinfo(&tokens.access_token).await.ok().get("nickname").is_some(), is_read);
    }

    /// OIDC Core §8: `public` is the same everywhere, `pairwise` in each sector.
    pub(super) async fn subject_types(&self) {
        for (word, is_named) in self.named("subject_types_supported", &["public", "pairwise"]) {
            let mut subjects = Vec::new();
            for sector in ["one.example", "one.example", "two.example"] {
                // Pairwise subjects are for clients of others.
                let app = self.client().create().await;
                let app = app
                    .change(|client| {
                        client.first_party = word == "public";
                        client.sector = (word == "pairwise").then(|| sector.to_owned());
                    })
                    .await;
                let tokens = self.tokens(&app, app.authorize()).await;
                let sub = self.server.verify(tokens.id_token()).await["sub"].clone();
                assert_eq!(app.userinfo(&tokens.access_token).await.ok()["sub"], sub, "OIDC Core §5.3.2");
                subjects.push(sub);
            }
            assert_eq!(subjects[0], subjects[1], "{word}");
            assert_eq!(subjects[0] == subjects[2], word == "public" || !is_named, "{word}");
        }
    }

    pub(super) async fn id_token_algorithms(&self) {
        for (word, is_named) in self.named("id_token_signing_alg_values_supported", &jws::ALGORITHMS) {
            match word.parse::<Algorithm>() {
                Ok(algorithm) => {
                    assert!(is_named, "there is a key for {word}, and it is not advertised");
                    let app = self.client().id_token_alg(algorithm).create().await;
                    let tokens = self.tokens(&app, app.authorize()).await;
                    assert_eq!(header(tokens.id_token())["alg"], word);
                    self.server.verify(tokens.id_token()).await;
                }
                // OIDC Core §2: only for a client that registered it, and only where no browser sees it.
                Err(_) if word == "none" => {
                    let app = self.client().create().await;
                    let app = app
                        .change(|client| {
                            client.metadata.unsigned_id_tokens = true;
                            client.response_types = vec![ResponseType::Code];
                        })
                        .await;
                    let code = self.alice.follow(&app.authorize_url()).await.code();
                    let answer = app.redeem(&code).await;
                    let is_unsigned = answer.status == 200 && header(answer.ok().id_token())["alg"] == "none";
                    assert_eq!(is_unsigned, is_named);
                }
                Err(_) => assert!(!is_named, "{word} is advertised, and no client can be registered with it"),
            }
        }
    }

    pub(super) async fn userinfo_algorithms(&self) {
        for (word, is_named) in self.named("userinfo_signing_alg_values_supported", &jws::ALGORITHMS) {
            let Ok(algorithm) = word.parse::<Algorithm>() else {
                assert!(
                    !is_named || word == "none",
                    "{word} is advertised, and no client can be registered with it"
                );
                continue;
            };
            let app = self.client().create().await;
            let app = app.change(|client| client.userinfo_alg = Some(algorithm)).await;
            let tokens = self.tokens(&app, app.authorize()).await;
            let answer = app.userinfo(&tokens.access_token).await;
            if !is_named {
                answer.ok();
                continue;
            }
            assert_eq!(answer.assert_status(200).header("content-type"), Some("application/jwt"));
            let claims = self.server.verify(answer.text()).await;
            assert_eq!(header(answer.text())["alg"], word);
            assert_eq!((&claims["iss"], &claims["aud"]), (&self.document["issuer"], &json!(app.id())));
        }
        let keys = self.server.get(self.path("jwks_uri")).send().await;
        assert!(JwkSet::parse(keys.text()).is_ok_and(|keys| !keys.keys().is_empty()));
    }
}

/// The header of a JWS.
fn header(token: &str) -> Value {
    let (header, _) = token.split_once('.').expect("it has parts");
    let header = Base64UrlUnpadded::decode_vec(header).expect("base64url");
    serde_json::from_slice(&header).expect("JSON")
}
