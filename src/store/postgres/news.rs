//! What transactions that are over have changed. Each commit says in its row how far it reaches, and its entries tell of which tickets it is.
//! So a comment, which is what a desk writes most, renews neither accounts nor counters, no other ticket, and of lists and searches only those
//! which its ticket or its words belong to.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ops::Bound,
};

use sqlx::{Row as _, postgres::PgRow};

use super::{connections::Connections, rows::Read, values::Xid};
use crate::{
    store::{Addition, Changes, Expect, RowKey, Write},
    tickets::search::Words,
    types::CommentId,
};

/// How far a commit reaches at most, the farthest first, by the numbers under which it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i16)]
pub(super) enum Reach {
    /// Anything may have changed.
    Anything = 0,
    /// The tickets that the entries tell of, their comments and texts; and counters.
    Counted = 1,
    /// The same, without counters.
    Tickets = 2,
    /// There are new comments on these tickets. They are counted in the tickets, which have been updated, and are where they were in all lists
    /// that neither ask nor are in the order of when that was.
    Comments = 3,
    /// Nothing that the desk is about: only sessions and tokens, what people keep for the app, remembered answers, how far the log was read.
    Aside = 4,
}

impl Reach {
    /// That of changes, which may move counters or do not.
    pub(super) fn of(changes: &Changes, counted: bool) -> Self {
        let told: HashSet<_> = changes.log.iter().filter_map(|entry| entry.ticket_id).collect();
        let told_of = |comment: &CommentId| changes.log.iter().any(|entry| entry.comment_id == Some(*comment));
        let of_key = |key: &RowKey, is_new: bool| match key {
            RowKey::Ticket(id) if told.contains(id) => Self::Tickets,
            // The words of a comment are found by the entry about it.
            RowKey::Comment(ticket, id) if told.contains(ticket) && is_new && told_of(id) => Self::Comments,
            RowKey::Comment(ticket, _) if told.contains(ticket) => Self::Tickets,
            RowKey::Session(_)
            | RowKey::ApiToken(_)
            | RowKey::LogCursor(_)
            | RowKey::ChainBlock(_)
            | RowKey::Answer(_)
            | RowKey::Preferences(_) => Self::Aside,
            _ => Self::Anything,
        };
        let written = changes.writes.iter().map(|write| match write {
            Write::Put(row, expect) => of_key(&row.key(), *expect == Expect::New),
            Write::Delete(key, _) => of_key(key, false),
        });
        let added = changes.additions.iter().map(|addition| match addition {
            Addition::Comments { ticket, .. } if told.contains(ticket) => Self::Comments,
            Addition::Comments { .. } => Self::Anything,
            Addition::SessionUsed(..) | Addition::TokenUsed(..) => Self::Aside,
        });
        let reach = written.chain(added).min().unwrap_or(Self::Aside);
        if counted { reach.min(Self::Counted) } else { reach }
    }

    fn of_number(number: i16) -> Self {
        [Self::Aside, Self::Comments, Self::Tickets, Self::Counted]
            .into_iter()
            .find(|reach| *reach as i16 == number)
            .unwrap_or(Self::Anything)
    }
}

