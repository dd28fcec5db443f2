//! Starting other programs.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The checkout and the folder that cargo builds into.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
}

impl Workspace {
    /// The workspace that the current folder is in.
    pub(crate) fn find() -> Result<Self> {
        let manifest = output(&mut cargo(["locate-project", "--workspace", "--message-format", "plain"]))?;
        let root = Path::new(manifest.trim()).parent().context("cargo named no manifest")?.to_owned();
        let target =
            env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir));
        Ok(Self { root, target })
    }

    /// Where cargo puts the `authmachine` binary.
    pub(crate) fn binary(&self, profile: &str) -> PathBuf {
        self.target.join(profile).join("authmachine")
    }

    /// Runs `command` in the checkout, its output on ours.
    pub(crate) fn run(&self, command: &mut Command) -> Result<()> {
        let status = command
            .current_dir(&self.root)
            .status()
            .with_context(|| format!("cannot start {}", name(command)))?;
        if !status.success() {
            bail!("{} ended with {status}", name(command));
        }
        Ok(())
    }

    /// Runs `command` in the checkout for at most `limit`, its output in `target/xtask/{log}.log`; an error ends with the
    /// last lines of it.
    pub(crate) fn run_logged(&self, command: &mut Command, log: &str, limit: Duration) -> Result<()> {
        let path = self.log(log)?;
        let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        command.current_dir(&self.root).stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let mut child = command.spawn().with_context(|| format!("cannot start {}", name(command)))?;
        let started = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if started.elapsed() > limit {
                child.kill()?;
                child.wait()?;
                bail!("{} was stopped after {} s\n{}", name(command), limit.as_secs(), tail(&path));
            }
            thread::sleep(Duration::from_millis(50));
        };
        if !status.success() {
            bail!("{} ended with {status}\n{}", name(command), tail(&path));
        }
        Ok(())
    }

    /// The path of a log file, its folder made.
    pub(crate) fn log(&self, name: &str) -> Result<PathBuf> {
        let folder = self.target.join("xtask");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(folder.join(format!("{name}.log")))
    }
}

/// The cargo that started us, with `args`.
pub(crate) fn cargo<const N: usize>(args: [&str; N]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args);
    command
}

/// What `command` prints, if it succeeds.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {}", name(command)))?;
    if !output.status.success() {
        bail!(
            "{} ended with {}\n{}",
            name(command),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    String::from_utf8(output.stdout)
        .with_context(|| format!("{} printed something that is not UTF-8", name(command)))
}

/// The full path of the first of `programs` that `PATH` has.
pub(crate) fn find_program(programs: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    programs.iter().find_map(|program| {
        env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
    })
}

/// The last lines of a log file, enough to see what went wrong.
pub(crate) fn tail(path: &Path) -> String {
    let text = fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// The program and its first arguments, for messages.
fn name(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args().take(3)).map(OsStr::to_string_lossy);
    words.collect::<Vec<_>>().join(" ")
}
