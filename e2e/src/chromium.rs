//! Chromium, driven through ChromeDriver.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use base64ct::{Base64, Encoding as _};
use fantoccini::wd::Capabilities;
use fantoccini::{ClientBuilder, Locator};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::http::{self, LIMIT};
use crate::process::Process;
use crate::suite::{Suite, note, target};
use crate::{free_port, wait};

/// Browsers at once: one is as much as a core can do.
static PLACES: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(2));

/// A phone's and a desktop's window, in CSS pixels.
const SIZES: [(&str, u32, u32); 2] = [("phone", 390, 844), ("desktop", 1280, 800)];
const SCHEMES: [&str; 2] = ["light", "dark"];
/// How long a page may take to say something.
const PATIENCE: Duration = Duration::from_secs(15);
/// Between two looks at a page.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A browser that was never used before. Dropping it closes it.
pub struct Chromium {
    client: fantoccini::Client,
    session: String,
    _driver: Process,
    _profile: TempDir,
    _place: SemaphorePermit<'static>,
}

impl Chromium {
    /// Starts one; `None` if browsers are left out by name.
    pub async fn start() -> Option<Self> {
        Self::start_with(&[]).await
    }

    /// Starts one with more of its flags.
    pub async fn start_with(flags: &[&str]) -> Option<Self> {
        let driver = Suite::Browser.find()?;
        let place = PLACES.acquire().await.expect("nobody closes it");
        let profile = tempfile::Builder::new()
            .prefix("authmachine-chromium-")
            .tempdir()
            .expect("there is a place for temporary files");
        let port = free_port();
        let mut driver =
            Process::spawn_afresh("chromedriver", Command::new(driver).arg(format!("--port={port}")));
        let address = format!("http://127.0.0.1:{port}");
        wait::until("ChromeDriver", || {
            driver.must_run();
            let status = format!("{address}/status");
            async move { http::try_get(&status).await.ok().filter(|answer| answer.status == 200) }
        })
        .await;

        let mut arguments: Vec<String> = [
            "--headless=new",
            // As root there is no sandbox; the pages are ours.
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            // Nothing but the pages under test is fetched.
            "--disable-quic",
            "--no-first-run",
            "--no-proxy-server",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-extensions",
            "--lang=en-GB",
            // No offer to keep the password, no warning about it.
            "--disable-features=Translate,PasswordLeakDetection,OptimizationHints,MediaRouter",
        ]
        .map(str::to_owned)
        .into();
        arguments.push(format!("--user-data-dir={}", profile.path().display()));
        arguments.extend(flags.iter().map(|flag| (*flag).to_owned()));
        let capabilities: Capabilities = [
            (
                "goog:chromeOptions".to_owned(),
                json!({ "args": arguments, "prefs": { "credentials_enable_service": false } }),
            ),
            ("goog:loggingPrefs".to_owned(), json!({ "browser": "ALL" })),
        ]
        .into_iter()
        .collect();
        let mut builder = ClientBuilder::rustls().expect("the machine has root certificates");
        let client = builder.capabilities(capabilities).connect(&address).await.expect("Chromium starts");
        let id = client.session_id().await.expect("ChromeDriver answers").expect("a session has an id");
        let session = format!("{address}/session/{id}");
        Some(Self { client, session, _driver: driver, _profile: profile, _place: place })
    }

    /// A command of ChromeDriver's that WebDriver has not.
    async fn command(&self, path: &str, body: &Value) -> Value {
        let request =
            http::request(reqwest::Method::POST, &format!("{}/{path}", self.session)).timeout(LIMIT);
        let request = request.header("content-type", "application/json").body(body.to_string());
        http::send(request).await.expect("ChromeDriver answers").expect(200).json()["value"].clone()
    }

