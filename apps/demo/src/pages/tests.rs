//! What holds for every page, whatever it is given.

use std::collections::BTreeSet;

use authmachine_client::CallbackError;
use serde_json::json;

use super::*;
use crate::traces::tests::long_trace;

const HOSTILE: [&str; 8] = [
    "\"><script>alert(1)</script>",
    "' onfocus='alert(1)' autofocus='",
    "\" onmouseover=\"alert(1)\" style=\"color:red",
    "javascript:alert(1)",
    "//evil.example/\u{202e}gpj.exe\u{2069}\u{2066}",
    "{{ 7 * 7 }} {% raw %} &lt;b&gt; <!-- ]]> </title></pre></details>",
    "a\0b\u{7}\r\nSet-Cookie: x=y\u{2028}\u{feff}\u{e0041}",
    "\u{0}\u{fffd}𝕳𝖊𝖑𝖑𝖔 <svg/onload=alert(1)> é&#x22;",
];

fn permissions(value: Value) -> Permissions {
    serde_json::from_value(value).expect("permissions")
}

/// Every page with `text` wherever others write.
fn pages(text: &str) -> Vec<(&'static str, String)> {
    let claims = json!({"sub": text, text: text, "list": [text, {text: text}], "exp": 1});
    let held = permissions(json!({text: [text, "read"], "object2": []}));
    let home = |status, permissions, by_api, trace| {
        let claims = claims.as_object().expect("an object");
        Home::new(Known { username: text, claims, status, permissions, by_api, trace }).render()
    };
    let live = |permissions: &Permissions| Live::new(Ok(permissions.clone()));
    let unknown = |error: &Error| Live::new(Err(error.clone()));
    let refused = Error::Refused { code: text.to_owned(), description: Some(text.to_owned()) };
    let error = |error: &Error, trace| {
        let fault = Some(Fault::of(error));
        let action = Some(Action::Link { text: "Sign in", href: text });
        Message { title: "T", text: error.advice(), fault, action, trace }.render()
    };
    let question = Message {
        action: Some(Action::Button { text: "Sign out", path: "/logout" }),
        ..Message::plain("Sign out?", "Do you want to?")
    };
    let trace = || Some(long_trace(text));
    [
        ("welcome", Welcome.render()),
        ("home", home(TokenStatus::Alive, live(&held), live(&held), trace())),
        ("home-no-live", home(TokenStatus::Unanswered, unknown(&refused), unknown(&refused), None)),
        ("home-bare", home(TokenStatus::NotCheckable, live(&Permissions::default()), Live::Off, None)),
        ("last-login", LastLogin::new(text, trace()).render()),
        ("last-login-forgotten", LastLogin::new(text, None).render()),
        ("error", error(&refused, None)),
        ("error-steps", error(&CallbackError::Issuer.into(), trace().map(ShownTrace))),
        ("question", question.render()),
        ("not-found", Message::not_found().render()),
        ("wrong-method", Message::wrong_method().render()),
    ]
    .map(|(name, html)| (name, html.expect("it renders")))
    .into()
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

#[test]
fn xs1_xs2_hostile_text_adds_no_tag_and_no_attribute() {
    let shape = |html: &str| -> Vec<(String, Vec<String>)> {
        let names =
            |attributes: Vec<(String, String)>| attributes.into_iter().map(|(name, _)| name).collect();
        let mut shape: Vec<_> =
            tags(html).into_iter().map(|(tag, attributes)| (tag, names(attributes))).collect();
        // Rows stand in the order of their names.
        shape.sort();
        shape
    };
    // As long as the hostile ones, so that the same number of rows and steps finds room.
    let harmless = pages("harmless, harmless, harmless");
    for hostile in HOSTILE {
        for ((name, html), (_, harmless)) in pages(hostile).iter().zip(&harmless) {
            // Cut at another place, a login with every step twenty times has another shape; its tags are ours all the same.
            if !html.contains("more than fits") {
                assert_eq!(shape(html), shape(harmless), "{name}: {hostile:?}");
            }
            for (tag, attributes) in tags(html) {
                assert!(
                    !["script", "style", "svg", "b", "iframe"].contains(&tag.as_str()),
                    "{name}: <{tag}>"
                );
                for (attribute, value) in attributes {
                    assert!(
                        attribute != "style" && !attribute.starts_with("on"),
                        "{name}: {attribute}={value}"
                    );
                    if ["href", "src", "action"].contains(&attribute.as_str()) {
                        assert!(value.starts_with('/') && !value.starts_with("//"), "{name}: {value}");
                    }
                }
            }
            let steering = ['\0', '\u{7}', '\r', '\u{202e}', '\u{2066}', '\u{2028}', '\u{feff}', '\u{e0041}'];
            assert!(!html.contains(steering), "{name}: {hostile:?}");
        }
    }
}

#[test]
fn a_page_with_its_style_sheet_is_under_50_kb_whatever_it_is_given() {
    let css = include_str!("../../assets/demo.css");
    for text in ["a", "\"", "𝕳", "\u{202e}"] {
        for length in [1, 30, 200, 1_000, 20_000] {
            for (name, html) in pages(&text.repeat(length)) {
                let bytes = html.len() + css.len();
                assert!(bytes < 50_000, "{name}, {text:?} × {length}: {bytes}");
            }
        }
    }
    let many =
        |n: usize| (0..n).map(|i| (format!("n{i}"), json!(["r", i.to_string()]))).collect::<Map<_, _>>();
    for n in [10, 100, 10_000] {
        let held = permissions(Value::Object(many(n)));
        let page = Home::new(Known {
            username: "alice",
            claims: &many(n),
            status: TokenStatus::Alive,
            permissions: Live::new(Ok(held.clone())),
            by_api: Live::new(Ok(held.clone())),
            trace: None,
        });
        let html = page.render().expect("it renders");
        assert!(html.len() + css.len() < 50_000, "{n}: {}", html.len());
        assert_eq!(html.contains("more than fits"), n > 10, "{n}");
        assert_eq!(html.contains("there is more"), n > 10, "{n}");
    }
}

#[test]
fn every_page_can_be_read_aloud_and_worked_by_keyboard() {
    for (name, html) in pages("x") {
        assert!(html.contains("<html lang=\"en\">") && html.contains("name=\"viewport\""), "{name}");
        assert_eq!((html.matches("<h1>").count(), html.matches("<main").count()), (1, 1), "{name}");
        assert!(html.contains("<header") && html.contains("<title>"), "{name}");
        let tags = tags(&html);
        let ids: Vec<&str> = tags.iter().filter_map(|(_, attributes)| attribute(attributes, "id")).collect();
        assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len(), "{name}: an id twice");
        let mut level = 1;
        for (tag, attributes) in &tags {
            if let Some(heading) = tag.strip_prefix('h').and_then(|level| level.parse::<u32>().ok()) {
                assert!(heading <= level + 1, "{name}: h{level} and then h{heading}");
                level = heading;
            }
            assert!(tag != "img" || attribute(attributes, "alt").is_some(), "{name}");
            assert!(tag != "th" || attribute(attributes, "scope").is_some(), "{name}");
            // What scrolls takes the focus, so that arrow keys move it; nothing else is moved in the order.
            assert_eq!(
                attribute(attributes, "tabindex").is_some(),
                attribute(attributes, "class") == Some("scroll"),
                "{name}: <{tag}>"
            );
            if let Some(id) = attribute(attributes, "aria-labelledby") {
                assert!(ids.contains(&id), "{name}: {id}");
            }
        }
        assert_eq!(html.matches("<details>").count(), html.matches("<summary>").count(), "{name}");
    }
}

