//! Medians over the rounds, as tables for people and as JSON for whoever compares runs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::bars::{Part, floor};
use crate::measure::{Latency, Round};
use crate::operations::Operation;
use crate::stats::median;
use crate::supplies::Checked;
use crate::svg::{self, Bar, Labels};

/// A server that uses less of its processor than this was not at its limit.
const BUSY: f64 = 0.9;
pub(crate) const MIB: f64 = 1024.0 * 1024.0;

/// Everything that one run measured.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) run: Conditions,
    /// Seconds of each part of a floor, by round.
    pub(crate) parts: BTreeMap<Part, Vec<f64>>,
    /// Appends of 4 KiB, each on disk before the next, in a second.
    pub(crate) disk_syncs: Vec<f64>,
    /// Of the binary itself.
    pub(crate) binary: Option<Binary>,
    pub(crate) sides: Vec<SideReport>,
}

/// Under what conditions.
#[derive(Serialize)]
pub(crate) struct Conditions {
    /// Seconds since 1970.
    pub(crate) at: u64,
    pub(crate) machine: String,
    pub(crate) is_pinned: bool,
    pub(crate) connections: usize,
    pub(crate) durable_connections: usize,
    pub(crate) engine: String,
    pub(crate) log_level: String,
    /// Rows of each table of tokens before the load.
    pub(crate) rows: usize,
    pub(crate) rounds: usize,
    pub(crate) seconds: f64,
    /// Of the capacity, in the open loop.
    pub(crate) share: f64,
    /// Whether the bars are for this run.
    pub(crate) has_bars: bool,
}

/// What can be said of the binary without load.
#[derive(Serialize)]
pub(crate) struct Binary {
    pub(crate) bytes: u64,
    pub(crate) idle_bytes: u64,
    pub(crate) first_starts_ms: Vec<f64>,
    pub(crate) later_starts_ms: Vec<f64>,
}

#[derive(Serialize)]
pub(crate) struct SideReport {
    pub(crate) name: String,
    pub(crate) peak_bytes: Option<u64>,
    pub(crate) lines: Vec<Line>,
    pub(crate) checked: Checked,
}

/// One operation on one side.
#[derive(Serialize)]
pub(crate) struct Line {
    #[serde(serialize_with = "title")]
    pub(crate) operation: Operation,
    /// Why it was not measured, if it was not.
    pub(crate) absent: Option<&'static str>,
    pub(crate) rounds: Vec<Round>,
    pub(crate) latency: Option<Latency>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn title<S: serde::Serializer>(operation: &Operation, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(operation.title())
}

impl Line {
    /// The median of a figure.
    pub(crate) fn of(&self, figure: impl Fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().map(figure))
    }

    pub(crate) fn rate(&self) -> f64 {
        self.of(|round| round.rate)
    }
}

impl Report {
    /// The share of its floor that a line reaches, round by round.
    pub(crate) fn of_floor(&self, line: &Line) -> f64 {
        let shares = line.rounds.iter().enumerate().map(|(n, round)| {
            let seconds = line.operation.parts().iter().map(|part| {
                self.parts.get(part).and_then(|rounds| rounds.get(n)).copied().unwrap_or(f64::NAN)
            });
            round.rate / floor(seconds)
        });
        median(shares)
    }

