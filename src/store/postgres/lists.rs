//! Lists of tickets: filters, orders and totals as the query says, by keyset.

use std::{collections::HashMap, sync::Arc};

use sqlx::{Postgres, QueryBuilder, Row as _, postgres::PgRow};

use super::{
    connections::Connections,
    fault::told,
    few::{FEW, Few},
    find::{self, Found},
    known::{Known, Present, State, present, states},
    lookup::Lookup,
    news::View,
    postings::{STRETCH, TicketSet},
    rows::{self, Read},
    search::asked,
    snapshot::{SamePage, Snapshots},
    together::ByKey,
    values::Instant,
};
use crate::{
    analytics::figures::Kind,
    store::{StoreError, asked::Asked},
    tickets::{
        model::Ticket,
        query::{Assignee, COUNT_CAP, Scope, SortBy, SortKey, TicketQuery},
    },
    types::{Page, Slice, Total},
};

type Builder = QueryBuilder<Postgres>;

/// Where lists are read.
#[derive(Clone)]
pub(super) struct Source {
    snapshots: Arc<Snapshots>,
    lookup: Arc<Lookup>,
    known: Arc<Known>,
    few: Arc<Few>,
    rows: Arc<ByKey<i64, Present>>,
}

/// What a page of a list is.
type Tickets = Slice<Arc<Ticket>, SortKey>;
/// The same, with who wrote them.
type Leaf = Slice<Present, SortKey>;

impl Source {
    /// `rows` reads tickets by their ids.
    pub(super) fn new(snapshots: Arc<Snapshots>, known: Arc<Known>, rows: Arc<ByKey<i64, Present>>) -> Self {
        Self { snapshots, lookup: Arc::new(Lookup::new()), known, few: Arc::new(Few::new()), rows }
    }

    /// A page that was read before, when the same tickets are on it still. Of those that have changed since, the rows are read.
    ///
    /// # Errors
    /// The database's; a row that cannot be understood.
    pub(super) async fn known(&self, asked: &Asked) -> Result<Option<Tickets>, StoreError> {
        let Self { snapshots, known, .. } = self;
        let Some(leaf) = known.page(asked) else { return Ok(None) };
        let Some(now) = snapshots.same_page(leaf.view, &asked.0, &leaf.states).await? else { return Ok(None) };
        let Some(states) = self.states(&leaf.states, &now).await? else { return Ok(None) };
        let rows = asking!(snapshots.lost, known.tickets(&snapshots.pool, now.view, &states))?;
        let Some(rows) = rows else { return Ok(None) };
        let page = Slice { rows, next: leaf.next, total: leaf.total };
        if !now.changed.is_empty() {
            known.put_page(now.view, asked, &page);
        }
        Ok(Some(tickets(page)))
    }

    /// The states of a page's tickets when it was looked, of which those that have changed are read. `None` when one of them has changed again
    /// since: the page is of one moment.
    async fn states(&self, before: &[State], now: &SamePage) -> Result<Option<Vec<State>>, StoreError> {
        if now.changed.is_empty() {
            return Ok(Some(before.to_vec()));
        }
        let Self { snapshots, known, rows, .. } = self;
        let rows = rows.all(&snapshots.pool, &snapshots.lost, &now.changed).await?;
        let mut read = HashMap::new();
        for one in rows.into_iter().flatten() {
            known.put_ticket(now.view, &one);
            read.insert(one.ticket.id.0, one.state());
        }
        let looked_at = |id: &i64| read.get(id).is_some_and(|state| now.shows(state.by));
        if !now.changed.iter().all(looked_at) {
            return Ok(None);
        }
        Ok(Some(before.iter().map(|state| read.get(&state.id).copied().unwrap_or(*state)).collect()))
    }

    /// Reads one page.
    ///
    /// # Errors
    /// The database's; a row that cannot be understood.
    pub(super) async fn page(&self, asked: &Asked) -> Result<Tickets, StoreError> {
        if self.known.forget(self.snapshots.lost.count()) {
            self.few.forget();
        }
        let view = self.snapshots.latest();
        let page = page(self, view, asked).await?;
        self.known.put_page(view, asked, &page);
        Ok(tickets(page))
    }
}

fn tickets(Slice { rows, next, total }: Leaf) -> Tickets {
    Slice { rows: rows.into_iter().map(|one| one.ticket).collect(), next, total }
}

