//! The chain over the log: a reader of the log that adds links after the commit, and the walk that looks for the first break.

use std::fmt;

use serde::Serialize;

use super::{
    chain::{BEGINNING, ChainBlock, Link, hex},
    model::Entry,
};
use crate::{
    auth::{model::Digest32, token::random},
    store::{Changes, EntryQuery, From, Store, StoreError},
    types::Seq,
};

/// The name of the reader whose cursor tells how far the chain has come.
pub const READER: &str = "audit chain";

/// Entries whose links are written together.
const BATCH: usize = 500;

/// Blocks that are looked at together.
const BLOCKS: usize = 16;

/// The end of the chain. Whoever knows it from before can tell whether everything up to it is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The entry of the last link; 0 before the first.
    pub seq: Seq,
    /// That link.
    pub hash: Digest32,
}

impl Default for Head {
    fn default() -> Self {
        Self { seq: 0, hash: BEGINNING }
    }
}

/// The end of the chain as it is stored.
///
/// # Errors
/// The storage's; corrupt when the last link is missing.
pub async fn head(store: &dyn Store) -> Result<Head, StoreError> {
    head_at(store, store.cursor(READER).await?.seq).await
}

/// The end of a chain that had come to the entry `seq`.
async fn head_at(store: &dyn Store, seq: Seq) -> Result<Head, StoreError> {
    if seq == 0 {
        return Ok(Head::default());
    }
    let block = store.chain(seq - 1, 1).await?.pop().filter(|block| block.last == seq);
    let last = block.and_then(|block| block.links()?.pop());
    last.map(|link| Head { seq, hash: link.hash }).ok_or_else(|| StoreError::Corrupt(format!("the link of log entry {seq} is missing")))
}

async fn stretch(store: &dyn Store, after: Seq, limit: usize) -> Result<Vec<Entry>, StoreError> {
    store.entries(&EntryQuery { ticket: None, internal: true, from: From::After(after), limit }).await
}

/// Links every durable entry that has no link yet. What another instance links meanwhile is left to it.
///
/// # Errors
/// The storage's; corrupt when the log or the chain has a hole.
pub async fn extend(store: &dyn Store) -> Result<(), StoreError> {
    loop {
        let mut cursor = store.cursor(READER).await?;
        let entries = stretch(store, cursor.seq, BATCH).await?;
        let Some(last) = entries.last().map(|entry| entry.seq) else { return Ok(()) };
        let mut previous = head_at(store, cursor.seq).await?;
        let mut links = Vec::with_capacity(entries.len());
        for entry in &entries {
            if entry.seq != previous.seq + 1 {
                return Err(StoreError::Corrupt(format!("log entry {} is missing", previous.seq + 1)));
            }
            let link = Link::after(&previous.hash, entry, random());
            previous = Head { seq: entry.seq, hash: link.hash };
            links.push(link);
        }
        (cursor.seq, cursor.version) = (last, cursor.version + 1);
        match store.commit(Changes::new().insert(ChainBlock::new(last, &links)).update(cursor)).await {
            Ok(_) => {}
            Err(StoreError::Stale) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// The first place at which the log is not what was chained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Break {
    /// The entry there.
    pub seq: Seq,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "log entry {}: {}", self.seq, self.what)
    }
}

/// What a walk along the chain has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walk {
    /// The last link that is sound.
    pub head: Head,
    /// Entries after the chain's end, which are not linked yet.
    pub waiting: Seq,
    /// What is wrong after the head, if something is.
    pub broken: Option<Break>,
}

/// Walks the chain from its beginning to its end, or to the first break. A link that is known from before, by the beginning
/// of its hash, must be in it.
///
/// # Errors
/// The storage's, when it cannot be read at all.
pub async fn verify(store: &dyn Store, known: Option<(Seq, &[u8])>) -> Result<Walk, StoreError> {
    let end = store.cursor(READER).await?.seq;
    let mut head = Head::default();
    let mut broken = None;
    'walk: loop {
        let blocks = store.chain(head.seq, BLOCKS).await?;
        if blocks.is_empty() {
            break;
        }
        for block in blocks {
            if let Err(found) = follow(store, &block, &mut head, known).await? {
                broken = Some(found);
                break 'walk;
            }
        }
    }
    let missing = |seq: Seq, what: &str| Some(Break { seq, what: what.into() });
    if broken.is_none() && head.seq < end {
        broken = missing(head.seq + 1, "it was chained, and its link is missing");
    } else if broken.is_none() && known.is_some_and(|(seq, _)| seq > head.seq) {
        broken = missing(head.seq + 1, "the chain ends before the link that is known");
    }
    let waiting = (*store.durable_seq().borrow() - head.seq).max(0);
    Ok(Walk { head, waiting: if broken.is_some() { 0 } else { waiting }, broken })
}

/// Goes on along one block; `head` is the last sound link.
async fn follow(
    store: &dyn Store,
    block: &ChainBlock,
    head: &mut Head,
    known: Option<(Seq, &[u8])>,
) -> Result<Result<(), Break>, StoreError> {
    let broken = |seq: Seq, what: &str| Ok(Err(Break { seq, what: what.into() }));
    let Some(links) = block.links() else { return broken(head.seq + 1, "its link cannot be read") };
    if block.first() != head.seq + 1 {
        return broken(head.seq + 1, "its link is missing");
    }
    let entries = match stretch(store, head.seq, links.len()).await {
        Err(StoreError::Corrupt(_)) => readable(store, head.seq, links.len()).await?,
        entries => entries?,
    };
    let mut entries = entries.into_iter();
    for link in links {
        let seq = head.seq + 1;
        let Some(entry) = entries.next().filter(|entry| entry.seq == seq) else { return broken(seq, "it is missing or cannot be read") };
        if let Some(what) = link.fault(&head.hash, &entry) {
            return broken(seq, what);
        }
        if known.is_some_and(|(known, hash)| known == seq && !link.hash.starts_with(hash)) {
            return broken(seq, "its link is another one than the one that is known");
        }
        *head = Head { seq, hash: link.hash };
    }
    Ok(Ok(()))
}

/// The entries after `after` up to the first that cannot be read.
async fn readable(store: &dyn Store, after: Seq, limit: usize) -> Result<Vec<Entry>, StoreError> {
    let mut entries: Vec<Entry> = Vec::new();
    while entries.len() < limit {
        match stretch(store, entries.last().map_or(after, |entry| entry.seq), 1).await {
            Ok(one) if !one.is_empty() => entries.extend(one),
            Ok(_) | Err(StoreError::Corrupt(_)) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(entries)
}

/// A head as it is told: `SEQ:HASH`.
impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, hex(&self.hash))
    }
}
