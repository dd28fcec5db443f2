//! Clients, with their URIs and objects.

use std::sync::Arc;

use authmachine_jose::Algorithm;
use authmachine_protocol::redirect_uri::ClientKind;
use authmachine_protocol::{ClientAuthMethod, GrantType};
use authmachine_provider::Timestamp;
use authmachine_provider::client::{Client, PkceRule};
use authmachine_provider::ids::{ClientId, SessionId};
use authmachine_provider::subject_ids::SubjectIds;

use crate::changes::CLIENT;
use crate::client_cache::AsOf;
use crate::error::StoreError;
use crate::statements::statements;
use crate::unit::{Reads, Tx};
use crate::value::{Param, Row, json, params};

/// The kind of a URI that authorization responses go to.
const REDIRECT: &str = "redirect";
/// The kind of a URI that browsers go to after a logout.
const POST_LOGOUT: &str = "post_logout";

/// How often a client's last use is noted.
const TOUCH_AFTER_S: i64 = 24 * 60 * 60;

/// A client's columns and one of its URIs: a row for each URI, so that one statement gives the whole client.
macro_rules! select {
    ($from:literal, $rest:literal) => {
        concat!(
            "SELECT clients.id, clients.client_id, clients.name, clients.secret_hmac, clients.auth_method, clients.kind,
                clients.first_party, clients.pkce, clients.grant_types, clients.response_types, clients.scopes,
                clients.id_token_alg, clients.userinfo_alg, clients.sector, clients.metadata, clients.registration_sha256,
                clients.objects, clients.subject_ids, clients.permissions_in_id_token, clients.disabled, clients.created_at, client_uris.kind, client_uris.uri FROM ",
            $from,
            " LEFT JOIN client_uris ON client_uris.client_id = clients.id ",
            $rest,
            " ORDER BY clients.id, client_uris.kind, client_uris.place"
        )
    };
}

statements! {
    FIND = select!("clients", "WHERE clients.id = $1");
    FIND_BY_CLIENT_ID = select!("clients", "WHERE clients.client_id = $1");
    FIND_BY_LOGOUT_URI = select!("client_uris AS asked JOIN clients ON clients.id = asked.client_id",
        "WHERE asked.uri = $1 AND asked.kind = 'post_logout' AND clients.first_party AND NOT clients.disabled");
    LIST = select!("clients", "");
    LIST_OF_SESSION = select!("session_clients JOIN clients ON clients.id = session_clients.client_id",
        "WHERE session_clients.session_id = $1");
    INSERT = "INSERT INTO clients (id, client_id, name, secret_hmac, auth_method, kind, first_party, pkce, grant_types,
        response_types, scopes, id_token_alg, userinfo_alg, sector, metadata, registration_sha256, objects,
        subject_ids, permissions_in_id_token, disabled, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21) ON CONFLICT (client_id) DO NOTHING";
    UPDATE = "UPDATE clients SET name = $1, secret_hmac = $2, auth_method = $3, kind = $4, first_party = $5, pkce = $6,
        grant_types = $7, response_types = $8, scopes = $9, id_token_alg = $10, userinfo_alg = $11,
        sector = $12, metadata = $13, registration_sha256 = $14, objects = $15, subject_ids = $16,
        permissions_in_id_token = $17, disabled = $18 WHERE id = $19";
    SET_SECRET = "UPDATE clients SET secret_hmac = $1 WHERE id = $2";
    SET_TRUSTED = "UPDATE clients SET trusted = $1 WHERE id = $2";
    INSERT_URI = "INSERT INTO client_uris (client_id, kind, place, uri) VALUES ($1, $2, $3, $4)";
    DELETE_URIS = "DELETE FROM client_uris WHERE client_id = $1";
    COUNT_REGISTERED = "SELECT COUNT(*) FROM clients WHERE registration_sha256 IS NOT NULL";
    TOUCH = "UPDATE clients SET last_used_at = $1
        WHERE id = $2 AND registration_sha256 IS NOT NULL AND (last_used_at IS NULL OR last_used_at <= $3)";
    UNUSED = "SELECT id, client_id FROM clients WHERE registration_sha256 IS NOT NULL AND COALESCE(last_used_at, created_at) <= $1
        ORDER BY COALESCE(last_used_at, created_at), id LIMIT $2";
    /// With its URIs and its logo.
    DELETE = "DELETE FROM clients WHERE id = $1";
    DELETE_UNUSED = "DELETE FROM clients
        WHERE id = $1 AND registration_sha256 IS NOT NULL AND COALESCE(last_used_at, created_at) <= $2";
    DELETE_CONSENTS = "DELETE FROM consents WHERE client_id = $1";
    DELETE_DELIVERIES = "DELETE FROM logout_deliveries WHERE client_id = $1";
}

