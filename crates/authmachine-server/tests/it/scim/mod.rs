//! `/api/scim/…`.

mod permissions;
