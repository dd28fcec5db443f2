//! What is said about a user, to whom (OIDC Core §5).

use authmachine_protocol::claims_request::{AUTHMACHINE_PERMISSIONS, RequestedClaim, is_language_tag};
use authmachine_protocol::{ClaimsRequest, Scopes};
use serde_json::{Map, Value};

use crate::grant::Live;
use crate::user::User;

/// The standard claims and the scope that asks for each (OIDC Core §5.1, §5.4).
pub const STANDARD: &[(&str, &str)] = &[
    ("name", "profile"),
    ("family_name", "profile"),
    ("given_name", "profile"),
    ("middle_name", "profile"),
    ("nickname", "profile"),
    ("preferred_username", "profile"),
    ("profile", "profile"),
    ("picture", "profile"),
    ("website", "profile"),
    ("gender", "profile"),
    ("birthdate", "profile"),
    ("zoneinfo", "profile"),
    ("locale", "profile"),
    ("updated_at", "profile"),
    ("email", "email"),
    ("email_verified", "email"),
    ("address", "address"),
    ("phone_number", "phone"),
    ("phone_number_verified", "phone"),
];

/// Those that people read, or that lead to what they read: each may be there in several languages, as `name#de` (OIDC Core §5.2).
const LOCALIZED: &[&str] = &[
    "name",
    "family_name",
    "given_name",
    "middle_name",
    "nickname",
    "profile",
    "picture",
    "website",
    "address",
];

/// Names that mean something else in a token or an answer, and so are never a user's own claim.
const RESERVED: &[&str] = &[
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "auth_time",
    "nonce",
    "acr",
    "amr",
    "azp",
    "at_hash",
    "c_hash",
    "s_hash",
    "sid",
    "sub_jwk",
    "cnf",
    "act",
    "events",
    "scope",
    "client_id",
    "active",
    "token_type",
    "_claim_names",
    "_claim_sources",
    "id",
    "username",
    "userName",
    "preferred_username",
    "updated_at",
    AUTHMACHINE_PERMISSIONS,
];

/// The scope that asks for a standard claim, in whatever language.
pub fn scope_of(claim: &str) -> Option<&'static str> {
    let claim = untagged(claim);
    STANDARD.iter().find(|(name, _)| *name == claim).map(|(_, scope)| *scope)
}

/// The name of a claim without its language tag, if it may have one: `name` of `name#de`.
fn untagged(claim: &str) -> &str {
    match claim.split_once('#') {
        Some((name, tag)) if LOCALIZED.contains(&name) && is_language_tag(tag) => name,
        _ => claim,
    }
}

/// Why a claim cannot be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// The name means something else.
    #[error("this name is reserved")]
    Reserved,
    /// Empty, over 128 bytes, or with a control character.
    #[error("a claim's name has 1 to 128 printable characters")]
    Name,
    /// A string was expected, and not an empty one.
    #[error("it must be a string that is not empty")]
    NotText,
    /// `true` or `false` was expected.
    #[error("it must be true or false")]
    NotBoolean,
    /// An object with strings was expected (OIDC Core §5.1.1).
    #[error(
        "an address is a JSON object of strings: formatted, street_address, locality, region, postal_code, country"
    )]
    NotAnAddress,
    /// `YYYY-MM-DD`, `0000-MM-DD` or `YYYY` (OIDC Core §5.1).
    #[error("a birthdate is YYYY-MM-DD, 0000-MM-DD without the year, or YYYY")]
    NotADate,
    /// Over 4 KiB.
    #[error("it is longer than 4 KiB")]
    TooLong,
}

/// Checks a claim before it is stored for a user. `null` removes one and is not asked here.
///
/// # Errors
/// [`ClaimError`].
pub fn check(name: &str, value: &Value) -> Result<(), ClaimError> {
    if RESERVED.contains(&name) {
        return Err(ClaimError::Reserved);
    }
    if name.is_empty() || name.len() > 128 || name.chars().any(char::is_control) {
        return Err(ClaimError::Name);
    }
    if value.to_string().len() > 4 * 1024 {
        return Err(ClaimError::TooLong);
    }
    let is_text = |value: &Value| value.as_str().is_some_and(|text| !text.trim().is_empty());
    match untagged(name) {
        "email_verified" | "phone_number_verified" => {
            value.as_bool().map(|_| ()).ok_or(ClaimError::NotBoolean)
        }
        "address" => {
            const MEMBERS: [&str; 6] =
                ["formatted", "street_address", "locality", "region", "postal_code", "country"];
            let legal = value.as_object().is_some_and(|address| {
                !address.is_empty()
                    && address.iter().all(|(name, value)| MEMBERS.contains(&name.as_str()) && is_text(value))
            });
            if legal { Ok(()) } else { Err(ClaimError::NotAnAddress) }
        }
        "birthdate" => {
            if value.as_str().is_some_and(is_birthdate) {
                Ok(())
            } else {
                Err(ClaimError::NotADate)
            }
        }
        _ if scope_of(name).is_some() => {
            if is_text(value) {
                Ok(())
            } else {
                Err(ClaimError::NotText)
            }
        }
        _ => Ok(()),
    }
}

