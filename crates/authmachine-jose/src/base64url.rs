//! Strict base64url without padding (RFC 7515 §2): each byte string has exactly one spelling.

use base64ct::{Base64UrlUnpadded, Encoding};

/// Decodes; `None` for padding, white space, foreign letters, or bits left over at the end.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    // One letter beyond whole groups of four carries no whole byte.
    if text.len() % 4 == 1 {
        return None;
    }
    Base64UrlUnpadded::decode_vec(text).ok()
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

/// Appends the encoded `bytes` to `out`, so that a token is written into one buffer.
pub(crate) fn push(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start + encoded_len(bytes.len()), 0);
    Base64UrlUnpadded::encode(bytes, &mut out[start..]).expect("the room is encoded_len");
}

/// Letters that `len` bytes take.
pub(crate) fn encoded_len(len: usize) -> usize {
    (len * 4).div_ceil(3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn jw4_each_byte_string_has_one_spelling() {
        assert_eq!(decode(""), Some(vec![]));
        assert_eq!(decode("AQAB"), Some(vec![1, 0, 1]));
        assert_eq!(decode("_-8"), Some(vec![0xff, 0xef]));
        let refused = [
            "A", "AQABA", "AA=", "AA==", "AQAB\n", " AQAB", "AQ AB", "/+8", "AB", "AAB", "é", "AQ\u{0}B",
            "AQ.B",
        ];
        for text in refused {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(bytes: Vec<u8>) {
            prop_assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }

        #[test]
        fn jw4_what_decodes_encodes_to_itself(text in "[A-Za-z0-9_=+/-]{0,9}") {
            if let Some(bytes) = decode(&text) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }

        #[test]
        fn pushing_appends_what_encoding_gives(bytes: Vec<u8>) {
            let mut out = b"x.".to_vec();
            push(&mut out, &bytes);
            prop_assert_eq!(out, format!("x.{}", encode(&bytes)).into_bytes());
        }
    }
}
