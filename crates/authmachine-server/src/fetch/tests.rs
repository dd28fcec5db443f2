use std::io;
use std::sync::atomic::AtomicUsize;

use authmachine_testkit::WebSite;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

const ROOT: &[u8] = include_bytes!("../../tests/data/tls/root.pem");
const JSON: &[&str] = &["application/json"];

/// May ask loopback, and trusts the tests' root.
fn settings() -> FetchSettings {
    FetchSettings {
        private_networks: ["127.0.0.0/8", "::1"].map(|text| text.parse().expect("a network")).into(),
        ca_certificates: FetchSettings::certificates(ROOT).expect("certificates"),
    }
}

fn fetcher() -> Fetcher {
    Fetcher::new(&settings()).expect("a fetcher")
}

/// For the public internet alone, where every name leads to `lookup`'s addresses.
fn public(lookup: Lookup) -> Fetcher {
    Fetcher::with(&FetchSettings::default(), DEADLINE, lookup).expect("a fetcher")
}

fn count(fetcher: &Fetcher, result: &str) -> u64 {
    fetcher.counters().counts().find(|(word, _)| *word == result).expect("a known result").1
}

/// Answers each connection with `head`, then `more` until it is closed. Its URL.
async fn raw(head: &'static str, more: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            tokio::spawn(async move {
                // A small request comes whole.
                let _ = stream.read(&mut [0; 4_096]).await;
                let _ = stream.write_all(head.as_bytes()).await;
                while !more.is_empty() && stream.write_all(more).await.is_ok() {}
                // Until the other side goes.
                let _ = stream.read(&mut [0; 1]).await;
            });
        }
    });
    url
}

#[tokio::test]
async fn sr1_what_is_no_plain_https_url_is_not_asked() {
    use FetchError as E;
    // Whoever gets as far as a lookup is caught by it.
    let fetcher = public(|_| Err(io::ErrorKind::NotFound.into()));
    for (url, why) in [
        ("", E::Url),
        ("example.com", E::Url),
        ("//example.com/", E::Url),
        ("https:example.com", E::Url),
        ("https:/example.com", E::Url),
        ("https:///example.com", E::Url),
        ("https:\\\\example.com", E::Url),
        ("https://example.com\\@127.0.0.1/", E::Url),
        ("https://", E::Url),
        ("https://:443/", E::Url),
        ("https://?x", E::Url),
        (" https://example.com/", E::Url),
        ("https://exam\nple.com/", E::Url),
        ("https://user@example.com/", E::Url),
        ("https://user:password@example.com/", E::Url),
        ("https://@example.com/", E::Url),
        ("ftp://example.com/", E::Url),
        ("file:///etc/passwd", E::Url),
        ("file://localhost/etc/passwd", E::Url),
        ("gopher://127.0.0.1:6379/_x", E::Url),
        ("data:application/json,{}", E::Url),
        ("javascript:alert(1)", E::Url),
        ("unix:///run/x.sock", E::Url),
        ("https://1.2.3.4.5/", E::Url),
        ("https://[::1/", E::Url),
        ("https://[fe80::1%25eth0]/", E::Url),
        ("https://example.com:65536/", E::Url),
        ("http://example.com/", E::PlainHttp),
        ("HTTP://example.com/", E::PlainHttp),
        ("http://8.8.8.8/", E::PlainHttp),
        ("http://127.0.0.1/", E::PlainHttp),
        ("https://127.0.0.1/", E::NotAllowed),
        ("https://127.0.0.1./", E::NotAllowed),
        ("https://127.1/", E::NotAllowed),
        ("https://127.0.1/", E::NotAllowed),
        ("https://2130706433/", E::NotAllowed),
        ("https://0x7f000001/", E::NotAllowed),
        ("https://0x7f.0.0.1/", E::NotAllowed),
        ("https://0177.0.0.1/", E::NotAllowed),
        ("https://017700000001/", E::NotAllowed),
        ("https://%31%32%37.0.0.1/", E::NotAllowed),
        ("https://１２７.0.0.1/", E::NotAllowed),
        ("https://127。0。0。1/", E::NotAllowed),
        ("https://0/", E::NotAllowed),
        ("https://0.0.0.0/", E::NotAllowed),
        ("https://10.0.0.1:8443/", E::NotAllowed),
        ("https://169.254.169.254/latest/meta-data/", E::NotAllowed),
        ("https://[::]/", E::NotAllowed),
        ("https://[::1]/", E::NotAllowed),
        ("https://[0:0:0:0:0:0:0:1]/", E::NotAllowed),
        ("https://[::127.0.0.1]/", E::NotAllowed),
        ("https://[::ffff:127.0.0.1]/", E::NotAllowed),
        ("https://[::ffff:7f00:1]/", E::NotAllowed),
        ("https://[64:ff9b::7f00:1]/", E::NotAllowed),
        ("https://[fe80::1]/", E::NotAllowed),
        ("https://[fd00::1]/", E::NotAllowed),
        ("https://example.com/", E::Dns),
        ("HTTPS://EXAMPLE.COM:8443/#x", E::Dns),
    ] {
        assert_eq!(fetcher.get(url, &[]).await.err(), Some(why), "{url}");
        assert_eq!(fetcher.post_form(url, &[]).await.err(), Some(why), "{url}");
    }
    assert!(count(&fetcher, "url") > 0 && count(&fetcher, "ok") == 0);
}

