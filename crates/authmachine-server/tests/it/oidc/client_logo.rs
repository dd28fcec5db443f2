//! Logos of clients: fetched once, drawn anew, served by us (checklist DR4, XS5).

use std::io::Cursor;

use authmachine_server::Settings;
use authmachine_testkit::{RegisteredClient, TestServer, WebSite, both_engines, reach_loopback};
use image::{DynamicImage, ImageFormat, RgbImage};
use serde_json::{Value, json};

use super::registration::{minimal, open};

fn settings(settings: &mut Settings) {
    open(settings);
    reach_loopback(settings);
}

fn picture(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(RgbImage::new(width, height))
        .write_to(&mut bytes, format)
        .expect("it is written");
    bytes.into_inner()
}

fn with_logo(uri: &str) -> Value {
    let mut metadata = minimal();
    metadata["logo_uri"] = json!(uri);
    metadata
}

fn logo_path(client: &RegisteredClient) -> String {
    format!("/oidc/clients/{}/logo", client.id())
}

/// The log-in page that the client's visitors see.
async fn login_page(server: &TestServer, client: &RegisteredClient) -> String {
    let app = client.app().await;
    let page = server.browser().follow(&app.authorize_url()).await;
    page.assert_page(200, "Sign in");
    page.answer().text().to_owned()
}

#[both_engines]
async fn xs5_dr4_a_logo_is_a_small_copy_of_ours() {
    let server = TestServer::start_with(settings).await;
    let site = WebSite::start().await;
    let original = picture(400, 200, ImageFormat::Jpeg);
    let uri = site.serve("/logo.jpg", "image/jpeg", original.clone());
    let client = server.register(with_logo(&uri)).await;
    let page = login_page(&server, &client).await;
    assert!(page.contains(&format!("src=\"{}\"", logo_path(&client))), "{page}");
    assert!(!page.contains(&uri), "no page loads from elsewhere");

    let answer = server.get(&logo_path(&client)).send().await;
    answer.assert_status(200);
    for (name, value) in [
        ("content-type", "image/png"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; sandbox"),
        ("cache-control", "public, max-age=300"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    let copy = image::load_from_memory(&answer.body).expect("a picture");
    assert_eq!((copy.width(), copy.height()), (128, 64));
    let etag = answer.header("etag").expect("a tag");
    server.get(&logo_path(&client)).header("if-none-match", etag).send().await.assert_status(304);
    assert_eq!(site.received().len(), 1, "it is fetched once");

    client.app().await.change(|record| record.disabled = true).await;
    server.get(&logo_path(&client)).send().await.assert_status(404);
}

#[both_engines]
async fn xs5_what_is_no_picture_is_not_shown_and_not_asked_for_again() {
    const SVG: &str = r#"<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>"#;
    let server = TestServer::start_with(settings).await;
    let site = WebSite::start().await;
    let large = picture(4_000, 4_000, ImageFormat::Png);
    let cases = [
        site.serve("/svg", "image/svg+xml", SVG),
        site.serve("/svg-as-png", "image/png", SVG),
        site.serve("/html", "text/html", "<html>"),
        site.serve("/large", "image/png", large),
        site.answer("/moved", 302, &[("location", "/svg")], ""),
        site.url("/nothing"),
    ];
    for (n, uri) in cases.iter().enumerate() {
        let client = server.register(with_logo(uri)).await;
        for _ in 0..2 {
            assert!(!login_page(&server, &client).await.contains("/oidc/clients/"), "{uri}");
        }
        server.get(&logo_path(&client)).send().await.assert_status(404);
        assert_eq!(site.received().len(), n + 1, "{uri} is asked for once");
    }
}

#[both_engines]
async fn sr1_a_logo_in_a_private_network_is_not_fetched() {
    let server = TestServer::start_with(open).await;
    let site = WebSite::start().await;
    let uri = site.serve("/logo.png", "image/png", picture(16, 16, ImageFormat::Png));
    let client = server.register(with_logo(&uri)).await;
    assert!(!login_page(&server, &client).await.contains("/oidc/clients/"));
    assert!(site.received().is_empty());
}

#[both_engines]
async fn a_logo_that_hangs_holds_no_registration() {
    let server = TestServer::start_with(settings).await;
    let site = WebSite::start().await;
    let started = std::time::Instant::now();
    server.register(with_logo(&site.hang("/logo.png"))).await;
    assert!(started.elapsed().as_secs() < 4, "before the fetch gives up");
}

#[both_engines]
async fn dr3_another_logo_takes_its_place_and_none_takes_it_away() {
    let server = TestServer::start_with(settings).await;
    let site = WebSite::start().await;
    let first = site.serve("/1", "image/png", picture(10, 10, ImageFormat::Png));
    let second = site.serve("/2", "image/webp", picture(20, 10, ImageFormat::WebP));
    let client = server.register(with_logo(&first)).await;
    let width = async || {
        let answer = server.get(&logo_path(&client)).send().await;
        image::load_from_memory(&answer.assert_status(200).body).expect("a picture").width()
    };
    assert_eq!(width().await, 10);
    client.update(with_logo(&second)).await.assert_status(200);
    assert_eq!(width().await, 20);
    client.update(minimal()).await.assert_status(200);
    server.get(&logo_path(&client)).send().await.assert_status(404);
    assert!(!login_page(&server, &client).await.contains("/oidc/clients/"));
    client.update(with_logo(&second)).await.assert_status(200);
    client.delete().await.assert_status(204);
    server.get(&logo_path(&client)).send().await.assert_status(404);
    assert!(server.rows()["client_logos"].is_empty());
}

#[both_engines]
async fn the_logo_of_an_operators_client_is_fetched_when_it_is_wanted() {
    let server = TestServer::start_with(settings).await;
    let site = WebSite::start().await;
    let uri = site.serve("/logo.gif", "image/gif", picture(16, 16, ImageFormat::Gif));
    let app = server.client("shop.example").create().await;
    let app = app.change(|record| record.metadata.logo_uri = Some(uri)).await;
    server.browser().follow(&app.authorize_url()).await.assert_page(200, "Sign in");
    while server.get("/oidc/clients/shop.example/logo").send().await.status.as_u16() == 404 {
        tokio::task::yield_now().await;
    }
    let page = server.browser().follow(&app.authorize_url()).await;
    assert!(page.answer().text().contains("src=\"/oidc/clients/shop.example/logo\""));
    assert_eq!(site.received().len(), 1);
}
