//! Writes the pages into a folder, to look at: `cargo run -p authmachine-demo --example preview -- FOLDER`.

use std::{env, error::Error, fs, path::Path};

use serde_json::{Map, Value, json};

#[path = "../tests/it/provider.rs"]
#[allow(dead_code, reason = "the tests want more of it")]
mod provider;

use provider::{Browser, Provider};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = env::args().nth(1).ok_or("which folder?")?;
    let folder = Path::new(&folder);
    fs::create_dir_all(folder.join("assets"))?;

    let provider = Provider::new();
    provider.answers().userinfo = members(json!({"locale": "en-GB", "groups": ["staff", "tea party"]}));
    let app = || authmachine_demo::app(provider.settings().api_token("an-api-token"));
    let mut alice = provider.browser_of(app()?);
    write(folder, "welcome", &mut alice, "/").await?;
    alice.log_in().await;
    write(folder, "home", &mut alice, "/").await?;
    write(folder, "last-login", &mut alice, "/last-login").await?;
    provider.answers().permissions = (403, json!({}));
    write(folder, "home-no-live", &mut alice, "/").await?;
    provider.answers().is_away = true;
    write(folder, "home-unanswered", &mut alice, "/").await?;
    provider.answers().is_away = false;
    write(folder, "not-found", &mut alice, "/nowhere").await?;
    let asked = alice.send("GET", "/logout", &[("sec-fetch-site", "cross-site")]).await;
    save(folder, "logout", &asked.body)?;

    let mut bob = provider.browser_of(app()?);
    let query = bob.begin().await;
    provider.answers().nonce = "another".to_owned();
    write(folder, "error-nonce", &mut bob, &format!("/oidc-callback?{query}")).await?;
    write(folder, "error-state", &mut bob, "/oidc-callback?code=x&state=y").await?;

    let many: Map<String, Value> = (0..30)
        .map(|n| (format!("object-{n:02}"), json!(["read", "write", "delete", "share", "administer"])))
        .collect();
    provider.answers().userinfo = members(json!({
        "preferred_username": "a-name-that-is-longer-than-anybody-would-think-of.and-has-no-space",
        "authmachine_permissions": many,
    }));
    let mut carol = provider.browser_of(app()?);
    carol.log_in().await;
    write(folder, "home-many", &mut carol, "/").await?;
    Ok(())
}

fn members(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

async fn write(folder: &Path, name: &str, browser: &mut Browser, path: &str) -> Result<(), Box<dyn Error>> {
    let shown = browser.get(path).await;
    for asset in shown.body.split('"').filter(|part| part.starts_with("/assets/")) {
        let body = browser.get(asset).await.body;
        fs::write(folder.join(asset.trim_start_matches('/')), body)?;
    }
    save(folder, name, &shown.body)
}

/// Links to the files become relative ones.
fn save(folder: &Path, name: &str, html: &str) -> Result<(), Box<dyn Error>> {
    Ok(fs::write(folder.join(format!("{name}.html")), html.replace("\"/assets/", "\"assets/"))?)
}
