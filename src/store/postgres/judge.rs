//! The first half of a commit: every row that it is about is locked and its version read; then expectations, guards and
//! unique values are judged, before anything is written.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use sha2::{Digest, Sha256};
use sqlx::{PgConnection, Row as _};

use super::fault::Fault;
use crate::store::{Addition, Changes, Expect, Field, Row, RowKey, StoreError, Write};

/// The versions of the rows that are there.
pub(super) type Versions = HashMap<RowKey, i64>;

/// How a row is locked until the commit is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lock {
    /// It is only looked for.
    Look,
    /// Nobody may change it.
    Share,
    /// It will be changed.
    Change,
}

/// Locks and judges.
pub(super) async fn judge(tx: &mut PgConnection, changes: &Changes, wary: bool) -> Result<(), Fault> {
    let versions = lock(tx, &[changes], wary).await?;
    expectations(changes, &versions)?;
    addresses(tx, changes).await
}

/// Locks the rows that changes are about; gives the versions of those that are there. A row under an id that was reserved for it is
/// taken not to be there, as nobody else speaks of it; `wary`, it is looked for all the same, which tells an id that was taken.
pub(super) async fn lock(tx: &mut PgConnection, all: &[&Changes], wary: bool) -> Result<Versions, Fault> {
    let mut wanted: BTreeMap<Place, (RowKey, Lock)> = BTreeMap::new();
    // Rows under ids that were reserved for them, and all that need not be new.
    let (mut fresh, mut not_new) = (HashSet::new(), HashSet::new());
    for write in all.iter().flat_map(|changes| &changes.writes) {
        let (key, expect) = match write {
            Write::Put(row, expect) => (row.key(), *expect),
            Write::Delete(RowKey::Ticket(_) | RowKey::Comment(..) | RowKey::User(_), _) => {
                return Err(StoreError::Corrupt("tickets, comments and accounts are never removed".into()).into());
            }
            Write::Delete(key, expect) => (key.clone(), *expect),
        };
        if expect == Expect::New && has_id(&key) && matches!(write, Write::Put(..)) {
            fresh.insert(key.clone());
            if !wary {
                continue;
            }
        }
        if expect != Expect::New {
            not_new.insert(key.clone());
        }
        want(&mut wanted, key, Lock::Change);
    }
    for (key, _) in all.iter().flat_map(|changes| &changes.guards) {
        not_new.insert(key.clone());
        want(&mut wanted, key.clone(), Lock::Share);
    }
    for addition in all.iter().flat_map(|changes| &changes.additions) {
        let key = match addition {
            Addition::Comments { ticket, .. } => RowKey::Ticket(*ticket),
            Addition::SessionUsed(id, _) => RowKey::Session(*id),
            Addition::TokenUsed(id, _) => RowKey::ApiToken(*id),
        };
        not_new.insert(key.clone());
        want(&mut wanted, key, Lock::Change);
    }
    let mut versions = Versions::new();
    lock_rows(tx, &wanted, &mut versions).await?;
    // What is not there cannot be locked as a row; it is locked by its name, by everybody who has something to do with it.
    let absent = wanted.into_iter().filter(|(_, (key, _))| !versions.contains_key(key) && !fresh.contains(key));
    let absent: BTreeMap<Place, (RowKey, Lock)> = absent.map(|(place, (key, _))| (place, (key, Lock::Look))).collect();
    if !absent.is_empty() {
        lock_names(tx, absent.values().map(|(key, _)| key)).await?;
        // Whoever has the row may wait for a name by now, so it must not be waited for: what should be new is refused without a lock,
        // and all else begins again.
        lock_rows(tx, &absent, &mut versions).await?;
        if absent.values().any(|(key, _)| versions.contains_key(key) && not_new.contains(key)) {
            return Err(Fault::Overtaken);
        }
    }
    Ok(versions)
}

/// Where a row stands in the order in which all commits lock: kind, then key.
type Place = (u8, i64, Vec<u8>);