fn read(row: &mut Row<'_>) -> Result<Client, StoreError> {
    row.table("clients");
    Ok(Client {
        id: row.get()?,
        client_id: row.get()?,
        name: row.get()?,
        secret_hmac: row.get()?,
        auth_method: row.optional(1, |row| row.word(ClientAuthMethod::from_word))?,
        kind: row.word(read_kind)?,
        first_party: row.get()?,
        pkce: row.optional(1, |row| row.word(PkceRule::from_word))?,
        grant_types: row.words(GrantType::from_word)?,
        response_types: row.json()?,
        scopes: row.get()?,
        id_token_alg: row.get()?,
        userinfo_alg: row.get()?,
        sector: row.get()?,
        metadata: row.json()?,
        registration_sha256: row.get()?,
        objects: row.json()?,
        subject_ids: row.word(SubjectIds::from_word)?,
        permissions_in_id_token: row.get()?,
        disabled: row.get()?,
        created_at: row.get()?,
        redirect_uris: Vec::new(),
        post_logout_redirect_uris: Vec::new(),
    })
}

fn read_kind(word: &str) -> Option<ClientKind> {
    [ClientKind::Web, ClientKind::Native].into_iter().find(|kind| kind_word(*kind) == word)
}

const fn kind_word(kind: ClientKind) -> &'static str {
    match kind {
        ClientKind::Web => "web",
        ClientKind::Native => "native",
    }
}

fn grant_types(client: &Client) -> String {
    client.grant_types.iter().map(|grant_type| grant_type.as_str()).collect::<Vec<_>>().join(" ")
}

