//! What is known of a person's permissions. All questions of these pages go through [`ask`].

use std::collections::HashSet;

use authmachine_permissions::{
    Circumstances, Index, Question, Right, RightSource, Subject, TooComplex, TooMany, Verdict,
};
use authmachine_provider::Timestamp;
use authmachine_provider::ids::{DelegationId, UserId};
use authmachine_store::{SliceOf, StoreError};

use crate::app::App;
use crate::permissions::{self, Effort};

/// Objects on a page.
const ON_A_PAGE: usize = 50;
/// The most objects that are looked through for a page.
const MOST_OBJECTS: usize = 5_000;

/// Why something is not known: part of it would be a wrong answer.
pub(super) struct TooMuch;

impl From<TooMany> for TooMuch {
    fn from(_: TooMany) -> Self {
        Self
    }
}

impl From<TooComplex> for TooMuch {
    fn from(_: TooComplex) -> Self {
        Self
    }
}

/// Asks about what a user may do: on one object, or on all.
async fn ask<T, F>(
    app: &App,
    user: UserId,
    object: Option<String>,
    now: Timestamp,
    question: F,
) -> Result<Result<T, TooMuch>, StoreError>
where
    T: Send + 'static,
    F: Fn(&Index) -> Result<T, TooMuch> + Send + 'static,
{
    let subject = Subject::User(user);
    let effort = if object.is_some() { Effort::Little } else { Effort::Much };
    let answered = permissions::ask(app, effort, 0, move |source| {
        let object = object.as_ref().map(std::slice::from_ref);
        let of = object.map_or(SliceOf::ObjectsOf(subject), |codes| SliceOf::Objects(subject, codes));
        let index = source.asked(of, &Circumstances::at(now))?;
        Ok(index.ok_or(TooMuch).and_then(|index| question(&index)))
    });
    Ok(answered.await?.answer)
}

/// What a user may do, a page of it.
#[derive(Default)]
pub(super) struct Held {
    /// By the codes of objects.
    pub(super) objects: Vec<(String, Vec<HeldRight>)>,
    pub(super) has_more: bool,
    /// Then nothing is said of any.
    pub(super) are_too_many: bool,
    /// The delegations that give nothing now, of those that were asked about.
    pub(super) idle: HashSet<DelegationId>,
}

/// Something that a user may do.
pub(super) struct HeldRight {
    pub(super) permission: String,
    /// By what, as far as it was found out.
    pub(super) by: Option<Right>,
    pub(super) may_be_lent: bool,
}

/// A delegation to be asked about: whether its giver may lend that still.
pub(super) struct Edge {
    pub(super) id: DelegationId,
    pub(super) giver: UserId,
    pub(super) object: String,
    pub(super) permission: String,
}

impl Held {
    /// Who lent something of it.
    pub(super) fn givers(&self) -> HashSet<UserId> {
        let rights = self.objects.iter().flat_map(|(_, rights)| rights);
        let giver = |right: &HeldRight| match &right.by {
            Some(Right::Lent(loan)) => Some(loan.delegation.from),
            _ => None,
        };
        rights.filter_map(giver).collect()
    }
}

/// What `user` may do on the objects after the code `after`, and which of `edges` give nothing.
pub(super) async fn held(
    app: &App,
    user: UserId,
    after: String,
    edges: Vec<Edge>,
    now: Timestamp,
) -> Result<Held, StoreError> {
    let may_lend = app.settings.lending.most_hops > 0;
    let question = move |index: &Index| {
        let (circumstances, subject) = (Circumstances::at(now), Subject::User(user));
        let mut held = Held::default();
        for edge in &edges {
            if index.sources_of(edge.giver, &edge.object, &edge.permission, &circumstances)?.is_empty() {
                held.idle.insert(edge.id);
            }
        }
        let map = match index.map_of_all(subject, |code| code > after.as_str(), &circumstances, MOST_OBJECTS)
        {
            Ok(map) => map,
            Err(_) => return Ok(Held { are_too_many: true, ..held }),
        };
        held.has_more = map.len() > ON_A_PAGE;
        for (object, types) in map.iter().take(ON_A_PAGE) {
            let mut rights = Vec::with_capacity(types.len());
            for permission in types {
                let explained = index.explain(&Question { subject, object, permission }, &circumstances)?;
                let sources = index.sources_of(user, object, permission, &circumstances)?;
                rights.push(HeldRight {
                    permission: permission.clone(),
                    by: match explained.verdict {
                        Verdict::Yes(right) => Some(right),
                        Verdict::Barred(_) | Verdict::No(_) => None,
                    },
                    may_be_lent: may_lend && !sources.is_empty(),
                });
            }
            held.objects.push((object.to_owned(), rights));
        }
        Ok(held)
    };
    let held = ask(app, user, None, now, question).await?;
    Ok(held.unwrap_or_else(|TooMuch| Held { are_too_many: true, ..Held::default() }))
}

/// By what `user` may lend `permission` on `object` now.
pub(super) async fn sources(
    app: &App,
    user: UserId,
    object: String,
    permission: String,
    now: Timestamp,
) -> Result<Result<Vec<RightSource>, TooMuch>, StoreError> {
    let code = object.clone();
    let question =
        move |index: &Index| Ok(index.sources_of(user, &code, &permission, &Circumstances::at(now))?);
    ask(app, user, Some(object), now, question).await
}
