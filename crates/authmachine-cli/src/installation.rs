//! An opened installation: its store and its keys, for the commands that work on it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use authmachine_provider::Timestamp;
use authmachine_provider::client::Client;
use authmachine_provider::event::{Event, EventKind};
use authmachine_provider::ids::{EPOCH_MS, IdSource, Kind};
use authmachine_provider::permission_records::{Group, Named, Object, PermissionType};
use authmachine_provider::user::User;
use authmachine_server::secrets::Secrets;
use authmachine_server::{Clock, events, random};
use authmachine_store::settings::Settings;
use authmachine_store::{Reads, Store, StoreError, Tx};
use serde_json::{Map, Value};

use crate::config::Config;
use crate::master_key::{self, MasterKey};
use crate::named::{self, PAGE};
use crate::output;

/// Who the audit trail says it was.
pub(crate) const ACTOR: &str = "operator";
/// Where the database keeps what it knows its key by.
const KEY_CHECK: &str = "key_check";
/// The embedded database, as the store names it.
const DATABASE_FILE: &str = "authmachine.db";
/// How long a command waits for its turn.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);

/// What to do where there is no installation yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Make a new one.
    Make,
    /// The same without a word: nobody keeps a demo's key.
    MakeUnsaid,
    /// Say so: a list of nothing, in a folder that was made by a mistake, helps nobody.
    Refuse,
}

/// An opened installation.
pub(crate) struct Installation {
    /// The store.
    pub(crate) store: Store,
    /// The master key.
    pub(crate) master_key: MasterKey,
    /// Keys derived from it.
    pub(crate) secrets: Secrets,
    /// Whether who borrowed a right must meet the conditions of the lender's grant too.
    pub(crate) giver_conditions_bind_taker: bool,
    ids: Arc<IdSource>,
}

impl Installation {
    /// Opens what `config` names.
    ///
    /// # Errors
    /// A database without its key, a key without its database, a key that others can read, a database that does not answer.
    pub(crate) fn open(config: &Config, missing: Missing) -> Result<Self> {
        // A board without a battery begins in 1970. Ids are made of the time: those of the next such start would be the same.
        if Clock::System.now().ms() < EPOCH_MS {
            bail!(
                "the clock of this machine is wrong: it says that 2024 is still to come; set it, then start again"
            );
        }
        let key = master_key::read(&config.key_file)?;
        if missing == Missing::Refuse
            && config.folder().is_some_and(|folder| !folder.join(DATABASE_FILE).exists())
        {
            return Err(not_there(config));
        }
        let store = Store::open(Settings::new(config.database.clone()))?;
        let check = store.read_blocking(|reads| reads.find_meta(KEY_CHECK))?;
        let file = config.key_file.display();
        let master_key = match (key, &check) {
            (None, Some(_)) => bail!(
                "the database was made with a master key, and there is none in {file}; \
                 put it there from your backup (without it, nobody can sign in and no secret can be checked)"
            ),
            (None, None) if missing == Missing::Refuse => return Err(not_there(config)),
            (None, None) => match master_key::make(&config.key_file)? {
                Some(key) => {
                    if missing == Missing::Make {
                        output::note(format_args!(
                            "Made the master key {file}; keep a copy apart from the database."
                        ));
                    }
                    key
                }
                None => {
                    master_key::read(&config.key_file)?.context("the master key came and went; try again")?
                }
            },
            (Some(key), None) if missing == Missing::Make => {
                output::note(format_args!(
                    "A new database for the master key {file}. If there was one before, stop, and restore your backup."
                ));
                key
            }
            (Some(key), _) => key,
        };
        let installation = Self {
            giver_conditions_bind_taker: config.settings(0).permissions.giver_conditions_bind_taker,
            ..Self::with_key(store, master_key)
        };
        installation.prove_key().with_context(|| format!("the master key is {file}"))?;
        Ok(installation)
    }

    fn with_key(store: Store, master_key: MasterKey) -> Self {
        let [node] = random::bytes();
        Self {
            store,
            secrets: Secrets::derive(&master_key),
            master_key,
            giver_conditions_bind_taker: false,
            ids: Arc::new(IdSource::new(node)),
        }
    }

    /// Checks that the database was made with this key; a new one is from now on.
    fn prove_key(&self) -> Result<()> {
        let ours = master_key::check_value(&self.master_key);
        let known = self.read(|reads| reads.find_meta(KEY_CHECK))?;
        let known = match known {
            Some(known) => Some(known),
            None => {
                let ours = ours.clone();
                self.write(move |tx| {
                    // A database that has keys and no check value was not made by us, or lost a row.
                    if tx.list_signing_keys()?.is_empty() {
                        tx.insert_meta(KEY_CHECK, &ours)?;
                    }
                    tx.find_meta(KEY_CHECK)
                })?
            }
        };
        if known != Some(ours) {
            bail!(
                "the database was made with another master key; put that one in its place from your backup"
            );
        }
        Ok(())
    }

    /// The time now.
    pub(crate) fn now(&self) -> Timestamp {
        Clock::System.now()
    }

    /// A fresh id.
    pub(crate) fn id(&self, kind: Kind) -> i64 {
        self.ids.next(kind, self.now())
    }

    /// Where ids come from.
    pub(crate) fn ids(&self) -> &IdSource {
        &self.ids
    }

    /// What a unit of work needs that finds out itself what is new.
    pub(crate) fn scribe(&self) -> Scribe {
        Scribe {
            ids: Arc::clone(&self.ids),
            now: self.now(),
            giver_conditions_bind_taker: self.giver_conditions_bind_taker,
        }
    }

