//! A sampling profile of the code flow, drawn as a flame graph.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::docs::Docs;
use crate::load::{self, Times};
use crate::operations::{self, Connections, Operation};
use crate::report::thousands;
use crate::setting::{Setting, seconds};
use crate::svg::{Flame, flame_graph};
use crate::table;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How long codes are issued; redeeming them takes as long again or longer
    #[arg(long, default_value = "5", value_parser = seconds)]
    seconds: Duration,
    /// Rows in each table of tokens
    #[arg(long, default_value_t = 100_000)]
    rows: usize,
    /// Puts the plot into the documentation
    #[arg(long)]
    docs: bool,
}

const CONNECTIONS: Connections = Connections { usual: 32, durable: 96 };
/// Samples in a second; odd, so that nothing else beats at the same time.
const FREQUENCY: &str = "1999";
/// Codes are redeemed within this.
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn run(setting: &Setting, options: &Options) -> Result<()> {
    setting.pinning.pin_self()?;
    let runtime = setting.runtime()?;
    let contestant = table::ours(setting, &runtime, &setting.binary, "ours", options.rows, None)?;
    let side = &contestant.side;
    let pid = side.pid.context("our own server has a process")?;
    let data = setting.folder.join("profile.data");

    let times = |time| Times { warm_up: Duration::ZERO, time };
    let client = operations::place(&side.target, "ES256")?;
    let count = CONNECTIONS.durable;
    // The server has been asked before.
    let lanes = operations::authorize(&side.target, &side.supplies, client, count);
    runtime.block_on(load::closed(side.target.address, lanes, times(Duration::from_millis(500)), &|| {
        Ok(Duration::ZERO)
    }))?;

    let mut perf = Command::new("perf")
        .args(["record", "--event", "cpu-clock", "--freq", FREQUENCY, "--call-graph", "fp", "--pid"])
        .arg(pid.to_string())
        .arg("--output")
        .arg(&data)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot run perf")?;
    std::thread::sleep(Duration::from_millis(500));
    let flow = async {
        let lanes = operations::authorize(&side.target, &side.supplies, client, count);
        load::closed(side.target.address, lanes, times(options.seconds), &|| Ok(Duration::ZERO)).await?;
        // Until no code is left: so there are as many of the one as of the other.
        let lanes = Operation::CodeEs256.lanes(&side.target, &side.supplies, CONNECTIONS)?;
        load::until_done(side.target.address, lanes, LIMIT).await
    };
    let flows = runtime.block_on(flow)?;
    let interrupted = Command::new("kill").args(["-INT", &perf.id().to_string()]).status()?;
    ensure!(interrupted.success(), "cannot stop perf");
    perf.wait()?;
    runtime.block_on(side.check())?;
    contestant.stop()?;

    let root = read(&data)?;
    ensure!(root.samples > 0, "perf took no samples");
    let title = format!(
        "The code flow: {} codes issued and redeemed (ES256), {} samples of the processor",
        thousands(flows as f64),
        root.samples
    );
    let docs = Docs::new(&setting.folder, options.docs.then_some(&setting.root))?;
    docs.image("profile-code-flow", &flame_graph(&title, &root))?;
    println!("\nself time, per cent of {} samples", root.samples);
    for (name, samples) in heaviest(&root).into_iter().take(30) {
        println!("{:>6.1}  {name}", samples as f64 * 100.0 / root.samples as f64);
    }
    Ok(())
}

/// The samples of a recording.
fn read(data: &Path) -> Result<Flame> {
    let data: PathBuf = data.to_owned();
    let output = Command::new("perf")
        .args(["script", "--no-inline", "--fields", "comm,ip,sym", "--input"])
        .arg(&data)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .context("cannot run perf script")?;
    ensure!(output.status.success(), "perf script ended with {}", output.status);
    Ok(parse(&String::from_utf8_lossy(&output.stdout)))
}

/// Reads what `perf script` prints: a line with the thread's name, the frames from the innermost on, an empty line.
fn parse(script: &str) -> Flame {
    let mut root = Flame::default();
    for sample in script.split("\n\n") {
        let mut lines = sample.lines().skip_while(|line| line.trim().is_empty());
        let Some(thread) = lines.next() else { continue };
        let mut stack: Vec<String> =
            lines.filter_map(|line| Some(plain(line.trim().split_once(' ')?.1))).collect();
        stack.push(thread.trim().to_owned());
        root.add(stack.iter().rev().map(String::as_str), 1);
    }
    root
}

/// A function's name without its hash and the place in it.
fn plain(symbol: &str) -> String {
    let symbol = symbol.split("+0x").next().unwrap_or_default().trim();
    match symbol.rsplit_once("::h") {
        Some((name, hash)) if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            name.to_owned()
        }
        _ => symbol.to_owned(),
    }
}

/// Functions by the samples in themselves.
fn heaviest(root: &Flame) -> Vec<(String, u64)> {
    fn walk<'a>(flame: &'a Flame, found: &mut std::collections::BTreeMap<&'a str, u64>) {
        for (name, call) in &flame.calls {
            let below: u64 = call.calls.values().map(|call| call.samples).sum();
            *found.entry(name).or_default() += call.samples - below;
            walk(call, found);
        }
    }
    let mut found = std::collections::BTreeMap::new();
    walk(root, &mut found);
    let mut list: Vec<(String, u64)> =
        found.into_iter().map(|(name, samples)| (name.to_owned(), samples)).collect();
    list.sort_by_key(|(_, samples)| std::cmp::Reverse(*samples));
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_read_outermost_first() {
        let script = "tokio-rt \n\t 55d0 core::ptr::drop::h0123456789abcdef+0x1f\n\t 55d1 main\n\n\
                      tokio-rt \n\t 55d1 main\n\nstore-writer \n\t ffff [unknown]\n\n";
        let root = parse(script);
        assert_eq!(root.samples, 3);
        let main = &root.calls["tokio-rt"].calls["main"];
        assert_eq!((main.samples, main.calls["core::ptr::drop"].samples), (2, 1));
        assert_eq!(heaviest(&root)[0].1, 1);
    }
}
