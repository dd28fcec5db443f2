//! `authmachine doctor`: names what is risky in this installation, and the cure.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use authmachine_jose::Algorithm;
use authmachine_protocol::redirect_uri::{self, ClientKind};
use authmachine_provider::Timestamp;
use authmachine_provider::api_token::{ApiToken, CLIENTS_REGISTER};
use authmachine_provider::client::{Client, PkceRule};
use authmachine_provider::client_metadata::RequestObjectAlg;
use authmachine_provider::event::{Event, EventKind};
use authmachine_provider::ids::{EventId, IdSource, Kind};
use authmachine_provider::keys::{self, Schedule, SigningKeyRecord};
use authmachine_server::Clock;
use authmachine_server::fetch::{IpNetwork, is_public};
use authmachine_server::settings::{Registration, RegistrationMode};
use authmachine_store::settings::Database;
use clap::Args;
use serde_json::{Value, json};
use url::{Host, Url};

use crate::config::Config;
use crate::installation::{Installation, Missing};
use crate::named::PAGE;
use crate::{Place, client, master_key, output, tls, when};

/// A client that got so many tokens in an hour is a busy one.
const BUSY: usize = 1_000;
/// Events that are looked at for that.
const MAX_EVENTS: usize = 20_000;
/// A signing key as old as this may be replaced for once, where nothing else does it.
const OLD_KEY_S: i64 = 365 * 86_400;
/// A signing key that is overdue for as long is not looked after.
const LATE_KEY_S: i64 = 86_400;
/// So many clients are named; there may be a thousand of a kind.
const MAX_NAMED: usize = 5;
/// What ends so soon is named, so that nobody is surprised.
const SOON_S: i64 = 14 * 86_400;
/// The events' clock and ours may differ by so much.
const CLOCK_S: i64 = 60;
/// 2026-01-01: this program is not older.
const NOT_BEFORE: Timestamp = Timestamp::from_seconds(1_767_225_600);

#[derive(Args)]
pub(crate) struct Options {
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    /// Somebody may come to harm, or something does not work: `doctor` fails.
    Risk,
    /// Could be better.
    Advice,
}

/// Something to do.
#[derive(Debug)]
struct Finding {
    level: Level,
    about: &'static str,
    what: String,
    cure: String,
}

impl Finding {
    fn risk(about: &'static str, what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { level: Level::Risk, about, what: what.into(), cure: cure.into() }
    }

    fn advice(about: &'static str, what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { level: Level::Advice, ..Self::risk(about, what, cure) }
    }

    fn word(&self) -> &'static str {
        match self.level {
            Level::Risk => "risk",
            Level::Advice => "advice",
        }
    }

    fn view(&self) -> Value {
        json!({ "level": self.word(), "about": self.about, "what": self.what, "cure": self.cure })
    }
}

