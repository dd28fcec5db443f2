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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::STATEMENTS;

    fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
        STATEMENTS.iter().copied().flatten().copied()
    }

    #[test]
    fn parameters_are_numbered_as_they_first_appear() {
        // To SQLite `$1` is a name, bound by its place of first appearance.
        for (name, sql) in all() {
            let mut seen = Vec::new();
            for after in sql.split('$').skip(1) {
                let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
                let number: usize = digits.parse().unwrap_or_else(|_| panic!("{name}: a $ without a number"));
                if !seen.contains(&number) {
                    seen.push(number);
                }
            }
            assert!(seen.iter().copied().eq(1..=seen.len()), "{name}: {seen:?}");
        }
    }

    #[test]
    fn no_statement_leaves_the_common_dialect() {
        for (name, sql) in all() {
            let upper = sql.to_uppercase();
            for foreign in
                ["::", " LIKE ", "FOR UPDATE", "NOW()", "GREATEST(", "ANY(", "?", "CURRENT_TIMESTAMP", "\\"]
            {
                assert!(!upper.contains(foreign), "{name} has {foreign}");
            }
            assert!(!upper.starts_with("WITH"), "{name}: a writing CTE is PostgreSQL's alone");
        }
        assert!(all().count() > 80);
    }

    #[test]
    fn tables_that_grow_are_reached_by_key() {
        let mut sqlite = rusqlite::Connection::open_in_memory().expect("a database in memory opens");
        crate::migrations::sqlite(&mut sqlite).expect("it takes the schema");
        let growing = BTreeSet::from([
            "users",
            "passwords",
            "clients",
            "client_uris",
            "sessions",
            "session_clients",
            "grants",
            "authorization_codes",
            "access_tokens",
            "refresh_families",
            "consents",
            "client_logos",
            "memberships",
            "nestings",
            "group_closure",
            "permission_grants",
            "delegations",
            "objects",
            "throttles",
            "logout_deliveries",
            "asked",
        ]);
        // Lists of all there are; the oldest codes, a walk along the key with an end; how many clients registered themselves,
        // counted in an index of just these; how many grants there are; whether a permission type is used, which is asked once in
        // its life; and the names that the server reads once, when it starts.
        let whole = BTreeSet::from([
            "LIST",
            "CODES",
            "COUNT_REGISTERED",
            "COUNT_ALL_GRANTS",
            "GRANTED",
            "LENT",
            "DELETE_TYPE",
            "LIST_CLOSURE",
            "NAMES",
        ]);
        for (name, sql) in all().filter(|(name, _)| !whole.contains(name)) {
            let mut plan = sqlite.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("SQLite plans it");
            let mut rows = plan.raw_query();
            while let Some(row) = rows.next().expect("SQLite explains it") {
                let step: String = row.get(3).expect("the fourth column tells the step");
                let mut words = step.split(' ');
                let scans =
                    words.next() == Some("SCAN") && words.next().is_some_and(|table| growing.contains(table));
                assert!(!scans, "{name}: {step}");
            }
        }
    }
}
