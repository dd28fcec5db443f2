//! What holds for every page, in every state and language.

mod samples;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::Arc,
};

use authmachine_pages::{Brand, Chrome, ClientView, Lang, LogoutFrames, SelectAccount, Site, stylesheet};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn chrome(lang: Lang) -> Chrome {
    let site = Site::new(Brand::default(), "/auth");
    Chrome { site: Arc::new(site), lang, request_id: Some("01jdc5y2q8w7".into()) }
}

/// Calls `check` with each page's name and HTML.
fn each_page(text: impl Fn(&str) -> String, check: impl Fn(&str, &str)) {
    let samples = samples::all(text);
    for lang in Lang::ALL {
        for (name, page) in &samples {
            check(&format!("{name}.{}", lang.tag()), &page(&chrome(lang)));
        }
    }
}

/// The opening tags of a page: name, and attributes with their values. Panics on what our templates never write, so
/// that text which breaks out of its place shows.
fn tags(html: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut tags = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        if rest.starts_with(['/', '!']) {
            continue;
        }
        let name_end = rest.find([' ', '>']).expect("a tag ends");
        let (name, mut inside) = rest.split_at(name_end);
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric()), "<{name}");
        let mut attributes = Vec::new();
        loop {
            inside = inside.trim_start();
            if let Some(after) = inside.strip_prefix('>') {
                rest = after;
                break;
            }
            let end = inside.find(['=', ' ', '>']).expect("an attribute ends");
            let (attribute, after) = inside.split_at(end);
            assert!(attribute.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "<{name} {attribute}");
            let (value, after) = match after.strip_prefix("=\"") {
                Some(quoted) => quoted.split_once('"').expect("a value ends"),
                None => ("", after),
            };
            attributes.push((attribute.to_owned(), value.to_owned()));
            inside = after;
        }
        tags.push((name.to_owned(), attributes));
    }
    tags
}

fn attribute<'a>(attributes: &'a [(String, String)], name: &str) -> Option<&'a str> {
    attributes.iter().find(|(attribute, _)| attribute == name).map(|(_, value)| value.as_str())
}

/// All that leads away from the site: the form for a client, links to an app's own pages and back to it, frames of apps that are told
/// of a logout. Nothing else is loaded from elsewhere.
const AWAY: [(&str, &str, &str); 8] = [
    ("form", "action", "https://photos.example/callback?x=1&#38;y"),
    ("a", "href", "https://photos.example"),
    ("a", "href", "https://photos.example/policy?a=1&#38;b"),
    ("a", "href", "https://photos.example/terms"),
    ("a", "href", "https://photos.example/bye?state=1&#38;2"),
    ("a", "href", "com.example.photos:/bye"),
    ("iframe", "src", "https://music.example/out?iss=1&#38;sid=2"),
    ("iframe", "src", "http://127.0.0.1:4711/out"),
];

fn is_own(address: &str) -> bool {
    address.starts_with('/') && !address.starts_with("//")
}

const HOSTILE: [&str; 8] = [
    "\"><script>alert(1)</script>",
    "' onfocus='alert(1)' autofocus='",
    "\" onmouseover=\"alert(1)\" style=\"color:red",
    "javascript:alert(1)",
    "//evil.example/\u{202e}gpj.exe\u{2069}\u{2066}",
    "{{ 7 * 7 }} { $client } {% raw %} &lt;b&gt; <!-- ]]> </title></textarea>",
    "a\0b\u{7}\r\nSet-Cookie: x=y\u{2028}\u{feff}\u{e0041}",
    "\u{0}\u{fffd}𝕳𝖊𝖑𝖑𝖔 <svg/onload=alert(1)> é&#x22;",
];

