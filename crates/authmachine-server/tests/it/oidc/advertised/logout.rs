//! Who hears that a session has ended.

use authmachine_protocol::form;
use authmachine_provider::client::Client;
use authmachine_server::jobs;
use authmachine_testkit::{Browser, ClientApp, ISSUER, Visit, WebSite};

use super::Provider;

impl Provider {
    /// Sessions have other names where their people have (OIDC Core §8.1), and are known by the same as in the ID token; one of
    /// ours keeps the real ones, whatever it registered before it became one.
    async fn clients_of_each_subject_type(&self) -> Vec<ClientApp> {
        let mut apps = vec![self.client().create().await];
        for first_party in [false, true] {
            let app = self.client().create().await;
            let change = |client: &mut Client| {
                client.first_party = first_party;
                client.sector = Some("sector.example".to_owned());
            };
            apps.push(app.change(change).await);
        }
        apps
    }

    /// A browser of its own that is signed in at `app`, and the `sid` there.
    async fn session_at(&self, app: &ClientApp) -> (Browser, String, String) {
        let browser = self.server.browser().log_in("alice").await;
        let tokens = app.redeem(&browser.authorize(app).await.code()).await.ok();
        let id_token = tokens.id_token().to_owned();
        let sid = self.server.verify(&id_token).await["sid"].as_str().expect("there is a sid").to_owned();
        (browser, id_token, sid)
    }

    /// RP-initiated logout as the client asks for it.
    async fn log_out(app: &ClientApp, browser: &Browser, id_token: &str) -> Visit {
        let uri = app.post_logout_redirect_uri();
        let query = form::encode([("id_token_hint", id_token), ("post_logout_redirect_uri", uri)]);
        browser.follow(&format!("/oidc/logout?{query}")).await
    }

    /// Back-Channel Logout §2.1.
    pub(super) async fn back_channel_logout(&self) {
        let jobs = jobs::start(self.server.app().clone());
        let site = WebSite::start_with_tls().await;
        let uri = site.answer("/told", 200, &[], "");
        for (told, app) in self.clients_of_each_subject_type().await.into_iter().enumerate() {
            let app = app.change(|client| client.metadata.backchannel_logout_uri = Some(uri.clone())).await;
            let (browser, id_token, sid) = self.session_at(&app).await;
            Self::log_out(&app, &browser, &id_token).await;
            if self.is("backchannel_logout_supported") {
                let form = site.wait_for(told + 1).await[told].form();
                let claims = self.server.verify(&form[0].1).await;
                let says_sid = claims.get("sid").is_some_and(|told| *told == sid.as_str());
                assert_eq!(says_sid, self.is("backchannel_logout_session_supported"));
            } else {
                assert!(site.received().is_empty() && !self.is("backchannel_logout_session_supported"));
            }
        }
        jobs.stop().await;
    }

    /// Front-Channel Logout §3.
    pub(super) async fn front_channel_logout(&self) {
        let uri = "https://shop.example/frame";
        for app in self.clients_of_each_subject_type().await {
            let app = app
                .change(|client| {
                    client.metadata.frontchannel_logout_uri = Some(uri.to_owned());
                    client.metadata.frontchannel_logout_session_required = true;
                })
                .await;
            let (browser, id_token, sid) = self.session_at(&app).await;
            let visit = Self::log_out(&app, &browser, &id_token).await;
            if self.is("frontchannel_logout_supported") {
                let page = authmachine_testkit::unescape(visit.assert_page(200, "").answer().text());
                assert!(page.contains(&format!("<iframe src=\"{uri}")), "{page}");
                let says_sid = page.contains(&form::encode([("iss", ISSUER), ("sid", &sid)]));
                assert_eq!(says_sid, self.is("frontchannel_logout_session_supported"), "{page}");
            } else {
                assert!(visit.is_away() && !self.is("frontchannel_logout_session_supported"));
            }
        }
    }

    /// Session Management §2, §3.3: who has the frame can tell what changes in it.
    pub(super) async fn session_state(&self) {
        let app = self.client().create().await;
        for request in [app.authorize(), app.authorize().with("response_type", "code id_token")] {
            let params = self.alice.follow(&request.url()).await.params();
            let is_there = params.get("session_state").is_some_and(|state| !state.contains(' '));
            assert_eq!(is_there, self.document.contains_key("check_session_iframe"), "{params:?}");
        }
    }
}
