//! The server's own fetches, as the operator sees them. What may be fetched is tested beside the fetcher.

use authmachine_server::fetch::FetchError;
use authmachine_testkit::{TestServer, WebSite, both_engines, reach_loopback};

fn fetches(server: &TestServer, result: &str) -> u64 {
    server.metric(&format!("authmachine_fetches_total{{result=\"{result}\"}}"))
}

#[both_engines]
async fn sr1_only_what_the_operator_lists_is_private() {
    let (site, tls_site) = (WebSite::start().await, WebSite::start_with_tls().await);
    let url = site.serve("/jwks", "application/json", "{}");
    let tls_url = tls_site.serve("/jwks", "application/json", "{}");
    let usual = TestServer::start().await;
    assert_eq!(usual.app().fetcher.get(&url, &[]).await.err(), Some(FetchError::PlainHttp));
    assert_eq!(usual.app().fetcher.get(&tls_url, &[]).await.err(), Some(FetchError::NotAllowed));
    assert!(site.received().is_empty() && tls_site.received().is_empty());
    assert_eq!((fetches(&usual, "ok"), fetches(&usual, "not_allowed")), (0, 1));

    let open = TestServer::start_with(reach_loopback).await;
    for url in [&url, &tls_url] {
        assert!(open.app().fetcher.get(url, &["application/json"]).await.is_ok(), "{url}");
    }
    assert_eq!((fetches(&open, "ok"), fetches(&open, "not_allowed")), (2, 0));
}

#[both_engines]
async fn sr3_a_failure_is_logged_with_host_and_cause_and_without_the_query() {
    let server = TestServer::start_with(reach_loopback).await;
    let site = WebSite::start_with_tls().await;
    let query = "key=a-secret-of-the-client";
    server.note_secret("a-secret-of-the-client");
    // Nobody listens there.
    let url = site.url("/request").replace("localhost", "127.0.0.2");
    assert_eq!(
        server.app().fetcher.get(&format!("{url}?{query}"), &[]).await.err(),
        Some(FetchError::Connect)
    );
    let url = site.answer("/gone", 410, &[], "gone");
    let gone = server.app().fetcher.get(&format!("{url}?{query}"), &[]).await;
    assert_eq!(gone.err(), Some(FetchError::Status(410)));
    let log = server.log();
    for words in
        [&["\"127.0.0.2\"", "result=\"connect\"", "refused"][..], &["\"localhost\"", "its status is 410"]]
    {
        let said =
            log.iter().any(|line| line.contains("WARN") && words.iter().all(|word| line.contains(word)));
        assert!(said, "{words:?}");
    }
}