/// Transactions, by their numbers or the lower halves of them, and how far they reach; `NULL` for those that have changed nothing.
/// Leases, probes, messages, draws of ids and sums of counters have transactions of their own, which leave their numbers in those tables; so do commits in
/// theirs. The row of a commit is written again by the transaction that gives it a place in the log, and does that and nothing else: it is
/// another one than that which wrote it first. Of those that are asked for: the tickets that they tell of, and the words of new comments,
/// unless those are too many, or have changed since. (After a minute a number may be one of another server, from which the tables were copied.)
const TOLD: &str = "\
    SELECT xid, NULL::bytea, NULL::smallint, NULL::bigint[], NULL::text[] FROM taquilla.leases WHERE expires_at > now() - interval '1 minute' UNION ALL \
    SELECT xid, NULL, NULL, NULL, NULL FROM taquilla.probes WHERE at > now() - interval '1 minute' UNION ALL \
    SELECT xid, NULL, NULL, NULL, NULL FROM unnest($1) AS xid WHERE pg_xact_status(xid::text::xid8) = 'aborted' UNION ALL \
    SELECT xid, CASE WHEN last_seq IS NOT NULL AND written_by <> xid & 4294967295 THEN by END, \
    reach, \
    CASE WHEN reach BETWEEN 1 AND 3 AND xid = ANY($1) THEN \
    (SELECT array_agg(e.ticket_id) FROM taquilla.entries e WHERE e.commit_nr = nr AND e.ticket_id IS NOT NULL) END, \
    CASE WHEN reach = 3 AND xid = ANY($1) THEN \
    (SELECT coalesce(array_agg(word), '{}') FROM taquilla.entries e JOIN taquilla.comments c ON c.id = e.comment_id, LATERAL (\
    SELECT terms FROM taquilla.search_new s WHERE s.ticket_id = e.ticket_id AND s.comment_id = e.comment_id UNION ALL \
    SELECT terms FROM taquilla.search_kept s WHERE s.ticket_id = e.ticket_id AND s.comment_id = e.comment_id) AS s, \
    unnest(tsvector_to_array(s.terms)) AS word WHERE e.commit_nr = nr HAVING count(*) <= $2 AND bool_and(c.version = 1)) END \
    FROM (SELECT *, xmin::text::bigint AS written_by, xidsend(xmin) AS by FROM taquilla.commits ORDER BY nr DESC LIMIT 64) AS latest \
    WHERE made_at > now() - interval '1 minute'";

/// So many words of comments are looked at.
const MOST_WORDS: i64 = 1_000;

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
        Self { reach: Some(Reach::Anything), ..Self::default() }
    }

    fn aside() -> Self {
        Self { reach: Some(Reach::Aside), ..Self::default() }
    }

    /// Those of a commit, or of what has changed nothing.
    fn read(row: &PgRow) -> Read<Self> {
        let reach = row.try_get::<Option<i16>, _>(2)?.map(Reach::of_number);
        let tickets = row.try_get::<Option<Vec<i64>>, _>(3)?.unwrap_or_default();
        Ok(match (reach, row.try_get::<Option<Vec<String>>, _>(4)?) {
            (Some(Reach::Comments), None) => Self { reach: Some(Reach::Tickets), tickets, words: Vec::new() },
            (reach, words) => Self { reach, tickets, words: words.unwrap_or_default() },
        })
    }

    /// Both.
    fn and(mut self, other: Self) -> Self {
        self.reach = match (self.reach, other.reach) {
            (Some(one), Some(other)) => Some(one.min(other)),
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
        for row in sqlx::query(TOLD).bind(asked).bind(MOST_WORDS).fetch_all(pool).await? {
            let (whole, lower): (Option<i64>, Option<Xid>) = (row.try_get(0)?, row.try_get(1)?);
            for (number, of) in ended.iter().zip(&mut news) {
                if whole.is_some_and(|whole| u64::try_from(whole) == Ok(*number)) {
                    *of = Self::read(&row)?;
                } else if lower.is_some_and(|xid| xid.is_of(*number)) {
                    *of = Self::aside();
                }
            }
        }
        Ok(news.into_iter().fold(Self::default(), Self::and))
    }
}

/// One of the states that the database has had: each number grows when its part may have changed; the first is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct View {
    all: u64,
    /// All but what is [aside](Reach::Aside).
    content: u64,
    /// In which lists tickets are, and where in them.
    places: u64,
    /// The counters of analytics, and the names of accounts.
    counters: u64,
    /// Accounts and settings.
    people: u64,
}

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// Everything.
    All,
    /// Tickets, accounts and settings.
    Content,
    /// Accounts and settings.
    People,
    /// A ticket.
    Ticket(i64),
    /// A page of a list that neither asks nor is in the order of when tickets were updated: the words that it asks for, and its tickets.
    Page(Option<&'a Words>, &'a [i64]),
}

