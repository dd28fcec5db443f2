//! `authmachine client …`

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use authmachine_jose::{Algorithm, JwkSet};
use authmachine_permissions::check_object_code;
use authmachine_protocol::redirect_uri::{self, ClientKind};
use authmachine_protocol::{ClientAuthMethod, GrantType, ResponseType, Scopes};
use authmachine_provider::client::{Client, PkceRule};
use authmachine_provider::client_metadata::ClientMetadata;
use authmachine_provider::event::{Event, EventKind};
use authmachine_provider::ids::{ClientId, Kind};
use authmachine_server::{keys, random};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::config::Config;
use crate::installation::{Installation, Missing};
use crate::{Place, named, object, output, secret, when};

/// The fewest characters of a chosen secret that `doctor` has nothing to say about.
const ENOUGH: usize = 32;
/// The most characters of a client id and of a secret.
const MAX_CHARACTERS: usize = 200;
/// What a client that signs people in may ask for at the token endpoint, unless more is said.
const GRANT_TYPES: [GrantType; 2] = [GrantType::AuthorizationCode, GrantType::RefreshToken];
/// The scopes that a client may ask for, unless more is said.
const SCOPES: [&str; 3] = ["openid", "profile", "email"];

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Registers a client; without a secret it gets one, which is printed once
    Add(Box<Add>),
    /// Changes a client; each list that is given takes the place of the one there was
    Set {
        /// `client_id`
        id: String,
        #[command(flatten)]
        facts: Box<Facts>,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Lists the clients
    List {
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Gives a client another secret, which is printed once; the old one is of no use from then on
    RotateSecret {
        /// `client_id`
        id: String,
        /// Reads the new secret from standard input, one line, in place of making one
        #[arg(long)]
        secret_stdin: bool,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Switches a client off: nobody signs in there, and what it was issued is of no use meanwhile
    Disable {
        /// `client_id`
        id: String,
    },
    /// Switches a client on again
    Enable {
        /// `client_id`
        id: String,
    },
    /// Removes a client for good, with what people allowed it; what it was issued is of no use from then on
    Remove {
        /// `client_id`
        id: String,
    },
}

/// Arguments of `client add`.
#[derive(Args)]
pub(crate) struct Add {
    /// `client_id`
    #[arg(long, value_name = "ID")]
    id: String,
    /// The secret, which the process list shows to every user of this machine: better none, or --secret-stdin
    #[arg(long, value_name = "S", conflicts_with_all = ["secret_stdin", "public"])]
    secret: Option<String>,
    /// Reads the secret from standard input, one line
    #[arg(long, conflicts_with = "public")]
    secret_stdin: bool,
    /// Ours: no consent is asked for, logout without a hint returns, every object can be seen
    #[arg(long)]
    first_party: bool,
    /// Has no secret, such as an application in a browser or on a phone; must use PKCE
    #[arg(long, conflicts_with = "auth_method")]
    public: bool,
    /// Is installed on people's devices: private schemes may be registered, and loopback ports are free
    #[arg(long)]
    native: bool,
    #[command(flatten)]
    facts: Facts,
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

/// What `client add` and `client set` have in common.
#[derive(Args)]
pub(crate) struct Facts {
    /// What people read; by default the id
    #[arg(long, value_name = "N")]
    name: Option<String>,
    /// Where browsers return to after signing in; compared byte for byte
    #[arg(long, value_name = "URI", num_args = 1..)]
    redirect_uri: Vec<String>,
    /// Where browsers return to after signing out
    #[arg(long, value_name = "URI", num_args = 1..)]
    post_logout_redirect_uri: Vec<String>,
    /// Where it is told that a session has ended, by a frame in the browser; "" is nowhere
    #[arg(long, value_name = "URI")]
    frontchannel_logout_uri: Option<String>,
    /// Where it is told that a session has ended, from server to server; "" is nowhere
    #[arg(long, value_name = "URI")]
    backchannel_logout_uri: Option<String>,
    /// Codes of the objects whose permissions it may see; first-party clients see all, others by default none
    #[arg(long, value_name = "CODE", num_args = 1..)]
    objects: Vec<String>,
    /// A grant type; a new client has these beside authorization_code and refresh_token
    #[arg(long, value_name = "G", num_args = 1.., value_parser = grant_type)]
    grant_type: Vec<GrantType>,
    /// A response type, such as code or "code id_token"; by default code alone. Those with tokens need oidc.implicit
    #[arg(long, value_name = "T", num_args = 1.., value_parser = response_type)]
    response_type: Vec<ResponseType>,
    /// A scope; a new client has these beside openid, profile and email
    #[arg(long, value_name = "S", num_args = 1.., value_parser = Scopes::parse)]
    scope: Vec<Scopes>,
    /// What its ID tokens are signed with: RS256 (the default), PS256, ES256 or EdDSA; none needs oidc.unsigned_id_tokens
    #[arg(long, value_name = "A", value_parser = algorithm_or_none)]
    id_token_alg: Option<AlgorithmOrNone>,
    /// What its userinfo is signed with; none, the default, is plain JSON
    #[arg(long, value_name = "A", value_parser = algorithm_or_none)]
    userinfo_alg: Option<AlgorithmOrNone>,
    /// How it knows people: public (the default), or pairwise, by a `sub` that clients of other sectors do not know
    #[arg(long, value_name = "T", value_parser = ["public", "pairwise"])]
    subject_type: Option<String>,
    /// The host whose clients know people by the same pairwise `sub`; by default that of the redirect URIs
    #[arg(long, value_name = "HOST", value_parser = sector)]
    sector: Option<String>,
    /// Who must use PKCE, if stricter than pkce.required: public, auto or all
    #[arg(long, value_name = "RULE", value_parser = pkce_rule)]
    pkce: Option<PkceRule>,
    /// How it proves itself: client_secret_basic or client_secret_post (by default either), or private_key_jwt
    #[arg(long, value_name = "M", value_parser = auth_method)]
    auth_method: Option<ClientAuthMethod>,
    /// A file with its public keys, a JWK Set, which check what it signs
    #[arg(long, value_name = "FILE", conflicts_with = "jwks_uri")]
    jwks_file: Option<PathBuf>,
    /// Where its public keys are, fetched when they are needed
    #[arg(long, value_name = "URI")]
    jwks_uri: Option<String>,
}

fn grant_type(word: &str) -> Result<GrantType, String> {
    GrantType::from_word(word).ok_or_else(|| {
        format!("not one of {}", GrantType::ALL.iter().map(|g| g.as_str()).collect::<Vec<_>>().join(", "))
    })
}

fn response_type(text: &str) -> Result<ResponseType, String> {
    ResponseType::parse(text).ok_or_else(|| {
        let all = ResponseType::ALL.iter().map(|t| t.as_str()).collect::<Vec<_>>();
        format!("not one of {}", all.join(", "))
    })
}

/// `none` where an algorithm could stand.
#[derive(Clone, Copy)]
struct AlgorithmOrNone(Option<Algorithm>);

fn algorithm_or_none(word: &str) -> Result<AlgorithmOrNone, String> {
    match word {
        "none" => Ok(AlgorithmOrNone(None)),
        word => {
            word.parse().map(|algorithm| AlgorithmOrNone(Some(algorithm))).map_err(|error| format!("{error}"))
        }
    }
}

/// A host as browsers write it, so that it is the same as that of redirect URIs.
fn sector(text: &str) -> Result<String, String> {
    redirect_uri::host(&format!("https://{text}"))
        .filter(|host| host.eq_ignore_ascii_case(text))
        .ok_or_else(|| "not a host, such as example.com".to_owned())
}

fn pkce_rule(word: &str) -> Result<PkceRule, String> {
    PkceRule::from_word(word).ok_or_else(|| "not public, auto or all".to_owned())
}

fn auth_method(word: &str) -> Result<ClientAuthMethod, String> {
    match ClientAuthMethod::from_word(word) {
        Some(ClientAuthMethod::None) => Err("a client without a secret is --public".to_owned()),
        Some(method) => Ok(method),
        None => Err("not client_secret_basic, client_secret_post or private_key_jwt".to_owned()),
    }
}

pub(crate) fn run(command: Command, place: &Place) -> Result<()> {
    match command {
        Command::Add(new) => add(place, *new),
        Command::Set { id, facts, json } => set(place, &id, *facts, json),
        Command::List { json } => list(place, json),
        Command::RotateSecret { id, secret_stdin, json } => rotate_secret(place, &id, secret_stdin, json),
        Command::Disable { id } => switch(place, &id, true),
        Command::Enable { id } => switch(place, &id, false),
        Command::Remove { id } => remove(place, &id),
    }
}

fn add(place: &Place, new: Add) -> Result<()> {
    let Add { id: client_id, secret, secret_stdin, first_party, public, native, facts, json } = new;
    check_id(&client_id)?;
    let (config, installation) = place.open(Missing::Make)?;
    let mut client = Client {
        id: ClientId(installation.id(Kind::Row)),
        name: client_id.clone(),
        client_id,
        secret_hmac: None,
        auth_method: public.then_some(ClientAuthMethod::None),
        kind: if native { ClientKind::Native } else { ClientKind::Web },
        first_party,
        pkce: None,
        grant_types: if facts.redirect_uri.is_empty() { Vec::new() } else { GRANT_TYPES.to_vec() },
        response_types: if facts.redirect_uri.is_empty() { Vec::new() } else { vec![ResponseType::Code] },
        scopes: SCOPES.into_iter().collect(),
        id_token_alg: Algorithm::RS256,
        userinfo_alg: None,
        sector: None,
        redirect_uris: Vec::new(),
        post_logout_redirect_uris: Vec::new(),
        objects: Vec::new(),
        metadata: ClientMetadata::default(),
        registration_sha256: None,
        disabled: false,
        created_at: installation.now(),
    };
    let wider = Facts {
        grant_type: client.grant_types.iter().chain(&facts.grant_type).copied().collect(),
        scope: [client.scopes.clone()].into_iter().chain(facts.scope).collect(),
        ..facts
    };
    apply(&installation, &mut client, wider)?;
    note_switch(&config, &client);

    if secret.is_some() {
        output::note(
            "warning: --secret shows the secret to every user of this machine, in the process list; use --secret-stdin",
        );
    }
    let has_key = client.auth_method == Some(ClientAuthMethod::PrivateKeyJwt);
    if has_key && (secret.is_some() || secret_stdin) {
        bail!("a client with private_key_jwt has no secret");
    }
    let (secret, is_ours) = match secret {
        _ if public || has_key => (None, false),
        Some(secret) => (Some(Zeroizing::new(secret)), false),
        None if secret_stdin => (Some(secret::from_stdin("secret")?), false),
        None => (Some(random::secret()), true),
    };
    insert(&installation, &client, secret.as_ref().map(|secret| secret.as_str()))?;

    let shown = secret.filter(|_| is_ours);
    if json {
        let mut view = view(&client);
        if let Some(secret) = &shown {
            view["client_secret"] = secret.as_str().into();
        }
        return Ok(output::json(&view)?);
    }
    output::line(format_args!("Made the client {}", client.client_id))?;
    if let Some(secret) = shown {
        output::line(format_args!("Its secret, shown only now: {}", *secret))?;
    }
    Ok(())
}

/// Stores a new client with its secret.
pub(crate) fn insert(installation: &Installation, client: &Client, secret: Option<&str>) -> Result<()> {
    let mut client = client.clone();
    client.secret_hmac = secret.map(|secret| checked_hmac(installation, secret)).transpose()?;
    let detail = [("first_party", client.first_party.into()), ("public", client.is_public().into())];
    let event = about(installation.event(EventKind::ClientCreated, detail), &client);
    let mark = client.secret_hmac.as_ref().zip(secret).and_then(|(hmac, secret)| weak_mark(hmac, secret));
    let client_id = client.client_id.clone();
    let is_new = installation.write(move |tx| {
        let is_new = tx.insert_client(&client)?;
        if is_new {
            if let Some(mark) = &mark {
                tx.insert_meta(mark, "1")?;
            }
            tx.insert_event(&event)?;
        }
        Ok(is_new)
    })?;
    if !is_new {
        bail!("there is a client {client_id:?} already");
    }
    Ok(())
}

fn set(place: &Place, id: &str, facts: Facts, json: bool) -> Result<()> {
    let (config, installation) = place.open(Missing::Refuse)?;
    let before = installation.client(id)?;
    let mut client = before.clone();
    if facts.auth_method.is_some() && client.is_public() {
        bail!("{id} is a public client: it has no secret to prove itself by");
    }
    let had_key = client.auth_method == Some(ClientAuthMethod::PrivateKeyJwt);
    apply(&installation, &mut client, facts)?;
    match (had_key, client.auth_method == Some(ClientAuthMethod::PrivateKeyJwt)) {
        (false, true) => client.secret_hmac = None,
        (true, false) => {
            output::note(format_args!("`authmachine client rotate-secret {id}` gives it a secret"))
        }
        _ => {}
    }
    let (was, is) = (view(&before), view(&client));
    let changed: Vec<Value> =
        ["client_name", "redirect_uris", "post_logout_redirect_uris", "objects", "grant_types"]
            .into_iter()
            .chain([
                "frontchannel_logout_uri",
                "backchannel_logout_uri",
                "response_types",
                "scope",
                "id_token_signed_response_alg",
                "userinfo_signed_response_alg",
                "subject_type",
                "sector",
                "pkce",
                "token_endpoint_auth_method",
                "jwks",
                "jwks_uri",
            ])
            .filter(|field| was[field] != is[field])
            .map(Value::from)
            .collect();
    if changed.is_empty() {
        bail!("nothing of {id} would change; `authmachine client set --help` shows what can");
    }
    note_switch(&config, &client);
    if before.sector != client.sector {
        output::note(format_args!("{id} knows everybody by another sub from now on"));
    }
    update(&installation, before, client, [("changed", changed.into())])?;
    if json {
        output::json(&is)?
    } else {
        output::line(format_args!("Changed the client {id}"))?
    }
    Ok(())
}

fn switch(place: &Place, id: &str, disabled: bool) -> Result<()> {
    let (_, installation) = place.open(Missing::Refuse)?;
    let before = installation.client(id)?;
    let client = Client { disabled, ..before.clone() };
    update(&installation, before, client, [("disabled", disabled.into())])?;
    let done = if disabled { "Disabled" } else { "Enabled" };
    Ok(output::line(format_args!("{done} the client {id}"))?)
}

fn remove(place: &Place, id: &str) -> Result<()> {
    let (_, installation) = place.open(Missing::Refuse)?;
    let client = installation.client(id)?;
    let event = about(installation.event(EventKind::ClientDeleted, []), &client);
    let (row, now) = (client.id, installation.now());
    let was_there = installation.write(move |tx| {
        let was_there = tx.delete_client(row, now)?;
        if was_there {
            tx.insert_event(&event)?;
        }
        Ok(was_there)
    })?;
    if !was_there {
        bail!("somebody else removed the client in this moment");
    }
    Ok(output::line(format_args!("Removed the client {id}"))?)
}

/// Stores `after` in the place of `before`, unless somebody else was quicker.
fn update<const N: usize>(
    installation: &Installation,
    before: Client,
    after: Client,
    detail: [(&str, Value); N],
) -> Result<()> {
    let event = about(installation.event(EventKind::ClientChanged, detail), &after);
    let is_done = installation.write(move |tx| {
        let is_done = tx.replace_client(&before, &after)?;
        if is_done {
            tx.insert_event(&event)?;
        }
        Ok(is_done)
    })?;
    if !is_done {
        bail!("somebody else changed the client in this moment; try again");
    }
    Ok(())
}

fn list(place: &Place, json: bool) -> Result<()> {
    let (_, installation) = place.open(Missing::Refuse)?;
    let clients = installation.read(|reads| reads.list_clients())?;
    if json {
        return Ok(output::json(&clients.iter().map(view).collect())?);
    }
    let rows: Vec<_> = clients
        .iter()
        .map(|client| {
            let kind = match (client.is_public(), client.kind) {
                (true, ClientKind::Native) => "public, native",
                (true, ClientKind::Web) => "public",
                (false, ClientKind::Native) => "confidential, native",
                (false, ClientKind::Web) => "confidential",
            };
            let whose = if client.first_party { "first-party" } else { "other" };
            let status = if client.disabled { "disabled" } else { "enabled" };
            let words = [kind, whose, status].map(str::to_owned);
            let [kind, whose, status] = words;
            [
                client.client_id.clone(),
                client.name.clone(),
                kind,
                whose,
                status,
                client.redirect_uris.join(" "),
            ]
        })
        .collect();
    Ok(output::table(["ID", "NAME", "KIND", "WHOSE", "STATUS", "REDIRECT URIS"], &rows)?)
}

fn rotate_secret(place: &Place, id: &str, from_stdin: bool, json: bool) -> Result<()> {
    let (_, installation) = place.open(Missing::Refuse)?;
    let client = installation.client(id)?;
    if client.is_public() {
        bail!("{id} is a public client: it has no secret");
    }
    if client.auth_method == Some(ClientAuthMethod::PrivateKeyJwt) {
        bail!("{id} has a key in place of a secret (private_key_jwt)");
    }
    let secret = if from_stdin { secret::from_stdin("secret")? } else { random::secret() };
    let hmac = checked_hmac(&installation, &secret)?;
    let mark = weak_mark(&hmac, &secret);
    let event = about(installation.event(EventKind::ClientSecretRotated, []), &client);
    let (row, now) = (client.id, installation.now());
    installation.write(move |tx| {
        tx.set_client_secret(row, &hmac, now)?;
        if let Some(mark) = &mark {
            tx.insert_meta(mark, "1")?;
        }
        tx.insert_event(&event)
    })?;
    if json {
        let mut view = json!({ "client_id": id });
        if !from_stdin {
            view["client_secret"] = secret.as_str().into();
        }
        return Ok(output::json(&view)?);
    }
    if from_stdin {
        Ok(output::line(format_args!("{id} has the new secret"))?)
    } else {
        Ok(output::line(format_args!("The new secret of {id}, shown only now: {}", *secret))?)
    }
}

/// Checks what was given and puts it into `client`.
fn apply(installation: &Installation, client: &mut Client, facts: Facts) -> Result<()> {
    if let Some(given) = &facts.name {
        client.name = named::name(Some(given), &client.client_id)?;
    }
    // The one validator of every address that browsers are sent to (checklist RU3, RU8).
    for (flag, given, there) in [
        ("--redirect-uri", facts.redirect_uri, &mut client.redirect_uris),
        ("--post-logout-redirect-uri", facts.post_logout_redirect_uri, &mut client.post_logout_redirect_uris),
    ] {
        for uri in &given {
            redirect_uri::validate(uri, client.kind)
                .with_context(|| format!("{flag} {uri:?} cannot be used"))?;
        }
        replace(there, given);
    }
    let metadata = &mut client.metadata;
    for (flag, given, there) in [
        ("--frontchannel-logout-uri", facts.frontchannel_logout_uri, &mut metadata.frontchannel_logout_uri),
        ("--backchannel-logout-uri", facts.backchannel_logout_uri, &mut metadata.backchannel_logout_uri),
    ] {
        let Some(uri) = given else { continue };
        if !uri.is_empty() {
            redirect_uri::validate(&uri, ClientKind::Web)
                .with_context(|| format!("{flag} {uri:?} cannot be used"))?;
        }
        *there = Some(uri).filter(|uri| !uri.is_empty());
    }
    if let Some(frame) = &metadata.frontchannel_logout_uri
        && !redirect_uri::has_origin_of(frame, &client.redirect_uris)
    {
        bail!("--frontchannel-logout-uri has not the scheme, host and port of a --redirect-uri");
    }
    for code in &facts.objects {
        check_object_code(code).with_context(|| format!("the object code {code:?} cannot be used"))?;
    }
    object::note_unknown(installation, &facts.objects)?;
    replace(&mut client.objects, facts.objects);
    if client.first_party && !client.objects.is_empty() {
        output::note("A first-party client sees every object, whatever --objects says");
    }
    replace(&mut client.grant_types, facts.grant_type);
    replace(&mut client.response_types, facts.response_type);
    if !facts.scope.is_empty() {
        client.scopes = facts.scope.iter().flat_map(Scopes::iter).collect();
    }
    client.pkce = facts.pkce.or(client.pkce);
    client.auth_method = facts.auth_method.or(client.auth_method);
    if let Some(file) = &facts.jwks_file {
        (client.metadata.jwks, client.metadata.jwks_uri) = (Some(read_keys(file)?), None);
    }
    if let Some(uri) = facts.jwks_uri {
        redirect_uri::validate(&uri, ClientKind::Web)
            .with_context(|| format!("--jwks-uri {uri:?} cannot be used"))?;
        (client.metadata.jwks, client.metadata.jwks_uri) = (None, Some(uri));
    }
    let has_keys = client.metadata.jwks.is_some() || client.metadata.jwks_uri.is_some();
    if client.auth_method == Some(ClientAuthMethod::PrivateKeyJwt) && !has_keys {
        bail!("private_key_jwt needs the client's public keys: --jwks-file or --jwks-uri");
    }
    if let Some(AlgorithmOrNone(algorithm)) = facts.id_token_alg {
        client.metadata.unsigned_id_tokens = algorithm.is_none();
        client.id_token_alg = algorithm.unwrap_or(client.id_token_alg);
        check_algorithm(installation, client.id_token_alg)?;
    }
    if let Some(AlgorithmOrNone(algorithm)) = facts.userinfo_alg {
        algorithm.map_or(Ok(()), |algorithm| check_algorithm(installation, algorithm))?;
        client.userinfo_alg = algorithm;
    }
    if client.metadata.unsigned_id_tokens && client.response_types.iter().any(|t| t.has_id_token()) {
        bail!("a client whose ID tokens come through browsers gets them signed: no --id-token-alg none");
    }
    apply_sector(client, facts.subject_type.as_deref(), facts.sector)?;
    let signs_people_in = client.may_use(GrantType::AuthorizationCode)
        || client.response_types.iter().any(|t| t.is_front_channel());
    if signs_people_in && client.redirect_uris.is_empty() || client.grant_types.is_empty() {
        bail!(
            "a client that signs people in needs --redirect-uri; one that does not needs --grant-type client_credentials"
        );
    }
    if client.is_public() && client.may_use(GrantType::ClientCredentials) {
        bail!("client_credentials is for clients with a secret (RFC 6749 §4.4)");
    }
    if client.first_party && client.is_public() && client.kind == ClientKind::Native {
        bail!(
            "a native client without a secret cannot be first-party: another app on the device can take its place, and would \
             get tokens without anybody being asked (RFC 8252 §8.6)"
        );
    }
    Ok(())
}

fn apply_sector(client: &mut Client, subject_type: Option<&str>, sector: Option<String>) -> Result<()> {
    client.sector = match (subject_type, sector) {
        (Some("public"), Some(_)) => bail!("--sector is for pairwise subjects"),
        (Some("public"), None) => None,
        (_, Some(sector)) => Some(sector),
        (None, None) => client.sector.take(),
        (Some(_), None) => Some(match client.sector.take() {
            Some(sector) => sector,
            None => host_of_all(&client.redirect_uris).context(
                "the redirect URIs have more than one host, or none: pairwise subjects need --sector",
            )?,
        }),
    };
    if client.sector.is_some() && client.first_party {
        bail!("a first-party client knows people as they are: it cannot have pairwise subjects");
    }
    Ok(())
}

fn host_of_all(uris: &[String]) -> Option<String> {
    let mut hosts = uris.iter().map(|uri| redirect_uri::host(uri));
    let first = hosts.next()??;
    hosts.all(|host| host.as_ref() == Some(&first)).then_some(first)
}

/// The public keys in a file, those that we can use.
fn read_keys(file: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let keys = JwkSet::parse(&text).with_context(|| format!("{} cannot be used", file.display()))?;
    if keys.keys().is_empty() {
        bail!(
            "{} has no key that can be used: RSA of 2,048 bits and more, P-256, or Ed25519, to check signatures",
            file.display()
        );
    }
    Ok(serde_json::to_value(&keys)?)
}

/// What is registered is one thing, what the installation lets happen another.
fn note_switch(config: &Config, client: &Client) {
    if !config.implicit
        && let Some(response_type) = client.response_types.iter().find(|t| t.is_front_channel())
    {
        output::note(format_args!(
            "The response type {response_type} is of no use until oidc.implicit is on in the configuration"
        ));
    }
    if !config.unsigned_id_tokens && client.metadata.unsigned_id_tokens {
        output::note(format_args!(
            "Its ID tokens are signed with {} until oidc.unsigned_id_tokens is on in the configuration",
            client.id_token_alg
        ));
    }
}

fn replace<T: PartialEq>(there: &mut Vec<T>, given: Vec<T>) {
    if !given.is_empty() {
        there.clear();
        for item in given {
            if !there.contains(&item) {
                there.push(item);
            }
        }
    }
}

/// Whether a key signs with `algorithm`; an installation that was never served gets its first ones then.
fn check_algorithm(installation: &Installation, algorithm: Algorithm) -> Result<()> {
    let there = installation.read(|reads| reads.list_signing_keys())?;
    let is_there = match there.as_slice() {
        [] => keys::INITIAL.contains(&algorithm),
        there => authmachine_provider::keys::algorithms(there).any(|known| known == algorithm),
    };
    if !is_there {
        bail!(
            "no key signs with {algorithm}; after the first start `authmachine keys rotate --alg {algorithm}` makes one"
        );
    }
    Ok(())
}

/// RFC 6749 appendix A.1 would allow spaces, but people copy ids from texts.
fn check_id(id: &str) -> Result<()> {
    if id.is_empty() || id.len() > MAX_CHARACTERS || !id.bytes().all(|b| b.is_ascii_graphic()) {
        bail!(
            "the client id {id:?} cannot be used: it has 1 to {MAX_CHARACTERS} printable ASCII characters, no spaces"
        );
    }
    Ok(())
}

/// RFC 6749 appendix A.2.
fn check_secret(secret: &str) -> Result<()> {
    if secret.is_empty() || secret.len() > MAX_CHARACTERS || !secret.bytes().all(|b| matches!(b, 0x20..=0x7E))
    {
        bail!("the secret cannot be used: it has 1 to {MAX_CHARACTERS} printable ASCII characters");
    }
    Ok(())
}

/// What is stored of `secret`.
fn checked_hmac(installation: &Installation, secret: &str) -> Result<[u8; 32]> {
    check_secret(secret)?;
    Ok(installation.secrets.client_secret(secret))
}

/// Where the database notes that a secret is short: once it is hashed, nothing shows it. Bound to what is stored of the secret,
/// so that the note dies with it.
fn weak_mark(hmac: &[u8; 32], secret: &str) -> Option<String> {
    (secret.len() < ENOUGH).then(|| mark_of(hmac))
}

fn mark_of(hmac: &[u8; 32]) -> String {
    let start: String = hmac[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("short_secret:{start}")
}

/// Whether the client's secret is noted as a short one.
pub(crate) fn has_short_secret(installation: &Installation, client: &Client) -> Result<bool> {
    let Some(hmac) = &client.secret_hmac else { return Ok(false) };
    let mark = mark_of(hmac);
    Ok(installation.read(move |reads| reads.find_meta(&mark))?.is_some())
}

fn about(event: Event, client: &Client) -> Event {
    Event { client: Some(client.client_id.clone()), ..event }
}

/// In the words of RFC 7591 where it has them.
fn view(client: &Client) -> Value {
    json!({
        "client_id": client.client_id,
        "client_name": client.name,
        "application_type": match client.kind { ClientKind::Web => "web", ClientKind::Native => "native" },
        "public": client.is_public(),
        "token_endpoint_auth_method": client.auth_method.map(ClientAuthMethod::as_str),
        "jwks": client.metadata.jwks,
        "jwks_uri": client.metadata.jwks_uri,
        "first_party": client.first_party,
        "pkce": client.pkce.map(PkceRule::as_str),
        "grant_types": client.grant_types,
        "response_types": client.response_types,
        "scope": client.scopes,
        "id_token_signed_response_alg": match client.metadata.unsigned_id_tokens {
            true => "none",
            false => client.id_token_alg.as_str(),
        },
        "userinfo_signed_response_alg": client.userinfo_alg,
        "subject_type": if client.sector.is_some() { "pairwise" } else { "public" },
        "sector": client.sector,
        "redirect_uris": client.redirect_uris,
        "post_logout_redirect_uris": client.post_logout_redirect_uris,
        "frontchannel_logout_uri": client.metadata.frontchannel_logout_uri,
        "backchannel_logout_uri": client.metadata.backchannel_logout_uri,
        "objects": client.objects,
        "disabled": client.disabled,
        "created_at": when::rfc3339_of(client.created_at),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_secrets_are_printable_ascii() {
        for good in ["a", "shop", "a:b%/+", &"x".repeat(200)] {
            assert!(check_id(good).is_ok() && check_secret(good).is_ok(), "{good}");
        }
        for bad in ["", "a\n", "ä", "a\u{7f}", &"x".repeat(201)] {
            assert!(check_id(bad).is_err() && check_secret(bad).is_err(), "{bad:?}");
        }
        assert!(check_id("a b").is_err());
        assert!(check_secret("a b").is_ok());
    }

    #[test]
    fn g7_a_secret_of_ours_has_256_bits_and_a_short_one_is_noted() {
        let ours = random::secret();
        assert_eq!(ours.len(), 43);
        assert_ne!(*ours, *random::secret());
        assert_eq!(weak_mark(&[7; 32], &ours), None);
        assert_eq!(weak_mark(&[7; 32], &"x".repeat(32)), None);
        assert_eq!(weak_mark(&[7; 32], "test").as_deref(), Some("short_secret:0707070707070707"));
    }

    #[test]
    fn what_is_given_replaces_and_comes_once() {
        let mut there = vec![1, 2];
        replace(&mut there, Vec::new());
        assert_eq!(there, [1, 2]);
        replace(&mut there, vec![3, 3, 1]);
        assert_eq!(there, [3, 1]);
    }
}
