//! The demo client app's binary.
fn main() {}
