use super::*;

fn check(file: &str, environment: &[(&str, &str)], flags: &Flags) -> Result<Config, Vec<String>> {
    let environment = environment.iter().map(|(name, value)| (name.into(), value.into()));
    Config::check(Some((Path::new("authmachine.toml"), file)), environment, flags)
        .map_err(|Problems(all)| all.into_iter().map(|p| format!("{}: {}", p.place, p.message)).collect())
}

fn problems(file: &str) -> Vec<String> {
    check(file, &[], &Flags::default()).expect_err("it is wrong")
}

#[test]
fn nothing_at_all_is_a_configuration_on_loopback() {
    let config = Config::check(None, [], &Flags::default()).expect("defaults");
    assert!(config.listen.iter().all(|address| address.ip().is_loopback()));
    assert_eq!(config.listen.len(), 2);
    assert_eq!(config.settings(8000).issuer.as_str(), "http://localhost:8000");
    assert_eq!(config.settings(80).issuer.as_str(), "http://localhost");
    assert_eq!(config.folder(), Some(Path::new("./data")));
    assert_eq!(config.key_file, Path::new("./data/authmachine.key"));
    // The table of settings and the server's own defaults are two places; they agree.
    assert_eq!(config.settings(8000).lives, lives::Lives::default());
    assert_eq!(config.settings(8000).keys, Schedule::default());
    assert_eq!(config.settings(8000).brand, Brand::default());
}

#[test]
fn with_a_certificate_the_issuer_on_loopback_is_https() {
    let file = "[tls]\ncertificate_file = \"a.pem\"\nkey_file = \"a.key\"";
    let config = check(file, &[], &Flags::default()).expect("the files are not looked at here");
    assert_eq!(config.tls, Some(tls::Files { certificate: "a.pem".into(), key: "a.key".into() }));
    assert_eq!(config.settings(8000).issuer.as_str(), "https://localhost:8000");
    assert_eq!(config.settings(443).issuer.as_str(), "https://localhost");
}

#[test]
fn the_certificates_of_fetches_are_read_with_the_configuration() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = tls::tests::files_in(folder.path());
    let settings = |ca_file: &Path| {
        let text = format!("[fetch]\nprivate_networks = [\"10.0.0.0/8\", \"::1\"]\nca_file = {ca_file:?}");
        check(&text, &[], &Flags::default()).map(|config| config.settings(8000).fetch)
    };
    let fetch = settings(&file.certificate).expect("certificates");
    // It has the one above it, too.
    assert_eq!((fetch.private_networks.len(), fetch.ca_certificates.len()), (2, 2));
    let said = settings(&file.key).expect_err("no certificate").concat();
    assert!(
        said.contains("authmachine.toml:3: cannot use") && said.contains("no certificate is in"),
        "{said}"
    );
}

#[test]
fn op2_a_typo_names_the_key_the_line_and_the_nearest_known_key() {
    for (file, said) in [
        (
            "[server]\nisuer = \"http://localhost:8000\"",
            "authmachine.toml:2: server.isuer is unknown; the nearest known key is server.issuer",
        ),
        (
            "\n\n[lives]\n\nsesion = \"1h\"",
            "authmachine.toml:5: lives.sesion is unknown; the nearest known key is lives.session",
        ),
        (
            "[lives]\nacces_token = 1",
            "authmachine.toml:2: lives.acces_token is unknown; the nearest known key is lives.access_token",
        ),
        (
            "[server]\nproduct_nam = \"X\"",
            "authmachine.toml:2: server.product_nam is unknown; the nearest known key is brand.product_name",
        ),
        ("[sever]\nissuer = \"x\"", "authmachine.toml:1: [sever] is no section; the nearest is [server]"),
        (
            "issuer = \"x\"",
            "authmachine.toml:1: issuer is no section; the nearest known key is server.issuer",
        ),
        ("server = 1", "authmachine.toml:1: server is a section, written [server]"),
        (
            "server.Listen = \"x\"",
            "authmachine.toml:1: server.Listen is unknown; the nearest known key is server.listen",
        ),
    ] {
        assert_eq!(problems(file), [said], "{file}");
    }
}

