//! The README's program: it is the example, it is short, and it signs somebody in.

use std::{
    net::{SocketAddr, TcpListener},
    process::{Child, Command},
    time::{Duration, Instant},
};

use authmachine_client::Algorithm;

use crate::op::{CLIENT_ID, CLIENT_SECRET, Op, new_key};

const EXAMPLE: &str = include_str!("../../examples/twelve_lines.rs");
const README: &str = include_str!("../../README.md");

#[test]
fn the_readme_shows_the_example() {
    let shown = README
        .split("```rust,no_run\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .expect("a block of Rust");
    assert_eq!(shown, EXAMPLE, "README.md and examples/twelve_lines.rs differ");
    let lines = EXAMPLE.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    assert!(lines.count() <= 12, "from zero to login in twelve lines");
}

/// The program in a process of its own, ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("localhost:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// The program, which `cargo test` has built beside this one.
fn program() -> Command {
    let this = std::env::current_exe().expect("this test");
    let folder = this.ancestors().nth(2).expect("tests are built in target/…/deps");
    let program = folder.join("examples").join(format!("twelve_lines{}", std::env::consts::EXE_SUFFIX));
    assert!(program.exists(), "first build it: cargo build -p authmachine-client --example twelve_lines");
    Command::new(program)
}

#[tokio::test]
async fn the_program_signs_somebody_in() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let issuer = format!("http://{}", listener.local_addr().expect("an address"));
    // RS256, as the program says nothing about it.
    let op = Op::at(&issuer, new_key(Algorithm::RS256, "k1"));
    #[expect(clippy::disallowed_methods, reason = "the program in the other process has the real clock")]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    op.script().now = i64::try_from(now.as_secs()).expect("before the end of time");
    let provider = tokio::spawn(op.clone().serve(listener));

    let (port, folder) = (free_port(), tempfile::tempdir().expect("a folder"));
    let dot_env =
        format!("AUTHMACHINE_CLIENT_ID={CLIENT_ID}\nAUTHMACHINE_CLIENT_SECRET=\"{CLIENT_SECRET}\"\n");
    std::fs::write(folder.path().join(".env"), dot_env).expect("written");
    let mut command = program();
    for (name, _) in
        std::env::vars().filter(|(name, _)| name.starts_with("AUTHMACHINE_") || name == "PUBLIC_URL")
    {
        command.env_remove(name);
    }
    let mut child = Running(
        command
            .current_dir(folder.path())
            .env("AUTHMACHINE_URL", format!("{issuer}/"))
            .env("PORT", port.to_string())
            .spawn()
            .expect("started"),
    );
    let app = listening(&mut child.0, port).await;

    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
    let browser = browser.resolve("localhost", app).tls_certs_only([]).build().expect("a browser");
    let home = format!("http://localhost:{port}/");
    let mut cookies = String::new();
    let mut go = async |url: String| {
        let answer = browser.get(url).header("cookie", cookies.as_str()).send().await.expect("an answer");
        let set = answer.headers().get_all("set-cookie").iter().map(|v| v.to_str().expect("ASCII"));
        let pairs: Vec<_> = set
            .filter(|line| !line.contains("Max-Age=0"))
            .filter_map(|line| line.split(';').next())
            .collect();
        if !pairs.is_empty() {
            cookies = pairs.join("; ");
        }
        let location =
            answer.headers().get("location").map_or("", |value| value.to_str().expect("ASCII")).to_owned();
        (answer.status().as_u16(), location, answer.text().await.expect("a text"))
    };
    let (status, to_login, _) = go(home.clone()).await;
    assert_eq!((status, to_login.as_str()), (303, "/login"));
    let (status, to_provider, body) = go(format!("http://localhost:{port}/login")).await;
    assert_eq!(status, 303, "{body}");
    let back = format!("http://localhost:{port}/oidc-callback?{}", op.authorize(&to_provider));
    let (status, to_home, body) = go(back).await;
    assert_eq!((status, to_home.as_str()), (303, "/"), "{body}");
    assert_eq!(go(home).await, (200, String::new(), "Logged in as alice".to_owned()));
    provider.abort();
}

/// Waits until the program listens; gives its address.
async fn listening(child: &mut Child, port: u16) -> SocketAddr {
    let begin = Instant::now();
    loop {
        if let Ok(stream) = tokio::net::TcpStream::connect(("localhost", port)).await {
            return stream.peer_addr().expect("connected");
        }
        assert!(child.try_wait().expect("a child").is_none(), "the program ended");
        assert!(begin.elapsed() < Duration::from_secs(30), "the program does not listen");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