    /// An event, to be inserted in the unit of work that it documents.
    pub(crate) fn event<const N: usize>(&self, kind: EventKind, detail: [(&str, Value); N]) -> Event {
        self.scribe().event(kind, detail)
    }

    /// Runs a unit of work.
    ///
    /// # Errors
    /// When the database does not answer, or is busy for too long.
    pub(crate) fn write<T, F>(&self, unit: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&mut Tx) -> Result<T, StoreError> + Send + 'static,
    {
        self.store.write_blocking(Instant::now() + WRITE_DEADLINE, unit).context("nothing was changed")
    }

    /// Reads.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) fn read<T, F>(&self, read: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&mut Reads) -> Result<T, StoreError> + Send + 'static,
    {
        Ok(self.store.read_blocking(read)?)
    }

    /// The user with this name, mail address or id.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn user(&self, name: &str) -> Result<User> {
        let wanted = name.to_owned();
        let found = self.read(move |reads| match reads.find_user_by_login(&wanted)? {
            None => reads.find_user_by_sub(&wanted),
            found => Ok(found),
        })?;
        if let Some(user) = found {
            return Ok(user);
        }
        let users = self.read(|reads| reads.list_users(None, PAGE))?;
        let meant = did_you_mean(name, users.into_iter().map(|user| user.username));
        bail!("there is no user {name:?}{meant}; `authmachine user list` shows who is there")
    }

    /// The client with this `client_id`.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn client(&self, client_id: &str) -> Result<Client> {
        let wanted = client_id.to_owned();
        let found = self.read(move |reads| reads.find_client_by_client_id(&wanted))?;
        found.with_context(|| {
            format!("there is no client {client_id:?}; `authmachine client list` shows who is there")
        })
    }

    /// The object with this code.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn object(&self, code: &str) -> Result<Named<Object>> {
        let wanted = code.to_owned();
        if let Some(object) = self.read(move |reads| reads.find_object(&wanted))? {
            return Ok(object);
        }
        let meant = self.similar(code, |reads, after| reads.list_objects(after, PAGE))?;
        bail!("there is no object {code:?}{meant}; `authmachine object add {code}` makes it")
    }

    /// The permission type with this code.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn permission_type(&self, code: &str) -> Result<Named<PermissionType>> {
        let wanted = code.to_owned();
        if let Some(permission_type) = self.read(move |reads| reads.find_permission_type(&wanted))? {
            return Ok(permission_type);
        }
        let meant = self.similar(code, |reads, after| reads.list_permission_types(after, PAGE))?;
        bail!(
            "there is no permission type {code:?}{meant}; `authmachine permission-type add {code}` makes it"
        )
    }

    /// The group with this code.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn group(&self, code: &str) -> Result<Named<Group>> {
        let wanted = code.to_owned();
        if let Some(group) = self.read(move |reads| reads.find_group(&wanted))? {
            return Ok(group);
        }
        let meant = self.similar(code, |reads, after| reads.list_groups(after, PAGE))?;
        bail!("there is no group {code:?}{meant}; `authmachine group add {code}` makes it")
    }

    /// Looks among the first codes, and among those that begin like `code`.
    fn similar<T: HasCode>(
        &self,
        code: &str,
        list: fn(&mut Reads, Option<&str>) -> Result<Vec<T>, StoreError>,
    ) -> Result<String> {
        let beginning = named::beginning(code);
        let known = self.read(move |reads| {
            let mut known = list(reads, None)?;
            known.extend(list(reads, Some(&beginning))?);
            Ok(known.into_iter().map(HasCode::code).collect::<Vec<_>>())
        })?;
        Ok(did_you_mean(code, known))
    }
}

/// Makes ids and events at one moment.
#[derive(Clone)]
pub(crate) struct Scribe {
    ids: Arc<IdSource>,
    /// The moment.
    pub(crate) now: Timestamp,
    /// As the installation has it.
    pub(crate) giver_conditions_bind_taker: bool,
}

impl Scribe {
    /// A fresh id of a row.
    pub(crate) fn id(&self) -> i64 {
        self.ids.next(Kind::Row, self.now)
    }

    /// An event, to be inserted in the unit of work that it documents.
    pub(crate) fn event<const N: usize>(&self, kind: EventKind, detail: [(&str, Value); N]) -> Event {
        let detail: Map<String, Value> =
            detail.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Event { detail, ..events::new(&self.ids, self.now, kind, ACTOR) }
    }
}

/// What has a code.
trait HasCode: Send + 'static {
    fn code(self) -> String;
}

impl HasCode for Named<Object> {
    fn code(self) -> String {
        self.record.code
    }
}

impl HasCode for Named<PermissionType> {
    fn code(self) -> String {
        self.record.code
    }
}

impl HasCode for Named<Group> {
    fn code(self) -> String {
        self.record.code
    }
}

fn did_you_mean(wanted: &str, known: impl IntoIterator<Item = String>) -> String {
    named::nearest(wanted, known).map(|nearest| format!(", did you mean {nearest}?")).unwrap_or_default()
}

fn not_there(config: &Config) -> anyhow::Error {
    let place = config.folder().map_or("that database".to_owned(), |folder| folder.display().to_string());
    anyhow::anyhow!(
        "there is no installation in {place} yet: start `authmachine serve` once, or name another configuration with --config"
    )
}
