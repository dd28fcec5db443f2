//! What is said about a user, to whom (OIDC Core §5).

use authmachine_protocol::claims_request::AUTHMACHINE_PERMISSIONS;
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

/// The scope that asks for a standard claim.
pub fn scope_of(claim: &str) -> Option<&'static str> {
    STANDARD.iter().find(|(name, _)| *name == claim).map(|(_, scope)| *scope)
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
    match name {
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
            insert(&mut answer, name, value_of(user, name));
        }
    }
    if first_party {
        answer.insert("id".to_owned(), Value::from(sub));
        answer.insert("username".to_owned(), Value::from(user.username.as_str()));
        answer.insert("userName".to_owned(), Value::from(user.username.as_str()));
        if scopes.contains("profile") {
            for (name, value) in
                user.claims.iter().filter(|(name, value)| scope_of(name).is_none() && !value.is_null())
            {
                insert(&mut answer, name, Some(value.clone()));
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
        insert(&mut answer, name, value_of(user, name));
    }
    for claim in &claims.id_token {
        if scope_of(&claim.name).is_some_and(|scope| live.allowed.contains(scope)) {
            insert(&mut answer, &claim.name, value_of(user, &claim.name));
        }
    }
    answer
}

fn insert(answer: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        answer.insert(name.to_owned(), value);
    }
}
