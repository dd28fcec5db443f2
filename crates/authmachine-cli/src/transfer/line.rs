//! The format: a header, then one record a line. Whatever a record names comes before it.

use std::borrow::Cow;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The most bytes of a line; no record that can be stored has more.
pub(super) const MAX_LINE: usize = 32 * 1024;
const FORMAT: &str = "authmachine-permissions";
const VERSION: u32 = 1;

/// The first line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    format: Cow<'static, str>,
    version: u32,
}

impl Header {
    /// Of what this program writes.
    pub(super) const OURS: Self = Self { format: Cow::Borrowed(FORMAT), version: VERSION };

    /// Checks that what follows `text` is for us.
    pub(super) fn check(text: &str) -> Result<(), String> {
        match serde_json::from_str::<Self>(text) {
            Ok(header) if header.format != FORMAT => Err(format!("its format is {:?}", header.format)),
            Ok(header) if header.version != VERSION => Err(format!(
                "it has version {} of the format, and this program reads {VERSION}",
                header.version
            )),
            Ok(_) => Ok(()),
            Err(_) => Err(format!(
                "its first line is not {}",
                serde_json::to_string(&Self::OURS).unwrap_or_default()
            )),
        }
    }
}

/// One record.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Line {
    PermissionType(PermissionType),
    Object(Object),
    Group(Group),
    Membership(Membership),
    Grant(Grant),
    Delegation(Delegation),
}

/// A record's kind was read already.
type Kind = IgnoredAny;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PermissionType {
    #[serde(rename = "kind", skip_serializing)]
    pub(super) _kind: Kind,
    pub(super) code: String,
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) implies: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Object {
    #[serde(rename = "kind", skip_serializing)]
    pub(super) _kind: Kind,
    pub(super) code: String,
    pub(super) name: Option<String>,
    #[serde(rename = "type")]
    pub(super) object_type: Option<String>,
    pub(super) parent: Option<String>,
    pub(super) attributes: Option<Box<RawValue>>,
    #[serde(default)]
    pub(super) disabled: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Group {
    #[serde(rename = "kind", skip_serializing)]
    pub(super) _kind: Kind,
    pub(super) code: String,
    pub(super) name: Option<String>,
}

/// Of a user or of another group.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Membership {
    #[serde(rename = "kind", skip_serializing)]
    pub(super) _kind: Kind,
    pub(super) group: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) member_group: Option<String>,
    pub(super) not_before: Option<String>,
    pub(super) not_after: Option<String>,
}

/// Of one holder on one target.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Grant {
    #[serde(rename = "kind", skip_serializing)]
    pub(super) _kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) group: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) everyone: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) object: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) all_of: Option<String>,
    #[serde(rename = "type")]
    pub(super) permission_type: String,
    #[serde(default)]
    pub(super) include_children: bool,
    #[serde(default)]
    pub(super) delegable: Delegable,
    pub(super) not_before: Option<String>,
    pub(super) not_after: Option<String>,
    pub(super) condition: Option<Box<RawValue>>,
}

/// Whether a grant may be lent: no, without limit, or over how many hops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "delegable is true, false, or a number of hops from 0 to 5")]
pub(super) enum Delegable {
    Any(bool),
    Hops(u8),
}

