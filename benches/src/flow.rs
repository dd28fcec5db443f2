//! A sign-in by name and password, as a browser does it, for the figures that need a person.

use anyhow::{Context, Result, bail};

use crate::http::{Answer, Connection, request};
use crate::installation::Installation;

pub(crate) const CLIENT: &str = "bench";
pub(crate) const SECRET: &str = "a secret of the benches, not of anybody else";
pub(crate) const SECRET_IN_FORM: &str = "a%20secret%20of%20the%20benches%2C%20not%20of%20anybody%20else";
const USER: &str = "alice";
const PASSWORD: &str = "nobody signs in with this";
const PASSWORD_IN_FORM: &str = "nobody+signs+in+with+this";
const REDIRECT_URI: &str = "http://localhost:5000/oidc-callback";
pub(crate) const REDIRECT_URI_IN_FORM: &str = "http%3A%2F%2Flocalhost%3A5000%2Foidc-callback";

/// Makes the user and the client.
pub(crate) fn prepare(installation: &Installation) -> Result<()> {
    installation.run(&["user", "add", USER, "--email", "alice@example.com", "--password-stdin"], PASSWORD)?;
    let mut client = vec![
        "client",
        "add",
        "--id",
        CLIENT,
        "--secret-stdin",
        "--redirect-uri",
        REDIRECT_URI,
        "--first-party",
    ];
    for grant_type in ["authorization_code", "refresh_token", "client_credentials"] {
        client.extend(["--grant-type", grant_type]);
    }
    installation.run(&client, SECRET)
}

/// An authorization request of the client's.
pub(crate) fn authorize_path() -> String {
    format!(
        "/oidc/authorize?response_type=code&client_id={CLIENT}&redirect_uri={REDIRECT_URI_IN_FORM}\
         &scope=openid%20profile%20email&state=bench&nonce=bench"
    )
}

/// Signs in; answers with the `Cookie` header of the browser.
pub(crate) async fn sign_in(connection: &mut Connection) -> Result<String> {
    let answer = connection.send(&request(&authorize_path(), &[], None)).await?;
    let browser = cookie(&answer)?;
    let page = location(&answer)?;

    let answer = connection.send(&request(&page, &[("Cookie", &browser)], None)).await?;
    let html = answer.text();
    let csrf = html.split_once("name=\"csrf\" value=\"").and_then(|(_, rest)| rest.split('"').next());
    let csrf = csrf.with_context(|| format!("no form to sign in with: {} {html}", answer.status))?;
    let form = format!("csrf={csrf}&username={USER}&password={PASSWORD_IN_FORM}");

    let answer = connection.send(&request(&page, &[("Cookie", &browser)], Some(&form))).await?;
    if answer.status != 303 {
        bail!("the sign-in is refused: {} {}", answer.status, answer.text());
    }
    Ok(format!("{browser}; {}", cookie(&answer)?))
}

/// The code in the answer to an authorization request.
pub(crate) fn code(answer: &Answer<'_>) -> Result<String> {
    let location = answer.header("location").unwrap_or_default();
    let query =
        location.strip_prefix(REDIRECT_URI).and_then(|rest| rest.strip_prefix('?')).unwrap_or_default();
    let code = query.split('&').find_map(|pair| pair.strip_prefix("code="));
    Ok(code.with_context(|| format!("no code: {} {location}", answer.status))?.to_owned())
}

/// The token request with a code.
pub(crate) fn redeem(code: &str) -> Vec<u8> {
    token_request(&format!("grant_type=authorization_code&code={code}&redirect_uri={REDIRECT_URI_IN_FORM}"))
}

/// A request to the token endpoint, the client proved by `client_secret_post`.
pub(crate) fn token_request(form: &str) -> Vec<u8> {
    request("/oidc/token", &[], Some(&with_client(form)))
}

pub(crate) fn with_client(form: &str) -> String {
    format!("{form}&client_id={CLIENT}&client_secret={SECRET_IN_FORM}")
}

/// A member of a token answer.
pub(crate) fn token(answer: &Answer<'_>, name: &str) -> Result<String> {
    answer.member(name).with_context(|| format!("no {name}: {} {}", answer.status, answer.text()))
}

fn cookie(answer: &Answer<'_>) -> Result<String> {
    let line = answer.header("set-cookie");
    let line = line.with_context(|| format!("no cookie: {} {}", answer.status, answer.text()))?;
    Ok(line.split(';').next().unwrap_or_default().to_owned())
}

fn location(answer: &Answer<'_>) -> Result<String> {
    let location = answer.header("location");
    Ok(location.with_context(|| format!("no redirect: {} {}", answer.status, answer.text()))?.to_owned())
}
