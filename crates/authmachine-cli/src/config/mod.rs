//! The configuration: file, then environment, then flags; as written, then checked.

mod print;
mod raw;
mod sections;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use authmachine_pages::Brand;
use authmachine_permissions::{AnswerShape, LendSettings, MAX_HOPS};
use authmachine_provider::client::PkceRule;
use authmachine_provider::keys::Schedule;
use authmachine_provider::{lives, password};
use authmachine_server::fetch::FetchSettings;
use authmachine_server::settings::{PermissionSettings, Registration, RegistrationMode};
use authmachine_server::{Issuer, Settings};
use authmachine_store::settings::{Database, Synchronous};

pub(crate) use print::{reference, sample};
pub(crate) use raw::{Given, Problem, Problems};
use raw::{Seconds, Written, env_name};
use sections::RawConfig;

use crate::tls;

/// Where the file is when nobody says so, the first that is there.
const FILES: [&str; 2] = ["authmachine.toml", "/etc/authmachine/authmachine.toml"];
/// The flag that names the database.
const DATABASE_FLAG: &str = "--database";
/// The master key's file in the data folder.
const KEY_FILE: &str = "authmachine.key";

/// Each module of a plan registers clients, all of them from one address.
const MAX_CLIENTS_FOR_CONFORMANCE: i64 = 100_000;

/// The longest that anything lives.
const YEARS: i64 = 10 * 366 * 86_400;

/// A checked configuration.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The file that was read.
    pub(crate) file: Option<PathBuf>,
    /// The issuer, unless it follows from the port.
    pub(crate) issuer: Option<Issuer>,
    /// The addresses of the provider.
    pub(crate) listen: Vec<SocketAddr>,
    /// With TLS there, by these files.
    pub(crate) tls: Option<tls::Files>,
    /// Nobody named them, so that a machine without IPv6 may do with IPv4.
    pub(crate) listens_by_default: bool,
    /// The address for operators.
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// Nobody named it, so that a second installation on one machine may do without.
    pub(crate) metrics_by_default: bool,
    /// The database.
    pub(crate) database: Database,
    /// The master key.
    pub(crate) key_file: PathBuf,
    /// The log.
    pub(crate) log: Log,
    /// Whether tokens may pass through browsers.
    pub(crate) implicit: bool,
    pub(crate) unsigned_request_objects: bool,
    pub(crate) unsigned_id_tokens: bool,
    registration: Registration,
    permissions: PermissionSettings,
    lending: LendSettings,
    /// Whether the installation is there to be certified.
    pub(crate) is_for_conformance: bool,
    /// Where the database was named.
    database_place: String,
    lives: lives::Lives,
    keys: Schedule,
    pkce: PkceRule,
    fetch: FetchSettings,
    brand: Brand,
    trusted_proxies: Vec<IpAddr>,
    min_password_characters: usize,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Log {
    /// One JSON object a line.
    pub(crate) json: bool,
    /// The least that is written.
    pub(crate) level: tracing::Level,
}

/// What can be said by flags.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    /// `--config`.
    pub(crate) config: Option<PathBuf>,
    /// `--database`.
    pub(crate) database: Option<String>,
    /// `--listen`.
    pub(crate) listen: Vec<String>,
    /// `--issuer`.
    pub(crate) issuer: Option<String>,
}

