//! What ends which tokens (design.md; checklist RT5, G5): each event against session and offline tokens, as one table.

use authmachine_provider::user::UserStatus;
use authmachine_testkit::{Browser, ClientApp, PASSWORD, TestServer, Tokens, both_engines};

/// Two clients with tokens of the same person from the same session, and a browser elsewhere.
struct Scene {
    server: TestServer,
    browser: Browser,
    elsewhere: Browser,
    session_app: ClientApp,
    offline_app: ClientApp,
    of_session: Tokens,
    offline: Tokens,
    code: String,
}

impl Scene {
    async fn set() -> Self {
        let server = TestServer::start().await;
        let session_app = server.client("session").create().await;
        let offline_app = server.client("offline").scopes("openid email offline_access").create().await;
        server.user("alice").create().await;
        let browser = server.browser();
        browser.sign_in("alice", PASSWORD).await;
        let elsewhere = server.browser().log_in("alice").await;
        let of_session = session_app.redeem(&browser.authorize(&session_app).await.code()).await.ok();
        let url = offline_app.authorize().with("prompt", "consent").url();
        let offline = offline_app.redeem(&browser.authorize_with(&url).await.code()).await.ok();
        assert!(offline.scope.contains("offline_access"));
        let code = browser.authorize(&session_app).await.code();
        Self { server, browser, elsewhere, session_app, offline_app, of_session, offline, code }
    }

    /// What lives: access and refresh token of the session, access and refresh token offline, the code, both browsers' sign-in.
    async fn alive(&self) -> [bool; 7] {
        let lives = async |app: &ClientApp, token: &str| {
            let userinfo = app.userinfo(token).await.status.as_u16() == 200;
            // Every door says the same.
            let secret_works = app.post("/oidc/introspect", &[("token", token)]).await;
            if secret_works.status.as_u16() == 200 {
                assert_eq!(secret_works.ok()["active"], userinfo);
                assert_eq!(!app.is_revoked(token).await, userinfo);
            }
            userinfo
        };
        let refreshes = async |app: &ClientApp, token: &str| app.refresh(token).await.status.as_u16() == 200;
        [
            lives(&self.session_app, &self.of_session.access_token).await,
            refreshes(&self.session_app, self.of_session.refresh_token()).await,
            lives(&self.offline_app, &self.offline.access_token).await,
            refreshes(&self.offline_app, self.offline.refresh_token()).await,
            self.session_app.redeem(&self.code).await.status.as_u16() == 200,
            self.browser.is_signed_in().await,
            self.elsewhere.is_signed_in().await,
        ]
    }
}

const YES: bool = true;
const NO: bool = false;

#[both_engines]
async fn rt5_what_ends_what_is_a_table() {
    type Event = fn(&Scene) -> std::pin::Pin<Box<dyn Future<Output = ()> + '_>>;
    //                                                   session      offline      code  signed in
    //                                                   access refr. access refr.       here elsewhere
    let table: [(&str, Event, [bool; 7]); 11] = [
        ("nothing", |_| Box::pin(async {}), [YES, YES, YES, YES, YES, YES, YES]),
        ("plain logout", |s| Box::pin(plain_logout(s)), [YES, NO, YES, YES, NO, NO, YES]),
        ("logout with revoke_tokens", |s| Box::pin(revoke_tokens(s)), [NO, NO, NO, NO, NO, NO, YES]),
        ("session ended elsewhere", |s| Box::pin(end_others(s)), [YES, NO, YES, YES, NO, NO, YES]),
        ("idle end of the session", |s| Box::pin(idle(s)), [YES, YES, YES, YES, YES, NO, NO]),
        ("absolute end of the session", |s| Box::pin(absolute_end(s)), [NO, NO, NO, YES, NO, NO, NO]),
        ("password changed", |s| Box::pin(change_password(s)), [NO, NO, NO, NO, NO, YES, NO]),
        ("user locked", |s| Box::pin(lock(s)), [NO, NO, NO, NO, NO, NO, NO]),
        ("consent withdrawn", |s| Box::pin(withdraw(s)), [NO, NO, YES, YES, NO, YES, YES]),
        ("client disabled", |s| Box::pin(disable(s)), [NO, NO, YES, YES, NO, YES, YES]),
        ("scope openid removed", |s| Box::pin(remove_scope(s)), [NO, NO, YES, YES, NO, YES, YES]),
    ];
    for (name, event, expected) in table {
        let scene = Scene::set().await;
        event(&scene).await;
        assert_eq!(scene.alive().await, expected, "{name}");
    }
}

async fn plain_logout(scene: &Scene) {
    scene.browser.sign_out().await;
}

async fn revoke_tokens(scene: &Scene) {
    scene.browser.follow("/oidc/logout?revoke_tokens=1").await.submit(&[("decision", "yes")]).await;
}

async fn end_others(scene: &Scene) {
    let page = scene.elsewhere.open("/").await;
    let form = page
        .forms()
        .into_iter()
        .find(|form| form.action == "/account/sessions/end-others")
        .expect("the button");
    let csrf = form.fields[0].1.clone();
    let visit = scene.elsewhere.post(authmachine_testkit::Site::Own, &form.action, &[("csrf", &csrf)]).await;
    visit.assert_page(200, "You are signed out everywhere else");
}

/// Nobody used the sessions for an hour. Access tokens of third parties live no longer, so the clock stays and the past changes.
async fn idle(scene: &Scene) {
    let now = scene.server.clock().now();
    let idle_since = now.plus_seconds(-scene.server.app().settings.lives.session_idle_s);
    for browser in [&scene.browser, &scene.elsewhere] {
        let cookie = browser.cookie("session").expect("signed in").value;
        let presented =
            authmachine_provider::handle::Presented::parse(authmachine_provider::ids::Kind::Session, &cookie);
        let presented = presented.expect("a session's handle");
        let sha256 = presented.sha256;
        scene
            .server
            .write(move |tx| {
                let (mut session, _) = tx.find_session(&presented)?.expect("a session");
                session.last_seen_at = idle_since;
                tx.renew_session(&session, &sha256)
            })
            .await;
    }
}

async fn absolute_end(scene: &Scene) {
    scene.server.clock().advance(12 * 3_600);
}

async fn change_password(scene: &Scene) {
    let page = scene.browser.open("/account/password").await;
    let fields = [("current_password", PASSWORD), ("new_password", "another fine set of words")];
    page.submit(&fields).await.assert_page(200, "Your password is changed");
}

async fn lock(scene: &Scene) {
    let (id, now) = (scene.server.find_user("alice").await.expect("made").id, scene.server.clock().now());
    scene.server.write(move |tx| tx.set_user_status(id, UserStatus::Locked, now)).await;
}

async fn withdraw(scene: &Scene) {
    let user = scene.server.find_user("alice").await.expect("made").id;
    let (client, now) = (scene.session_app.record.id, scene.server.clock().now());
    scene.server.write(move |tx| tx.withdraw_consent(user, client, now)).await;
}

async fn disable(scene: &Scene) {
    scene.session_app.change(|client| client.disabled = true).await;
}

async fn remove_scope(scene: &Scene) {
    scene.session_app.change(|client| client.scopes = client.scopes.without("openid")).await;
}
