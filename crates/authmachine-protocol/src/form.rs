//! `application/x-www-form-urlencoded` parameters, read strictly: in queries and in bodies alike.

/// The most parameters that one request may have.
pub const MAX_PARAMETERS: usize = 100;

/// The parameters of one query or one body, decoded once, in order. Parameters without a value are as absent
/// (RFC 6749 §3.1).
#[derive(Clone, Default)]
pub struct Params {
    pairs: Vec<(String, String)>,
    repeated: Vec<String>,
}

/// Why parameters could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// A `%` without two hex digits behind it.
    #[error("a percent sign is not followed by two hex digits")]
    Percent,
    /// Not UTF-8 once decoded, or it holds U+0000.
    #[error("a parameter is not valid UTF-8 text")]
    Utf8,
    /// More than [`MAX_PARAMETERS`].
    #[error("too many parameters")]
    TooMany,
    /// A parameter stands more than once (RFC 6749 §3.1). Its name is not echoed.
    #[error("a parameter is repeated")]
    Repeated,
}

impl Params {
    /// Reads the parameters of a query or body.
    ///
    /// # Errors
    /// [`FormError`]; clients see `invalid_request`. A repeated parameter is an error.
    pub fn parse(encoded: &[u8]) -> Result<Self, FormError> {
        Self::parse_with_lists(encoded, &[])
    }

    /// Like [`Params::parse`]; the parameters named in `lists` may be repeated.
    ///
    /// # Errors
    /// [`FormError`].
    pub fn parse_with_lists(encoded: &[u8], lists: &[&str]) -> Result<Self, FormError> {
        let params = Self::parse_keeping_repeated(encoded)?;
        match params.repeated.iter().all(|name| lists.contains(&name.as_str())) {
            true => Ok(params),
            false => Err(FormError::Repeated),
        }
    }

    /// Like [`Params::parse`], but remembers what is repeated instead of failing: for the authorization endpoint, which tells
    /// the client where it can ([`Params::is_repeated`]).
    ///
    /// # Errors
    /// [`FormError`], never `Repeated`.
    pub fn parse_keeping_repeated(encoded: &[u8]) -> Result<Self, FormError> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        let mut repeated = Vec::new();
        for pair in encoded.split(|b| *b == b'&').filter(|p| !p.is_empty()) {
            let (name, value) = match pair.iter().position(|b| *b == b'=') {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, &[][..]),
            };
            if pairs.len() == MAX_PARAMETERS {
                return Err(FormError::TooMany);
            }
            let (name, value) = (decode(name)?, decode(value)?);
            if pairs.iter().any(|(n, _)| *n == name) {
                repeated.push(name.clone());
            }
            pairs.push((name, value));
        }
        Ok(Self { pairs, repeated })
    }

    /// Whether `name` stands more than once.
    pub fn is_repeated(&self, name: &str) -> bool {
        self.repeated.iter().any(|repeated| repeated == name)
    }

    /// Whether any name stands more than once.
    pub fn has_repeated(&self) -> bool {
        !self.repeated.is_empty()
    }

    /// The value of `name`; `None` when it is absent or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(n, v)| n == name && !v.is_empty()).map(|(_, v)| v.as_str())
    }

    /// Every value of the list parameter `name` that is not empty, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(n, v)| n == name && !v.is_empty()).map(|(_, v)| v.as_str())
    }

    /// The parameters in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }
}

impl std::fmt::Debug for Params {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.pairs.iter().map(|(n, _)| n)).finish()
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Params {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        Self { pairs, repeated: Vec::new() }
    }
}

fn decode(encoded: &[u8]) -> Result<String, FormError> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|d| char::from(*d).to_digit(16));
                let (high, low) = (digit().ok_or(FormError::Percent)?, digit().ok_or(FormError::Percent)?);
                u8::try_from(high * 16 + low).expect("two hex digits are below 256")
            }
            other => *other,
        });
    }
    let text = String::from_utf8(bytes).map_err(|_| FormError::Utf8)?;
    if text.contains('\0') { Err(FormError::Utf8) } else { Ok(text) }
}

/// Writes parameters in `application/x-www-form-urlencoded` form, which also serves as a query.
pub fn encode<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// Appends `pairs` to the query of `uri`, which is kept byte for byte; `uri` has no fragment.
pub fn append_query<'a>(uri: &str, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let query = encode(pairs);
    if query.is_empty() {
        return uri.to_owned();
    }
    let joint = match uri.find('?') {
        None => "?",
        Some(_) if uri.ends_with(['?', '&']) => "",
        Some(_) => "&",
    };
    format!("{uri}{joint}{query}")
}

/// Puts `pairs` into the fragment of `uri`, which has none.
pub fn append_fragment<'a>(uri: &str, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    format!("{uri}#{}", encode(pairs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_are_decoded_once() {
        let params = Params::parse(b"a=1%2B1&b=x+y&c&d=%2541&e=%C3%A4").expect("legal");
        assert_eq!(params.get("a"), Some("1+1"));
        assert_eq!(params.get("b"), Some("x y"));
        assert_eq!(params.get("c"), None);
        assert_eq!(params.get("d"), Some("%41"));
        assert_eq!(params.get("e"), Some("ä"));
    }

    #[test]
    fn g6_a_repeated_parameter_is_an_error_except_in_lists() {
        assert_eq!(Params::parse(b"a=1&b=2&a=1").unwrap_err(), FormError::Repeated);
        assert_eq!(Params::parse(b"a=&a=1").unwrap_err(), FormError::Repeated);
        assert_eq!(Params::parse(b"a=1&%61=2").unwrap_err(), FormError::Repeated);
        let lists = Params::parse_with_lists(b"object=1&object=2", &["object"]).expect("a list");
        assert_eq!(lists.all("object").collect::<Vec<_>>(), ["1", "2"]);
    }

    #[test]
    fn bad_encodings_are_named() {
        for (bad, why) in [
            (&b"a=%"[..], FormError::Percent),
            (b"a=%4", FormError::Percent),
            (b"a=%zz", FormError::Percent),
            (b"a=%+1", FormError::Percent),
            (b"a=%ff", FormError::Utf8),
            (b"a=\xff", FormError::Utf8),
            (b"a=%00", FormError::Utf8),
        ] {
            assert_eq!(Params::parse(bad).unwrap_err(), why);
        }
    }

    #[test]
    fn do1_one_hundred_parameters_are_the_most() {
        let many = |n: usize| (0..n).map(|i| format!("p{i}=1")).collect::<Vec<_>>().join("&");
        assert!(Params::parse(many(MAX_PARAMETERS).as_bytes()).is_ok());
        assert_eq!(Params::parse(many(MAX_PARAMETERS + 1).as_bytes()).unwrap_err(), FormError::TooMany);
    }

    #[test]
    fn appending_keeps_the_registered_query() {
        let one = [("code", "a b")];
        assert_eq!(append_query("https://a/cb", one), "https://a/cb?code=a+b");
        assert_eq!(append_query("https://a/cb?x=%7e", one), "https://a/cb?x=%7e&code=a+b");
        assert_eq!(append_query("https://a/cb?", one), "https://a/cb?code=a+b");
        assert_eq!(append_query("https://a/cb?x", []), "https://a/cb?x");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Params::parse(&bytes);
        }

        #[test]
        fn what_is_encoded_reads_back(value in "[^\\x00]{1,40}") {
            let text = encode([("state", value.as_str())]);
            let params = Params::parse(text.as_bytes()).expect("our own encoding");
            prop_assert_eq!(params.get("state"), Some(value.as_str()));
        }
    }
}