    /// The rates as bars, with their ratios.
    pub(crate) fn plot(&self) -> String {
        let names: Vec<&str> = self.sides.iter().map(|side| side.name.as_str()).collect();
        let lines = |n: usize| self.sides.get(n).map_or(&[][..], |side| side.lines.as_slice());
        let is_measured = |line: &&Line| !line.rounds.is_empty();
        let one_side = lines(0).iter().filter(is_measured).map(|line| {
            let bar = line.operation.bar().filter(|_| self.run.has_bars);
            let share = self.of_floor(line);
            let note =
                if share.is_nan() { String::new() } else { format!(", {} of the floor", percent(share)) };
            Bar {
                name: line.operation.title().replace('`', ""),
                values: vec![line.rate()],
                note: format!("{}{note}", thousands(line.rate())),
                mark: bar.map(|bar| bar.rate),
            }
        });
        let two_sides =
            lines(0).iter().zip(lines(1)).filter(|(one, other)| is_measured(one) && is_measured(other));
        let two_sides = two_sides.map(|(line, against)| Bar {
            name: line.operation.title().replace('`', ""),
            values: vec![line.rate(), against.rate()],
            note: format!("{:.2} : 1", ratio(line, against, |round| round.rate)),
            mark: None,
        });
        let bars: Vec<Bar> = if names.len() == 2 { two_sides.collect() } else { one_side.collect() };
        let title = match self.run.has_bars {
            true => "Answered by one processor, and what it should be ( | )",
            false => "Answered by one processor",
        };
        let labels = Labels { title, x: "operations in a second", y: "" };
        svg::bars(&labels, &names, &bars)
    }

    /// Everything, in Markdown.
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("{}\n\n", self.conditions());
        if let Some(table) = self.machine_table() {
            text.push_str(&table);
            text.push('\n');
        }
        text.push_str(&match self.sides.as_slice() {
            [one, other] => compared(one, other),
            sides => sides.iter().map(|side| self.side_table(side)).collect(),
        });
        for side in &self.sides {
            let Checked { signatures, refused_codes } = side.checked;
            let _ = write!(
                text,
                "\n{}: every answer was looked at; {signatures} signatures of ID tokens verified, {refused_codes} used codes refused",
                side.name
            );
            if let Some(bytes) = side.peak_bytes {
                let _ = write!(text, "; peak memory {:.1} MiB", bytes as f64 / MIB);
            }
            text.push_str(".\n");
        }
        text
    }

    fn conditions(&self) -> String {
        let run = &self.run;
        let pinned = if run.is_pinned { "server and load on one processor each" } else { "nothing pinned" };
        format!(
            "{} · {} · {pinned} · {}, {} rows in each table of tokens · {} connections, {} where the disk is waited for · \
             medians of {} rounds of {} s · open loop at {:.0} % of the capacity · log level {}",
            date(run.at),
            run.machine,
            run.engine,
            thousands(run.rows as f64),
            run.connections,
            run.durable_connections,
            run.rounds,
            run.seconds,
            run.share * 100.0,
            run.log_level,
        )
    }

    fn machine_table(&self) -> Option<String> {
        if self.parts.is_empty() && self.binary.is_none() {
            return None;
        }
        let mut text = "| | measured | bar |\n|---|--:|--:|\n".to_owned();
        let mut line = |what: &str, value: String, bar: &str| {
            let bar = if self.run.has_bars { bar } else { "" };
            let _ = writeln!(text, "| {what} | {value} | {bar} |");
        };
        if let Some(binary) = &self.binary {
            line("binary", format!("{:.1} MiB", binary.bytes as f64 / MIB), "30 MB");
            line("memory, idle", format!("{:.1} MiB", binary.idle_bytes as f64 / MIB), "30 MB");
            let ms = |starts: &[f64]| format!("{:.0} ms", median(starts.iter().copied()));
            line("start to first answer, new folder (makes keys)", ms(&binary.first_starts_ms), "");
            line("start to first answer, empty database", ms(&binary.later_starts_ms), "50 ms");
        }
        if !self.disk_syncs.is_empty() {
            let syncs = median(self.disk_syncs.iter().copied());
            line("the machine: appends of 4 KiB with a sync each", format!("{} /s", thousands(syncs)), "");
        }
        for (part, seconds) in &self.parts {
            let rate = median(seconds.iter().map(|seconds| 1.0 / seconds));
            line(part.title(), format!("{} /s", thousands(rate)), "");
        }
        Some(text)
    }

    fn side_table(&self, side: &SideReport) -> String {
        let mut text = "| operation | answered | bar | of the floor | bar | server's processor | busy | p50 | p99 | p99.9 | \
                        open loop p50 | p99 | p99.9 |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
            .to_owned();
        for line in &side.lines {
            let title = line.operation.title();
            if let Some(why) = line.absent {
                let _ = writeln!(text, "| {title} | absent: {why} | | | | | | | | | | | |");
                continue;
            }
            let bar = line.operation.bar().filter(|_| self.run.has_bars);
            let (rate, share) = (line.rate(), self.of_floor(line));
            let mark =
                |reached: bool, bar: String| format!("{bar}{}", if reached { "" } else { " **missed**" });
            let open =
                |figure: fn(&Latency) -> f64| line.latency.as_ref().map_or(String::new(), |l| ms(figure(l)));
            let p99 = open(|latency| latency.p99_ms);
            let p99 = match (line.operation.p99_bar_ms(), &line.latency) {
                (Some(most), Some(found)) if self.run.has_bars => {
                    format!("{p99} (bar {})", mark(found.p99_ms <= most, ms(most)))
                }
                _ => p99,
            };
            let _ = writeln!(
                text,
                "| {title} | {} /s | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                thousands(rate),
                bar.map_or(String::new(), |bar| mark(
                    rate >= bar.rate,
                    format!("{} /s", thousands(bar.rate))
                )),
                percent(share),
                bar.map_or(String::new(), |bar| match share.is_nan() {
                    true => percent(bar.share),
                    false => mark(share >= bar.share, percent(bar.share)),
                }),
                microseconds(line.of(|round| round.cpu_us)),
                busy(line.of(|round| round.busy)),
                ms(line.of(|round| round.p50_ms)),
                ms(line.of(|round| round.p99_ms)),
                ms(line.of(|round| round.p999_ms)),
                open(|latency| latency.p50_ms),
                p99,
                open(|latency| latency.p999_ms),
            );
        }
        text
    }

    /// Writes everything as `{seconds since 1970}.json` into `folder`.
    pub(crate) fn write(&self, folder: &Path) -> Result<PathBuf> {
        let path = folder.join(format!("{}.json", self.run.at));
        let json = serde_json::to_string_pretty(self)?;
        fs::write(&path, json + "\n").with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}