fn place(key: &RowKey) -> Place {
    match key {
        RowKey::Ticket(id) => (0, id.0, Vec::new()),
        RowKey::Comment(_, id) => (1, id.0, Vec::new()),
        RowKey::User(id) => (2, id.0, Vec::new()),
        RowKey::Session(id) => (3, id.0, Vec::new()),
        RowKey::ApiToken(id) => (4, id.0, Vec::new()),
        RowKey::Roster => (5, 0, b"roster".to_vec()),
        RowKey::Settings => (5, 0, b"settings".to_vec()),
        RowKey::SetupToken => (5, 0, b"setup_token".to_vec()),
        RowKey::SigningSecret => (5, 0, b"signing_secret".to_vec()),
        RowKey::LogCursor(name) => (6, 0, name.as_bytes().to_vec()),
        RowKey::Answer(key) => (7, key.user_id.0, key.key.to_vec()),
        RowKey::Preferences(user) => (8, user.0, Vec::new()),
        RowKey::ChainBlock(last) => (9, *last, Vec::new()),
    }
}

/// The name under which a single row is kept.
pub(super) fn single_name(key: &RowKey) -> Option<&'static str> {
    match key {
        RowKey::Roster => Some("roster"),
        RowKey::Settings => Some("settings"),
        RowKey::SetupToken => Some("setup_token"),
        RowKey::SigningSecret => Some("signing_secret"),
        _ => None,
    }
}

const fn has_id(key: &RowKey) -> bool {
    matches!(key, RowKey::Ticket(_) | RowKey::Comment(..) | RowKey::User(_) | RowKey::Session(_) | RowKey::ApiToken(_))
}

fn want(wanted: &mut BTreeMap<Place, (RowKey, Lock)>, key: RowKey, lock: Lock) {
    let entry = wanted.entry(place(&key)).or_insert((key, lock));
    entry.1 = entry.1.max(lock);
}

async fn lock_rows(tx: &mut PgConnection, wanted: &BTreeMap<Place, (RowKey, Lock)>, versions: &mut Versions) -> Result<(), Fault> {
    for kind in 0..=9 {
        for lock in [Lock::Change, Lock::Share, Lock::Look] {
            let keys: Vec<(&Place, &RowKey)> =
                wanted.iter().filter(|(place, (_, l))| place.0 == kind && *l == lock).map(|(place, (key, _))| (place, key)).collect();
            if !keys.is_empty() {
                lock_kind(tx, kind, lock, &keys, versions).await?;
            }
        }
    }
    Ok(())
}

/// The statement that locks rows of a kind and gives their versions, in the order of their keys.
const fn statement(kind: u8, lock: Lock) -> &'static str {
    macro_rules! both {
        ($select:literal) => {
            match lock {
                Lock::Look => $select,
                Lock::Change => concat!($select, " FOR NO KEY UPDATE"),
                Lock::Share => concat!($select, " FOR SHARE"),
            }
        };
    }
    match kind {
        0 => both!("SELECT id, version FROM taquilla.tickets WHERE id = ANY($1) ORDER BY id"),
        1 => both!("SELECT id, ticket_id, version FROM taquilla.comments WHERE id = ANY($1) ORDER BY id"),
        2 => both!("SELECT id, version FROM taquilla.users WHERE id = ANY($1) ORDER BY id"),
        3 => both!("SELECT id, version FROM taquilla.sessions WHERE id = ANY($1) ORDER BY id"),
        4 => both!("SELECT id, version FROM taquilla.api_tokens WHERE id = ANY($1) ORDER BY id"),
        5 => both!("SELECT name, version FROM taquilla.singles WHERE name = ANY($1) ORDER BY name"),
        6 => both!("SELECT name, version FROM taquilla.cursors WHERE name = ANY($1) ORDER BY name"),
        8 => both!("SELECT user_id, version FROM taquilla.preferences WHERE user_id = ANY($1) ORDER BY user_id"),
        9 => both!("SELECT last_seq FROM taquilla.chain WHERE last_seq = ANY($1) ORDER BY last_seq"),
        _ => both!(
            "SELECT user_id, key FROM taquilla.answers WHERE (user_id, key) IN (SELECT * FROM unnest($1::bigint[], $2::bytea[])) \
             ORDER BY user_id, key"
        ),
    }
}

