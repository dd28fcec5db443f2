//! `authmachine demo` in Chromium: what somebody sees who tries the product.

use authmachine_e2e::{Chromium, Demo, Visitor};

const ALICE: (&str, &str) = ("alice", "wonderland-demo");
const BOB: (&str, &str) = ("bob", "builder-demo");
/// Where a second app of ours and one of somebody else listen, as the demo prints it.
const SECOND_PORT: u16 = 5055;
const GUEST_PORT: u16 = 5056;

#[tokio::test]
async fn alice_signs_in_sees_who_she_is_and_signs_out() {
    let Some(browser) = Chromium::start().await else { return };
    let demo = Demo::start().await;

    browser.open(&demo.client()).await;
    browser.sees("You are not logged in").await;
    browser.pictures("demo-welcome").await;
    browser.click("a[href='/login']").await;
    browser.sees("Username").await;
    browser.pictures("login").await;
    browser.sign_in(ALICE.0, ALICE.1).await;

    browser.sees("Logged in as alice").await;
    assert_eq!(browser.url().await.trim_end_matches('/'), demo.client());
    let page = browser.text().await;
    for part in ["Your token is alive", "object1", "object2", "preferred_username", "alice"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    browser.pictures("demo-home").await;
    browser.reload().await;
    browser.sees("Logged in as alice").await;

    browser.click("a[href='/last-login']").await;
    browser.sees("The last login, step by step").await;
    for step in ["Discovery", "Authorization request", "Token request", "ID token", "User info"] {
        browser.sees(step).await;
    }
    assert!(!browser.text().await.contains(ALICE.1), "the app never saw the password");
    browser.pictures("demo-last-login").await;

    browser.open(&demo.issuer()).await;
    browser.sees("Signed in as alice").await;
    browser.pictures("root").await;
    browser.open(&demo.client()).await;
    browser.click("a[href='/logout']").await;
    browser.sees("You are not logged in").await;
    // The provider's session ended with it.
    browser.open(&demo.issuer()).await;
    browser.sees("Welcome").await;
    browser.is_content().await;

    assert!(demo.stop().await.success());
}

#[tokio::test]
async fn a_wrong_password_is_said_and_can_be_mended() {
    let Some(browser) = Chromium::start().await else { return };
    let demo = Demo::start().await;
    browser.open(&format!("{}/login", demo.client())).await;
    browser.sign_in(ALICE.0, "not her password").await;
    browser.sees("Username and password do not match").await;
    browser.pictures("login-refused").await;
    assert!(browser.text().await.contains("Error:"));
    // The name stays, and the field to be mended has the focus.
    assert_eq!(browser.evaluate("return document.querySelector('#username').value").await, ALICE.0);
    assert_eq!(browser.evaluate("return document.activeElement.id").await, "password");
    browser.fill("#password", ALICE.1).await;
    browser.click("button.primary").await;
    browser.sees("Logged in as alice").await;
    browser.is_content().await;
    assert!(demo.stop().await.success());
}

#[tokio::test]
async fn a_third_party_asks_first_and_takes_no_for_an_answer() {
    let Some(browser) = Chromium::start().await else { return };
    let demo = Demo::start().await;
    let guest = demo.another_client(GUEST_PORT).await;

    browser.open(&format!("{}/login", guest.url())).await;
    browser.sign_in(BOB.0, BOB.1).await;
    browser.sees("Do you agree?").await;
    let page = browser.text().await;
    assert!(page.contains("bob") && page.contains(&format!("localhost:{GUEST_PORT}")), "{page}");
    browser.pictures("consent").await;
    browser.click("button[value='no']").await;
    browser.sees("To the start page").await;
    assert!(browser.url().await.starts_with(&guest.url()), "the refusal goes back to the app");
    assert!(!browser.text().await.contains("Logged in as"));

    browser.open(&format!("{}/login", guest.url())).await;
    browser.sees("Do you agree?").await;
    browser.click("button[value='yes']").await;
    browser.sees("Logged in as bob").await;

    // Asked once: the next time goes straight through.
    browser.open(&format!("{}/logout", guest.url())).await;
    browser.is_content().await;
    assert!(demo.stop().await.success());
}

/// A command beside the server is noticed within a second (checklist PE7).
async fn noticed() {
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_second_app_notices_and_permissions_are_live() {
    let Some(browser) = Chromium::start().await else { return };
    let demo = Demo::start().await;
    let second = demo.another_client(SECOND_PORT).await;

    browser.open(&format!("{}/login", demo.client())).await;
    browser.sign_in(BOB.0, BOB.1).await;
    browser.sees("Logged in as bob").await;
    // Single sign-on: no password for the second.
    browser.open(&format!("{}/login", second.url())).await;
    browser.sees("Logged in as bob").await;
    assert!(browser.url().await.starts_with(&second.url()));

    // By userinfo and by the API, without a new login.
    let may_write = "const tables = [...document.querySelectorAll('table')]; \
                     return tables.length === 2 && tables.every(table => table.textContent.includes('write'))";
    browser.open(&demo.client()).await;
    assert_eq!(browser.evaluate(may_write).await, false);
    demo.change_a_permission().await;
    noticed().await;
    browser.reload().await;
    browser.sees("Live, from the permissions API").await;
    assert_eq!(browser.evaluate(may_write).await, true);

    browser.click("a[href='/logout']").await;
    browser.sees("You are not logged in").await;
    browser.open(&second.url()).await;
    browser.sees("You are not logged in").await;
    browser.is_content().await;
    assert!(demo.stop().await.success());
}

#[tokio::test]
async fn pe3_what_alice_lends_bob_sees_and_loses_with_her_own() {
    let Some(browser) = Chromium::start().await else { return };
    let Some(bobs) = Chromium::start().await else { return };
    let demo = Demo::start().await;
    let write = ["--user", ALICE.0, "--object", "object1", "--type", "write"];
    demo.command(&[&["grant", "add"], &write[..], &["--delegable", "--replace"]].concat()).await;

    let may_write = "return [...document.querySelectorAll('table')][0].textContent.includes('write')";
    bobs.open(&format!("{}/login", demo.client())).await;
    bobs.sign_in(BOB.0, BOB.1).await;
    bobs.sees("Logged in as bob").await;
    assert_eq!(bobs.evaluate(may_write).await, false);

    browser.open(&format!("{}/login", demo.issuer())).await;
    browser.sign_in(ALICE.0, ALICE.1).await;
    browser.sees("Signed in as alice").await;
    browser.click("a[href='/account/permissions']").await;
    browser.sees("because it was granted to you").await;
    browser.click("a[href*='permission=write']").await;
    // The form begins with tomorrow.
    browser.fill("#to", BOB.0).await;
    browser.pictures("lend").await;
    browser.click("button.primary").await;
    browser.sees("It is lent.").await;
    browser.pictures("permissions").await;
    browser.is_content().await;

    bobs.reload().await;
    bobs.sees("Logged in as bob").await;
    assert_eq!(bobs.evaluate(may_write).await, true);
    let page = format!("{}/account/permissions", demo.issuer());
    bobs.open(&page).await;
    bobs.sees("because alice lent it to you until").await;
    bobs.is_content().await;

    demo.command(&[&["grant", "remove"], &write[..]].concat()).await;
    noticed().await;
    bobs.open(&page).await;
    bobs.sees("Without effect at present").await;
    assert!(!bobs.text().await.contains("because alice lent it to you"));
    // No new login.
    bobs.open(&demo.client()).await;
    bobs.sees("Logged in as bob").await;
    assert_eq!(bobs.evaluate(may_write).await, false);
    assert!(demo.stop().await.success());
}

#[tokio::test]
async fn everything_works_without_scripts() {
    let Some(browser) = Chromium::start().await else { return };
    let demo = Demo::start().await;
    browser.turn_scripts_off().await;
    browser.open(&demo.client()).await;
    browser.click("a[href='/login']").await;
    browser.sign_in(ALICE.0, "not her password").await;
    browser.sees("Username and password do not match").await;
    browser.sign_in(ALICE.0, ALICE.1).await;
    browser.sees("Logged in as alice").await;
    browser.click("a[href='/logout']").await;
    browser.sees("You are not logged in").await;
    assert!(demo.stop().await.success());
}

#[tokio::test]
async fn a_busy_port_says_what_to_do() {
    let demo = Demo::start().await;
    let port = demo.issuer().rsplit(':').next().expect("a port").to_owned();
    let said = Demo::refused(&["--port", &port]).await;
    assert!(said.contains(&port) && said.contains("--port"), "{said}");
    assert!(demo.log().contains(ALICE.1), "the password is printed: {}", demo.log());

    // The scripted visitor sees the same pages as the browser.
    let mut visitor = Visitor::new();
    let page = visitor.sign_in(&format!("{}/login", demo.client()), ALICE.0, ALICE.1, &[]).await.page();
    assert!(page.body.contains("Logged in as alice"), "{page:?}");
    assert!(demo.stop().await.success());
}
