//! One state of knowledge, which answers the questions of one request.

use std::ops::Deref;

use authmachine_permissions::{
    Circumstances, Index, PermissionMap, Question, Subject, SubjectKind, TooComplex, TooMany,
};
use authmachine_store::{Reads, SliceOf, SliceSettings, StoreError};

use super::Answered;
use super::checker::{self, Sample};
use crate::app::App;

/// What answers.
pub struct Source<'a> {
    of: Of<'a>,
    app: &'a App,
    /// Decisions of the index that are to be checked.
    samples: Vec<Sample>,
}

enum Of<'a> {
    Index(&'a Index),
    Store(&'a mut Reads),
}

/// Asks the index; some of its decisions are checked afterwards.
pub(super) fn of_index<T>(
    app: &App,
    index: &Index,
    question: impl Fn(&mut Source<'_>) -> Result<T, StoreError>,
) -> Result<Answered<T>, StoreError> {
    let mut source = Source::new(app, Of::Index(index));
    let answer = question(&mut source)?;
    for sample in source.samples {
        checker::check(app, sample, index.revision());
    }
    Ok(Answered { answer, revision: index.revision() })
}

/// Asks the store.
pub(super) fn of_store<T>(
    app: &App,
    reads: &mut Reads,
    question: impl Fn(&mut Source<'_>) -> Result<T, StoreError>,
) -> Result<Answered<T>, StoreError> {
    // Read first: what comes in between makes the answer newer than it says.
    let revision = reads.current_revision()?.try_into().unwrap_or_default();
    let answer = question(&mut Source::new(app, Of::Store(reads)))?;
    Ok(Answered { answer, revision })
}

/// What a question depends on, loaded; `None` when it is more than the database is asked for at once.
pub(super) fn slice(
    app: &App,
    reads: &mut Reads,
    of: SliceOf<'_>,
    circumstances: &Circumstances<'_>,
) -> Result<Option<Index>, StoreError> {
    let settings = SliceSettings {
        asker: circumstances.asker,
        giver_conditions_bind_taker: app.settings.permissions.giver_conditions_bind_taker,
        ..SliceSettings::at(circumstances.now)
    };
    Ok(reads.permission_slice(of, &settings)?.ok())
}

/// An index of everything, or of what one question depends on.
pub enum Asked<'a> {
    /// The node's.
    All(&'a Index),
    /// Of the database.
    Slice(Index),
}

impl Deref for Asked<'_> {
    type Target = Index;

    fn deref(&self) -> &Index {
        match self {
            Self::All(index) => index,
            Self::Slice(index) => index,
        }
    }
}

impl<'a> Source<'a> {
    fn new(app: &'a App, of: Of<'a>) -> Self {
        Self { of, app, samples: Vec::new() }
    }

    /// What can answer a question; `None` when that is too much to load.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn asked(
        &mut self,
        of: SliceOf<'_>,
        circumstances: &Circumstances<'_>,
    ) -> Result<Option<Asked<'a>>, StoreError> {
        let counters = &self.app.permissions.counters;
        match &mut self.of {
            Of::Index(index) => {
                counters.of_index();
                Ok(Some(Asked::All(index)))
            }
            Of::Store(reads) => {
                counters.of_store();
                Ok(slice(self.app, reads, of, circumstances)?.map(Asked::Slice))
            }
        }
    }

    /// Whether there is an object with that code, of that type.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn is_object_of_type(&mut self, code: &str, object_type: &str) -> Result<bool, StoreError> {
        match &mut self.of {
            Of::Index(index) => Ok(index.object_type_of(code) == Some(object_type)),
            Of::Store(reads) => {
                Ok(reads.find_object(code)?.is_some_and(|object| object.object_type == object_type))
            }
        }
    }

    /// Whether the subject may do it; no, if that cannot be found out within limits.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn check(
        &mut self,
        question: &Question<'_>,
        circumstances: &Circumstances<'_>,
    ) -> Result<bool, StoreError> {
        let object = [question.object.to_owned()];
        let asked = self.asked(SliceOf::Objects(question.subject, &object), circumstances)?;
        let answer = asked.as_deref().map(|index| index.check(question, circumstances));
        if let (Of::Index(_), Some(Ok(answer))) = (&self.of, &answer)
            && self.app.permissions.is_sampled(self.app)
        {
            self.samples.push(Sample::new(question, circumstances, *answer));
        }
        Ok(self.or_too_much(answer).unwrap_or(false))
    }

    /// The permission types held on each of `objects`, in that order and each once; nothing on one that the asker may not see.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn map(
        &mut self,
        subject: Subject,
        objects: &[String],
        visible: impl Fn(&str) -> bool,
        circumstances: &Circumstances<'_>,
    ) -> Result<PermissionMap, StoreError> {
        let codes = || objects.iter().map(String::as_str);
        let asked = self.asked(SliceOf::Objects(subject, objects), circumstances)?;
        let map = asked.as_deref().map(|index| index.map(subject, codes(), visible, circumstances));
        Ok(self.or_too_much(map).unwrap_or_else(|| {
            let mut nothing = PermissionMap::default();
            codes().for_each(|code| nothing.insert(code, std::iter::empty()));
            nothing
        }))
    }

    /// The same of every visible object on which something is held, sorted; at most `most` of them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn map_of_all(
        &mut self,
        subject: Subject,
        visible: impl Fn(&str) -> bool,
        circumstances: &Circumstances<'_>,
        most: usize,
    ) -> Result<Result<PermissionMap, TooMany>, StoreError> {
        let asked = self.asked(SliceOf::ObjectsOf(subject), circumstances)?.ok_or(TooMany::Candidates);
        Ok(asked.and_then(|index| index.map_of_all(subject, visible, circumstances, most)))
    }

    /// The visible objects of a type on which the subject may do it, sorted; at most `most`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn objects_of(
        &mut self,
        subject: Subject,
        object_type: &str,
        permission: &str,
        circumstances: &Circumstances<'_>,
        visible: impl Fn(&str) -> bool,
        most: usize,
    ) -> Result<Result<Vec<String>, TooMany>, StoreError> {
        let asked = self.asked(SliceOf::ObjectsOf(subject), circumstances)?.ok_or(TooMany::Candidates);
        Ok(asked.and_then(|index| {
            let codes = index.objects_of(subject, permission, circumstances, usize::MAX)?;
            let is_meant = |code: &&str| index.object_type_of(code) == Some(object_type) && visible(code);
            let codes: Vec<String> = codes.into_iter().filter(is_meant).map(str::to_owned).collect();
            if codes.len() > most { Err(TooMany::Results(most)) } else { Ok(codes) }
        }))
    }

    /// The subjects of a kind that may do it; at most `most`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn subjects_of(
        &mut self,
        kind: SubjectKind,
        object: &str,
        permission: &str,
        circumstances: &Circumstances<'_>,
        most: usize,
    ) -> Result<Result<Vec<Subject>, TooMany>, StoreError> {
        let asked = self.asked(SliceOf::SubjectsOf(kind, object), circumstances)?.ok_or(TooMany::Candidates);
        Ok(asked.and_then(|index| index.subjects_of(kind, object, permission, circumstances, most)))
    }

    /// What could not be found out is nothing, and is said.
    fn or_too_much<T>(&self, answer: Option<Result<T, TooComplex>>) -> Option<T> {
        let answer = answer.and_then(Result::ok);
        if answer.is_none() {
            self.app.permissions.counters.too_complex();
            tracing::warn!(
                "A question about permissions is answered with no: it would take too much to find out"
            );
        }
        answer
    }
}