async fn lock_kind(tx: &mut PgConnection, kind: u8, lock: Lock, keys: &[(&Place, &RowKey)], versions: &mut Versions) -> Result<(), Fault> {
    let sql = statement(kind, lock);
    let numbers: Vec<i64> = keys.iter().map(|(place, _)| place.1).collect();
    let rows = match kind {
        0..=4 | 8 | 9 => sqlx::query(sql).bind(numbers).fetch_all(tx).await?,
        5 | 6 => {
            let names: Vec<String> = keys.iter().map(|(place, _)| String::from_utf8_lossy(&place.2).into_owned()).collect();
            sqlx::query(sql).bind(names).fetch_all(tx).await?
        }
        _ => {
            let hashes: Vec<Vec<u8>> = keys.iter().map(|(place, _)| place.2.clone()).collect();
            sqlx::query(sql).bind(numbers).bind(hashes).fetch_all(tx).await?
        }
    };
    for row in rows {
        let found: Place = match kind {
            0..=4 | 8 | 9 => (kind, row.try_get(0)?, Vec::new()),
            5 | 6 => (kind, 0, row.try_get::<String, _>(0)?.into_bytes()),
            _ => (kind, row.try_get(0)?, row.try_get(1)?),
        };
        let Some((_, key)) = keys.iter().find(|(place, _)| **place == found) else { continue };
        // A comment is named by its ticket too; under another ticket there is none.
        if let RowKey::Comment(ticket, _) = key
            && row.try_get::<i64, _>("ticket_id")? != ticket.0
        {
            continue;
        }
        let version = if matches!(kind, 7 | 9) { 1 } else { row.try_get("version")? };
        versions.insert((*key).clone(), version);
    }
    Ok(())
}

/// Locks names until the commit is over, in one order for all.
async fn lock_names(tx: &mut PgConnection, keys: impl Iterator<Item = &RowKey>) -> Result<(), Fault> {
    let names: BTreeSet<i64> = keys
        .map(|key| {
            let (kind, number, bytes) = place(key);
            let digest = Sha256::new().chain_update([kind]).chain_update(number.to_be_bytes()).chain_update(bytes).finalize();
            let mut first = [0; 8];
            first.copy_from_slice(&digest[..8]);
            i64::from_be_bytes(first)
        })
        .collect();
    let names: Vec<i64> = names.into_iter().collect();
    sqlx::query("SELECT pg_advisory_xact_lock(name) FROM unnest($1::bigint[]) AS name").bind(names).execute(tx).await?;
    Ok(())
}

/// Whether rows of these versions are what changes expect.
pub(super) fn expectations(changes: &Changes, versions: &Versions) -> Result<(), StoreError> {
    for write in &changes.writes {
        match write {
            Write::Put(row, expect) => expected(&row.key(), *expect, versions)?,
            Write::Delete(key, expect) => expected(key, *expect, versions)?,
        }
    }
    for (key, version) in &changes.guards {
        if versions.get(key).copied().unwrap_or(0) != *version {
            return Err(StoreError::Stale);
        }
    }
    Ok(())
}

fn expected(key: &RowKey, expect: Expect, versions: &Versions) -> Result<(), StoreError> {
    match (expect, versions.get(key)) {
        (Expect::Any, _) | (Expect::New, None) => Ok(()),
        (Expect::Version(expected), Some(version)) if expected == *version => Ok(()),
        (Expect::New, Some(_)) => Err(match key {
            RowKey::Answer(_) => StoreError::Duplicate(Field::IdempotencyKey),
            key if has_id(key) => StoreError::Duplicate(Field::Id),
            _ => StoreError::Stale,
        }),
        (Expect::Version(_), _) => Err(StoreError::Stale),
    }
}

/// Whether the addresses that accounts shall have are free.
async fn addresses(tx: &mut PgConnection, changes: &Changes) -> Result<(), Fault> {
    let mut wanted = HashMap::new();
    for write in &changes.writes {
        if let Write::Put(row, _) = write
            && let Row::User(user) = row.as_ref()
            && wanted.insert(user.email.as_str().to_owned(), user.id.0).is_some()
        {
            return Err(StoreError::Duplicate(Field::Email).into());
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let emails: Vec<String> = wanted.keys().cloned().collect();
    for row in sqlx::query("SELECT email, id FROM taquilla.users WHERE email = ANY($1)").bind(emails).fetch_all(tx).await? {
        if wanted.get(row.try_get::<&str, _>(0)?) != Some(&row.try_get::<i64, _>(1)?) {
            return Err(StoreError::Duplicate(Field::Email).into());
        }
    }
    Ok(())
}
