//! Reading what was written: the file, then the environment, then flags; later wins. Whatever is not known is a problem, and all
//! problems are found before anything is said (checklist OP2).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;

use toml::de::{DeTable, DeValue};

use super::sections::SECTIONS;

/// The names of the environment begin so. Those with single underscores belong to client apps and are not ours.
pub(crate) const ENV_PREFIX: &str = "AUTHMACHINE__";

/// Something wrong in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// `authmachine.toml:7`, `AUTHMACHINE__SERVER__ISSUER`, `--issuer`, or the setting's own name.
    pub(crate) place: String,
    pub(crate) message: String,
    /// For the order of the report.
    line: usize,
}

impl Problem {
    pub(crate) fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: place.into(), message: message.into(), line: usize::MAX }
    }
}

/// Everything that is wrong, in the order of the file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Problems(pub(crate) Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration cannot be used:")?;
        self.0.iter().try_for_each(|Problem { place, message, .. }| write!(f, "\n  {place}: {message}"))
    }
}

impl std::error::Error for Problems {}

/// A setting's value and where it comes from.
#[derive(Clone, Debug)]
pub(crate) struct Given<T> {
    pub(crate) value: T,
    /// Where to change it.
    pub(crate) place: String,
    /// Nobody wrote it.
    pub(crate) is_default: bool,
}

/// A value as it was written.
pub(crate) enum Value {
    /// In the environment, or as a flag: its kind is not known yet.
    Words(String),
    /// In the file.
    Text(String),
    Number(i64),
    Boolean(bool),
    List(Vec<String>),
    /// Something in the file that no setting is.
    Other,
}

impl Value {
    fn of_toml(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Integer(number) => {
                i64::from_str_radix(number.as_str(), number.radix()).map_or(Self::Other, Self::Number)
            }
            DeValue::Boolean(value) => Self::Boolean(*value),
            DeValue::Array(items) => {
                let texts: Option<_> =
                    items.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect();
                texts.map_or(Self::Other, Self::List)
            }
            _ => Self::Other,
        }
    }
}

/// A kind of value, readable from the file and from text.
pub(crate) trait Kind: Sized {
    /// In words.
    const NAME: &'static str;
    /// From the file.
    fn from_file(value: &Value) -> Option<Self>;
    /// From the environment, a flag, or a default.
    fn from_text(text: &str) -> Option<Self>;
    /// `text`, which is legal, as the file would have it.
    fn toml(text: &str) -> String {
        format!("\"{text}\"")
    }
}

impl Kind for String {
    const NAME: &'static str = "text";

    fn from_file(value: &Value) -> Option<Self> {
        if let Value::Text(text) = value { Some(text.clone()) } else { None }
    }

    fn from_text(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl Kind for i64 {
    const NAME: &'static str = "a number";

    fn from_file(value: &Value) -> Option<Self> {
        if let Value::Number(number) = value { Some(*number) } else { None }
    }

    fn from_text(text: &str) -> Option<Self> {
        text.trim().parse().ok()
    }

    fn toml(text: &str) -> String {
        text.to_owned()
    }
}

impl Kind for bool {
    const NAME: &'static str = "true or false";

    fn from_file(value: &Value) -> Option<Self> {
        if let Value::Boolean(value) = value { Some(*value) } else { None }
    }

    fn from_text(text: &str) -> Option<Self> {
        text.trim().parse().ok()
    }

    fn toml(text: &str) -> String {
        text.to_owned()
    }
}

impl Kind for Vec<String> {
    const NAME: &'static str = "a list of texts";

    fn from_file(value: &Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some(vec![text.clone()]),
            Value::List(texts) => Some(texts.clone()),
            _ => None,
        }
    }

    fn from_text(text: &str) -> Option<Self> {
        Some(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect())
    }

    fn toml(text: &str) -> String {
        let items = Self::from_text(text).unwrap_or_default();
        format!("[{}]", items.iter().map(|item| format!("\"{item}\"")).collect::<Vec<_>>().join(", "))
    }
}

/// A duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seconds(pub(crate) i64);

impl Kind for Seconds {
    const NAME: &'static str = "a duration";

    fn from_file(value: &Value) -> Option<Self> {
        match value {
            Value::Text(text) => Self::from_text(text),
            Value::Number(seconds) if *seconds >= 0 => Some(Self(*seconds)),
            _ => None,
        }
    }

