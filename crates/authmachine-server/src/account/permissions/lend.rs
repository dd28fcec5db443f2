//! Lending what one holds to somebody else (permissions.md §3).

use authmachine_pages::{ErrorKind, Lend, LendError, paths};
use authmachine_permissions::{
    Circumstances, Delegation, LendRequest, Lent, MAX_HOPS, MAX_OBJECT_CODE, MAX_TYPE_CODE, Party, Refusal,
    RightSource,
};
use authmachine_protocol::{Params, Timestamp, form};
use authmachine_provider::browser_session::Session;
use authmachine_provider::event::{Event, EventKind};
use authmachine_provider::ids::{DelegationId, Kind, UserId};
use authmachine_provider::throttle;
use authmachine_provider::user::User;
use authmachine_store::{NotLent, StoreError, Tx};
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

use super::{end, known};
use crate::account::root::Done;
use crate::app::App;
use crate::browser::{self, Browser, SignedIn};
use crate::error::PageError;
use crate::metrics::Lending;
use crate::middleware::page_result;
use crate::request;

const FORM: &str = "lend";
/// Names of nobody that cost nothing: people mistype them.
const FREE_NAMES: i64 = 10;
/// The end that the form begins with.
const USUAL_MS: i64 = 24 * 60 * 60 * 1_000;
/// No taker has this row.
const NOBODY: UserId = UserId(0);

/// A right, as its page's address names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    object: String,
    permission: String,
}

impl Right {
    /// By the codes of object and permission type.
    pub fn new(object: &str, permission: &str) -> Self {
        Self { object: object.to_owned(), permission: permission.to_owned() }
    }

    /// Reads a query that names one; whatever else it says is nothing.
    pub fn of_query(query: Option<&str>) -> Option<Self> {
        Self::of(&Params::parse(query?.as_bytes()).ok()?)
    }

    fn of(params: &Params) -> Option<Self> {
        let (object, permission) = (params.get("object")?, params.get("permission")?);
        (object.len() <= MAX_OBJECT_CODE && permission.len() <= MAX_TYPE_CODE)
            .then(|| Self::new(object, permission))
    }

    /// The page on which it is lent.
    pub fn location(&self) -> String {
        self.under(paths::LEND)
    }

    /// The way there through a new sign-in.
    pub fn sign_in(&self) -> String {
        self.under(paths::LOGIN)
    }

    fn under(&self, path: &str) -> String {
        let query =
            form::encode([("object", self.object.as_str()), ("permission", self.permission.as_str())]);
        format!("{path}?{query}")
    }
}

/// Whether a session's sign-in is recent enough to lend something.
pub fn is_recent(app: &App, session: &Session) -> bool {
    let within_ms = app.settings.lending.login_within_ms;
    within_ms.is_none_or(|within_ms| app.now() <= session.auth_time.plus_ms(within_ms))
}

/// `GET /account/permissions/lend?object=…&permission=…`.
pub async fn get(State(app): State<App>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let result = show(&app, &headers, Right::of_query(query.as_deref())).await;
    page_result(&app, &headers, result)
}

async fn show(app: &App, headers: &HeaderMap, right: Option<Right>) -> Result<Response, PageError> {
    let browser = Browser::read(app, headers);
    let signed_in = browser::session(app, &browser).await?.filter(|signed_in| signed_in.is_live);
    let Some(SignedIn { session, user, .. }) = signed_in else {
        return Ok(browser::see_other(paths::LOGIN));
    };
    let right = right.ok_or(ErrorKind::NotFound)?;
    // Unknown, not held, not to be lent: one answer.
    let terms = Terms::of(app, user.id, &right).await?.ok_or(ErrorKind::NotFound)?;
    if !is_recent(app, &session) {
        return Ok(browser::see_other(&right.sign_in()));
    }
    let usual = app.now().plus_ms(USUAL_MS);
    let until = terms.latest.map_or(usual, |latest| usual.min(latest));
    let typed = Typed { to: String::new(), until: Lend::until_at(until.ms()), hops: "0".to_owned() };
    Ok(page(app, headers, &browser, &right, typed, &terms, None))
}

/// `POST /account/permissions/lend`.
pub async fn lend(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    let result = post(&app, &headers, body).await;
    page_result(&app, &headers, result)
}

