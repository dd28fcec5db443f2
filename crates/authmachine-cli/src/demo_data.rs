//! Who and what is in the demo. Nothing here is secret, so nothing here may leave loopback (checklist G9).

use anyhow::Result;
use authmachine_jose::Algorithm;
use authmachine_protocol::redirect_uri::ClientKind;
use authmachine_protocol::{GrantType, ResponseType};
use authmachine_provider::api_token::PERMISSIONS_READ;
use authmachine_provider::client::{Client, ObjectScope};
use authmachine_provider::client_metadata::ClientMetadata;
use authmachine_provider::handle::Handle;
use authmachine_provider::ids::{ClientId, Kind, UserId};
use authmachine_provider::subject_ids::SubjectIds;
use authmachine_provider::user::{User, UserStatus};
use authmachine_server::random;
use serde_json::{Map, Value, json};

use crate::installation::Installation;
use crate::{api_token, client, grant, group, object, permission_type, user};

/// Names and passwords.
pub(crate) const USERS: [(&str, &str); 2] = [("alice", "wonderland-demo"), ("bob", "builder-demo")];
/// The objects.
pub(crate) const OBJECTS: [&str; 2] = ["object1", "object2"];
/// A client and its secret.
pub(crate) struct DemoClient {
    /// `client_id`.
    pub(crate) id: &'static str,
    /// Its secret.
    pub(crate) secret: &'static str,
}
/// The demo client, and pyoidc's.
pub(crate) const TEST: DemoClient = DemoClient { id: "test", secret: "test" };
/// A client of somebody else.
pub(crate) const GUEST: DemoClient = DemoClient { id: "guest-app", secret: "guest-app-demo-secret" };
/// Ports of the demo client and of others beside it.
const CLIENT_PORTS: [u16; 3] = [5000, 5055, 5056];
/// How long the demo client may ask for permissions.
const API_TOKEN_S: i64 = 30 * 86_400;

/// The demo client's API token.
pub(crate) struct ApiAccess(Handle);

impl ApiAccess {
    /// Its text.
    pub(crate) fn token(&self) -> &str {
        self.0.reveal()
    }
}

/// Fills a new installation.
pub(crate) fn fill(installation: &Installation, client_port: u16) -> Result<ApiAccess> {
    let [(alice, alice_password), (bob, bob_password)] = USERS;
    add_user(
        installation,
        alice,
        alice_password,
        json!({
            "name": "Alice Liddell",
            "given_name": "Alice",
            "family_name": "Liddell",
            "nickname": "Ali",
            "birthdate": "1852-05-04",
            "zoneinfo": "Europe/London",
            "locale": "en-GB",
            "phone_number": "+44 1865 496 0000",
            "phone_number_verified": false,
            "address": { "street_address": "Christ Church", "locality": "Oxford", "country": "GB" },
            "department": "Chess",
        }),
    )?;
    add_user(
        installation,
        bob,
        bob_password,
        json!({
            "name": "Bob Baumeister",
            "given_name": "Bob",
            "family_name": "Baumeister",
            "locale": "de-DE",
            "department": "Building",
        }),
    )?;
    add_client(installation, &TEST, "Demo client", true, client_port)?;
    add_client(installation, &GUEST, "Guest app", false, client_port)?;

    for (code, name) in OBJECTS.into_iter().zip(["The first object", "The second object"]) {
        object::insert(installation, object::fresh(installation, code, name)?)?;
    }
    for (code, name) in [("read", "Read"), ("write", "Write"), ("delete", "Delete")] {
        permission_type::insert(installation, code, name, &[])?;
    }
    group::insert(installation, "readers", "Readers")?;
    let readers = installation.group("readers")?;
    for name in [alice, bob] {
        group::add_member(installation, &readers, &installation.user(name)?)?;
    }
    let [object1, object2] = OBJECTS;
    for (user, group, object, permission_type) in [
        (None, Some("readers"), object1, "read"),
        (Some(alice), None, object1, "write"),
        (Some(alice), None, object2, "read"),
        (Some(bob), None, object2, "read"),
        (Some(bob), None, object2, "delete"),
    ] {
        grant::give(installation, user, group, object, permission_type)?;
    }
    let objects = ObjectScope::Attached(OBJECTS.map(str::to_owned).to_vec());
    let scopes = [PERMISSIONS_READ].into_iter().collect();
    let expires_at = installation.now().plus_seconds(API_TOKEN_S);
    let ids = SubjectIds::default();
    let (_, handle) = api_token::insert(installation, "demo client", scopes, objects, ids, Some(expires_at))?;
    Ok(ApiAccess(handle))
}

