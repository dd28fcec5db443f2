//! The `authmachine` binary: configuration, serving, and the operator's commands.
//!
//! It reads the environment, the configuration file, the master key and the terminal, and hands checked values on. It knows
//! *nothing* of the wire and decides nothing about users: that is `authmachine-server` and `authmachine-provider`.

#![allow(rustdoc::bare_urls, reason = "doc comments of arguments are what `--help` prints")]

mod api_token;
mod client;
mod config;
mod config_command;
mod confirm;
mod delegation;
mod demo;
mod demo_data;
mod doctor;
mod grant;
mod group;
mod help_all;
mod installation;
mod json_argument;
mod keys;
mod log;
mod master_key;
mod named;
mod object;
mod output;
mod permission_type;
mod ports;
mod question;
mod secret;
mod serve;
mod tls;
mod transfer;
mod user;
mod when;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, Parser, Subcommand};

use crate::config::{Config, Flags};

use crate::installation::{Installation, Missing};

/// Requests make many small things. After a load it holds about half of what the C library's allocator does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Identity and access: people sign in here, applications learn who they are and what they may do.
#[derive(Parser)]
#[command(name = "authmachine", version, propagate_version = false, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Command,
}

/// Which installation is meant.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Installation")]
struct Place {
    /// The configuration file; else authmachine.toml here, else /etc/authmachine/authmachine.toml
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// `sqlite`, or `postgres://user:password@host/database` (which the process list shows; the file and the environment do not)
    #[arg(long, global = true, value_name = "URL")]
    database: Option<String>,
}

impl Place {
    fn flags(&self) -> Flags {
        Flags { config: self.config.clone(), database: self.database.clone(), ..Flags::default() }
    }

    /// Opens the installation.
    fn open(&self, missing: Missing) -> Result<(Config, Installation)> {
        let config = Config::load(&self.flags())?;
        let installation = Installation::open(&config, missing)?;
        Ok((config, installation))
    }
}

#[derive(Subcommand)]
enum Command {
    /// Serves the provider until SIGTERM or Ctrl-C
    Serve(serve::Options),
    /// Shows the product: provider and demo client on loopback, with users, in a folder that is removed at the end
    Demo(demo::Options),
    /// People
    #[command(subcommand)]
    User(user::Command),
    /// Applications that sign people in here
    #[command(subcommand)]
    Client(client::Command),
    /// Objects, which permissions are about
    #[command(subcommand)]
    Object(object::Command),
    /// Permission types, such as `read`
    #[command(subcommand)]
    PermissionType(permission_type::Command),
    /// Groups of users, and of other groups
    #[command(subcommand)]
    Group(group::Command),
    /// Permission grants: who may do what on which object
    #[command(subcommand)]
    Grant(grant::Command),
    /// What users lend to each other
    #[command(subcommand)]
    Delegation(delegation::Command),
    /// Says whether a user may do something: ends with 0 for yes, with 1 for no
    Check(question::Options),
    /// Explains why a user may do something, or may not and what comes nearest
    Why(question::Options),
    /// Writes all permission data to standard output, in JSON Lines: types, objects, groups, grants and what is lent
    Export,
    /// Takes in what `export` wrote, here or elsewhere; a second time changes nothing
    Import(transfer::ImportOptions),
    /// API tokens, for programs that ask about permissions
    #[command(subcommand)]
    ApiToken(api_token::Command),
    /// Keys that sign ID tokens
    #[command(subcommand)]
    Keys(keys::Command),
    /// The configuration
    #[command(subcommand)]
    Config(config_command::Command),
    /// Names the risks of this installation, and what to do about each; fails when there is one
    Doctor(doctor::Options),
    /// Prints the help of a command, as its --help does
    #[command(hide = true)]
    Help {
        /// Such as `client add`
        command: Vec<String>,
    },
    /// Prints the help of every command, in Markdown
    #[command(hide = true)]
    HelpAll,
}

fn main() -> ExitCode {
    let Cli { place, command } = Cli::parse();
    match run(command, &place) {
        Ok(code) => code,
        Err(error) => {
            output::note(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Prints the help of the command that `words` name. Not clap's own `help`, which every list of commands would name.
fn help(words: &[String]) -> Result<()> {
    let mut root = Cli::command();
    root.build();
    let mut shown = &mut root;
    for word in words {
        shown = shown.find_subcommand_mut(word).unwrap_or_else(|| {
            let why = format!("there is no command `{}`; `authmachine --help` lists them", words.join(" "));
            Cli::command().error(ErrorKind::InvalidSubcommand, why).exit()
        });
    }
    Ok(shown.print_help()?)
}

fn run(command: Command, place: &Place) -> Result<ExitCode> {
    match command {
        Command::Serve(options) => serve::run(options, place)?,
        Command::Demo(options) => demo::run(&options, place)?,
        Command::User(command) => user::run(command, place)?,
        Command::Client(command) => client::run(command, place)?,
        Command::Object(command) => object::run(command, place)?,
        Command::PermissionType(command) => permission_type::run(command, place)?,
        Command::Group(command) => group::run(command, place)?,
        Command::Grant(command) => grant::run(command, place)?,
        Command::Delegation(command) => delegation::run(command, place)?,
        Command::Check(options) => return question::check(&options, place),
        Command::Why(options) => question::why(&options, place)?,
        Command::Export => transfer::export(place)?,
        Command::Import(options) => return transfer::import(&options, place),
        Command::ApiToken(command) => api_token::run(command, place)?,
        Command::Keys(command) => keys::run(command, place)?,
        Command::Config(command) => config_command::run(command, place)?,
        Command::Doctor(options) => return doctor::run(&options, place),
        Command::Help { command } => help(&command)?,
        Command::HelpAll => help_all::run()?,
    }
    Ok(ExitCode::SUCCESS)
}