impl Default for Delegable {
    fn default() -> Self {
        Self::Any(false)
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Delegation {
    #[serde(rename = "kind", skip_serializing)]
    pub(super) _kind: Kind,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) object: String,
    #[serde(rename = "type")]
    pub(super) permission_type: String,
    #[serde(default)]
    pub(super) include_children: bool,
    #[serde(default)]
    pub(super) hops_left: u8,
    pub(super) expires_at: Option<String>,
    pub(super) condition: Option<Box<RawValue>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_false(value: &bool) -> bool {
    !*value
}

impl Line {
    /// Reads a record strictly: no member that is unknown, none twice.
    ///
    /// # Errors
    /// Why it is none, for people.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct OfKind<'a> {
            #[serde(borrow)]
            kind: Cow<'a, str>,
        }
        // A list would pass for a record without names.
        if !text.trim_start().starts_with('{') {
            return Err("not a JSON object".to_owned());
        }
        // No database keeps it in a text, and nothing here is called so.
        if text.contains("\\u0000") {
            return Err("U+0000 has no place in a text".to_owned());
        }
        let OfKind { kind } = serde_json::from_str(text).map_err(|error| reason(&error))?;
        match &*kind {
            "permission_type" => read(text).map(Self::PermissionType),
            "object" => read(text).map(Self::Object),
            "group" => read(text).map(Self::Group),
            "membership" => read(text).map(Self::Membership),
            "grant" => read(text).map(Self::Grant),
            "delegation" => read(text).map(Self::Delegation),
            _ => Err(format!("there is no kind {kind:?}")),
        }
    }
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| reason(&error))
}

/// Each line is read by itself: of the place only the column says something. A member's name comes as it was written (IN4).
fn reason(error: &serde_json::Error) -> String {
    let reason = error.to_string().replace("at line 1 column", "at column");
    reason.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_strictly() {
        for good in [
            r#"{"kind":"object","code":"a"}"#,
            r#"{"code":"a","kind":"object","attributes":{"floor":3}}"#,
            r#"{"kind":"grant","everyone":true,"all_of":"door","type":"read","delegable":2}"#,
            r#"{"kind":"delegation","from":"a","to":"b","object":"c","type":"d","expires_at":null}"#,
        ] {
            assert!(Line::parse(good).is_ok(), "{good}: {:?}", Line::parse(good));
        }
        let deep =
            format!(r#"{{"kind":"object","code":"a","x":{}1{}}}"#, "[".repeat(5_000), "]".repeat(5_000));
        for (bad, why) in [
            ("", "not a JSON object"),
            (r#"["object","a"]"#, "not a JSON object"),
            (r#"{"kind":"object""#, "EOF"),
            (r#"{"kind":"object","code":"a\u0000b"}"#, "U+0000"),
            (r#"{"code":"a"}"#, "missing field `kind`"),
            (r#"{"kind":"thing"}"#, "there is no kind \"thing\""),
            (r#"{"kind":"object"}"#, "missing field `code`"),
            (r#"{"kind":"object","code":"a","colour":1}"#, "unknown field `colour`"),
            (r#"{"kind":"object","code":"a","code":"b"}"#, "duplicate field `code`"),
            (r#"{"kind":"object","code":"a","disabled":"no"}"#, "expected a boolean at column"),
            (r#"{"kind":"grant","everyone":true,"type":"x","delegable":300}"#, "delegable is true, false"),
            (&deep, "unknown field `x`"),
        ] {
            let said = Line::parse(bad).expect_err(why);
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn in4_what_a_line_says_forges_no_other() {
        let said =
            Line::parse(r#"{"kind":"group","code":"a","\u001b[2J\nline 3: fine":1}"#).expect_err("unknown");
        assert!(said.contains("unknown field `\u{FFFD}[2J\u{FFFD}line 3: fine`"), "{said}");
        let said = Line::parse(r#"{"kind":"\n"}"#).expect_err("unknown");
        assert_eq!(said, r#"there is no kind "\n""#);
    }

    #[test]
    fn a_header_says_what_follows() {
        let ours = serde_json::to_string(&Header::OURS).expect("JSON");
        assert_eq!(ours, r#"{"format":"authmachine-permissions","version":1}"#);
        assert_eq!(Header::check(&ours), Ok(()));
        for (bad, why) in [
            (r#"{"format":"authmachine-permissions","version":2}"#, "version 2"),
            (r#"{"format":"tuples","version":1}"#, "\"tuples\""),
            (r#"{"kind":"object","code":"a"}"#, "its first line is not"),
            ("", "its first line is not"),
        ] {
            assert!(Header::check(bad).expect_err(why).contains(why), "{bad}");
        }
    }
}