    fn from_text(text: &str) -> Option<Self> {
        crate::when::duration(text).map(Self)
    }
}

/// What was written, by section and key, and what was wrong with it.
#[derive(Default)]
pub(super) struct Written {
    values: BTreeMap<(&'static str, &'static str), (String, Value)>,
    problems: Vec<Problem>,
}

impl Written {
    /// Reads the file's `text`; `name` is what to call it.
    pub(super) fn file(&mut self, name: &str, text: &str) {
        let line_of = |at: usize| text.get(..at).unwrap_or(text).matches('\n').count() + 1;
        let at = |line: usize, message: String| Problem { place: format!("{name}:{line}"), message, line };

        let (table, errors) = DeTable::parse_recoverable(text);
        self.problems.extend(
            errors.iter().map(|error| {
                at(line_of(error.span().map_or(0, |span| span.start)), error.message().to_owned())
            }),
        );
        for (section_name, value) in table.get_ref().iter() {
            let line = line_of(section_name.span().start);
            let section_name = section_name.get_ref().as_ref();
            let known = SECTIONS.iter().find(|section| section.name == section_name);
            let (section, entries) = match (known, value.get_ref().as_table()) {
                (Some(section), Some(entries)) => (section, entries),
                (Some(_), None) => {
                    self.problems
                        .push(at(line, format!("{section_name} is a section, written [{section_name}]")));
                    continue;
                }
                (None, Some(_)) => {
                    let near = nearest(section_name, SECTIONS.iter().map(|section| section.name));
                    self.problems
                        .push(at(line, format!("[{section_name}] is no section; the nearest is [{near}]")));
                    continue;
                }
                (None, None) => {
                    let near = nearest_key(section_name, None);
                    self.problems.push(at(
                        line,
                        format!("{section_name} is no section; the nearest known key is {near}"),
                    ));
                    continue;
                }
            };
            for (key, value) in entries {
                let line = line_of(key.span().start);
                let key = key.get_ref().as_ref();
                match section.settings.iter().find(|setting| setting.key == key) {
                    Some(setting) => {
                        let value = Value::of_toml(value.get_ref());
                        self.values.insert((section.name, setting.key), (format!("{name}:{line}"), value));
                    }
                    None => {
                        let near = nearest_key(key, Some(section.name));
                        self.problems.push(at(
                            line,
                            format!("{section_name}.{key} is unknown; the nearest known key is {near}"),
                        ));
                    }
                }
            }
        }
    }

    /// Reads the environment.
    pub(super) fn environment(&mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) {
        for (name, value) in variables {
            let name = name.to_string_lossy().into_owned();
            if !name.starts_with(ENV_PREFIX) {
                continue;
            }
            match (env_names().find(|(known, ..)| *known == name), value.into_string()) {
                (Some((_, section, key)), Ok(value)) => {
                    self.values.insert((section, key), (name, Value::Words(value)));
                }
                (Some(_), Err(_)) => self.problems.push(Problem::new(name, "its value is not UTF-8")),
                (None, _) => {
                    let names: Vec<String> = env_names().map(|(known, ..)| known).collect();
                    let near = nearest(&name, names.iter().map(String::as_str));
                    self.problems
                        .push(Problem::new(name, format!("unknown; the nearest known name is {near}")));
                }
            }
        }
    }

    /// Takes a flag.
    pub(super) fn flag(&mut self, section: &'static str, key: &'static str, flag: &str, value: String) {
        self.values.insert((section, key), (flag.to_owned(), Value::Words(value)));
    }

    /// One setting, read as its kind; its default when nothing, or nothing legal, was written.
    pub(super) fn take<T: Kind>(
        &mut self,
        section: &'static str,
        key: &'static str,
        default: &str,
    ) -> Given<T> {
        let unwritten = || Given {
            value: T::from_text(default).expect("defaults are of their setting's kind"),
            place: format!("{section}.{key}"),
            is_default: true,
        };
        let Some((place, written)) = self.values.remove(&(section, key)) else { return unwritten() };
        let value = match &written {
            Value::Words(text) => T::from_text(text),
            value => T::from_file(value),
        };
        match value {
            Some(value) => Given { value, place, is_default: false },
            None => {
                let message = format!("{section}.{key} is {}, such as {}", T::NAME, T::toml(default));
                let line = place.rsplit(':').next().and_then(|line| line.parse().ok()).unwrap_or(usize::MAX);
                self.problems.push(Problem { place, message, line });
                unwritten()
            }
        }
    }

    /// What was wrong, in the order of the file.
    pub(super) fn problems(self) -> Vec<Problem> {
        let mut problems = self.problems;
        problems.sort_by_key(|problem| problem.line);
        problems
    }
}

/// Each name in the environment, with its section and key.
pub(crate) fn env_names() -> impl Iterator<Item = (String, &'static str, &'static str)> {
    SECTIONS.iter().flat_map(|section| {
        section
            .settings
            .iter()
            .map(|setting| (env_name(section.name, setting.key), section.name, setting.key))
    })
}

/// The name of a setting in the environment.
pub(crate) fn env_name(section: &str, key: &str) -> String {
    format!("{ENV_PREFIX}{}__{}", section.to_uppercase(), key.to_uppercase())
}

/// The known key nearest to `key`: of `section`, unless one elsewhere is much nearer.
fn nearest_key(key: &str, section: Option<&str>) -> String {
    let score = |within: &str, known: &str| {
        strsim::jaro_winkler(key, known) + if Some(within) == section { 0.2 } else { 0.0 }
    };
    let all = SECTIONS
        .iter()
        .flat_map(|section| section.settings.iter().map(|setting| (section.name, setting.key)));
    let best = all.max_by(|a, b| score(a.0, a.1).total_cmp(&score(b.0, b.1)));
    best.map(|(section, key)| format!("{section}.{key}")).unwrap_or_default()
}

fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let best = known.max_by(|a, b| strsim::jaro_winkler(name, a).total_cmp(&strsim::jaro_winkler(name, b)));
    best.unwrap_or_default().to_owned()
}
