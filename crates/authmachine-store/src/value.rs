//! Values on their way into statements ([`Param`]) and out of rows ([`Row`]), the same for both engines.

use std::borrow::Cow;

use authmachine_jose::Algorithm;
use authmachine_protocol::{Scopes, Timestamp};
use authmachine_provider::ids::{
    ApiTokenId, ClientId, DelegationId, EventId, GrantId, GroupId, ObjectId, PermissionGrantId,
    PermissionTypeId, SessionId, UserId,
};
use serde::de::DeserializeOwned;

use crate::error::StoreError;

/// A parameter of a statement.
#[derive(Clone)]
pub(crate) enum Param<'a> {
    Null,
    Int(i64),
    Bool(bool),
    Text(Cow<'a, str>),
    Bytes(&'a [u8]),
}

/// The parameters of a statement, in order.
macro_rules! params {
    ($($value:expr),* $(,)?) => { &[$($crate::value::Param::from($value)),*] };
}
pub(crate) use params;

impl From<i64> for Param<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u32> for Param<'_> {
    fn from(value: u32) -> Self {
        Self::Int(value.into())
    }
}

impl From<u8> for Param<'_> {
    fn from(value: u8) -> Self {
        Self::Int(value.into())
    }
}

impl From<bool> for Param<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl<'a> From<&'a str> for Param<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(value.into())
    }
}

impl<'a> From<&'a String> for Param<'a> {
    fn from(value: &'a String) -> Self {
        Self::Text(value.into())
    }
}

impl From<String> for Param<'_> {
    fn from(value: String) -> Self {
        Self::Text(value.into())
    }
}

impl<'a> From<&'a [u8]> for Param<'a> {
    fn from(value: &'a [u8]) -> Self {
        Self::Bytes(value)
    }
}

impl<'a> From<&'a Vec<u8>> for Param<'a> {
    fn from(value: &'a Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}

impl<'a> From<&'a [u8; 32]> for Param<'a> {
    fn from(value: &'a [u8; 32]) -> Self {
        Self::Bytes(value)
    }
}

impl From<Timestamp> for Param<'_> {
    fn from(value: Timestamp) -> Self {
        Self::Int(value.ms())
    }
}

impl<'a> From<&'a Scopes> for Param<'a> {
    fn from(value: &'a Scopes) -> Self {
        Self::Text(value.as_str().into())
    }
}

impl<'a, T: Into<Param<'a>>> From<Option<T>> for Param<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A value as JSON text.
pub(crate) fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("records have string keys and nothing else that JSON refuses")
}

/// A column of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell<'a> {
    Null,
    Int(i64),
    Bool(bool),
    Text(&'a str),
    Bytes(&'a [u8]),
    /// Something that we never write.
    Other,
}

/// What a column can be read as.
pub(crate) trait Column: Sized {
    fn read(cell: Cell<'_>) -> Option<Self>;
}

impl Column for i64 {
    fn read(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Int(value) => Some(value),
            _ => None,
        }
    }
}

impl Column for u32 {
    fn read(cell: Cell<'_>) -> Option<Self> {
        Self::try_from(i64::read(cell)?).ok()
    }
}

impl Column for u8 {
    fn read(cell: Cell<'_>) -> Option<Self> {
        Self::try_from(i64::read(cell)?).ok()
    }
}

impl Column for bool {
    fn read(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Bool(value) => Some(value),
            Cell::Int(value @ (0 | 1)) => Some(value == 1),
            _ => None,
        }
    }
}

impl Column for String {
    fn read(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Text(value) => Some(value.to_owned()),
            _ => None,
        }
    }
}

impl Column for Vec<u8> {
    fn read(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Bytes(value) => Some(value.to_vec()),
            _ => None,
        }
    }
}

impl Column for [u8; 32] {
    fn read(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Bytes(value) => value.try_into().ok(),
            _ => None,
        }
    }
}

impl Column for Timestamp {
    fn read(cell: Cell<'_>) -> Option<Self> {
        i64::read(cell).map(Self::from_ms)
    }
}

