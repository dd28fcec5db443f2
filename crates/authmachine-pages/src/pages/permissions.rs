//! What a person may do and why, what they lend, and what was lent to them.

use crate::{
    pages::root::Notice,
    text::{Rich, Text},
};

/// «Your permissions». Its forms post to [`crate::paths::END_LENDING`].
pub struct Permissions {
    /// Binds the forms to the browser that was shown them.
    pub csrf: String,
    /// What was just done.
    pub notice: Option<Notice>,
    /// The objects on which the person may do something, as many as fit on a page.
    pub objects: Vec<ObjectLine>,
    /// Whether there are more than can be listed at all.
    pub are_too_many: bool,
    /// Where the next ones are: a path on this site.
    pub more_objects: Option<String>,
    /// What others lend to the person.
    pub received: Vec<LendingLine>,
    /// Where the next ones are.
    pub more_received: Option<String>,
    /// What the person lends, each followed by what was passed on from it.
    pub given: Vec<LendingLine>,
    /// Where the next ones are.
    pub more_given: Option<String>,
}

/// An object, and what the person may do on it.
pub struct ObjectLine {
    /// Its code.
    pub code: String,
    /// What people call it; empty where that is its code.
    pub name: String,
    /// What, at least one thing.
    pub rights: Vec<RightLine>,
}

/// Something that a person may do.
pub struct RightLine {
    /// The permission type's code.
    pub permission: String,
    /// Why; nothing where that was not found out.
    pub why: Option<Why>,
    /// Where it is lent: a path on this site. None if it may not be.
    pub lend: Option<String>,
}

/// Why somebody may do something.
pub struct Why {
    /// By what.
    pub by: By,
    /// Until when, in Unix milliseconds.
    pub until_ms: Option<i64>,
    /// The permission type that implies it, if it is not the one that is held.
    pub implied_by: Option<String>,
    /// On what it is held.
    pub on: On,
}

/// By what somebody holds something.
pub enum By {
    /// It was granted to the person.
    Oneself,
    /// It was granted to the last of these groups; the person is in the first, and each is in the next.
    Groups(Vec<String>),
    /// It was granted to everyone.
    Everyone,
    /// Somebody lent it, who is named.
    LentBy(String),
}

/// On what something is held that reaches an object.
pub enum On {
    /// On itself.
    Itself,
    /// On all objects of this type.
    AllOf(String),
    /// On the object of this code, in which it is.
    Above(String),
}

/// A right that somebody lends to somebody.
pub struct LendingLine {
    /// Sent as `lending` to [`crate::paths::END_LENDING`]; opens nothing by itself.
    pub id_form_value: String,
    /// The permission type's code.
    pub permission: String,
    /// The object's code.
    pub object: String,
    /// Who lends it to the person who looks at the page; or to whom it is lent.
    pub person: String,
    /// Who passed it on, if it is not the person who looks at the page.
    pub passed_on_by: Option<String>,
    /// How far below the person's own one it is.
    pub depth: u8,
    /// Until when, in Unix milliseconds.
    pub until_ms: Option<i64>,
    /// How many times it may be passed on.
    pub hops: u8,
    /// Whether it gives nothing at present, because its giver lacks it.
    pub is_idle: bool,
    /// Whether more people have it through this one than are listed.
    pub is_cut: bool,
}

page!(Permissions, "permissions.html");

impl RightLine {
    fn because(&self, t: &Text) -> Option<Rich> {
        self.why.as_ref().map(|why| why.because(t))
    }
}

impl Why {
    fn because(&self, t: &Text) -> Rich {
        let until = self.until_ms.map(|ms| t.time(ms).to_string());
        let sentence = |always: &str, for_a_time: &str, (name, value): (&str, &str)| match &until {
            None => t.plain(always, &[(name, value)]),
            Some(until) => t.plain(for_a_time, &[(name, value), ("time", until)]),
        };
        let mut said = match &self.by {
            By::Oneself => sentence("why-granted", "why-granted-until", ("", "")),
            By::Everyone => sentence("why-everyone", "why-everyone-until", ("", "")),
            By::LentBy(person) => sentence("why-lent", "why-lent-until", ("person", person)),
            By::Groups(groups) => {
                let (first, above) = groups.split_first().map_or(("", &[][..]), |(f, a)| (f.as_str(), a));
                let mut said = sentence("why-group", "why-group-until", ("group", first));
                for group in above {
                    said += &t.plain("why-group-in", &[("group", group)]);
                }
                said
            }
        };
        match &self.on {
            On::Itself => {}
            On::AllOf(object_type) => said += &t.plain("why-all-of", &[("type", object_type)]),
            On::Above(object) => said += &t.plain("why-above", &[("object", object)]),
        }
        if let Some(permission) = &self.implied_by {
            said += &t.plain("why-implied", &[("permission", permission)]);
        }
        Rich::of(said)
    }
}

impl LendingLine {
    /// What it is, as a heading.
    fn what(&self, t: &Text) -> Rich {
        t.rich("lending-what", &[("permission", &self.permission), ("object", &self.object)])
    }

    /// What its button does, for those who hear it alone.
    fn label(&self, t: &Text, key: &str) -> String {
        let values = [("permission", &self.permission), ("object", &self.object), ("person", &self.person)];
        t.plain(key, &values.map(|(name, value)| (name, value.as_str())))
    }
}
