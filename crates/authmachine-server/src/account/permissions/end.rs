//! Taking back what one lends, and giving back what was lent.

use authmachine_pages::{ErrorKind, paths};
use authmachine_permissions::{Delegation, Ending, MAX_HOPS, Party, may_end};
use authmachine_provider::event::EventKind;
use authmachine_provider::ids::DelegationId;
use authmachine_store::{StoreError, Tx};
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::lend;
use crate::account::root::Done;
use crate::account::sessions;
use crate::app::App;
use crate::browser::{self, SignedIn};
use crate::error::PageError;
use crate::metrics::Lending;
use crate::middleware::page_result;

/// `POST /account/permissions/end`: ends the delegation whose id is in `lending`, if it is the person's to end.
pub async fn end(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    let result = take_or_give_back(&app, &headers, body).await;
    page_result(&app, &headers, result)
}

async fn take_or_give_back(app: &App, headers: &HeaderMap, body: Body) -> Result<Response, PageError> {
    let (form, signed_in) = sessions::read(app, headers, body).await?;
    let Some(SignedIn { user, .. }) = signed_in.filter(|signed_in| signed_in.is_live) else {
        return Ok(browser::see_other(paths::LOGIN));
    };
    let id = form.get("lending").and_then(|text| text.parse().ok()).map(DelegationId);
    let id = id.ok_or(ErrorKind::NotFound)?;
    let now = app.now();
    let event = app.event(EventKind::DelegationEnded, user.sub.clone());
    let ended = app
        .store
        .write(app.write_deadline(), move |tx| {
            let Some(delegation) = tx.find_delegation(id)? else { return Ok(None) };
            let above = above(tx, &delegation)?;
            // Another's equals a missing one (checklist EN4).
            if !may_end(Party::User(user.id), &delegation, &above) {
                return Ok(None);
            }
            let (done, reason) = match user.id {
                id if id == delegation.to => (Done::GivenBack, "given back"),
                id if id == delegation.from => (Done::TakenBack, "taken back"),
                _ => (Done::TakenBack, "taken back by who lent it before"),
            };
            let ending = Ending { at: now, reason: reason.to_owned() };
            // What has ended or expired meanwhile is as it was to be.
            let has_ended = delegation.is_live(now) && tx.end_delegation(id, &ending)?;
            if has_ended {
                let mut event = event.clone();
                lend::describe(tx, &mut event, &delegation, &above)?;
                event.detail.insert("reason".to_owned(), reason.into());
                tx.insert_event(&event)?;
            }
            Ok(Some((done, has_ended)))
        })
        .await?;
    let (done, has_ended) = ended.ok_or(ErrorKind::NotFound)?;
    if has_ended {
        app.metrics.lending(Lending::Ended);
    }
    Ok(browser::see_other(done.location()))
}

/// The delegations that it was passed on from, nearest first.
pub(super) fn above(tx: &mut Tx, delegation: &Delegation) -> Result<Vec<Delegation>, StoreError> {
    let mut above: Vec<Delegation> = Vec::new();
    let mut next = delegation.parent;
    while let Some(id) = next.filter(|_| above.len() < usize::from(MAX_HOPS)) {
        let Some(parent) = tx.find_delegation(id)? else { break };
        next = parent.parent;
        above.push(parent);
    }
    Ok(above)
}
