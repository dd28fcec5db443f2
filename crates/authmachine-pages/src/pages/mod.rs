//! One file a page: its view struct, and which words belong to it.

/// Gives a view struct its `render`, by a template that sees `view`, `page` (the chrome) and `t` (the text).
macro_rules! page {
    ($view:ident, $path:tt) => {
        const _: () = {
            use crate::{chrome::Chrome, text::Text};

            #[derive(askama::Template)]
            #[template(path = $path)]
            #[allow(dead_code, reason = "a page without data does not look at its view")]
            struct Markup<'a> {
                view: &'a $view,
                page: &'a Chrome,
                t: Text,
            }

            impl $view {
                /// The whole page as HTML.
                pub fn render(&self, chrome: &Chrome) -> String {
                    askama::Template::render(&Markup { view: self, page: chrome, t: Text(chrome.lang) })
                        .expect("our templates write into a string and call nothing that fails")
                }
            }
        };
    };
}

pub(crate) mod change_password;
pub(crate) mod check_session;
pub(crate) mod client;
pub(crate) mod consent;
pub(crate) mod error;
pub(crate) mod form_post;
pub(crate) mod lend;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod permissions;
pub(crate) mod root;
pub(crate) mod select_account;
