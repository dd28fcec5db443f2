//! What stands in the database: nothing at first, no secret ever, and nothing for longer than it is of use (checklist G7, G9, DO3).

use authmachine_testkit::{PASSWORD, TestServer, both_engines};

#[both_engines]
async fn g9_a_new_installation_has_no_account_and_no_client() {
    let server = TestServer::start().await;
    for name in ["admin", "root", "administrator", "authmachine", "demo", "test"] {
        for password in ["admin", "password", "authmachine", "", name] {
            let visit = server.browser().sign_in(name, password).await;
            assert!(matches!(visit.answer().status.as_u16(), 401 | 429), "{name}");
        }
    }
    let rows = server.rows();
    for table in ["users", "clients", "api_tokens", "permission_grants", "user_groups", "sessions"] {
        assert_eq!(rows[table].len(), 0, "{table} is empty");
    }
    assert_eq!(rows["signing_keys"].len(), 4);
}

/// The tests share their keys to save time; a real start makes its own.
#[tokio::test]
async fn g9_each_installation_makes_keys_of_its_own_and_says_nothing_of_them_before() {
    use authmachine_server::{App, Clock, Issuer, Settings, keys};
    use authmachine_store::settings::{Database, Settings as StoreSettings, Synchronous};
    let mut kids = Vec::new();
    for _ in 0..2 {
        let folder = tempfile::tempdir().expect("a folder");
        let database = Database::Sqlite { folder: folder.path().to_owned(), synchronous: Synchronous::Off };
        let store = authmachine_store::Store::open(StoreSettings::new(database)).expect("it opens");
        let settings = Settings::new(Issuer::parse(authmachine_testkit::ISSUER).expect("an issuer"));
        let app = App::start(settings, store.clone(), &[1; 32], Clock::System).await.expect("it starts");
        let router = authmachine_server::router(&app);
        let ask = |path: &str| {
            let request = http::Request::get(path).body(axum::body::Body::empty()).expect("a request");
            tower::ServiceExt::oneshot(router.clone(), request)
        };
        let discovery = async || {
            let answer = ask("/.well-known/openid-configuration").await.expect("it answers");
            axum::body::to_bytes(answer.into_body(), 100_000).await.expect("a document")
        };
        let before = discovery().await;
        assert!(String::from_utf8_lossy(&before).contains("RS256"));
        // What needs a key waits for it.
        let waiting = tokio::spawn(ask("/oidc/jwks"));
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        keys::make_first(&app).await.expect("they are made");
        assert_eq!(waiting.await.expect("no panic").expect("it answers").status(), 200);
        assert_eq!(discovery().await, before);
        let keys = store.read(|reads| reads.list_signing_keys()).await.expect("it answers");
        kids.extend(keys.into_iter().map(|key| key.kid));
    }
    kids.sort();
    kids.dedup();
    assert_eq!(kids.len(), 8);
}

#[both_engines]
async fn g7_the_database_holds_no_secret_in_clear() {
    let server = TestServer::start().await;
    server.user("alice").create().await;
    let app = server.client("shop").first_party().create().await;
    server.api_token("api").await;
    let browser = server.browser();
    browser.follow(&app.authorize_url()).await;
    browser.sign_in("alice", PASSWORD).await;
    let code = browser.authorize(&app).await.code();
    let tokens = app.redeem(&code).await.ok();
    app.refresh(tokens.refresh_token()).await.ok();
    server.browser().sign_in("alice", "a wrong and secret guess").await;

    let rows = server.rows();
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let secrets = server.secrets();
    assert!(secrets.len() > 10, "there is something to look for: {}", secrets.len());
    for secret in &secrets {
        for (table, lines) in &rows {
            for line in lines {
                assert!(
                    !line.contains(secret.as_str()) && !line.contains(&hex(secret)),
                    "{secret} in {table}: {line}"
                );
            }
        }
    }
    // Hashes are what stands there.
    assert!(rows["passwords"][0].contains("$argon2id$"));
}

#[both_engines]
async fn do3_what_strangers_leave_behind_is_swept_and_what_lives_stays() {
    let server = TestServer::start().await;
    server.user("alice").create().await;
    let app = server.client("shop").first_party().scopes("openid offline_access").create().await;

    // Strangers: logins begun and given up, wrong passwords, wrong credentials.
    for n in 0..12 {
        let page = server.browser().follow(&app.authorize_url()).await;
        page.submit(&[("username", &format!("nobody{n}")), ("password", "a wrong guess")]).await;
        app.with_secret("wrong").introspect("x").await.assert_status(401);
    }
    // People: a session, codes used and unused, tokens.
    let browser = server.browser().log_in("alice").await;
    let tokens = app.redeem(&browser.authorize(&app).await.code()).await.ok();
    browser.authorize(&app).await.code();
    server.purge().await;
    assert!(browser.is_signed_in().await);
    app.userinfo(&tokens.access_token).await.assert_status(200);
    let rows = server.rows();
    assert!(
        rows["interactions"].len() == 12 && rows["throttles"].len() >= 12,
        "what is not over is not swept"
    );

    server.clock().advance(13 * 86_400);
    server.purge().await;
    let rows = server.rows();
    for table in ["interactions", "throttles", "authorization_codes", "access_tokens"] {
        assert_eq!(rows[table].len(), 0, "{table}: {:?}", rows[table]);
    }
    let tokens = app.refresh(tokens.refresh_token()).await.ok();
    app.userinfo(&tokens.access_token).await.assert_status(200);

    server.clock().advance(400 * 86_400);
    server.purge().await;
    let rows = server.rows();
    for table in ["sessions", "session_clients", "grants", "refresh_families", "events"] {
        assert_eq!(rows[table].len(), 0, "{table}: {:?}", rows[table]);
    }
    assert_eq!((rows["users"].len(), rows["clients"].len(), rows["signing_keys"].len()), (1, 1, 4));
}
