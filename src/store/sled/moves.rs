//! What a group of commits does to the search index. Texts are read and cut into their terms before readers have to wait; and a
//! term is looked up in the index once for the whole group.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::{
    comments,
    engine::Engine,
    projection::{Effect, position},
};
use crate::{
    store::StoreError,
    tickets::{
        model::{Comment, Ticket},
        search::terms,
    },
    types::{CommentId, TicketId},
};

/// What a group of commits does to both indexes.
#[derive(Debug, Default)]
pub(super) struct TextMoves {
    /// Titles, descriptions, public comments.
    pub(super) public: Moves,
    /// Internal notes.
    pub(super) notes: Moves,
    /// The terms of comments whose text is another one than before: those of both.
    pub(super) of_comments: Vec<String>,
}

impl TextMoves {
    /// Those of these effects. The engine may hold the group already or not yet.
    pub(super) fn by(engine: &Engine, effects: &[Effect]) -> Result<Self, StoreError> {
        let (mut moves, after) = (Self::default(), After { engine, effects });
        for effect in effects {
            match effect {
                Effect::Ticket { before, after: ticket } => moves.ticket(&after, before.as_deref(), ticket)?,
                Effect::Comment { before, after: comment } => moves.comment(&after, before.as_deref(), comment)?,
                Effect::Gone(_) | Effect::People(_) => {}
            }
        }
        Ok(moves)
    }

    /// Whether the search index stays as it is.
    pub(super) fn is_empty(&self) -> bool {
        self.public.0.is_empty() && self.notes.0.is_empty()
    }

    fn ticket(&mut self, after: &After<'_>, before: Option<&Ticket>, ticket: &Ticket) -> Result<(), StoreError> {
        if before.is_some_and(|before| has_same_texts(before, ticket)) {
            return Ok(());
        }
        let id = position(ticket.id)?;
        let terms: Vec<String> = own_terms(ticket).collect();
        if let Some(old) = before {
            let mut gone: BTreeSet<String> = own_terms(old).collect();
            keep(&mut gone, &terms);
            after.keep_of_comments(&mut gone, ticket.id, false)?;
            self.public.remove(id, gone);
        }
        self.public.add(id, terms);
        Ok(())
    }

    fn comment(&mut self, after: &After<'_>, before: Option<&Comment>, comment: &Comment) -> Result<(), StoreError> {
        if before.is_some_and(|before| has_same_text(before, comment)) {
            return Ok(());
        }
        let id = position(comment.ticket_id)?;
        if let Some(old) = before {
            let mut gone: BTreeSet<String> = text_of(old).collect();
            self.of_comments.extend(gone.iter().cloned());
            if !old.is_internal {
                after.keep_of_ticket(&mut gone, comment.ticket_id)?;
            }
            after.keep_of_comments(&mut gone, comment.ticket_id, old.is_internal)?;
            self.of(old).remove(id, gone);
        }
        let terms: Vec<String> = text_of(comment).collect();
        self.of_comments.extend(terms.iter().cloned());
        self.of(comment).add(id, terms);
        Ok(())
    }

    /// Those of the index that a comment is in.
    const fn of(&mut self, comment: &Comment) -> &mut Moves {
        if comment.is_internal { &mut self.notes } else { &mut self.public }
    }
}

/// The rows as a group of commits leaves them.
struct After<'a> {
    engine: &'a Engine,
    effects: &'a [Effect],
}

