//! Userinfo (OIDC Core §5.3): what the access token's client may know of the person now, signed if it registered that. Permissions
//! are evaluated at each call, so that revoking one needs no new sign-in.

use authmachine_protocol::{Params, scope};
use authmachine_provider::handle::Presented;
use authmachine_provider::ids::Kind;
use authmachine_provider::user_claims;
use axum::body::Body;
use axum::extract::{RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Map, Value};

use crate::app::App;
use crate::error::{OAuthError, json};
use crate::oidc::{id_token, permissions_claim};
use crate::{cors, request};

/// `typ` of signed userinfo: with that, and without `exp`, it passes nowhere as an ID token (RFC 8725 §3.11).
const TYP: &str = "userinfo+jwt";
const INSUFFICIENT_SCOPE: &str = r#"Bearer error="insufficient_scope", error_description="The access token does not have the scope for this.", scope="openid""#;

/// `GET /oidc/userinfo`.
pub async fn get(State(app): State<App>, request: Request) -> Response {
    // Its body, which says nothing, is left to the connection.
    let (parts, _) = request.into_parts();
    let answered = answer(&app, parts.uri.query(), &parts.headers, None).await;
    cors::clients(&app, &parts.headers, answered.into_response())
}

/// `POST /oidc/userinfo`: the token in the header, or in a form. Any other body says nothing.
pub async fn post(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let answered = async {
        let form = match request::is_form(&headers) {
            true => {
                let form = request::form(&headers, body).await;
                Some(form.map_err(|refusal| OAuthError::from(refusal).for_bearer())?)
            }
            false => None,
        };
        answer(&app, query.as_deref(), &headers, form.as_ref()).await
    };
    let answered = answered.await;
    cors::clients(&app, &headers, answered.into_response())
}

async fn answer(
    app: &App,
    query: Option<&str>,
    headers: &HeaderMap,
    form: Option<&Params>,
) -> Result<Response, OAuthError> {
    if let Some(query) = query {
        refuse_token_in_query(query)?;
    }
    let token = request::bearer(headers, form)?;
    let presented = Presented::parse(Kind::AccessToken, token).ok_or_else(OAuthError::invalid_token)?;
    let now = app.now();
    let found = app.store.read(move |reads| reads.find_access_token(&presented)).await?;
    let live = found.and_then(|(token, facts)| Some((token.live(&facts, now)?, facts)));
    let (live, facts) = live.ok_or_else(OAuthError::invalid_token)?;
    let (Some(user), Some(client), true) = (&facts.user, &facts.client, live.scopes.contains(scope::OPENID))
    else {
        return Err(OAuthError::insufficient_scope(INSUFFICIENT_SCOPE));
    };
    let sub = app.secrets.subject(client.pairwise_sector(), &user.sub);
    let mut claims: Map<String, Value> =
        user_claims::userinfo(user, &sub, &live.scopes, &live, client.first_party, &facts.grant.claims);
    if let Some(permissions) = permissions_claim::evaluate(app, &facts, now).await? {
        permissions_claim::insert(&mut claims, &permissions);
    }
    let Some(algorithm) = client.userinfo_alg else { return Ok(json(&claims)) };
    claims.insert("iss".to_owned(), app.settings.issuer.as_str().into());
    claims.insert("aud".to_owned(), client.client_id.as_str().into());
    let token = id_token::sign(app, &client.client_id, algorithm, TYP, &claims)?;
    Ok((
        [
            (header::CONTENT_TYPE, HeaderValue::from_static("application/jwt")),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ],
        token,
    )
        .into_response())
}

/// RFC 6750 §2.3 is not for us: addresses are logged and kept (checklist TK3).
fn refuse_token_in_query(query: &str) -> Result<(), OAuthError> {
    let refused = |description: &str| OAuthError::invalid_request(description).for_bearer();
    let params =
        Params::parse_keeping_repeated(query.as_bytes()).map_err(|_| refused("The query is malformed."))?;
    match params.iter().any(|(name, _)| name == "access_token") {
        true => Err(refused("The access token must not stand in the query.")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::StatusCode;

    #[test]
    fn tk3_a_token_in_the_query_is_refused_however_it_is_written() {
        for query in ["access_token=x", "a=b&access_token=", "access%5Ftoken=x", "access_token", "a=%zz"] {
            let error = refuse_token_in_query(query).expect_err(query);
            assert_eq!(
                (error.status, error.challenge),
                (StatusCode::BAD_REQUEST, Some(r#"Bearer error="invalid_request""#))
            );
        }
        for query in ["", "a=b", "token=x", "a=access_token"] {
            assert_eq!(refuse_token_in_query(query), Ok(()), "{query}");
        }
    }
}
