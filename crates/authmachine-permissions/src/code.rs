//! The names of objects, permission types and groups.

/// The most characters of an object's code.
pub const MAX_OBJECT_CODE: usize = 128;
/// The most characters of a permission type's or group's code.
pub const MAX_TYPE_CODE: usize = 64;

/// Codes that mean something else in an answer.
const RESERVED: [&str; 2] = ["permissions", "is_superuser"];

/// Why a code cannot be given to something new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Empty or too long.
    #[error("a code has 1 to {0} characters")]
    Length(usize),
    /// A character outside the list.
    #[error("a code has letters, digits and . _ : / @ - only")]
    Character,
    /// `permissions` or `is_superuser`.
    #[error("this code is reserved")]
    Reserved,
}

/// Checks a new object's code: case-sensitive, 1 to 128 of letters, digits, `. _ : / @ -`, not reserved.
///
/// # Errors
/// [`CodeError`].
pub fn check_object_code(code: &str) -> Result<(), CodeError> {
    check(code, MAX_OBJECT_CODE)?;
    if RESERVED.contains(&code) { Err(CodeError::Reserved) } else { Ok(()) }
}

/// Checks a new permission type's code: the same characters, at most 64.
///
/// # Errors
/// [`CodeError`].
pub fn check_type_code(code: &str) -> Result<(), CodeError> {
    check(code, MAX_TYPE_CODE)
}

/// Checks a new group's code: the same as a permission type's.
///
/// # Errors
/// [`CodeError`].
pub fn check_group_code(code: &str) -> Result<(), CodeError> {
    check(code, MAX_TYPE_CODE)
}

fn check(code: &str, most: usize) -> Result<(), CodeError> {
    if code.is_empty() || code.len() > most {
        Err(CodeError::Length(most))
    } else if !code.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:/@-".contains(&b)) {
        Err(CodeError::Character)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_a_grammar_and_two_are_reserved() {
        for good in ["object1", "A.b_c:d/e@f-9", &"a".repeat(128)] {
            assert_eq!(check_object_code(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("", CodeError::Length(128)),
            ("a b", CodeError::Character),
            ("ä", CodeError::Character),
            ("a\n", CodeError::Character),
            ("permissions", CodeError::Reserved),
            ("is_superuser", CodeError::Reserved),
        ] {
            assert_eq!(check_object_code(bad), Err(why), "{bad:?}");
        }
        assert_eq!(check_object_code(&"a".repeat(129)), Err(CodeError::Length(128)));
        assert_eq!(check_type_code(&"a".repeat(65)), Err(CodeError::Length(64)));
    }
}
