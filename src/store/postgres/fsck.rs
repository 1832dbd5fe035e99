//! Checks a database as of one moment, also while the desk runs: counts, counters, search terms and due times are what the
//! rows say, and the log has no hole. With `rebuild` what can be derived is made anew.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::{Connection, PgConnection, Row as _};

use super::{
    fault::{Fault, is_conflict, told},
    figures::{self, Moves},
    fsck_index, migrate, postings, rows, search,
    values::Instant,
};
use crate::{
    analytics::figures::{Amount, Key, Kind, Standing},
    store::{FsckReport, StoreError},
    tickets::model::{Comment, Ticket},
    types::Secret,
    users::model::Roster,
};

/// Tickets that are looked at together.
const TOGETHER: i64 = 500;
/// How often it begins again when somebody writes at the same moment.
const MOST_TRIES: u32 = 5;
/// At most so many problems are spelled out.
const MOST_PROBLEMS: usize = 1_000;

/// Checks a database, and mends what can be mended when `rebuild` is set. The problems are those found before.
///
/// # Errors
/// A database that cannot be read, or, with `rebuild`, one in which somebody writes meanwhile.
pub async fn fsck(url: &Secret, rebuild: bool) -> Result<FsckReport, StoreError> {
    let mut connection = migrate::connect(&super::connection(url.expose())?).await?;
    let pending = migrate::pending(&mut connection).await?;
    if let Some(step) = pending.first() {
        return Err(StoreError::Unavailable(format!("step {} of the schema is pending: run `taquilla migrate up`", step.version)));
    }
    if rebuild {
        // Who moves texts to the search index must not write what it has read before.
        sqlx::query("SELECT pg_advisory_lock(8391837, 3)").execute(&mut connection).await.map_err(|error| told(&error))?;
    }
    let mut tries = 1;
    let checked = loop {
        match check(&mut connection, rebuild).await {
            // A desk that does nothing else sums its counters up now and then.
            Err(Fault::Sql(error)) if is_conflict(&error) && tries < MOST_TRIES => tries += 1,
            checked => break checked,
        }
    };
    let report = checked.map_err(|fault| match fault {
        Fault::Refused(error) => error,
        Fault::Overtaken => StoreError::Busy,
        Fault::Sql(error) => told(&error),
    })?;
    connection.close().await.map_err(|error| told(&error))?;
    Ok(report)
}

async fn check(connection: &mut PgConnection, rebuild: bool) -> Result<FsckReport, Fault> {
    let mut tx = connection.begin().await?;
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").execute(&mut *tx).await?;
    let mut check = Check { tx: &mut tx, report: FsckReport { rebuilt: rebuild, ..FsckReport::default() }, rebuild, sums: Moves::new() };
    check.tickets().await?;
    check.search_index().await?;
    check.counters().await?;
    check.people().await?;
    check.log().await?;
    let report = check.report;
    tx.commit().await?;
    Ok(report)
}

struct Check<'a> {
    tx: &'a mut PgConnection,
    report: FsckReport,
    rebuild: bool,
    /// What the tickets count for.
    sums: Moves,
}