impl Config {
    /// Reads and checks the configuration of this process.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub(crate) fn load(flags: &Flags) -> anyhow::Result<Self> {
        let file = match &flags.config {
            Some(file) => Some(file.clone()),
            None => FILES.map(PathBuf::from).into_iter().find(|file| file.exists()),
        };
        let text = file.as_deref().map(read).transpose()?;
        let written = file.as_deref().zip(text.as_deref());
        Ok(Self::check(written, std::env::vars_os(), flags)?)
    }

    /// The configuration of an installation in `folder`, with every other setting at its default.
    ///
    /// # Errors
    /// When the folder's name cannot be a setting.
    pub(crate) fn of_folder(folder: &Path) -> anyhow::Result<Self> {
        let name = env_name("data", "folder").into();
        Ok(Self::check(None, [(name, folder.as_os_str().to_owned())], &Flags::default())?)
    }

    /// Checks what was written.
    fn check(
        file: Option<(&Path, &str)>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        flags: &Flags,
    ) -> Result<Self, Problems> {
        let mut written = Written::default();
        if let Some((path, text)) = file {
            written.file(&path.display().to_string(), text);
        }
        written.environment(environment);
        if let Some(issuer) = &flags.issuer {
            written.flag("server", "issuer", "--issuer", issuer.clone());
        }
        if !flags.listen.is_empty() {
            written.flag("server", "listen", "--listen", flags.listen.join(","));
        }
        if let Some(database) = &flags.database {
            written.flag("database", "url", DATABASE_FLAG, database.clone());
        }
        let raw = RawConfig::read(&mut written);
        let mut problems = written.problems();
        let config = Self::mean(raw, &mut problems);
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        Ok(Self { file: file.map(|(path, _)| path.to_owned()), ..config })
    }

    /// What `raw` means. Where something is wrong, `problems` gets it and something stands in its place.
    fn mean(raw: RawConfig, problems: &mut Vec<Problem>) -> Self {
        let RawConfig {
            server,
            tls,
            database,
            data,
            pkce,
            oidc,
            registration,
            permissions,
            lending,
            fetch,
            lives,
            keys,
            password,
            brand,
            log,
        } = raw;
        let mut check = Check(problems);

        let listen: Vec<SocketAddr> = check.each(&server.listen, |text| {
            text.parse()
                .map_err(|_| format!("{text:?} is not an address such as 127.0.0.1:8000 or [::1]:8000"))
        });
        if listen.is_empty() && server.listen.value.is_empty() {
            check.say(&server.listen, "at least one address is needed");
        }
        let issuer = check.read(&server.issuer, |text| match text {
            "" => Ok(None),
            _ => Issuer::parse(text).map(Some).map_err(|why| format!("{text:?} is not an issuer: {why}")),
        });
        let issuer = issuer.flatten();
        let tls = check.tls(&tls);
        if tls.is_some() && issuer.as_ref().is_some_and(|issuer| !issuer.is_https()) {
            check.say(
                &server.issuer,
                "with a certificate (tls.certificate_file) this server speaks https, and so does its issuer",
            );
        }
        if server.issuer.value.is_empty() && !listen.iter().all(|address| address.ip().is_loopback()) {
            check.say(
                &server.issuer,
                "beyond loopback an issuer is needed: the https address that browsers use, such as https://id.example.com",
            );
        }
        let metrics_listen = check.read(&server.metrics_listen, |text| match text {
            "" => Ok(None),
            _ => text
                .parse()
                .map(Some)
                .map_err(|_| format!("{text:?} is not an address such as 127.0.0.1:9464")),
        });
        let trusted_proxies = check.each(&server.trusted_proxies, |text| {
            text.parse().map_err(|_| format!("{text:?} is not an IP address; networks are not understood"))
        });

        let folder = PathBuf::from(&data.folder.value);
        if data.folder.value.is_empty() {
            check.say(&data.folder, "a folder is needed");
        }
        let is_postgres = database.url.value != "sqlite";
        let max_connections = check.between(&database.max_connections, 1..=500);
        let database_place = database.url.place.clone();
        let key_file = match data.key_file.value.as_str() {
            "" if is_postgres => {
                check.say(
                    &data.key_file,
                    "with PostgreSQL the master key's file must be named, because it stands in no data folder; \
                     at the first start it is made there",
                );
                PathBuf::new()
            }
            "" => folder.join(KEY_FILE),
            file => PathBuf::from(file),
        };
        let store = check.read(&database.url, |url| match url {
            "sqlite" => Ok(Database::Sqlite { folder: folder.clone(), synchronous: Synchronous::Full }),
            _ if ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme))
                || url.contains("host=") =>
            {
                Ok(Database::Postgres {
                    url: url.to_owned(),
                    max_connections: usize::try_from(max_connections).unwrap_or(1),
                })
            }
            // Not echoed: there may be a password in it.
            _ => Err(
                "it is neither sqlite (its place is data.folder) nor postgres://user:password@host/database"
                    .to_owned(),
            ),
        });

        let is_for_conformance = check.read(&oidc.profile, |word| match word {
            "standard" => Ok(false),
            "conformance" => Ok(true),
            _ => Err(format!("{word:?} is not standard or conformance")),
        });
        let is_for_conformance = is_for_conformance.unwrap_or(false);
        let switch = |given: &Given<bool>| if given.is_default { is_for_conformance } else { given.value };
        let implicit = switch(&oidc.implicit);
        let unsigned_request_objects = switch(&oidc.unsigned_request_objects);
        let unsigned_id_tokens = switch(&oidc.unsigned_id_tokens);
        let registration = Registration {
            mode: match registration.mode.is_default && is_for_conformance {
                true => RegistrationMode::Open,
                false => check
                    .read(&registration.mode, |word| match word {
                        "off" => Ok(RegistrationMode::Off),
                        "token" => Ok(RegistrationMode::Token),
                        "open" => Ok(RegistrationMode::Open),
                        _ => Err(format!("{word:?} is not off, token or open")),
                    })
                    .unwrap_or(RegistrationMode::Off),
            },
            max_clients: match registration.max_clients.is_default && is_for_conformance {
                true => MAX_CLIENTS_FOR_CONFORMANCE,
                false => check.between(&registration.max_clients, 1..=1_000_000),
            },
            unused_s: check.seconds(&registration.unused, 3_600, YEARS),
        };
        let permissions = PermissionSettings {
            index_max_bytes: usize::try_from(check.between(&permissions.index_max_mib, 0..=1 << 20))
                .unwrap_or(0)
                << 20,
            answer_shape: check
                .read(&permissions.answer_shape, |word| match word {
                    "merged" => Ok(AnswerShape::Merged),
                    "wrapped" => Ok(AnswerShape::Wrapped),
                    "flat" => Ok(AnswerShape::Flat),
                    _ => Err(format!("{word:?} is not merged, wrapped or flat")),
                })
                .unwrap_or_default(),
            giver_conditions_bind_taker: permissions.giver_conditions_bind_taker.value,
            ..PermissionSettings::default()
        };
        let lending = LendSettings {
            most_hops: u8::try_from(check.between(&lending.max_hops, 0..=i64::from(MAX_HOPS))).unwrap_or(0),
            longest_ms: Some(check.seconds(&lending.max_time, 60, YEARS) * 1_000),
            most_given: usize::try_from(check.between(&lending.max_given, 0..=100_000)).unwrap_or(0),
            most_taken: usize::try_from(check.between(&lending.max_taken, 0..=100_000)).unwrap_or(0),
            login_within_ms: Some(check.seconds(&lending.recent_login, 60, YEARS) * 1_000),
            ..LendSettings::default()
        };
        let pkce = match pkce.required.is_default && is_for_conformance {
            true => Some(PkceRule::Public),
            false => check.read(&pkce.required, |word| {
                PkceRule::from_word(word).ok_or_else(|| format!("{word:?} is not auto, all or public"))
            }),
        };
        let private_networks = check.each(&fetch.private_networks, |text| {
            text.parse().map_err(|why| format!("{text:?} is not a network: {why}"))
        });
        let ca_certificates = check.read(&fetch.ca_file, |file| match file {
            "" => Ok(Vec::new()),
            _ => tls::read_roots(Path::new(file)).map_err(|why| format!("{why:#}")),
        });
        let fetch = FetchSettings { private_networks, ca_certificates: ca_certificates.unwrap_or_default() };
        let lives = check.lives(&lives);
        let keys = check.keys(&keys);
        let min_password_characters =
            check.between(&password.min_characters, password::MIN_CHARACTERS as i64..=128);
        let product_name = check.read(&brand.product_name, |name| {
            let is_fine =
                !name.trim().is_empty() && name.chars().count() <= 40 && !name.chars().any(char::is_control);
            if is_fine {
                Ok(name.to_owned())
            } else {
                Err("a name has 1 to 40 printable characters".to_owned())
            }
        });
        let accent = check.read(&brand.accent, |colour| {
            colour.parse().map_err(|why: authmachine_pages::AccentError| why.to_string())
        });
        let json = check.read(&log.format, |word| match word {
            "text" => Ok(false),
            "json" => Ok(true),
            _ => Err(format!("{word:?} is not text or json")),
        });
        let level = check.read(&log.level, |word| match word {
            "error" => Ok(tracing::Level::ERROR),
            "warn" => Ok(tracing::Level::WARN),
            "info" => Ok(tracing::Level::INFO),
            "debug" => Ok(tracing::Level::DEBUG),
            "trace" => Ok(tracing::Level::TRACE),
            _ => Err(format!("{word:?} is not error, warn, info, debug or trace")),
        });

        let usual = Brand::default();
        Self {
            file: None,
            issuer,
            listen,
            tls,
            listens_by_default: server.listen.is_default,
            metrics_listen: metrics_listen.flatten(),
            metrics_by_default: server.metrics_listen.is_default,
            database: store.unwrap_or(Database::Sqlite { folder, synchronous: Synchronous::Full }),
            key_file,
            implicit,
            unsigned_request_objects,
            unsigned_id_tokens,
            registration,
            permissions,
            lending,
            is_for_conformance,
            log: Log { json: json.unwrap_or(false), level: level.unwrap_or(tracing::Level::INFO) },
            database_place,
            lives,
            keys,
            pkce: pkce.unwrap_or(PkceRule::Auto),
            fetch,
            brand: Brand {
                product_name: product_name.unwrap_or(usual.product_name),
                accent: accent.unwrap_or(usual.accent),
            },
            trusted_proxies,
            min_password_characters: usize::try_from(min_password_characters)
                .unwrap_or(password::MIN_CHARACTERS),
        }
    }

    /// The provider's settings, once it listens on `port`.
    pub(crate) fn settings(&self, port: u16) -> Settings {
        let issuer = self.issuer.clone().unwrap_or_else(|| {
            let localhost = format!("{}://localhost", self.scheme());
            Issuer::parse(&format!("{localhost}:{port}"))
                .or_else(|_| Issuer::parse(&localhost))
                .expect("loopback may be plain http; the scheme's own port is the one that is not written")
        });
        Settings {
            lives: self.lives,
            keys: self.keys,
            pkce: self.pkce,
            implicit: self.implicit,
            unsigned_request_objects: self.unsigned_request_objects,
            unsigned_id_tokens: self.unsigned_id_tokens,
            registration: self.registration,
            permissions: self.permissions,
            lending: self.lending.clone(),
            brand: self.brand.clone(),
            trusted_proxies: self.trusted_proxies.clone(),
            fetch: self.fetch.clone(),
            min_password_characters: self.min_password_characters,
            ..Settings::new(issuer)
        }
    }

    /// What is spoken on the provider's addresses.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Whether a flag named the database.
    pub(crate) fn database_by_flag(&self) -> bool {
        self.database_place == DATABASE_FLAG
    }

    /// Whether the file names the database, with its password maybe.
    pub(crate) fn database_by_file(&self) -> bool {
        self.file
            .as_ref()
            .is_some_and(|file| self.database_place.starts_with(&format!("{}:", file.display())))
    }

    /// The folder of the embedded database.
    pub(crate) fn folder(&self) -> Option<&Path> {
        match &self.database {
            Database::Sqlite { folder, .. } => Some(folder),
            Database::Postgres { .. } => None,
        }
    }
}

