//! What permission tests need beside the testkit: whole objects, types and grants.

use authmachine_permissions::{
    Attributes, Condition, Delegable, Holder, Member, Membership, Object, PermissionGrant, PermissionType,
    Target, Validity,
};
use authmachine_provider::ids::{Kind, ObjectId, PermissionGrantId, PermissionTypeId, UserId};
use authmachine_provider::permission_records::{Group, Named, Origin, Source};
use authmachine_testkit::TestServer;

/// On what a grant is, by code.
#[derive(Clone, Copy)]
pub(crate) enum On<'a> {
    Object(&'a str),
    WithChildren(&'a str),
    All(&'a str),
}

/// Makes and grants.
#[derive(Clone)]
pub(crate) struct Rights(pub(crate) TestServer);

impl Rights {
    fn id(&self) -> i64 {
        self.0.app().ids.next(Kind::Row, self.0.clock().now())
    }

    pub(crate) async fn user(&self, name: &str) -> UserId {
        self.0.find_user(name).await.expect("there is such a user").id
    }

    /// An object; `attributes` are JSON, or nothing.
    pub(crate) async fn object(&self, code: &str, object_type: &str, parent: Option<&str>, attributes: &str) {
        let mut record = Object::new(ObjectId(self.id()), code, object_type).expect("a code");
        if !attributes.is_empty() {
            record.attributes = Some(Attributes::parse(attributes).expect("attributes").into());
        }
        let (code, parent) = (code.to_owned(), parent.map(str::to_owned));
        self.0
            .write(move |tx| {
                let mut record = record.clone();
                if let Some(parent) = &parent {
                    record.parent = Some(tx.find_object(parent)?.expect("made").id);
                }
                tx.put_object(&Named { record, name: code.clone() })?.expect("it may be written");
                Ok(())
            })
            .await;
    }

    /// A permission type and those that it implies, which are there.
    pub(crate) async fn permission_type(&self, code: &str, implies: &[&str]) {
        let id = PermissionTypeId(self.id());
        let (code, implies) = (code.to_owned(), implies.iter().map(|i| (*i).to_owned()).collect::<Vec<_>>());
        self.0
            .write(move |tx| {
                let mut record = PermissionType { id, code: code.clone(), implies: Vec::new() };
                for implied in &implies {
                    record.implies.push(tx.find_permission_type(implied)?.expect("made").id);
                }
                tx.put_permission_type(&Named { record, name: code.clone() })?.expect("it may be written");
                Ok(())
            })
            .await;
    }

    /// Grants a type that is there; `condition` is JSON, or nothing.
    pub(crate) async fn grant(&self, holder: Holder, on: On<'_>, permission: &str, condition: &str) {
        let condition =
            (!condition.is_empty()).then(|| Condition::parse(condition).expect("a condition").into());
        let id = PermissionGrantId(self.id());
        let (code, of_type, include_children) = match on {
            On::Object(code) => (code, false, false),
            On::WithChildren(code) => (code, false, true),
            On::All(code) => (code, true, false),
        };
        let (code, permission, now) = (code.to_owned(), permission.to_owned(), self.0.clock().now());
        self.0
            .write(move |tx| {
                let target = match of_type {
                    true => Target::AllOf(code.clone()),
                    false => Target::Object(tx.find_object(&code)?.expect("made").id),
                };
                let grant = PermissionGrant {
                    id,
                    holder,
                    target,
                    permission: tx.find_permission_type(&permission)?.expect("made").id,
                    include_children,
                    delegable: Delegable::YES,
                    validity: Validity::ALWAYS,
                    condition: condition.clone(),
                    revoked: false,
                };
                let origin = Origin { source: Source::Admin, created_by: String::new(), created_at: now };
                tx.insert_permission_grant(&grant, &origin)?.expect("it may be written");
                Ok(())
            })
            .await;
    }

    /// Takes back every grant of a holder.
    pub(crate) async fn take_back(&self, holder: Holder) {
        use authmachine_store::GrantFilter;
        self.0
            .write(move |tx| {
                let filter = GrantFilter { holder: Some(holder), ..GrantFilter::default() };
                for line in tx.list_permission_grants(&filter, None, 1_000)? {
                    assert!(tx.remove_permission_grant(line.grant.id)?);
                }
                Ok(())
            })
            .await;
    }

    /// A group in another.
    pub(crate) async fn nest(&self, inner: &Group, outer: &Group) {
        let membership =
            Membership { member: Member::Group(inner.id), group: outer.id, validity: Validity::ALWAYS };
        self.0
            .write(move |tx| tx.put_membership(&membership).map(|done| done.expect("it may be written")))
            .await;
    }

    /// Builds the index: from now on it answers.
    pub(crate) async fn index(&self) {
        authmachine_server::permissions::build(self.0.app()).await.expect("an index");
    }
}