impl Check<'_> {
    fn problem(&mut self, text: String) {
        if self.report.problems.len() < MOST_PROBLEMS {
            self.report.problems.push(text);
        }
    }

    async fn tickets(&mut self) -> Result<(), Fault> {
        let mut after = 0_i64;
        loop {
            let sql = rows::tickets!(", due_at FROM taquilla.tickets WHERE id > $1 ORDER BY id LIMIT $2");
            let found = sqlx::query(sql).bind(after).bind(TOGETHER).fetch_all(&mut *self.tx).await?;
            let Some(last) = found.last() else { break };
            after = last.try_get("id")?;
            let mut tickets = Vec::with_capacity(found.len());
            for row in &found {
                tickets.push((rows::ticket(row)?, row.try_get::<Instant, _>("due_at")?));
            }
            let ids: Vec<i64> = tickets.iter().map(|(ticket, _)| ticket.id.0).collect();
            let comments = self.comments(&ids).await?;
            let mut terms = self.terms(&ids).await?;
            for (ticket, due) in tickets {
                self.report.tickets += 1;
                let own = comments.get(&ticket.id.0).map_or(&[][..], Vec::as_slice);
                self.ticket(&ticket, due, own).await?;
                self.texts(&ticket, own, terms.remove(&ticket.id.0).unwrap_or_default()).await?;
            }
        }
        let lost: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM (SELECT ticket_id FROM taquilla.search_new UNION ALL SELECT ticket_id FROM taquilla.search_kept) s \
             WHERE NOT EXISTS (SELECT FROM taquilla.tickets t WHERE t.id = s.ticket_id)",
        )
        .fetch_one(&mut *self.tx)
        .await?;
        if lost > 0 {
            self.problem(format!("{lost} rows of search terms belong to no ticket"));
        }
        Ok(())
    }

    async fn comments(&mut self, tickets: &[i64]) -> Result<HashMap<i64, Vec<Comment>>, Fault> {
        let sql = "SELECT * FROM taquilla.comments WHERE ticket_id = ANY($1) ORDER BY id";
        let mut comments: HashMap<i64, Vec<Comment>> = HashMap::new();
        for row in sqlx::query(sql).bind(tickets).fetch_all(&mut *self.tx).await? {
            let comment = rows::comment(&row)?;
            self.report.comments += 1;
            comments.entry(comment.ticket_id.0).or_default().push(comment);
        }
        Ok(comments)
    }

    async fn terms(&mut self, tickets: &[i64]) -> Result<HashMap<i64, Terms>, Fault> {
        let sql = "SELECT ticket_id, comment_id, internal, tsvector_to_array(terms) FROM (\
                   SELECT * FROM taquilla.search_new UNION ALL SELECT * FROM taquilla.search_kept) s WHERE ticket_id = ANY($1)";
        let mut terms: HashMap<i64, Terms> = HashMap::new();
        for row in sqlx::query(sql).bind(tickets).fetch_all(&mut *self.tx).await? {
            let of = terms.entry(row.try_get(0)?).or_default().entry((row.try_get(1)?, row.try_get(2)?)).or_default();
            of.extend(row.try_get::<Vec<String>, _>(3)?);
        }
        Ok(terms)
    }

    async fn ticket(&mut self, ticket: &Ticket, due: Instant, comments: &[Comment]) -> Result<(), Fault> {
        let id = ticket.id;
        let live = |internal: bool| comments.iter().filter(|c| c.deleted_at.is_none() && c.is_internal == internal).count();
        let (public, internal) = (i64::try_from(live(false)).unwrap_or(0), i64::try_from(live(true)).unwrap_or(0));
        if (ticket.public_comments, ticket.internal_notes) != (public, internal) {
            let (p, i) = (ticket.public_comments, ticket.internal_notes);
            self.problem(format!("ticket {id} says {p} comments and {i} notes, and has {public} and {internal}"));
        }
        let right = ticket.due_at().map_or(Instant(i64::MAX), Instant::from);
        if due.0 != right.0 {
            self.problem(format!("ticket {id} is listed by another due time than it has"));
        }
        for (key, amount) in Standing::from(ticket).figures() {
            *self.sums.entry(key).or_default() += amount;
        }
        if self.rebuild {
            sqlx::query("UPDATE taquilla.tickets SET public_comments = $2, internal_notes = $3, due_at = $4 WHERE id = $1 AND (public_comments, internal_notes, due_at) IS DISTINCT FROM ($2, $3, $4)")
                .bind(id.0)
                .bind(public)
                .bind(internal)
                .bind(right)
                .execute(&mut *self.tx)
                .await?;
        }
        Ok(())
    }

    async fn texts(&mut self, ticket: &Ticket, comments: &[Comment], found: Terms) -> Result<(), Fault> {
        let mut right: Terms = BTreeMap::new();
        let mut expect = |comment: i64, internal: bool, terms: Vec<String>| {
            if !terms.is_empty() {
                right.insert((comment, internal), terms.into_iter().collect());
            }
        };
        expect(0, false, search::ticket_terms(ticket));
        for comment in comments.iter().filter(|c| c.deleted_at.is_none()) {
            expect(comment.id.0, comment.is_internal, search::terms_of(&[&comment.content]));
        }
        if right == found {
            return Ok(());
        }
        self.problem(format!("the search index does not agree with the texts of ticket {}", ticket.id));
        if self.rebuild {
            // What the index says of a text that it should not have is found, and mended, afterwards.
            for table in ["DELETE FROM taquilla.search_new WHERE ticket_id = $1", "DELETE FROM taquilla.search_kept WHERE ticket_id = $1"] {
                sqlx::query(table).bind(ticket.id.0).execute(&mut *self.tx).await?;
            }
            let mut terms = search::Terms::default();
            terms.ticket(self.tx, ticket, true).await?;
            for comment in comments {
                terms.comment(self.tx, comment, true).await?;
            }
            terms.add(self.tx).await?;
        }
        Ok(())
    }

    /// Whether the index of words has what the texts say that it has.
    async fn search_index(&mut self) -> Result<(), Fault> {
        for stretch in fsck_index::stretches(self.tx).await? {
            let right = fsck_index::right(self.tx, stretch).await?;
            if fsck_index::found(self.tx, stretch, &right).await?.is(&right) {
                continue;
            }
            let (first, last) = postings::ids_of(stretch);
            self.problem(format!("the search index of tickets {first} to {last} does not agree with their words"));
            if self.rebuild {
                fsck_index::rebuild(self.tx, stretch, &right).await?;
            }
        }
        Ok(())
    }

    async fn counters(&mut self) -> Result<(), Fault> {
        let sql = "SELECT kind, at, of, sum(tickets)::bigint, sum(micros)::bigint FROM taquilla.counters GROUP BY kind, at, of \
                   HAVING sum(tickets) <> 0 OR sum(micros) <> 0";
        let mut found = Moves::new();
        let mut unknown = 0;
        for row in sqlx::query(sql).fetch_all(&mut *self.tx).await? {
            let kind = u8::try_from(row.try_get::<i16, _>(0)?).ok().and_then(Kind::from_code);
            let Some(kind) = kind else {
                unknown += 1;
                continue;
            };
            let amount = Amount { tickets: row.try_get(3)?, micros: row.try_get(4)? };
            found.insert(Key { kind, at: row.try_get(1)?, of: row.try_get(2)? }, amount);
        }
        if unknown > 0 {
            self.problem(format!("{unknown} counters are of no kind that there is"));
        }
        let keys: BTreeSet<Key> = found.keys().chain(self.sums.keys()).copied().collect();
        let amount = |of: &Moves, key: &Key| of.get(key).copied().unwrap_or_default();
        let wrong: Vec<Key> = keys.into_iter().filter(|key| amount(&found, key) != amount(&self.sums, key)).collect();
        for key in &wrong {
            let (is, should) = (amount(&found, key), amount(&self.sums, key));
            self.problem(format!("the counter {key:?} is {is:?} and should be {should:?}"));
        }
        if self.rebuild && (unknown > 0 || !wrong.is_empty()) {
            for table in ["DELETE FROM taquilla.figures", "DELETE FROM taquilla.figure_moves"] {
                sqlx::query(table).execute(&mut *self.tx).await?;
            }
            figures::moved(self.tx, &self.sums).await?;
        }
        Ok(())
    }

    async fn people(&mut self) -> Result<(), Fault> {
        let mut admins = Vec::new();
        for row in sqlx::query("SELECT * FROM taquilla.users ORDER BY id").fetch_all(&mut *self.tx).await? {
            let user = rows::user(&row)?;
            self.report.users += 1;
            admins.extend(user.is_active_admin().then_some(user.id));
        }
        let row = sqlx::query("SELECT body FROM taquilla.singles WHERE name = 'roster'").fetch_optional(&mut *self.tx).await?;
        let roster: Roster = row.as_ref().map(rows::single).transpose()?.unwrap_or_default();
        if roster.admins != admins {
            self.problem("the roster of admins does not agree with the accounts".into());
            if self.rebuild {
                let body = serde_json::to_value(Roster { admins, ..roster }).map_err(|error| StoreError::Corrupt(error.to_string()))?;
                sqlx::query(
                    "INSERT INTO taquilla.singles AS s (name, body, version) VALUES ('roster', $1, 1) \
                     ON CONFLICT (name) DO UPDATE SET body = excluded.body, version = s.version + 1",
                )
                .bind(body)
                .execute(&mut *self.tx)
                .await?;
            }
        }
        Ok(())
    }

    async fn log(&mut self) -> Result<(), Fault> {
        let sql = "SELECT coalesce(max(last_seq), 0), coalesce(sum(entries), 0)::bigint FROM taquilla.commits WHERE last_seq IS NOT NULL";
        let row = sqlx::query(sql).fetch_one(&mut *self.tx).await?;
        let (end, told): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        if end != told {
            self.problem(format!("the log ends at {end}, and its commits have {told} entries"));
        }
        let sql = "SELECT c.nr, c.entries, count(e.commit_nr) FROM taquilla.commits c LEFT JOIN taquilla.entries e ON e.commit_nr = c.nr \
                   GROUP BY c.nr HAVING count(e.commit_nr) <> c.entries ORDER BY c.nr LIMIT 100";
        for row in sqlx::query(sql).fetch_all(&mut *self.tx).await? {
            let (nr, told, found): (i64, i32, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            self.problem(format!("commit {nr} has {found} of its {told} log entries"));
        }
        let entries: i64 = sqlx::query_scalar("SELECT count(*) FROM taquilla.entries").fetch_one(&mut *self.tx).await?;
        self.report.entries = usize::try_from(entries).unwrap_or(0);
        Ok(())
    }
}

/// Comment (0 for the ticket itself) and whether it is internal → its terms.
type Terms = BTreeMap<(i64, bool), BTreeSet<String>>;