async fn page(source: &Source, view: View, asked: &Asked) -> Result<Leaf, StoreError> {
    let Source { snapshots, lookup, .. } = source;
    let (query, page) = (&asked.0, asked.1);
    let wanted = if query.deleted { Vec::new() } else { find::wanted(query) };
    if wanted.is_empty() {
        return asking!(snapshots.lost, read(source, &List { asked, view, query, among: Among::Any, size: None }));
    }
    let looked = lookup.look_up(&snapshots.pool, &snapshots.lost, wanted.concat()).await?;
    let found = Found::of(&wanted, &looked);
    let size = found.size(COUNT_CAP);
    if size == Some(0) {
        return Ok(Slice { rows: Vec::new(), next: None, total: page.after.is_none().then_some(Total::Exact(0)) });
    }
    let rest = find::rest(query);
    // Only what was looked up decides, so that its size is the list's.
    let size = size.filter(|_| is_all(&rest));
    if rest.sort == TicketQuery::all(Scope::All).sort
        && page.after.is_none()
        && size.is_some()
        && let Some((some, newest)) = found.newest(page.limit.saturating_add(1))
    {
        let list = List { asked, view, query: &rest, among: Among::of(&some, found.highest_stretch(), &rest), size };
        let slice = looked_up(source, &list).await?;
        if slice.next.is_some() && slice.rows.last().is_some_and(|last| last.ticket.created_at > newest) {
            return Ok(slice);
        }
    }
    let list = List { asked, view, query: &rest, among: Among::of(&found.tickets, found.highest_stretch(), &rest), size };
    looked_up(source, &list).await
}

/// Whether all tickets belong to a list, in whatever order.
fn is_all(query: &TicketQuery) -> bool {
    *query == TicketQuery { sort: query.sort, ..TicketQuery::all(Scope::All) }
}

/// Reads one page of a list of which the tickets have been looked up.
async fn looked_up(source: &Source, list: &List<'_>) -> Result<Leaf, StoreError> {
    let Source { snapshots, known, few, .. } = source;
    let Snapshots { pool, lost, .. } = &**snapshots;
    if let Among::These(ids) = &list.among
        && ids.len() <= FEW
        && is_all(list.query)
    {
        let (states, size) = few.page(pool, lost, ids, list.query.sort, list.asked.1).await?;
        if let Some(tickets) = asking!(lost, known.tickets(pool, list.view, &states))? {
            return slice(pool, list, tickets, Some(size)).await.map_err(|error| told(&error));
        }
    }
    asking!(lost, read(source, list))
}

/// Reads one page of a list.
async fn read(source: &Source, list: &List<'_>) -> Read<Leaf> {
    let (pool, known, page) = (&source.snapshots.pool, &source.known, list.asked.1);
    let counted = |rows: &[PgRow]| -> Read<Option<usize>> {
        let counted = rows.first().filter(|_| list.counts(page)).map(|row| row.try_get::<i64, _>("counted")).transpose()?;
        Ok(counted.and_then(|counted| usize::try_from(counted).ok()))
    };
    if known.page(list.asked).is_some() {
        let rows = list.select(page, states!("")).build().persistent(list.has_one_plan()).fetch_all(pool).await?;
        let states = rows.iter().map(State::read).collect::<Read<Vec<_>>>()?;
        if let Some(tickets) = known.tickets(pool, list.view, &states).await? {
            return slice(pool, list, tickets, counted(&rows)?).await;
        }
    }
    let rows = list.select(page, present!("")).build().persistent(list.has_one_plan()).fetch_all(pool).await?;
    let tickets = rows.iter().map(Present::read).collect::<Read<Vec<_>>>()?;
    known.put_tickets(list.view, list.asked, &tickets);
    slice(pool, list, tickets, counted(&rows)?).await
}

/// A page of these tickets, without the one that was only asked for to see whether there are more. So many were counted, if they were.
async fn slice(pool: &Connections, list: &List<'_>, mut tickets: Vec<Present>, counted: Option<usize>) -> Read<Leaf> {
    let page = list.asked.1;
    let more = tickets.len() > page.limit;
    tickets.truncate(page.limit);
    let total = if page.after.is_some() {
        None
    } else if !more {
        Some(Total::Exact(tickets.len()))
    } else if list.counts_exactly() {
        Some(total(pool, list.query).await?)
    } else {
        Some(capped(list.size.or(counted).unwrap_or(0)))
    };
    let next = tickets.last().filter(|_| more).map(|one| list.query.sort.key(&one.ticket));
    Ok(Slice { rows: tickets, next, total })
}