impl After<'_> {
    /// Takes the terms out of `gone` that a ticket's own texts have.
    fn keep_of_ticket(&self, gone: &mut BTreeSet<String>, id: TicketId) -> Result<(), StoreError> {
        if gone.is_empty() {
            return Ok(());
        }
        let written = self.effects.iter().rev().find_map(|effect| match effect {
            Effect::Ticket { after, .. } if after.id == id => Some(after),
            _ => None,
        });
        match written {
            Some(ticket) => keep(gone, own_terms(ticket)),
            None => self.engine.ticket(id)?.iter().for_each(|ticket| keep(gone, own_terms(ticket))),
        }
        Ok(())
    }

    /// The same for its public comments, or its internal notes.
    fn keep_of_comments(&self, gone: &mut BTreeSet<String>, id: TicketId, notes: bool) -> Result<(), StoreError> {
        if gone.is_empty() {
            return Ok(());
        }
        // Of several changes of a comment, the last one stays.
        let written: BTreeMap<CommentId, &Comment> = self.effects.iter().filter_map(|effect| comment_of(effect, id)).collect();
        let mut keep_of = |comment: &Comment| {
            if comment.is_internal == notes {
                keep(gone, text_of(comment));
            }
        };
        for comment in comments::of_ticket(self.engine, id, CommentId(0))? {
            let comment = comment?;
            if !written.contains_key(&comment.id) {
                keep_of(&comment);
            }
        }
        written.into_values().for_each(keep_of);
        Ok(())
    }
}

/// What an effect makes of a comment of this ticket.
fn comment_of(effect: &Effect, ticket: TicketId) -> Option<(CommentId, &Comment)> {
    match effect {
        Effect::Comment { after, .. } if after.ticket_id == ticket => Some((after.id, after)),
        _ => None,
    }
}

/// Takes these terms out of `gone`.
fn keep(gone: &mut BTreeSet<String>, terms: impl IntoIterator<Item = impl AsRef<str>>) {
    for term in terms {
        gone.remove(term.as_ref());
    }
}

/// Whether a ticket's own texts are the same.
pub(super) fn has_same_texts(one: &Ticket, other: &Ticket) -> bool {
    one.title == other.title && one.description == other.description
}

/// Whether a comment can be found by the same words.
fn has_same_text(one: &Comment, other: &Comment) -> bool {
    present(one) == present(other) && one.is_internal == other.is_internal
}

/// The terms of a ticket's own texts.
fn own_terms(ticket: &Ticket) -> impl Iterator<Item = String> + '_ {
    terms(&ticket.title).chain(terms(&ticket.description))
}

/// The terms of a comment; a deleted one has none.
fn text_of(comment: &Comment) -> impl Iterator<Item = String> + '_ {
    present(comment).into_iter().flat_map(terms)
}

fn present(comment: &Comment) -> Option<&str> {
    comment.deleted_at.is_none().then_some(comment.content.as_str())
}

/// Whether a ticket has a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "bool", into = "bool")]
pub(super) enum Has {
    Yes,
    NoMore,
}

impl From<bool> for Has {
    fn from(has: bool) -> Self {
        if has { Self::Yes } else { Self::NoMore }
    }
}

impl From<Has> for bool {
    fn from(has: Has) -> Self {
        has == Has::Yes
    }
}

/// What becomes of an index: by term, the tickets that come to have it or have it no more, one after another.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Moves(pub(super) HashMap<String, Vec<(u32, Has)>>);

impl Moves {
    /// A ticket has these terms from here on.
    pub(super) fn add(&mut self, id: u32, terms: impl IntoIterator<Item = String>) {
        self.note(id, terms, Has::Yes);
    }

    /// A ticket has these no more.
    pub(super) fn remove(&mut self, id: u32, gone: BTreeSet<String>) {
        self.note(id, gone, Has::NoMore);
    }

    /// What follows on this.
    pub(super) fn join(&mut self, next: Self) {
        for (term, moves) in next.0 {
            self.0.entry(term).or_default().extend(moves);
        }
    }

