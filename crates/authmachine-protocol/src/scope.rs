//! Scopes (RFC 6749 §3.3).

use std::fmt;

/// `openid`: the request is an OpenID Connect one (OIDC Core §3.1.2.1).
pub const OPENID: &str = "openid";
/// `offline_access`: a refresh token that outlives the session (OIDC Core §11).
pub const OFFLINE_ACCESS: &str = "offline_access";

/// The most scopes that one request may name.
pub const MAX_SCOPES: usize = 50;

/// A set of scopes in the order they were named, each once, with a space between. Case matters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(String);

/// Why a `scope` value is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// A character outside `%x21 / %x23-5B / %x5D-7E`, or two spaces in a row.
    #[error("a scope has a character that scopes may not have")]
    Character,
    /// More than [`MAX_SCOPES`].
    #[error("too many scopes")]
    TooMany,
}

impl Scopes {
    /// Reads a `scope` value: scope tokens separated by single spaces; spaces at the ends are forgiven.
    ///
    /// # Errors
    /// [`ScopeError`], which a client sees as `invalid_scope`.
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        let mut scopes = Self::default();
        for token in text.trim_matches(' ').split(' ') {
            if text.trim_matches(' ').is_empty() {
                break;
            }
            if token.is_empty() || !token.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5B | 0x5D..=0x7E)) {
                return Err(ScopeError::Character);
            }
            scopes.insert(token);
        }
        if scopes.iter().count() > MAX_SCOPES {
            return Err(ScopeError::TooMany);
        }
        Ok(scopes)
    }

    /// Reads what [`Scopes`]' `Display` wrote, such as a stored column: no rule is applied again.
    pub fn from_stored(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Adds `scope` unless it is there.
    pub fn insert(&mut self, scope: &str) {
        if !self.contains(scope) {
            if !self.0.is_empty() {
                self.0.push(' ');
            }
            self.0.push_str(scope);
        }
    }

    /// Whether `scope` is in the set.
    pub fn contains(&self, scope: &str) -> bool {
        self.iter().any(|s| s == scope)
    }

    /// Whether each scope of `other` is in this set.
    pub fn covers(&self, other: &Self) -> bool {
        other.iter().all(|s| self.contains(s))
    }

    /// The scopes of this set that are also in `other`, in this set's order.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.iter().filter(|s| other.contains(s)).collect()
    }

    /// This set without `scope`.
    #[must_use]
    pub fn without(&self, scope: &str) -> Self {
        self.iter().filter(|s| *s != scope).collect()
    }

    /// This set and `other`, in that order.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.iter().chain(other.iter()).collect()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The scopes in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ').filter(|scope| !scope.is_empty())
    }

    /// As they go on the wire and into the store.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'a> FromIterator<&'a str> for Scopes {
    fn from_iter<I: IntoIterator<Item = &'a str>>(scopes: I) -> Self {
        let mut set = Self::default();
        scopes.into_iter().for_each(|s| set.insert(s));
        set
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for Scopes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Scopes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_keep_their_order_and_come_once() {
        let scopes = Scopes::parse("openid email openid profile").expect("legal");
        assert_eq!(scopes.to_string(), "openid email profile");
        assert!(Scopes::parse("").expect("empty").is_empty());
        assert_eq!(Scopes::parse("  openid ").expect("ends forgiven").to_string(), "openid");
    }

    #[test]
    fn scopes_refuse_what_the_grammar_refuses() {
        for bad in ["a  b", "a\tb", "a\"b", "a\\b", "ä", "a\nb"] {
            assert_eq!(Scopes::parse(bad), Err(ScopeError::Character), "{bad:?}");
        }
        let many: Vec<_> = (0..=MAX_SCOPES).map(|n| format!("s{n}")).collect();
        assert_eq!(Scopes::parse(&many.join(" ")), Err(ScopeError::TooMany));
        assert!(Scopes::parse(&many[1..].join(" ")).is_ok());
    }
}
