//! Two years of use: what is kept reaches a level and stays there.

use authmachine_provider::Timestamp;
use authmachine_provider::access_token::AccessToken;
use authmachine_provider::authorization_code::{AuthorizationCode, Taken};
use authmachine_provider::browser_session::Session;
use authmachine_provider::client::Client;
use authmachine_provider::event::{Event, EventKind};
use authmachine_provider::grant::Grant;
use authmachine_provider::interaction::Interaction;
use authmachine_provider::lives::Lives;
use authmachine_provider::refresh_token::RefreshFamily;
use authmachine_provider::user::User;
use authmachine_store::{Purge, StoreError, Tx};

use crate::records::{
    BROWSER, NOW, access_token, client, code, event, grant, hash_of, interaction, own_grant, presented,
    refresh_family, session, user,
};
use crate::support::{Engine, both_engines};

/// Events, the longest-lived, stay for a year.
const DAYS: usize = 2 * 365 + 30;
/// How often it is cleaned up, which a server does all the time,
const PURGE_EVERY: usize = 3;
/// and how often it is looked at.
const LOOK_EVERY: usize = 30;
const DAY_S: i64 = 24 * 60 * 60;
/// People who sign in each day. More of them take longer and show the same.
const PEOPLE: &str = "AUTHMACHINE_TEST_YEAR_PEOPLE";
/// A file to draw the curve into.
const PLOT: &str = "AUTHMACHINE_TEST_YEAR_PLOT";

/// What one person and the world around do on one day.
struct Day {
    now: Timestamp,
    shop: Client,
    newcomer: Client,
    session: Session,
    asked: [Interaction; 2],
    grant: Grant,
    code: AuthorizationCode,
    family: RefreshFamily,
    own: Grant,
    tokens: Vec<AccessToken>,
    events: Vec<Event>,
    strangers: [[u8; 32]; 3],
    signs_out: bool,
}

impl Day {
    fn new(day: usize, n: usize, shop: &Client, person: &User) -> Self {
        let lives = Lives::default();
        let now = NOW.plus_seconds(i64::try_from(day).expect("small") * DAY_S);
        let later = |seconds| now.plus_seconds(seconds);
        let session = Session {
            created_at: now,
            auth_time: now,
            expires_at: later(lives.session_s),
            ..session(person)
        };
        let asked =
            || Interaction { created_at: now, expires_at: later(lives.interaction_s), ..interaction(shop) };
        let token =
            || AccessToken { created_at: now, expires_at: later(lives.access_token_s), ..access_token() };
        let mut newcomer = client(&format!("new-{day}-{n}"));
        newcomer.created_at = now;
        Self {
            now,
            shop: shop.clone(),
            newcomer,
            asked: [asked(), asked()],
            grant: Grant { created_at: now, expires_at: later(lives.code_s), ..grant(shop, &session) },
            code: AuthorizationCode { expires_at: later(lives.code_s), ..code() },
            family: RefreshFamily {
                idle_expires_at: later(lives.refresh_idle_s),
                expires_at: later(lives.refresh_s),
                ..refresh_family()
            },
            own: Grant { created_at: now, expires_at: later(lives.access_token_s), ..own_grant(shop) },
            tokens: (0..6).map(|_| token()).collect(),
            events: (0..10).map(|_| Event { at: now, ..event(EventKind::TokensIssued) }).collect(),
            strangers: [0, 1, 2].map(|m| hash_of(i64::try_from((day * 1_000 + n) * 3 + m).expect("small"))),
            signs_out: n.is_multiple_of(2),
            session,
        }
    }

    fn happen(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let now = self.now;
        for name in &self.strangers {
            tx.count_try(name, now)?;
            tx.count_draining(&[1; 32], now)?;
        }
        // One finishes, the other is given up.
        for asked in &self.asked {
            tx.insert_interaction(asked, &hash_of(asked.id), &BROWSER)?;
        }
        assert!(tx.take_interaction(&presented(self.asked[0].id), &BROWSER, now)?.is_some());
        tx.insert_session(&self.session, &hash_of(self.session.id.0))?;
        tx.take_assertion_id(self.shop.id, &self.strangers[0], now.plus_seconds(60))?;
        tx.insert_grant(&self.grant)?;
        tx.insert_code(&self.code, &hash_of(self.code.id), &self.grant)?;
        assert!(matches!(tx.take_code(&presented(self.code.id), self.shop.id, now)?, Taken::Now(_)));
        tx.extend_grant(self.grant.id, self.family.idle_expires_at, now)?;
        tx.insert_refresh_family(&self.family, self.grant.id)?;
        tx.insert_grant(&self.own)?;
        for (n, token) in self.tokens.iter().enumerate() {
            let grant = if n == 0 { self.own.id } else { self.grant.id };
            tx.insert_access_token(token, &hash_of(token.id), grant)?;
        }
        for generation in 1..=4 {
            let idle_expires_at = self.family.idle_expires_at.plus_seconds(generation * 3_600);
            let generation = u32::try_from(generation).expect("small");
            tx.extend_grant(self.grant.id, idle_expires_at, now)?;
            let rotated = RefreshFamily { generation, idle_expires_at, ..self.family.clone() };
            assert!(tx.rotate_refresh_family(&rotated, generation - 1)?);
        }
        for event in &self.events {
            tx.insert_event(event)?;
        }
        tx.insert_client(&self.newcomer)?;
        if self.signs_out {
            tx.end_session(self.session.id, now)?;
        }
        Ok(())
    }
}