impl Column for Scopes {
    fn read(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Text(value) => Some(Self::from_stored(value)),
            _ => None,
        }
    }
}

impl Column for Algorithm {
    fn read(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Text(value) => value.parse().ok(),
            _ => None,
        }
    }
}

impl<T: Column> Column for Option<T> {
    fn read(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Null => Some(None),
            other => T::read(other).map(Some),
        }
    }
}

macro_rules! ids {
    ($($id:ident)+) => {
        $(impl From<$id> for Param<'_> {
            fn from(value: $id) -> Self {
                Self::Int(value.0)
            }
        }

        impl Column for $id {
            fn read(cell: Cell<'_>) -> Option<Self> {
                i64::read(cell).map(Self)
            }
        })+
    };
}

ids!(ApiTokenId ClientId DelegationId EventId GrantId GroupId ObjectId PermissionGrantId PermissionTypeId SessionId UserId);

/// A row of either engine, read column by column from the left, as the statement names them.
pub(crate) struct Row<'a> {
    cells: Cells<'a>,
    next: usize,
    table: &'static str,
    id: i64,
}

pub(crate) enum Cells<'a> {
    Sqlite(&'a rusqlite::Row<'a>),
    Postgres(&'a postgres::Row),
}

impl<'a> Row<'a> {
    pub(crate) const fn new(cells: Cells<'a>) -> Self {
        Self { cells, next: 0, table: "", id: 0 }
    }

    /// Says that the columns of a record of `table` follow, so that an error can name it.
    pub(crate) fn table(&mut self, table: &'static str) {
        self.table = table;
        self.id = i64::read(self.peek()).unwrap_or(0);
    }

    fn peek(&self) -> Cell<'a> {
        self.at(self.next)
    }

    fn at(&self, place: usize) -> Cell<'a> {
        match self.cells {
            Cells::Sqlite(row) => crate::dialect::sqlite_cell(row, place),
            Cells::Postgres(row) => crate::dialect::postgres_cell(row, place),
        }
    }

    fn cell(&mut self) -> Cell<'a> {
        let cell = self.peek();
        self.next += 1;
        cell
    }

    pub(crate) fn corrupt(&self) -> StoreError {
        StoreError::Corrupt { table: self.table, id: self.id }
    }

    /// The first column, a number, wherever the reading stands.
    pub(crate) fn first(&self) -> Result<i64, StoreError> {
        i64::read(self.at(0)).ok_or_else(|| self.corrupt())
    }

    /// The next column.
    pub(crate) fn get<T: Column>(&mut self) -> Result<T, StoreError> {
        T::read(self.cell()).ok_or_else(|| self.corrupt())
    }

    /// The next column, a word that `read` knows.
    pub(crate) fn word<T>(&mut self, read: impl Fn(&str) -> Option<T>) -> Result<T, StoreError> {
        match self.cell() {
            Cell::Text(word) => read(word).ok_or_else(|| self.corrupt()),
            _ => Err(self.corrupt()),
        }
    }

    /// The next column, words that `read` knows with spaces between them.
    pub(crate) fn words<T>(&mut self, read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, StoreError> {
        self.word(|words| words.split(' ').filter(|word| !word.is_empty()).map(&read).collect())
    }

    /// The next column, JSON text.
    pub(crate) fn json<T: DeserializeOwned>(&mut self) -> Result<T, StoreError> {
        self.word(|text| serde_json::from_str(text).ok())
    }

    /// The next `width` columns, those of a record that a LEFT JOIN may not have found.
    pub(crate) fn optional<T>(
        &mut self,
        width: usize,
        read: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        if matches!(self.peek(), Cell::Null) {
            self.next += width;
            return Ok(None);
        }
        read(self).map(Some)
    }
}

/// How many columns a list of columns has.
pub(crate) const fn width(columns: &str) -> usize {
    let (bytes, mut at, mut count) = (columns.as_bytes(), 0, 1);
    while at < bytes.len() {
        if bytes[at] == b',' {
            count += 1;
        }
        at += 1;
    }
    count
}
