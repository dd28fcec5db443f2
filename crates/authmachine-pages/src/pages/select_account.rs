//! Which account to go on with (`prompt=select_account`).

use crate::pages::client::ClientView;

/// The choice between the signed-in account and another one. Posts `csrf` and `decision`: `continue` or `switch`.
pub struct SelectAccount {
    /// Where the form goes: a path on this site.
    pub action: String,
    /// Binds the form to the browser that was shown it.
    pub csrf: String,
    /// Who is signed in.
    pub username: String,
    /// Who asks.
    pub client: ClientView,
}

page!(SelectAccount, "select_account.html");
