use authmachine_provider::Timestamp;
use authmachine_provider::access_token::AccessToken;
use authmachine_provider::authorization_code::AuthorizationCode;
use authmachine_provider::browser_session::Session;
use authmachine_provider::event::{Event, EventKind};
use authmachine_provider::grant::Grant;
use authmachine_provider::interaction::Interaction;
use authmachine_provider::keys::SigningKeyRecord;
use authmachine_provider::refresh_token::RefreshFamily;
use authmachine_provider::throttle::FORGET_AFTER_S;
use authmachine_store::{Pace, Purge};

use crate::records::{
    BROWSER, LATER, NOW, access_token, client, code, event, grant, interaction, make, own_grant, presented,
    refresh_family, session, signing_key, user,
};
use crate::support::{TestStore, both_engines, soon};

const DAY_S: i64 = 24 * 60 * 60;
/// The last moment before `NOW`, and the first after it: what ends there is over, or not.
const JUST: [Timestamp; 2] = [NOW, NOW.plus_ms(1)];

/// Cleans every table; how many steps it took.
async fn clean(store: &TestStore, now: Timestamp, rows: i64) -> usize {
    let mut steps = 0;
    for what in Purge::ALL {
        loop {
            steps += 1;
            assert!(steps < 1_000, "cleaning never ends");
            if store.write(move |tx| tx.purge(what, now, rows)).await.is_last {
                break;
            }
        }
    }
    steps
}

fn fresh<T>(make: impl Fn(Timestamp) -> T) -> [T; 2] {
    JUST.map(make)
}

