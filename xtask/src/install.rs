//! What the suites need from elsewhere: Debian's packages when we may install them, PyPI's and npm's into `target/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::run::{Workspace, find_program, output};
use crate::test::Suite;

const APT_LIMIT: Duration = Duration::from_secs(900);
const LIMIT: Duration = Duration::from_secs(300);

/// Installs Debian's `packages` if we are root on Debian, else says what to do.
pub(crate) fn debian(workspace: &Workspace, suite: Suite, packages: &[&str]) -> Result<()> {
    let apt = find_program(&["apt-get"]);
    let (Some(apt), true) = (apt, is_root()?) else {
        bail!("install {} (Debian's names), or pass --skip {suite}", packages.join(" and "));
    };
    let apt = |args: &[&str]| {
        let mut command = Command::new(&apt);
        // Somebody else's installation is waited for.
        command
            .args(["-q", "-y", "-o", "DPkg::Lock::Timeout=300"])
            .args(args)
            .env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    println!("installing {}", packages.join(", "));
    let log = format!("apt-{suite}");
    workspace
        .run_logged(&mut apt(&["update"]), &log, LIMIT)
        .and_then(|()| {
            workspace.run_logged(apt(&["install", "--no-install-recommends"]).args(packages), &log, APT_LIMIT)
        })
        .with_context(|| {
            format!("cannot install {}; --skip {suite} leaves its tests out", packages.join(" and "))
        })
}

/// Chromium and its driver; answers with the driver's path.
pub(crate) fn browser(workspace: &Workspace) -> Result<PathBuf> {
    let driver =
        || find_program(&["chromedriver"]).filter(|_| find_program(&["chromium", "google-chrome"]).is_some());
    if driver().is_none() {
        debian(workspace, Suite::Browser, &["chromium", "chromium-driver", "fonts-dejavu-core"])?;
    }
    driver()
        .context("chromedriver is not in PATH after its installation; --skip browser leaves its tests out")
}

/// A virtual environment with what `e2e/python/requirements.txt` names; answers with its `python`.
pub(crate) fn python(workspace: &Workspace) -> Result<PathBuf> {
    let venv = workspace.target.join("python");
    let python = venv.join("bin/python");
    let requirements = workspace.root.join("e2e/python/requirements.txt");
    once(&venv, &requirements, || {
        let system =
            find_program(&["python3"]).context("python3 is missing; install it, or pass --skip python")?;
        let mut make = Command::new(system);
        make.args(["-m", "venv", "--clear"]).arg(&venv);
        workspace
            .run_logged(&mut make, "venv", LIMIT)
            .context("Debian's python3-venv may be missing; --skip python leaves its tests out")?;
        let mut pip = Command::new(&python);
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-input",
            "--disable-pip-version-check",
            "--requirement",
        ])
        .arg(&requirements);
        workspace
            .run_logged(&mut pip, "pip", LIMIT)
            .context("cannot install from PyPI; --skip python leaves its tests out")
    })?;
    Ok(python)
}

/// A folder with the scripts of `e2e/node` and their `node_modules`: node finds packages only from a script's own folder up.
pub(crate) fn node(workspace: &Workspace) -> Result<PathBuf> {
    let source = workspace.root.join("e2e/node");
    let folder = workspace.target.join("node");
    once(&folder, &source.join("package-lock.json"), || {
        let npm = find_program(&["npm"])
            .context("npm is missing; install Node.js 20 or later, or pass --skip node")?;
        fs::create_dir_all(&folder)?;
        for file in ["package.json", "package-lock.json", ".npmrc"] {
            fs::copy(source.join(file), folder.join(file)).with_context(|| format!("cannot copy {file}"))?;
        }
        let mut ci = Command::new(npm);
        ci.args(["ci", "--no-progress", "--prefix"]).arg(&folder);
        workspace
            .run_logged(&mut ci, "npm", LIMIT)
            .context("cannot install from npm; --skip node leaves its tests out")
    })?;
    for entry in fs::read_dir(&source)? {
        let path = entry?.path();
        if let (true, Some(name)) =
            (path.extension().is_some_and(|extension| extension == "mjs"), path.file_name())
        {
            fs::copy(&path, folder.join(name))?;
        }
    }
    Ok(folder)
}

pub(crate) fn is_root() -> Result<bool> {
    Ok(output(Command::new("id").arg("-u"))?.trim() == "0")
}

/// Runs `install` unless it was done in `folder` for the same content of `lock`.
fn once(folder: &Path, lock: &Path, install: impl FnOnce() -> Result<()>) -> Result<()> {
    let wanted = fs::read(lock).with_context(|| format!("cannot read {}", lock.display()))?;
    let done = folder.join("installed");
    if fs::read(&done).is_ok_and(|before| before == wanted) {
        println!("there already");
        return Ok(());
    }
    install()?;
    fs::write(&done, wanted).with_context(|| format!("cannot write {}", done.display()))
}