fn add_user(installation: &Installation, name: &str, password: &str, claims: Value) -> Result<()> {
    let claims = match claims {
        Value::Object(claims) => claims,
        _ => Map::new(),
    };
    let now = installation.now();
    let user = User {
        id: UserId(installation.id(Kind::Row)),
        sub: random::public_id(),
        username: name.to_owned(),
        email: Some(format!("{name}@example.com")),
        email_verified: true,
        status: UserStatus::Active,
        claims,
        epoch: 0,
        created_at: now,
        updated_at: now,
    };
    user::insert(installation, &user, &user::hash(password))
}

fn add_client(
    installation: &Installation,
    DemoClient { id, secret }: &DemoClient,
    name: &str,
    first_party: bool,
    client_port: u16,
) -> Result<()> {
    let grant_types =
        vec![GrantType::AuthorizationCode, GrantType::RefreshToken, GrantType::ClientCredentials];
    let new = Client {
        id: ClientId(installation.id(Kind::Row)),
        client_id: (*id).to_owned(),
        name: name.to_owned(),
        secret_hmac: None,
        auth_method: None,
        kind: ClientKind::Web,
        first_party,
        pkce: None,
        grant_types,
        response_types: vec![ResponseType::Code],
        scopes: ["openid", "profile", "email", "address", "phone", "offline_access"].into_iter().collect(),
        id_token_alg: Algorithm::RS256,
        userinfo_alg: None,
        sector: None,
        redirect_uris: addresses("/oidc-callback", client_port),
        post_logout_redirect_uris: addresses("/oidc-logout-callback", client_port),
        // A client of somebody else sees what it was given: one of the two.
        objects: if first_party { Vec::new() } else { vec![OBJECTS[0].to_owned()] },
        subject_ids: SubjectIds::Sub,
        permissions_in_id_token: false,
        metadata: ClientMetadata::default(),
        registration_sha256: None,
        disabled: false,
        created_at: installation.now(),
    };
    client::insert(installation, &new, Some(secret))
}

/// `path` on each host and port that a demo client may have.
fn addresses(path: &str, client_port: u16) -> Vec<String> {
    let mut ports = CLIENT_PORTS.to_vec();
    if !ports.contains(&client_port) {
        ports.push(client_port);
    }
    let on_port = |port| ["localhost", "127.0.0.1"].map(|host| format!("http://{host}:{port}{path}"));
    ports.into_iter().flat_map(on_port).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::installation::Missing;
    use authmachine_protocol::redirect_uri;

    #[test]
    fn the_demo_has_users_clients_and_permissions() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = Config::of_folder(folder.path()).expect("legal");
        let installation = Installation::open(&config, Missing::MakeUnsaid).expect("new");
        let access = fill(&installation, 5001).expect("filled");
        assert_eq!(access.token().len(), 54);

        let now = installation.now();
        let held = |name: &str| {
            let id = installation.user(name).expect("there").id;
            let mut held =
                installation.read(move |reads| reads.held_permissions(id, None, now)).expect("read");
            held.sort();
            held.iter().map(|(object, what)| format!("{object}:{what}")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(held("alice"), "object1:read object1:write object2:read");
        assert_eq!(held("bob"), "object1:read object2:delete object2:read");

        let test = installation.client("test").expect("there");
        assert!(test.first_party && test.id_token_alg == Algorithm::RS256);
        assert_eq!(test.secret_hmac, Some(installation.secrets.client_secret("test")));
        let guest = installation.client("guest-app").expect("there");
        assert!(!guest.first_party && !guest.is_public());
        for client in [&test, &guest] {
            assert_eq!(client.redirect_uris.len(), 8);
            assert!(client.redirect_uris.contains(&"http://127.0.0.1:5056/oidc-callback".to_owned()));
            assert!(client.redirect_uris.contains(&"http://localhost:5001/oidc-callback".to_owned()));
            assert!(
                client
                    .post_logout_redirect_uris
                    .contains(&"http://localhost:5000/oidc-logout-callback".to_owned())
            );
            for uri in client.redirect_uris.iter().chain(&client.post_logout_redirect_uris) {
                assert_eq!(redirect_uri::validate(uri, client.kind), Ok(()), "{uri}");
            }
        }
        let alice = installation.user("alice").expect("there");
        for (claim, value) in &alice.claims {
            assert_eq!(authmachine_provider::user_claims::check(claim, value), Ok(()), "{claim}");
        }
    }

    #[test]
    fn a_port_that_is_there_already_is_not_listed_twice() {
        assert_eq!(addresses("/x", 5055).len(), 6);
    }
}