/// What is told of a list that is not counted exactly.
const fn capped(size: usize) -> Total {
    if size > COUNT_CAP { Total::MoreThan(COUNT_CAP) } else { Total::Exact(size) }
}

/// A list that is asked for, with the tickets that have what was looked up.
struct List<'a> {
    /// As it was asked for.
    asked: &'a Asked,
    /// The last state that had been found before.
    view: View,
    /// Its conditions, without those that were looked up.
    query: &'a TicketQuery,
    among: Among,
    /// How many tickets it has, or some number above those that are counted, where what was looked up alone tells it.
    size: Option<usize>,
}

/// The tickets among which a list's are.
enum Among {
    /// Nothing was looked up, or it is for the server to find it.
    Any,
    /// These: few enough to look each of them up.
    These(Vec<i64>),
    /// Those of which a bit is set, in stretches from this one down. Whoever goes through the list in its order comes soon upon as
    /// many as are wanted.
    Marked(i64, Vec<Option<Vec<u8>>>),
}

/// Looking a ticket up costs about so many times as much as going past one on the way through a list (2.7 and 0.15 µs); and a page
/// wants about so many tickets.
const LOOK_UP: usize = 18;
const PAGE: usize = 50;
/// Stretches of which there may be marks.
const MOST_MARKED: i64 = 4_096;

impl List<'_> {
    /// Whether it is told exactly how many there are. The counters, which tell it, know nothing of what was looked up.
    fn counts_exactly(&self) -> bool {
        matches!(self.among, Among::Any) && self.query.counts_exactly()
    }

    /// Whether it is counted on the way, as far as it is counted.
    fn counts(&self, page: Page<SortKey>) -> bool {
        page.after.is_none() && !self.counts_exactly() && self.size.is_none()
    }

    /// The statement that gives these columns of a page, with one ticket more, by which it is seen whether others follow.
    fn select(&self, page: Page<SortKey>, columns: &str) -> Builder {
        let (most, counts) = (page.limit.saturating_add(1), self.counts(page));
        let mut select = Builder::new("");
        if counts || self.walks() {
            let looked_for = if counts { (COUNT_CAP + 1).max(most) } else { most };
            first(&mut select, self, page.after, [looked_for, most], columns);
        } else {
            select.push(columns).push(" FROM ");
            self.rows(&mut select);
            select.push(" WHERE ");
            self.filter(&mut select, page.after);
            order(&mut select, self.query);
            limit(&mut select, most);
        }
        select
    }

    /// Whether the server goes through the list in its order.
    const fn walks(&self) -> bool {
        matches!(self.among, Among::Marked(..))
    }

    /// Whether the server may keep one plan for all values. Where few or many tickets may fit, the right plans differ by orders of
    /// magnitude, and the plan for any value, which the server would go over to, takes it for one of the middle: between a rare word and a
    /// frequent one, between what is overdue and all times, or when the order is not that of the filter's index.
    fn has_one_plan(&self) -> bool {
        let query = self.query;
        let looked_through = query.deleted && (!query.tags.is_empty() || query.words.is_some());
        let times = [query.created_after, query.created_before, query.updated_after, query.updated_before, query.overdue_at];
        let narrow = query.scope != Scope::All || query.creator.is_some() || query.assignee.is_some() || !query.status.is_empty();
        !looked_through && times.iter().all(Option::is_none) && (query.sort.by == SortBy::CreatedAt || !narrow)
    }

    /// The tickets to which its conditions apply. Those that are known are looked up before anything else: going through the list
    /// to find them is never better, whatever the planner thinks of it.
    fn rows(&self, select: &mut Builder) {
        match &self.among {
            Among::These(ids) => {
                // Of a statement within, who wrote a row is not told by itself.
                select.push("(SELECT *, xmin FROM taquilla.tickets WHERE id = ANY(").push_bind(ids.clone()).push(") OFFSET 0) AS t");
            }
            Among::Any | Among::Marked(..) => drop(select.push("taquilla.tickets t")),
        }
    }

    /// Its conditions, joined by AND, with that of what comes after a place in its order.
    fn filter(&self, select: &mut Builder, after: Option<SortKey>) {
        filter(select, self.query);
        match &self.among {
            Among::Any | Among::These(_) => {}
            Among::Marked(highest, maps) => {
                // Not "= 1", which the planner takes for rare: a list of few is no list to go through.
                select.push(" AND get_bit((").push_bind(maps.clone()).push("::bytea[])[least(greatest(").push_bind(*highest);
                select.push(" - id / ").push_bind(STRETCH).push(" + 1, 0), 2147483647)::integer], (id % ").push_bind(STRETCH);
                select.push(")::integer) <> 0");
            }
        }
        if let Some(after) = after {
            keyset(select, self.query, after);
        }
    }
}

