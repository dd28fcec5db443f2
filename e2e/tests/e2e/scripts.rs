//! What a real browser makes of the scripts of pages that are never looked at.

use authmachine_e2e::{Chromium, Site};
use serde_json::json;

const CHECK_SESSION: &str = include_str!("../../../crates/authmachine-pages/assets/check_session.js");
const LOGOUT: &str = include_str!("../../../crates/authmachine-pages/assets/logout.js");

/// The frame's words to each of `messages` in turn, which the app's page sends all at once. The last of them has an answer.
const ASK: &str = "
    const [messages, count] = arguments;
    const frame = document.querySelector('iframe').contentWindow, said = [];
    return new Promise(done => {
        addEventListener('message', e => e.source === frame && said.push(e.data) === count && done(said));
        messages.forEach(message => frame.postMessage(message, '*'));
    })";

/// A `session_state`, by another hand than the frame's: hexadecimal first.
const SESSION_STATE: &str = "
    const [text, salt] = arguments;
    return crypto.subtle.digest('SHA-256', new TextEncoder().encode(text + ' ' + salt)).then(digest => {
        const hex = [...new Uint8Array(digest)].map(byte => byte.toString(16).padStart(2, '0')).join('');
        const base64 = btoa(hex.match(/../g).map(two => String.fromCharCode(parseInt(two, 16))).join(''));
        return base64.replace(/[+]/g, '-').replace(/[/]/g, '_').replace(/=+$/, '') + '.' + salt;
    })";

#[tokio::test]
async fn the_session_frame_tells_an_app_whether_its_session_is_still_the_one_here() {
    let Some(browser) = Chromium::start().await else { return };
    // Cookies are shared among the ports of a host, so the apps' pages set the provider's here.
    let provider = Site::serve(format!("<script data-cookie='am_state'>{CHECK_SESSION}</script>")).await;
    let page = format!("the app <iframe src='{}'></iframe>", provider.url());
    let (app, other) = (Site::serve(page.clone()).await, Site::serve(page).await);
    let (hash, salt) = ("A".repeat(43), "s-a_l7");

    browser.open(&app.url()).await;
    let state_of = async |state: &str, client: &str| {
        let text = format!("{client} {} {state}", app.url());
        browser
            .evaluate_with(SESSION_STATE, vec![json!(text), json!(salt)])
            .await
            .as_str()
            .expect("text")
            .to_owned()
    };
    let (nobody, alice) = (state_of("", "a client").await, state_of("alice=1", "a client").await);
    let ask = async |messages: &[serde_json::Value], count: usize| {
        browser.evaluate_with(ASK, vec![json!(messages), json!(count)]).await
    };

    // No cookie is an empty state. Answers come in the order of the questions; what is no text has none.
    let questions = [
        json!(format!("a client {nobody}")),
        json!({ "client": "a client" }),
        json!(7),
        json!(""),
        json!("a client"),
        json!(nobody),
        json!(format!("a client {hash}")),
        json!(format!("a client {hash}.")),
        json!(format!("a client {hash}.a b")),
        json!(format!("a client {hash}.{salt}.{salt}")),
        json!(format!("a client {hash}.{salt}")),
        json!(format!("another {nobody}")),
        json!(format!("a client {alice}")),
        json!(format!("a client {nobody}")),
    ];
    let mut answers = vec!["unchanged"];
    answers.extend(["error"; 7]);
    answers.extend(["changed", "changed", "changed", "unchanged"]);
    assert_eq!(ask(&questions, answers.len()).await, json!(answers));

    // The state is that of the moment.
    browser.evaluate("document.cookie = 'x_am_state=no'; document.cookie = 'am_state=alice=1'").await;
    let both = [json!(format!("a client {alice}")), json!(format!("a client {nobody}"))];
    assert_eq!(ask(&both, 2).await, json!(["unchanged", "changed"]));
    browser.evaluate("document.cookie = 'am_state=bob'").await;
    assert_eq!(ask(&both, 2).await, json!(["changed", "changed"]));
    browser.evaluate("document.cookie = 'am_state=; max-age=0'").await;
    assert_eq!(ask(&both, 2).await, json!(["changed", "unchanged"]));

    // One app's state is of no use to another.
    browser.open(&other.url()).await;
    assert_eq!(ask(&both, 2).await, json!(["changed", "changed"]));
    browser.is_content().await;
}

#[tokio::test]
async fn lo6_the_way_on_from_a_logout_waits_for_frames_but_not_for_ever() {
    let Some(browser) = Chromium::start().await else { return };
    // One app answers, one takes the connection and says nothing.
    let (next, told) = (Site::serve("the app".to_owned()).await, Site::serve("told".to_owned()).await);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let silent = format!("http://{}", silent.local_addr().expect("it is bound"));
    let page = |frames: &[&str]| {
        let frames: String = frames
            .iter()
            .map(|src| {
                format!("<iframe src='{src}' sandbox='allow-scripts allow-same-origin' hidden></iframe>")
            })
            .collect();
        Site::serve(format!(
            "<a id='continue' href='{}/bye?state=x'>on</a>{frames}<script>{LOGOUT}</script>",
            next.url()
        ))
    };
    for frames in [&[][..], &[told.url().as_str()], &[told.url().as_str(), silent.as_str()]] {
        browser.open(&page(frames).await.url()).await;
        browser.sees("the app").await;
        assert_eq!(browser.url().await, format!("{}/bye?state=x", next.url()));
    }
}
