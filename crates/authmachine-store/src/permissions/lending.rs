//! Lending: the facts for [`may_delegate`], read in the unit of work that writes what it allows.

use authmachine_permissions::{
    Circumstances, LendFacts, LendRequest, LendSettings, Lent, Question, Refusal, Subject, TooComplex,
    may_delegate,
};
use authmachine_provider::Timestamp;
use authmachine_provider::ids::{DelegationId, UserId};

use super::slice::{SliceOf, SliceSettings, TooLarge};
use crate::error::StoreError;
use crate::unit::Tx;

/// How something is lent.
#[derive(Clone, Copy, Debug)]
pub struct Lending<'a> {
    /// What the installation allows.
    pub settings: &'a LendSettings,
    /// Whether a taker must meet the conditions of the giver's grant too.
    pub giver_conditions_bind_taker: bool,
    /// When the giver last proved who it is.
    pub logged_in_at: Timestamp,
    /// For a new row.
    pub id: DelegationId,
}

/// Why something was not lent. Nothing has happened then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotLent {
    /// The rules forbid it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Whether the giver may lend it depends on too many rows,
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// or takes too many steps.
    #[error(transparent)]
    TooComplex(#[from] TooComplex),
}

impl Tx {
    /// Lends what a giver asks to lend, if the rules allow it as things stand in this unit; lending the same again updates it.
    pub fn lend(
        &mut self,
        request: &LendRequest,
        lending: &Lending<'_>,
        circumstances: &Circumstances<'_>,
    ) -> Result<Result<Lent, NotLent>, StoreError> {
        self.hold_changes()?;
        let now = circumstances.now;
        let slice = SliceSettings {
            giver_conditions_bind_taker: lending.giver_conditions_bind_taker,
            asker: circumstances.asker,
            ..SliceSettings::at(now)
        };
        let object = self.find_object_by_id(request.object)?;
        let permission = self.find_permission_type_by_id(request.permission)?;
        let (mut sources, mut giver_holds_it) = (Vec::new(), false);
        if let (Some(object), Some(permission)) = (&object, &permission) {
            let giver = Subject::User(request.from);
            let codes = [object.code.clone()];
            let index = match self.permission_slice(SliceOf::Objects(giver, &codes), &slice)? {
                Ok(index) => index,
                Err(error) => return Ok(Err(error.into())),
            };
            let question = Question { subject: giver, object: &object.code, permission: &permission.code };
            let found = index.check(&question, circumstances).and_then(|holds| {
                let sources =
                    index.sources_of(request.from, &object.code, &permission.code, circumstances)?;
                Ok((holds, sources))
            });
            (giver_holds_it, sources) = match found {
                Ok(found) => found,
                Err(error) => return Ok(Err(error.into())),
            };
        }
        let (given, taken) = self.count_delegations(request.from, request.to, now)?;
        let existing =
            self.find_live_delegation(request.from, request.to, request.object, request.permission, now)?;
        let facts = LendFacts {
            giver_is_active: self.is_active(request.from)?,
            taker_is_active: self.is_active(request.to)?,
            object_is_active: object.is_some_and(|object| !object.disabled),
            giver_holds_it,
            sources: &sources,
            given,
            taken,
            existing: existing.as_ref(),
            logged_in_at: lending.logged_in_at,
        };
        match may_delegate(&facts, request, lending.settings, lending.id, now) {
            Ok(lent) => {
                self.put_delegation(&lent, now)?;
                Ok(Ok(lent))
            }
            Err(refusal) => Ok(Err(refusal.into())),
        }
    }

    fn is_active(&mut self, id: UserId) -> Result<bool, StoreError> {
        Ok(self.find_user(id)?.is_some_and(|user| user.may_sign_in()))
    }
}