#[tokio::test]
async fn sr1_one_private_address_spoils_a_name() {
    let public_and_private =
        public(|_| Ok(["93.184.215.14:0", "127.0.0.1:0"].map(|text| text.parse().expect("one")).into()));
    let fetched = public_and_private.get("https://mixed.example/", &[]).await;
    assert_eq!(fetched.err(), Some(FetchError::NotAllowed));
    let mapped = public(|_| Ok(vec!["[::ffff:10.0.0.1]:0".parse().expect("one")]));
    assert_eq!(mapped.get("https://mapped.example/", &[]).await.err(), Some(FetchError::NotAllowed));
    let none = public(|_| Ok(Vec::new()));
    assert_eq!(none.get("https://none.example/", &[]).await.err(), Some(FetchError::Dns));

    let system = Fetcher::new(&FetchSettings::default()).expect("a fetcher");
    for url in ["https://localhost:1/", "https://LOCALHOST:1/"] {
        assert_eq!(system.get(url, &[]).await.err(), Some(FetchError::NotAllowed), "{url}");
    }
    // Not every system knows this one.
    let absolute = system.get("https://localhost.:1/", &[]).await.err();
    assert!(matches!(absolute, Some(FetchError::NotAllowed | FetchError::Dns)), "{absolute:?}");
}

#[tokio::test]
async fn sr1_plain_http_needs_every_address_on_the_list() {
    let site = WebSite::start().await;
    let by_name = site.serve("/keys", "application/json", "{}");
    let by_address = by_name.replace("localhost", "127.0.0.1");
    for url in [&by_name, &by_address] {
        assert_eq!(fetcher().get(url, JSON).await.expect("listed").body, "{}");
    }
    let listed_and_public: Lookup =
        |_| Ok(["127.0.0.1:0", "93.184.215.14:0"].map(|text| text.parse().expect("one")).into());
    let mixed = Fetcher::with(&settings(), DEADLINE, listed_and_public).expect("a fetcher");
    assert_eq!(mixed.get("http://mixed.example/", JSON).await.err(), Some(FetchError::PlainHttp));
    let other = FetchSettings { private_networks: vec!["10.0.0.0/8".parse().expect("one")], ..settings() };
    let other = Fetcher::new(&other).expect("a fetcher");
    for url in [&by_name, &by_address] {
        assert_eq!(other.get(url, JSON).await.err(), Some(FetchError::PlainHttp), "{url}");
    }
}

#[tokio::test]
async fn sr1_the_checked_address_is_the_one_that_is_asked() {
    static LOOKUPS: AtomicUsize = AtomicUsize::new(0);
    // A name whose second answer is another one.
    let rebinding: Lookup = |_| {
        let address = if LOOKUPS.fetch_add(1, Relaxed) == 0 { "127.0.0.1:0" } else { "10.0.0.1:0" };
        Ok(vec![address.parse().expect("one")])
    };
    let fetcher = Fetcher::with(&settings(), DEADLINE, rebinding).expect("a fetcher");
    let site = WebSite::start().await;
    let url = site.serve("/keys", "application/json", "{}").replace("localhost", "rebinding.example");
    assert!(fetcher.get(&url, JSON).await.is_ok());
    assert_eq!(LOOKUPS.load(Relaxed), 1, "one lookup");
    // No connection is left from before, so the next fetch looks again.
    assert_eq!(fetcher.get(&url, JSON).await.err(), Some(FetchError::PlainHttp));
    assert_eq!((LOOKUPS.load(Relaxed), site.received().len()), (2, 1));
}