async fn post(app: &App, headers: &HeaderMap, body: Body) -> Result<Response, PageError> {
    let form = request::form(headers, body).await?;
    let browser = Browser::read(app, headers);
    if !browser::is_own_site(app, headers) {
        return Err(ErrorKind::Forbidden.into());
    }
    let signed_in = browser::session(app, &browser).await?.filter(|signed_in| signed_in.is_live);
    let Some(SignedIn { session, user, .. }) = signed_in else {
        return Ok(browser::see_other(paths::LOGIN));
    };
    let right = Right::of(&form).ok_or(ErrorKind::NotFound)?;
    let typed = Typed::of(&form);
    let outcome = if browser.owns_form(app, headers, FORM, form.get("csrf")) {
        decide(app, &user, &session, &right, &typed).await?
    } else {
        Err(LendError::Expired)
    };
    match outcome {
        Ok(Outcome::Lent) => Ok(browser::see_other(Done::Lent.location())),
        Ok(Outcome::LoginTooOld) => Ok(browser::see_other(&right.sign_in())),
        Err(error) => {
            let terms = Terms::of(app, user.id, &right).await?.unwrap_or_default();
            Ok(page(app, headers, &browser, &right, typed, &terms, Some(error)))
        }
    }
}

/// What a person typed.
struct Typed {
    to: String,
    until: String,
    hops: String,
}

impl Typed {
    fn of(form: &Params) -> Self {
        let text = |name| form.get(name).unwrap_or_default().trim().to_owned();
        Self { to: text("to"), until: text("until"), hops: text("hops") }
    }
}

/// How something may be lent.
#[derive(Default)]
struct Terms {
    most_hops: u8,
    latest: Option<Timestamp>,
}

impl Terms {
    /// None if it may not be lent.
    async fn of(app: &App, user: UserId, right: &Right) -> Result<Option<Self>, StoreError> {
        let (settings, now) = (&app.settings.lending, app.now());
        let Right { object, permission } = right.clone();
        let Ok(sources) = known::sources(app, user, object, permission, now).await? else {
            // The unit that lends says why not.
            return Ok(Some(Self::default()));
        };
        if sources.is_empty() || settings.most_hops == 0 {
            return Ok(None);
        }
        let hops = |source: &RightSource| source.hops.min(settings.most_hops).min(MAX_HOPS).saturating_sub(1);
        let by_settings = settings.longest_ms.map(|longest| now.plus_ms(longest));
        let latest = |source: &RightSource| by_settings.into_iter().chain(source.ends_at).min();
        // One without an end beats all others.
        let is_endless = sources.iter().any(|source| latest(source).is_none());
        Ok(Some(Self {
            most_hops: sources.iter().map(hops).max().unwrap_or_default(),
            latest: sources.iter().filter_map(latest).max().filter(|_| !is_endless),
        }))
    }
}

enum Outcome {
    Lent,
    LoginTooOld,
}

/// Lends it, or says why not.
async fn decide(
    app: &App,
    user: &User,
    session: &Session,
    right: &Right,
    typed: &Typed,
) -> Result<Result<Outcome, LendError>, StoreError> {
    let Some(until) = read_local(&typed.until) else { return Ok(Err(LendError::NoEnd)) };
    let hops_left = match typed.hops.as_str() {
        "" => 0,
        // What is no such number is too large a one.
        hops => hops.parse().unwrap_or(u8::MAX),
    };
    let (now, logged_in_at) = (app.now(), session.auth_time);
    let id = DelegationId(app.ids.next(Kind::Row, now));
    let counter = app.secrets.throttle("lend", &user.sub);
    let settings = app.settings.lending.clone();
    let giver_conditions_bind_taker = app.settings.permissions.giver_conditions_bind_taker;
    let event = app.event(EventKind::DelegationRefused, user.sub.clone());
    let (from, to, right) = (user.id, typed.to.clone(), right.clone());
    let decided = app
        .store
        .write(app.write_deadline(), move |tx| {
            if let Err(seconds) = throttle::check(&tx.find_throttle(&counter)?, FREE_NAMES, now) {
                return Ok(Err(Refused::Throttled(seconds)));
            }
            let taker = if to.len() <= MAX_LOGIN_BYTES { tx.find_user_by_login(&to)? } else { None };
            let object = tx.find_object(&right.object)?;
            let permission = tx.find_permission_type(&right.permission)?;
            let (Some(object), Some(permission)) = (object, permission) else {
                return Ok(Err(Refused::By(NotLent::Refused(Refusal::NotHeld))));
            };
            let request = LendRequest {
                from,
                to: taker.as_ref().map_or(NOBODY, |taker| taker.id),
                object: object.id,
                include_children: false,
                permission: permission.id,
                hops_left,
                expires_at: Some(until),
                condition: None,
                created_by: Party::User(from),
            };
            let lending = authmachine_store::Lending {
                settings: &settings,
                giver_conditions_bind_taker,
                logged_in_at,
                id,
            };
            let mut event = event.clone();
            match tx.lend(&request, &lending, &Circumstances::at(now))? {
                Ok(lent) => {
                    let (kind, delegation) = match &lent {
                        Lent::New(new) => (EventKind::DelegationCreated, new),
                        Lent::Updated(updated) => (EventKind::DelegationChanged, updated),
                    };
                    event.kind = kind;
                    let above = end::above(tx, delegation)?;
                    describe(tx, &mut event, delegation, &above)?;
                    tx.insert_event(&event)?;
                    Ok(Ok(matches!(lent, Lent::New(_))))
                }
                Err(refusal) => {
                    if refusal == NotLent::Refused(Refusal::TakerInactive) {
                        tx.count_draining(&counter, now)?;
                    }
                    // Whoever has to sign in again has not been refused.
                    if refusal != NotLent::Refused(Refusal::LoginTooOld) {
                        event.user = taker.map(|taker| taker.sub);
                        event.detail.insert("object".to_owned(), object.code.as_str().into());
                        event.detail.insert("type".to_owned(), permission.code.as_str().into());
                        event.detail.insert("reason".to_owned(), refusal.to_string().into());
                        tx.insert_event(&event)?;
                    }
                    Ok(Err(Refused::By(refusal)))
                }
            }
        })
        .await?;
    Ok(match decided {
        Ok(is_new) => {
            app.metrics.lending(if is_new { Lending::Created } else { Lending::Changed });
            Ok(Outcome::Lent)
        }
        Err(Refused::By(NotLent::Refused(Refusal::LoginTooOld))) => Ok(Outcome::LoginTooOld),
        Err(refused) => {
            app.metrics.lending(Lending::Refused);
            Err(refused.said())
        }
    })
}

