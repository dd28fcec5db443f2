//! What is to be reached, and what an operation is compared with: its floor, one formula for each line.

use crate::operations::Operation;

/// What a line is to reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bar {
    /// Answered in a second.
    pub(crate) rate: f64,
    /// Of the floor.
    pub(crate) share: f64,
}

/// The work without which an operation cannot be answered; a line's floor is the rate of one processor that does nothing else,
/// `1 / (t₁ + t₂ + …)`, each `t` the time of one, measured alone in the same round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Part {
    /// A request to the empty endpoint.
    Request,
    /// The row of an access token with its grant, user, client and session.
    ReadToken,
    /// The same, and what a user holds on 20 objects.
    ReadTokenAndPermissions,
    /// A user and all that they hold.
    ReadPermissions,
    /// A session with its user.
    ReadSession,
    /// The unit of work of client credentials, durable, one of many that wait.
    UnitClientCredentials,
    /// That of a code that is issued.
    UnitAuthorize,
    /// That of a code that is redeemed.
    UnitRedeem,
    /// That of a refresh token that is rotated, any of all families.
    UnitRefresh,
    /// That of a session that ends.
    UnitLogout,
    SignEs256,
    SignRs256,
    /// Argon2id with 19 MiB, twice.
    Hash,
}

impl Operation {
    /// Its floor.
    pub(crate) const fn parts(self) -> &'static [Part] {
        match self {
            Self::Empty | Self::Discovery | Self::Jwks => &[Part::Request],
            Self::CheckTokenRevoked | Self::Introspection | Self::Userinfo => {
                &[Part::Request, Part::ReadToken]
            }
            Self::UserinfoPermissions => &[Part::Request, Part::ReadTokenAndPermissions],
            Self::Permissions => &[Part::Request, Part::ReadPermissions],
            Self::ClientCredentials => &[Part::Request, Part::UnitClientCredentials],
            Self::Authorize => &[Part::Request, Part::ReadSession, Part::UnitAuthorize],
            Self::CodeEs256 => &[Part::Request, Part::UnitRedeem, Part::SignEs256],
            Self::CodeRs256 => &[Part::Request, Part::UnitRedeem, Part::SignRs256],
            Self::Refresh => &[Part::Request, Part::UnitRefresh, Part::SignEs256],
            Self::Login => &[Part::Hash],
            Self::Logout => &[Part::Request, Part::ReadSession, Part::UnitLogout],
        }
    }

    /// What it is to reach, if somebody said so.
    pub(crate) const fn bar(self) -> Option<Bar> {
        let (rate, share) = match self {
            Self::Discovery | Self::Jwks => (100_000.0, 0.75),
            Self::CheckTokenRevoked | Self::Introspection => (50_000.0, 0.6),
            Self::Userinfo => (45_000.0, 0.6),
            Self::UserinfoPermissions => (30_000.0, 0.6),
            Self::ClientCredentials => (45_000.0, 0.6),
            Self::Authorize => (35_000.0, 0.6),
            Self::CodeEs256 => (18_000.0, 0.6),
            Self::CodeRs256 => (3_800.0, 0.85),
            Self::Refresh => (10_000.0, 0.6),
            Self::Login => (65.0, 0.9),
            Self::Empty | Self::Permissions | Self::Logout => return None,
        };
        Some(Bar { rate, share })
    }

    /// The p99 in milliseconds that it is to keep in the open loop at half of its capacity, if somebody said so.
    pub(crate) const fn p99_bar_ms(self) -> Option<f64> {
        match self {
            Self::CodeEs256 => Some(5.0),
            _ => None,
        }
    }
}

/// The floor of parts that take so many seconds each.
pub(crate) fn floor(seconds: impl IntoIterator<Item = f64>) -> f64 {
    1.0 / seconds.into_iter().sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_floor_is_the_rate_of_all_parts_one_after_the_other() {
        assert_eq!(floor([0.5]), 2.0);
        assert_eq!(floor([0.125, 0.375]), 2.0);
        assert!(floor([0.125, f64::NAN]).is_nan());
    }
}
