//! One of each page, in each of its states, for tests and for the preview.

use authmachine_pages::*;

/// A page's name, and the page.
pub(crate) type Sample = (String, Box<dyn Fn(&Chrome) -> String>);

/// The path of an app's logo.
pub(crate) const LOGO: &str = "/oidc/clients/photos/logo";

/// All pages; `text` sees each text that others wrote and may put another in its place.
pub(crate) fn all(text: impl Fn(&str) -> String) -> Vec<Sample> {
    let mut samples: Vec<Sample> = Vec::new();
    let mut add = |name: String, page: Box<dyn Fn(&Chrome) -> String>| samples.push((name, page));
    macro_rules! add {
        ($name:expr, $view:expr) => {{
            let view = $view;
            add($name.to_string(), Box::new(move |chrome| view.render(chrome)));
        }};
    }
    let action = || text("/interaction/5f0c");
    let csrf = || text("c5rf-t0ken");
    let client = || ClientView {
        name: text("Photo Album"),
        logo: Some(text(LOGO)),
        client_uri: Some(text("https://photos.example")),
        policy_uri: Some(text("https://photos.example/policy?a=1&b")),
        tos_uri: Some(text("https://photos.example/terms")),
    };

    let errors = [
        None,
        Some(LoginError::WrongCredentials),
        Some(LoginError::Throttled { retry_after_s: 95 }),
        Some(LoginError::Busy),
        Some(LoginError::Expired),
        Some(LoginError::CookiesMissing),
    ];
    for (number, error) in errors.into_iter().enumerate() {
        for client in [None, Some(client())] {
            let name = format!("login-{number}-{}", if client.is_some() { "client" } else { "own" });
            let username = if number == 0 { String::new() } else { text("alice") };
            let may_cancel = client.is_some();
            let is_again = number == 0 && !may_cancel;
            add!(
                name,
                Login { action: action(), csrf: csrf(), client, username, is_again, error, may_cancel }
            );
        }
    }

    let scopes = ["openid", "profile", "email", "address", "phone", "offline_access", "calendar.read"];
    for (name, scopes, objects) in
        [("consent-small", &scopes[..1], &[][..]), ("consent-all", &scopes[..], &["object1", "object2"][..])]
    {
        add!(
            name,
            Consent {
                action: action(),
                csrf: csrf(),
                client: if objects.is_empty() {
                    ClientView { name: text("Photo Album"), ..ClientView::default() }
                } else {
                    client()
                },
                is_self_registered: !objects.is_empty(),
                username: text("alice"),
                scopes: scopes
                    .iter()
                    .map(|s| if s.contains('.') { text(s) } else { s.to_string() })
                    .collect(),
                permission_objects: objects.iter().map(|code| text(code)).collect(),
                redirect_host: text("photos.example"),
            }
        );
    }

    for (name, params) in [
        (
            "form-post-code",
            &[("code", "5f0c"), ("state", "a \"state\" & more"), ("iss", "https://id.example")][..],
        ),
        ("form-post-error", &[("error", "access_denied"), ("error_description", "The user refused.")][..]),
    ] {
        add!(
            name,
            FormPost {
                action: text("https://photos.example/callback?x=1&y"),
                params: params.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
                client_host: text("https://photos.example"),
            }
        );
    }

    add!(
        "select-account",
        SelectAccount { action: action(), csrf: csrf(), username: text("alice"), client: client() }
    );

    for (name, username, client_name) in
        [("logout-own", None, None), ("logout-client", Some(text("alice")), Some(text("Photo Album")))]
    {
        add!(name, LogoutConfirm { action: action(), csrf: csrf(), username, client_name });
    }
    add!("logged-out", LoggedOut);
    for (name, continue_to, client_name) in [
        ("logout-frames-stay", None, None),
        ("logout-frames-go", Some(text("https://photos.example/bye?state=1&2")), None),
        ("logout-frames-app", Some(text("com.example.photos:/bye")), Some(text("Photo Album"))),
    ] {
        let frames = ["https://music.example/out?iss=1&sid=2", "http://127.0.0.1:4711/out"];
        let frames = frames.iter().map(|uri| text(uri)).collect();
        add!(name, LogoutFrames { frames, continue_to, client_name });
    }
    add!("check-session", CheckSession { cookie_name: text("__Host-am_state") });

    add!("root-signed-out", RootSignedOut);
    let agents = [
        "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
         Version/26.0 Mobile/15E148 Safari/604.1",
        "curl/8.5.0",
        "",
    ];
    let notices =
        [None, Some(Notice::PasswordChanged), Some(Notice::SessionEnded), Some(Notice::OtherSessionsEnded)];
    for (number, notice) in notices.into_iter().enumerate() {
        let line = |(index, agent): (usize, &&str)| SessionLine {
            id_form_value: text(&format!("session{index}")),
            signed_in_at_ms: 1_763_959_320_000 - 86_400_000 * index as i64,
            last_seen_at_ms: 1_763_962_920_000 - 7_300_000 * index as i64,
            address: text("2001:db8::7"),
            user_agent: text(agent),
            current: index == 0,
        };
        add!(
            format!("root-{number}"),
            Root {
                username: text("alice"),
                name: text("Alice Liddell"),
                sessions: agents.iter().enumerate().take(if number == 3 { 1 } else { 4 }).map(line).collect(),
                csrf: csrf(),
                notice,
            }
        );
    }

    let why = |by, until_ms, implied_by, on| Some(Why { by, until_ms, implied_by, on });
    let right = |permission: &str, why, may_lend: bool| RightLine {
        permission: text(permission),
        why,
        lend: may_lend.then(|| text("/account/permissions/lend?object=object1&permission=write")),
    };
    let until = Some(1_763_959_320_000);
    let object =
        |code: &str, name: &str, rights| ObjectLine { code: text(code), name: name.to_owned(), rights };
    let objects = vec![
        object(
            "object1",
            &text("The first object"),
            vec![
                right("admin", why(By::Oneself, None, None, On::Itself), true),
                right("read", why(By::Groups(vec![text("editors")]), None, None, On::Itself), true),
                right("write", why(By::LentBy(text("alice")), until, None, On::Itself), false),
            ],
        ),
        object(
            "object2",
            "",
            vec![
                right("delete", why(By::Oneself, until, Some(text("admin")), On::Itself), false),
                right(
                    "read",
                    why(
                        By::Groups(vec![text("editors"), text("staff")]),
                        until,
                        None,
                        On::Above(text("house")),
                    ),
                    false,
                ),
                right("see", why(By::Everyone, None, Some(text("read")), On::AllOf(text("door"))), false),
                right("touch", why(By::Everyone, until, None, On::Itself), false),
                right("wait", why(By::LentBy(text("bob")), None, None, On::Itself), false),
                right("write", None, false),
            ],
        ),
    ];
    let lending = |number: u8, passed_on_by: Option<&str>, depth, is_idle| LendingLine {
        id_form_value: format!("lending{number}"),
        permission: text("write"),
        object: text("object1"),
        person: text("bob"),
        passed_on_by: passed_on_by.map(&text),
        depth,
        until_ms: until.filter(|_| number != 2),
        hops: number,
        is_idle,
        is_cut: depth == 2,
    };
    let more = |list: &str| Some(text(&format!("/account/permissions?{list}=object2")));
    let nothing = || Permissions {
        csrf: csrf(),
        notice: None,
        objects: Vec::new(),
        are_too_many: false,
        more_objects: None,
        received: Vec::new(),
        more_received: None,
        given: Vec::new(),
        more_given: None,
    };
    add!("permissions-none", nothing());
    add!(
        "permissions-too-many",
        Permissions { are_too_many: true, notice: Some(Notice::GivenBack), ..nothing() }
    );
    add!(
        "permissions-held",
        Permissions {
            notice: Some(Notice::Lent),
            objects,
            more_objects: more("after"),
            received: vec![lending(0, None, 0, false)],
            ..nothing()
        }
    );
    add!(
        "permissions-lent",
        Permissions {
            notice: Some(Notice::TakenBack),
            received: vec![lending(0, None, 0, false), lending(1, None, 0, true)],
            more_received: more("received_after"),
            given: vec![
                lending(2, None, 0, false),
                lending(3, Some("bob"), 1, false),
                lending(0, Some("carol"), 2, false),
                lending(1, None, 0, true),
            ],
            more_given: more("given_after"),
            ..nothing()
        }
    );

    let errors = [
        None,
        Some(LendError::NobodyThere),
        Some(LendError::ToOneself),
        Some(LendError::NotHeld),
        Some(LendError::MayNotLend),
        Some(LendError::SwitchedOff),
        Some(LendError::TooManyHops { most: 2 }),
        Some(LendError::TooManyHops { most: 0 }),
        Some(LendError::NoEnd),
        Some(LendError::TooLate { latest_ms: 1_763_959_320_000 }),
        Some(LendError::TooSoon),
        Some(LendError::TooManyGiven { most: 1_000 }),
        Some(LendError::TooManyTaken),
        Some(LendError::Throttled { retry_after_s: 30 }),
        Some(LendError::TooMuch),
        Some(LendError::Expired),
    ];
    for (number, error) in errors.into_iter().enumerate() {
        add!(
            format!("lend-{number}"),
            Lend {
                csrf: csrf(),
                object: text("object1"),
                permission: text("write"),
                to: if number == 0 { String::new() } else { text("bob") },
                until: text("2025-11-25T04:42"),
                hops: text("0"),
                most_hops: if number == 0 { 0 } else { 2 },
                latest_ms: until.filter(|_| number != 1),
                error,
            }
        );
    }

    let errors = [
        None,
        Some(PasswordError::WrongCurrent),
        Some(PasswordError::TooShort { min: 15 }),
        Some(PasswordError::TooLong { max: 1_024 }),
        Some(PasswordError::OwnWords),
        Some(PasswordError::TooSimple),
        Some(PasswordError::Throttled { retry_after_s: 30 }),
        Some(PasswordError::Busy),
        Some(PasswordError::Expired),
    ];
    for (number, error) in errors.into_iter().enumerate() {
        add!(
            format!("password-{number}"),
            ChangePassword { csrf: csrf(), username: text("alice"), error, min_chars: 15 }
        );
    }

    for kind in ErrorKind::ALL {
        add!(format!("error-{kind:?}"), ErrorPage { kind });
    }
    samples
}