#[test]
fn op2_values_of_the_wrong_kind_or_range_are_refused_where_they_stand() {
    for (file, said) in [
        ("[server]\nissuer = 8000", "authmachine.toml:2: server.issuer is text, such as \"\""),
        ("[server]\nissuer = \"http://id.example.com\"", "plain http is only for loopback"),
        ("[server]\nlisten = \"localhost\"", "authmachine.toml:2: \"localhost\" is not an address"),
        ("[server]\nlisten = []", "authmachine.toml:2: at least one address is needed"),
        ("[server]\nlisten = \"0.0.0.0:8000\"", "server.issuer: beyond loopback an issuer is needed"),
        ("[server]\ntrusted_proxies = [\"10.0.0.0/8\"]", "is not an IP address"),
        ("[lives]\ncode = \"1h\"", "authmachine.toml:2: 3600 s is not between 1 s and 600 s"),
        ("[lives]\ncode = true", "authmachine.toml:2: lives.code is a duration, such as \"60s\""),
        ("[lives]\nsession = \"30m\"", "cannot be idle for longer"),
        ("[keys]\npublish_before = \"59m\"", "authmachine.toml:2: 3540 s is not between 3600 s and"),
        ("[keys]\nrotate_after = \"23h\"", "authmachine.toml:2: a key signs for 1d at least"),
        ("[keys]\nrotate_after = \"7d\"", "authmachine.toml:2: a key signs for longer than"),
        ("[password]\nmin_characters = 8", "authmachine.toml:2: 8 is not between 15 and 128"),
        ("[oidc]\nimplicit = \"yes\"", "authmachine.toml:2: oidc.implicit is true or false, such as false"),
        ("[oidc]\nprofile = \"basic\"", "\"basic\" is not standard or conformance"),
        ("[pkce]\nrequired = \"never\"", "\"never\" is not auto, all or public"),
        ("[brand]\naccent = \"green\"", "#rrggbb"),
        ("[log]\nlevel = \"loud\"", "is not error, warn, info, debug or trace"),
        ("[database]\nurl = \"mysql://root:hunter2@db\"", "it is neither sqlite"),
        (
            "[fetch]\nprivate_networks = [\"10.0.0.1/8\"]",
            "authmachine.toml:2: \"10.0.0.1/8\" is not a network: its address has bits behind the prefix",
        ),
        ("[fetch]\nprivate_networks = \"intranet\"", "it is not a network such as 10.0.0.0/8"),
        (
            "[fetch]\nca_file = \"missing.pem\"",
            "authmachine.toml:2: cannot read the certificates missing.pem",
        ),
        (
            "[database]\nurl = \"postgres://localhost/am\"",
            "data.key_file: with PostgreSQL the master key's file must be named",
        ),
        (
            "[tls]\ncertificate_file = \"a.pem\"",
            "tls.key_file: the key of the certificate a.pem is not named",
        ),
        (
            "[tls]\nkey_file = \"a.key\"",
            "tls.certificate_file: the certificate of the key a.key is not named",
        ),
        (
            "[server]\nissuer = \"http://localhost:8000\"\n[tls]\ncertificate_file = \"a\"\nkey_file = \"b\"",
            "authmachine.toml:2: with a certificate (tls.certificate_file) this server speaks https",
        ),
        ("[server\nissuer = \"x\"", "authmachine.toml:1: "),
    ] {
        let said_by_us = problems(file);
        assert!(said_by_us.iter().any(|line| line.contains(said)), "{file}: {said_by_us:?}");
        assert!(!said_by_us.iter().any(|line| line.contains("hunter2")), "{said_by_us:?}");
    }
}