    async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.command("goog/cdp/execute", &json!({ "cmd": command, "params": parameters })).await
    }

    /// Opens an address.
    pub async fn open(&self, url: &str) {
        self.client.goto(url).await.unwrap_or_else(|error| panic!("cannot open {url}: {error}"));
    }

    /// Loads the page again.
    pub async fn reload(&self) {
        self.client.refresh().await.expect("a page can be loaded again");
    }

    /// Looks at another window, by the order in which they were opened.
    pub async fn go_to_window(&self, number: usize) {
        let window = wait::until(&format!("window {number}"), || async move {
            self.client.windows().await.expect("ChromeDriver answers").into_iter().nth(number)
        })
        .await;
        self.client.switch_to_window(window).await.expect("it is there");
    }

    /// The address of the page.
    pub async fn url(&self) -> String {
        self.client.current_url().await.expect("a page has an address").into()
    }

    /// The text that a person can read.
    pub async fn text(&self) -> String {
        // A page may be on its way.
        let Ok(body) = self.client.find(Locator::Css("body")).await else { return String::new() };
        body.text().await.unwrap_or_default()
    }

    /// Waits until the page says `text`.
    pub async fn sees(&self, text: &str) {
        self.wait(text, |page| page.contains(text)).await;
    }

    async fn wait(&self, what: &str, is_right: impl Fn(&str) -> bool) {
        let started = Instant::now();
        loop {
            let page = self.text().await;
            if is_right(&page) {
                return;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "{} does not say {what:?}; it says:\n{page}",
                self.url().await
            );
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Whether there is such an element.
    pub async fn has(&self, css: &str) -> bool {
        self.client.find(Locator::Css(css)).await.is_ok()
    }

    async fn element(&self, css: &str) -> fantoccini::elements::Element {
        match self.client.wait().at_most(PATIENCE).every(LOOK_AGAIN).for_element(Locator::Css(css)).await {
            Ok(element) => element,
            Err(_) => panic!(
                "no {css} at {}:\n{}",
                self.url().await,
                self.client.source().await.unwrap_or_default()
            ),
        }
    }

    /// Presses a button or a link.
    pub async fn click(&self, css: &str) {
        self.element(css).await.click().await.unwrap_or_else(|error| panic!("cannot click {css}: {error}"));
    }

    /// Types into a field that may hold something.
    pub async fn fill(&self, css: &str, text: &str) {
        let field = self.element(css).await;
        field.clear().await.unwrap_or_else(|error| panic!("cannot empty {css}: {error}"));
        field.send_keys(text).await.unwrap_or_else(|error| panic!("cannot type into {css}: {error}"));
    }

    /// Signs in on our login page.
    pub async fn sign_in(&self, name: &str, password: &str) {
        self.fill("#username", name).await;
        self.fill("#password", password).await;
        self.click("button.primary").await;
    }

    /// The value that a script computes.
    pub async fn evaluate(&self, script: &str) -> Value {
        self.evaluate_with(script, Vec::new()).await
    }

    /// The value that a script computes from its `arguments`.
    pub async fn evaluate_with(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.client.execute(script, arguments).await.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// Whether a dialog stands open.
    pub async fn has_dialog(&self) -> bool {
        self.client.get_alert_text().await.is_ok()
    }

    /// From now on pages run no scripts.
    pub async fn turn_scripts_off(&self) {
        self.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;
    }

    /// Pictures of the page, at the width of a phone and of a desktop, light and dark, in `target/screenshots`. Fails where the
    /// page is wider than its window.
    pub async fn pictures(&self, name: &str) {
        for (size, width, height) in SIZES {
            let metrics = json!({
                "width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == "phone",
            });
            self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
            for scheme in SCHEMES {
                let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
                self.devtools("Emulation.setEmulatedMedia", media).await;
                self.picture(&format!("{name}-{size}-{scheme}.png")).await;
            }
            let page_width = self.evaluate("return document.documentElement.scrollWidth").await;
            assert!(
                page_width.as_u64() <= Some(width.into()),
                "{name} is {page_width} wide in a window of {width}"
            );
        }
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": [] })).await;
        self.devtools("Emulation.clearDeviceMetricsOverride", json!({})).await;
    }

    /// The whole page, from top to bottom.
    async fn picture(&self, file: &str) {
        // Colours may be on their way from light to dark. One that never ends cannot be finished.
        let at_rest = "document.getAnimations().forEach(one => { try { one.finish() } catch {} })";
        self.evaluate(at_rest).await;
        let metrics = self.devtools("Page.getLayoutMetrics", json!({})).await;
        let size = &metrics["cssContentSize"];
        let clip = json!({ "x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1 });
        let whole_page = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let picture = self.devtools("Page.captureScreenshot", whole_page).await;
        let bytes = Base64::decode_vec(picture["data"].as_str().expect("a picture")).expect("Base64");
        let file = target("screenshots").join(file);
        std::fs::write(&file, bytes)
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", file.display()));
    }

    /// What the browser complained about since the last call: violations of a policy, scripts that failed, things not found. A
    /// refusal that a page shows in words is none.
    pub async fn complaints(&self) -> Vec<String> {
        let entries = self.command("se/log", &json!({ "type": "browser" })).await;
        let entries = entries.as_array().cloned().unwrap_or_default();
        entries
            .iter()
            .map(|entry| {
                format!(
                    "{} {}",
                    entry["level"].as_str().unwrap_or_default(),
                    entry["message"].as_str().unwrap_or_default()
                )
            })
            .filter(|entry| entry.starts_with("SEVERE") || entry.contains("Content Security Policy"))
            .filter(|entry| {
                !["401", "403", "400", "429"]
                    .iter()
                    .any(|status| entry.contains(&format!("with a status of {status}")))
            })
            .collect()
    }

    /// Fails when the browser complained.
    pub async fn is_content(&self) {
        let complaints = self.complaints().await;
        assert!(complaints.is_empty(), "at {}: {complaints:#?}", self.url().await);
    }
}

impl Drop for Chromium {
    /// Closes the browser: it outlives a driver that is killed. Here no async code runs.
    fn drop(&mut self) {
        let (host, path) = self.session.trim_start_matches("http://").split_once('/').expect("it has a path");
        let close = || -> std::io::Result<()> {
            let mut driver = TcpStream::connect(host)?;
            driver.set_read_timeout(Some(PATIENCE))?;
            write!(driver, "DELETE /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
            // It answers when the browser has ended, and keeps the connection.
            driver.read(&mut [0; 64]).map(|_| ())
        };
        if let Err(error) = close() {
            note(format_args!("cannot close Chromium: {error}"));
        }
    }
}
