//! What a client says to narrow and order a list of tickets, and which query it means.

use serde_json::Value;
use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, RefOr,
        path::{Parameter, ParameterIn},
        schema::{Schema, Type},
    },
};

use super::{
    inputs::TagList,
    model::{Priority, Status, Tag},
    query::{Assignee, Sort, SortBy, TicketQuery},
    search::Words,
};
use crate::{
    auth::model::{Actor, Role},
    error::AppError,
    http::page::Limit,
    input::{CommaList, Faults, FieldError, FieldValue, Fields, Input, choice},
    types::{Timestamp, UserId},
};

crate::text_type! {
    /// What somebody typed to search: words, of which the last may be a beginning.
    Typed, 0, 200, true;
    /// A cursor from a `Link` header.
    CursorText, 1, 500, false;
}

crate::input! {
    /// Filters, order and page of a list of tickets. Filters are combined by AND.
    #[derive(IntoParams)]
    #[into_params(parameter_in = Query)]
    pub struct TicketFilters {
        /// Any of these, with commas between them.
        #[param(value_type = Option<Vec<Status>>, style = Form, explode = false, min_items = 1)]
        status: Option<CommaList<Status>>,
        /// Any of these, with commas between them.
        #[param(value_type = Option<Vec<Priority>>, style = Form, explode = false, min_items = 1)]
        priority: Option<CommaList<Priority>>,
        /// Any of these tags, with commas between them.
        #[param(value_type = Option<Vec<Tag>>, style = Form, explode = false, min_items = 1)]
        tag: Option<TagList>,
        /// The agent's id, `me`, or `none` for unassigned tickets.
        #[param(value_type = Option<String>, pattern = "^([1-9][0-9]{0,17}|me|none)$")]
        assigned_agent_id: Option<AssigneeFilter>,
        /// The requester's id, or `me`.
        #[param(value_type = Option<String>, pattern = "^([1-9][0-9]{0,17}|me)$")]
        creator_id: Option<PersonFilter>,
        /// Opened after this instant.
        created_after: Option<Timestamp>,
        /// Opened before this instant.
        created_before: Option<Timestamp>,
        /// Touched after this instant.
        updated_after: Option<Timestamp>,
        /// Touched before this instant.
        updated_before: Option<Timestamp>,
        /// Only tickets that are active and past a due time.
        overdue: Option<bool>,
        /// Every word must occur in title, description or a comment that the caller may see, the last one as a beginning.
        /// Case and accents do not matter.
        #[param(inline)]
        q: Option<Typed>,
        /// Deleted tickets only (admins).
        deleted: Option<bool>,
        /// The order; `-created_at` when left out. Ties go by id in the same direction.
        #[param(inline)]
        sort: Option<SortName>,
        /// Rows in a page.
        #[param(inline)]
        limit: Option<Limit>,
        /// Where the page begins: taken from the `Link` header of the page before.
        #[param(inline)]
        cursor: Option<CursorText>,
        /// `html` adds `description_html`.
        #[param(inline)]
        render: Option<Render>,
    }
}

/// What a page of a list is asked by, and a whole list is not.
const PAGING: [&str; 3] = ["limit", "cursor", "render"];

/// Filters and order of a list that is given whole.
#[derive(Debug, Clone)]
pub struct WholeList(pub TicketFilters);

impl Input for WholeList {
    const NULL_IS_ABSENT: bool = TicketFilters::NULL_IS_ABSENT;

    fn read(fields: &mut Fields) -> Option<Self> {
        for name in PAGING.into_iter().filter(|name| fields.has(name)).collect::<Vec<_>>() {
            fields.refuse([FieldError::new(name, "unknown_field", "is not a known parameter")]);
        }
        TicketFilters::read(fields).map(Self)
    }
}

impl IntoParams for WholeList {
    fn into_params(place: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        TicketFilters::into_params(place).into_iter().filter(|parameter| !PAGING.contains(&parameter.name.as_str())).collect()
    }
}

crate::input! {
    /// How texts are shown.
    #[derive(IntoParams)]
    #[into_params(parameter_in = Query)]
    pub struct ReadParameters {
        /// `html` adds the Markdown as sanitised HTML.
        #[param(inline)]
        render: Option<Render>,
    }
}

/// How texts are shown beside their Markdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum Render {
    /// As sanitised HTML, too.
    Html,
}

impl FieldValue for Render {
    fn from_json(value: Value) -> Result<Self, Faults> {
        choice(&value, &[Self::Html], |_| "html")
    }
}

/// A filter by somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersonFilter {
    /// The caller.
    Me,
    /// This account.
    Is(UserId),
}