fn is_birthdate(text: &str) -> bool {
    let number =
        |part: &str| part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse::<u32>().ok()).flatten();
    let parts: Vec<_> = text.split('-').collect();
    match parts[..] {
        [year] => year.len() == 4 && number(year).is_some_and(|y| y > 0),
        [year, month, day] if (year.len(), month.len(), day.len()) == (4, 2, 2) => {
            let (Some(year), Some(month), Some(day)) = (number(year), number(month), number(day)) else {
                return false;
            };
            let leap = year == 0 || (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
            let days = match month {
                2 => 28 + u32::from(leap),
                4 | 6 | 9 | 11 => 30,
                1..=12 => 31,
                _ => 0,
            };
            (1..=days).contains(&day)
        }
        _ => false,
    }
}

/// A claim of `user` as it goes on the wire; absent instead of empty.
fn value_of(user: &User, name: &str) -> Option<Value> {
    match name {
        "preferred_username" => Some(Value::from(user.username.as_str())),
        "updated_at" => Some(Value::from(user.updated_at.seconds())),
        "email" => user.email.as_deref().map(Value::from),
        "email_verified" => user.email.is_some().then_some(Value::from(user.email_verified)),
        "phone_number_verified" => user
            .claims
            .contains_key("phone_number")
            .then(|| user.claims.get(name).cloned().unwrap_or(Value::Bool(false))),
        _ => user.claims.get(name).filter(|value| !value.is_null()).cloned(),
    }
}

/// What userinfo says of `user` (OIDC Core §5.3.2): by scope, by name, and for first-party clients everything else.
/// Permissions are added by the caller, who evaluates them.
pub fn userinfo(
    user: &User,
    sub: &str,
    scopes: &Scopes,
    live: &Live,
    first_party: bool,
    claims: &ClaimsRequest,
) -> Map<String, Value> {
    let mut answer = Map::new();
    answer.insert("sub".to_owned(), Value::from(sub));
    let by_name = |name: &str| claims.userinfo.iter().any(|claim| claim.name == name);
    for (name, scope) in STANDARD {
        if scopes.contains(scope) || (by_name(name) && live.allowed.contains(scope)) {
            insert_standard(&mut answer, user, name, &claims.locales);
        }
    }
    insert_tagged(&mut answer, user, live, &claims.userinfo);
    if first_party {
        answer.insert("id".to_owned(), Value::from(sub));
        answer.insert("username".to_owned(), Value::from(user.username.as_str()));
        answer.insert("userName".to_owned(), Value::from(user.username.as_str()));
        if scopes.contains("profile") {
            for (name, value) in
                user.claims.iter().filter(|(name, value)| scope_of(name).is_none() && !value.is_null())
            {
                answer.insert(name.clone(), value.clone());
            }
        }
    }
    answer
}

/// What the ID token says of `user` beside its own claims: only what `claims` asked for there (OIDC Core §5.5), because the
/// rest is had at userinfo. `is_all`: no access token is issued, so the claims of the scopes stand here as well (§5.4).
pub fn id_token(user: &User, live: &Live, claims: &ClaimsRequest, is_all: bool) -> Map<String, Value> {
    let mut answer = Map::new();
    for (name, _) in STANDARD.iter().filter(|(_, scope)| is_all && live.scopes.contains(scope)) {
        insert_standard(&mut answer, user, name, &claims.locales);
    }
    for claim in claims.id_token.iter().filter(|claim| !claim.name.contains('#')) {
        if scope_of(&claim.name).is_some_and(|scope| live.allowed.contains(scope)) {
            insert_standard(&mut answer, user, &claim.name, &claims.locales);
        }
    }
    insert_tagged(&mut answer, user, live, &claims.id_token);
    answer
}

/// A claim in the languages of `locales` (OIDC Core §5.2). In one language alone it needs no tag; of several, each that is there has
/// its own, beside the claim as it is for everybody.
fn insert_standard(answer: &mut Map<String, Value>, user: &User, name: &str, locales: &[String]) {
    let mut value = value_of(user, name);
    match locales {
        [] => {}
        [only] => value = variant(user, name, only).map(|(_, value)| value.clone()).or(value),
        several => {
            let variants = several.iter().filter_map(|locale| variant(user, name, locale));
            answer.extend(variants.map(|(key, value)| (key.clone(), value.clone())));
        }
    }
    answer.extend(value.map(|value| (name.to_owned(), value)));
}

/// The claims asked for with a language tag: under the name that was asked for, or under the tag of a wider language that is there.
fn insert_tagged(answer: &mut Map<String, Value>, user: &User, live: &Live, asked: &[RequestedClaim]) {
    for RequestedClaim { name, .. } in asked {
        let base = untagged(name);
        let Some(tag) = name.get(base.len() + 1..) else { continue };
        if !scope_of(base).is_some_and(|scope| live.allowed.contains(scope)) {
            continue;
        }
        if let Some((key, value)) = variant(user, base, tag) {
            let key = if key.eq_ignore_ascii_case(name) { name } else { key };
            answer.insert(key.clone(), value.clone());
        }
    }
}

