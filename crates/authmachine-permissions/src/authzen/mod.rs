//! The messages of the AuthZEN Authorization API 1.0: strict reading, and answers of which every byte is determined.
//!
//! Members that the specification does not know are ignored, those that it knows are strictly typed. What a request names and we
//! do not know is no error: the answer is no, or an empty list.

mod evaluation;
mod metadata;
mod search;

use crate::attributes::{Attributes, Value};
use crate::json::{Json, JsonError};

pub use evaluation::{Batch, Decision, Evaluation, Evaluations, MAX_EVALUATIONS, Semantic};
pub use metadata::Metadata;
pub use search::{
    ActionSearch, DEFAULT_PAGE, Found, MAX_PAGE, PageRequest, PageToken, ResourceSearch, SearchAnswer,
    SubjectSearch,
};

/// Why a request is answered with 400. The messages say what is wrong with the request, and nothing of any policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthzenError {
    /// Not JSON, or not what we read of it.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// Something that must be there is not.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// Something is of the wrong kind.
    #[error("{0} is not {1}")]
    Mistyped(&'static str, &'static str),
    /// A word for the semantic of a batch that there is not.
    #[error("there is no evaluations_semantic of that name")]
    Semantic,
    /// A batch beyond the limit.
    #[error("more than {MAX_EVALUATIONS} evaluations")]
    TooMany,
    /// A page of fewer elements than none.
    #[error("page.limit is not negative")]
    Limit,
    /// A token that does not belong to this request.
    #[error("page.token is not one of this search")]
    Token,
}

/// An entity: a subject or a resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Entity {
    /// Its type.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// What the request says of it.
    pub properties: Attributes,
}

/// An action.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    /// Its name.
    pub name: String,
    /// What the request says of it.
    pub properties: Attributes,
}

/// The members of an object that is being read.
struct Members(Vec<(String, Json)>);

impl Members {
    fn parse(body: &str) -> Result<Self, AuthzenError> {
        Self::of(Json::parse(body)?, "the body")
    }

    fn of(json: Json, what: &'static str) -> Result<Self, AuthzenError> {
        match json {
            Json::Object(members) => Ok(Self(members)),
            _ => Err(AuthzenError::Mistyped(what, "an object")),
        }
    }

    fn take(&mut self, name: &str) -> Option<Json> {
        let place = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(place).1)
    }

    fn text(&mut self, name: &str, path: &'static str) -> Result<Option<String>, AuthzenError> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::Text(text)) => Ok(Some(text)),
            Some(_) => Err(AuthzenError::Mistyped(path, "text")),
        }
    }

    /// The member as an object, if it is there.
    fn object(&mut self, name: &str, path: &'static str) -> Result<Option<Self>, AuthzenError> {
        self.take(name).map(|json| Self::of(json, path)).transpose()
    }

    /// Properties or a context: of its members, those that conditions can ask about; others are as good as absent.
    fn attributes(&mut self, name: &str, path: &'static str) -> Result<Attributes, AuthzenError> {
        let members = self.object(name, path)?.map_or_else(Vec::new, |members| members.0);
        let flat = members.into_iter().filter_map(|(name, json)| Some((name, Value::of(json)?)));
        Ok(flat.collect())
    }

    fn subject(&mut self) -> Result<Option<Entity>, AuthzenError> {
        self.entity("subject", ["subject", "subject.type", "subject.id", "subject.properties"])
    }

    fn resource(&mut self) -> Result<Option<Entity>, AuthzenError> {
        self.entity("resource", ["resource", "resource.type", "resource.id", "resource.properties"])
    }

    fn entity(&mut self, name: &str, paths: [&'static str; 4]) -> Result<Option<Entity>, AuthzenError> {
        let [path, kind, id, properties] = paths;
        let Some(mut members) = self.object(name, path)? else { return Ok(None) };
        Ok(Some(Entity {
            kind: members.text("type", kind)?.ok_or(AuthzenError::Missing(kind))?,
            id: members.text("id", id)?.ok_or(AuthzenError::Missing(id))?,
            properties: members.attributes("properties", properties)?,
        }))
    }

    /// The type of an entity whose id is searched for; an id that is there is of no matter.
    fn kind_of(
        &mut self,
        name: &'static str,
        [kind, properties]: [&'static str; 2],
    ) -> Result<(String, Attributes), AuthzenError> {
        let mut members = self.object(name, name)?.ok_or(AuthzenError::Missing(name))?;
        let of_type = members.text("type", kind)?.ok_or(AuthzenError::Missing(kind))?;
        Ok((of_type, members.attributes("properties", properties)?))
    }

    fn action(&mut self) -> Result<Option<Action>, AuthzenError> {
        let Some(mut members) = self.object("action", "action")? else { return Ok(None) };
        Ok(Some(Action {
            name: members.text("name", "action.name")?.ok_or(AuthzenError::Missing("action.name"))?,
            properties: members.attributes("properties", "action.properties")?,
        }))
    }
}