impl Reads {
    fn clients(&mut self, sql: &'static str, params: &[Param<'_>]) -> Result<Vec<Client>, StoreError> {
        let mut clients: Vec<Client> = Vec::new();
        self.all(sql, params, |row| {
            let client = read(row)?;
            if clients.last().is_none_or(|last| last.id != client.id) {
                clients.push(client);
            }
            let client = clients.last_mut().expect("one is there now");
            let (kind, uri): (Option<String>, Option<String>) = (row.get()?, row.get()?);
            match kind.as_deref() {
                Some(REDIRECT) => client.redirect_uris.extend(uri),
                Some(POST_LOGOUT) => client.post_logout_redirect_uris.extend(uri),
                None => {}
                Some(_) => return Err(StoreError::Corrupt { table: "client_uris", id: client.id.0 }),
            }
            Ok(())
        })?;
        Ok(clients)
    }

    /// The client in the row `id`, from memory if it is there: in a unit of work it may be the one of a moment ago.
    pub fn client(&mut self, id: ClientId) -> Result<Option<Arc<Client>>, StoreError> {
        match self.memory.by_id(id) {
            Ok(client) => Ok(Some(client)),
            Err(as_of) => self.find_client(id).map(|found| self.keep(found, as_of)),
        }
    }

    /// The client with that `client_id`, from memory if it is there.
    pub fn client_by_client_id(&mut self, client_id: &str) -> Result<Option<Arc<Client>>, StoreError> {
        match self.memory.by_client_id(client_id) {
            Ok(client) => Ok(Some(client)),
            Err(as_of) => self.find_client_by_client_id(client_id).map(|found| self.keep(found, as_of)),
        }
    }

    fn keep(&self, found: Option<Client>, as_of: AsOf) -> Option<Arc<Client>> {
        let client = Arc::new(found?);
        // What a unit of work reads is not committed yet.
        if !self.writes {
            self.memory.keep(&client, as_of);
        }
        Some(client)
    }

    /// The client in the row `id`.
    pub fn find_client(&mut self, id: ClientId) -> Result<Option<Client>, StoreError> {
        Ok(self.clients(FIND, params![id])?.pop())
    }

    /// The client with that `client_id`.
    pub fn find_client_by_client_id(&mut self, client_id: &str) -> Result<Option<Client>, StoreError> {
        Ok(self.clients(FIND_BY_CLIENT_ID, params![client_id])?.pop())
    }

    /// A first-party client, not switched off, that registered `uri` as one of its `post_logout_redirect_uris`.
    pub fn find_first_party_by_logout_uri(&mut self, uri: &str) -> Result<Option<Client>, StoreError> {
        Ok(self.clients(FIND_BY_LOGOUT_URI, params![uri])?.into_iter().next())
    }

    /// All clients, oldest first.
    pub fn list_clients(&mut self) -> Result<Vec<Client>, StoreError> {
        self.clients(LIST, &[])
    }

    /// How many clients have registered themselves.
    pub fn count_registered_clients(&mut self) -> Result<i64, StoreError> {
        self.one(COUNT_REGISTERED, &[], |row| row.get()).map(Option::unwrap_or_default)
    }

    /// Clients that registered themselves and were issued nothing since `before`, by row and `client_id`; at most `limit`.
    pub fn list_unused_clients(
        &mut self,
        before: Timestamp,
        limit: i64,
    ) -> Result<Vec<(ClientId, String)>, StoreError> {
        self.all(UNUSED, params![before, limit], |row| Ok((row.get()?, row.get()?)))
    }

    /// The clients that were granted something in a session.
    pub fn list_session_clients(&mut self, id: SessionId) -> Result<Vec<Client>, StoreError> {
        self.clients(LIST_OF_SESSION, params![id])
    }
}

impl Tx {
    /// Stores a new client; `false`, and nothing happened, when its `client_id` is taken.
    pub fn insert_client(&mut self, client: &Client) -> Result<bool, StoreError> {
        let rows = self.run(
            INSERT,
            params![
                client.id,
                &client.client_id,
                &client.name,
                client.secret_hmac.as_ref(),
                client.auth_method.map(ClientAuthMethod::as_str),
                kind_word(client.kind),
                client.first_party,
                client.pkce.map(PkceRule::as_str),
                grant_types(client),
                json(&client.response_types),
                &client.scopes,
                client.id_token_alg.as_str(),
                client.userinfo_alg.map(Algorithm::as_str),
                client.sector.as_deref(),
                json(&client.metadata),
                client.registration_sha256.as_ref(),
                json(&client.objects),
                client.subject_ids.as_str(),
                client.permissions_in_id_token,
                client.disabled,
                client.created_at,
            ],
        )?;
        if rows == 0 {
            return Ok(false);
        }
        self.insert_uris(client)?;
        self.note(CLIENT, client.id.0, Some(client.created_at))?;
        Ok(true)
    }

    /// Stores a client that registered itself, unless there are `most` of them already; `false`, and nothing happened, when it does
    /// not fit in.
    pub fn insert_registered_client(&mut self, client: &Client, most: i64) -> Result<bool, StoreError> {
        // Whoever counts has its turn, and is counted by the next.
        self.hold_changes()?;
        Ok(self.count_registered_clients()? < most && self.insert_client(client)?)
    }

