//! The `claims` parameter (OIDC Core §5.5), and the older form of it that AuthMachine's clients send.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The claim that carries the answer, and the member that carries the question.
pub const AUTHMACHINE_PERMISSIONS: &str = "authmachine_permissions";

/// The most bytes of a `claims` parameter.
pub const MAX_BYTES: usize = 16 * 1024;
/// The most object codes in one request.
pub const MAX_OBJECT_CODES: usize = 100;
const MAX_DEPTH: usize = 32;
const MAX_LOCALES: usize = 8;
const MAX_CODE_CHARACTERS: usize = 128;

/// What a client asked for by `claims`, checked and without what we do not know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimsRequest {
    /// Claims asked for at the userinfo endpoint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub userinfo: Vec<RequestedClaim>,
    /// Claims asked for in the ID token.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub id_token: Vec<RequestedClaim>,
    /// Objects whose permissions are asked for, wherever the question stands, in order, each once; the answer is at the userinfo
    /// endpoint. `Some` of an empty list asks for the objects that are attached to the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub userinfo_permissions: Option<Vec<String>>,
    /// `claims_locales`, the parameter beside `claims`: the languages that claims should be in, the dearest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locales: Vec<String>,
}

/// One claim asked for (OIDC Core §5.5.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestedClaim {
    /// Its name.
    pub name: String,
    /// Whether the client calls it essential.
    #[serde(default)]
    pub essential: bool,
    /// The values that the client would have: of `value` one, of `values` all; none means any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Value>,
}

/// Why a `claims` parameter cannot be read; clients see `invalid_request`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimsError {
    /// Over [`MAX_BYTES`].
    #[error("claims is longer than 16 KiB")]
    TooLong,
    /// Not a JSON object.
    #[error("claims is not a JSON object")]
    NotAnObject,
    /// `userinfo`, `id_token`, or a claim's member has the wrong JSON type.
    #[error("a member of claims has the wrong type")]
    WrongType,
    /// More than [`MAX_OBJECT_CODES`].
    #[error("claims names more than 100 objects")]
    TooManyObjects,
}

