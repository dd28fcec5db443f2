//! Certificates in files: those of `[tls]`, read, checked, and read again when they change; and `fetch.ca_file`.

use std::fs::{self, File, Metadata};
use std::future::Future;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use authmachine_provider::Timestamp;
use authmachine_server::Clock;
use authmachine_server::fetch::{CertificateDer, FetchSettings};
use authmachine_server::listen::tls::{Certificate, CertificateError, Tls};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};
use zeroize::Zeroizing;

use crate::when;

/// How often we look whether the files have changed.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// More than any chain or key has.
const MAX_BYTES: u64 = 256 * 1024;

/// Where a certificate and its key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Files {
    /// The server's certificate, then those above it.
    pub(crate) certificate: PathBuf,
    /// Its private key.
    pub(crate) key: PathBuf,
}

/// Reads and checks both files.
///
/// # Errors
/// One that cannot be read, a key that others can read, two that do not fit, a certificate that is over.
pub(crate) fn read(files: &Files, now: Timestamp) -> Result<Certificate> {
    let Files { certificate, key } = files;
    let certificate_pem = read_file("TLS certificate", certificate, |_| Ok(()))?;
    let key_pem = read_file("TLS key", key, |about| {
        // A group may read what root gave to it, as PostgreSQL has it: the service's user cannot own root's files (checklist G9).
        let allowed = if about.uid() == 0 { 0o640 } else { 0o600 };
        let mode = about.permissions().mode() & 0o777;
        if mode & !allowed & 0o077 != 0 {
            bail!(
                "others can read the TLS key {} (mode {mode:04o}); run `chmod {allowed:o} {}`, and think of who may have read it",
                key.display(),
                key.display()
            );
        }
        Ok(())
    })?;
    Certificate::from_pem(&certificate_pem, &key_pem, now).map_err(|why| {
        let when = match why {
            CertificateError::Expired { at } => format!(" at {}", when::rfc3339_of(at)),
            CertificateError::NotYet { from } => {
                format!(", but from {} on; is the clock right?", when::rfc3339_of(from))
            }
            _ => String::new(),
        };
        anyhow!("cannot use {} with the key {}: {why}{when}", certificate.display(), key.display())
    })
}

/// Reads `fetch.ca_file`.
///
/// # Errors
/// A file that cannot be read, or has no certificate.
pub(crate) fn read_roots(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let pem = read_file("certificates", file, |_| Ok(()))?;
    FetchSettings::certificates(&pem).with_context(|| format!("cannot use {}", file.display()))
}

fn read_file(
    what: &str,
    path: &Path,
    check: impl FnOnce(&Metadata) -> Result<()>,
) -> Result<Zeroizing<Vec<u8>>> {
    let cannot = || {
        format!("cannot read the {what} {}; is it there, and may the service's user read it?", path.display())
    };
    let file = File::open(path).with_context(cannot)?;
    let about = file.metadata().with_context(cannot)?;
    if !about.is_file() {
        bail!("the {what} {} is not a file", path.display());
    }
    check(&about)?;
    // All at once, so that no half of a key is left behind when the room grows.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(MAX_BYTES + 1).unwrap_or(0)));
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).with_context(cannot)?;
    if bytes.len() as u64 > MAX_BYTES {
        bail!("{} is too long for a {what}", path.display());
    }
    Ok(bytes)
}

/// The certificate in force, and the files that it came from.
pub(crate) struct Source {
    /// For the handshakes.
    pub(crate) tls: Tls,
    files: Files,
    ends_at: Timestamp,
    /// The files as they were before they were last read.
    read: Stamp,
}

impl Source {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// As [`read`].
    pub(crate) fn open(files: &Files) -> Result<Self> {
        let stamp = Stamp::of(files);
        let certificate = read(files, Clock::System.now())?;
        let ends_at = certificate.ends_at();
        Ok(Self { tls: Tls::new(certificate), files: files.clone(), ends_at, read: stamp })
    }

