//! The demo client app.
