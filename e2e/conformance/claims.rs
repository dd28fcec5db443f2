//! The types of claims (OIDC Core §5.1), wherever they are said.

use serde_json::{Map, Value};
use url::Url;

/// The claims of the scopes (OIDC Core §5.4).
pub(crate) const OF_SCOPES: [(&str, &[&str]); 4] = [
    (
        "profile",
        &[
            "name",
            "family_name",
            "given_name",
            "middle_name",
            "nickname",
            "preferred_username",
            "profile",
            "picture",
            "website",
            "gender",
            "birthdate",
            "zoneinfo",
            "locale",
            "updated_at",
        ],
    ),
    ("email", &["email", "email_verified"]),
    ("address", &["address"]),
    ("phone", &["phone_number", "phone_number_verified"]),
];

/// The claims that these scopes ask for.
pub(crate) fn of_scopes(scope: &str) -> impl Iterator<Item = &'static str> {
    OF_SCOPES
        .iter()
        .filter(move |(name, _)| scope.split(' ').any(|asked| asked == *name))
        .flat_map(|(_, claims)| claims.iter().copied())
}

/// Every standard claim that is there has its type, and says something.
#[track_caller]
pub(crate) fn have_their_types(claims: &Map<String, Value>, now: i64) {
    for (name, value) in claims {
        match name.as_str() {
            "email_verified" | "phone_number_verified" => assert!(value.is_boolean(), "{name}: {value}"),
            // Jan 1 1990, and now.
            "updated_at" => {
                let at = value.as_i64().unwrap_or_else(|| panic!("{name} is no whole number: {value}"));
                assert!((631_152_000..=now + 5).contains(&at), "{name}: {at}");
            }
            "address" => {
                let parts = value.as_object().unwrap_or_else(|| panic!("{name} is no object: {value}"));
                assert!(!parts.is_empty(), "{name} says nothing");
                for (part, value) in parts {
                    says_something(part, value);
                }
            }
            "birthdate" => is_a_date(says_something(name, value)),
            "profile" | "picture" | "website" => {
                let url = Url::parse(says_something(name, value));
                assert!(url.is_ok_and(|url| url.has_host()), "{name}: {value}");
            }
            "email" => assert!(says_something(name, value).contains('@'), "{name}: {value}"),
            "name" | "family_name" | "given_name" | "middle_name" | "nickname" | "preferred_username"
            | "gender" | "zoneinfo" | "locale" | "phone_number" | "sub" => {
                says_something(name, value);
            }
            _ => {}
        }
        assert!(!value.is_null(), "{name} is null");
    }
}

#[track_caller]
fn says_something<'a>(name: &str, value: &'a Value) -> &'a str {
    let text = value.as_str().unwrap_or_else(|| panic!("{name} is no text: {value}"));
    assert!(!text.trim().is_empty() && text != "null", "{name} says nothing: {value}");
    text
}

/// `YYYY-MM-DD`, `0000-MM-DD` or `YYYY`.
#[track_caller]
fn is_a_date(text: &str) {
    let numbers: Vec<u32> = text.split('-').map(|part| part.parse().expect("a number")).collect();
    let is_date = match numbers[..] {
        [_] => text.len() == 4,
        [_, month, day] => text.len() == 10 && (1..=12).contains(&month) && (1..=31).contains(&day),
        _ => false,
    };
    assert!(is_date, "birthdate: {text}");
}
