//! When a person is asked again: `prompt`, `max_age`, `id_token_hint` (OIDC Core §3.1.2.1, §3.1.2.3).

use std::time::Duration;

use crate::checks;
use crate::random;
use crate::relying_party::{SignIn, wants_a_person};
use crate::run::Run;

/// Long enough that whole seconds differ.
const OVER_A_SECOND: Duration = Duration::from_millis(1_100);

/// `prompt=login` asks for proof although there is a session.
pub(super) async fn oidcc_prompt_login(run: &Run) {
    let (client, mut browser) = (run.client().await, run.browser());
    let first = client.sign_in(&mut browser, &client.request()).await;
    run.rest(OVER_A_SECOND).await;
    let request = client.request().with("prompt", "login");
    let landing = client.walk_past_login(&mut browser, &request).await;
    let second = client.complete(&request, &landing).await;
    assert_eq!(second.sub(), first.sub());
    if let (Some(first), Some(second)) = (first.auth_time(), second.auth_time()) {
        assert!(second > first, "auth_time {second} after {first}");
    }
}

/// `prompt=none` without a session is an error, whatever the `state`.
pub(super) async fn oidcc_prompt_none_not_logged_in(run: &Run) {
    let client = run.client().await;
    let request = client.request().with("prompt", "none").with("state", &random::long_state());
    let walk = client.walk(&mut run.browser(), &request).await;
    assert!(walk.pages.is_empty(), "shown: {:?}", walk.pages);
    wants_a_person(&client.refused(&request, &walk.landing()));
}

/// With one it is silent, and nothing has changed.
pub(super) async fn oidcc_prompt_none_logged_in(run: &Run) {
    let (client, mut browser) = (run.client().await, run.browser());
    let first = client.sign_in(&mut browser, &client.request()).await;
    run.rest(OVER_A_SECOND).await;
    let second = client.sign_in_silently(&mut browser, &client.request().with("prompt", "none")).await;
    is_the_same(&first, &second);
}

/// A session that is older than `max_age` does not do.
pub(super) async fn oidcc_max_age_1(run: &Run) {
    let (client, mut browser) = (run.client().await, run.browser());
    let first = client.sign_in(&mut browser, &client.request()).await;
    run.rest(Duration::from_secs(2)).await;
    let request = client.request().with("max_age", "1");
    let landing = client.walk_past_login(&mut browser, &request).await;
    let second = client.complete(&request, &landing).await;
    let auth_time = second.auth_time().expect("max_age asks for it");
    assert!(first.auth_time().is_none_or(|first| auth_time > first), "auth_time did not move");
    assert!(auth_time >= checks::now() - 60, "auth_time is long ago");
}

/// One that is younger does.
pub(super) async fn oidcc_max_age_10000(run: &Run) {
    let (client, mut browser) = (run.client().await, run.browser());
    let first = client.sign_in(&mut browser, &client.request().with("max_age", "15000")).await;
    run.rest(OVER_A_SECOND).await;
    let second = client.sign_in_silently(&mut browser, &client.request().with("max_age", "10000")).await;
    is_the_same(&first, &second);
}

/// A hint at who is signed in changes nothing.
pub(super) async fn oidcc_id_token_hint(run: &Run) {
    let (client, mut browser) = (run.client().await, run.browser());
    let first = client.sign_in(&mut browser, &client.request()).await;
    run.rest(OVER_A_SECOND).await;
    let request = client.request().with("prompt", "none").with("id_token_hint", &first.raw_id_token);
    let second = client.sign_in_silently(&mut browser, &request).await;
    is_the_same(&first, &second);
}

#[track_caller]
fn is_the_same(first: &SignIn, second: &SignIn) {
    assert_eq!((first.sub(), first.auth_time()), (second.sub(), second.auth_time()));
}