#[test]
fn hd1_no_page_has_an_inline_script_or_style_or_a_foreign_source() {
    each_page(str::to_owned, |name, html| {
        for (tag, attributes) in tags(html) {
            assert!(!["style", "base", "object", "embed"].contains(&tag.as_str()), "{name}: <{tag}>");
            for (attribute, value) in &attributes {
                assert!(attribute != "style" && !attribute.starts_with("on"), "{name}: {attribute}={value}");
                if ["href", "src", "action"].contains(&attribute.as_str()) && !is_own(value) {
                    let away = (tag.as_str(), attribute.as_str(), value.as_str());
                    assert!(AWAY.contains(&away), "{name}: {away:?}");
                }
            }
            assert!(tag != "script" || attribute(&attributes, "src").is_some(), "{name}: an inline script");
        }
        for script in html.split("<script").skip(1) {
            assert!(script.split_once('>').is_some_and(|(_, rest)| rest.starts_with("</script>")), "{name}");
        }
    });
}

#[test]
fn xs1_xs2_hostile_text_in_every_field_adds_no_tag_and_no_attribute() {
    let shape = |html: &str| -> Vec<(String, Vec<String>)> {
        let names =
            |attributes: Vec<(String, String)>| attributes.into_iter().map(|(name, _)| name).collect();
        tags(html).into_iter().map(|(tag, attributes)| (tag, names(attributes))).collect()
    };
    // What is no address is no link, so the pages to compare with have none either.
    let is_address = |text: &str| text.starts_with('/') || text.contains(":/");
    let harmless = collect(|text| if is_address(text) { "nowhere".into() } else { text.to_owned() });
    for hostile in HOSTILE {
        for (name, html) in collect(|_| hostile.to_owned()) {
            assert_eq!(shape(&html), shape(&harmless[&name]), "{name}: {hostile:?}");
            for (_, attributes) in tags(&html) {
                for (attribute, value) in attributes {
                    if ["href", "src", "action"].contains(&attribute.as_str()) {
                        assert!(is_own(&value), "{name}: {value}");
                    }
                }
            }
            let shown = without_tags(&html);
            assert!(
                !shown.contains(['\0', '\u{7}', '\u{202e}', '\u{2066}', '\u{2028}', '\u{feff}', '\u{e0041}']),
                "{name}: {shown:?}"
            );
        }
    }
}

fn collect(text: impl Fn(&str) -> String) -> BTreeMap<String, String> {
    let pages = std::cell::RefCell::new(BTreeMap::new());
    each_page(text, |name, html| {
        pages.borrow_mut().insert(name.to_owned(), html.to_owned());
    });
    pages.into_inner()
}

fn without_tags(html: &str) -> String {
    html.split('<').filter_map(|part| part.split_once('>').map(|(_, text)| text)).collect()
}

#[test]
fn xs2_a_hostile_brand_stays_text() {
    let brand = Brand { product_name: HOSTILE[0].into(), ..Brand::default() };
    let chrome =
        Chrome { site: Arc::new(Site::new(brand, "")), lang: Lang::En, request_id: Some(HOSTILE[0].into()) };
    for (name, page) in samples::all(str::to_owned) {
        assert!(!page(&chrome).contains("<script>"), "{name}");
    }
}

#[test]
fn xs4_lg4_error_pages_show_the_request_id_and_nothing_of_the_request() {
    let with = collect(str::to_owned);
    let hostile = collect(|_| "from the request".into());
    let errors: Vec<_> = with.iter().filter(|(name, _)| name.starts_with("error-")).collect();
    assert_eq!(errors.len(), 20);
    for (name, html) in errors {
        assert!(html.contains("01jdc5y2q8w7"), "{name}");
        assert_eq!(html, &hostile[name]);
    }
}

#[test]
fn a_page_with_its_style_sheet_and_script_is_under_50_kb_whatever_it_is_given() {
    let css = stylesheet(&Brand::default());
    let script = chrome(Lang::En).site.assets.script.body.clone();
    for length in [8, 1_000, 100_000] {
        // Paths, csrf values and names of cookies are the handler's own; all else comes from outside.
        let text = move |text: &str| match text {
            "c5rf-t0ken" | "/interaction/5f0c" | "__Host-am_state" => text.to_owned(),
            text if text.starts_with("session") || text.starts_with("lending") => text.to_owned(),
            _ => "\"".repeat(length),
        };
        each_page(text, |name, html| {
            // What a client is told is sent back as it came; it was bounded when it came.
            if is_form_post(name) && length > 1_000 {
                return;
            }
            let bytes = html.len() + css.len() + script.len();
            assert!(bytes < 50_000, "{name}: {bytes}");
        });
    }
}

