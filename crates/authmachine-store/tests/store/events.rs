use authmachine_provider::event::{Event, EventKind};
use authmachine_store::StoreError;

use crate::records::event;
use crate::support::both_engines;

const KINDS: [EventKind; 44] = [
    EventKind::SignIn,
    EventKind::SignInRefused,
    EventKind::SignOut,
    EventKind::SessionTokensRevoked,
    EventKind::LogoutDelivered,
    EventKind::LogoutFailed,
    EventKind::PasswordChanged,
    EventKind::ConsentGiven,
    EventKind::ConsentRefused,
    EventKind::ConsentWithdrawn,
    EventKind::TokensIssued,
    EventKind::TokenRevoked,
    EventKind::CodeReused,
    EventKind::RefreshTokenReused,
    EventKind::ClientRefused,
    EventKind::UserCreated,
    EventKind::UserChanged,
    EventKind::UserLocked,
    EventKind::UserUnlocked,
    EventKind::ClientCreated,
    EventKind::ClientChanged,
    EventKind::ClientSecretRotated,
    EventKind::ObjectCreated,
    EventKind::ObjectChanged,
    EventKind::ObjectRemoved,
    EventKind::PermissionTypeCreated,
    EventKind::PermissionTypeChanged,
    EventKind::PermissionTypeRemoved,
    EventKind::GroupCreated,
    EventKind::GroupChanged,
    EventKind::GroupRemoved,
    EventKind::GroupMemberAdded,
    EventKind::GroupMemberRemoved,
    EventKind::PermissionGranted,
    EventKind::PermissionChanged,
    EventKind::PermissionRemoved,
    EventKind::DelegationCreated,
    EventKind::DelegationChanged,
    EventKind::DelegationRefused,
    EventKind::DelegationEnded,
    EventKind::ApiTokenCreated,
    EventKind::ApiTokenRevoked,
    EventKind::KeyPublished,
    EventKind::KeyRotated,
];

both_engines! {
    async fn events_of_every_kind_come_back_in_order(store: TestStore) {
        let mut events: Vec<Event> = KINDS.into_iter().map(event).collect();
        events[0] = Event { user: None, request_id: None, client: Some("shop".to_owned()), ..events[0].clone() };
        events[1] = Event { address: Some("192.0.2.1".to_owned()), detail: Default::default(), ..events[1].clone() };
        let new = events.clone();
        store.write(move |tx| new.iter().try_for_each(|event| tx.insert_event(event))).await;
        assert_eq!(store.read(|reads| reads.list_events(None, 100)).await, events);
        let after = events[4].id;
        assert_eq!(store.read(move |reads| reads.list_events(Some(after), 3)).await, events[5..8]);
        let again = events[0].clone();
        assert_eq!(store.try_write(move |tx| tx.insert_event(&again)).await, Err(StoreError::Conflict));
    }

    async fn an_event_goes_with_the_unit_that_makes_it_true(store: TestStore) {
        let lost = event(EventKind::SignIn);
        let outcome: Result<(), _> = store.try_write(move |tx| {
            tx.insert_event(&lost)?;
            Err(StoreError::Conflict)
        }).await;
        assert_eq!((outcome, store.count("events")), (Err(StoreError::Conflict), 0));
    }
}