impl ClaimsRequest {
    /// Reads a `claims` parameter. Unknown members are ignored.
    ///
    /// # Errors
    /// [`ClaimsError`].
    pub fn parse(text: &str) -> Result<Self, ClaimsError> {
        if text.len() > MAX_BYTES {
            return Err(ClaimsError::TooLong);
        }
        let Ok(Value::Object(members)) = serde_json::from_str(text) else {
            return Err(ClaimsError::NotAnObject);
        };
        if members.values().any(|value| depth(value) >= MAX_DEPTH) {
            return Err(ClaimsError::WrongType);
        }
        let mut request = Self::default();
        (request.userinfo, request.userinfo_permissions) = section(&members, "userinfo")?;
        let in_id_token;
        (request.id_token, in_id_token) = section(&members, "id_token")?;
        // The original clients write the question at the top level. Wherever it stands, its answer is at userinfo: a list in
        // the ID token would make it too large for a cookie.
        let top_level = members.get(AUTHMACHINE_PERMISSIONS).map(object_codes).transpose()?;
        for codes in [in_id_token, top_level].into_iter().flatten() {
            let all = request.userinfo_permissions.get_or_insert_default();
            codes.into_iter().for_each(|code| push_once(all, code));
            check_count(all)?;
        }
        Ok(request)
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The claim `name` as asked for in the ID token.
    pub fn in_id_token(&self, name: &str) -> Option<&RequestedClaim> {
        self.id_token.iter().find(|claim| claim.name == name)
    }
}

/// The language tags of `claims_locales` (OIDC Core §5.2): of the first eight, each once. What is none is ignored.
pub fn language_tags(text: &str) -> Vec<String> {
    let mut tags = Vec::new();
    let words = text.split(' ').filter(|word| is_language_tag(word));
    words.take(MAX_LOCALES).for_each(|tag| push_once(&mut tags, tag.to_owned()));
    tags
}

/// Whether `text` has the form of a language tag (RFC 5646 §2.1).
pub fn is_language_tag(text: &str) -> bool {
    let is_subtag =
        |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
    text.len() <= 35 && text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.split('-').all(is_subtag)
}

type Section = (Vec<RequestedClaim>, Option<Vec<String>>);

fn section(members: &Map<String, Value>, name: &str) -> Result<Section, ClaimsError> {
    let claims = match members.get(name) {
        None | Some(Value::Null) => return Ok(Section::default()),
        Some(Value::Object(claims)) => claims,
        Some(_) => return Err(ClaimsError::WrongType),
    };
    let mut section = Section::default();
    for (name, wish) in claims {
        if name == AUTHMACHINE_PERMISSIONS {
            let codes = match wish {
                Value::Object(wish) => {
                    wish.get("values").or_else(|| wish.get("value")).unwrap_or(&Value::Null)
                }
                other => other,
            };
            section.1 = Some(object_codes(codes)?);
            continue;
        }
        let (essential, values) = match wish {
            Value::Null => (false, Vec::new()),
            Value::Object(wish) => (
                match wish.get("essential") {
                    None => false,
                    Some(Value::Bool(essential)) => *essential,
                    Some(_) => return Err(ClaimsError::WrongType),
                },
                match (wish.get("value"), wish.get("values")) {
                    (Some(value), _) => vec![value.clone()],
                    (None, Some(Value::Array(values))) => values.clone(),
                    (None, Some(_)) => return Err(ClaimsError::WrongType),
                    (None, None) => Vec::new(),
                },
            ),
            _ => return Err(ClaimsError::WrongType),
        };
        section.0.push(RequestedClaim { name: name.clone(), essential, values });
    }
    Ok(section)
}

/// An array of codes, a single code, or null for «those of this client».
fn object_codes(value: &Value) -> Result<Vec<String>, ClaimsError> {
    let mut codes = Vec::new();
    match value {
        Value::Null => {}
        Value::String(code) => push_once(&mut codes, code.clone()),
        Value::Array(values) => {
            for value in values {
                let Value::String(code) = value else { return Err(ClaimsError::WrongType) };
                push_once(&mut codes, code.clone());
            }
        }
        _ => return Err(ClaimsError::WrongType),
    }
    check_count(&codes)?;
    if codes.iter().any(|code| code.chars().count() > MAX_CODE_CHARACTERS || code.contains('\0')) {
        return Err(ClaimsError::WrongType);
    }
    Ok(codes)
}

fn push_once(codes: &mut Vec<String>, code: String) {
    if !codes.contains(&code) {
        codes.push(code);
    }
}

fn check_count(codes: &[String]) -> Result<(), ClaimsError> {
    if codes.len() > MAX_OBJECT_CODES { Err(ClaimsError::TooManyObjects) } else { Ok(()) }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn permissions(text: &str) -> Option<Vec<String>> {
        ClaimsRequest::parse(text).expect("legal").userinfo_permissions
    }

    #[test]
    fn both_shapes_ask_for_permissions() {
        let two = Some(vec!["object1".to_owned(), "object2".to_owned()]);
        assert_eq!(permissions(r#"{"authmachine_permissions":["object1","object2","object1"]}"#), two);
        assert_eq!(
            permissions(r#"{"userinfo":{"authmachine_permissions":{"values":["object1","object2"]}}}"#),
            two
        );
        assert_eq!(
            permissions(
                r#"{"userinfo":{"authmachine_permissions":{"value":"object1"}},"authmachine_permissions":"object2"}"#
            ),
            two
        );
        assert_eq!(permissions(r#"{"authmachine_permissions":null}"#), Some(vec![]));
        assert_eq!(permissions(r#"{"userinfo":{"authmachine_permissions":null}}"#), Some(vec![]));
        assert_eq!(permissions(r#"{"other":1}"#), None);
        let request = ClaimsRequest::parse(r#"{"id_token":{"authmachine_permissions":{"values":["a"]}}}"#)
            .expect("legal");
        assert_eq!(request.userinfo_permissions, Some(vec!["a".to_owned()]));
    }

    #[test]
    fn standard_claims_keep_their_wishes() {
        let text = r#"{"userinfo":{"name":{"essential":true},"email":null},"id_token":{"acr":{"values":["1","2"]},"sub":{"value":"x"}}}"#;
        let request = ClaimsRequest::parse(text).expect("legal");
        assert!(request.userinfo.iter().any(|c| c.name == "name" && c.essential));
        assert_eq!(request.in_id_token("acr").expect("asked").values.len(), 2);
        assert_eq!(request.in_id_token("sub").expect("asked").values, [Value::from("x")]);
    }

    #[test]
    fn az8_malformed_claims_are_refused() {
        let codes = |n: usize| {
            format!(
                r#"{{"authmachine_permissions":[{}]}}"#,
                (0..n).map(|i| format!("\"o{i}\"")).collect::<Vec<_>>().join(",")
            )
        };
        for (bad, why) in [
            ("", ClaimsError::NotAnObject),
            ("[]", ClaimsError::NotAnObject),
            ("{", ClaimsError::NotAnObject),
            (r#"{"userinfo":[]}"#, ClaimsError::WrongType),
            (r#"{"userinfo":{"name":true}}"#, ClaimsError::WrongType),
            (r#"{"userinfo":{"name":{"essential":"yes"}}}"#, ClaimsError::WrongType),
            (r#"{"id_token":{"acr":{"values":"1"}}}"#, ClaimsError::WrongType),
            (r#"{"authmachine_permissions":[1]}"#, ClaimsError::WrongType),
            (r#"{"authmachine_permissions":{"values":["a"]}}"#, ClaimsError::WrongType),
            (&codes(101), ClaimsError::TooManyObjects),
            (&format!(r#"{{"authmachine_permissions":"{}"}}"#, "a".repeat(129)), ClaimsError::WrongType),
            (&format!(r#"{{"x":"{}"}}"#, "a".repeat(MAX_BYTES)), ClaimsError::TooLong),
            (&format!(r#"{{"x":{}1{}}}"#, "[".repeat(40), "]".repeat(40)), ClaimsError::WrongType),
            (&"[".repeat(5_000), ClaimsError::NotAnObject),
        ] {
            assert_eq!(ClaimsRequest::parse(bad), Err(why), "{bad:.60}");
        }
        assert!(ClaimsRequest::parse(&codes(100)).is_ok());
    }

    #[test]
    fn language_tags_are_read_and_the_rest_ignored() {
        assert_eq!(language_tags("de-AT  en se de-AT"), ["de-AT", "en", "se"]);
        assert_eq!(language_tags("ja-Kana-JP x-klingon"), ["ja-Kana-JP", "x-klingon"]);
        for none in ["", " ", "-", "de-", "de_AT", "4u", "ä", "verylongtag", &"a-".repeat(40)] {
            assert!(language_tags(none).is_empty(), "{none}");
        }
        assert_eq!(language_tags(&('a'..='z').map(|c| format!("{c}a ")).collect::<String>()).len(), 8);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
            let _ = ClaimsRequest::parse(&text);
        }
    }
}
