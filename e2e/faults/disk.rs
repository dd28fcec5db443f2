//! A disk without power: from everything that was written and synced, a folder as it may be found afterwards.
//!
//! What was synced is there. Of the rest each write is there, or not, or some of its sectors are, whatever came before it. A name
//! that was made, moved or removed is so after the next sync of any file on a file system with a journal, and after a sync of its
//! folder on the poorest one that POSIX allows.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use authmachine_e2e::Random;
use tempfile::TempDir;

/// A copy of a folder.
pub(crate) fn copy(folder: &Path) -> TempDir {
    let copy = tempfile::Builder::new().prefix("authmachine-base-").tempdir().expect("a folder");
    paste(folder, copy.path());
    copy
}

/// Copies everything in `from` into `to`, which is emptied.
pub(crate) fn paste(from: &Path, to: &Path) {
    empty(to);
    let mut cp = Command::new("cp");
    cp.arg("-a").arg(from.join(".")).arg(to);
    assert!(cp.status().expect("there is a `cp`").success());
}

fn empty(folder: &Path) {
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("a name").path();
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.expect("it is ours");
    }
}

/// What cannot be written in part.
const SECTOR: usize = 512;

/// What a file system promises beyond POSIX.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promises {
    /// Names change in their order, and a sync of a file is one of all names before it (ext4, XFS).
    Journal,
    /// Nothing.
    None,
}

/// An entry of the log; numbers are those of `enum kind`.
#[derive(Clone, Debug)]
enum Entry {
    Open { file: u32, path: PathBuf },
    Make { file: u32, path: PathBuf },
    Write { file: u32, offset: usize, bytes: Vec<u8> },
    Truncate { file: u32, size: usize },
    Sync { file: u32 },
    FailedSync { file: u32 },
    SyncFolder { path: PathBuf },
    Unlink { path: PathBuf },
    Rename { from: PathBuf, to: PathBuf },
    Link { from: PathBuf, to: PathBuf },
    MakeFolder { path: PathBuf },
}

/// Everything that a server did to a folder, from its start on.
pub(crate) struct Record {
    /// The folder as it was before.
    base: PathBuf,
    /// Entries, and how long the log was after each.
    entries: Vec<(u64, Entry)>,
}

impl Record {
    /// Reads a log; `base` is a copy of what was there before in `folder`.
    pub(crate) fn read(log: &Path, folder: &Path, base: &Path) -> Self {
        let log = fs::read(log).expect("the log can be read");
        let number = |at: usize, length: usize| {
            let mut bytes = [0; 8];
            bytes[..length].copy_from_slice(&log[at..at + length]);
            usize::try_from(u64::from_ne_bytes(bytes)).expect("64 bits")
        };
        let inside = |bytes: &[u8]| {
            let path = Path::new(std::str::from_utf8(bytes).expect("our names are ASCII"));
            path.strip_prefix(folder).expect("only the folder is watched").to_owned()
        };
        let (mut at, mut entries) = (0, Vec::new());
        while at < log.len() {
            let (kind, file, offset, length) =
                (number(at, 4), number(at + 4, 4), number(at + 8, 8), number(at + 16, 8));
            let bytes = &log[at + 24..at + 24 + length];
            at += 24 + length;
            let file = u32::try_from(file).expect("32 bits");
            let entry = match kind {
                1 => Entry::Open { file, path: inside(bytes) },
                2 => Entry::Make { file, path: inside(bytes) },
                3 => Entry::Write { file, offset, bytes: bytes.to_vec() },
                4 => Entry::Truncate { file, size: offset },
                5 => Entry::Sync { file },
                6 => Entry::FailedSync { file },
                7 => Entry::SyncFolder { path: inside(bytes) },
                8 => Entry::Unlink { path: inside(bytes) },
                9 | 10 => {
                    let middle = bytes.iter().position(|byte| *byte == 0).expect("two paths");
                    let (from, to) = (inside(&bytes[..middle]), inside(&bytes[middle + 1..]));
                    if kind == 9 { Entry::Rename { from, to } } else { Entry::Link { from, to } }
                }
                11 => Entry::MakeFolder { path: inside(bytes) },
                _ => panic!("no entry has kind {kind}"),
            };
            entries.push((u64::try_from(at).expect("64 bits"), entry));
        }
        Self { base: base.to_owned(), entries }
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// A point to cut the power at: anywhere, or, as often, just before a sync, when most is at risk.
    pub(crate) fn pick(&self, random: &mut Random) -> usize {
        let at = random.below(self.len());
        let is_sync =
            |(_, entry): &(u64, Entry)| matches!(entry, Entry::Sync { .. } | Entry::FailedSync { .. });
        match self.entries[at..].iter().position(is_sync) {
            Some(next) if random.below(2) == 0 => at + next,
            _ => at,
        }
    }

    /// How long the log was when the power was cut at `point`, before that entry.
    pub(crate) fn length_at(&self, point: usize) -> u64 {
        point.checked_sub(1).map_or(0, |last| self.entries[last].0)
    }

    /// Makes `folder` what may be found there after the power was cut at `point`.
    pub(crate) fn restore(&self, point: usize, promises: Promises, folder: &Path, random: &mut Random) {
        let mut disk = Disk::of(&self.base, promises);
        for (_, entry) in &self.entries[..point] {
            disk.apply(entry.clone());
        }
        disk.write(folder, random);
    }
}

/// What a name leads to.
#[derive(Clone, Copy, Debug)]
enum Node {
    File(usize),
    Folder,
}

#[derive(Debug)]
enum NameChange {
    Add(PathBuf, Node),
    Remove(PathBuf),
    Move(PathBuf, PathBuf),
}

#[derive(Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

/// How sure a change is to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// A sync to come makes it so.
    Open,
    Synced,
    /// Its sync failed: no later one is about it, though it may have reached the disk.
    Given,
}