impl Part {
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Request => "alone: a request to the empty endpoint",
            Self::ReadToken => "alone: an access token read",
            Self::ReadTokenAndPermissions => "alone: the same with 20 permissions",
            Self::ReadPermissions => "alone: a user and all that they hold read",
            Self::ReadSession => "alone: a session read",
            Self::UnitClientCredentials => "alone: unit of work, client credentials",
            Self::UnitAuthorize => "alone: unit of work, code issued",
            Self::UnitRedeem => "alone: unit of work, code redeemed",
            Self::UnitRefresh => "alone: unit of work, refresh token rotated",
            Self::UnitLogout => "alone: unit of work, session ended",
            Self::SignEs256 => "alone: signature ES256",
            Self::SignRs256 => "alone: signature RS256",
            Self::Hash => "alone: Argon2id, 19 MiB, t = 2",
        }
    }
}

/// Two sides, each line with the ratios of the same rounds.
fn compared(one: &SideReport, other: &SideReport) -> String {
    let (a, b) = (&one.name, &other.name);
    let mut text = format!(
        "| operation | {a} | {b} | ratio | {a}: processor | {b}: processor | ratio | {a}: p99 | {b}: p99 | \
         {a}: open loop p99 | {b}: open loop p99 |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
    );
    for (line, against) in one.lines.iter().zip(&other.lines) {
        let title = line.operation.title();
        if let Some((name, why)) =
            line.absent.map(|why| (a, why)).or_else(|| against.absent.map(|why| (b, why)))
        {
            let _ = writeln!(text, "| {title} | absent, {name}: {why} | | | | | | | | | |");
            continue;
        }
        let rate = ratio(line, against, |round| round.rate);
        let cpu = ratio(against, line, |round| round.cpu_us);
        let answered = |line: &Line| {
            let busy = line.of(|round| round.busy);
            let idle = if busy < BUSY { format!(" (busy {})", percent(busy)) } else { String::new() };
            format!("{} /s{idle}", thousands(line.rate()))
        };
        let open = |line: &Line| line.latency.as_ref().map_or(String::new(), |latency| ms(latency.p99_ms));
        let _ = writeln!(
            text,
            "| {title} | {} | {} | {rate:.2} | {} | {} | {cpu:.2} | {} | {} | {} | {} |",
            answered(line),
            answered(against),
            microseconds(line.of(|round| round.cpu_us)),
            microseconds(against.of(|round| round.cpu_us)),
            ms(line.of(|round| round.p99_ms)),
            ms(against.of(|round| round.p99_ms)),
            open(line),
            open(against),
        );
    }
    text
}