impl Among {
    /// `end` is the highest stretch of the desk.
    fn of(tickets: &TicketSet, end: i64, query: &TicketQuery) -> Self {
        let size = tickets.len();
        match tickets.span() {
            Some((lowest, highest)) if highest - lowest < MOST_MARKED => {
                let stretches = |n: i64| usize::try_from(n.saturating_mul(STRETCH)).unwrap_or(usize::MAX);
                // Orders begin at the lowest or the highest ids, in the main; what lies before the first ticket is passed in vain.
                let before = stretches(if query.sort.descending { end - highest } else { lowest });
                let passed = (stretches(highest - lowest + 1) / size.max(1)).saturating_mul(PAGE).saturating_add(before);
                if size.saturating_mul(LOOK_UP) < passed { Self::These(tickets.ids()) } else { Self::Marked(highest, tickets.maps()) }
            }
            _ => Self::These(tickets.ids()),
        }
    }
}

/// How many rows are wanted is part of a statement's text: as a value it would have the server plan each time anew, since one plan
/// for any number would be one for many.
fn limit(select: &mut Builder, rows: usize) {
    select.push(" LIMIT ").push(rows);
}

/// A page of a list of which the places are looked for before the rows: of so many, and so many of those are given. With each
/// row comes how many were found, so that those which are counted are looked for once.
fn first(select: &mut Builder, list: &List<'_>, after: Option<SortKey>, [found, given]: [usize; 2], columns: &str) {
    select.push("WITH first AS MATERIALIZED (SELECT id");
    if let Some(column) = column(list.query.sort.by) {
        select.push(", ").push(column);
    }
    select.push(" FROM ");
    list.rows(select);
    select.push(" WHERE ");
    list.filter(select, after);
    order(select, list.query);
    limit(select, found);
    select.push(") ").push(columns).push(", (SELECT count(*) FROM first) AS counted FROM (SELECT id FROM first");
    order(select, list.query);
    limit(select, given);
    select.push(") AS page JOIN taquilla.tickets t USING (id)");
    order(select, list.query);
}

fn order(select: &mut Builder, query: &TicketQuery) {
    let direction = if query.sort.descending { " DESC" } else { "" };
    match column(query.sort.by) {
        Some(column) => select.push(" ORDER BY ").push(column).push(direction).push(", id").push(direction),
        None => select.push(" ORDER BY id").push(direction),
    };
}

/// The column of an order, other than the id.
const fn column(by: SortBy) -> Option<&'static str> {
    match by {
        SortBy::CreatedAt => Some("created_at"),
        SortBy::UpdatedAt => Some("updated_at"),
        SortBy::Priority => Some("priority"),
        SortBy::DueAt => Some("due_at"),
        SortBy::Id => None,
    }
}

/// What comes after a place in the order. The server does not look at the place when it plans (`SELECT`): it would find each plan
/// better than one for any place, and plan anew each time.
fn keyset(select: &mut Builder, query: &TicketQuery, after: SortKey) {
    let compared = if query.sort.descending { " < " } else { " > " };
    let column = column(query.sort.by);
    select.push(" AND (").push(column.unwrap_or("id")).push(", id)").push(compared).push("((SELECT ");
    match query.sort.by {
        SortBy::Priority | SortBy::Id => select.push_bind(after.value),
        _ => select.push_bind(Instant(after.value)),
    };
    select.push("), (SELECT ").push_bind(after.id.0).push("))");
}

