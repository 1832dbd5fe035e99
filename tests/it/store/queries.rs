//! Lists of tickets: what they hold, in which order, page by page, and how long they are said to be.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use taquilla::{
    auth::model::Role,
    store::{Changes, IdKind, Store},
    tickets::{
        model::{Priority, Status, Ticket},
        query::{Assignee, COUNT_CAP, Scope, Sort, SortKey, TicketQuery},
        search::Words,
    },
    types::{CommentId, Page, TicketId, Total, UserId},
    users::model::{User, UserQuery},
};

use super::{
    arbitrary::{self, sorts},
    ask::{ids, walk},
    build::*,
    site::Site,
};

on_every_store!(
    every_filter_and_every_order_means_what_the_reference_says,
    pages_of_every_size_make_up_the_list,
    a_page_can_begin_at_any_key_and_in_either_direction,
    combined_filters_mean_what_the_reference_says,
    long_lists_are_read_page_by_page_like_short_ones,
    pages_hold_while_other_rows_are_written,
    totals_are_exact_for_simple_lists_and_counted_up_to_a_thousand_for_others,
    a_total_is_told_for_the_first_page_only,
    deleted_tickets_are_listed_apart,
    a_requesters_lists_hold_own_tickets_only,
);
