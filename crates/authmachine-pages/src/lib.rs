//! The pages people see: data in, HTML out.
//!
//! A handler fills a view struct and calls `render` with a [`Chrome`]: the installation's [`Site`], the person's
//! [`Lang`] and the request's id. Templates and translations are compiled in; style sheet, script and mark are
//! [`Assets`] under names that change with their content, so they may be cached for ever.
//!
//! The crate knows nothing of HTTP, of records, or of who may do what. Pages carry no inline script and no inline
//! style, hold nothing foreign to the site, and work without JavaScript. Text that others wrote (names of clients,
//! of people, user agents) is escaped, freed of invisible steering characters, cut to a length, and isolated in its
//! writing direction.

mod address;
mod assets;
mod brand;
mod chrome;
mod device;
mod lang;
mod pages;
pub mod paths;
mod text;
mod time;

pub use assets::{Asset, Assets, assets, stylesheet};
pub use brand::{Accent, AccentError, Brand};
pub use chrome::{Chrome, Site};
pub use lang::Lang;
pub use pages::change_password::{ChangePassword, PasswordError};
pub use pages::check_session::CheckSession;
pub use pages::client::ClientView;
pub use pages::consent::Consent;
pub use pages::error::{ErrorKind, ErrorPage};
pub use pages::form_post::FormPost;
pub use pages::lend::{Lend, LendError};
pub use pages::login::{Login, LoginError};
pub use pages::logout::{LoggedOut, LogoutConfirm, LogoutFrames};
pub use pages::permissions::{By, LendingLine, ObjectLine, On, Permissions, RightLine, Why};
pub use pages::root::{Notice, Root, RootSignedOut, SessionLine};
pub use pages::select_account::SelectAccount;
