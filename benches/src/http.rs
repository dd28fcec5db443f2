//! A lean HTTP/1.1 client: one connection, kept alive. A richer one would be busier than the server that it is to measure.

use std::borrow::Cow;
use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A connection with at most one request on its way.
pub(crate) struct Connection {
    stream: TcpStream,
    /// The bytes of the last answer.
    buffer: Vec<u8>,
    /// The body of the last answer that came in chunks.
    whole: Vec<u8>,
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
        Ok(Self { stream, buffer: Vec::with_capacity(16 * 1024), whole: Vec::new() })
    }

    /// Sends the bytes of a request and reads the whole answer.
    pub(crate) async fn send(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let head_end = self.read_until(0, b"\r\n\r\n").await?;
        let head = text(&self.buffer[..head_end])?;
        let status =
            head.get(9..12).and_then(|digits| digits.parse().ok()).context("an answer without a status")?;
        let length = header(head, "content-length").map(str::parse::<usize>);
        let in_chunks = header(head, "transfer-encoding").is_some_and(|value| value.contains("chunked"));
        let start = head_end + 4;
        let (end, whole) = match length {
            Some(length) => (start + length.context("an odd Content-Length")?, false),
            None if in_chunks => (self.read_chunks(start).await?, true),
            None if matches!(status, 204 | 304) => (start, false),
            None => bail!("an answer of {status} without a length"),
        };
        while self.buffer.len() < end {
            self.read().await?;
        }
        if self.buffer.len() != end {
            bail!("more came than the answer");
        }
        let body = if whole { &self.whole } else { &self.buffer[start..] };
        Ok(Answer { status, head: text(&self.buffer[..head_end])?, body })
    }

    /// Reads on until `mark` is there at or after `from`; where it begins.
    async fn read_until(&mut self, from: usize, mark: &[u8]) -> Result<usize> {
        loop {
            let rest = self.buffer.get(from..).unwrap_or_default();
            if let Some(at) = rest.windows(mark.len()).position(|bytes| bytes == mark) {
                return Ok(from + at);
            }
            self.read().await?;
        }
    }

    /// Reads a body in chunks, which begins at `at`; where it ends (RFC 9112 §7.1, without trailers).
    async fn read_chunks(&mut self, mut at: usize) -> Result<usize> {
        self.whole.clear();
        loop {
            let line_end = self.read_until(at, b"\r\n").await?;
            let line = text(&self.buffer[at..line_end])?;
            let size = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16)
                .context("an odd chunk")?;
            let start = line_end + 2;
            at = start + size + 2;
            while self.buffer.len() < at {
                self.read().await?;
            }
            if size == 0 {
                return Ok(at);
            }
            self.whole.extend_from_slice(&self.buffer[start..start + size]);
        }
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

    /// Every header of this name.
    pub(crate) fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        headers(self.head, name)
    }

    /// The body as text, for messages and for what is not looked at in a hurry.
    pub(crate) fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.body)
    }

    /// Whether the body has these bytes somewhere.
    pub(crate) fn contains(&self, what: &str) -> bool {
        std::str::from_utf8(self.body).is_ok_and(|body| body.contains(what))
    }

    /// A string member of a JSON body.
    pub(crate) fn member(&self, name: &str) -> Result<String> {
        // Tokens need no escapes, and reading all of the JSON costs more than making the request.
        let quick = || {
            let (_, rest) = std::str::from_utf8(self.body).ok()?.split_once(&format!("\"{name}\":\""))?;
            let (value, _) = rest.split_once('"')?;
            (!value.contains('\\')).then(|| value.to_owned())
        };
        let whole = || {
            let body: serde_json::Value = serde_json::from_slice(self.body).ok()?;
            Some(body.get(name)?.as_str()?.to_owned())
        };
        let member = quick().or_else(whole);
        member.with_context(|| format!("no {name}: {} {}", self.status, self.text()))
    }
}

fn text(head: &[u8]) -> Result<&str> {
    std::str::from_utf8(head).context("an answer's head is not text")
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    headers(head, name).next()
}

fn headers<'a>(head: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    head.split("\r\n").filter_map(move |line| {
        let is_it = line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        is_it.then(|| Some(line[name.len()..].strip_prefix(':')?.trim())).flatten()
    })
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn answers_come_whole_by_length_and_in_chunks() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let address = listener.local_addr().expect("bound");
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a client");
            for answer in [
                "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\ncontent-length: 2\r\n\r\nhi",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
                "HTTP/1.1 304 Not Modified\r\n\r\n",
            ] {
                let mut request = [0; 1];
                stream.read_exact(&mut request).await.expect("a request");
                for part in answer.as_bytes().chunks(7) {
                    stream.write_all(part).await.expect("a client");
                    tokio::task::yield_now().await;
                }
            }
        });
        let mut connection = Connection::open(address).await.expect("open");
        let answer = connection.send(b"x").await.expect("whole");
        assert_eq!((answer.status, answer.body), (200, &b"hi"[..]));
        assert_eq!(answer.headers("set-cookie").collect::<Vec<_>>(), ["a=1", "b=2"]);
        assert_eq!(connection.send(b"x").await.expect("whole").body, b"abcde");
        assert_eq!(connection.send(b"x").await.expect("whole").status, 304);
        server.await.expect("it does not panic");
    }
}