/// So many tickets and words it is remembered of when they changed last; all others are those that have changed.
const MOST_TICKETS: usize = 4_096;
const MOST_RECENT_WORDS: usize = 32_768;

/// What has changed since when.
#[derive(Debug, Default)]
pub(super) struct Recent {
    pub(super) view: View,
    /// The state of the content in which a ticket changed last, of those that have changed since `since`.
    tickets: HashMap<i64, u64>,
    /// The same of the words of new comments.
    words: BTreeMap<String, u64>,
    /// The state of the content before which it is not known.
    since: u64,
}

impl Recent {
    /// Notes what is new.
    pub(super) fn note(&mut self, news: News) {
        let Some(reach) = news.reach else { return };
        let View { all, content, places, counters, people } = &mut self.view;
        *all += 1;
        *content += u64::from(reach < Reach::Aside);
        *places += u64::from(reach < Reach::Comments);
        *counters += u64::from(reach < Reach::Tickets);
        *people += u64::from(reach < Reach::Counted);
        let now = *content;
        self.tickets.extend(news.tickets.into_iter().map(|id| (id, now)));
        self.words.extend(news.words.into_iter().map(|word| (word, now)));
        if reach == Reach::Anything || self.tickets.len() > MOST_TICKETS || self.words.len() > MOST_RECENT_WORDS {
            self.tickets.clear();
            self.words.clear();
            self.since = now;
        }
    }

    /// Whether a part is as it was in this state.
    pub(super) fn is_still(&self, view: View, part: Part<'_>) -> bool {
        match part {
            Part::Ticket(id) => self.has_kept(view, &[id]),
            Part::Page(words, tickets) => {
                self.view.places == view.places
                    && self.has_kept(view, tickets)
                    && words.is_none_or(|words| {
                        !words.whole.iter().any(|word| self.has_come(view, word, false)) && !self.has_come(view, &words.prefix, true)
                    })
            }
            Part::All | Part::Content | Part::People => self.view.has_same(view, part),
        }
    }

    /// Whether none of these tickets has changed since this state.
    fn has_kept(&self, view: View, tickets: &[i64]) -> bool {
        let changed = |id: &i64| self.tickets.get(id).is_some_and(|at| *at > view.content);
        self.view.content == view.content || view.content >= self.since && !tickets.iter().any(changed)
    }

    /// Whether a comment with this word, or this beginning of one, has come since this state.
    fn has_come(&self, view: View, word: &str, begins: bool) -> bool {
        let from = self.words.range::<str, _>((Bound::Included(word), Bound::Unbounded));
        from.take_while(|(found, _)| if begins { found.starts_with(word) } else { found.as_str() == word })
            .any(|(_, at)| *at > view.content)
    }
}

impl View {
    /// The state of the counters of analytics, and of the names of accounts.
    pub(super) const fn counters(self) -> u64 {
        self.counters
    }

    /// Whether a part is known to be the same in both.
    pub(super) fn has_same(self, other: Self, part: Part<'_>) -> bool {
        match part {
            Part::All => self.all == other.all,
            Part::Content | Part::Ticket(_) | Part::Page(..) => self.content == other.content,
            Part::People => self.people == other.people,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        activity::model::{Action, ActorRef, Facts, NewEntry},
        tickets::model::Comment,
        types::{SessionId, TicketId, Timestamp, UserId},
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
            (Changes::new().add(used), Reach::Aside),
            (delete(RowKey::Session(SessionId(3))), Reach::Aside),
            (Changes::new().add(counted(1)).add(used).log(entry(1)), Reach::Comments),
            (delete(RowKey::Comment(TicketId(1), CommentId(7))).add(counted(1)), Reach::Tickets),
            (Changes::new().insert(comment(1)).log(entry(1).about_comment(CommentId(7), false)), Reach::Comments),
            (Changes::new().insert(comment(1)).log(entry(1)), Reach::Tickets),
            (Changes::new().overwrite(comment(1)).log(entry(1).about_comment(CommentId(7), false)), Reach::Tickets),
            (Changes::new().insert(comment(2)).log(entry(1).about_comment(CommentId(7), false)), Reach::Anything),
            (delete(RowKey::Ticket(TicketId(1))).add(counted(1)), Reach::Tickets),
            (delete(RowKey::Roster).add(counted(1)), Reach::Anything),
            (delete(RowKey::Ticket(TicketId(2))), Reach::Anything),
            (delete(RowKey::Comment(TicketId(2), CommentId(7))), Reach::Anything),
            (Changes::new().add(counted(2)).log(entry(1)), Reach::Anything),
        ] {
            assert_eq!(Reach::of(&changes, false), reach, "{changes:?}");
            assert_eq!(Reach::of(&changes, true), reach.min(Reach::Counted), "{changes:?}");
            assert_eq!(Reach::of_number(reach as i16), reach);
        }
        assert_eq!(Reach::of_number(9), Reach::Anything, "of a later version");
    }

