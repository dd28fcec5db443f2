//! Compares some decisions of the index with what the database says: they never differ, and if they do, an operator has to know.

use std::sync::atomic::Ordering::Relaxed;

use authmachine_permissions::{Attributes, Circumstances, ClientId, Question, Subject};
use authmachine_provider::Timestamp;
use authmachine_store::{Reads, SliceOf, StoreError};

use super::source;
use crate::app::App;

/// A decision of the index.
#[derive(Clone)]
pub(super) struct Sample {
    subject: Subject,
    object: String,
    permission: String,
    now: Timestamp,
    asker: Option<ClientId>,
    /// What was said of subject, resource, action and context.
    said: [Attributes; 4],
    answer: bool,
}

impl Sample {
    pub(super) fn new(question: &Question<'_>, circumstances: &Circumstances<'_>, answer: bool) -> Self {
        let Circumstances { now, asker, subject, resource, action, context } = *circumstances;
        Self {
            subject: question.subject,
            object: question.object.to_owned(),
            permission: question.permission.to_owned(),
            now,
            asker,
            said: [subject, resource, action, context].map(Clone::clone),
            answer,
        }
    }

    /// What the database says; `None` if it is not at `revision` any more.
    fn ask(&self, app: &App, reads: &mut Reads, revision: u64) -> Result<Option<bool>, StoreError> {
        let [subject, resource, action, context] = &self.said;
        let circumstances =
            Circumstances { now: self.now, asker: self.asker, subject, resource, action, context };
        let question = Question { subject: self.subject, object: &self.object, permission: &self.permission };
        let object = [self.object.clone()];
        let of = SliceOf::Objects(self.subject, &object);
        let slice = source::slice(app, reads, of, &circumstances)?;
        // One view of the database, which has a revision.
        let slice = slice.filter(|slice| slice.revision() == revision);
        Ok(slice.and_then(|slice| slice.check(&question, &circumstances).ok()))
    }
}

/// Checks a decision that the index made at `revision`, after its answer; not at all while another one is checked.
pub(super) fn check(app: &App, sample: Sample, revision: u64) {
    let Ok(place) = app.permissions.checking.clone().try_acquire_owned() else { return };
    let app = app.clone();
    tokio::spawn(async move {
        let _place = place;
        let counters = &app.permissions.counters;
        let (asked, asking) = (sample.clone(), app.clone());
        match app.store.read(move |reads| asked.ask(&asking, reads, revision)).await {
            Ok(Some(answer)) => {
                counters.checked.fetch_add(1, Relaxed);
                if answer != sample.answer {
                    counters.disagreements.fetch_add(1, Relaxed);
                    let Sample { subject, object, permission, answer, .. } = sample;
                    tracing::error!(
                        ?subject,
                        ?object,
                        ?permission,
                        index = answer,
                        database = !answer,
                        revision,
                        "The permission index and the database disagree; this is a bug"
                    );
                }
            }
            Ok(None) => {}
            Err(error) => tracing::debug!(cause = %error, "A decision cannot be checked"),
        }
    });
}
