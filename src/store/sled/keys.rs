//! How keys are laid out in the one tree: a prefix, then big-endian ids, so that neighbours belong together.

use crate::{
    store::{AnswerKey, IdKind, RowKey},
    types::{CommentId, Seq, TicketId, UserId},
};

/// Prefixes; each names a kind of row.
pub(super) mod prefix {
    pub(in crate::store::sled) const TICKET: u8 = b't';
    pub(in crate::store::sled) const COMMENT: u8 = b'c';
    pub(in crate::store::sled) const USER: u8 = b'u';
    pub(in crate::store::sled) const SESSION: u8 = b's';
    pub(in crate::store::sled) const API_TOKEN: u8 = b'k';
    pub(in crate::store::sled) const ENTRY: u8 = b'l';
    pub(in crate::store::sled) const ANSWER: u8 = b'a';
    pub(in crate::store::sled) const CURSOR: u8 = b'n';
    pub(in crate::store::sled) const PREFERENCES: u8 = b'p';
    /// Links of the chain over the log, by the last entry of each block.
    pub(in crate::store::sled) const CHAIN: u8 = b'h';
    /// E-mail → user id: the unique index.
    pub(in crate::store::sled) const EMAIL: u8 = b'e';
    /// Some tickets, seq: their own logs.
    pub(in crate::store::sled) const OWN_LOG: u8 = b'o';
    /// Ticket, seq: a ticket's own log, as layouts up to 4 had it.
    pub(in crate::store::sled) const TICKET_ENTRY: u8 = b'i';
    /// The further pieces of long values.
    pub(in crate::store::sled) const PIECE: u8 = b'x';
    /// Tickets of which the log's entries since the last checkpoint of the projections do not tell what has come to their
    /// texts: a start after a crash takes them in anew. The value says after which entry; up to layout 6 of earlier versions it is empty.
    pub(in crate::store::sled) const ANEW: u8 = b'd';
}

/// The store's schema number, written once.
pub(super) const SCHEMA: &[u8] = b"mschema";
/// The store's random identity, the same as in the file `IDENTITY`.
pub(super) const IDENTITY: &[u8] = b"midentity";
/// What the self-test and the readiness probe write.
pub(super) const PROBE: &[u8] = b"mprobe";

/// The key of a row; of a comment, the one that it has when it stands alone or first in its block.
pub(super) fn row(key: &RowKey) -> Vec<u8> {
    match key {
        RowKey::Ticket(id) => ticket(*id),
        RowKey::Comment(ticket, id) => comment(*ticket, *id),
        RowKey::User(id) => of_id(prefix::USER, id.0),
        RowKey::Session(id) => of_id(prefix::SESSION, id.0),
        RowKey::ApiToken(id) => of_id(prefix::API_TOKEN, id.0),
        RowKey::Roster => b"mroster".to_vec(),
        RowKey::Settings => b"msettings".to_vec(),
        RowKey::SetupToken => b"msetup".to_vec(),
        RowKey::SigningSecret => b"msecret".to_vec(),
        RowKey::LogCursor(name) => cursor(name),
        RowKey::Answer(key) => answer(key),
        RowKey::Preferences(user) => preferences(*user),
        RowKey::ChainBlock(last) => chain(*last),
    }
}

fn of_id(prefix: u8, id: i64) -> Vec<u8> {
    let mut key = Vec::with_capacity(9);
    key.push(prefix);
    key.extend_from_slice(&id.to_be_bytes());
    key
}

fn of_ids(prefix: u8, first: i64, second: i64) -> Vec<u8> {
    let mut key = of_id(prefix, first);
    key.extend_from_slice(&second.to_be_bytes());
    key
}

pub(super) fn ticket(id: TicketId) -> Vec<u8> {
    of_id(prefix::TICKET, id.0)
}

pub(super) fn user(id: UserId) -> Vec<u8> {
    of_id(prefix::USER, id.0)
}

pub(super) fn comment(ticket: TicketId, id: CommentId) -> Vec<u8> {
    of_ids(prefix::COMMENT, ticket.0, id.0)
}

/// The prefix of a ticket's comments.
pub(super) fn comments(ticket: TicketId) -> Vec<u8> {
    of_id(prefix::COMMENT, ticket.0)
}

pub(super) fn entry(seq: Seq) -> Vec<u8> {
    of_id(prefix::ENTRY, seq)
}

pub(super) fn ticket_entry(ticket: TicketId, seq: Seq) -> Vec<u8> {
    of_ids(prefix::TICKET_ENTRY, ticket.0, seq)
}

pub(super) fn own_log(tickets: i64, seq: Seq) -> Vec<u8> {
    of_ids(prefix::OWN_LOG, tickets, seq)
}

pub(super) fn anew(ticket: TicketId) -> Vec<u8> {
    of_id(prefix::ANEW, ticket.0)
}

pub(super) fn email(address: &str) -> Vec<u8> {
    [&[prefix::EMAIL], address.as_bytes()].concat()
}

pub(super) fn cursor(name: &str) -> Vec<u8> {
    [&[prefix::CURSOR], name.as_bytes()].concat()
}

pub(super) fn preferences(user: UserId) -> Vec<u8> {
    of_id(prefix::PREFERENCES, user.0)
}

pub(super) fn answer(key: &AnswerKey) -> Vec<u8> {
    [&of_id(prefix::ANSWER, key.user_id.0)[..], &key.key].concat()
}

pub(super) fn chain(last: Seq) -> Vec<u8> {
    of_id(prefix::CHAIN, last)
}

/// Piece number `index` (from 1) of the long value at `key`.
pub(super) fn piece(key: &[u8], index: u16) -> Vec<u8> {
    [&[prefix::PIECE], key, &index.to_be_bytes()[..]].concat()
}

/// Where the id that is durably reserved up to is kept.
pub(super) const fn high_water(kind: IdKind) -> &'static [u8] {
    match kind {
        IdKind::Ticket => b"mids.ticket",
        IdKind::Comment => b"mids.comment",
        IdKind::User => b"mids.user",
        IdKind::Session => b"mids.session",
        IdKind::Token => b"mids.token",
    }
}

/// The number in the last eight bytes of a key; `None` for a key that is too short.
pub(super) fn last_id(key: &[u8]) -> Option<i64> {
    let at = key.len().checked_sub(8)?;
    Some(i64::from_be_bytes(key[at..].try_into().ok()?))
}

/// The first number after the prefix.
pub(super) fn first_id(key: &[u8]) -> Option<i64> {
    Some(i64::from_be_bytes(key.get(1..9)?.try_into().ok()?))
}