#[test]
fn op2_everything_wrong_is_said_at_once_in_the_order_of_the_file() {
    let said =
        problems("[server]\nisuer = \"x\"\nlisten = 1\n\n[pkce]\nrequird = \"all\"\nrequired = \"no\"\n");
    let places: Vec<&str> = said.iter().map(|line| line.split(": ").next().unwrap_or_default()).collect();
    assert_eq!(
        places,
        ["authmachine.toml:2", "authmachine.toml:3", "authmachine.toml:6", "authmachine.toml:7"],
        "{said:?}"
    );
}

#[test]
fn op2_later_wins_file_environment_flag() {
    let file = "[server]\nissuer = \"https://file.example\"\nmetrics_listen = \"127.0.0.1:1\"";
    let environment =
        [("AUTHMACHINE__SERVER__ISSUER", "https://environment.example"), ("AUTHMACHINE__LIVES__CODE", "30s")];
    let issuer = |environment: &[_], flags: &Flags| {
        check(file, environment, flags).expect("legal").settings(1).issuer.as_str().to_owned()
    };
    assert_eq!(issuer(&[], &Flags::default()), "https://file.example");
    assert_eq!(issuer(&environment, &Flags::default()), "https://environment.example");
    let flags = Flags { issuer: Some("https://flag.example/".to_owned()), ..Flags::default() };
    assert_eq!(issuer(&environment, &flags), "https://flag.example");
    let config = check(file, &environment, &flags).expect("legal");
    assert_eq!(config.settings(1).lives.code_s, 30);
    assert_eq!(config.metrics_listen, Some(([127, 0, 0, 1], 1).into()));
    let config = check(file, &[("AUTHMACHINE__SERVER__METRICS_LISTEN", "")], &flags).expect("legal");
    assert_eq!(config.metrics_listen, None);
}

#[test]
fn permissions_have_a_ceiling_and_a_shape() {
    use authmachine_permissions::AnswerShape;
    let read = |file: &str| {
        check(&format!("[permissions]\n{file}"), &[], &Flags::default())
            .map(|config| config.settings(1).permissions)
    };
    let usual = read("").expect("legal");
    assert_eq!((usual.index_max_bytes, usual.answer_shape), (1 << 30, AnswerShape::Merged));
    let set = read("index_max_mib = 0\nanswer_shape = \"flat\"\ngiver_conditions_bind_taker = true")
        .expect("legal");
    assert_eq!(
        (set.index_max_bytes, set.answer_shape, set.giver_conditions_bind_taker),
        (0, AnswerShape::Flat, true)
    );
    for bad in ["index_max_mib = -1", "answer_shape = \"round\""] {
        assert!(read(bad).is_err(), "{bad}");
    }
}

#[test]
fn lending_has_bounds() {
    let read = |file: &str| {
        let config = check(&format!("[lending]\n{file}"), &[], &Flags::default());
        config.map(|config| config.settings(1).lending)
    };
    assert_eq!(read("").expect("legal"), authmachine_permissions::LendSettings::default());
    let set = read("max_hops = 5\nmax_time = \"1d\"\nrecent_login = \"1h\"\nmax_given = 2").expect("legal");
    assert_eq!((set.most_hops, set.longest_ms, set.login_within_ms), (5, Some(86_400_000), Some(3_600_000)));
    assert_eq!((set.most_given, set.most_taken), (2, 1_000));
    for bad in ["max_hops = 6", "max_hops = -1", "max_time = \"59s\"", "recent_login = 0", "max_given = -1"] {
        assert!(read(bad).is_err(), "{bad}");
    }
}

