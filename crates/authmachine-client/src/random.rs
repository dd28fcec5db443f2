//! Fresh values, from the operating system's generator.

use aws_lc_rs::rand;
use base64ct::{Base64UrlUnpadded, Encoding};

/// `bytes` of randomness in base64url.
pub(crate) fn text(bytes: usize) -> String {
    let mut fresh = vec![0; bytes];
    rand::fill(&mut fresh).expect("aws-lc aborts rather than run without entropy");
    Base64UrlUnpadded::encode_string(&fresh)
}
