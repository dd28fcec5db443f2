//! People to be.

use authmachine_provider::ids::UserId;
use authmachine_provider::user::{User, UserStatus};
use authmachine_store::Inserted;
use serde_json::{Map, Value};

use crate::keys;
use crate::server::TestServer;

/// Everybody's password.
pub const PASSWORD: &str = "through the looking glass";

/// A user to be made.
#[must_use]
pub struct UserBuilder {
    server: TestServer,
    user: User,
}

impl UserBuilder {
    pub(crate) fn new(server: TestServer, username: &str) -> Self {
        let now = server.clock().now();
        let mut user = User {
            id: UserId(server.row_id()),
            sub: authmachine_server::random::public_id(),
            username: username.to_owned(),
            email: None,
            email_verified: false,
            status: UserStatus::Active,
            claims: Map::new(),
            epoch: 0,
            created_at: now,
            updated_at: now,
        };
        if username.bytes().all(|b| b.is_ascii_alphanumeric()) {
            user.email = Some(format!("{username}@example.com"));
            user.email_verified = true;
        }
        Self { server, user }
    }

    /// Sets a claim.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.user.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Sets the mail address.
    pub fn email(mut self, email: Option<&str>) -> Self {
        self.user.email = email.map(str::to_owned);
        self.user.email_verified = email.is_some();
        self
    }

    /// Locks the user.
    pub fn locked(mut self) -> Self {
        self.user.status = UserStatus::Locked;
        self
    }

    /// Makes the user, with [`PASSWORD`].
    pub async fn create(self) -> User {
        self.create_with_hash(Some(keys::password_hash().to_owned())).await
    }

    /// Makes the user with another password hash, or with none.
    pub async fn create_with_hash(self, hash: Option<String>) -> User {
        let Self { server, user } = self;
        let (id, now) = (user.id, server.clock().now());
        server
            .write(move |tx| {
                assert_eq!(tx.insert_user(&user)?, Inserted::Yes, "the name is free");
                if let Some(hash) = &hash {
                    tx.set_password(user.id, hash, now)?;
                }
                tx.find_user(id)
            })
            .await
            .expect("the user was inserted just now")
    }
}
