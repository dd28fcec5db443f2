//! Who asks: a client, by an access token that it got for itself or by its secret; or a program, by an API token.

use std::collections::HashMap;

use authmachine_permissions::authzen::Entity;
use authmachine_permissions::{ClientId, Subject, SubjectKind};
use authmachine_protocol::Params;
use authmachine_provider::api_token::AUTHZEN;
use authmachine_provider::client::{Client, ObjectScope};
use authmachine_provider::handle::Presented;
use authmachine_provider::ids::Kind;
use authmachine_provider::subject_ids::SubjectIds;
use authmachine_store::{Reads, StoreError};
use axum::http::HeaderMap;

use crate::app::App;
use crate::error::AccessError;
use crate::permissions::Source;
use crate::request;

/// What is known of whoever asks.
#[derive(Debug)]
pub(super) struct Caller {
    /// Tells callers apart, for what is bound to one.
    pub(super) name: String,
    /// The client, if it is one.
    pub(super) client: Option<ClientId>,
    /// The objects that it may ask about; any other is unknown to it.
    pub(super) objects: ObjectScope,
    /// What it means by the id of a user. None, so that it can name no user: the pairwise `sub` that its users have with it leads to
    /// nobody without looking through everybody.
    subject_ids: Option<SubjectIds>,
}

impl Caller {
    pub(super) async fn authenticate(app: &App, headers: &HeaderMap) -> Result<Self, AccessError> {
        let authorization = request::authorization(headers)?;
        let (scheme, credentials) = authorization
            .and_then(|value| value.split_once(' '))
            .ok_or_else(|| AccessError::unauthorized("Credentials are needed."))?;
        let token = credentials.trim_matches(' ');
        if scheme.eq_ignore_ascii_case("basic") {
            let client = request::authenticate_client(app, headers, &Params::default()).await?;
            return Self::of_client(&client, client.scopes.contains(AUTHZEN));
        }
        let is_bearer = scheme.eq_ignore_ascii_case("bearer");
        if !is_bearer && !scheme.eq_ignore_ascii_case("token") {
            return Err(AccessError::unauthorized("These are no credentials that are taken here."));
        }
        if let Some(presented) = Presented::parse(Kind::AccessToken, token).filter(|_| is_bearer) {
            return Self::by_access_token(app, presented).await;
        }
        let token = request::api_token(app, token, "authzen").await?;
        if !token.scopes.contains(AUTHZEN) {
            return Err(AccessError::insufficient_scope());
        }
        Ok(Self {
            name: format!("token {}", token.id),
            client: None,
            objects: token.objects,
            subject_ids: Some(token.subject_ids),
        })
    }

    async fn by_access_token(app: &App, presented: Presented) -> Result<Self, AccessError> {
        let found = app.store.read(move |reads| reads.find_access_token(&presented)).await?;
        let live = found.and_then(|(token, facts)| Some((token.live(&facts, app.now())?, facts)));
        let Some((live, facts)) = live else {
            return Err(AccessError::unauthorized("The access token is unknown, expired or revoked."));
        };
        // A person's token passes through hands that may not ask about everybody.
        let client = facts.client.filter(|_| facts.grant.user_id.is_none());
        let client = client.ok_or_else(AccessError::insufficient_scope)?;
        Self::of_client(&client, live.scopes.contains(AUTHZEN))
    }

    fn of_client(client: &Client, may_ask: bool) -> Result<Self, AccessError> {
        if !may_ask {
            return Err(AccessError::insufficient_scope());
        }
        Ok(Self {
            name: format!("client {}", client.id),
            client: Some(client.id),
            objects: client.object_scope(),
            subject_ids: match (client.subject_ids, client.pairwise_sector()) {
                (SubjectIds::Sub, Some(_)) => None,
                (ids, _) => Some(ids),
            },
        })
    }

    /// Whether a resource is an object of that type, as far as it may know.
    pub(super) fn sees(&self, source: &mut Source<'_>, resource: &Entity) -> Result<bool, StoreError> {
        Ok(self.objects.sees(&resource.id) && source.is_object_of_type(&resource.id, &resource.kind)?)
    }

    /// Whom each of `entities`, a type and an id, means; those that mean nobody are left out.
    pub(super) async fn find(
        &self,
        app: &App,
        entities: impl IntoIterator<Item = (&str, &str)>,
    ) -> Result<Found, StoreError> {
        let mut asked: Vec<_> =
            entities.into_iter().map(|(kind, id)| (kind.to_owned(), id.to_owned())).collect();
        asked.sort_unstable();
        asked.dedup();
        let ids = self.subject_ids;
        app.store
            .read(move |reads| {
                let mut found = Found::default();
                for (kind, id) in &asked {
                    if let Some(subject) = find(reads, ids, kind, id)? {
                        found.0.insert((kind.clone(), id.clone()), subject);
                    }
                }
                Ok(found)
            })
            .await
    }

    /// What `subjects` are called, in no order; those without such an id are left out.
    pub(super) async fn name(&self, app: &App, subjects: Vec<Subject>) -> Result<Vec<String>, StoreError> {
        let ids = self.subject_ids;
        app.store
            .read(move |reads| {
                let (mut users, mut clients, mut groups) = (Vec::new(), Vec::new(), Vec::new());
                for subject in &subjects {
                    match subject {
                        Subject::User(id) => users.push(*id),
                        Subject::Client(id) => clients.push(*id),
                        Subject::Group(id) => groups.push(*id),
                    }
                }
                let mut names = match ids {
                    Some(ids) => reads.list_user_names(ids, &users)?,
                    None => Vec::new(),
                };
                names.extend(reads.list_client_ids(&clients)?);
                names.extend(reads.list_group_codes(&groups)?);
                Ok(names)
            })
            .await
    }
}

/// Whom types and ids mean.
#[derive(Debug, Default)]
pub(super) struct Found(HashMap<(String, String), Subject>);

impl Found {
    pub(super) fn get(&self, entity: &Entity) -> Option<Subject> {
        self.0.get(&(entity.kind.clone(), entity.id.clone())).copied()
    }
}

fn find(
    reads: &mut Reads,
    ids: Option<SubjectIds>,
    kind: &str,
    id: &str,
) -> Result<Option<Subject>, StoreError> {
    Ok(match (SubjectKind::parse(kind), ids) {
        (Some(SubjectKind::User), Some(ids)) => reads.find_user_called(ids, id)?.map(Subject::User),
        (Some(SubjectKind::Client), _) => {
            reads.client_by_client_id(id)?.map(|client| Subject::Client(client.id))
        }
        (Some(SubjectKind::Group), _) => reads.find_group(id)?.map(|group| Subject::Group(group.id)),
        (Some(SubjectKind::User), None) | (None, _) => None,
    })
}
