//! What a user may do on which objects, for a program that asks: one body for both generations of clients (permissions.md §6 A).

use authmachine_permissions::{ApiAnswer, Circumstances, PermissionMap, Subject};
use authmachine_protocol::Params;
use authmachine_protocol::form::FormError;
use authmachine_provider::api_token::{ApiToken, PERMISSIONS_READ};
use authmachine_provider::user::User;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::error::ApiError;
use crate::permissions::{self, Answered, Effort};
use crate::request::{self, ApiTokenRefusal};

/// The most objects in an answer to a question that names none.
const MAX_OBJECTS: usize = 1_000;

/// `GET /api/scim/v1/Users/{id}/permissions?object=…&object=…`.
pub async fn get(
    State(app): State<App>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let answered = answer(&app, id, query.unwrap_or_default().as_bytes(), &headers).await;
    let mut response = answered.into_response();
    let answer = response.headers_mut();
    answer.insert(header::VARY, HeaderValue::from_static("Accept"));
    if answer.contains_key(header::CONTENT_TYPE) && prefers_scim(&headers) {
        answer.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/scim+json"));
    }
    response
}

async fn answer(app: &App, id: String, query: &[u8], headers: &HeaderMap) -> Result<Response, ApiError> {
    let token = authenticate(app, headers).await?;
    if !token.scopes.contains(PERMISSIONS_READ) {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "The API token does not have the scope permissions:read.",
        ));
    }
    let question = Question::parse(query)?;
    let at_least =
        permissions::demanded_revision(headers).map_err(|why| ApiError::new(StatusCode::BAD_REQUEST, why))?;
    let user = app.store.read(move |reads| reads.find_user_by_sub(&id)).await?;
    let user = user.ok_or(ApiError::new(StatusCode::NOT_FOUND, "There is no such user."))?;
    let Answered { answer, revision } = evaluate(app, &token, &user, question, at_least).await?;
    let answer = ApiAnswer(answer);
    let body =
        serde_json::to_vec(&answer.in_shape(app.settings.permissions.answer_shape)).map_err(|error| {
            tracing::error!(cause = %error, "An answer cannot be written as JSON");
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "The server cannot answer just now.")
        })?;

    // The tag names the answer itself, not the revision that it comes from: grants begin and end by the clock, too.
    let etag: String = authmachine_jose::hex(&authmachine_jose::sha256(&body)[..16]);
    let etag = format!("\"{etag}\"");
    let revision = revision.to_string();
    let always = [
        (header::CACHE_CONTROL, "no-store"),
        (header::ETAG, etag.as_str()),
        (permissions::REVISION, revision.as_str()),
    ];
    if request::is_known(headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, always).into_response());
    }
    Ok((always, [(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// The live API token of the request, as `Token …` or `Bearer …`.
async fn authenticate(app: &App, headers: &HeaderMap) -> Result<ApiToken, ApiError> {
    let authorization = request::authorization(headers).map_err(|_| {
        ApiError::new(StatusCode::BAD_REQUEST, "There must be one readable Authorization header.")
    })?;
    let text = authorization
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| ["token", "bearer"].iter().any(|known| scheme.eq_ignore_ascii_case(known)))
        .map(|(_, text)| text.trim_matches(' '))
        .ok_or(ApiTokenRefusal::Unknown)?;

    Ok(request::api_token(app, text, "api").await?)
}

/// Which objects are asked about.
#[derive(Debug, PartialEq, Eq)]
enum Question {
    /// Those with these codes, each once, in this order.
    These(Vec<String>),
    /// Every visible one on which something is held.
    All,
}

impl Question {
    fn parse(query: &[u8]) -> Result<Self, ApiError> {
        let params = Params::parse_with_lists(query, &["object"]).map_err(|error| {
            let (scim_type, detail) = match error {
                FormError::TooMany => ("tooMany", "There are more than 100 parameters."),
                FormError::Repeated => ("invalidSyntax", "A parameter other than object is repeated."),
                FormError::Percent | FormError::Utf8 => {
                    ("invalidSyntax", "The query is not valid UTF-8 text in percent-encoding.")
                }
            };
            ApiError { scim_type: Some(scim_type), ..ApiError::new(StatusCode::BAD_REQUEST, detail) }
        })?;
        // `object=` asks about nothing, which is not the same as asking about everything.
        if !params.iter().any(|(name, _)| name == "object") {
            return Ok(Self::All);
        }
        let mut codes: Vec<String> = Vec::new();
        for code in params.all("object") {
            if codes.iter().all(|known| known != code) {
                codes.push(code.to_owned());
            }
        }
        Ok(Self::These(codes))
    }
}

async fn evaluate(
    app: &App,
    token: &ApiToken,
    user: &User,
    question: Question,
    at_least: u64,
) -> Result<Answered<PermissionMap>, ApiError> {
    // An inactive user is known, and may do nothing.
    let (subject, objects, now) = (Subject::User(user.id), token.objects.clone(), app.now());
    let effort = if question == Question::All { Effort::Much } else { Effort::Little };
    let answered = permissions::ask(app, effort, at_least, move |source| {
        let (visible, circumstances) = (|code: &str| objects.sees(code), Circumstances::at(now));
        match &question {
            Question::These(codes) => source.map(subject, codes, visible, &circumstances).map(Ok),
            Question::All => source.map_of_all(subject, visible, &circumstances, MAX_OBJECTS),
        }
    });
    let Answered { answer, revision } = answered.await?;
    let answer = answer.map_err(|_| ApiError {
        scim_type: Some("tooMany"),
        ..ApiError::new(
            StatusCode::BAD_REQUEST,
            "There are more than 1000 objects; name those that matter with the parameter object.",
        )
    })?;
    Ok(Answered { answer, revision })
}

/// Whether `Accept` names `application/scim+json`, at least as warmly as `application/json` (RFC 7644 §3.1).
fn prefers_scim(headers: &HeaderMap) -> bool {
    let weight = |wanted: &str| {
        headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|range| {
                let mut parts = range.split(';').map(str::trim);
                let named = parts.next()?.eq_ignore_ascii_case(wanted);
                let q = parts
                    .find_map(|part| part.strip_prefix("q="))
                    .map_or(Some(1.0), |q| q.parse::<f32>().ok());
                q.filter(|_| named)
            })
            .fold(0.0, f32::max)
    };
    let scim = weight("application/scim+json");
    scim > 0.0 && scim >= weight("application/json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn a_question_keeps_its_order_and_names_each_object_once() {
        let these = |codes: &[&str]| Question::These(codes.iter().map(|code| (*code).to_owned()).collect());
        for (query, question) in [
            ("", Question::All),
            ("format=json", Question::All),
            ("object=b&object=a&object=b", these(&["b", "a"])),
            ("object=a%2Fb&object=", these(&["a/b"])),
            ("object=", these(&[])),
            ("object", these(&[])),
        ] {
            assert_eq!(Question::parse(query.as_bytes()), Ok(question), "{query}");
        }
    }

    #[test]
    fn do1_one_hundred_objects_are_the_most() {
        let query = |n: usize| (0..n).map(|i| format!("object=o{i}")).collect::<Vec<_>>().join("&");
        assert!(
            matches!(Question::parse(query(100).as_bytes()), Ok(Question::These(codes)) if codes.len() == 100)
        );
        for (bad, scim_type) in [
            (query(101), "tooMany"),
            ("a=1&a=2".to_owned(), "invalidSyntax"),
            ("object=%ff".to_owned(), "invalidSyntax"),
        ] {
            let error = Question::parse(bad.as_bytes()).expect_err("refused");
            assert_eq!((error.status, error.scim_type), (StatusCode::BAD_REQUEST, Some(scim_type)));
        }
    }

    #[test]
    fn scim_json_is_served_to_those_who_ask_for_it() {
        for (accept, scim) in [
            ("application/scim+json", true),
            ("Application/SCIM+JSON;q=0.5, */*", true),
            ("application/scim+json, application/json", true),
            ("application/scim+json;q=0.5, application/json", false),
            ("application/scim+json;q=0", false),
            ("application/scim+json;q=x", false),
            ("application/json", false),
            ("*/*", false),
        ] {
            assert_eq!(prefers_scim(&with(header::ACCEPT, accept)), scim, "{accept}");
        }
        assert!(!prefers_scim(&HeaderMap::new()));
    }
}