impl PersonFilter {
    fn resolve(self, actor: &Actor) -> Result<UserId, AppError> {
        match self {
            Self::Me => actor.require_id(),
            Self::Is(id) => Ok(id),
        }
    }
}

impl FieldValue for PersonFilter {
    fn from_json(value: Value) -> Result<Self, Faults> {
        Self::from_text(&String::from_json(value)?)
    }

    fn from_text(text: &str) -> Result<Self, Faults> {
        match text {
            "me" => Ok(Self::Me),
            id => id.parse().map(Self::Is).map_err(|_| vec![FieldError::here("wrong_type", "must be an id or me")]),
        }
    }
}

/// A filter by assignee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssigneeFilter {
    /// Nobody.
    Nobody,
    /// Somebody.
    Somebody(PersonFilter),
}

impl FieldValue for AssigneeFilter {
    fn from_json(value: Value) -> Result<Self, Faults> {
        Self::from_text(&String::from_json(value)?)
    }

    fn from_text(text: &str) -> Result<Self, Faults> {
        match text {
            "none" => Ok(Self::Nobody),
            other => PersonFilter::from_text(other)
                .map(Self::Somebody)
                .map_err(|_| vec![FieldError::here("wrong_type", "must be an id, me or none")]),
        }
    }
}

/// An order by the name that it has on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SortName(pub Sort);

impl SortName {
    const ALL: [(&'static str, SortBy, bool); 10] = [
        ("created_at", SortBy::CreatedAt, false),
        ("-created_at", SortBy::CreatedAt, true),
        ("updated_at", SortBy::UpdatedAt, false),
        ("-updated_at", SortBy::UpdatedAt, true),
        ("priority", SortBy::Priority, false),
        ("-priority", SortBy::Priority, true),
        ("due_at", SortBy::DueAt, false),
        ("-due_at", SortBy::DueAt, true),
        ("id", SortBy::Id, false),
        ("-id", SortBy::Id, true),
    ];
}

impl FieldValue for SortName {
    fn from_json(value: Value) -> Result<Self, Faults> {
        choice(&value, &Self::ALL, |(name, ..)| name).map(|(_, by, descending)| Self(Sort { by, descending }))
    }
}

impl PartialSchema for SortName {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(Self::ALL.map(|(name, ..)| name))).into()
    }
}

impl ToSchema for SortName {}

/// A list of tickets that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The list.
    pub query: TicketQuery,
    /// Whether nothing can be found: what was typed to search has no word in it.
    pub nothing: bool,
}

impl TicketFilters {
    /// The list that `actor` means; `now` is what "overdue" refers to.
    ///
    /// # Errors
    /// Forbidden for a caller without an account who says `me`.
    pub fn resolve(&self, actor: &Actor, now: Timestamp) -> Result<Asked, AppError> {
        let typed = self.q.as_ref().map_or("", |q| &q.0);
        let words = Words::parse(typed);
        let nothing = words.is_none() && !typed.is_empty();
        let assignee = match self.assigned_agent_id {
            None => None,
            Some(AssigneeFilter::Nobody) => Some(Assignee::None),
            Some(AssigneeFilter::Somebody(person)) => Some(Assignee::Is(person.resolve(actor)?)),
        };
        let all = TicketQuery::all(actor.scope()?);
        let query = TicketQuery {
            status: values(self.status.as_ref()),
            priority: values(self.priority.as_ref()),
            tags: values(self.tag.as_ref()).into_iter().map(|tag| tag.0).collect(),
            assignee,
            creator: self.creator_id.map(|person| person.resolve(actor)).transpose()?,
            created_after: self.created_after,
            created_before: self.created_before,
            updated_after: self.updated_after,
            updated_before: self.updated_before,
            overdue_at: self.overdue.unwrap_or(false).then_some(now),
            words,
            deleted: self.deleted.unwrap_or(false),
            sort: self.sort.map_or(all.sort, |name| name.0),
            ..all
        };
        Ok(Asked { query, nothing })
    }
}

/// The values of a filter, each once, in the order of their kind: so that two ways to say the same are the same.
fn values<T: Ord + Clone>(list: Option<&CommaList<T>>) -> Vec<T> {
    let mut values = list.map_or_else(Vec::new, |list| list.0.clone());
    values.sort_unstable();
    values.dedup();
    values
}

impl Asked {
    /// Whether `actor` may ask for this list.
    ///
    /// # Errors
    /// Forbidden for everybody but admins when it is one of deleted tickets.
    pub fn may_be_asked_by(&self, actor: &Actor) -> Result<(), AppError> {
        if self.query.deleted && actor.role != Role::Admin {
            return Err(AppError::forbidden("Only admins may see deleted tickets."));
        }
        Ok(())
    }