/// The longest name or mail address that is looked for.
const MAX_LOGIN_BYTES: usize = 254;

/// Why the unit of work lent nothing.
enum Refused {
    Throttled(i64),
    By(NotLent),
}

impl Refused {
    /// As the page says it.
    fn said(self) -> LendError {
        let refusal = match self {
            Self::Throttled(seconds) => {
                return LendError::Throttled { retry_after_s: seconds.unsigned_abs() };
            }
            Self::By(NotLent::TooLarge(_) | NotLent::TooComplex(_)) => return LendError::TooMuch,
            Self::By(NotLent::Refused(refusal)) => refusal,
        };
        match refusal {
            Refusal::SwitchedOff => LendError::SwitchedOff,
            // The session was over by then.
            Refusal::GiverInactive | Refusal::LoginTooOld => LendError::Expired,
            Refusal::ToOneself => LendError::ToOneself,
            Refusal::TakerInactive => LendError::NobodyThere,
            Refusal::ObjectInactive | Refusal::NotHeld => LendError::NotHeld,
            Refusal::NotLendable | Refusal::NotDelegable => LendError::MayNotLend,
            Refusal::BeyondHops { most } => LendError::TooManyHops { most },
            Refusal::EndNeeded { .. } => LendError::NoEnd,
            Refusal::BeyondExpiry { latest } => LendError::TooLate { latest_ms: latest.ms() },
            Refusal::TooShort => LendError::TooSoon,
            Refusal::TooManyGiven { most } => LendError::TooManyGiven { most },
            Refusal::TooManyTaken { .. } => LendError::TooManyTaken,
        }
    }
}

/// Says in an event which delegation it is about, and through whom its giver has it: `above` are those that it was passed on from.
pub(super) fn describe(
    tx: &mut Tx,
    event: &mut Event,
    delegation: &Delegation,
    above: &[Delegation],
) -> Result<(), StoreError> {
    event.user = tx.find_user(delegation.to)?.map(|taker| taker.sub);
    let mut givers = Vec::new();
    for giver in above.iter().rev().chain([delegation]) {
        givers.extend(tx.find_user(giver.from)?.map(|user| user.sub));
    }
    let object = tx.find_object_by_id(delegation.object)?.map(|object| object.record.code);
    let permission = tx.find_permission_type_by_id(delegation.permission)?.map(|known| known.record.code);
    let detail = [
        ("delegation", Some(delegation.id.to_string().into())),
        ("object", object.map(Into::into)),
        ("type", permission.map(Into::into)),
        ("from", Some(givers.join(" ").into())),
        ("until", delegation.expires_at.map(|end| end.seconds().into())),
        ("hops", Some(delegation.hops_left.into())),
    ];
    event.detail.extend(detail.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    Ok(())
}

fn page(
    app: &App,
    headers: &HeaderMap,
    browser: &Browser,
    right: &Right,
    typed: Typed,
    terms: &Terms,
    error: Option<LendError>,
) -> Response {
    let html = Lend {
        csrf: browser.form_token(app, FORM),
        object: right.object.clone(),
        permission: right.permission.clone(),
        to: typed.to,
        until: typed.until,
        hops: typed.hops,
        most_hops: terms.most_hops,
        latest_ms: terms.latest.map(Timestamp::ms),
        error,
    }
    .render(&browser::chrome(app, browser::lang(headers, None)));
    let mut response = browser.keep(app, browser::html(html));
    *response.status_mut() = match error {
        None => StatusCode::OK,
        Some(LendError::Throttled { retry_after_s }) => {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(retry_after_s));
            StatusCode::TOO_MANY_REQUESTS
        }
        Some(_) => StatusCode::BAD_REQUEST,
    };
    response
}

