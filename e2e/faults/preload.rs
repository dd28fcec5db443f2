//! `preload.c` between the server and the C library: what is written, a disk that is full or fails, a clock that is wrong.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use authmachine_e2e::{Provider, target};
use tempfile::TempDir;

/// The numbers of `struct control`.
#[derive(Clone, Copy)]
pub(crate) enum Control {
    /// Added to the time of day.
    ClockMs,
    /// How full the disk is: 1, no file may grow; 2, nothing may be written.
    IsFull,
    /// So many syncs to come fail.
    FailSyncs,
    /// What was refused so far.
    Refused,
}

/// The library in front of one provider's server.
pub(crate) struct Preload {
    folder: TempDir,
    control: File,
}

impl Preload {
    /// Puts it in front of the next `serve`; `records` says whether everything that is written is kept.
    pub(crate) fn before(provider: &mut Provider, records: bool) -> Self {
        let folder = tempfile::Builder::new().prefix("authmachine-preload-").tempdir().expect("a folder");
        let path = folder.path().join("control");
        fs::write(&path, [0; 32]).expect("the folder is ours");
        let control = File::options().read(true).write(true).open(&path).expect("it was just made");
        let preload = Self { folder, control };
        provider.set_for_serve("LD_PRELOAD", library());
        provider.set_for_serve("FAULTS_FOLDER", provider.folder().to_owned());
        provider.set_for_serve("FAULTS_CONTROL", &path);
        if records {
            fs::write(preload.log(), []).expect("the folder is ours");
            provider.set_for_serve("FAULTS_LOG", preload.log());
        }
        preload
    }

    /// Where everything that is written is kept.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    pub(crate) fn set(&self, which: Control, value: i64) {
        let at = 8 * which as u64;
        self.control.write_all_at(&value.to_ne_bytes(), at).expect("the file is ours");
    }

    pub(crate) fn get(&self, which: Control) -> i64 {
        let mut bytes = [0; 8];
        self.control.read_exact_at(&mut bytes, 8 * which as u64).expect("the file is ours");
        i64::from_ne_bytes(bytes)
    }
}

/// The library, compiled once.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let library = target("e2e-preload").join(format!("{}.so", std::process::id()));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("faults/preload.c");
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-pthread", "-o"]).arg(&library).arg(source);
        let output = cc.arg("-ldl").output().expect("there is a C compiler");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        library
    })
}
