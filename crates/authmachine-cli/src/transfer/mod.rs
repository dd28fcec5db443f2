//! `authmachine export` and `authmachine import`: all permission data as JSON Lines, by codes and names, so that it can be
//! carried to another installation.

mod apply;
mod export;
mod import;
mod line;

pub(crate) use export::export;
pub(crate) use import::{Options as ImportOptions, import};