/// How many times the figure of `against`, median of the rounds.
pub(crate) fn ratio(line: &Line, against: &Line, figure: impl Fn(&Round) -> f64) -> f64 {
    median(line.rounds.iter().zip(&against.rounds).map(|(one, other)| figure(one) / figure(other)))
}

fn busy(share: f64) -> String {
    let mark = if share < BUSY { " (not at its limit)" } else { "" };
    format!("{}{mark}", percent(share))
}

fn percent(share: f64) -> String {
    if share.is_nan() { String::new() } else { format!("{:.0} %", share * 100.0) }
}

fn microseconds(value: f64) -> String {
    match value {
        value if value.is_nan() => String::new(),
        value if value >= 1_000.0 => format!("{} µs", thousands(value)),
        value => format!("{value:.1} µs"),
    }
}

pub(crate) fn ms(value: f64) -> String {
    match value {
        value if value.is_nan() => String::new(),
        value if value >= 10.0 => format!("{value:.0} ms"),
        value if value >= 1.0 => format!("{value:.1} ms"),
        value => format!("{value:.2} ms"),
    }
}

/// A whole number with commas; three digits of it that say something are enough.
pub(crate) fn thousands(value: f64) -> String {
    if value.is_nan() {
        return "?".to_owned();
    }
    let unit = 10_f64.powi((value.abs().max(1.0).log10().floor() as i32 - 2).max(0));
    let digits = format!("{:.0}", (value / unit).round() * unit);
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Seconds since 1970 now.
pub(crate) fn now() -> Result<u64> {
    #[expect(clippy::disallowed_methods, reason = "the date of a measurement")]
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(now.as_secs())
}

/// The day, in UTC.
pub(crate) fn date(seconds: u64) -> String {
    // Days to a civil date, with years that begin in March (Howard Hinnant's `civil_from_days`).
    let days = seconds / 86_400 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// The processor's name and how many there are.
pub(crate) fn machine() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let names: Vec<&str> = cpus.lines().filter(|line| line.starts_with("model name")).collect();
    let name = names.first().and_then(|line| line.split(':').nth(1)).unwrap_or("unknown").trim().to_owned();
    format!("{} × {name}", names.len().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(rates: &[f64]) -> Line {
        let round = |rate: &f64| Round {
            operations: 1,
            rate: *rate,
            p50_ms: 1.0,
            p99_ms: 2.0,
            p999_ms: 3.0,
            cpu_us: 1e6 / rate,
            busy: 1.0,
        };
        let rounds = rates.iter().map(round).collect();
        Line { operation: Operation::Discovery, absent: None, rounds, latency: None }
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        // The machine was twice as slow in the last round, for both.
        let (one, other) = (line(&[200.0, 202.0, 100.0]), line(&[100.0, 101.0, 50.0]));
        assert_eq!(ratio(&one, &other, |round| round.rate), 2.0);
        assert_eq!(ratio(&other, &one, |round| round.cpu_us), 2.0);
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in
            [(0.0, "0"), (65.4, "65"), (999.6, "1,000"), (45_678.0, "45,700"), (1_234_567.0, "1,230,000")]
        {
            assert_eq!(thousands(value), text);
        }
        assert_eq!(ms(0.234), "0.23 ms");
        assert_eq!(ms(12.3), "12 ms");
    }

    #[test]
    fn a_date_is_a_day() {
        for (seconds, text) in [(0, "1970-01-01"), (951_782_400, "2000-02-29"), (1_795_000_000, "2026-11-18")]
        {
            assert_eq!(date(seconds), text);
        }
    }
}
