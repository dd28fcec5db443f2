//! Medians over the rounds, as a table for people and as JSON for whoever compares runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::calibration::Calibration;
use crate::load::Run;

/// One scenario's figures in one round.
pub(crate) struct Round {
    pub(crate) rate: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// The server's processor time for each request.
    pub(crate) cpu_us: f64,
    /// How much of one processor the server used.
    pub(crate) busy: f64,
}

impl Round {
    pub(crate) fn new(run: &Run, cpu: Duration) -> Self {
        Self {
            rate: run.rate(),
            p50_us: run.percentile_us(0.5),
            p99_us: run.percentile_us(0.99),
            cpu_us: cpu.as_secs_f64() * 1e6 / run.requests().max(1) as f64,
            busy: cpu.as_secs_f64() / run.elapsed.as_secs_f64(),
        }
    }
}

/// Everything that was measured.
pub(crate) struct Report {
    pub(crate) binary_bytes: u64,
    pub(crate) idle_bytes: u64,
    pub(crate) loaded_bytes: u64,
    pub(crate) first_starts: Vec<Duration>,
    pub(crate) later_starts: Vec<Duration>,
    pub(crate) calibrations: Vec<Calibration>,
    /// By scenario, the floor first: name, whether it waits for the disk, rounds.
    pub(crate) scenarios: Vec<(&'static str, bool, Vec<Round>)>,
    pub(crate) connections: usize,
    pub(crate) is_pinned: bool,
    pub(crate) log_level: String,
}

const MIB: f64 = 1024.0 * 1024.0;

impl Report {
    /// The table.
    pub(crate) fn print(&self) {
        let pinned = if self.is_pinned { "server and load on one processor each" } else { "nothing pinned" };
        println!(
            "\n{} · {pinned} · {} connections · log level {}\n",
            machine(),
            self.connections,
            self.log_level
        );
        println!("{:<36}{:>10.1} MiB", "binary", self.binary_bytes as f64 / MIB);
        println!("{:<36}{:>10.1} MiB", "memory, idle after the start", self.idle_bytes as f64 / MIB);
        println!("{:<36}{:>10.1} MiB", "memory after the load", self.loaded_bytes as f64 / MIB);
        println!("{:<36}{:>10.1} ms", "start to first answer, empty folder", median_ms(&self.first_starts));
        println!("{:<36}{:>10.1} ms", "start to first answer, existing", median_ms(&self.later_starts));
        println!("{:<36}{:>10.0} /s", "disk: appends of 4 KiB with sync", self.calibrated(|c| c.disk_syncs));
        println!("{:<36}{:>10.0} /s", "signatures RS256, one processor", self.calibrated(|c| c.rs256));
        println!("{:<36}{:>10.0} /s", "signatures ES256, one processor", self.calibrated(|c| c.es256));
        println!(
            "\n{:<36}{:>8}{:>10}{:>9}{:>12}{:>7}{:>9}{:>9}",
            "", "CPU µs", "of floor", "a core/s", "answered/s", "busy", "p50 ms", "p99 ms"
        );
        for (at, (name, _, rounds)) in self.scenarios.iter().enumerate() {
            let cpu_us = median(rounds.iter().map(|round| round.cpu_us));
            println!(
                "{name:<36}{cpu_us:>8.1}{:>10.1}{:>9.0}{:>12.0}{:>5.0} %{:>9.2}{:>9.2}",
                self.ratio(at),
                1e6 / cpu_us,
                median(rounds.iter().map(|round| round.rate)),
                median(rounds.iter().map(|round| round.busy)) * 100.0,
                median(rounds.iter().map(|round| round.p50_us)) / 1e3,
                median(rounds.iter().map(|round| round.p99_us)) / 1e3,
            );
        }
    }

    /// Writes all rounds as `{seconds since 1970}.json` into `folder`.
    pub(crate) fn write(&self, folder: &Path) -> Result<PathBuf> {
        #[expect(clippy::disallowed_methods, reason = "the date of a measurement, in its file's name")]
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
        let ms = |durations: &[Duration]| durations.iter().map(|d| d.as_secs_f64() * 1e3).collect::<Vec<_>>();
        let scenarios = self.scenarios.iter().enumerate().map(|(at, (name, is_durable, rounds))| {
            let rounds = rounds.iter().map(|round| {
                json!({
                    "rate": round.rate, "p50_us": round.p50_us, "p99_us": round.p99_us,
                    "cpu_us": round.cpu_us, "busy": round.busy,
                })
            });
            json!({
                "name": name, "durable": is_durable, "of_floor": self.ratio(at), "rounds": rounds.collect::<Value>(),
            })
        });
        let calibrations = self.calibrations.iter().map(|calibration| {
            json!({
                "disk_syncs": calibration.disk_syncs, "rs256": calibration.rs256, "es256": calibration.es256,
            })
        });
        let report = json!({
            "at": now,
            "machine": machine(),
            "pinned": self.is_pinned,
            "connections": self.connections,
            "log_level": self.log_level,
            "binary_bytes": self.binary_bytes,
            "idle_bytes": self.idle_bytes,
            "loaded_bytes": self.loaded_bytes,
            "first_starts_ms": ms(&self.first_starts),
            "later_starts_ms": ms(&self.later_starts),
            "calibrations": calibrations.collect::<Value>(),
            "scenarios": scenarios.collect::<Value>(),
        });
        let path = folder.join(format!("{now}.json"));
        fs::write(&path, format!("{report:#}\n"))
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// How many times the processor time of the floor in the same round. Not by rate: where answers cost little, asking costs more,
    /// and the rate is that of the load.
    fn ratio(&self, at: usize) -> f64 {
        let (floor, scenario) = (&self.scenarios[0].2, &self.scenarios[at].2);
        median(scenario.iter().zip(floor).map(|(round, floor)| round.cpu_us / floor.cpu_us))
    }

    fn calibrated(&self, value: impl Fn(&Calibration) -> f64) -> f64 {
        median(self.calibrations.iter().map(value))
    }
}

fn median_ms(durations: &[Duration]) -> f64 {
    median(durations.iter().map(|duration| duration.as_secs_f64() * 1e3))
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The processor's name and how many there are.
fn machine() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let names: Vec<&str> = cpus.lines().filter(|line| line.starts_with("model name")).collect();
    let name = names.first().and_then(|line| line.split(':').nth(1)).unwrap_or("unknown").trim().to_owned();
    format!("{} × {name}", names.len().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert!(median(std::iter::empty()).is_nan());
    }
}