#[tokio::test]
async fn sr1_https_needs_a_certificate_of_a_trusted_root_for_the_name() {
    let site = WebSite::start_with_tls().await;
    let url = site.serve("/sector", "application/json", "[]");
    assert_eq!(fetcher().get(&url, JSON).await.expect("trusted").body, "[]");
    let without_root = Fetcher::new(&FetchSettings { ca_certificates: Vec::new(), ..settings() });
    let without_root = without_root.expect("a fetcher");
    assert_eq!(without_root.get(&url, JSON).await.err(), Some(FetchError::Tls));
    let here: Lookup = |_| Ok(vec!["127.0.0.1:0".parse().expect("one")]);
    let other_name = Fetcher::with(&settings(), DEADLINE, here).expect("a fetcher");
    let url = url.replace("localhost", "other.example");
    assert_eq!(other_name.get(&url, JSON).await.err(), Some(FetchError::Tls));
    let plain = WebSite::start().await;
    let url = plain.url("/").replace("http:", "https:");
    assert_eq!(fetcher().get(&url, JSON).await.err(), Some(FetchError::Tls));
    assert_eq!(site.received().len(), 1);
}

#[tokio::test]
async fn sr2_redirects_are_not_followed() {
    let site = WebSite::start().await;
    let target = site.serve("/target", "application/json", "{}");
    for status in [300, 301, 302, 303, 304, 307, 308] {
        let url = site.answer(
            "/from",
            status,
            &[("location", target.as_str()), ("content-type", "application/json")],
            "{}",
        );
        assert_eq!(fetcher().get(&url, JSON).await.err(), Some(FetchError::Redirect), "{status}");
        assert_eq!(fetcher().post_form(&url, &[]).await.err(), Some(FetchError::Redirect), "{status}");
    }
    assert!(site.received().iter().all(|request| request.target == "/from"));
}

#[tokio::test]
async fn sr3_only_a_whole_answer_of_the_right_kind_and_size_is_one() {
    use FetchError as E;
    let site = WebSite::start().await;
    let fetcher = fetcher();
    for (status, content_type, bytes, expected) in [
        (200, "application/json", 2, None),
        (200, "Application/JSON; charset=utf-8", 2, None),
        (200, "application/json", MAX_BODY_BYTES, None),
        (200, "application/json", MAX_BODY_BYTES + 1, Some(E::TooLarge)),
        (200, "application/jsonp", 2, Some(E::ContentType)),
        (200, "text/html", 2, Some(E::ContentType)),
        (200, "", 2, Some(E::ContentType)),
        (201, "application/json", 2, Some(E::Status(201))),
        (204, "application/json", 0, Some(E::Status(204))),
        (404, "application/json", 2, Some(E::Status(404))),
        (500, "application/json", 2, Some(E::Status(500))),
    ] {
        let url = site.answer("/x", status, &[("content-type", content_type)], vec![b' '; bytes]);
        let fetched = fetcher.get(&url, JSON).await;
        assert_eq!(fetched.as_ref().err().copied(), expected, "{status} {content_type} {bytes}");
        if let Ok(fetched) = fetched {
            assert_eq!((fetched.content_type.as_str(), fetched.body.len()), ("application/json", bytes));
        }
    }
    let json = site.serve("/json", "application/json", "{}");
    assert!(fetcher.get(&json, &["text/plain", "Application/JSON"]).await.is_ok());
    let any = site.answer("/any", 200, &[], "x");
    assert_eq!(fetcher.get(&any, &[]).await.expect("any type").content_type, "");

    let endless = raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", &[b' '; 1_024]).await;
    assert_eq!(fetcher.get(&endless, JSON).await.err(), Some(E::TooLarge));
    let endless_head = raw("HTTP/1.1 200 OK\r\n", b"X-Field: value\r\n").await;
    assert_eq!(fetcher.get(&endless_head, JSON).await.err(), Some(E::Broken));
    let cut =
        raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n{}", b"").await;
    let no_http = raw("220 mail.example ESMTP\r\n", b"").await;
    assert_eq!(fetcher.get(&no_http, JSON).await.err(), Some(E::Broken));
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("bound");
    assert_eq!(fetcher.get(&format!("http://{closed}/"), JSON).await.err(), Some(E::Connect));

    let impatient = |lookup| Fetcher::with(&settings(), Duration::from_millis(200), lookup);
    let system: Lookup = |name| Ok((name, 0).to_socket_addrs()?.collect());
    let hasty = impatient(system).expect("a fetcher");
    for url in [&cut, &site.hang("/never")] {
        assert_eq!(hasty.get(url, JSON).await.err(), Some(E::Timeout), "{url}");
        assert_eq!(count(&hasty, "ok"), 0);
    }
    assert_eq!(hasty.post_form(&site.hang("/never"), &[]).await.err(), Some(E::Timeout));
}