/// A file: what surely is there, and what was done since.
#[derive(Debug, Default)]
struct Bytes {
    sure: Vec<u8>,
    changes: Vec<(Fate, Change)>,
}

struct Disk {
    promises: Promises,
    files: Vec<Bytes>,
    /// From the log's numbers.
    numbers: BTreeMap<u32, usize>,
    /// As the running server sees them, and as they surely are on the disk.
    seen: BTreeMap<PathBuf, Node>,
    sure: BTreeMap<PathBuf, Node>,
    name_changes: Vec<NameChange>,
}

impl Disk {
    fn of(base: &Path, promises: Promises) -> Self {
        let mut disk = Self {
            promises,
            files: Vec::new(),
            numbers: BTreeMap::new(),
            seen: BTreeMap::new(),
            sure: BTreeMap::new(),
            name_changes: Vec::new(),
        };
        disk.take(base, Path::new(""));
        disk.seen.clone_from(&disk.sure);
        disk
    }

    /// Everything in a folder of `base`.
    fn take(&mut self, base: &Path, folder: &Path) {
        for entry in fs::read_dir(base.join(folder)).expect("a folder") {
            let entry = entry.expect("a name");
            let path = folder.join(entry.file_name());
            if entry.file_type().expect("a type").is_dir() {
                self.sure.insert(path.clone(), Node::Folder);
                self.take(base, &path);
            } else {
                let sure = fs::read(entry.path()).expect("a file");
                self.sure.insert(path, Node::File(self.files.len()));
                self.files.push(Bytes { sure, changes: Vec::new() });
            }
        }
    }

    fn file(&mut self, number: u32) -> &mut Bytes {
        &mut self.files[self.numbers[&number]]
    }

    fn apply(&mut self, entry: Entry) {
        match entry {
            Entry::Open { file, path } => match self.seen.get(&path) {
                Some(Node::File(index)) => drop(self.numbers.insert(file, *index)),
                other => panic!("{} was there, and is {other:?}", path.display()),
            },
            Entry::Make { file, path } => {
                self.numbers.insert(file, self.files.len());
                self.rename(NameChange::Add(path, Node::File(self.files.len())));
                self.files.push(Bytes::default());
            }
            Entry::Write { file, offset, bytes } => {
                self.file(file).changes.push((Fate::Open, Change::Write(offset, bytes)));
            }
            Entry::Truncate { file, size } => {
                self.file(file).changes.push((Fate::Open, Change::Truncate(size)));
            }
            Entry::Sync { file } => {
                self.file(file).settle(Fate::Synced);
                if self.promises == Promises::Journal {
                    self.settle_names(|_| true);
                }
            }
            Entry::FailedSync { file } => self.file(file).settle(Fate::Given),
            Entry::SyncFolder { path } => self.settle_names(|name| name.parent() == Some(&path)),
            Entry::Unlink { path } => self.rename(NameChange::Remove(path)),
            Entry::Rename { from, to } => self.rename(NameChange::Move(from, to)),
            Entry::Link { from, to } => {
                let node = self.seen[&from];
                self.rename(NameChange::Add(to, node));
            }
            Entry::MakeFolder { path } => self.rename(NameChange::Add(path, Node::Folder)),
        }
    }

