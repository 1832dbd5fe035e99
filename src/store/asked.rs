//! Pages of lists as they are asked for: what stores remember them by.

use crate::{
    tickets::query::{SortKey, TicketQuery},
    types::Page,
};

/// A page of a list, as it was asked for.
pub(crate) type Asked = (TicketQuery, Page<SortKey>);

/// Longer pages are not remembered: those who ask for them read all tickets, and each page once.
const LONGEST_PAGE: usize = 100;

/// Whether it is a page that somebody looks at, and not a piece of all tickets.
pub(crate) const fn is_looked_at((_, page): &Asked) -> bool {
    page.limit <= LONGEST_PAGE
}

/// Whether the same may be asked for again. What is overdue is asked for as of another instant each time.
pub(crate) const fn comes_again(asked: &Asked) -> bool {
    is_looked_at(asked) && asked.0.overdue_at.is_none()
}

/// About how many bytes it takes in memory.
pub(crate) fn bytes((query, _): &Asked) -> usize {
    let words = query.words.iter().flat_map(|words| words.whole.iter().chain([&words.prefix]));
    let texts = words.chain(&query.tags).fold(0, |sum, text| sum + text.len() + size_of::<String>());
    size_of::<Asked>() + texts
}
