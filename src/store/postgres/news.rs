//! What transactions that are over have changed. Each commit says in its row how far it reaches, and its entries tell of which tickets it is.
//! So a comment, which is what a desk writes most, renews neither accounts nor counters, no other ticket, and of lists and searches only those
//! which its ticket or its words belong to; nor does an agent's answer, but for counters and what is due.

use std::collections::HashSet;

use sqlx::{Row as _, postgres::PgRow};

use super::{connections::Connections, rows::Read, values::Xid, write::Derived};
use crate::{
    store::{
        Addition, Changes, Expect, RowKey, Write,
        changed::{Changed, MOST_WORDS_AT_ONCE, Shows},
    },
    tickets::query::TicketQuery,
    types::{CommentId, TicketId},
};

/// How far a commit reaches: a set of what may be other after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reach(u8);

impl Reach {
    /// Nothing that the desk is about: only sessions and tokens, what people keep for the app, remembered answers, how far the log was read.
    pub(super) const ASIDE: Self = Self(0);
    /// The tickets that the entries tell of have been updated, and are where they were in all lists that neither ask nor are in the order of when that
    /// was. There may be new comments on them.
    const COMMENTS: Self = Self(1);
    const COUNTERS: Self = Self(2);
    /// Something else is due.
    const DUES: Self = Self(4);
    /// In which lists these tickets are, and where in them; their texts.
    pub(super) const PLACES: Self = Self(8);
    /// The same, such as after an agent's first comment on a ticket: it is answered, and something else is due.
    const ANSWERS: Self = Self(1 | 2 | 4);
    const TICKETS: Self = Self(1 | 4 | 8);
    const COUNTED: Self = Self(1 | 2 | 4 | 8);
    const PEOPLE: Self = Self(16);
    /// Accounts, settings, anything.
    pub(super) const ANYTHING: Self = Self(u8::MAX);

    /// That of changes, with what has followed from them.
    pub(super) fn of(changes: &Changes, derived: &Derived) -> Self {
        let told: HashSet<_> = changes.log.iter().filter_map(|entry| entry.ticket_id).collect();
        let told_of = |comment: &CommentId| changes.log.iter().any(|entry| entry.comment_id == Some(*comment));
        let of_key = |key: &RowKey, is_new: bool| match key {
            // What has moved is told below.
            RowKey::Ticket(id) if told.contains(id) => Self::COMMENTS,
            // The words of a comment are found by the entry about it.
            RowKey::Comment(ticket, id) if told.contains(ticket) && is_new && told_of(id) => Self::COMMENTS,
            RowKey::Comment(ticket, _) if told.contains(ticket) => Self::TICKETS,
            RowKey::Session(_)
            | RowKey::ApiToken(_)
            | RowKey::LogCursor(_)
            | RowKey::ChainBlock(_)
            | RowKey::Answer(_)
            | RowKey::Preferences(_) => Self::ASIDE,
            _ => Self::ANYTHING,
        };
        let written = changes.writes.iter().map(|write| match write {
            Write::Put(row, expect) => of_key(&row.key(), *expect == Expect::New),
            Write::Delete(key, _) => of_key(key, false),
        });
        let added = changes.additions.iter().map(|addition| match addition {
            Addition::Comments { ticket, .. } if told.contains(ticket) => Self::COMMENTS,
            Addition::Comments { .. } => Self::ANYTHING,
            Addition::SessionUsed(..) | Addition::TokenUsed(..) => Self::ASIDE,
        });
        let moved = [(!derived.moves.is_empty(), Self::COUNTERS), (derived.moved_due, Self::DUES), (derived.moved, Self::TICKETS)];
        let moved = moved.into_iter().filter(|(has, _)| *has).map(|(_, reach)| reach);
        written.chain(added).chain(moved).fold(Self::ASIDE, Self::and)
    }

    /// Both.
    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether it reaches as far as any of that.
    pub(super) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// How far it shows in lists.
    const fn shows(self) -> Shows {
        match self {
            Self::ASIDE => Shows::Nowhere,
            _ if self.has(Self::PEOPLE) => Shows::Everywhere,
            _ if self.has(Self::PLACES) => Shows::Places,
            _ if self.has(Self::DUES) => Shows::Dues,
            _ => Shows::There,
        }
    }

    /// The number under which it is stored, or that of the next farther one which has one.
    pub(super) const fn number(self) -> i16 {
        match self {
            Self::ASIDE => 4,
            Self::COMMENTS => 3,
            Self(bits) if bits > Self::COUNTED.0 => 0,
            Self(bits) if bits & Self::PLACES.0 == 0 => 5,
            Self(bits) if bits & Self::COUNTERS.0 == 0 => 2,
            Self(_) => 1,
        }
    }