    /// Takes the files up again when they have changed, and at SIGHUP; this is listened to from now on.
    ///
    /// # Errors
    /// When signals cannot be listened to.
    pub(crate) fn follow(mut self) -> Result<impl Future<Output = ()>> {
        let mut hangup = signal(SignalKind::hangup()).context("cannot listen to signals")?;
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(async move {
            let mut seen = self.read;
            loop {
                let is_asked = tokio::select! {
                    _ = hangup.recv() => true,
                    _ = ticks.tick() => false,
                };
                let now = Stamp::of(&self.files);
                // Whoever renews a certificate writes two files, one after the other: we wait until they rest.
                let is_changed = now != self.read && now == seen;
                seen = now;
                if is_asked || is_changed {
                    self.read = now;
                    self.read_again();
                }
            }
        })
    }

    fn read_again(&mut self) {
        let file = self.files.certificate.display();
        match read(&self.files, Clock::System.now()) {
            Ok(certificate) => {
                self.ends_at = certificate.ends_at();
                self.tls.replace(certificate);
                let ends = when::rfc3339_of(self.ends_at);
                tracing::info!("Took up the certificate {file}, which is valid until {ends}");
            }
            Err(why) => {
                let ends = when::rfc3339_of(self.ends_at);
                tracing::error!(
                    "The certificate stays the one that is valid until {ends}, because the new one cannot be had: {why:#}"
                );
            }
        }
    }
}

/// What tells that a file is another one, was written to, or may be read by others than before.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp([Option<(u64, u64, i64, i64)>; 2]);

impl Stamp {
    fn of(files: &Files) -> Self {
        let of = |path| {
            let about = fs::metadata(path).ok()?;
            Some((about.dev(), about.ino(), about.ctime(), about.ctime_nsec()))
        };
        Self([of(&files.certificate), of(&files.key)])
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../authmachine-server/tests/data/tls/");
    /// 2026-01-01.
    const NOW: Timestamp = Timestamp::from_seconds(1_767_225_600);

    /// A certificate for `localhost` until 2120, and its key, in `folder`.
    pub(crate) fn files_in(folder: &Path) -> Files {
        let files = Files { certificate: folder.join("server.pem"), key: folder.join("server.key") };
        fs::copy(format!("{DATA}first.pem"), &files.certificate).expect("the folder is ours");
        fs::copy(format!("{DATA}first.key"), &files.key).expect("the folder is ours");
        set_mode(&files.key, 0o600);
        files
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("ours");
    }

    #[test]
    fn g9_a_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = files_in(folder.path());
        let is_of_root = fs::metadata(&files.key).expect("there").uid() == 0;
        for (mode, is_fine) in [
            (0o600, true),
            (0o400, true),
            (0o640, is_of_root),
            (0o440, is_of_root),
            (0o660, false),
            (0o604, false),
            (0o644, false),
        ] {
            set_mode(&files.key, mode);
            let said = read(&files, NOW).err().map(|why| why.to_string());
            assert_eq!(said.is_none(), is_fine, "{mode:o}: {said:?}");
            assert!(said.is_none_or(|said| said.contains("others can read the TLS key")), "{mode:o}");
        }
        set_mode(&files.key, 0o600);
        set_mode(&files.certificate, 0o644);
        assert!(read(&files, NOW).is_ok(), "everybody gets the certificate anyway");
    }

    #[test]
    fn no_file_is_read_without_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut files = files_in(folder.path());
        fs::write(&files.certificate, vec![b'\n'; 300_000]).expect("ours");
        assert!(read(&files, NOW).expect_err("too long").to_string().contains("too long"));
        files.certificate = folder.path().to_owned();
        assert!(read(&files, NOW).expect_err("a folder").to_string().contains("is not a file"));
    }

    #[test]
    fn a_file_is_another_one_when_it_is_written_moved_or_given_away() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = files_in(folder.path());
        let mut before = Stamp::of(&files);
        let mut has_changed = || {
            let now = Stamp::of(&files);
            std::mem::replace(&mut before, now) != now
        };
        assert!(!has_changed());
        // The clock of files ticks every few milliseconds.
        let mut is_seen = |change: &dyn Fn()| {
            (0..1_000_000).any(|_| {
                change();
                has_changed()
            })
        };
        assert!(is_seen(&|| fs::write(&files.key, "x").expect("ours")));
        assert!(is_seen(&|| set_mode(&files.key, 0o400)));
        let other = folder.path().join("other.pem");
        fs::write(&other, "x").expect("ours");
        fs::rename(&other, &files.certificate).expect("ours");
        assert!(has_changed());
        fs::remove_file(&files.certificate).expect("ours");
        assert!(has_changed());
        assert!(!has_changed());
    }
}
