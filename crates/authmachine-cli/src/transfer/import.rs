//! Reading what was exported, in units of bounded size.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use authmachine_store::{StoreError, Tx};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::apply::{Done, Refused, apply};
use super::line::{Header, Line, MAX_LINE};
use crate::installation::{Installation, Missing, Scribe};
use crate::{Place, output};

/// Records in one unit of work: the database is held for a moment only.
const UNIT: usize = 200;
/// How long a dry run may take, which is one unit.
const DRY_RUN_DEADLINE: Duration = Duration::from_secs(3_600);
/// How many refused lines `--json` lists; all are told on standard error.
const MOST_LISTED: usize = 1_000;

#[derive(Args)]
pub(crate) struct Options {
    /// The file that `export` wrote; `-` reads standard input
    file: PathBuf,
    /// Says what would happen, and changes nothing. It is done and taken back as a whole: others who change something wait meanwhile
    #[arg(long)]
    dry_run: bool,
    /// Ends at the first line that is refused; what came before stays
    #[arg(long)]
    stop_at_first: bool,
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

/// A line by its number: a record, or why it is none.
type Numbered = (u64, Result<Line, String>);

pub(crate) fn import(options: &Options, place: &Place) -> Result<ExitCode> {
    let (_, installation) = place.open(Missing::Refuse)?;
    let mut lines = Lines::open(&options.file)?;
    let mut report = Report::default();
    if options.dry_run {
        let all: Vec<Numbered> = lines.by_ref().collect::<Result<_>>()?;
        lines.bar.set_message("checking");
        report.take(dry_run(&installation, all, options.stop_at_first)?, &lines.bar);
    } else {
        loop {
            let unit: Vec<Numbered> = lines.by_ref().take(UNIT).collect::<Result<_>>()?;
            let Some((first, _)) = unit.first() else { break };
            let first = *first;
            let (scribe, stop_at_first) = (installation.scribe(), options.stop_at_first);
            let done =
                installation.write(move |tx| run(tx, &unit, &scribe, stop_at_first)).with_context(|| {
                    format!("stopped at line {first}; what came before is stored, import it again")
                })?;
            report.take(done, &lines.bar);
            if stop_at_first && report.refused > 0 {
                break;
            }
        }
    }
    lines.bar.finish_and_clear();
    report.tell(options)?;
    Ok(if report.refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What became of lines.
type Outcomes = Vec<(u64, Result<Done, String>)>;

fn run(tx: &mut Tx, unit: &[Numbered], scribe: &Scribe, stop_at_first: bool) -> Result<Outcomes, StoreError> {
    let mut outcomes = Vec::with_capacity(unit.len());
    for (number, line) in unit {
        let outcome = match line {
            Err(why) => Err(why.clone()),
            Ok(line) => match apply(tx, line, scribe) {
                Ok(done) => Ok(done),
                Err(Refused::Because(why)) => Err(why),
                Err(Refused::Store(error)) => return Err(error),
            },
        };
        let is_end = stop_at_first && outcome.is_err();
        outcomes.push((*number, outcome));
        if is_end {
            break;
        }
    }
    Ok(outcomes)
}

/// Runs everything in one unit, which fails at its end: so nothing stays.
fn dry_run(installation: &Installation, all: Vec<Numbered>, stop_at_first: bool) -> Result<Outcomes> {
    let found = Arc::new(Mutex::new(None));
    let (told, scribe) = (Arc::clone(&found), installation.scribe());
    let result: Result<(), StoreError> =
        installation.store.write_blocking(Instant::now() + DRY_RUN_DEADLINE, move |tx| {
            let outcomes = run(tx, &all, &scribe, stop_at_first)?;
            *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcomes);
            Err(StoreError::Driver("a dry run is taken back".into()))
        });
    let outcomes = found.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (outcomes, result) {
        (Some(outcomes), _) => Ok(outcomes),
        (None, Err(error)) => Err(error).context("the dry run did not come to its end; nothing was changed"),
        (None, Ok(())) => bail!("the dry run said nothing"),
    }
}

#[derive(Default)]
struct Report {
    made: u64,
    changed: u64,
    same: u64,
    refused: u64,
    /// The first of them.
    listed: Vec<(u64, String)>,
}

impl Report {
    fn take(&mut self, outcomes: Outcomes, bar: &ProgressBar) {
        for (number, outcome) in outcomes {
            match outcome {
                Ok(Done::Made) => self.made += 1,
                Ok(Done::Changed) => self.changed += 1,
                Ok(Done::Same) => self.same += 1,
                Err(why) => {
                    self.refused += 1;
                    bar.suspend(|| output::note(format_args!("line {number}: {why}")));
                    if self.listed.len() < MOST_LISTED {
                        self.listed.push((number, why));
                    }
                }
            }
        }
    }

    fn tell(&self, options: &Options) -> Result<()> {
        let Self { made, changed, same, refused, listed } = self;
        if options.json {
            let lines: Vec<_> =
                listed.iter().map(|(line, reason)| json!({ "line": line, "reason": reason })).collect();
            return Ok(output::json(&json!({
                "dry_run": options.dry_run,
                "made": made,
                "changed": changed,
                "unchanged": same,
                "refused": refused,
                "refused_lines": lines,
            }))?);
        }
        let would = if options.dry_run { " (a dry run: nothing was changed)" } else { "" };
        Ok(output::line(format_args!(
            "{made} made, {changed} changed, {same} as they were, {refused} refused{would}"
        ))?)
    }
}

/// The records of a file.
struct Lines {
    input: Box<dyn BufRead>,
    number: u64,
    bar: ProgressBar,
}

impl Lines {
    /// Opens a file and reads its header.
    fn open(path: &Path) -> Result<Self> {
        let (input, bytes): (Box<dyn BufRead>, _) = if path == Path::new("-") {
            (Box::new(BufReader::new(io::stdin())), None)
        } else {
            let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
            let bytes = file.metadata().ok().map(|found| found.len());
            (Box::new(BufReader::new(file)), bytes)
        };
        // Drawn on standard error, and only where that is a terminal.
        let bar = bytes.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        if bytes.is_some() {
            let style = ProgressStyle::with_template("{bar:40} {percent}% {eta} {msg}");
            bar.set_style(style.context("the template is ours")?);
        }
        let mut lines = Self { input, number: 0, bar };
        let header = lines.read_line()?.unwrap_or_else(|| Ok(String::new()));
        if let Err(why) = header.and_then(|header| Header::check(&header)) {
            bail!("{} is no export of permissions that can be read here: {why}", path.display());
        }
        Ok(lines)
    }

    /// The next line without its end; `Err` inside says why it cannot be read as one.
    fn read_line(&mut self) -> Result<Option<Result<String, String>>> {
        let mut bytes = Vec::new();
        let most = MAX_LINE as u64 + 1;
        let mut read =
            self.input.as_mut().take(most).read_until(b'\n', &mut bytes).context("cannot read on")?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        let is_whole = bytes.last() == Some(&b'\n');
        if !is_whole && bytes.len() > MAX_LINE {
            read += self.input.skip_until(b'\n').context("cannot read on")?;
            self.bar.inc(read as u64);
            return Ok(Some(Err(format!("a line has at most {MAX_LINE} bytes"))));
        }
        self.bar.inc(read as u64);
        let text = String::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned());
        Ok(Some(text.map(|text| text.trim_end().to_owned())))
    }
}

impl Iterator for Lines {
    type Item = Result<Numbered>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let line = match self.read_line() {
                Ok(line) => line?,
                Err(error) => return Some(Err(error)),
            };
            // A line of nothing is nothing.
            if line.as_ref().is_ok_and(String::is_empty) {
                continue;
            }
            return Some(Ok((self.number, line.and_then(|text| Line::parse(&text)))));
        }
    }
}
