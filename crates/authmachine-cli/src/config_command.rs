//! `authmachine config …`

use anyhow::Result;
use authmachine_server::Clock;
use authmachine_store::settings::Database;
use clap::Subcommand;

use crate::config::{self, Config};
use crate::{Place, master_key, output, tls, when};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Reads and checks the configuration as the start does, and changes nothing
    Check,
    /// Prints a sample of authmachine.toml: every setting with its default
    Sample,
    /// Prints the reference of every setting, in Markdown
    #[command(hide = true)]
    Reference,
}

pub(crate) fn run(command: Command, place: &Place) -> Result<()> {
    match command {
        Command::Check => check(place),
        Command::Sample => Ok(output::text(&config::sample())?),
        Command::Reference => Ok(output::text(&config::reference())?),
    }
}

fn check(place: &Place) -> Result<()> {
    let config = Config::load(&place.flags())?;
    let has_key = master_key::read(&config.key_file)?.is_some();
    let certificate = config.tls.as_ref().map(|files| tls::read(files, Clock::System.now())).transpose()?;

    let port = config.listen.first().map_or(0, |address| address.port());
    let file =
        config.file.as_ref().map_or("none, so the defaults".to_owned(), |file| file.display().to_string());
    let database = match &config.database {
        Database::Sqlite { folder, .. } => format!("SQLite in {}", folder.display()),
        Database::Postgres { .. } => "PostgreSQL".to_owned(),
    };
    let tls = match (&config.tls, certificate) {
        (Some(files), Some(certificate)) => {
            format!(
                "{}, valid until {}",
                files.certificate.display(),
                when::rfc3339_of(certificate.ends_at())
            )
        }
        _ => "none".to_owned(),
    };
    let made_later = if has_key { "" } else { " (made at the first start)" };
    output::line(format_args!("file        {file}"))?;
    output::line(format_args!("issuer      {}", config.settings(port).issuer.as_str()))?;
    output::line(format_args!("listen      {}", join(&config.listen)))?;
    output::line(format_args!("tls         {tls}"))?;
    output::line(format_args!("metrics     {}", join(config.metrics_listen.as_slice())))?;
    output::line(format_args!("database    {database}"))?;
    output::line(format_args!("master key  {}{made_later}", config.key_file.display()))?;
    Ok(output::line("The configuration can be used")?)
}

fn join(addresses: &[std::net::SocketAddr]) -> String {
    if addresses.is_empty() {
        return "none".to_owned();
    }
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
