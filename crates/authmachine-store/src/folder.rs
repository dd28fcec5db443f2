//! Folders whose names outlive a power cut. A file that was synced is of no use when its folder has forgotten its name.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

/// Makes a folder, and those that it is in, for their owner alone.
///
/// # Errors
/// When one of them cannot be made.
pub fn make(folder: &Path) -> io::Result<()> {
    // The working folder has no name here.
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().unwrap_or(Path::new(""));
    make(parent)?;
    match DirBuilder::new().mode(0o700).create(folder) {
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync(parent),
    }
}

/// Waits until the names in `folder` are on the disk.
///
/// # Errors
/// When it cannot be opened or synced.
pub fn sync(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder)?.sync_all()
}
