//! A site of somebody else, with one page, and documents where a test puts them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// It serves on 127.0.0.1, which is another site than `localhost`. Dropping it stops it.
pub struct Site {
    port: u16,
    documents: Arc<Mutex<HashMap<String, String>>>,
    received: Arc<Mutex<Vec<Received>>>,
    serving: JoinHandle<()>,
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Received {
    /// Path and query.
    pub target: String,
    /// The body.
    pub body: String,
}

impl Site {
    /// Every address of it is this page, but for those of documents.
    pub async fn serve(html: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let received = Arc::<Mutex<Vec<Received>>>::default();
        let documents = Arc::<Mutex<HashMap<String, String>>>::default();
        let (all, at) = (received.clone(), documents.clone());
        let serving = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (html, all, at) = (html.clone(), all.clone(), at.clone());
                tokio::spawn(async move {
                    let mut answer = ("text/html", html);
                    // Whoever goes away early, or says nothing, is not noted.
                    if let Some(request) = read(&mut stream).await {
                        let documents = at.lock().unwrap_or_else(PoisonError::into_inner);
                        if let Some(json) = documents.get(&request.target) {
                            answer = ("application/json", json.clone());
                        }
                        all.lock().unwrap_or_else(PoisonError::into_inner).push(request);
                    }
                    let (content_type, body) = answer;
                    let head = format!("Content-Type: {content_type}\r\nContent-Length: {}", body.len());
                    let answer = format!("HTTP/1.1 200 OK\r\n{head}\r\nConnection: close\r\n\r\n{body}");
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        Self { port, documents, received, serving }
    }

    /// Puts a JSON document at a path, which starts with a slash, in the place of the one before.
    pub fn put(&self, path: &str, json: String) {
        self.documents.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), json);
    }

    /// The requests so far, in the order in which they came.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The queries, or forms, that came to a path.
    pub fn came_to(&self, path: &str) -> Vec<BTreeMap<String, String>> {
        let received = self.received();
        let fields = received.iter().filter_map(|request| {
            let (to, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
            let text = if request.body.is_empty() { query } else { &request.body };
            (to == path).then(|| url::form_urlencoded::parse(text.as_bytes()).into_owned().collect())
        });
        fields.collect()
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// A whole request, head and body.
async fn read(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    loop {
        let mut part = [0; 8 * 1024];
        let count = stream.read(&mut part).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&part[..count]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().ok())?
        });
        if body.len() >= length.unwrap_or(0) {
            let target = head.split(' ').nth(1)?.to_owned();
            return Some(Received { target, body: body.to_owned() });
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