    fn news(reach: Reach, tickets: &[i64], words: &[&str]) -> News {
        News { reach: Some(reach), tickets: tickets.to_vec(), words: words.iter().map(|&word| word.to_owned()).collect() }
    }

    #[test]
    fn the_farthest_counts_of_what_is_told_together() {
        let both = news(Reach::Comments, &[1], &["vpn"]).and(News::default()).and(news(Reach::Counted, &[2], &[]));
        assert_eq!(both, news(Reach::Counted, &[1, 2], &["vpn"]));
        assert_eq!(News::default().and(News::default()), News::default());
    }

    #[test]
    fn what_is_not_reached_is_as_it_was() {
        let words = Words::parse("printer vp").unwrap();
        let parts = [Part::All, Part::Content, Part::Page(None, &[1]), Part::People, Part::Ticket(1), Part::Page(Some(&words), &[3])];
        for (news, kept, counters) in [
            (News::default(), [true, true, true, true, true, true], true),
            (News::aside(), [false, true, true, true, true, true], true),
            (news(Reach::Comments, &[2], &["paper"]), [false, false, true, true, true, true], true),
            (news(Reach::Comments, &[2], &["vpn"]), [false, false, true, true, true, false], true),
            (news(Reach::Comments, &[2], &["printer"]), [false, false, true, true, true, false], true),
            (news(Reach::Comments, &[2], &["v", "printers", "vo"]), [false, false, true, true, true, true], true),
            (news(Reach::Comments, &[2, 3], &["paper"]), [false, false, true, true, true, false], true),
            (news(Reach::Comments, &[1], &[]), [false, false, false, true, false, true], true),
            (news(Reach::Tickets, &[2], &[]), [false, false, false, true, true, false], true),
            (news(Reach::Counted, &[1], &[]), [false, false, false, true, false, false], false),
            (News::anything(), [false; 6], false),
        ] {
            let mut recent = Recent::default();
            recent.note(News::anything());
            let before = recent.view;
            recent.note(news.clone());
            assert_eq!(parts.map(|part| recent.is_still(before, part)), kept, "{news:?}");
            assert_eq!(recent.view.counters() == before.counters(), counters, "{news:?}");
            let since = recent.view;
            recent.note(News::aside());
            assert_eq!(parts.map(|part| recent.is_still(since, part)), [false, true, true, true, true, true], "{news:?}");
        }
    }

    #[test]
    fn what_has_been_forgotten_may_have_changed() {
        let mut recent = Recent::default();
        let before = recent.view;
        let many: Vec<i64> = (10..).take(MOST_TICKETS).collect();
        recent.note(news(Reach::Comments, &many, &[]));
        assert!(recent.is_still(before, Part::Ticket(1)));
        recent.note(news(Reach::Comments, &[9], &[]));
        assert!(!recent.is_still(before, Part::Ticket(1)));
        let now = recent.view;
        recent.note(news(Reach::Comments, &[9], &[]));
        assert!(recent.is_still(now, Part::Ticket(1)) && !recent.is_still(now, Part::Ticket(9)));
    }
}