/// Reads what `datetime-local` sends, or what people type where there is none: `2027-06-30T18:00`, with seconds or without.
fn read_local(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_once(['T', ' '])?;
    let numbers = |text: &str, separator, widths: &[usize]| -> Option<Vec<i64>> {
        let parts: Vec<&str> = text.split(separator).collect();
        let fit = parts.len() == widths.len()
            && parts
                .iter()
                .zip(widths)
                .all(|(part, width)| part.len() == *width && part.bytes().all(|byte| byte.is_ascii_digit()));
        fit.then(|| parts.iter().filter_map(|part| part.parse().ok()).collect())
    };
    let date = numbers(date, '-', &[4, 2, 2])?;
    let time = numbers(time, ':', &[2, 2]).or_else(|| numbers(time, ':', &[2, 2, 2]))?;
    let (year, month, day) = (date[0], date[1], date[2]);
    let (hour, minute, second) = (time[0], time[1], time.get(2).copied().unwrap_or(0));
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1970..=9999).contains(&year) || !(1..=days).contains(&day) || hour > 23 || minute > 59 || second > 59
    {
        return None;
    }
    // Years that begin in March end with the leap day.
    let (year_from_march, month_from_march) =
        if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year_from_march + year_from_march / 4 - year_from_march / 100
        + year_from_march / 400
        + (153 * month_from_march + 2) / 5
        + day
        - 1
        - 719_468;
    Some(Timestamp::from_seconds(days * 86_400 + hour * 3_600 + minute * 60 + second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_minute_of_the_calendar_and_nothing_else() {
        for (text, seconds) in [
            ("1970-01-01T00:00", 0),
            ("2000-02-29T00:00", 951_782_400),
            ("2025-11-24 04:42:30", 1_763_959_350),
            ("2100-03-01T00:00", 4_107_542_400),
            ("9999-12-31T23:59", 253_402_300_740),
        ] {
            let at = Timestamp::from_seconds(seconds);
            assert_eq!(read_local(text), Some(at), "{text}");
            assert_eq!(Lend::until_at(at.ms()), text[..16].replace(' ', "T"));
        }
        for text in [
            "",
            "T",
            "2027-06-30",
            "18:00",
            "2027-06-31T00:00",
            "2026-02-29T00:00",
            "2100-02-29T00:00",
            "2027-00-01T00:00",
            "2027-13-01T00:00",
            "2027-01-00T00:00",
            "2027-01-01T24:00",
            "2027-01-01T00:60",
            "2027-01-01T00:00:60",
            "27-01-01T00:00",
            "+027-01-01T00:00",
            "1969-12-31T23:59",
            "2027-1-1T0:0",
            "2027-01-01T00:00Z",
            "2027-01-01T00:00:00.5",
            "٢٠٢٧-01-01T00:00",
            "2027-01-01T00:00T00:00",
        ] {
            assert_eq!(read_local(text), None, "{text}");
        }
    }

    #[test]
    fn a_way_back_is_a_right_and_nothing_else() {
        let right = Right::new("a/b&c=d", "read");
        let query = right.location().split_once('?').expect("it has a query").1.to_owned();
        assert_eq!(Right::of_query(Some(&query)), Some(right.clone()));
        assert!(right.sign_in().starts_with("/login?object=") && right.location().starts_with("/account/"));
        for other in ["", "object=a", "permission=read", "object=a&object=b&permission=read", "object=%"] {
            assert_eq!(Right::of_query(Some(other)), None, "{other}");
        }
        let long = format!("object={}&permission=read", "a".repeat(129));
        assert_eq!(Right::of_query(Some(&long)), None);
    }
}
