//! `POST /access/v1/search/…` (§8): the subjects, resources or actions for which an evaluation says yes.

use std::fmt::Debug;
use std::sync::Arc;

use authmachine_permissions::authzen::{
    ActionSearch, AuthzenError, Found, PageRequest, PageToken, ResourceSearch, SearchAnswer, SubjectSearch,
};
use authmachine_permissions::{Attributes, Circumstances, SubjectKind};
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};

use super::{Request, respond};
use crate::app::App;
use crate::error::AccessError;
use crate::permissions::{self, Answered, Effort};

/// The most results of one search, all pages together: more are not sorted and looked up for each page.
const MOST: usize = 10_000;

/// Which subjects of a type may do it (§8.4).
pub(super) async fn subjects(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    let answer = async {
        let request = Request::read(&app, &headers, body).await?;
        let search = SubjectSearch::parse(&request.body)?;
        let SubjectSearch { subject, action, resource, context, page } = search;
        let page = Page::open(&app, &request, ("subject", &subject, &action, &resource, &context), page)?;
        let Request { caller, at_least, now, .. } = request;
        let (kind, name) = (SubjectKind::parse(&subject.0), subject.0.clone());
        let caller = Arc::new(caller);
        let asker = caller.clone();
        let found = permissions::ask(&app, Effort::Much, at_least, move |source| {
            let Some(kind) = kind else { return Ok(Ok(Vec::new())) };
            if !asker.sees(source, &resource)? {
                return Ok(Ok(Vec::new()));
            }
            let circumstances = Circumstances {
                now,
                asker: asker.client,
                subject: &subject.1,
                resource: &resource.properties,
                action: &action.properties,
                context: &context,
            };
            source.subjects_of(kind, &resource.id, &action.name, &circumstances, MOST)
        });
        let Answered { answer, revision } = found.await?;
        let names = caller.name(&app, answer?).await?;
        let found = names.into_iter().map(|id| Found::Entity { kind: name.clone(), id }).collect();
        page.answer(&app, found, revision)
    };
    answer.await.unwrap_or_else(AccessError::into_response)
}

/// On which resources of a type the subject may do it (§8.5).
pub(super) async fn resources(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    let answer = async {
        let request = Request::read(&app, &headers, body).await?;
        let ResourceSearch { subject, action, resource, context, page } =
            ResourceSearch::parse(&request.body)?;
        let page = Page::open(&app, &request, ("resource", &subject, &action, &resource, &context), page)?;
        let Request { caller, at_least, now, .. } = request;
        let known = caller.find(&app, [(subject.kind.as_str(), subject.id.as_str())]).await?.get(&subject);
        let kind = resource.0.clone();
        let found = permissions::ask(&app, Effort::Much, at_least, move |source| {
            let Some(known) = known else { return Ok(Ok(Vec::new())) };
            let circumstances = Circumstances {
                now,
                asker: caller.client,
                subject: &subject.properties,
                resource: &resource.1,
                action: &action.properties,
                context: &context,
            };
            let visible = |code: &str| caller.objects.sees(code);
            source.objects_of(known, &resource.0, &action.name, &circumstances, visible, MOST)
        });
        let Answered { answer, revision } = found.await?;
        let found = answer?.into_iter().map(|id| Found::Entity { kind: kind.clone(), id }).collect();
        page.answer(&app, found, revision)
    };
    answer.await.unwrap_or_else(AccessError::into_response)
}

/// What the subject may do (§8.6).
pub(super) async fn actions(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    let answer = async {
        let request = Request::read(&app, &headers, body).await?;
        let ActionSearch { subject, resource, context, page } = ActionSearch::parse(&request.body)?;
        let page = Page::open(&app, &request, ("action", &subject, &resource, &context), page)?;
        let Request { caller, at_least, now, .. } = request;
        let known = caller.find(&app, [(subject.kind.as_str(), subject.id.as_str())]).await?.get(&subject);
        let found = permissions::ask(&app, Effort::Little, at_least, move |source| {
            let Some(known) = known else { return Ok(Vec::new()) };
            if !caller.sees(source, &resource)? {
                return Ok(Vec::new());
            }
            let circumstances = Circumstances {
                now,
                asker: caller.client,
                subject: &subject.properties,
                resource: &resource.properties,
                action: Attributes::NONE,
                context: &context,
            };
            let map = source.map(known, std::slice::from_ref(&resource.id), |_| true, &circumstances)?;
            Ok(map.iter().flat_map(|(_, types)| types.to_vec()).collect())
        });
        let Answered { answer, revision } = found.await?;
        page.answer(&app, answer.into_iter().map(|name| Found::Action { name }).collect(), revision)
    };
    answer.await.unwrap_or_else(AccessError::into_response)
}

/// Which part of an answer is asked for, and what its tokens are bound to: caller and question (checklist AD8).
struct Page {
    request: Option<PageRequest>,
    token: Option<PageToken>,
    bound_to: String,
}

impl Page {
    fn open(
        app: &App,
        request: &Request,
        question: impl Debug,
        page: Option<PageRequest>,
    ) -> Result<Self, AuthzenError> {
        let bound_to = format!("{}\0{question:?}", request.caller.name);
        let token = match page.as_ref().and_then(|page| page.token.as_ref()) {
            None => None,
            Some(token) => {
                let text = app.secrets.open_page_token(&bound_to, token);
                Some(text.as_deref().and_then(PageToken::parse).ok_or(AuthzenError::Token)?)
            }
        };
        Ok(Self { request: page, token, bound_to })
    }

    fn answer(self, app: &App, found: Vec<Found>, revision: u64) -> Result<Response, AccessError> {
        let answer = SearchAnswer::new(found, self.request.as_ref(), self.token.as_ref())?;
        let answer = answer.body(|token| app.secrets.page_token(&self.bound_to, &token.to_text()));
        Ok(respond(Answered { answer, revision }))
    }
}