    /// What a cursor of this list is bound to: filters and order, without the time of asking.
    #[must_use]
    pub fn without_now(&self) -> Self {
        let mut asked = self.clone();
        asked.query.overdue_at = asked.query.overdue_at.map(|_| Timestamp::MIN);
        asked
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::{auth::model::Via, input::Input, tickets::query::Scope};

    fn actor(id: i64, role: Role) -> Actor {
        Actor { id: Some(UserId(id)), name: "x".into(), role, via: Via::Session, session: None, cookie: false }
    }

    fn now() -> Timestamp {
        Timestamp::from_micros(1_000)
    }

    fn filters(query: &str) -> Result<TicketFilters, Faults> {
        TicketFilters::from_pairs(form_urlencoded::parse(query.as_bytes()).into_owned())
    }

    fn asked(query: &str) -> TicketQuery {
        filters(query).unwrap().resolve(&actor(2, Role::Agent), now()).unwrap().query
    }

    #[test]
    fn every_filter_is_understood() {
        let all = TicketQuery::all(Scope::All);
        assert_eq!(asked(""), all);
        assert_eq!(asked("q=%20&overdue=false&deleted=false&sort=-created_at"), all, "these say nothing");
        assert_eq!(asked("status=pending,open,open").status, [Status::Open, Status::Pending]);
        assert_eq!(asked("priority=high").priority, [Priority::High]);
        assert_eq!(asked("tag=VPN,%20b").tags, ["b", "vpn"]);
        assert_eq!(asked("assigned_agent_id=none").assignee, Some(Assignee::None));
        assert_eq!(asked("assigned_agent_id=me").assignee, Some(Assignee::Is(UserId(2))));
        assert_eq!(asked("assigned_agent_id=7&creator_id=me").creator, Some(UserId(2)));
        assert_eq!(asked("creator_id=9").creator, Some(UserId(9)));
        assert_eq!(asked("overdue=true").overdue_at, Some(now()));
        assert_eq!(asked("q=a%20b").words, Words::parse("a b"));
        assert_eq!(asked("sort=-due_at").sort, Sort { by: SortBy::DueAt, descending: true });
        let t = "2026-01-02T03:04:05Z".parse().ok();
        let times = asked(
            "created_after=2026-01-02T03:04:05Z&created_before=2026-01-02T03:04:05Z&updated_after=2026-01-02T03:04:05Z&updated_before=2026-01-02T03:04:05Z",
        );
        assert_eq!([times.created_after, times.created_before, times.updated_after, times.updated_before], [t; 4]);
    }

    #[rstest]
    #[case("status=opne")]
    #[case("status=")]
    #[case("status=open,")]
    #[case("priority=urgent")]
    #[case("tag=")]
    #[case("assigned_agent_id=nobody")]
    #[case("assigned_agent_id=0")]
    #[case("creator_id=none")]
    #[case("creator_id=-1")]
    #[case("created_after=yesterday")]
    #[case("overdue=maybe")]
    #[case("sort=title")]
    #[case("sort=--id")]
    #[case("limit=0")]
    #[case("limit=201")]
    #[case("cursor=")]
    #[case("render=text")]
    #[case("page=2")]
    #[case("status=open&status=closed")]
    fn what_does_not_fit_is_refused(#[case] query: &str) {
        assert_eq!(filters(query).unwrap_err().len(), 1);
    }

    #[test]
    fn a_search_has_at_most_200_characters() {
        assert!(filters(&format!("q={}", "x".repeat(200))).is_ok());
        assert!(filters(&format!("q={}", "x".repeat(201))).is_err());
    }

    #[test]
    fn a_search_without_a_word_finds_nothing() {
        let asked = filters("q=?!").unwrap().resolve(&actor(2, Role::Agent), now()).unwrap();
        assert!(asked.nothing && asked.query.words.is_none());
    }

    #[test]
    fn only_admins_list_deleted_tickets() {
        let may = |role| filters("deleted=true").unwrap().resolve(&actor(2, role), now()).unwrap().may_be_asked_by(&actor(2, role)).is_ok();
        assert_eq!(Role::ALL.map(may), [false, false, true]);
    }

    #[test]
    fn a_cursor_is_not_bound_to_the_time_of_asking() {
        let at = |micros| filters("overdue=true").unwrap().resolve(&actor(2, Role::Agent), Timestamp::from_micros(micros)).unwrap();
        assert_ne!(at(1), at(2));
        assert_eq!(at(1).without_now(), at(2).without_now());
        assert_ne!(at(1).without_now(), filters("").unwrap().resolve(&actor(2, Role::Agent), now()).unwrap());
    }
}
