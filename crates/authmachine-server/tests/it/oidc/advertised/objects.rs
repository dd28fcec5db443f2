//! Request objects.

use authmachine_testkit::{ClientApp, ISSUER, Visit, WebSite};
use serde_json::{Map, Value, json};

use super::{Provider, jws};

/// A `state` that stands inside an object alone.
const INSIDE: &str = "inside";

impl Provider {
    async fn client_with_keys(&self) -> ClientApp {
        self.client().create().await.change(|client| client.metadata.jwks = Some(jws::key_set())).await
    }

    fn object(app: &ClientApp, algorithm: &str) -> String {
        let request = app.authorize().with("state", INSIDE);
        let mut claims: Map<String, Value> =
            request.params().iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        claims.extend([("iss".to_owned(), json!(app.id())), ("aud".to_owned(), json!(ISSUER))]);
        let secret = app.secret.as_deref().unwrap_or_default();
        jws::signed(algorithm, "oauth-authz-req+jwt", &Value::Object(claims), secret)
    }

    /// Asks with a parameter beside those that must stand outside (OIDC Core §6.1).
    async fn ask(&self, app: &ClientApp, parameter: &str, value: &str) -> Visit {
        self.alice.follow(&app.authorize().with(parameter, value).url()).await
    }

    #[track_caller]
    fn assert_read(visit: &Visit) {
        assert_eq!(visit.params().get("state").map(String::as_str), Some(INSIDE), "what is inside counts");
        visit.code();
    }

    pub(super) async fn request_parameter(&self) {
        let app = self.client_with_keys().await;
        let visit = self.ask(&app, "request", &Self::object(&app, "RS256")).await;
        if self.is("request_parameter_supported") {
            Self::assert_read(&visit);
        } else {
            visit.assert_refused("request_not_supported");
        }
    }

    pub(super) async fn request_uri_parameter(&self) {
        let site = WebSite::start_with_tls().await;
        let app = self.client_with_keys().await;
        let object = Self::object(&app, "RS256");
        let known = site.serve("/object", "application/oauth-authz-req+jwt", object.clone());
        let unknown = site.serve("/other", "application/oauth-authz-req+jwt", object);
        let app = app.change(|client| client.metadata.request_uris = vec![known.clone()]).await;
        let (registered, other) =
            (self.ask(&app, "request_uri", &known).await, self.ask(&app, "request_uri", &unknown).await);
        // Absent means yes (OIDC Discovery §3).
        if self.document.get("request_uri_parameter_supported") == Some(&json!(false)) {
            registered.assert_refused("request_uri_not_supported");
            other.assert_refused("request_uri_not_supported");
            assert!(!self.is("require_request_uri_registration"));
        } else {
            Self::assert_read(&registered);
            // Checklist RQ3: a stranger does not choose what we fetch.
            assert!(self.is("require_request_uri_registration"));
            other.assert_refused("invalid_request_uri");
            assert_eq!(site.received().iter().filter(|request| request.target == "/other").count(), 0);
        }
    }

    pub(super) async fn request_object_algorithms(&self) {
        let member = "request_object_signing_alg_values_supported";
        let are_read = self.is("request_parameter_supported") || self.is("request_uri_parameter_supported");
        assert_eq!(self.document.contains_key(member), are_read);
        let app = self.client_with_keys().await;
        for (algorithm, is_named) in self.named(member, &jws::ALGORITHMS) {
            let visit = self.ask(&app, "request", &Self::object(&app, &algorithm)).await;
            match (are_read, is_named) {
                (false, _) => drop(visit.assert_refused("request_not_supported")),
                (true, true) => Self::assert_read(&visit),
                (true, false) if algorithm == "none" => drop(visit.assert_refused("request_not_supported")),
                (true, false) => drop(visit.assert_refused("invalid_request_object")),
            }
        }
    }
}