    const fn of_number(number: i16) -> Self {
        match number {
            1 => Self::COUNTED,
            2 => Self::TICKETS,
            3 => Self::COMMENTS,
            4 => Self::ASIDE,
            5 => Self::ANSWERS,
            _ => Self::ANYTHING,
        }
    }
}

/// Transactions, by their numbers or the lower halves of them, and how far they reach; `NULL` for those that have changed nothing.
/// Leases have transactions of their own, which leave their numbers in their table; so do probes, messages, draws of ids, sums of counters and
/// movements to the search index, in that of probes; and commits in theirs. The row of a commit is written again by the transaction that gives it
/// a place in the log, and does that and nothing else: it is another one than that which wrote it first. Of those that are asked for: the tickets
/// that they tell of, and the words of new comments, unless those are too many, or have changed since. (After a minute a number may be one of
/// another server, from which the tables were copied.)
const TOLD: &str = "\
    SELECT xid, NULL::bytea, NULL::smallint, NULL::bigint[], NULL::text[] FROM taquilla.leases WHERE expires_at > now() - interval '1 minute' UNION ALL \
    SELECT xid, NULL, NULL, NULL, NULL FROM taquilla.probes WHERE at > now() - interval '1 minute' UNION ALL \
    SELECT xid, NULL, NULL, NULL, NULL FROM unnest($1) AS xid WHERE pg_xact_status(xid::text::xid8) = 'aborted' UNION ALL \
    SELECT xid, CASE WHEN last_seq IS NOT NULL AND written_by <> xid & 4294967295 THEN by END, \
    reach, \
    CASE WHEN reach IN (1, 2, 3, 5) AND xid = ANY($1) THEN \
    (SELECT array_agg(e.ticket_id) FROM taquilla.entries e WHERE e.commit_nr = nr AND e.ticket_id IS NOT NULL) END, \
    CASE WHEN reach IN (3, 5) AND xid = ANY($1) THEN \
    CASE WHEN NOT EXISTS (SELECT FROM taquilla.entries e WHERE e.commit_nr = nr AND e.comment_id IS NOT NULL) THEN '{}' ELSE \
    (SELECT coalesce(array_agg(word), '{}') FROM taquilla.entries e JOIN taquilla.comments c ON c.id = e.comment_id, LATERAL (\
    SELECT terms FROM taquilla.search_new s WHERE s.ticket_id = e.ticket_id AND s.comment_id = e.comment_id UNION ALL \
    SELECT terms FROM taquilla.search_kept s WHERE s.ticket_id = e.ticket_id AND s.comment_id = e.comment_id) AS s, \
    unnest(tsvector_to_array(s.terms)) AS word WHERE e.commit_nr = nr HAVING count(*) <= $2 AND bool_and(c.version = 1)) END END \
    FROM (SELECT *, xmin::text::bigint AS written_by, xidsend(xmin) AS by FROM taquilla.commits ORDER BY nr DESC LIMIT 64) AS latest \
    WHERE made_at > now() - interval '1 minute'";

/// What has changed between two looks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct News {
    /// How far it reaches; `None` when nothing has changed.
    pub(super) reach: Option<Reach>,
    tickets: Vec<i64>,
    words: Vec<String>,
}

impl News {
    pub(super) fn anything() -> Self {
        Self { reach: Some(Reach::ANYTHING), ..Self::default() }
    }

    fn aside() -> Self {
        Self { reach: Some(Reach::ASIDE), ..Self::default() }
    }

    /// Those of a commit, or of what has changed nothing.
    fn read(row: &PgRow) -> Read<Self> {
        let reach = row.try_get::<Option<i16>, _>(2)?.map(Reach::of_number);
        let tickets = row.try_get::<Option<Vec<i64>>, _>(3)?.unwrap_or_default();
        Ok(match (reach, row.try_get::<Option<Vec<String>>, _>(4)?) {
            (Some(reach), None) if !reach.has(Reach::PLACES) && reach.has(Reach::COMMENTS) => {
                Self { reach: Some(reach.and(Reach::TICKETS)), tickets, words: Vec::new() }
            }
            (reach, words) => Self { reach, tickets, words: words.unwrap_or_default() },
        })
    }