#[test]
fn the_profile_conformance_turns_on_what_nobody_set() {
    let read = |file: &str, environment: &[_]| {
        let settings = check(file, environment, &Flags::default()).expect("legal").settings(1);
        (settings.implicit, settings.pkce)
    };
    assert_eq!(read("", &[]), (false, PkceRule::Auto));
    assert_eq!(read("[oidc]\nimplicit = true", &[]), (true, PkceRule::Auto));
    assert_eq!(read("", &[("AUTHMACHINE__OIDC__IMPLICIT", "true")]), (true, PkceRule::Auto));
    let conformance = "[oidc]\nprofile = \"conformance\"\n";
    assert_eq!(read(conformance, &[]), (true, PkceRule::Public));
    assert_eq!(read(&format!("{conformance}implicit = false"), &[]), (false, PkceRule::Public));
    assert_eq!(read(conformance, &[("AUTHMACHINE__PKCE__REQUIRED", "all")]), (true, PkceRule::All));

    use authmachine_server::settings::RegistrationMode::{Off, Open, Token};
    let read = |file: &str| {
        let settings = check(file, &[], &Flags::default()).expect("legal").settings(1);
        (settings.unsigned_request_objects, settings.unsigned_id_tokens, settings.registration.mode)
    };
    assert_eq!(read(""), (false, false, Off));
    assert_eq!(read(conformance), (true, true, Open));
    assert_eq!(read(&format!("{conformance}unsigned_id_tokens = false")), (true, false, Open));
    assert_eq!(read(&format!("{conformance}[registration]\nmode = \"token\"")), (true, true, Token));

    let most =
        |file: &str| check(file, &[], &Flags::default()).expect("legal").settings(1).registration.max_clients;
    assert_eq!((most(""), most(conformance)), (1_000, 100_000));
    assert_eq!(most(&format!("{conformance}[registration]\nmax_clients = 2")), 2);
}

#[test]
fn op2_unknown_names_of_the_environment_are_refused_and_those_of_client_apps_ignored() {
    let of_apps = [
        ("AUTHMACHINE_URL", "x"),
        ("AUTHMACHINE_CLIENT_ID", "x"),
        ("AUTHMACHINE_TEST_BIN", "x"),
        ("HOME", "/"),
    ];
    assert!(check("", &of_apps, &Flags::default()).is_ok());
    for (name, near) in [
        ("AUTHMACHINE__SERVER__ISUER", "AUTHMACHINE__SERVER__ISSUER"),
        ("AUTHMACHINE__SERVER_ISSUER", "AUTHMACHINE__SERVER__ISSUER"),
        ("AUTHMACHINE__LOGS__LEVEL", "AUTHMACHINE__LOG__LEVEL"),
        ("AUTHMACHINE__server__issuer", "AUTHMACHINE__"),
    ] {
        let said = check("", &[(name, "x")], &Flags::default()).expect_err("unknown");
        assert!(
            said[0].starts_with(&format!("{name}: unknown; the nearest known name is {near}")),
            "{said:?}"
        );
    }
    let said =
        check("", &[("AUTHMACHINE__LIVES__CODE", "soon")], &Flags::default()).expect_err("no duration");
    assert_eq!(said, ["AUTHMACHINE__LIVES__CODE: lives.code is a duration, such as \"60s\""]);
}

#[test]
fn the_sample_file_is_legal_with_and_without_its_comment_signs() {
    let commented = sample();
    assert!(check(&commented, &[], &Flags::default()).is_ok());
    let is_setting = |line: &str| line.starts_with('#') && !line.starts_with("# ") && line.contains(" = ");
    let plain: Vec<&str> =
        commented.lines().map(|line| if is_setting(line) { &line[1..] } else { line }).collect();
    let config = check(&plain.join("\n"), &[], &Flags::default()).expect("the defaults are legal");
    assert_eq!(config.settings(8000).lives, lives::Lives::default());
    assert_eq!(
        plain.iter().filter(|line| line.contains(" = ") && !line.starts_with('#')).count(),
        sections::SECTIONS.iter().map(|s| s.settings.len()).sum::<usize>()
    );
}