both_engines! {
    async fn what_is_over_goes_and_nothing_else(store: TestStore) {
        let (alice, shop) = (user("alice"), client("shop"));
        let sessions = fresh(|expires_at| Session { expires_at, ..session(&alice) });
        let grants = fresh(|expires_at| Grant { expires_at, ..own_grant(&shop) });
        let tokens = fresh(|expires_at| AccessToken { expires_at, ..access_token() });
        // A code is kept for ten minutes more.
        let codes = fresh(|end| AuthorizationCode { expires_at: end.plus_seconds(-600), ..code() });
        let asked = fresh(|expires_at| Interaction { expires_at, ..interaction(&shop) });
        // By its absolute end, by want of use, or not at all.
        let families = [
            RefreshFamily { expires_at: NOW, idle_expires_at: LATER, ..refresh_family() },
            RefreshFamily { expires_at: LATER, idle_expires_at: NOW, ..refresh_family() },
            RefreshFamily { expires_at: JUST[1], idle_expires_at: JUST[1], ..refresh_family() },
        ];
        let keys = [
            SigningKeyRecord { retired_at: Some(NOW), expires_at: Some(JUST[0]), ..signing_key("over") },
            SigningKeyRecord { retired_at: Some(NOW), expires_at: Some(JUST[1]), ..signing_key("retired") },
            signing_key("active"),
        ];
        let events = fresh(|at| Event { at: at.plus_seconds(-365 * DAY_S), ..event(EventKind::SignIn) });
        let live = (
            sessions[1].id, grants[1].id, tokens[1].id, families[2].id, codes[1].id, asked[1].id, events[1].id,
        );
        store.write(move |tx| {
            tx.insert_user(&alice)?;
            tx.insert_client(&shop)?;
            for session in &sessions {
                tx.insert_session(session, &presented(session.id.0).sha256)?;
                let hanging = Grant { expires_at: session.expires_at, ..grant(&shop, session) };
                tx.insert_grant(&hanging)?;
            }
            for n in 0..2 {
                tx.insert_grant(&grants[n])?;
                tx.insert_code(&codes[n], &presented(codes[n].id).sha256, &grants[n])?;
                tx.insert_access_token(&tokens[n], &presented(tokens[n].id).sha256, grants[1].id)?;
                tx.insert_interaction(&asked[n], &presented(asked[n].id).sha256, &BROWSER)?;
                tx.insert_event(&events[n])?;
            }
            families.iter().try_for_each(|family| tx.insert_refresh_family(family, grants[1].id))?;
            keys.iter().try_for_each(|key| tx.insert_signing_key(key))?;
            tx.count_try(&[1; 32], NOW.plus_seconds(-FORGET_AFTER_S))?;
            tx.count_try(&[2; 32], NOW.plus_seconds(-FORGET_AFTER_S).plus_ms(1))
        }).await;
        let revision = store.read(|reads| reads.current_revision()).await;

        clean(&store, NOW, 100).await;
        let left = [
            ("sessions", 1), ("session_clients", 1), ("grants", 2), ("authorization_codes", 1), ("access_tokens", 1),
            ("refresh_families", 1), ("interactions", 1), ("signing_keys", 2), ("events", 1), ("throttles", 1),
            ("users", 1), ("clients", 1),
        ];
        for (table, expected) in left {
            assert_eq!(store.count(table), expected, "{table}");
        }
        let (session, grant, token, family, code, asked, event) = live;
        assert!(store.read(move |reads| reads.find_session(&presented(session.0))).await.is_some());
        assert!(store.read(move |reads| reads.find_grant(grant)).await.is_some());
        assert!(store.read(move |reads| reads.find_access_token(&presented(token))).await.is_some());
        assert!(store.read(move |reads| reads.find_refresh_family(family)).await.is_some());
        assert!(store.read(move |reads| reads.find_interaction(&presented(asked), &BROWSER)).await.is_some());
        assert_eq!(store.read(|reads| reads.list_events(None, 9)).await[0].id, event);
        assert_eq!(store.read(|reads| reads.find_throttle(&[2; 32])).await.failures, 1);
        let keys = store.read(|reads| reads.list_signing_keys()).await;
        assert_eq!(keys.iter().map(|key| key.kid.as_str()).collect::<Vec<_>>(), ["active", "retired"]);
        assert_eq!(store.read(|reads| reads.current_revision()).await, revision + 1, "the key set changed");

        // What was left goes in its turn, but users, clients, active keys and young events.
        clean(&store, LATER.plus_seconds(2 * FORGET_AFTER_S), 100).await;
        for table in ["sessions", "session_clients", "grants", "authorization_codes", "access_tokens",
            "refresh_families", "interactions", "throttles", "events"] {
            assert_eq!(store.count(table), 0, "{table} {code}");
        }
        assert_eq!((store.count("users"), store.count("clients"), store.count("signing_keys")), (1, 1, 1));
    }

    async fn a_step_is_bounded_and_the_steps_reach_everything(store: TestStore) {
        // Ends mixed, so that the expired ones do not stand first.
        let tokens: Vec<AccessToken> = (0..57)
            .map(|n| AccessToken { expires_at: if n % 3 == 0 { LATER } else { NOW }, ..access_token() })
            .collect();
        let events: Vec<Event> = (0..25)
            .map(|_| Event { at: NOW.plus_seconds(-400 * DAY_S), ..event(EventKind::SignIn) })
            .collect();
        store.write(move |tx| {
            let grant = own_grant(&client("shop"));
            tokens.iter().try_for_each(|token| tx.insert_access_token(token, &[1; 32], grant.id))?;
            (0..25_u8).try_for_each(|n| tx.count_try(&[n; 32], NOW.plus_seconds(-2 * DAY_S)))?;
            events.iter().try_for_each(|event| tx.insert_event(event))
        }).await;
        for (what, left, steps) in [(Purge::AccessTokens, 19, 6), (Purge::Throttles, 0, 3), (Purge::Events, 0, 3)] {
            let table = what.table();
            let mut before = store.count(table);
            for n in 1..=steps {
                let step = store.write(move |tx| tx.purge(what, NOW, 10)).await;
                let after = store.count(table);
                assert!((before - 10..=before).contains(&after), "{table}: {before} to {after}");
                assert_eq!((step.removed, step.is_last), ((before - after).unsigned_abs(), n == steps), "{table}");
                before = after;
            }
            assert_eq!(before, left, "{table}");
        }

        // The next round finds what ended since, wherever it stands.
        store.run_sql("UPDATE access_tokens SET expires_at = 0");
        clean(&store, NOW, 10).await;
        assert_eq!(store.count("access_tokens"), 0);
    }

    async fn a_purge_goes_faster_while_its_steps_are_quick_and_counts_what_it_removed(store: TestStore) {
        store.write(|tx| {
            let grant = own_grant(&client("shop")).id;
            (0..700).try_for_each(|_| tx.insert_access_token(&access_token(), &[1; 32], grant))
        }).await;
        let mut pace = Pace::default();
        let mut steps = 0;
        loop {
            let before = pace;
            let step = store.purge(soon(), Purge::AccessTokens, LATER, &mut pace).await.expect("it goes well");
            steps += 1;
            assert_eq!(pace, before.after(step.took), "by what the step took, whatever that was");
            if step.is_last {
                break;
            }
        }
        assert!(steps < 60, "{steps}");
        assert_eq!(store.count("access_tokens"), 0);
        let purged: Vec<_> = store.stats().purged.into_iter().filter(|(_, rows)| *rows > 0).collect();
        assert_eq!(purged, [("access_tokens", 700)]);
    }

    async fn a_sweep_does_not_run_after_new_rows(store: TestStore) {
        let grant = own_grant(&client("shop")).id;
        let add = || {
            let token = access_token();
            store.write(move |tx| tx.insert_access_token(&token, &[1; 32], grant))
        };
        add().await;
        let mut steps = 0;
        while !store.write(|tx| tx.purge(Purge::AccessTokens, NOW, 10)).await.is_last {
            add().await;
            steps += 1;
            assert!(steps < 5, "the sweep never comes round");
        }
    }

    async fn a_session_stays_as_long_as_something_hangs_on_it(store: TestStore) {
        let (alice, shop) = (user("alice"), client("shop"));
        let session = session(&alice);
        let granted = grant(&shop, &session);
        let short = Grant { expires_at: NOW.plus_ms(1), ..grant(&shop, &session) };
        let (id, grant_id) = (session.id, granted.id);
        store.write(move |tx| {
            tx.insert_user(&alice)?;
            tx.insert_session(&session, &presented(session.id.0).sha256)?;
            tx.insert_grant(&granted)?;
            // A refresh token outlives the session's own end.
            tx.extend_grant(granted.id, LATER.plus_seconds(DAY_S), LATER.plus_seconds(DAY_S))?;
            tx.insert_grant(&short)
        }).await;
        clean(&store, LATER.plus_seconds(DAY_S).plus_ms(-1), 10).await;
        assert!(store.read(move |reads| reads.find_session(&presented(id.0))).await.is_some());
        assert!(store.read(move |reads| reads.find_grant(grant_id)).await.is_some());
        clean(&store, LATER.plus_seconds(DAY_S), 10).await;
        assert!(store.read(move |reads| reads.find_session(&presented(id.0))).await.is_none());
        assert!(store.read(move |reads| reads.find_grant(grant_id)).await.is_none());
    }

    async fn a_renewed_session_stays_until_its_new_end(store: TestStore) {
        let alice = user("alice");
        let old = session(&alice);
        let new = Session { expires_at: LATER.plus_seconds(DAY_S), ..old.clone() };
        store.write(move |tx| {
            tx.insert_user(&alice)?;
            tx.insert_session(&old, &[1; 32])?;
            tx.renew_session(&new, &[2; 32])
        }).await;
        clean(&store, LATER, 10).await;
        assert_eq!(store.count("sessions"), 1);
    }

    async fn the_last_ten_thousand_changes_stay(store: TestStore) {
        store.write(|tx| make(tx, "first")).await;
        store.run_sql("INSERT INTO changes (revision, at, kind, entity_id)
            WITH RECURSIVE n (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM n WHERE n < 10020)
            SELECT n, 0, 'object', n FROM n");
        store.run_sql("UPDATE changes SET at = 0; UPDATE counters SET value = 10020 WHERE name = 'revision'");
        clean(&store, NOW, 7).await;
        assert_eq!(store.count("changes"), 10_000);
        assert_eq!(store.read(|reads| reads.list_changes(0, 1)).await[0].revision, 21);
        store.run_sql(&format!("UPDATE changes SET at = {}", NOW.ms()));
        store.run_sql("UPDATE counters SET value = 99999 WHERE name = 'revision'");
        clean(&store, NOW.plus_seconds(29 * DAY_S), 1_000).await;
        assert_eq!(store.count("changes"), 10_000, "and none of the last month goes");
    }
}