both_engines! {
    async fn two_years_of_use_end_in_a_flat_line(store: TestStore) {
        let usual: i64 = if store.engine == Engine::Sqlite { 6 } else { 1 };
        let people = std::env::var(PEOPLE).map_or(usual, |people| people.parse().expect("a number of people"));
        let shop = Client { registration_sha256: None, ..client("shop") };
        let persons: Vec<User> = (0..people).map(|n| user(&format!("user{n}"))).collect();
        let first = (shop.clone(), persons.clone());
        store.write(move |tx| {
            tx.insert_client(&first.0)?;
            first.1.iter().try_for_each(|person| tx.insert_user(person).map(drop))
        }).await;
        // As many changes stay for ever.
        store.run_sql("INSERT INTO changes (revision, at, kind, entity_id)
            WITH RECURSIVE n (n) AS (SELECT 1000 UNION ALL SELECT n + 1 FROM n WHERE n < 11000)
            SELECT n, 0, 'object', n FROM n");
        store.run_sql("UPDATE counters SET value = 11000 WHERE name = 'revision'");

        let mut curve = Vec::new();
        for day in 0..DAYS {
            for (n, person) in persons.iter().enumerate() {
                let happens = Day::new(day, n, &shop, person);
                store.write(move |tx| happens.happen(tx)).await;
            }
            let evening = NOW.plus_seconds(i64::try_from(day).expect("small") * DAY_S + DAY_S / 2);
            if day % PURGE_EVERY != 0 {
                continue;
            }
            for what in Purge::ALL {
                while !store.write(move |tx| tx.purge(what, evening, 1_000)).await.is_last {}
            }
            // Clients that nobody has used for a month.
            let unused = evening.plus_seconds(-30 * DAY_S);
            for (id, _) in store.read(move |reads| reads.list_unused_clients(unused, 1_000)).await {
                store.write(move |tx| tx.delete_unused_client(id, unused, evening)).await;
            }
            if day % LOOK_EVERY == 0 {
                let rows: i64 = Purge::ALL.iter().map(|what| store.count(what.table())).sum();
                curve.push((store.bytes(), rows + store.count("clients") + store.count("session_clients")));
            }
        }

        if let Ok(file) = std::env::var(PLOT) {
            std::fs::write(file, plot(&curve)).expect("the plot can be written");
        }
        // From the thirteenth month to its end.
        let level: Vec<_> = curve.split_off(395 / LOOK_EVERY);
        let flat = |name, values: Vec<i64>| {
            let (least, most) = (values.iter().min().expect("some"), values.iter().max().expect("some"));
            assert!(most - least <= most / 20, "{name} goes from {least} to {most}: {values:?}");
        };
        flat("bytes", level.iter().map(|(bytes, _)| *bytes).collect());
        flat("rows", level.iter().map(|(_, rows)| *rows).collect());
        assert!(store.count("throttles") + store.count("interactions") + store.count("assertion_ids") < 100 * people);
    }
}

/// Two curves, each against its own highest value.
fn plot(curve: &[(i64, i64)]) -> String {
    let (width, height) = (640, 200);
    let line = |values: Vec<i64>, colour: &str| {
        let most = values.iter().max().copied().unwrap_or(1).max(1);
        let steps = i64::try_from(values.len()).expect("small").max(2) - 1;
        let at = |(n, value): (usize, &i64)| {
            let n = i64::try_from(n).expect("small");
            format!("{},{}", 40 + n * width / steps, 220 - value * height / most)
        };
        let points: Vec<String> = values.iter().enumerate().map(at).collect();
        format!(
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{}\"/>\n",
            points.join(" ")
        )
    };
    let (bytes, rows) = curve[curve.len() - 1];
    let days = (curve.len() - 1) * LOOK_EVERY;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 720 260\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"720\" height=\"260\" fill=\"#fff\"/>\n\
         <path d=\"M40 20V220H680\" fill=\"none\" stroke=\"#999\"/>\n{}{}\
         <text x=\"40\" y=\"240\">first day</text><text x=\"680\" y=\"240\" text-anchor=\"end\">day {days}</text>\n\
         <text x=\"60\" y=\"200\" fill=\"#1a56a0\">file: {:.1} MB at the end</text>\n\
         <text x=\"300\" y=\"200\" fill=\"#b45309\">rows: {rows} at the end</text>\n</svg>\n",
        line(curve.iter().map(|(bytes, _)| *bytes).collect(), "#1a56a0"),
        line(curve.iter().map(|(_, rows)| *rows).collect(), "#b45309"),
        f64::from(u32::try_from(bytes / 1_000).expect("less than 4 TB")) / 1_000.0,
    )
}
