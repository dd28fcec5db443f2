//! How a file declares its SQL.

/// Declares statements as constants, and the list `STATEMENTS` of them with their names, by which `doctor` and a test plan
/// each one on the engine at hand.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)+) => {
        $($(#[$doc])* const $name: &str = $sql;)+

        /// This file's statements with their names.
        pub(crate) const STATEMENTS: &[(&str, &str)] = &[$((stringify!($name), $name)),+];
    };
}
pub(crate) use statements;