#[test]
fn every_page_can_be_read_aloud_and_worked_by_keyboard() {
    each_page(str::to_owned, |name, html| {
        // This one is never seen: apps talk to it.
        if name.starts_with("check-session") {
            return;
        }
        let lang = name.rsplit('.').next().unwrap();
        assert!(html.contains(&format!("<html lang=\"{lang}\">")), "{name}");
        assert_eq!(html.matches("<h1>").count(), 1, "{name}");
        assert_eq!(html.matches("<main").count(), 1, "{name}");
        assert!(html.contains("name=\"viewport\""), "{name}");
        let tags = tags(html);
        let ids: Vec<&str> = tags.iter().filter_map(|(_, attributes)| attribute(attributes, "id")).collect();
        assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len(), "{name}: an id twice");
        let labels: Vec<&str> =
            tags.iter().filter_map(|(_, attributes)| attribute(attributes, "for")).collect();
        for (tag, attributes) in &tags {
            let unseen =
                attribute(attributes, "type") == Some("hidden") || attribute(attributes, "hidden").is_some();
            if tag == "input" && !unseen {
                let id = attribute(attributes, "id").unwrap_or_else(|| panic!("{name}: an input without id"));
                assert!(labels.contains(&id), "{name}: {id} has no label");
                assert!(attribute(attributes, "autocomplete").is_some(), "{name}: {id}");
            }
            assert!(tag != "img" || attribute(attributes, "alt").is_some(), "{name}");
            for reference in ["aria-describedby", "aria-labelledby", "aria-controls"] {
                if let Some(id) = attribute(attributes, reference) {
                    assert!(ids.contains(&id), "{name}: {reference}={id}");
                }
            }
            assert!(attribute(attributes, "tabindex").is_none(), "{name}");
        }
        let focused =
            tags.iter().filter(|(_, attributes)| attribute(attributes, "autofocus").is_some()).count();
        assert!(focused <= 1, "{name}: {focused} fields want the cursor");
    });
}

fn is_form_post(name: &str) -> bool {
    name.starts_with("form-post")
}

#[test]
fn xs3_the_way_back_is_one_form_with_what_the_client_is_told() {
    let html = &collect(str::to_owned)["form-post-code.en"];
    let forms = all(html, "form");
    assert_eq!((forms.len(), attribute(&forms[0], "method")), (1, Some("post")));
    let inputs = all(html, "input");
    let fields: Vec<_> =
        inputs.iter().map(|a| (attribute(a, "type"), attribute(a, "name"), attribute(a, "value"))).collect();
    assert_eq!(
        fields,
        [("code", "5f0c"), ("state", "a &#34;state&#34; &#38; more"), ("iss", "https://id.example")]
            .map(|(name, value)| (Some("hidden"), Some(name), Some(value)))
    );
    // Without scripts there is the button, which adds nothing; with them one file of ours presses it.
    let buttons = all(html, "button");
    assert_eq!(buttons.len(), 1);
    assert_eq!((attribute(&buttons[0], "type"), attribute(&buttons[0], "name")), (Some("submit"), None));
    assert!(attribute(&buttons[0], "hidden").is_none());
    let scripts = all(html, "script");
    assert_eq!(scripts.len(), 1);
    assert!(attribute(&scripts[0], "src").is_some_and(|src| src.starts_with("/auth/assets/form_post.")));
    assert!(html.contains("https://photos.example"));
}

/// The attributes of each `wanted` tag.
fn all(html: &str, wanted: &str) -> Vec<Vec<(String, String)>> {
    tags(html).into_iter().filter(|(tag, _)| tag == wanted).map(|(_, attributes)| attributes).collect()
}

