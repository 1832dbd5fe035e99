//! Who may see which entry as it happens.

use super::model::{Action, Entry};
use crate::{
    auth::model::{Actor, Role},
    types::UserId,
};

/// What of the log somebody is told live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// Everything: admins.
    All,
    /// Entries of tickets and comments: agents.
    Tickets,
    /// The public entries of this requester's own tickets.
    Own(UserId),
}

impl Sight {
    /// What `actor` is told.
    ///
    /// # Errors
    /// Forbidden for a requester without an account.
    pub fn of(actor: &Actor) -> Result<Self, crate::error::AppError> {
        Ok(match actor.role {
            Role::Admin => Self::All,
            Role::Agent => Self::Tickets,
            Role::User => Self::Own(actor.require_id()?),
        })
    }

    /// Whether an entry of this concern is told.
    #[must_use]
    pub fn sees(self, concern: Concern) -> bool {
        match self {
            Self::All => true,
            Self::Tickets => concern.ticket,
            Self::Own(user) => concern.ticket && concern.public_of == Some(user),
        }
    }
}

/// Whom an entry concerns: all that decides who is told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Concern {
    /// Whether it is of a ticket or a comment.
    ticket: bool,
    /// Whose request the ticket is, when the entry is a public one.
    public_of: Option<UserId>,
    /// Whose right to be here it may have changed.
    pub rights_of: Option<UserId>,
}

impl Concern {
    /// Whom `entry` concerns.
    #[must_use]
    pub fn of(entry: &Entry) -> Self {
        // Told by what cannot take a right away, so that a new action is looked into by default.
        let harmless = matches!(entry.action, Action::UserLoggedIn | Action::UserLoginFailed | Action::TokenCreated);
        Self {
            ticket: entry.ticket_id.is_some(),
            public_of: entry.facts.creator_id.filter(|_| !entry.internal),
            rights_of: entry.user_id.filter(|_| !harmless),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        activity::model::{ActorRef, Facts, NewEntry},
        types::{CommentId, TicketId, Timestamp},
    };

    fn entry(action: Action) -> NewEntry {
        NewEntry::new(action, ActorRef::system(), Timestamp::MIN)
    }

    fn of_ticket(creator: i64) -> NewEntry {
        entry(Action::TicketUpdated).about_ticket(TicketId(1), Facts { creator_id: Some(UserId(creator)), ..Facts::default() })
    }

    fn seen(new: NewEntry) -> [bool; 4] {
        let concern = Concern::of(&Entry::at_seq(1, new));
        [Sight::All, Sight::Tickets, Sight::Own(UserId(7)), Sight::Own(UserId(8))].map(|sight| sight.sees(concern))
    }

    #[test]
    fn everybody_is_told_what_they_may_see() {
        assert_eq!(seen(of_ticket(7)), [true, true, true, false]);
        assert_eq!(seen(of_ticket(7).about_comment(CommentId(1), false)), [true, true, true, false]);
        assert_eq!(seen(of_ticket(7).about_comment(CommentId(1), true)), [true, true, false, false]);
        assert_eq!(seen(entry(Action::UserUpdated).about_user(UserId(7))), [true, false, false, false]);
        assert_eq!(seen(entry(Action::SettingsUpdated)), [true, false, false, false]);
    }

    #[test]
    fn what_may_end_somebodys_rights_is_told_apart() {
        let rights = |new: NewEntry| Concern::of(&Entry::at_seq(1, new)).rights_of;
        for action in [Action::UserDeactivated, Action::UserUpdated, Action::SessionRevoked, Action::UserLoggedOut, Action::TokenRevoked] {
            assert_eq!(rights(entry(action).about_user(UserId(7))), Some(UserId(7)), "{}", action.name());
        }
        assert_eq!(rights(entry(Action::UserLoginFailed).about_user(UserId(7))), None, "a stranger's guesses cost a stream nothing");
        assert_eq!(rights(of_ticket(7)), None);
    }
}
