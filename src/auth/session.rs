//! Sessions and their refresh tokens: how one begins, how a token is exchanged for the next, and what is told of one
//! that has been used before. All pure.

use std::net::IpAddr;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::{
    model::{Digest32, LiveToken, Session, SpentToken},
    token::{digest, random},
};
use crate::types::{Secret, SessionId, Timestamp, UserId};

/// How long a spent token still answers: two tabs, or an answer that was lost.
pub const GRACE_SECONDS: i64 = 10;

/// Live tokens of one session at most; only uses within the grace make more than one.
const MOST_LIVE: usize = 32;

/// Sessions of one account at most.
pub const MOST_SESSIONS: usize = 100;

/// Characters of a client's name that are kept.
const LONGEST_AGENT: usize = 200;

const PREFIX: &str = "tqr_";

/// A refresh token: it names its session, shows that it is of its family, and is itself random.
#[derive(Clone)]
pub struct RefreshToken {
    session: SessionId,
    family: [u8; 16],
    text: Secret,
}

impl RefreshToken {
    /// The first token of a new session.
    #[must_use]
    pub fn first(session: SessionId) -> Self {
        Self::of_family(session, random())
    }

    /// Another token of the same family.
    #[must_use]
    pub fn next(&self) -> Self {
        Self::of_family(self.session, self.family)
    }

    fn of_family(session: SessionId, family: [u8; 16]) -> Self {
        let bytes = [&session.0.to_be_bytes()[..], &family, &random::<32>()].concat();
        Self { session, family, text: Secret::new(format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes))) }
    }

    /// Reads what a client shows; `None` for what cannot be a refresh token.
    #[must_use]
    pub fn read(shown: &str) -> Option<Self> {
        let bytes: [u8; 56] = BASE64_URL_SAFE_NO_PAD.decode(shown.strip_prefix(PREFIX)?).ok()?.try_into().ok()?;
        let session = i64::from_be_bytes(std::array::from_fn(|i| bytes[i]));
        Some(Self { session: SessionId(session), family: std::array::from_fn(|i| bytes[8 + i]), text: Secret::new(shown) })
    }

    /// The session that it names.
    #[must_use]
    pub const fn session(&self) -> SessionId {
        self.session
    }

    /// The token itself.
    #[must_use]
    pub fn into_text(self) -> Secret {
        self.text
    }

    fn hash(&self) -> Digest32 {
        digest(self.text.expose())
    }

    fn family_hash(&self) -> Digest32 {
        Sha256::digest(self.family).into()
    }
}

/// Who signs in, as far as the connection tells.
#[derive(Debug, Clone)]
pub struct Client {
    /// The address.
    pub address: IpAddr,
    /// The program's name for itself.
    pub user_agent: String,
    /// Whether the refresh token goes into a cookie.
    pub cookie: bool,
}

/// What becomes of a session when a refresh token is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// It is good: the session as it goes on, with the next token live.
    Good(Box<Session>),
    /// It was used before, by whoever has it now or by whoever had it then: the session has to end.
    UsedBefore,
    /// It never was a token of this session, or the session is over.
    Foreign,
}

impl Session {
    /// A session that begins now.
    #[must_use]
    pub fn begin(user: UserId, first: &RefreshToken, client: &Client, now: Timestamp, lifetime_days: i64) -> Self {
        Self {
            id: first.session,
            user_id: user,
            family: first.family_hash(),
            live: vec![LiveToken { hash: first.hash(), issued_at: now }],
            spent: Vec::new(),
            cookie: client.cookie,
            created_at: now,
            last_used_at: now,
            expires_at: now.plus_seconds(lifetime_days * 86_400),
            address: client.address.to_string(),
            user_agent: client.user_agent.chars().take(LONGEST_AGENT).collect(),
            version: 1,
        }
    }

    /// Whether it can still be used.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }

    /// Exchanges the token `shown` for `next`.
    #[must_use]
    pub fn show(&self, shown: &RefreshToken, next: &RefreshToken, now: Timestamp, lifetime_days: i64) -> Shown {
        if shown.session != self.id || shown.family_hash() != self.family || !self.is_live(now) {
            return Shown::Foreign;
        }
        let mut after = self.clone();
        let oldest = now.plus_seconds(-lifetime_days * 86_400);
        after.live.retain(|token| token.issued_at > oldest);
        after.spent.retain(|token| now <= token.spent_at.plus_seconds(GRACE_SECONDS));
        let hash = shown.hash();
        if let Some(at) = after.live.iter().position(|token| token.hash == hash) {
            after.live.remove(at);
            after.spent.push(SpentToken { hash, spent_at: now });
        } else if !after.spent.iter().any(|token| token.hash == hash) {
            return Shown::UsedBefore;
        }
        // A use within the grace leaves `spent_at` alone, so that the grace is not extended.
        after.live.push(LiveToken { hash: next.hash(), issued_at: now });
        let surplus = after.live.len().saturating_sub(MOST_LIVE);
        after.live.drain(..surplus);
        after.last_used_at = now;
        after.expires_at = now.plus_seconds(lifetime_days * 86_400);
        after.version += 1;
        Shown::Good(Box::new(after))
    }
}