/// The conditions of a list, joined by AND.
fn filter(select: &mut Builder, query: &TicketQuery) {
    select.push(if query.deleted { "deleted_at IS NOT NULL" } else { "deleted_at IS NULL" });
    if let Scope::Requester(id) = query.scope {
        select.push(" AND creator_id = ").push_bind(id.0);
    }
    if let Some(id) = query.creator {
        select.push(" AND creator_id = ").push_bind(id.0);
    }
    match query.assignee {
        Some(Assignee::None) => drop(select.push(" AND assigned_agent_id IS NULL")),
        Some(Assignee::Is(id)) => drop(select.push(" AND assigned_agent_id = ").push_bind(id.0)),
        None => {}
    }
    if !query.status.is_empty() {
        // In the statement's text, where the server sees whether an index of active tickets has them all. Of one value it makes "=", which
        // keeps the order of an index that begins with it.
        let names: Vec<&str> = query.status.iter().map(|status| status.name()).collect();
        select.push(" AND status IN ('").push(names.join("', '")).push("')");
    }
    if !query.priority.is_empty() {
        // Likewise, of one value.
        let numbers: Vec<String> = query.priority.iter().map(|priority| (*priority as i16).to_string()).collect();
        select.push(" AND priority IN (").push(numbers.join(", ")).push(")");
    }
    if query.deleted && !query.tags.is_empty() {
        select.push(" AND tags && ").push_bind(query.tags.clone());
    }
    for (condition, at) in [
        (" AND created_at > ", query.created_after),
        (" AND created_at < ", query.created_before),
        (" AND updated_at > ", query.updated_after),
        (" AND updated_at < ", query.updated_before),
        (" AND due_at < ", query.overdue_at),
    ] {
        if let Some(at) = at {
            select.push(condition).push_bind(Instant::from(at));
        }
    }
    if let Some(words) = query.words.as_ref().filter(|_| query.deleted) {
        let whole = words.whole.iter().map(|word| asked(word, false));
        for word in whole.chain([asked(&words.prefix, true)]) {
            among_deleted(select, query.scope, &word);
        }
    }
}

/// That a deleted ticket has a word. The index of words has none of them; they are few.
fn among_deleted(select: &mut Builder, scope: Scope, word: &str) {
    let notes = if scope.sees_notes() { "" } else { " AND NOT s.internal" };
    select.push(" AND id IN (SELECT s.ticket_id FROM taquilla.search_new s WHERE s.terms @@ ").push_bind(word.to_owned());
    select.push("::tsquery").push(notes);
    select.push(" UNION ALL SELECT s.ticket_id FROM taquilla.search_kept s JOIN taquilla.tickets d ON d.id = s.ticket_id");
    select.push(" WHERE d.deleted_at IS NOT NULL AND s.terms @@ ").push_bind(word.to_owned()).push("::tsquery").push(notes).push(")");
}

/// The size of a list that is counted exactly: from the counters where they tell it, else counted.
async fn total(pool: &Connections, query: &TicketQuery) -> Read<Total> {
    let mut select = Builder::new("SELECT ");
    if !query.deleted && query.scope == Scope::All && query.creator.is_none() {
        counted(&mut select, query);
    } else {
        select.push("count(*) FROM taquilla.tickets t WHERE ");
        filter(&mut select, query);
    }
    let n: i64 = select.build().fetch_one(pool).await?.try_get(0)?;
    Ok(Total::Exact(usize::try_from(n).unwrap_or(0)))
}

/// The counters of tickets of now: by status and priority, or by whose work they are.
fn counted(select: &mut Builder, query: &TicketQuery) {
    select.push("coalesce(sum(tickets), 0)::bigint FROM taquilla.counters WHERE kind = ");
    if let Some(assignee) = query.assignee {
        let agent = match assignee {
            Assignee::None => 0,
            Assignee::Is(id) => id.0,
        };
        select.push_bind(i16::from(Kind::Work.code())).push(" AND of = ").push_bind(agent);
        return;
    }
    select.push_bind(i16::from(Kind::Tickets.code()));
    if !query.status.is_empty() {
        let places: Vec<i32> = query.status.iter().map(|status| *status as i32).collect();
        select.push(" AND at = ANY(").push_bind(places).push(")");
    }
    if !query.priority.is_empty() {
        let places: Vec<i64> = query.priority.iter().map(|priority| *priority as i64).collect();
        select.push(" AND of = ANY(").push_bind(places).push(")");
    }
}