/// The claim `name` in the language `tag`, else in the next wider one (RFC 4647 §3.4): `name#de` for `de-AT`.
fn variant<'a>(user: &'a User, name: &str, tag: &str) -> Option<(&'a String, &'a Value)> {
    if !LOCALIZED.contains(&name) {
        return None;
    }
    let mut range = tag;
    loop {
        let found = user.claims.iter().find(|(key, value)| {
            let tagged = key.split_once('#');
            !value.is_null() && tagged.is_some_and(|(n, t)| n == name && t.eq_ignore_ascii_case(range))
        });
        if found.is_some() {
            return found;
        }
        range = range.rsplit_once('-')?.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grant::Use;
    use crate::testing::{NOW, alice, facts, scopes};
    use serde_json::json;

    fn polyglot() -> User {
        let Value::Object(claims) = json!({
            "name": "Alice", "name#de": "Alice auf Deutsch", "name#ja-Kana-JP": "アリス", "nickname#fr": "Lili",
            "website": "https://alice.example", "website#DE": "https://alice.example/de", "email#de": "x",
        }) else {
            unreachable!("an object")
        };
        User { claims, ..alice() }
    }

    fn said(claims: &ClaimsRequest) -> Map<String, Value> {
        let live = facts().live(Use::AccessToken, NOW).expect("it lives");
        userinfo(&polyglot(), "s", &scopes("openid profile"), &live, false, claims)
    }

    #[test]
    fn claims_are_in_the_languages_asked_for() {
        let locales = |tags: &[&str]| {
            let locales = tags.iter().map(|tag| (*tag).to_owned()).collect();
            said(&ClaimsRequest { locales, ..ClaimsRequest::default() })
        };
        for (tags, name, website) in [
            (&[][..], "Alice", "https://alice.example"),
            (&["de"], "Alice auf Deutsch", "https://alice.example/de"),
            (&["de-AT"], "Alice auf Deutsch", "https://alice.example/de"),
            (&["ja-kana-jp"], "アリス", "https://alice.example"),
            (&["ja"], "Alice", "https://alice.example"),
            (&["se"], "Alice", "https://alice.example"),
        ] {
            let said = locales(tags);
            assert_eq!((&said["name"], &said["website"]), (&name.into(), &website.into()), "{tags:?}");
            assert!(!said.keys().any(|name| name.contains('#')), "{tags:?}: one language needs no tag");
        }
        assert_eq!(locales(&["fr"])["nickname"], "Lili");
        let several = locales(&["de", "fr", "se"]);
        assert_eq!((&several["name"], &several["name#de"]), (&"Alice".into(), &"Alice auf Deutsch".into()));
        assert_eq!((&several["nickname#fr"], several.get("nickname")), (&"Lili".into(), None));
        assert_eq!(several.get("name#ja-Kana-JP"), None);
    }

    #[test]
    fn a_claim_is_asked_for_in_a_language() {
        let text = r#"{"userinfo": {"name#de": null, "website#de-CH": {"essential": true}, "name#JA-kana-jp": null, "name#fr": null,
            "email#de": null, "nickname#": null, "name#de_DE": null}, "id_token": {"name#de": null}}"#;
        let claims = ClaimsRequest::parse(text).expect("legal");
        let said = said(&claims);
        assert_eq!(said["name"], "Alice");
        assert_eq!(said["name#de"], "Alice auf Deutsch");
        assert_eq!(said["name#JA-kana-jp"], "アリス", "under the name that was asked for");
        assert_eq!(said["website#DE"], "https://alice.example/de", "the wider language has its own tag");
        assert_eq!(said.keys().filter(|name| name.contains('#')).count(), 3);

        let live = facts().live(Use::AccessToken, NOW).expect("it lives");
        let in_id_token = id_token(&polyglot(), &live, &claims, false);
        assert_eq!(Value::Object(in_id_token), json!({ "name#de": "Alice auf Deutsch" }));
        let live = Live { allowed: scopes("openid"), ..live };
        assert!(id_token(&polyglot(), &live, &claims, false).is_empty(), "it takes the scope's consent");
    }

    #[test]
    fn a_claim_in_a_language_is_checked_as_its_own_kind() {
        assert_eq!(check("name#de", &json!("A")), Ok(()));
        assert_eq!(check("name#de", &json!(1)), Err(ClaimError::NotText));
        assert_eq!(check("address#de", &json!("A")), Err(ClaimError::NotAnAddress));
        assert_eq!(scope_of("address#de-AT"), Some("address"));
        for no_claim in ["email#de", "name#", "name##de", "name#de_AT", "other#de"] {
            assert_eq!(scope_of(no_claim), None, "{no_claim}");
        }
    }
}