fn read(file: &Path) -> anyhow::Result<String> {
    let hint = |error: &std::io::Error| match error.kind() {
        std::io::ErrorKind::PermissionDenied => "; does it belong to the service's user?",
        std::io::ErrorKind::NotFound => "; `authmachine config sample` prints one to begin with",
        std::io::ErrorKind::InvalidData => "; a configuration file is UTF-8",
        _ => "",
    };
    std::fs::read_to_string(file)
        .map_err(|error| anyhow::anyhow!("cannot read {}: {error}{}", file.display(), hint(&error)))
}

/// Collects what is wrong.
struct Check<'a>(&'a mut Vec<Problem>);

impl Check<'_> {
    fn say<T>(&mut self, at: &Given<T>, message: impl Into<String>) {
        self.0.push(Problem::new(at.place.clone(), message));
    }

    fn read<T>(&mut self, given: &Given<String>, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        read(given.value.trim()).map_err(|why| self.say(given, why)).ok()
    }

    fn each<T>(&mut self, given: &Given<Vec<String>>, read: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let read: Vec<_> = given.value.iter().map(|text| read(text)).collect();
        read.into_iter().filter_map(|one| one.map_err(|why| self.say(given, why)).ok()).collect()
    }

    fn between(&mut self, given: &Given<i64>, range: std::ops::RangeInclusive<i64>) -> i64 {
        if !range.contains(&given.value) {
            self.say(given, format!("{} is not between {} and {}", given.value, range.start(), range.end()));
        }
        given.value
    }

    fn seconds(&mut self, given: &Given<Seconds>, least: i64, most: i64) -> i64 {
        let Seconds(seconds) = given.value;
        if !(least..=most).contains(&seconds) {
            self.say(given, format!("{seconds} s is not between {least} s and {most} s"));
        }
        seconds
    }

    fn tls(&mut self, given: &sections::Tls) -> Option<tls::Files> {
        let sections::Tls { certificate_file, key_file } = given;
        match (certificate_file.value.as_str(), key_file.value.as_str()) {
            ("", "") => None,
            (certificate, "") => {
                self.say(key_file, format!("the key of the certificate {certificate} is not named"));
                None
            }
            ("", key) => {
                self.say(certificate_file, format!("the certificate of the key {key} is not named"));
                None
            }
            (certificate, key) => Some(tls::Files { certificate: certificate.into(), key: key.into() }),
        }
    }

    fn keys(&mut self, given: &sections::Keys) -> Schedule {
        let keys = Schedule {
            rotate_after_s: self.seconds(&given.rotate_after, 0, YEARS),
            publish_before_s: self.seconds(&given.publish_before, 3_600, YEARS),
        };
        // Clients read key sets of some size; a day is also the longest that a retired key stays for hints.
        if (1..86_400).contains(&keys.rotate_after_s) {
            self.say(&given.rotate_after, "a key signs for 1d at least, or for ever (0)");
        } else if keys.rotate_after_s > 0 && keys.rotate_after_s <= keys.publish_before_s {
            self.say(
                &given.rotate_after,
                "a key signs for longer than the next one is published before (keys.publish_before)",
            );
        }
        keys
    }

    fn lives(&mut self, given: &sections::Lives) -> lives::Lives {
        let mut life = |given: &Given<Seconds>, least: i64, most: i64| self.seconds(given, least, most);
        let lives = lives::Lives {
            session_idle_s: life(&given.session_idle, 60, YEARS),
            session_s: life(&given.session, 60, YEARS),
            // RFC 6749 §4.1.2 recommends ten minutes at most.
            code_s: life(&given.code, 1, 600),
            access_token_s: life(&given.access_token, 1, YEARS),
            first_party_access_token_s: life(&given.first_party_access_token, 1, YEARS),
            id_token_s: life(&given.id_token, 1, YEARS),
            refresh_idle_s: life(&given.refresh_idle, 1, YEARS),
            refresh_s: life(&given.refresh, 1, YEARS),
            interaction_s: life(&given.interaction, 60, 86_400),
            refresh_grace_s: life(&given.refresh_grace, 0, 10),
        };
        if lives.session_idle_s > lives.session_s {
            self.say(
                &given.session_idle,
                "a session cannot be idle for longer than it lives (lives.session)",
            );
        }
        if lives.refresh_idle_s > lives.refresh_s {
            self.say(
                &given.refresh_idle,
                "a refresh token cannot be idle for longer than it lives (lives.refresh)",
            );
        }
        lives
    }
}