#[test]
fn an_app_is_shown_with_its_logo_and_its_own_pages() {
    let pages = collect(str::to_owned);
    for page in ["login-0-client.en", "login-1-client.de", "consent-all.en", "select-account.en"] {
        let html = &pages[page];
        let logos: Vec<_> =
            all(html, "img").into_iter().filter(|a| attribute(a, "class").is_some()).collect();
        assert_eq!(logos.len(), 1, "{page}");
        let logo = ["src", "width", "height"].map(|name| attribute(&logos[0], name));
        assert_eq!(logo, [Some(samples::LOGO), Some("56"), Some("56")], "{page}");
        assert!(attribute(&logos[0], "alt").is_some_and(|alt| alt.contains("Photo Album")), "{page}");
        let links: Vec<_> = all(html, "a").into_iter().filter(|a| attribute(a, "rel").is_some()).collect();
        let addresses: Vec<_> = links.iter().filter_map(|a| attribute(a, "href")).collect();
        assert_eq!(
            addresses,
            [
                "https://photos.example",
                "https://photos.example/policy?a=1&#38;b",
                "https://photos.example/terms"
            ],
            "{page}"
        );
        assert!(links.iter().all(|a| attribute(a, "rel") == Some("noopener noreferrer")), "{page}");
    }
    let english = &pages["login-0-client.en"];
    assert!(english.contains(">Privacy policy</a>") && english.contains(">Terms of use</a>"));
    let small = &pages["consent-small.en"];
    assert!(all(small, "a").is_empty() && !small.contains("class=\"logo\""));
}

#[test]
fn xs1_an_app_whose_page_is_no_web_address_has_no_link_to_it() {
    let with = |address: &str| {
        let view = ClientView {
            name: "Photo Album".into(),
            logo: Some(address.into()),
            client_uri: Some(address.into()),
            policy_uri: Some(address.into()),
            tos_uri: Some(address.into()),
        };
        let (action, csrf, username) = ("/a".into(), "c".into(), "alice".into());
        SelectAccount { action, csrf, username, client: view }.render(&chrome(Lang::En))
    };
    assert_eq!(all(&with("https://photos.example/"), "a").len(), 3);
    for bad in [
        "javascript:alert(1)",
        "JAVASCRIPT:alert(1)",
        "data:text/html,x",
        "http://photos.example/",
        "//e",
        "",
        "\" onload=\"",
    ] {
        let html = with(bad);
        assert!(all(&html, "a").is_empty(), "{bad}: {html}");
        assert!(!html.contains("class=\"logo\"") && !html.contains("alert(1)"), "{bad}: {html}");
    }
}

#[test]
fn dr6_an_app_that_registered_itself_comes_with_a_warning() {
    let pages = collect(str::to_owned);
    let warned = &pages["consent-all.en"];
    let (_, warning) = warned.split_once("<p class=\"alert\">").expect("a warning");
    let warning = warning.split("</p>").next().unwrap();
    assert!(
        warning.contains("registered itself") && warning.contains("<bdi>photos.example</bdi>"),
        "{warning}"
    );
    assert!(!pages["consent-small.en"].contains("registered itself"));
}

#[test]
fn lo6_apps_that_are_told_of_a_logout_are_in_hidden_sandboxed_frames() {
    let pages = collect(str::to_owned);
    for page in ["logout-frames-stay.en", "logout-frames-go.en", "logout-frames-app.de"] {
        let frames = all(&pages[page], "iframe");
        let sources: Vec<_> = frames.iter().filter_map(|frame| attribute(frame, "src")).collect();
        assert_eq!(
            sources,
            ["https://music.example/out?iss=1&#38;sid=2", "http://127.0.0.1:4711/out"],
            "{page}"
        );
        for frame in &frames {
            assert_eq!(attribute(frame, "sandbox"), Some("allow-scripts allow-same-origin"), "{page}");
            assert_eq!(attribute(frame, "referrerpolicy"), Some("no-referrer"), "{page}");
            assert!(attribute(frame, "hidden").is_some(), "{page}");
        }
    }
    let frames = ["javascript:alert(1)", "http://music.example/", "com.example.music:/", "/oidc/logout"];
    let frames = frames.map(str::to_owned).into();
    let html = LogoutFrames { frames, continue_to: None, client_name: None }.render(&chrome(Lang::En));
    assert!(all(&html, "iframe").is_empty(), "{html}");
}

