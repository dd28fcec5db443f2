//! `POST /access/v1/evaluation` (§6) and `/evaluations` (§7).

use authmachine_permissions::authzen::{Batch, Decision, Evaluation, Evaluations, Semantic};
use authmachine_permissions::{Circumstances, Question};
use authmachine_store::StoreError;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};

use super::{Request, respond};
use crate::app::App;
use crate::error::AccessError;
use crate::permissions::{self, Answered, Effort};

/// More of them go to a thread of their own.
const FEW: usize = 32;

/// One.
pub(super) async fn one(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    let answer = async {
        let request = Request::read(&app, &headers, body).await?;
        let evaluation = Evaluation::parse(&request.body)?;
        single(&app, request, evaluation).await
    };
    answer.await.unwrap_or_else(AccessError::into_response)
}

/// Many, or one as above.
pub(super) async fn many(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    let answer = async {
        let request = Request::read(&app, &headers, body).await?;
        match Evaluations::parse(&request.body)? {
            Evaluations::Single(evaluation) => single(&app, request, evaluation).await,
            Evaluations::Many(batch) => {
                let decided = decide(&app, request, batch).await?;
                Ok(respond(decided.map(|decisions| Decision::batch_body(&decisions))))
            }
        }
    };
    answer.await.unwrap_or_else(AccessError::into_response)
}

async fn single(app: &App, request: Request, evaluation: Evaluation) -> Result<Response, AccessError> {
    let batch = Batch { items: vec![Some(evaluation)], semantic: Semantic::ExecuteAll };
    let decided = decide(app, request, batch).await?;
    let body =
        |decisions: Vec<Decision>| serde_json::to_string(&decisions[0]).expect("a truth value is JSON");
    Ok(respond(decided.map(body)))
}

/// All on one state of knowledge, at one time.
async fn decide(app: &App, request: Request, batch: Batch) -> Result<Answered<Vec<Decision>>, AccessError> {
    let Request { caller, at_least, now, .. } = request;
    let subjects =
        batch.items.iter().flatten().map(|one| (one.subject.kind.as_str(), one.subject.id.as_str()));
    let subjects = caller.find(app, subjects).await?;
    let effort = if batch.items.len() > FEW { Effort::Much } else { Effort::Little };
    let answered = permissions::ask(app, effort, at_least, move |source| {
        let mut failure = None;
        let decisions = batch.decide(|Evaluation { subject, action, resource, context }| {
            let mut permits = || {
                let Some(known) = subjects.get(subject) else { return Ok(false) };
                if failure.is_some() || !caller.sees(source, resource)? {
                    return Ok(false);
                }
                let question = Question { subject: known, object: &resource.id, permission: &action.name };
                let circumstances = Circumstances {
                    now,
                    asker: caller.client,
                    subject: &subject.properties,
                    resource: &resource.properties,
                    action: &action.properties,
                    context,
                };
                source.check(&question, &circumstances)
            };
            // What the store cannot say fails the whole request.
            permits().unwrap_or_else(|error: StoreError| {
                failure = Some(error);
                false
            })
        });
        failure.map_or(Ok(decisions), Err)
    });
    Ok(answered.await?)
}