#[test]
fn permissions_are_a_table_of_objects_by_types() {
    let held = permissions(json!({"object1": ["write", "read"], "object2": [], "a:b": ["share"]}));
    let matrix = Matrix::new(&held);
    assert_eq!(matrix.types, ["read", "share", "write"]);
    let rows: Vec<_> = matrix.objects.iter().map(|object| (object.code.as_str(), &object.held[..])).collect();
    assert_eq!(
        rows,
        [
            ("a:b", &[false, true, false][..]),
            ("object1", &[true, false, true]),
            ("object2", &[false, false, false])
        ]
    );
    assert!(!matrix.is_cut);
}

#[test]
fn a_failed_check_and_a_failed_login_say_so() {
    let html = LastLogin::new("alice", Some(long_trace("x"))).render().expect("it renders");
    assert!(
        html.contains("<li class=\"failed\"><span class=\"unseen\">Failed: </span>iss is the provider</li>")
    );
    assert!(html.contains("<li class=\"passed\"><span class=\"unseen\">Passed: </span>sub is there</li>"));
    for (error, turn) in [
        (Error::NotANavigation, "Yours."),
        (Error::UserinfoSubject, "The provider’s."),
        (Error::Config("x".to_owned()), "The operator’s"),
        (Error::NoAnswer, "Nobody’s."),
    ] {
        assert!(Fault::of(&error).turn.starts_with(turn), "{error}");
    }
}

#[test]
fn a_user_without_a_name_has_one() {
    for nameless in ["", " ", "\u{a0}"] {
        let html = LastLogin::new(nameless, None).render().expect("it renders");
        assert!(html.contains("when somebody without a name logged in"), "{nameless:?}");
    }
}

#[test]
fn xs1_templates_insert_nothing_raw() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/templates");
    for entry in std::fs::read_dir(folder).expect("the templates") {
        let path = entry.expect("a template").path();
        let template = std::fs::read_to_string(&path).expect("text");
        for raw in ["|safe", "| safe", "escape(", "|e(", "autoescape", "<script", "style=", "<style"] {
            assert!(!template.contains(raw), "{raw} in {}", path.display());
        }
        for attribute in ["href=\"", "src=\"", "action=\""] {
            for value in template.split(attribute).skip(1) {
                let is_own = value.starts_with("{{ crate::assets::")
                    || value.starts_with("{{ crate::pages::own(")
                    || value.starts_with('/') && !value.starts_with("//");
                assert!(is_own, "{attribute} in {}", path.display());
            }
        }
    }
}