#[test]
fn lo1_from_a_logout_one_link_leads_on_with_and_without_scripts() {
    let pages = collect(str::to_owned);
    for (page, address) in [
        ("logout-frames-go.en", "https://photos.example/bye?state=1&#38;2"),
        ("logout-frames-app.en", "com.example.photos:/bye"),
    ] {
        let html = &pages[page];
        let links = all(html, "a");
        assert_eq!(links.len(), 1, "{page}");
        assert_eq!(
            (attribute(&links[0], "id"), attribute(&links[0], "href")),
            (Some("continue"), Some(address)),
            "{page}"
        );
        let scripts = all(html, "script");
        assert_eq!(scripts.len(), 1, "{page}");
        let source = attribute(&scripts[0], "src");
        assert!(source.is_some_and(|src| src.starts_with("/auth/assets/logout.")), "{page}");
    }
    // Without a way on the page is the end, and no script leads anywhere.
    let stay = &pages["logout-frames-stay.en"];
    assert!(all(stay, "script").is_empty() && stay.contains("You are signed out"));
    assert!(pages["logout-frames-app.en"].contains("back to <bdi>Photo Album</bdi>"));
    for hostile in ["javascript:alert(1)", "//evil.example", "http://evil.example/"] {
        let view = LogoutFrames { frames: vec![], continue_to: Some(hostile.into()), client_name: None };
        let html = view.render(&chrome(Lang::En));
        assert_eq!(attribute(&all(&html, "a")[0], "href"), Some("/"), "{hostile}");
    }
}

#[test]
fn the_session_frame_is_one_script_that_knows_its_cookie() {
    let html = &collect(str::to_owned)["check-session.en"];
    let scripts = all(html, "script");
    assert_eq!(scripts.len(), 1);
    assert_eq!(attribute(&scripts[0], "data-cookie"), Some("__Host-am_state"));
    assert!(attribute(&scripts[0], "src").is_some_and(|src| src.starts_with("/auth/assets/check_session.")));
    assert!(html.contains("<body></body>"));
}

#[test]
fn every_form_is_a_post_with_its_csrf() {
    each_page(str::to_owned, |name, html| {
        if is_form_post(name) {
            return;
        }
        for form in html.split("<form ").skip(1) {
            let form = form.split_once("</form>").unwrap_or_else(|| panic!("{name}: a form without end")).0;
            assert!(form.starts_with("method=\"post\" action=\"/"), "{name}: {form}");
            assert!(
                form.contains("<input type=\"hidden\" name=\"csrf\" value=\"c5rf-t0ken\">"),
                "{name}: {form}"
            );
        }
    });
}

#[test]
fn pw2_password_fields_take_managers_pasting_and_any_length() {
    let pages = collect(str::to_owned);
    for (page, field, autocomplete) in [
        ("login-0-client.en", "password", "current-password"),
        ("password-0.en", "current_password", "current-password"),
        ("password-0.de", "new_password", "new-password"),
    ] {
        let tags = tags(&pages[page]);
        let (_, input) = tags
            .iter()
            .find(|(_, attributes)| attribute(attributes, "name") == Some(field))
            .unwrap_or_else(|| panic!("{page}: no {field}"));
        assert_eq!(attribute(input, "type"), Some("password"));
        assert_eq!(attribute(input, "autocomplete"), Some(autocomplete));
        for limit in ["maxlength", "minlength", "pattern", "onpaste"] {
            assert_eq!(attribute(input, limit), None, "{page}: {limit}");
        }
        // The toggle is there for the script to show; without one, nothing dead is seen.
        assert!(tags.iter().any(|(tag, attributes)| tag == "button"
            && attribute(attributes, "aria-controls") == Some(field)
            && attribute(attributes, "hidden").is_some()));
    }
}

#[test]
fn az3_consent_names_all_that_is_asked_for_and_only_yes_is_yes() {
    let html = &collect(str::to_owned)["consent-all.en"];
    for said in [
        "Photo Album",
        "alice",
        "recognise you",
        "your profile",
        "email address",
        "postal address",
        "phone number",
        "while you are away",
        "calendar.read",
        "object1",
        "object2",
        "photos.example",
    ] {
        assert!(html.contains(said), "{said}");
    }
    let yes = html.matches("value=\"yes\"").count();
    assert_eq!(
        (yes, html.matches("value=\"no\"").count(), html.matches("value=\"switch\"").count()),
        (1, 1, 1)
    );
}