/// The sessions that have to give way so that at most `room` live ones stay: the least recently used ones.
#[must_use]
pub fn surplus<S: std::borrow::Borrow<Session> + Clone>(sessions: &[S], room: usize, now: Timestamp) -> Vec<S> {
    let mut live: Vec<S> = sessions.iter().filter(|session| (*session).borrow().is_live(now)).cloned().collect();
    live.sort_by_key(|session| (session.borrow().last_used_at, session.borrow().id));
    live.truncate(live.len().saturating_sub(room));
    live
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn begun() -> (Session, RefreshToken) {
        let token = RefreshToken::first(SessionId(3));
        let client = Client { address: Ipv4Addr::LOCALHOST.into(), user_agent: "ñ".repeat(300), cookie: false };
        (Session::begin(UserId(1), &token, &client, at(0), 30), token)
    }

    fn good(shown: Shown) -> Session {
        match shown {
            Shown::Good(session) => *session,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_token_reads_as_it_was_written() {
        let token = RefreshToken::first(SessionId(i64::MAX));
        let text = token.clone().into_text();
        let read = RefreshToken::read(text.expose()).unwrap();
        assert_eq!((read.session(), read.hash(), read.family), (token.session(), token.hash(), token.family));
        for bad in ["", "tqr_", &text.expose()[4..], &text.expose()[..70], &format!("{}A", text.expose()), "tqr_ñ"] {
            assert!(RefreshToken::read(bad).is_none(), "{bad}");
        }
        assert_eq!(begun().0.user_agent.chars().count(), 200);
    }

    #[test]
    fn each_use_hands_out_the_next_token_and_moves_the_end() {
        let (session, first) = begun();
        let second = first.next();
        let after = good(session.show(&first, &second, at(86_400), 30));
        assert_eq!((after.version, after.last_used_at, after.expires_at), (2, at(86_400), at(31 * 86_400)));
        let third = second.next();
        let after = good(after.show(&second, &third, at(86_411), 30));
        assert_eq!((after.live.len(), after.spent.len()), (1, 1), "the first one is forgotten");
        assert_eq!(after.show(&first, &third.next(), at(86_412), 30), Shown::UsedBefore);
    }

    #[test]
    fn a_spent_token_answers_for_ten_seconds_and_its_use_does_not_extend_that() {
        let (session, first) = begun();
        let session = good(session.show(&first, &first.next(), at(100), 30));
        let session = good(session.show(&first, &first.next(), at(109), 30));
        let session = good(session.show(&first, &first.next(), at(110), 30));
        assert_eq!(session.live.len(), 3);
        assert_eq!(session.show(&first, &first.next(), at(111), 30), Shown::UsedBefore);
    }

    #[test]
    fn strangers_tokens_do_not_end_a_session() {
        let (session, first) = begun();
        let stranger = RefreshToken::first(SessionId(3));
        assert_eq!(session.show(&stranger, &stranger.next(), at(1), 30), Shown::Foreign);
        assert_eq!(session.show(&first, &first.next(), at(30 * 86_400), 30), Shown::Foreign, "it is over");
        let lucky = first.next();
        assert_eq!(session.show(&lucky, &lucky.next(), at(1), 30), Shown::UsedBefore, "right family, never handed out");
    }

    #[test]
    fn the_number_of_live_tokens_is_bounded() {
        let (mut session, first) = begun();
        for _ in 0..100 {
            session = good(session.show(&first, &first.next(), at(5), 30));
        }
        assert_eq!((session.live.len(), session.spent.len()), (MOST_LIVE, 1));
    }

    #[test]
    fn the_least_recently_used_sessions_give_way() {
        let sessions: Vec<Session> = (1..=5)
            .map(|id| Session {
                id: SessionId(id),
                last_used_at: at(100 - id),
                expires_at: at(if id == 4 { 150 } else { 1_000 }),
                ..begun().0
            })
            .collect();
        let ids = |room| surplus(&sessions, room, at(200)).iter().map(|s| s.id.0).collect::<Vec<_>>();
        assert_eq!(ids(4), [] as [i64; 0], "an expired one takes no room");
        assert_eq!(ids(2), [5, 3]);
        assert_eq!(ids(0), [5, 3, 2, 1]);
    }
}
