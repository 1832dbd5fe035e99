//! Rows that were read before, and are as they were for as long as nothing has changed.

use std::sync::Arc;

use quick_cache::sync::Cache;
use sqlx::postgres::PgRow;

use super::{
    news::{Part, View},
    rows::Read,
    snapshot::Snapshots,
    together::{ByKey, Key},
};
use crate::store::StoreError;

/// Rows of one table, each wanted by its key; also that there is none.
pub(super) struct Remembered<K, V> {
    snapshots: Arc<Snapshots>,
    part: Part<'static>,
    rows: ByKey<K, V>,
    known: Cache<K, (View, Option<V>)>,
}

impl<K: Key, V: Clone + Send + Sync + 'static> Remembered<K, V> {
    /// At most so many are remembered, of this part of the desk. The rest is that of [`ByKey::new`].
    pub(super) fn new(
        snapshots: &Arc<Snapshots>,
        part: Part<'static>,
        most: usize,
        statement: &'static str,
        column: &'static str,
        read: fn(&PgRow) -> Read<V>,
    ) -> Self {
        Self { snapshots: snapshots.clone(), part, rows: ByKey::new(statement, column, read), known: Cache::new(most) }
    }

    /// The row with this key.
    ///
    /// # Errors
    /// The database's; a row that cannot be understood.
    pub(super) async fn get(&self, key: K) -> Result<Option<V>, StoreError> {
        Ok(self.all(&[key]).await?.pop().flatten())
    }

    /// The rows with these keys, in their order.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(super) async fn all(&self, keys: &[K]) -> Result<Vec<Option<V>>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        if let Some((view, rows)) = self.known(keys)
            && self.snapshots.is_still(view, self.part).await?
        {
            return Ok(rows);
        }
        let view = self.snapshots.latest();
        let rows = self.rows.all(&self.snapshots.pool, &self.snapshots.lost, keys).await?;
        for (key, row) in keys.iter().zip(&rows) {
            self.known.insert(key.clone(), (view, row.clone()));
        }
        Ok(rows)
    }

    /// The rows with these keys, if all of them are remembered, and the state in which the first of them was read.
    fn known(&self, keys: &[K]) -> Option<(View, Vec<Option<V>>)> {
        let known = keys.iter().map(|key| self.known.get(key)).collect::<Option<Vec<_>>>()?;
        let view = known.iter().map(|(view, _)| *view).min()?;
        Some((view, known.into_iter().map(|(_, row)| row).collect()))
    }
}