#[test]
fn en1_a_refused_login_has_one_wording() {
    let pages = collect(str::to_owned);
    let refused = &pages["login-1-own.en"];
    assert!(refused.contains("role=\"alert\"") && refused.contains("do not match"));
    assert!(refused.contains("value=\"alice\""), "what was typed is kept");
}

#[test]
fn a_login_hint_fills_in_the_name_unless_it_is_no_name() {
    let page = |username: String| {
        let view = authmachine_pages::Login {
            action: "/login".into(),
            csrf: "c".into(),
            client: None,
            username,
            is_again: false,
            error: None,
            may_cancel: false,
        };
        view.render(&chrome(Lang::En))
    };
    assert!(page("ålice \"x\"".into()).contains("value=\"ålice &#34;x&#34;\""));
    assert!(page("a".repeat(257)).contains("value=\"\""));
}

#[test]
fn both_languages_say_the_same_with_the_same_values() {
    let [en, de] = ["en", "de"].map(messages);
    assert_eq!(en, de);
}

#[test]
fn every_message_is_used_and_every_used_message_exists() {
    let defined: BTreeSet<String> = messages("en").into_keys().collect();
    let mut source = String::new();
    for folder in ["templates", "src", "src/pages"] {
        for entry in fs::read_dir(format!("{ROOT}/{folder}")).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                source += &fs::read_to_string(path).unwrap();
            }
        }
    }
    let mut used: BTreeSet<String> = BTreeSet::new();
    for call in ["t.text(\"", "t.rich(\"", "t.plain(\""] {
        used.extend(source.split(call).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()));
    }
    assert!(used.len() > 60, "the search finds calls");
    assert_eq!(used.difference(&defined).collect::<Vec<_>>(), Vec::<&String>::new());
    // Keys that are chosen in Rust stand there in quotes; those of errors are put together from their kind.
    let unused: Vec<_> = defined
        .iter()
        .filter(|key| {
            let kind = key.strip_prefix("error-").and_then(|rest| rest.rsplit_once('-'));
            let of_error = kind.is_some_and(|(kind, part)| {
                ["title", "cause", "advice"].contains(&part) && source.contains(&format!("\"{kind}\""))
            });
            !of_error && !source.contains(&format!("\"{key}\""))
        })
        .collect();
    assert_eq!(unused, Vec::<&String>::new());
}

#[test]
fn no_page_lacks_a_message_or_a_value() {
    each_page(str::to_owned, |name, html| {
        for gap in ["⟦", "⟧", "{$", "{ $", "{{", "\u{2068}</title>"] {
            assert!(!html.contains(gap), "{name}: {gap}");
        }
    });
}

#[test]
fn xs1_templates_insert_nothing_raw() {
    for entry in fs::read_dir(format!("{ROOT}/templates")).unwrap() {
        let path = entry.unwrap().path();
        let template = fs::read_to_string(&path).unwrap();
        for raw in ["|safe", "| safe", "escape(", "|e(", "autoescape"] {
            assert!(!template.contains(raw), "{raw} in {}", path.display());
        }
        for attribute in ["href=\"", "src=\"", "action=\""] {
            for value in template.split(attribute).skip(1) {
                assert!(
                    ["{{ page.link(", "{{ page.own(", "{{ page.client(", "{{ page.app("]
                        .iter()
                        .any(|checked| value.starts_with(checked)),
                    "{attribute} in {}: {}",
                    path.display(),
                    value.lines().next().unwrap()
                );
            }
        }
    }
}

/// Each message of a language and the values it takes.
fn messages(lang: &str) -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(format!("{ROOT}/locales/{lang}.ftl")).unwrap();
    let mut messages: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if line.starts_with(|c: char| c.is_ascii_alphabetic()) {
            current = line.split(" =").next().unwrap().to_owned();
            assert!(messages.insert(current.clone(), BTreeSet::new()).is_none(), "{current} twice in {lang}");
        }
        for value in line.split('$').skip(1) {
            let name = value.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap();
            messages.get_mut(&current).unwrap().insert(name.to_owned());
        }
    }
    messages
}