    fn rename(&mut self, change: NameChange) {
        change.apply(&mut self.seen);
        self.name_changes.push(change);
    }

    fn settle_names(&mut self, is_settled: impl Fn(&Path) -> bool) {
        let changes = std::mem::take(&mut self.name_changes);
        let (settled, open): (Vec<_>, _) = changes.into_iter().partition(|change| is_settled(change.name()));
        for change in settled {
            change.apply(&mut self.sure);
        }
        self.name_changes = open;
    }

    /// Lets chance decide, and writes what is left to `folder`, which is emptied.
    fn write(mut self, folder: &Path, random: &mut Random) {
        let mut changes = std::mem::take(&mut self.name_changes);
        match self.promises {
            Promises::Journal => changes.truncate(random.below(changes.len() + 1)),
            Promises::None => changes.retain(|_| random.below(2) == 0),
        }
        for change in changes {
            change.apply(&mut self.sure);
        }
        empty(folder);
        let mut written = BTreeMap::new();
        // Folders come before what is in them.
        for (path, node) in &self.sure {
            let target = folder.join(path);
            match node {
                // Its folder was lost, and it with it.
                _ if !target.parent().is_some_and(Path::exists) => {}
                Node::Folder => fs::create_dir(target).expect("the folder is ours"),
                // Memory that processes share: nobody syncs it, so anything may be found in it.
                Node::File(_) if path.extension().is_some_and(|name| name == "db-shm") => {
                    let noise: Vec<u8> = (0..32_768).map(|_| random.number().to_ne_bytes()[0]).collect();
                    fs::write(target, noise).expect("the folder is ours");
                }
                // Another name of a file.
                Node::File(index) if written.contains_key(index) => {
                    fs::hard_link(&written[index], target).expect("the folder is ours");
                }
                Node::File(index) => {
                    let bytes = self.files[*index].found(self.promises, random);
                    fs::write(&target, bytes).expect("the folder is ours");
                    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
                    fs::set_permissions(&target, private).expect("the file is ours");
                    written.insert(*index, target);
                }
            }
        }
    }
}

impl NameChange {
    /// The name that changes.
    fn name(&self) -> &Path {
        match self {
            Self::Add(path, _) | Self::Remove(path) | Self::Move(_, path) => path,
        }
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, Node>) {
        match self {
            Self::Add(path, node) => drop(names.insert(path.clone(), *node)),
            Self::Remove(path) => drop(names.remove(path)),
            Self::Move(from, to) => {
                if let Some(node) = names.remove(from) {
                    names.insert(to.clone(), node);
                }
            }
        }
    }
}

impl Bytes {
    fn settle(&mut self, fate: Fate) {
        self.changes
            .iter_mut()
            .filter(|(known, _)| *known == Fate::Open)
            .for_each(|(known, _)| *known = fate);
        // What nothing in doubt comes before is sure.
        let sure = self.changes.iter().take_while(|(fate, _)| *fate == Fate::Synced).count();
        for (_, change) in self.changes.drain(..sure) {
            change.apply(&mut self.sure, |_| true);
        }
    }

    /// What may be found of it.
    fn found(&mut self, promises: Promises, random: &mut Random) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.sure);
        for (fate, change) in &self.changes {
            // As it was written, not at all, or in part.
            let luck = if *fate == Fate::Synced { 0 } else { random.below(3) };
            let length = bytes.len();
            match luck {
                0 => change.apply(&mut bytes, |_| true),
                1 => change.apply(&mut bytes, |_| random.below(2) == 0),
                _ => {}
            }
            // The file is longer, and what was to fill it is not there: old bytes of others, on a poor file system.
            if luck == 1 && promises == Promises::None && bytes.len() > length && random.below(2) == 0 {
                bytes[length..].iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = 0xAA);
            }
        }
        bytes
    }
}

impl Change {
    /// Those of its sectors that `is_there`.
    fn apply(&self, bytes: &mut Vec<u8>, mut is_there: impl FnMut(usize) -> bool) {
        match self {
            Self::Truncate(size) if is_there(0) => bytes.resize(*size, 0),
            Self::Truncate(_) => {}
            Self::Write(offset, new) => {
                bytes.resize(bytes.len().max(offset + new.len()), 0);
                let mut at = *offset;
                while at < offset + new.len() {
                    let end = ((at / SECTOR + 1) * SECTOR).min(offset + new.len());
                    if is_there(at / SECTOR) {
                        bytes[at..end].copy_from_slice(&new[at - offset..end - offset]);
                    }
                    at = end;
                }
            }
        }
    }
}
