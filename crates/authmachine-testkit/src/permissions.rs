//! Objects, permission types and who holds what; programs that ask.

use authmachine_protocol::Scopes;
use authmachine_provider::api_token::ApiToken;
use authmachine_provider::client::ObjectScope;
use authmachine_provider::handle::Handle;
use authmachine_provider::ids::{ApiTokenId, GroupId, Kind, ObjectId, PermissionGrantId, PermissionTypeId};
use authmachine_provider::permission_records::{
    Delegable, Group, Holder, Member, Membership, Named, Object, Origin, PermissionGrant, PermissionType,
    Source, Target, Validity,
};
use authmachine_provider::subject_ids::SubjectIds;

use crate::answer::Answer;
use crate::server::TestServer;

impl TestServer {
    /// Lets a user do `types` on `object`; what is missing is made.
    pub async fn permit(&self, username: &str, object: &str, types: &[&str]) {
        let user = self.find_user(username).await.expect("there is such a user");
        self.permit_holder(Holder::User(user.id), object, types, Delegable::NO).await;
    }

    /// The same, and the user may lend it.
    pub async fn permit_to_lend(&self, username: &str, object: &str, types: &[&str]) {
        let user = self.find_user(username).await.expect("there is such a user");
        self.permit_holder(Holder::User(user.id), object, types, Delegable::YES).await;
    }

    /// Lets each member of a group do `types` on `object`.
    pub async fn permit_group(&self, group: &Group, object: &str, types: &[&str]) {
        self.permit_holder(Holder::Group(group.id), object, types, Delegable::NO).await;
    }

    async fn permit_holder(&self, holder: Holder, object: &str, types: &[&str], delegable: Delegable) {
        let types: Vec<_> =
            types.iter().map(|code| ((*code).to_owned(), self.row_id(), self.row_id())).collect();
        let (object, object_id, now) = (object.to_owned(), self.row_id(), self.clock().now());
        self.write(move |tx| {
            let object_id = match tx.find_object(&object)? {
                Some(object) => object.id,
                None => {
                    let id = ObjectId(object_id);
                    let record = Object::new(id, &object, "object").expect("a code");
                    tx.put_object(&Named { record, name: object.clone() })?.expect("it is new");
                    id
                }
            };
            for (code, type_id, grant_id) in &types {
                let type_id = match tx.find_permission_type(code)? {
                    Some(permission_type) => permission_type.id,
                    None => {
                        let id = PermissionTypeId(*type_id);
                        let record = PermissionType { id, code: code.clone(), implies: Vec::new() };
                        let new = Named { record, name: code.clone() };
                        tx.put_permission_type(&new)?.expect("it is new");
                        id
                    }
                };
                let grant = PermissionGrant {
                    id: PermissionGrantId(*grant_id),
                    holder,
                    target: Target::Object(object_id),
                    permission: type_id,
                    include_children: false,
                    delegable,
                    validity: Validity::ALWAYS,
                    condition: None,
                    revoked: false,
                };
                let origin = Origin { source: Source::Admin, created_by: String::new(), created_at: now };
                // Granting it twice is granting it.
                let _ = tx.insert_permission_grant(&grant, &origin)?;
            }
            Ok(())
        })
        .await;
    }

    /// Makes a group with these members.
    pub async fn group(&self, code: &str, members: &[&str]) -> Group {
        let group = Group { id: GroupId(self.row_id()), code: code.to_owned() };
        let mut ids = Vec::new();
        for member in members {
            ids.push(self.find_user(member).await.expect("there is such a user").id);
        }
        let new = Named { record: group.clone(), name: code.to_owned() };
        self.write(move |tx| {
            tx.put_group(&new)?.expect("it is new");
            for id in &ids {
                let (member, group) = (Member::User(*id), new.id);
                let membership = Membership { member, group, validity: Validity::ALWAYS };
                tx.put_membership(&membership)?.expect("both are there");
            }
            Ok(())
        })
        .await;
        group
    }

    /// A program with an API token that sees every object and may read permissions.
    pub async fn api_token(&self, name: &str) -> ApiClient {
        self.api_token_with(name, |_| {}).await
    }

    /// A program with another API token.
    pub async fn api_token_with(&self, name: &str, change: impl FnOnce(&mut ApiToken)) -> ApiClient {
        let now = self.clock().now();
        let handle =
            Handle::new(self.app().ids.next(Kind::ApiToken, now), &authmachine_server::random::bytes());
        let mut record = ApiToken {
            id: ApiTokenId(handle.id()),
            name: name.to_owned(),
            scopes: Scopes::parse("permissions:read").expect("a scope"),
            objects: ObjectScope::All,
            subject_ids: SubjectIds::default(),
            created_at: now,
            expires_at: None,
            revoked_at: None,
            last_used_at: None,
        };
        change(&mut record);
        let (new, sha256) = (record.clone(), handle.sha256());
        assert!(self.write(move |tx| tx.insert_api_token(&new, &sha256)).await, "the name is free");
        self.note_secret(handle.reveal());
        ApiClient { server: self.clone(), record, token: handle.reveal().to_owned() }
    }
}

/// A program with an API token.
#[derive(Clone)]
pub struct ApiClient {
    server: TestServer,
    /// The token's row.
    pub record: ApiToken,
    /// The token.
    pub token: String,
}

impl ApiClient {
    /// Asks what a user may do on `objects`, as the original apps do.
    pub async fn permissions(&self, sub: &str, objects: &[&str]) -> Answer {
        let query = authmachine_protocol::form::encode(objects.iter().map(|code| ("object", *code)));
        self.get(&format!("/api/scim/v1/Users/{sub}/permissions?{query}")).await
    }

    /// Asks something.
    pub async fn get(&self, target: &str) -> Answer {
        let request = self.server.get(target).header("authorization", &format!("Token {}", self.token));
        request.header("content-type", "application/json").send().await
    }
}