    fn note(&mut self, id: u32, terms: impl IntoIterator<Item = String>, has: Has) {
        for term in terms {
            let moves = self.0.entry(term).or_default();
            if moves.last() != Some(&(id, has)) {
                moves.push((id, has));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{super::terms::Index, *};
    use crate::{
        tickets::query::tests::ticket,
        types::{Timestamp, UserId},
    };

    fn comment(id: i64, content: &str, is_internal: bool) -> Comment {
        let at = Timestamp::from_micros(id);
        let (id, ticket_id, author_id) = (CommentId(id), ticket().id, UserId(1));
        Comment {
            id,
            ticket_id,
            author_id,
            content: content.into(),
            is_internal,
            created_at: at,
            updated_at: at,
            deleted_at: None,
            version: 1,
        }
    }

    fn titled(title: &str) -> Arc<Ticket> {
        Arc::new(Ticket { title: title.into(), description: String::new(), ..ticket() })
    }

    /// What has gone, by the effects of one group, of an engine that holds nothing of it yet.
    fn gone(effects: &[Effect]) -> Vec<(String, &'static str)> {
        let (engine, _dir) = Engine::temporary().unwrap();
        let moves = TextMoves::by(&engine, effects).unwrap();
        let of = |moves: Moves, index| {
            moves.0.into_iter().filter(|(_, of)| of.last().is_some_and(|(_, has)| *has == Has::NoMore)).map(move |(term, _)| (term, index))
        };
        let mut gone: Vec<_> = of(moves.public, "public").chain(of(moves.notes, "notes")).collect();
        gone.sort();
        gone
    }

    #[test]
    fn a_term_stays_when_the_same_group_writes_it_elsewhere() {
        let moved = |from, to| Effect::Ticket { before: Some(titled(from)), after: titled(to) };
        let said = |before: Option<&Comment>, after: &Comment| Effect::Comment {
            before: before.cloned().map(Box::new),
            after: Box::new(after.clone()),
        };
        let term = |term: &str, index| (term.to_owned(), index);
        let (old, new) = (comment(1, "vpn mail", false), comment(1, "mail", false));
        let note = comment(2, "printer vpn", true);

        assert_eq!(gone(&[moved("printer fire", "fire")]), [term("printer", "public")]);
        assert_eq!(gone(&[moved("printer fire", "fire"), said(None, &comment(3, "printer", false))]), [], "a comment has it");
        assert_eq!(gone(&[said(None, &note), moved("printer fire", "fire")]), [term("printer", "public")], "a note is in the other index");
        assert_eq!(gone(&[said(Some(&old), &new)]), [term("vpn", "public")]);
        assert_eq!(gone(&[said(Some(&old), &new), moved("slow", "vpn")]), [term("slow", "public")], "the ticket has it");
        assert_eq!(
            gone(&[said(None, &old), said(Some(&old), &new), moved("vpn", "fire")]),
            [term("vpn", "public")],
            "the last change counts"
        );
        let open = Comment { is_internal: false, ..note.clone() };
        assert_eq!(gone(&[said(Some(&note), &open)]), [term("printer", "notes"), term("vpn", "notes")]);
        let deleted = Comment { deleted_at: Some(old.created_at), ..old.clone() };
        assert_eq!(gone(&[said(Some(&old), &deleted), said(Some(&deleted), &old)]), [], "it is there again");
    }

    #[test]
    fn each_term_is_as_the_last_commit_of_the_group_left_it() {
        let term = |term: &str| term.to_owned();
        let mut index = Index::default();
        let mut before = Moves::default();
        before.add(1, vec![term("mail"), term("slow"), term("slow")]);
        before.add(2, vec![term("slow")]);
        index.follow(before);
        let mut moves = Moves::default();
        moves.remove(1, [term("mail"), term("slow")].into());
        moves.add(1, vec![term("fire"), term("slow")]);
        moves.remove(1, [term("fire")].into());
        index.follow(moves);
        let found: Vec<(&str, Vec<u32>)> = index.0.iter().map(|(term, ids)| (&**term, ids.iter().collect())).collect();
        assert_eq!(found, [("slow", vec![1, 2])], "a term that no ticket has is not kept");
    }
}
