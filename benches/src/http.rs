//! A lean HTTP/1.1 client: one connection, kept alive, answers with `Content-Length`. A richer one would be busier than the
//! server that it is to measure.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A connection with at most one request on its way.
pub(crate) struct Connection {
    stream: TcpStream,
    /// The bytes of the last answer.
    buffer: Vec<u8>,
}

/// An answer, as it lies in the connection's buffer.
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    head: &'a str,
    pub(crate) body: &'a [u8],
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.context("cannot connect to the server")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(16 * 1024) })
    }

    /// Sends a request made by [`request`] and reads the whole answer.
    pub(crate) async fn send(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let head_end = loop {
            self.read().await?;
            if let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at;
            }
        };
        let head = text(&self.buffer[..head_end])?;
        let status =
            head.get(9..12).and_then(|digits| digits.parse().ok()).context("an answer without a status")?;
        let body_bytes = match header(head, "content-length") {
            Some(length) => length.parse().context("an odd Content-Length")?,
            None if matches!(status, 204 | 304) => 0,
            None => bail!("an answer of {status} without Content-Length"),
        };
        let end = head_end + 4 + body_bytes;
        while self.buffer.len() < end {
            self.read().await?;
        }
        if self.buffer.len() != end {
            bail!("more came than the answer");
        }
        Ok(Answer { status, head: text(&self.buffer[..head_end])?, body: &self.buffer[head_end + 4..] })
    }

    async fn read(&mut self) -> Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => bail!("the server closed the connection"),
            _ => Ok(()),
        }
    }
}

impl Answer<'_> {
    /// The first header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(self.head, name)
    }

    /// The body as text, for messages and for what is not looked at in a hurry.
    pub(crate) fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(self.body)
    }

    /// Whether the body has these bytes somewhere.
    pub(crate) fn contains(&self, what: &str) -> bool {
        std::str::from_utf8(self.body).is_ok_and(|body| body.contains(what))
    }

    /// A string member of a JSON body.
    pub(crate) fn member(&self, name: &str) -> Option<String> {
        let body: serde_json::Value = serde_json::from_slice(self.body).ok()?;
        Some(body.get(name)?.as_str()?.to_owned())
    }
}

fn text(head: &[u8]) -> Result<&str> {
    std::str::from_utf8(head).context("an answer's head is not text")
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let is_it = |line: &&str| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    head.lines().filter(is_it).find_map(|line| Some(line[name.len()..].strip_prefix(':')?.trim()))
}

/// The bytes of a request; with a `form`, of a post.
pub(crate) fn request(path: &str, headers: &[(&str, &str)], form: Option<&str>) -> Vec<u8> {
    let method = if form.is_some() { "POST" } else { "GET" };
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some(form) = form {
        let bytes = form.len();
        text.push_str(&format!(
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {bytes}\r\n"
        ));
    }
    text.push_str("\r\n");
    text.push_str(form.unwrap_or_default());
    text.into_bytes()
}