    /// Both.
    fn and(mut self, other: Self) -> Self {
        self.reach = match (self.reach, other.reach) {
            (Some(one), Some(other)) => Some(one.and(other)),
            (one, other) => one.or(other),
        };
        self.tickets.extend(other.tickets);
        self.words.extend(other.words);
        self
    }

    /// What these transactions, which are over, have changed.
    pub(super) async fn told(pool: &Connections, ended: &[u64]) -> Read<Self> {
        let mut news = vec![Self::anything(); ended.len()];
        let asked: Vec<i64> = ended.iter().filter_map(|number| i64::try_from(*number).ok()).collect();
        for row in sqlx::query(TOLD).bind(asked).bind(i64::try_from(MOST_WORDS_AT_ONCE).unwrap_or(i64::MAX)).fetch_all(pool).await? {
            let (whole, lower): (Option<i64>, Option<Xid>) = (row.try_get(0)?, row.try_get(1)?);
            for (number, of) in ended.iter().zip(&mut news) {
                if whole.is_some_and(|whole| u64::try_from(whole) == Ok(*number)) {
                    *of = Self::read(&row)?;
                } else if lower.is_some_and(|xid| xid.is_of(*number)) {
                    *of = Self::aside();
                }
            }
        }
        for (number, _) in ended.iter().zip(&news).filter(|(_, of)| **of == Self::anything()) {
            tracing::debug!(xid = number, "a transaction may have changed anything: what was read before is read anew");
        }
        Ok(news.into_iter().fold(Self::default(), Self::and))
    }
}

/// The number of one of the states that the database has had; the first is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct View(pub(super) u64);

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// Everything.
    All,
    /// Accounts and settings.
    People,
    /// A ticket.
    Ticket(i64),
    /// A page of this list, with these tickets and their names.
    Page(&'a TicketQuery, &'a [TicketId]),
}

/// What has changed since when.
#[derive(Debug, Default)]
pub(super) struct Recent {
    pub(super) view: View,
    /// The last state in which the counters of analytics, or names of accounts, may have changed.
    pub(super) counters: View,
    /// The same of accounts and settings.
    people: View,
    /// Of tickets and lists.
    changed: Changed,
}

impl Recent {
    /// Notes what is new.
    pub(super) fn note(&mut self, news: News) {
        let Some(reach) = news.reach else { return };
        self.view.0 += 1;
        if reach.has(Reach::COUNTERS) {
            self.counters = self.view;
        }
        if reach.has(Reach::PEOPLE) {
            self.people = self.view;
        }
        self.changed.note(self.view.0, reach.shows(), news.tickets, news.words);
    }

