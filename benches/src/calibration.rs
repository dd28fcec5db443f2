//! What the machine does without us, in the same minutes: how often it can wait for its disk, and how often it can sign.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use authmachine_jose::{Algorithm, SigningKey};

const TIME: Duration = Duration::from_millis(500);

pub(crate) struct Calibration {
    /// Appends of 4 KiB, each waited for until it is on disk, in a second.
    pub(crate) disk_syncs: f64,
    /// Tokens signed in a second on one processor.
    pub(crate) rs256: f64,
    pub(crate) es256: f64,
}

/// Measures; `folder` is on the disk in question.
pub(crate) fn measure(folder: &Path) -> Result<Calibration> {
    let path = folder.join("sync-test");
    let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
    let block = [7; 4096];
    let disk_syncs = rate(|| {
        file.write_all(&block)?;
        Ok(file.sync_data()?)
    });
    std::fs::remove_file(&path)?;
    let signatures = |algorithm| -> Result<f64> {
        let key = SigningKey::generate(algorithm, "bench")?;
        rate(|| {
            key.sign(None, &[b'x'; 300])?;
            Ok(())
        })
    };
    Ok(Calibration {
        disk_syncs: disk_syncs?,
        rs256: signatures(Algorithm::RS256)?,
        es256: signatures(Algorithm::ES256)?,
    })
}

fn rate(mut step: impl FnMut() -> Result<()>) -> Result<f64> {
    let began = Instant::now();
    let mut steps = 0;
    while began.elapsed() < TIME {
        step()?;
        steps += 1;
    }
    Ok(f64::from(steps) / began.elapsed().as_secs_f64())
}
