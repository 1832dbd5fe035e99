//! What people send to open, change and comment tickets.

use serde_json::Value;
use utoipa::ToSchema;

use super::model::{Priority, Status, Tag, Tags};
use crate::{
    input::{CommaList, Faults, Field, FieldError, FieldValue, Fields},
    types::{TicketId, UserId},
};

crate::text_type! {
    /// A ticket's title: one to 200 characters after trimming.
    Title, 1, 200, true;
    /// A ticket's description: one to 65,536 characters of Markdown.
    Description, 1, 65_536, false;
    /// A comment's text: one to 65,536 characters of Markdown.
    Content, 1, 65_536, false;
}

crate::text_type! {
    /// A text to be shown: up to 65,536 characters of Markdown.
    Draft, 0, 65_536, false;
}

crate::input! {
    /// A text to be shown as it will look.
    #[derive(ToSchema)]
    pub struct MarkdownText {
        /// Markdown.
        text: Draft,
    }
}

crate::input! {
    /// A ticket to be opened.
    #[derive(ToSchema)]
    pub struct NewTicket {
        /// One line.
        title: Title,
        /// Markdown.
        description: Description,
        /// Medium when left out.
        priority: Option<Priority>,
        /// None when left out.
        tags: Option<Tags>,
        /// On whose behalf it is opened (staff only); the caller when left out.
        creator_id: Option<UserId>,
    }
}

crate::input! {
    /// A change of a ticket: just the fields sent.
    #[derive(Default, ToSchema)]
    pub patch TicketChange {
        /// One line.
        #[schema(nullable = false)]
        title: Option<Title>,
        /// Markdown.
        #[schema(nullable = false)]
        description: Option<Description>,
        /// Where the work stands.
        #[schema(nullable = false)]
        status: Option<Status>,
        /// How urgent it is.
        #[schema(nullable = false)]
        priority: Option<Priority>,
        /// All the tags that it shall have.
        #[schema(nullable = false)]
        tags: Option<Tags>,
        /// Whose work it shall be; null for nobody's.
        assigned_agent_id: Option<Option<UserId>>,
    }
}

crate::input! {
    /// Whose work a ticket shall be.
    #[derive(ToSchema)]
    pub struct Assignment {
        /// An active agent or admin, or null for nobody.
        #[schema(value_type = Option<UserId>, required)]
        assigned_agent_id: Nullable<UserId>,
    }
}

crate::input! {
    /// A comment to be written.
    #[derive(ToSchema)]
    pub struct NewComment {
        /// Markdown.
        content: Content,
        /// Whether only staff may see it; no when left out.
        is_internal: Option<bool>,
    }
}

crate::input! {
    /// A comment's new text.
    #[derive(ToSchema)]
    pub struct CommentChange {
        /// Markdown.
        content: Content,
    }
}

crate::input! {
    /// One change for many tickets.
    #[derive(ToSchema)]
    pub struct BulkChange {
        /// 1–500 tickets; a repeated id counts once.
        #[schema(min_items = 1, max_items = 500)]
        ids: BulkIds,
        /// What to change in each.
        change: BulkFields,
    }
}

crate::input! {
    /// What a bulk change does to each ticket.
    #[derive(Default, ToSchema)]
    pub patch BulkFields {
        /// Where the work stands.
        #[schema(nullable = false)]
        status: Option<Status>,
        /// How urgent it is.
        #[schema(nullable = false)]
        priority: Option<Priority>,
        /// Whose work it shall be; null for nobody's.
        assigned_agent_id: Option<Option<UserId>>,
        /// Tags to add.
        #[schema(nullable = false)]
        add_tags: Option<Tags>,
        /// Tags to take off.
        #[schema(nullable = false)]
        remove_tags: Option<Tags>,
    }
}

/// A required field that may be null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(value_type = Option<T>)]
pub struct Nullable<T>(pub Option<T>);

impl<T: FieldValue> Field for Nullable<T> {
    fn take(fields: &mut Fields, name: &str) -> Option<Self> {
        if !fields.has(name) {
            fields.refuse([FieldError::new(name, "missing", "is required; null unassigns")]);
            return None;
        }
        <Option<Option<T>> as Field>::take(fields, name).map(|sent| Self(sent.flatten()))
    }
}

/// The ids of a bulk change, in the order given, each once.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
#[schema(value_type = Vec<TicketId>)]
pub struct BulkIds(pub Vec<TicketId>);

impl FieldValue for BulkIds {
    fn from_json(value: Value) -> Result<Self, Faults> {
        let sent = Vec::<TicketId>::from_json(value)?;
        if sent.is_empty() || sent.len() > 500 {
            return Err(vec![FieldError::here("out_of_range", "must be a list of 1 to 500 ids")]);
        }
        let mut seen = std::collections::HashSet::new();
        Ok(Self(sent.into_iter().filter(|id| seen.insert(*id)).collect()))
    }
}

/// Tags of a filter.
pub type TagList = CommaList<Tag>;
