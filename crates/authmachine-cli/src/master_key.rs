//! The master key's file. Everything secret in the database is of use only together with it (checklist G9, LG5).

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use authmachine_jose::derive_key;
use authmachine_store::folder;
use base64ct::{Base64, Encoding as _};
use zeroize::Zeroizing;

/// The 32 bytes.
pub(crate) type MasterKey = Zeroizing<[u8; 32]>;

/// Reads the key's file; `None` when there is none.
///
/// # Errors
/// When others can read it, or it is no key.
pub(crate) fn read(path: &Path) -> Result<Option<MasterKey>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(error).with_context(|| {
                format!(
                    "cannot read the master key {}; does it belong to the service's user?",
                    path.display()
                )
            });
        }
    };
    let about = file.metadata().with_context(|| format!("cannot look at {}", path.display()))?;
    if !about.is_file() {
        bail!("the master key {} is not a file", path.display());
    }
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        bail!(
            "others can read the master key {} (mode {mode:04o}); run `chmod 600 {}`, and think of who may have read it",
            path.display(),
            path.display()
        );
    }
    if about.size() > 1_024 {
        bail!("{} is too long for a master key", path.display());
    }
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text)
        .with_context(|| format!("cannot read the master key {}", path.display()))?;
    match parse(text.trim()) {
        Some(key) => Ok(Some(key)),
        None => bail!("{} is no master key: 32 random bytes in hex (64 digits) or Base64", path.display()),
    }
}

fn parse(text: &str) -> Option<MasterKey> {
    let mut key = Zeroizing::new([0; 32]);
    if text.len() == 64 {
        for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digit = |n: usize| char::from(digits[n]).to_digit(16);
            *byte = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
        }
    } else {
        let mut buffer = Zeroizing::new([0; 33]);
        let bytes = Base64::decode(text, buffer.as_mut_slice()).ok()?;
        key.copy_from_slice(bytes.get(..32).filter(|all| all.len() == bytes.len())?);
    }
    // What people type instead of a random key.
    let first = key[0];
    key.iter().any(|byte| *byte != first).then_some(key)
}

/// Makes a new key and its file, for the owner alone; `None` when somebody else has made one meanwhile.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn make(path: &Path) -> Result<Option<MasterKey>> {
    let cannot =
        || format!("cannot make the master key {}; may the service's user write there?", path.display());
    let parent = path.parent().unwrap_or(Path::new(""));
    folder::make(parent).with_context(cannot)?;
    let key: MasterKey = Zeroizing::new(authmachine_server::random::bytes());
    let hex = Zeroizing::new(authmachine_jose::hex(&*key));
    // Written under another name first: nobody ever sees half a key.
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    // In a container every start has the same number, also the one that lost its power here.
    let _ = fs::remove_file(&draft);
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).with_context(cannot)?;
    let written =
        writeln!(file, "{}", *hex).and_then(|()| file.sync_all()).and_then(|()| fs::hard_link(&draft, path));
    fs::remove_file(&draft).with_context(cannot)?;
    match written {
        Ok(()) => {
            // From here on the database is made with it, and must not outlive it.
            folder::sync(parent).with_context(cannot)?;
            Ok(Some(key))
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(None),
        Err(error) => Err(error).with_context(cannot),
    }
}

/// What the database keeps to know its key again; nothing about the key can be had from it.
pub(crate) fn check_value(key: &MasterKey) -> String {
    authmachine_jose::hex(&*derive_key(key.as_slice(), "key check"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g9_a_key_is_32_random_bytes_in_a_file_that_others_cannot_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deeper/authmachine.key");
        assert!(read(&path).expect("absent is fine").is_none());
        let made = make(&path).expect("writable").expect("new");
        assert_eq!(*read(&path).expect("ours").expect("there"), *made);
        assert!(make(&path).expect("writable").is_none(), "a key is never replaced");
        assert_eq!(fs::read_dir(path.parent().expect("has one")).expect("readable").count(), 1);
        for mode in [0o640, 0o604, 0o660, 0o644] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("ours");
            let said = read(&path).expect_err("others can read it").to_string();
            assert!(said.contains("chmod 600"), "{said}");
        }
    }

    #[test]
    fn rb2_a_draft_that_a_power_cut_left_is_in_nobodys_way() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("authmachine.key");
        let draft = path.with_extension(format!("{}.new", std::process::id()));
        fs::write(&draft, "half").expect("ours");
        let made = make(&path).expect("writable").expect("new");
        assert_eq!(*read(&path).expect("ours").expect("there"), *made);
        assert!(!draft.exists());
    }

    #[test]
    fn a_key_is_hex_or_base64_and_nothing_else() {
        let hex: String = (0..32).map(|n| format!("{n:02x}")).collect();
        let base64 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        assert_eq!(parse(&hex).as_deref(), parse(base64).as_deref());
        assert!(parse(&hex.to_uppercase()).is_some());
        let zeros = "0".repeat(64);
        for bad in [
            "",
            "secret",
            &hex[1..],
            &hex.replace('1', "g"),
            &zeros,
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gIQ==",
            &"ä".repeat(32),
        ] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }
}