pub(crate) fn run(options: &Options, place: &Place) -> Result<ExitCode> {
    let config = Config::load(&place.flags())?;
    let mut findings = of_config(&config);
    findings.extend(of_files(&config));
    if let Some(files) = &config.tls {
        findings.extend(of_certificate(&config, files, Clock::System.now()));
    }
    match master_key::read(&config.key_file) {
        // It does not start like this, so there is nothing more to see.
        Err(why) => {
            findings.push(Finding::risk("master key", format!("{why:#}"), "without the key nothing starts"))
        }
        Ok(_) => findings.extend(of_installation(&config, &Installation::open(&config, Missing::Refuse)?)?),
    }
    findings.sort_by_key(|finding| finding.level == Level::Advice);

    let risks = findings.iter().filter(|finding| finding.level == Level::Risk).count();
    if options.json {
        output::json(&findings.iter().map(Finding::view).collect())?;
    } else {
        for finding in &findings {
            output::line(format_args!("{:<6}  {}: {}", finding.word(), finding.about, finding.what))?;
            output::line(format_args!("        do: {}", finding.cure))?;
        }
        output::line(match risks {
            0 => "No risk found".to_owned(),
            1 => "One risk found".to_owned(),
            many => format!("{many} risks found"),
        })?;
    }
    Ok(if risks == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn of_config(config: &Config) -> Vec<Finding> {
    let settings = config.settings(config.listen.first().map_or(0, |address| address.port()));
    let mut findings = Vec::new();
    if !settings.issuer.is_https() {
        findings.push(Finding::risk(
            "https",
            format!(
                "The issuer {} is plain http: good for trying out on this machine, for nothing else",
                settings.issuer.as_str()
            ),
            "set server.issuer to the https address of the proxy before it, or of this server with a certificate under [tls]",
        ));
    } else if config.tls.is_none() && settings.trusted_proxies.is_empty() {
        findings.push(Finding::risk(
            "proxy",
            "No proxy is trusted, so that everybody who comes through yours looks like one person to every limit",
            "name the proxy's address in server.trusted_proxies",
        ));
    }
    for address in config.listen.iter().filter(|address| config.tls.is_none() && !address.ip().is_loopback())
    {
        findings.push(Finding::risk(
            "listen",
            format!(
                "{address} takes plain HTTP from other machines: passwords and tokens can be read on the way"
            ),
            "name a certificate under [tls], or listen on loopback behind a proxy with TLS, or let nothing but the proxy reach this address",
        ));
    }
    if let Some(address) = config.metrics_listen.filter(|address| !address.ip().is_loopback()) {
        findings.push(Finding::risk(
            "metrics",
            format!("{address} shows the counters to other machines"),
            "set server.metrics_listen to a loopback address, or let nothing but the collector reach it",
        ));
    }
    if config.is_for_conformance {
        findings.push(Finding::risk(
            "profile",
            "oidc.profile is conformance: what certification asks for and nobody else should is on",
            "set oidc.profile to standard, unless this installation is there to be tested",
        ));
    }
    if settings.implicit {
        findings.push(Finding::risk(
            "implicit",
            "oidc.implicit is on: clients that registered it get tokens in addresses, where histories and scripts find them",
            "set oidc.implicit to false, and let clients use response_type=code with PKCE",
        ));
    }
    if settings.unsigned_request_objects {
        findings.push(Finding::risk(
            "request objects",
            "oidc.unsigned_request_objects is on: a request object shows nothing about who made it",
            "set oidc.unsigned_request_objects to false, and let clients sign their request objects",
        ));
    }
    if settings.unsigned_id_tokens {
        findings.push(Finding::risk(
            "unsigned ID tokens",
            "oidc.unsigned_id_tokens is on: clients that registered it get ID tokens that nothing protects but the connection",
            "set oidc.unsigned_id_tokens to false",
        ));
    }
    if settings.registration.mode == RegistrationMode::Open {
        findings.push(Finding::risk(
            "registration",
            "registration.mode is open: everybody can register clients, and show people their name on your pages",
            "set registration.mode to token, and give initial access tokens to those who may register clients",
        ));
    }
    if settings.pkce == PkceRule::Public {
        findings.push(Finding::risk(
            "pkce",
            "pkce.required is public: clients with a secret may send neither code_challenge nor nonce, and take a stolen code",
            "set pkce.required to auto",
        ));
    }
    if !settings.fetch.private_networks.is_empty() {
        let networks: Vec<_> = settings.fetch.private_networks.iter().map(ToString::to_string).collect();
        findings.push(Finding::advice(
            "fetch",
            format!(
                "Who registers clients can let this server ask what is in {}, with plain http too",
                networks.join(", ")
            ),
            "keep fetch.private_networks as narrow as the hosts of your clients' key sets and logout addresses",
        ));
    }
    if settings.lives.refresh_grace_s > 0 {
        findings.push(Finding::advice(
            "refresh tokens",
            format!(
                "For {} s a used refresh token is answered again, to a thief as well",
                settings.lives.refresh_grace_s
            ),
            "set lives.refresh_grace to 0, unless clients lose answers",
        ));
    }
    if let Database::Postgres { url, .. } = &config.database
        && url.contains("sslmode=disable")
    {
        findings.push(Finding::risk(
            "database",
            "The connection to PostgreSQL is not encrypted (sslmode=disable)",
            "use a Unix socket or loopback, or a network that nobody else is on",
        ));
    }
    findings
}

/// Whether those who come here with TLS are let in, today and for some time.
fn of_certificate(config: &Config, files: &tls::Files, now: Timestamp) -> Vec<Finding> {
    let file = files.certificate.display();
    let certificate = match tls::read(files, now) {
        Ok(certificate) => certificate,
        Err(why) => {
            return vec![Finding::risk("certificate", format!("{why:#}"), "without it nothing starts")];
        }
    };
    let mut findings = Vec::new();
    if certificate.ends_at().seconds_since(now) < SOON_S {
        findings.push(Finding::risk(
            "certificate",
            format!("{file} is valid until {}; then nobody gets in", when::rfc3339_of(certificate.ends_at())),
            "renew it, and see why that did not happen by itself; a running server takes it up",
        ));
    }
    let settings = config.settings(config.listen.first().map_or(0, |address| address.port()));
    let issuer = Url::parse(settings.issuer.as_str());
    let host = issuer.as_ref().ok().and_then(Url::host_str).unwrap_or_default();
    // Behind a proxy that speaks TLS to us, names are between the two.
    if settings.trusted_proxies.is_empty() && !certificate.is_for(host.trim_matches(['[', ']'])) {
        findings.push(Finding::risk(
            "certificate",
            format!("{file} is not for {}: browsers and clients refuse it", settings.issuer.as_str()),
            "get one for the issuer's host",
        ));
    }
    findings
}

/// Who else can read what.
fn of_files(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut look = |about, path: &Path, allowed: u32| {
        let Ok(file) = std::fs::metadata(path) else { return };
        let mode = file.permissions().mode() & 0o777;
        if mode & !allowed != 0 {
            findings.push(Finding::risk(
                about,
                format!("{} can be used by other users of this machine (mode {mode:04o})", path.display()),
                format!("chmod {allowed:o} {}", path.display()),
            ));
        }
    };
    if let Some(folder) = config.folder() {
        look("data folder", folder, 0o700);
        look("database", &folder.join("authmachine.db"), 0o600);
    }
    let holds_password = matches!(config.database, Database::Postgres { .. }) && config.database_by_file();
    if let Some(file) = config.file.as_ref().filter(|_| holds_password) {
        look("configuration", file, 0o640);
    }
    if let (Ok(key), Some(Ok(folder))) =
        (std::fs::metadata(&config.key_file), config.folder().map(std::fs::metadata))
        && key.uid() != folder.uid()
    {
        findings.push(Finding::risk(
            "master key",
            "The master key and the data folder belong to two users: one of them cannot start the service",
            format!("chown both to the service's user, such as {}", config.key_file.display()),
        ));
    }
    findings
}

fn of_installation(config: &Config, installation: &Installation) -> Result<Vec<Finding>> {
    let now = installation.now();
    let mut findings = Vec::new();
    if let Err(why) = installation.store.check_statements() {
        findings.push(Finding::risk(
            "database",
            format!("{why}"),
            "the schema is not ours: restore it from a backup",
        ));
    }
    let (keys, clients, tokens) = installation
        .read(|reads| Ok((reads.list_signing_keys()?, reads.list_clients()?, reads.list_api_tokens()?)))?;
    findings.extend(of_keys(&keys, config.settings(0).keys, now));
    let mut with_short_secret = Vec::new();
    for client in &clients {
        if client::has_short_secret(installation, client)? {
            with_short_secret.push(client.client_id.as_str());
        }
    }
    let algorithms: Vec<Algorithm> = keys::algorithms(&keys).collect();
    findings.extend(of_clients(&clients, &algorithms, &with_short_secret, &busy(installation, now)?));
    findings.extend(of_tokens(&tokens, now));
    let settings = config.settings(0);
    findings.extend(of_unsigned(&clients));
    findings.extend(of_addresses(&clients, &settings.fetch.private_networks));
    findings.extend(of_registration(&settings.registration, &clients, &tokens, now));

    let from_the_future = event_id_at(now.plus_seconds(CLOCK_S));
    let later = installation.read(move |reads| reads.list_events(Some(from_the_future), 1))?;
    if now < NOT_BEFORE || !later.is_empty() {
        findings.push(Finding::risk(
            "clock",
            format!("The clock says {}, and things were done later than that", when::rfc3339_of(now)),
            "set the clock, and let it be kept (NTP): every life of a token is measured by it",
        ));
    }
    Ok(findings)
}

fn of_keys(keys: &[SigningKeyRecord], schedule: Schedule, now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    if keys.is_empty() {
        // The first start makes them.
        return findings;
    }
    for algorithm in Algorithm::ALL {
        let cure = format!("authmachine keys rotate --alg {algorithm}");
        let Some(key) = keys::active(keys, algorithm, now) else {
            let lack = |why| format!("No key signs with {algorithm}, {why}");
            findings.push(match algorithm {
                Algorithm::RS256 => Finding::risk(
                    "keys",
                    lack("which every client expects that says nothing: the service does not start"),
                    cure,
                ),
                Algorithm::ES256 => Finding::advice("keys", lack("which costs a twentieth of RS256"), cure),
                Algorithm::PS256 | Algorithm::EdDSA => {
                    Finding::advice("keys", lack("which new installations offer"), cure)
                }
            });
            continue;
        };
        let age_s = now.seconds_since(key.active_from);
        let has_next = keys::next(keys, algorithm, now).is_some();
        let what =
            format!("The {algorithm} key {} has signed since {}", key.kid, when::rfc3339_of(key.active_from));
        match schedule.rotate_after_s {
            _ if has_next => {}
            0 if age_s > OLD_KEY_S => findings.push(Finding::advice("keys", what, cure)),
            1.. if age_s > schedule.rotate_after_s + LATE_KEY_S => findings.push(Finding::advice(
                "keys",
                format!("{what}, longer than keys.rotate_after, and no other is published"),
                "start `authmachine serve`, which makes the next one; where it runs, its log says why it does not",
            )),
            _ => {}
        }
    }
    findings
}

fn of_clients(
    clients: &[Client],
    algorithms: &[Algorithm],
    with_short_secret: &[&str],
    busy: &BTreeMap<String, usize>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for client in clients.iter().filter(|client| !client.disabled) {
        let id = client.client_id.as_str();
        if with_short_secret.contains(&id) {
            findings.push(Finding::risk(
                "client secret",
                format!("The secret of {id} was chosen, and is so short that it can be guessed"),
                format!("authmachine client rotate-secret {id}"),
            ));
        }
        let algorithm = client.id_token_alg;
        if !algorithms.is_empty() && !algorithms.contains(&algorithm) {
            findings.push(Finding::risk(
                "client",
                format!("{id} wants ID tokens with {algorithm}, and no key signs with that"),
                format!("authmachine keys rotate --alg {algorithm}"),
            ));
        }
        if let Some(count) = busy.get(id).filter(|count| algorithm == Algorithm::RS256 && **count >= BUSY) {
            findings.push(Finding::advice(
                "client",
                format!("{id} got tokens {count} times in the last hour, signed with RS256; ES256 costs a twentieth"),
                format!("ask whether it can check ES256, then: authmachine client set {id} --id-token-alg ES256"),
            ));
        }
        let plain = client.redirect_uris.iter().find(|uri| uri.starts_with("http://"));
        if let Some(uri) = plain.filter(|_| client.kind == ClientKind::Web) {
            findings.push(Finding::advice(
                "client",
                format!("{id} returns to {uri}: fine while it is developed"),
                format!("authmachine client set {id} --redirect-uri https://…"),
            ));
        }
    }
    findings
}

/// Who is registered for what nothing protects: one finding each, however many they are.
fn of_unsigned(clients: &[Client]) -> Vec<Finding> {
    let named = |is_so: fn(&Client) -> bool| {
        let ids: Vec<_> = clients
            .iter()
            .filter(|client| !client.disabled && is_so(client))
            .map(|client| client.client_id.as_str())
            .collect();
        match ids.as_slice() {
            [] => None,
            [some @ .., _] if some.len() >= MAX_NAMED => {
                Some(format!("{} and {} more", ids[..MAX_NAMED].join(", "), ids.len() - MAX_NAMED))
            }
            _ => Some(ids.join(", ")),
        }
    };
    let id_tokens = named(|client| client.metadata.unsigned_id_tokens).map(|ids| {
        Finding::advice(
            "client",
            format!("Registered for ID tokens without a signature: {ids}"),
            "authmachine client set ID --id-token-alg RS256",
        )
    });
    let request_objects =
        named(|client| client.metadata.request_object_signing_alg == Some(RequestObjectAlg::Unsigned)).map(|ids| {
            Finding::advice(
                "client",
                format!("Registered for request objects without a signature: {ids}"),
                "authmachine client set ID --request-object-alg with what it signs them with, or --unset request-object-alg",
            )
        });
    id_tokens.into_iter().chain(request_objects).collect()
}

/// Addresses of clients that this server never asks, as far as it shows without asking for names.
fn of_addresses(clients: &[Client], private_networks: &[IpNetwork]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for client in clients.iter().filter(|client| !client.disabled) {
        let metadata = &client.metadata;
        let asked = [&metadata.jwks_uri, &metadata.backchannel_logout_uri];
        let mut asked = asked.into_iter().flatten().chain(&metadata.request_uris);
        if let Some(uri) = asked.find(|uri| is_out_of_reach(uri, private_networks)) {
            findings.push(Finding::risk(
                "fetch",
                format!("{uri} of {} is never asked: its address is private", client.client_id),
                "list its network in fetch.private_networks, as narrow as can be, or let the client have a public address",
            ));
        }
    }
    findings
}

fn is_out_of_reach(uri: &str, private_networks: &[IpNetwork]) -> bool {
    let Ok(url) = Url::parse(uri) else { return false };
    let addresses: Vec<IpAddr> = match url.host() {
        Some(Host::Ipv4(address)) => vec![address.into()],
        Some(Host::Ipv6(address)) => vec![address.into()],
        Some(host) if redirect_uri::is_loopback(&host) => {
            vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
        }
        _ => return false,
    };
    let is_reached = |address: &IpAddr| {
        url.scheme() == "https" && is_public(*address)
            || private_networks.iter().any(|network| network.contains(*address))
    };
    !addresses.iter().any(is_reached)
}

/// Whether those can register who should, and whether there is room for them.
fn of_registration(
    registration: &Registration,
    clients: &[Client],
    tokens: &[ApiToken],
    now: Timestamp,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_initial = |token: &ApiToken| {
        let is_live = token.revoked_at.is_none() && token.expires_at.is_none_or(|end| end > now);
        is_live && token.scopes.contains(CLIENTS_REGISTER)
    };
    if registration.mode == RegistrationMode::Token && !tokens.iter().any(is_initial) {
        findings.push(Finding::advice(
            "registration",
            "registration.mode is token, and there is no initial access token: nobody can register a client",
            "authmachine api-token create NAME --scope clients:register, or set registration.mode to off",
        ));
    }
    let (there, most) =
        (clients.iter().filter(|client| client.is_self_registered()).count(), registration.max_clients);
    let room = most.saturating_sub(i64::try_from(there).unwrap_or(i64::MAX));
    if registration.mode != RegistrationMode::Off && room <= most / 10 {
        findings.push(Finding::advice(
            "registration",
            format!("{there} of {most} clients have registered themselves: soon nobody can"),
            "see who they are (authmachine client list), then raise registration.max_clients or shorten registration.unused",
        ));
    }
    findings
}

fn of_tokens(tokens: &[ApiToken], now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    for token in tokens.iter().filter(|token| token.revoked_at.is_none()) {
        let name = &token.name;
        match token.expires_at {
            None => findings.push(Finding::risk(
                "api token",
                format!("{name:?} never ends: whoever finds it in ten years can use it"),
                "make another with an end, give that to its program, then revoke this one",
            )),
            Some(end) if end <= now => findings.push(Finding::advice(
                "api token",
                format!("{name:?} has ended ({})", when::rfc3339_of(end)),
                format!("authmachine api-token revoke {name:?}, and a new one if its program still asks"),
            )),
            Some(end) if end <= now.plus_seconds(SOON_S) => findings.push(Finding::advice(
                "api token",
                format!("{name:?} ends soon ({})", when::rfc3339_of(end)),
                "make another, and give that to its program",
            )),
            Some(_) => {}
        }
    }
    findings
}

/// How often each client got tokens in the last hour.
fn busy(installation: &Installation, now: Timestamp) -> Result<BTreeMap<String, usize>> {
    let mut after = event_id_at(now.plus_seconds(-3_600));
    let mut counts = BTreeMap::new();
    let mut seen = 0;
    while seen < MAX_EVENTS {
        let page: Vec<Event> = installation.read(move |reads| reads.list_events(Some(after), PAGE))?;
        let Some(last) = page.last() else { break };
        after = last.id;
        seen += page.len();
        for event in page.into_iter().filter(|event| event.kind == EventKind::TokensIssued) {
            *counts.entry(event.client.unwrap_or_default()).or_default() += 1;
        }
    }
    Ok(counts)
}

/// The id that an event would have at that time: ids are ordered by time.
fn event_id_at(time: Timestamp) -> EventId {
    EventId(IdSource::new(0).next(Kind::Row, time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use authmachine_protocol::Scopes;
    use authmachine_provider::client::ObjectScope;
    use authmachine_provider::client_metadata::ClientMetadata;
    use authmachine_provider::ids::{ApiTokenId, ClientId};
    use authmachine_provider::subject_ids::SubjectIds;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn said(findings: &[Finding]) -> Vec<String> {
        findings.iter().map(|finding| format!("{} {}", finding.word(), finding.about)).collect()
    }

    #[test]
    fn a_certificate_is_named_two_weeks_before_its_end_and_when_it_is_for_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = crate::tls::tests::files_in(folder.path());
        // 2120-01-01.
        let end = Timestamp::from_seconds(4_733_510_400);
        let mut config = Config::of_folder(folder.path()).expect("legal");
        config.tls = Some(files.clone());
        let found = |config: &Config, days_left: i64| {
            of_certificate(config, &files, end.plus_seconds(-days_left * 86_400))
        };
        assert!(found(&config, 14).is_empty());
        let soon = found(&config, 13);
        assert_eq!(said(&soon), ["risk certificate"]);
        assert!(soon[0].what.contains("2120-01-01T00:00:00Z"), "{soon:?}");
        let over = found(&config, -1);
        assert!(said(&over) == ["risk certificate"] && over[0].what.contains("has expired"), "{over:?}");
        for (issuer, is_for) in [
            ("https://localhost:8000", true),
            ("https://127.0.0.1:8000", true),
            ("https://[::1]:8000", true),
            ("https://id.example.com", false),
        ] {
            config.issuer = authmachine_server::Issuer::parse(issuer).ok();
            assert_eq!(found(&config, 14).is_empty(), is_for, "{issuer}");
        }
    }

    fn key(algorithm: Algorithm, days_old: i64) -> SigningKeyRecord {
        SigningKeyRecord {
            kid: "k".to_owned(),
            algorithm,
            private_sealed: Vec::new(),
            created_at: NOW.plus_seconds(-days_old * 86_400),
            active_from: NOW.plus_seconds(-days_old * 86_400),
            retired_at: None,
            expires_at: None,
        }
    }

    fn client() -> Client {
        Client {
            id: ClientId(1),
            client_id: "shop".to_owned(),
            name: "Shop".to_owned(),
            secret_hmac: Some([1; 32]),
            auth_method: None,
            kind: ClientKind::Web,
            first_party: false,
            pkce: None,
            grant_types: Vec::new(),
            response_types: Vec::new(),
            scopes: Scopes::default(),
            id_token_alg: Algorithm::RS256,
            userinfo_alg: None,
            sector: None,
            redirect_uris: vec!["https://shop.example/cb".to_owned()],
            post_logout_redirect_uris: Vec::new(),
            objects: Vec::new(),
            subject_ids: SubjectIds::Sub,
            permissions_in_id_token: false,
            metadata: ClientMetadata::default(),
            registration_sha256: None,
            disabled: false,
            created_at: NOW,
        }
    }

    fn token(expires_at: Option<Timestamp>) -> ApiToken {
        ApiToken {
            id: ApiTokenId(1),
            name: "reports".to_owned(),
            scopes: Scopes::default(),
            objects: ObjectScope::All,
            subject_ids: SubjectIds::Sub,
            created_at: NOW,
            expires_at,
            revoked_at: None,
            last_used_at: None,
        }
    }

    #[test]
    fn keys_are_missing_or_old() {
        let never = Schedule { rotate_after_s: 0, ..Schedule::default() };
        let look = |keys: &[SigningKeyRecord], schedule| said(&of_keys(keys, schedule, NOW));
        let all = |days_old| Algorithm::ALL.map(|algorithm| key(algorithm, days_old));
        let rs256_and = |other: SigningKeyRecord| {
            let mut keys = all(1).to_vec();
            keys[0] = other;
            keys
        };
        let nothing = Vec::<String>::new();
        assert_eq!(look(&[], never), nothing);
        assert_eq!(look(&all(1), never), nothing);
        assert_eq!(look(&[key(Algorithm::ES256, 1)], never), ["risk keys", "advice keys", "advice keys"]);
        assert_eq!(look(&[key(Algorithm::RS256, 1)], never), ["advice keys"; 3]);
        let retired = SigningKeyRecord { retired_at: Some(NOW), ..key(Algorithm::RS256, 366) };
        assert_eq!(look(&rs256_and(retired), never), ["risk keys"]);
        for (days_old, schedule, is_said) in [
            (365, never, false),
            (366, never, true),
            (90, Schedule::default(), false),
            (92, Schedule::default(), true),
        ] {
            let old = rs256_and(key(Algorithm::RS256, days_old));
            assert_eq!(!look(&old, schedule).is_empty(), is_said, "{days_old}");
            let next = SigningKeyRecord { kid: "next".to_owned(), ..key(Algorithm::RS256, -7) };
            assert_eq!(look(&[old, vec![next]].concat(), schedule), nothing);
        }
    }

    #[test]
    fn clients_have_short_secrets_unsigned_algorithms_or_much_to_do() {
        let look = |client: Client, short: &[&str], count| {
            let busy = BTreeMap::from([("shop".to_owned(), count)]);
            said(&of_clients(&[client], &[Algorithm::RS256], short, &busy))
        };
        assert_eq!(look(client(), &[], BUSY - 1), Vec::<String>::new());
        assert_eq!(look(client(), &["shop"], 0), ["risk client secret"]);
        assert_eq!(look(client(), &[], BUSY), ["advice client"]);
        assert_eq!(look(Client { id_token_alg: Algorithm::ES256, ..client() }, &[], BUSY), ["risk client"]);
        let local = vec!["http://localhost:5000/cb".to_owned()];
        assert_eq!(look(Client { redirect_uris: local.clone(), ..client() }, &[], 0), ["advice client"]);
        let disabled = Client { disabled: true, redirect_uris: local, ..client() };
        assert_eq!(look(disabled, &["shop"], BUSY), Vec::<String>::new());
    }

    #[test]
    fn clients_are_registered_for_what_nobody_signed() {
        let unsigned = Client {
            metadata: ClientMetadata {
                unsigned_id_tokens: true,
                request_object_signing_alg: Some(RequestObjectAlg::Unsigned),
                ..ClientMetadata::default()
            },
            ..client()
        };
        assert!(of_unsigned(&[client(), Client { disabled: true, ..unsigned.clone() }]).is_empty());
        let found = of_unsigned(&[unsigned.clone(), client()]);
        assert_eq!(said(&found), ["advice client"; 2]);
        assert!(found.iter().all(|finding| finding.what.ends_with(": shop")), "{found:?}");
        let many = of_unsigned(&vec![unsigned.clone(); MAX_NAMED]);
        assert!(many[0].what.ends_with(": shop, shop, shop, shop, shop"), "{many:?}");
        let more = of_unsigned(&vec![unsigned; MAX_NAMED + 2]);
        assert!(more[0].what.ends_with(": shop, shop, shop, shop, shop and 2 more"), "{more:?}");
    }

    #[test]
    fn lo4_addresses_that_are_never_asked_are_named() {
        let networks = ["10.1.0.0/16".parse().expect("a network"), "::1".parse().expect("a network")];
        for (uri, is_named) in [
            ("https://shop.example/jwks", false),
            ("https://9.9.9.9/jwks", false),
            ("http://9.9.9.9/jwks", true),
            ("http://localhost:5000/jwks", false),
            ("http://127.0.0.1:5000/jwks", true),
            ("https://10.1.2.3/jwks", false),
            ("http://10.1.2.3/jwks", false),
            ("https://10.2.0.1/jwks", true),
            ("https://[fd00::1]/jwks", true),
        ] {
            let uri = Some(uri.to_owned());
            for metadata in [
                ClientMetadata { jwks_uri: uri.clone(), ..ClientMetadata::default() },
                ClientMetadata { backchannel_logout_uri: uri.clone(), ..ClientMetadata::default() },
                ClientMetadata { request_uris: uri.iter().cloned().collect(), ..ClientMetadata::default() },
            ] {
                let client = Client { metadata, ..client() };
                let found = of_addresses(&[client], &networks);
                assert_eq!(said(&found), vec!["risk fetch"; usize::from(is_named)], "{uri:?}");
            }
        }
        let local = ClientMetadata {
            jwks_uri: Some("http://localhost/jwks".to_owned()),
            ..ClientMetadata::default()
        };
        assert_eq!(of_addresses(&[Client { metadata: local, ..client() }], &[]).len(), 1);
    }

    #[test]
    fn dr6_registration_wants_a_token_and_room() {
        let with = |mode| Registration { mode, max_clients: 10, ..Registration::default() };
        let clients = |count| vec![Client { registration_sha256: Some([1; 32]), ..client() }; count];
        let initial = |expires_at| ApiToken {
            scopes: Scopes::parse(CLIENTS_REGISTER).expect("legal"),
            ..token(expires_at)
        };
        let look = |mode, count: usize, tokens: &[ApiToken]| {
            let all = [clients(count), vec![client()]].concat();
            of_registration(&with(mode), &all, tokens, NOW).len()
        };
        let live = initial(Some(NOW.plus_seconds(1)));
        let revoked = ApiToken { revoked_at: Some(NOW), ..live.clone() };
        assert_eq!(look(RegistrationMode::Off, 10, &[]), 0);
        assert_eq!(look(RegistrationMode::Open, 8, &[]), 0);
        assert_eq!(look(RegistrationMode::Open, 9, &[]), 1);
        assert_eq!(look(RegistrationMode::Token, 0, std::slice::from_ref(&live)), 0);
        assert_eq!(look(RegistrationMode::Token, 11, &[live]), 1);
        for none in [token(None), revoked, initial(Some(NOW))] {
            assert_eq!(look(RegistrationMode::Token, 0, &[none]), 1);
        }
    }

    #[test]
    fn api_tokens_end_in_time() {
        let look =
            |seconds: Option<i64>| said(&of_tokens(&[token(seconds.map(|s| NOW.plus_seconds(s)))], NOW));
        assert_eq!(look(None), ["risk api token"]);
        assert_eq!(look(Some(0)), ["advice api token"]);
        assert_eq!(look(Some(SOON_S)), ["advice api token"]);
        assert_eq!(look(Some(SOON_S + 1)), Vec::<String>::new());
        let revoked = ApiToken { revoked_at: Some(NOW), ..token(None) };
        assert!(of_tokens(&[revoked], NOW).is_empty());
    }

    #[test]
    fn an_event_of_a_time_comes_after_the_id_of_that_time() {
        let at = |seconds| IdSource::new(63).next(Kind::Row, NOW.plus_seconds(seconds));
        assert!(at(-1) < event_id_at(NOW).0);
        assert!(at(0) > event_id_at(NOW).0);
    }
}
