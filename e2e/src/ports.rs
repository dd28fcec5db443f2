//! Ports that stay ours while a server is killed and started again.

use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

/// Below the range that Linux takes for outgoing connections (32,768 up), so that none of these lands on a server that is down.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A loopback port that nobody listens on; no two calls of this process get the same one.
pub fn free_port() -> u16 {
    // Two test processes begin at different places.
    let start = u16::try_from(std::process::id().wrapping_mul(97) % u32::from(COUNT)).expect("COUNT fits");
    for _ in 0..COUNT {
        let port = FIRST + (start + NEXT.fetch_add(1, Relaxed) % COUNT) % COUNT;
        let is_free = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
            // A machine may have no IPv6; then nobody listens there.
            && TcpListener::bind((Ipv6Addr::LOCALHOST, port)).map_or_else(|e| e.kind() != std::io::ErrorKind::AddrInUse, |_| true);
        if is_free {
            return port;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT - 1);
}