    /// Whether a part is as it was in this state.
    pub(super) fn is_still(&self, view: View, part: Part<'_>) -> bool {
        match part {
            Part::All => self.view == view,
            Part::People => self.people <= view,
            Part::Ticket(id) => self.changed.ticket_is_still(view.0, id),
            Part::Page(query, tickets) => self.changed.list_is_still(view.0, query, tickets.iter().map(|id| id.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        activity::model::{Action, ActorRef, Facts, NewEntry},
        analytics::figures::{Amount, Key, Kind},
        tickets::{model::Comment, query::Scope, search::Words},
        types::{SessionId, Timestamp, UserId},
    };

    fn entry(ticket: i64) -> NewEntry {
        NewEntry::new(Action::CommentCreated, ActorRef::system(), Timestamp::from_micros(0))
            .about_ticket(TicketId(ticket), Facts::default())
    }

    #[test]
    fn a_commit_reaches_as_far_as_what_it_writes() {
        let delete = |key| Changes::new().delete(key, Expect::Any).log(entry(1));
        let now = Timestamp::from_micros(0);
        let comment = |ticket| Comment {
            id: CommentId(7),
            ticket_id: TicketId(ticket),
            author_id: UserId(1),
            content: "words".into(),
            is_internal: false,
            created_at: now,
            updated_at: now,
            deleted_at: None,
            version: 1,
        };
        let counted = |ticket| Addition::Comments { ticket: TicketId(ticket), public: 1, internal: 0, touched_at: None };
        let used = Addition::SessionUsed(SessionId(3), now);
        for (changes, reach) in [
            (Changes::new().add(used), Reach::ASIDE),
            (delete(RowKey::Session(SessionId(3))), Reach::ASIDE),
            (Changes::new().add(counted(1)).add(used).log(entry(1)), Reach::COMMENTS),
            (delete(RowKey::Comment(TicketId(1), CommentId(7))).add(counted(1)), Reach::TICKETS),
            (Changes::new().insert(comment(1)).log(entry(1).about_comment(CommentId(7), false)), Reach::COMMENTS),
            (Changes::new().insert(comment(1)).log(entry(1)), Reach::TICKETS),
            (Changes::new().overwrite(comment(1)).log(entry(1).about_comment(CommentId(7), false)), Reach::TICKETS),
            (Changes::new().insert(comment(2)).log(entry(1).about_comment(CommentId(7), false)), Reach::ANYTHING),
            (delete(RowKey::Roster).add(counted(1)), Reach::ANYTHING),
            (delete(RowKey::Ticket(TicketId(2))), Reach::ANYTHING),
            (delete(RowKey::Comment(TicketId(2), CommentId(7))), Reach::ANYTHING),
            (Changes::new().add(counted(2)).log(entry(1)), Reach::ANYTHING),
        ] {
            assert_eq!(Reach::of(&changes, &Derived::default()), reach, "{changes:?}");
            let moves = [(Key { kind: Kind::Tickets, at: 0, of: 0 }, Amount::default())].into();
            let answer = Derived { moves, moved_due: true, ..Derived::default() };
            assert_eq!(Reach::of(&changes, &answer), reach.and(Reach::COUNTERS).and(Reach::DUES), "{changes:?}");
            assert_eq!(Reach::of(&changes, &Derived { moved: true, ..Derived::default() }), reach.and(Reach::TICKETS), "{changes:?}");
        }
        for reach in [Reach::ANYTHING, Reach::COUNTED, Reach::TICKETS, Reach::COMMENTS, Reach::ANSWERS, Reach::ASIDE] {
            assert_eq!(Reach::of_number(reach.number()), reach);
        }
        let farther = |reach: Reach| Reach::of_number(reach.number());
        assert_eq!([Reach::COUNTERS, Reach::DUES, Reach::PLACES].map(farther), [Reach::ANSWERS, Reach::ANSWERS, Reach::TICKETS]);
        assert_eq!(Reach::of_number(9), Reach::ANYTHING, "of a later version");
    }

    fn news(reach: Reach, tickets: &[i64], words: &[&str]) -> News {
        News { reach: Some(reach), tickets: tickets.to_vec(), words: words.iter().map(|&word| word.to_owned()).collect() }
    }

    #[test]
    fn the_farthest_counts_of_what_is_told_together() {
        let both = news(Reach::COMMENTS, &[1], &["vpn"]).and(News::default()).and(news(Reach::COUNTED, &[2], &[]));
        assert_eq!(both, news(Reach::COUNTED, &[1, 2], &["vpn"]));
        assert_eq!(News::default().and(News::default()), News::default());
    }

    #[test]
    fn what_is_not_reached_is_as_it_was() {
        let all = TicketQuery::all(Scope::All);
        let found = TicketQuery { words: Words::parse("printer vp"), ..all.clone() };
        let parts = [Part::All, Part::Page(&all, &[TicketId(1)]), Part::People, Part::Ticket(1), Part::Page(&found, &[TicketId(3)])];
        for (news, kept, counters) in [
            (News::default(), [true, true, true, true, true], true),
            (News::aside(), [false, true, true, true, true], true),
            (news(Reach::COMMENTS, &[2], &["paper"]), [false, true, true, true, true], true),
            (news(Reach::COMMENTS, &[2], &["vpn"]), [false, true, true, true, false], true),
            (news(Reach::COMMENTS, &[2], &["printer"]), [false, true, true, true, false], true),
            (news(Reach::COMMENTS, &[2], &["v", "printers", "vo"]), [false, true, true, true, true], true),
            (news(Reach::COMMENTS, &[2, 3], &["paper"]), [false, true, true, true, false], true),
            (news(Reach::COMMENTS, &[1], &[]), [false, false, true, false, true], true),
            (news(Reach::TICKETS, &[2], &[]), [false, false, true, true, false], true),
            (news(Reach::COUNTED, &[1], &[]), [false, false, true, false, false], false),
            (News::anything(), [false; 5], false),
        ] {
            let mut recent = Recent::default();
            recent.note(News::anything());
            let before = recent.view;
            recent.note(news.clone());
            assert_eq!(parts.map(|part| recent.is_still(before, part)), kept, "{news:?}");
            assert_eq!(recent.counters <= before, counters, "{news:?}");
            let since = recent.view;
            recent.note(News::aside());
            assert_eq!(parts.map(|part| recent.is_still(since, part)), [false, true, true, true, true], "{news:?}");
        }
    }
}
