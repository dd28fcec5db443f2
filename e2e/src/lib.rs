//! The built binary from outside: browser and foreign clients.