#[tokio::test]
async fn sr3_a_slow_host_leaves_room_for_the_others() {
    let site = WebSite::start().await;
    let (slow, other) = (site.hang("/never"), site.serve("/x", "application/json", "{}"));
    let other = other.replace("localhost", "127.0.0.1");
    let fetcher = fetcher();
    let waiting: Vec<_> = (0..MAX_FETCHES * 2)
        .map(|_| {
            let (fetcher, slow) = (fetcher.clone(), slow.clone());
            tokio::spawn(async move { fetcher.get(&slow, JSON).await.err() })
        })
        .collect();
    site.wait_for(MAX_FETCHES_OF_HOST).await;
    assert!(fetcher.get(&other, JSON).await.is_ok());
    assert_eq!(site.received().len(), MAX_FETCHES_OF_HOST + 1, "no more than these at once");
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
    for one in waiting {
        assert!(one.await.is_err(), "aborted");
    }
    assert!(fetcher.get(&other, JSON).await.is_ok());
    assert!(fetcher.0.gets.hosts.lock().expect("not poisoned").len() <= 1, "hosts are forgotten");
}

#[tokio::test]
async fn lo4_who_is_told_does_not_wait_for_what_strangers_have_us_read() {
    static GATE: Semaphore = Semaphore::const_new(0);
    static WAITING: AtomicUsize = AtomicUsize::new(0);
    let lookup: Lookup = |name| {
        if name.starts_with("slow") {
            WAITING.fetch_add(1, Relaxed);
            let _ = tokio::runtime::Handle::current().block_on(GATE.acquire());
        }
        Ok(vec![([127, 0, 0, 1], 0).into()])
    };
    let site = WebSite::start().await;
    let out = site.answer("/out", 200, &[], "").replace("localhost", "shop.example");
    let fetcher = Fetcher::with(&settings(), DEADLINE, lookup).expect("a fetcher");
    let reads: Vec<_> = (0..MAX_FETCHES)
        .map(|n| {
            let fetcher = fetcher.clone();
            tokio::spawn(async move { fetcher.get(&format!("http://slow{n}.example/"), JSON).await.err() })
        })
        .collect();
    while WAITING.load(Relaxed) < MAX_FETCHES {
        tokio::task::yield_now().await;
    }
    let told = fetcher.post_form(&out, &[]).await;
    GATE.close();
    reads.iter().for_each(tokio::task::JoinHandle::abort);
    assert_eq!(told, Ok(200));
}

#[tokio::test]
async fn sr4_what_is_sent_is_the_url_as_it_is_and_nothing_of_ours() {
    let site = WebSite::start().await;
    let url = site.serve("/{sub}/%7Bstate%7D", "application/json", "{}");
    let _ = fetcher().get(&format!("{url}?a=$x&b={{y}}#fragment"), JSON).await;
    site.answer("/logout", 400, &[], "no");
    let form = [("logout_token", "a.b.c&d"), ("x", "ä")];
    assert_eq!(fetcher().post_form(&site.url("/logout?x=1"), &form).await, Ok(400));

    let received = site.received();
    let [get, post] = received.as_slice() else { panic!("two requests: {received:?}") };
    assert_eq!(get.target, "/%7Bsub%7D/%7Bstate%7D?a=$x&b={y}");
    let names = |headers: &http::HeaderMap| {
        headers.keys().map(|name| name.as_str().to_owned()).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(names(&get.headers), ["accept", "host", "user-agent"].map(str::to_owned).into());
    assert_eq!(
        (&get.headers["accept"], &get.headers["user-agent"]),
        (&"application/json".parse().expect("one"), &"AuthMachine".parse().expect("one"))
    );
    assert_eq!(post.target, "/logout?x=1");
    assert_eq!(
        names(&post.headers),
        ["accept", "content-length", "content-type", "host", "user-agent"].map(str::to_owned).into()
    );
    assert_eq!(post.headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(post.form(), form.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn certificates_are_checked_when_they_are_read() {
    assert_eq!(FetchSettings::certificates(ROOT).map(|all| all.len()), Ok(1));
    assert_eq!(FetchSettings::certificates(&[ROOT, ROOT].concat()).map(|all| all.len()), Ok(2));
    for text in [&b""[..], b"no PEM", include_bytes!("../../tests/data/tls/first.key")] {
        assert_eq!(FetchSettings::certificates(text).err(), Some(FetchSetupError::NoCertificate));
    }
    let damaged = String::from_utf8_lossy(ROOT).replacen("MII", "MIA", 1);
    let damaged = FetchSettings::certificates(damaged.as_bytes());
    assert_eq!(damaged.err(), Some(FetchSetupError::UnusableCertificate));
}

#[test]
fn every_result_is_counted() {
    use FetchError as E;
    let counters = Fetches::default();
    for error in [
        E::Url,
        E::PlainHttp,
        E::NotAllowed,
        E::Dns,
        E::Connect,
        E::Tls,
        E::Timeout,
        E::Redirect,
        E::Status(500),
        E::ContentType,
        E::TooLarge,
        E::Broken,
    ] {
        counters.count(error.word());
    }
    counters.count("ok");
    assert!(counters.counts().all(|(_, count)| count == 1));
}
