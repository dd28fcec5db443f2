//! Every setting there is, once: its name, kind, default and meaning. The reader, the reference page and the sample file come from here.

use super::raw::{Given, Kind, Seconds, Written};

/// A section of the file.
pub(crate) struct Section {
    pub(crate) name: &'static str,
    pub(crate) doc: &'static [&'static str],
    pub(crate) settings: &'static [Setting],
}

/// A setting of a section.
pub(crate) struct Setting {
    pub(crate) key: &'static str,
    pub(crate) doc: &'static [&'static str],
    /// What kind of value, in words.
    pub(crate) kind: &'static str,
    /// The default as the environment would have it.
    pub(crate) default: &'static str,
    /// The default as the file would have it.
    pub(crate) toml: fn(&str) -> String,
}

macro_rules! sections {
    ($(
        $(#[doc = $section_doc:literal])+
        $section:ident: $Section:ident {
            $($(#[doc = $doc:literal])+ $key:ident: $kind:ty = $default:literal,)+
        }
    )+) => {
        $(
            $(#[doc = $section_doc])+
            #[derive(Debug)]
            pub(crate) struct $Section {
                $($(#[doc = $doc])+ pub(crate) $key: Given<$kind>,)+
            }
        )+

        /// The settings as they were written, each of the right kind, its meaning not yet looked at.
        #[derive(Debug)]
        pub(crate) struct RawConfig {
            $($(#[doc = $section_doc])+ pub(crate) $section: $Section,)+
        }

        impl RawConfig {
            /// Takes each setting from what was written, or its default.
            pub(super) fn read(written: &mut Written) -> Self {
                Self {
                    $($section: $Section {
                        $($key: written.take(stringify!($section), stringify!($key), $default),)+
                    },)+
                }
            }
        }

        /// All of them, for readers that are no program.
        pub(crate) const SECTIONS: &[Section] = &[$(Section {
            name: stringify!($section),
            doc: &[$($section_doc),+],
            settings: &[$(Setting {
                key: stringify!($key),
                doc: &[$($doc),+],
                kind: <$kind as Kind>::NAME,
                default: $default,
                toml: <$kind as Kind>::toml,
            },)+],
        },)+];
    };
}

sections! {
    /// Where the provider is reached.
    server: Server {
        /// The address that browsers and clients use, without a path. `https`, or `http` on loopback.
        /// Empty: `http://localhost` (with TLS, `https://localhost`) with the port of `listen`, as long as that is loopback.
        issuer: String = "",
        /// The addresses to listen on: with TLS if there is a certificate (`[tls]`), else plain HTTP for a proxy before it.
        listen: Vec<String> = "127.0.0.1:8000, [::1]:8000",
        /// The address of `/metrics`, `/healthz` and `/readyz` for operators. Empty: none.
        metrics_listen: String = "127.0.0.1:9464",
        /// Addresses of proxies whose `X-Forwarded-For` is believed.
        trusted_proxies: Vec<String> = "",
    }

    /// TLS 1.2 and 1.3 on the addresses of `server.listen`. Both files are read again when they change, and at SIGHUP.
    tls: Tls {
        /// The file of the certificate, then of those between it and a root, in PEM. Empty: plain HTTP.
        certificate_file: String = "",
        /// The file of its private key, in PEM, without a passphrase. Nobody else may read it; what belongs to root, a group may.
        key_file: String = "",
    }

    /// The database.
    database: Database {
        /// `sqlite`: embedded, in the data folder. Or `postgres://user:password@host/database`.
        url: String = "sqlite",
        /// The most connections to PostgreSQL.
        max_connections: i64 = "8",
    }

    /// Files of this installation.
    data: Data {
        /// The folder of the embedded database and of the master key; made at the first start, for its owner alone.
        folder: String = "./data",
        /// The file of the master key: 32 bytes in hex or Base64, for its owner alone. Empty: `authmachine.key` in the data folder.
        /// PostgreSQL needs it named. Without this file the database is of no use: keep a copy in another place than the database's.
        key_file: String = "",
    }

    /// PKCE (RFC 7636).
    pkce: Pkce {
        /// Who must use it. `auto`: public clients, and others unless they send `nonce` with `openid`; `all`; `public`: public clients alone.
        required: String = "auto",
    }

    /// OpenID Connect beyond what is good for everybody.
    oidc: Oidc {
        /// `standard`; or `conformance`, for an installation that is there to be certified: the three switches below are on,
        /// `registration.mode` is `open` for 100,000 clients, and `pkce.required` is `public`, unless they are set.
        profile: String = "standard",
        /// Whether the response types with tokens may be used, implicit and hybrid, by the clients that are registered for them.
        /// Tokens then pass through browsers: `code` does without.
        implicit: bool = "false",
        /// Whether request objects with `alg=none` are read: anybody may have written them.
        unsigned_request_objects: bool = "false",
        /// Whether clients that registered `id_token_signed_response_alg=none` get such ID tokens, at the token endpoint alone.
        unsigned_id_tokens: bool = "false",
    }

    /// Dynamic registration of clients (RFC 7591).
    registration: Registration {
        /// Who may register clients: `off`, nobody; `token`, who holds an initial access token; `open`, everybody.
        mode: String = "off",
        /// The most clients that registered themselves, at a time.
        max_clients: i64 = "1000",
        /// How long a client that registered itself stays when nobody signs in with it.
        unused: Seconds = "30d",
    }

    /// Who may do what.
    permissions: Permissions {
        /// The most memory, in MiB, that the index of permissions may take: about 30 for a million grants. Above it, and with `0`,
        /// each question goes to the database.
        index_max_mib: i64 = "1024",
        /// The shape of the permission call's answer. `merged`: for old and new AuthMachine clients at once; `wrapped`: `is_superuser`
        /// and `permissions` alone, for new ones; `flat`: the objects alone, for old ones.
        answer_shape: String = "merged",
        /// Whether who borrowed a right must meet the conditions of the lender's own grant too.
        giver_conditions_bind_taker: bool = "false",
    }

    /// What people may lend each other of what they hold, where the grant says that it may be lent.
    lending: Lending {
        /// The longest way from a grant to who has it through others, 0 to 5: 0 forbids lending, 1 passing on.
        max_hops: i64 = "1",
        /// The longest time.
        max_time: Seconds = "90d",
        /// How old the sign-in of who lends may be.
        recent_login: Seconds = "10m",
        /// The most that one person lends at a time,
        max_given: i64 = "1000",
        /// and is lent.
        max_taken: i64 = "1000",
    }

    /// What the server fetches by itself from addresses that clients name: key sets, request objects, sector documents; and where it
    /// sends logout tokens. Always public addresses and https, but for these.
    fetch: Fetch {
        /// Networks such as `10.0.0.0/8`, or single addresses, that may be asked though they are private, and with plain http too.
        private_networks: Vec<String> = "",
        /// A file of certificates in PEM that are trusted beside the roots of this machine. Read at the start. Empty: none.
        ca_file: String = "",
    }

    /// How long things live, such as `90s`, `10m`, `12h`, `14d`; a plain number is seconds.
    lives: Lives {
        /// A session without use. Its end stops single sign-on, not what was issued.
        session_idle: Seconds = "1h",
        /// A session, used or not.
        session: Seconds = "12h",
        /// An authorization code; at most `10m`.
        code: Seconds = "60s",
        /// An access token, at most to the end of its session.
        access_token: Seconds = "1h",
        /// An access token of a first-party client, at most to the end of its session.
        first_party_access_token: Seconds = "12h",
        /// An ID token.
        id_token: Seconds = "10m",
        /// A refresh token without use.
        refresh_idle: Seconds = "14d",
        /// A refresh token and those that came from it.
        refresh: Seconds = "90d",
        /// An authorization request that waits for a person.
        interaction: Seconds = "30m",
        /// How long the answer to a used refresh token may be had again, for clients that lose answers; at most `10s`, `0` is never.
        refresh_grace: Seconds = "0",
    }

    /// The keys that sign tokens. A retired one stays published until no token that it signed lives, and as long as a session
    /// (`lives.session`, at most a day), so that its tokens are good as hints.
    keys: Keys {
        /// How long a key signs before the next one takes over, at least `1d`; `0`: until `authmachine keys rotate`.
        rotate_after: Seconds = "90d",
        /// How long the next key is published before it signs; at least `1h`, and longer than clients keep the key set.
        publish_before: Seconds = "7d",
    }

    /// Passwords.
    password: Password {
        /// The fewest characters of a new one; at least 15 (NIST SP 800-63B-4 §3.1.1).
        min_characters: i64 = "15",
    }

    /// The look of the pages.
    brand: Brand {
        /// The name that people read.
        product_name: String = "AuthMachine",
        /// The colour of buttons and links, `#rrggbb`.
        accent: String = "#1d6b58",
    }

    /// The log, on standard error.
    log: Log {
        /// `text` for people, `json` for machines.
        format: String = "text",
        /// `error`, `warn`, `info`, `debug` or `trace`.
        level: String = "info",
    }
}