    /// Something was issued to a client that registered itself: noted once a day.
    pub fn touch_client(&mut self, id: ClientId, now: Timestamp) -> Result<(), StoreError> {
        self.run(TOUCH, params![now, id, now.plus_seconds(-TOUCH_AFTER_S)]).map(drop)
    }

    /// Removes a client with everything that it was allowed: what it was issued is of no use from now on, and its row's id never
    /// comes back. `false` when there is none.
    pub fn delete_client(&mut self, id: ClientId, now: Timestamp) -> Result<bool, StoreError> {
        let rows = self.run(DELETE, params![id])?;
        self.client_is_gone(rows, id, now)
    }

    /// Removes a client that registered itself and was issued nothing since `before`; `false` when that is not so any more.
    pub fn delete_unused_client(
        &mut self,
        id: ClientId,
        before: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let rows = self.run(DELETE_UNUSED, params![id, before])?;
        self.client_is_gone(rows, id, now)
    }

    fn client_is_gone(&mut self, rows: u64, id: ClientId, now: Timestamp) -> Result<bool, StoreError> {
        if rows == 0 {
            return Ok(false);
        }
        self.remove_grants_of_client(id)?;
        self.run(DELETE_CONSENTS, params![id])?;
        self.run(DELETE_DELIVERIES, params![id])?;
        self.note(CLIENT, id.0, Some(now))?;
        Ok(true)
    }

    /// Stores a client that is there anew, all but its `client_id`.
    pub fn update_client(&mut self, client: &Client) -> Result<(), StoreError> {
        let rows = self.run(
            UPDATE,
            params![
                &client.name,
                client.secret_hmac.as_ref(),
                client.auth_method.map(ClientAuthMethod::as_str),
                kind_word(client.kind),
                client.first_party,
                client.pkce.map(PkceRule::as_str),
                grant_types(client),
                json(&client.response_types),
                &client.scopes,
                client.id_token_alg.as_str(),
                client.userinfo_alg.map(Algorithm::as_str),
                client.sector.as_deref(),
                json(&client.metadata),
                client.registration_sha256.as_ref(),
                json(&client.objects),
                client.subject_ids.as_str(),
                client.permissions_in_id_token,
                client.disabled,
                client.id,
            ],
        )?;
        if rows == 0 {
            return Ok(());
        }
        self.run(DELETE_URIS, params![client.id])?;
        self.insert_uris(client)?;
        self.note(CLIENT, client.id.0, None)
    }

    /// Stores `after` in the place of `before`, unless somebody else was quicker: then `false`, and nothing happened.
    pub fn replace_client(&mut self, before: &Client, after: &Client) -> Result<bool, StoreError> {
        self.hold_changes()?;
        let is_same = self.find_client(before.id)?.as_ref() == Some(before);
        if is_same {
            self.update_client(after)?;
        }
        Ok(is_same)
    }

    fn insert_uris(&mut self, client: &Client) -> Result<(), StoreError> {
        for (kind, uris) in
            [(REDIRECT, &client.redirect_uris), (POST_LOGOUT, &client.post_logout_redirect_uris)]
        {
            for (place, uri) in (0_i64..).zip(uris) {
                self.run(INSERT_URI, params![client.id, kind, place, uri])?;
            }
        }
        Ok(())
    }

    /// Says whether what a client tells of a subject beats what is stored of it, when permissions are asked.
    pub fn set_client_trusted(&mut self, id: ClientId, trusted: bool) -> Result<(), StoreError> {
        if self.run(SET_TRUSTED, params![trusted, id])? == 1 {
            self.note(CLIENT, id.0, None)?;
        }
        Ok(())
    }

    /// Gives a client another secret.
    pub fn set_client_secret(
        &mut self,
        id: ClientId,
        secret_hmac: &[u8; 32],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if self.run(SET_SECRET, params![secret_hmac, id])? == 1 {
            self.note(CLIENT, id.0, Some(now))?;
        }
        Ok(())
    }
}
