//! Tokens: signed access tokens (JWT), random secrets, and the key that signs.

use std::collections::HashSet;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::model::{Digest32, Session};
use crate::{
    config,
    error::AppError,
    store::{Changes, SigningSecret, Store, StoreError},
    types::{Secret, SessionId, Timestamp, UserId},
};

/// The shortest key that signs, in bytes.
const SHORTEST_KEY: usize = 32;

/// The longest access token that is looked at, in bytes; real ones have about 300.
const LONGEST_TOKEN: usize = 1_024;

/// The longest life of an access token that can be configured, in seconds.
const LONGEST_LIFE: i64 = 1_440 * 60;

const ISSUER: &str = "taquilla";
const AUDIENCE: &str = "taquilla-api";
const KIND: &str = "access";

/// What API tokens begin with.
pub const API_TOKEN_PREFIX: &str = "tqp_";

/// `N` bytes from the system's source of randomness.
#[must_use]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // It can only fail before the system is up; nothing is better than waiting for it.
    while getrandom::fill(&mut bytes).is_err() {
        std::thread::yield_now();
    }
    bytes
}

/// SHA-256 of a token: the form in which it is kept.
#[must_use]
pub fn digest(token: &str) -> Digest32 {
    Sha256::digest(token.as_bytes()).into()
}

/// A new API token.
#[must_use]
pub fn new_api_token() -> Secret {
    Secret::new(format!("{API_TOKEN_PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(random::<32>())))
}

/// What an access token says. Every claim is required.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    exp: i64,
    iat: i64,
    iss: String,
    aud: String,
    sub: String,
    jti: String,
    typ: String,
    sid: i64,
}

/// Whom a good access token stands for, if its session still lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bearer {
    /// The account.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
    /// When the token expires.
    pub until: Timestamp,
}

/// Signs and checks access tokens.
pub struct TokenKeys {
    signing: EncodingKey,
    checking: DecodingKey,
    header: Header,
    rules: Validation,
    /// Tokens whose signature was found good. Whether they are in time, and whether session and account still are what
    /// they were, is judged at each request all the same.
    seen: Cache<Box<str>, Signed>,
    /// How long an access token lives, in seconds.
    lifetime: i64,
}

/// How many tokens are remembered as well signed.
const TOKENS_SEEN: usize = 4_096;

impl TokenKeys {
    /// Takes the key of the configuration, else the one in the storage, which is made at first start.
    ///
    /// # Errors
    /// A configured key that is too short or known to everybody; the storage's.
    pub async fn load(store: &dyn Store, config: &config::Auth) -> anyhow::Result<Self> {
        let key = match &config.secret_key {
            Some(key) => {
                check_key(key)?;
                key.expose().as_bytes().to_vec()
            }
            None => stored_key(store).await?,
        };
        Ok(Self::new(&key, config.access_token_minutes))
    }

    fn new(key: &[u8], minutes: i64) -> Self {
        let mut rules = Validation::new(Algorithm::HS256);
        rules.set_issuer(&[ISSUER]);
        rules.set_audience(&[AUDIENCE]);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // The time is judged below, by the desk's own clock.
        rules.validate_exp = false;
        rules.leeway = 0;
        Self {
            signing: EncodingKey::from_secret(key),
            checking: DecodingKey::from_secret(key),
            header: Header::new(Algorithm::HS256),
            rules,
            seen: Cache::new(TOKENS_SEEN),
            lifetime: minutes * 60,
        }
    }

    /// How long an access token lives, in seconds.
    #[must_use]
    pub const fn lifetime(&self) -> i64 {
        self.lifetime
    }

    /// An access token of this session.
    ///
    /// # Errors
    /// Internal.
    pub fn access_token(&self, session: &Session, now: Timestamp) -> Result<Secret, AppError> {
        let claims = Claims {
            exp: now.as_seconds() + self.lifetime,
            iat: now.as_seconds(),
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            sub: session.user_id.to_string(),
            jti: BASE64_URL_SAFE_NO_PAD.encode(random::<16>()),
            typ: KIND.into(),
            sid: session.id.0,
        };
        encode(&self.header, &claims, &self.signing).map(Secret::new).map_err(AppError::internal)
    }

    /// Whom an access token stands for; `None` for every token that is not good, whatever is wrong with it.
    #[must_use]
    pub fn check(&self, token: &str, now: Timestamp) -> Option<Bearer> {
        let signed = if let Some(signed) = self.seen.get(token) {
            signed
        } else {
            let signed = self.verify(token)?;
            self.seen.insert(token.into(), signed);
            signed
        };
        let seconds = now.as_seconds();
        let in_time = (0..=seconds).contains(&signed.iat) && (seconds + 1..=signed.iat + LONGEST_LIFE).contains(&signed.exp);
        in_time.then_some(signed.bearer)
    }

    /// What does not depend on the time: the signature, the header and the claims.
    fn verify(&self, token: &str) -> Option<Signed> {
        if token.len() > LONGEST_TOKEN {
            return None;
        }
        let data = decode::<Claims>(token, &self.checking, &self.rules).ok()?;
        let Claims { exp, iat, sub, typ, sid, .. } = data.claims;
        if data.header != self.header || typ != KIND || sid <= 0 {
            return None;
        }
        let until = Timestamp::from_micros(exp.saturating_mul(1_000_000));
        Some(Signed { exp, iat, bearer: Bearer { user: sub.parse().ok()?, session: SessionId(sid), until } })
    }
}

/// What a good signature vouches for.
#[derive(Debug, Clone, Copy)]
struct Signed {
    exp: i64,
    iat: i64,
    bearer: Bearer,
}

/// The key kept in the storage.
async fn stored_key(store: &dyn Store) -> anyhow::Result<Vec<u8>> {
    loop {
        if let Some(secret) = store.signing_secret().await? {
            return Ok(secret.key);
        }
        let secret = SigningSecret { key: random::<32>().to_vec(), version: 1 };
        match store.commit(Changes::new().insert(secret)).await {
            // Somebody else may have made one at the same moment: theirs counts.
            Ok(_) | Err(StoreError::Stale | StoreError::Duplicate(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Keys that stand in tutorials, templates and examples: whoever knows them is admin of every desk that uses one.
const KNOWN_KEYS: &[&str] = &[
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
    "a very secret key that nobody will ever guess",
    "a-string-secret-at-least-256-bits-long",
    "change-me-in-production-please-change-me",
    "change-this-secret-key-in-production",
    "change-this-to-a-long-random-string",
    "change-this-to-a-secure-secret-key",
    "changeme",
    "changethis",
    "dev-secret-key-change-in-production",
    "development-secret-key-do-not-use-in-production",
    "django-insecure-secret-key-change-me",
    "insecure-secret-key-for-development-only",
    "jwt-secret-key-change-in-production",
    "my-secret-key",
    "my-super-secret-key-change-in-production",
    "my-super-secret-key-that-is-32-bytes-long",
    "please-change-this-secret-key-in-production",
    "replace-this-with-a-secure-random-string",
    "secret",
    "secret-key",
    "secret_key_change_me_in_production",
    "secretkey",
    "super-secret-jwt-token-with-at-least-32-characters-long",
    "super-secret-key",
    "super-secret-key-change-in-production",
    "supersecretkey",
    "the-quick-brown-fox-jumps-over-the-lazy-dog",
    "this-is-a-secret-key-change-it-in-production",
    "this_is_a_very_secret_key_change_it_in_production",
    "ticket-system-secret-key-change-in-production",
    "your-256-bit-secret",
    "your-256-bit-secret-your-256-bit-secret",
    "your-32-character-secret-key-here",
    "your-jwt-secret-key-change-in-production",
    "your-production-secret-key-change-this",
    "your-secret-key",
    "your-secret-key-change-in-production",
    "your-secret-key-change-this-in-production",
    "your-secret-key-for-jwt-tokens-change-in-production",
    "your-secret-key-here",
    "your-secret-key-here-change-in-production",
    "your-super-secret-jwt-key",
    "your-super-secret-jwt-key-change-in-production",
    "your-super-secret-jwt-key-change-this-in-production",
    "your-super-secret-key-change-in-production",
    "your-super-secret-key-change-this-in-production",
    "your-super-secret-key-here",
    "your-super-secret-key-here-change-in-production",
    "your_secret_key_here_please_change_it",
    "your_super_secret_key_change_in_production",
];

/// Whether a configured key may sign.
///
/// # Errors
/// What is wrong with it, with the name of the key in the configuration.
pub fn check_key(key: &Secret) -> anyhow::Result<()> {
    let key = key.expose();
    let plain = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    // Compared by letters and digits only, so that "your_secret-key" in capitals does not pass.
    if KNOWN_KEYS.iter().any(|known| plain(known) == plain(key) || *known == key) {
        anyhow::bail!("auth.secret_key is a well-known default; leave it out, or set one from `openssl rand -base64 32`");
    }
    if key.len() < SHORTEST_KEY {
        anyhow::bail!(
            "auth.secret_key must be at least {SHORTEST_KEY} bytes long; leave it out, or set one from `openssl rand -base64 32`"
        );
    }
    if is_repetition(key.as_bytes()) {
        anyhow::bail!("auth.secret_key repeats a few characters; leave it out, or set one from `openssl rand -base64 32`");
    }
    Ok(())
}

/// Whether a key of at least [`SHORTEST_KEY`] bytes is a short piece over and over, or counts on: "aaaa…", "abcdefgh…".
fn is_repetition(key: &[u8]) -> bool {
    let repeats = |period: usize| key.iter().zip(&key[period..]).all(|(a, b)| a == b);
    let steps: HashSet<u8> = key.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
    (1..=SHORTEST_KEY / 2).any(repeats) || steps.len() <= 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const KEY: &[u8] = b"0123456789abcdefghijklmnopqrstuv+";

    fn keys() -> TokenKeys {
        TokenKeys::new(KEY, 30)
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn claims() -> Value {
        json!({
            "exp": 1_000, "iat": 10, "iss": ISSUER, "aud": AUDIENCE, "sub": "7", "jti": "x", "typ": KIND, "sid": 9,
        })
    }

    fn signed(header: &Value, claims: &Value) -> String {
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &EncodingKey::from_secret(KEY), Algorithm::HS256).unwrap();
        format!("{message}.{signature}")
    }

    #[test]
    fn a_token_is_good_from_its_first_to_its_last_second() {
        let token = signed(&json!({"typ": "JWT", "alg": "HS256"}), &claims());
        let good = Some(Bearer { user: UserId(7), session: SessionId(9), until: at(1_000) });
        for (second, expected) in [(9, None), (10, good), (999, good), (1_000, None)] {
            assert_eq!(keys().check(&token, at(second)), expected, "{second}");
        }
        assert_eq!(TokenKeys::new(&[7; 32], 30).check(&token, at(20)), None, "another key");
    }

    #[test]
    fn every_claim_is_required_and_checked() {
        let header = json!({"typ": "JWT", "alg": "HS256"});
        for name in ["exp", "iat", "iss", "aud", "sub", "jti", "typ", "sid"] {
            let mut without = claims();
            without.as_object_mut().unwrap().remove(name);
            assert_eq!(keys().check(&signed(&header, &without), at(20)), None, "without {name}");
            for odd in [json!(null), json!("odd"), json!(-1), json!(1.5), json!(1e300), json!([]), json!({}), json!("")] {
                if name == "jti" && odd.is_string() {
                    continue;
                }
                let mut changed = claims();
                changed[name] = odd.clone();
                assert_eq!(keys().check(&signed(&header, &changed), at(20)), None, "{name} = {odd}");
            }
        }
        let mut refresh = claims();
        refresh["typ"] = json!("refresh");
        assert_eq!(keys().check(&signed(&header, &refresh), at(20)), None);
    }

    #[test]
    fn only_the_plain_header_is_accepted() {
        for header in [
            json!({"alg": "none"}),
            json!({"alg": "HS512", "typ": "JWT"}),
            json!({"alg": "RS256", "typ": "JWT"}),
            json!({"alg": "HS256"}),
            json!({"alg": "HS256", "typ": "at+jwt"}),
            json!({"alg": "HS256", "typ": "JWT", "kid": "../../dev/null"}),
            json!({"alg": "HS256", "typ": "JWT", "jku": "https://example.com/keys"}),
            json!({"alg": "HS256", "typ": "JWT", "crit": ["exp"]}),
            json!({"alg": "HS256", "typ": "JWT", "b64": false}),
        ] {
            assert_eq!(keys().check(&signed(&header, &claims()), at(20)), None, "{header}");
        }
    }

    #[test]
    fn known_short_and_repetitive_keys_do_not_sign() {
        let check = |key: &str| check_key(&Secret::new(key));
        for known in KNOWN_KEYS {
            assert!(check(known).is_err(), "{known}");
        }
        for bad in [
            "",
            "short",
            "0123456789abcdef0123456789abcde",
            "YOUR_SECRET_KEY_CHANGE_IN_PRODUCTION",
            &"a".repeat(64),
            &"ab12".repeat(20),
            "12345678901234567890123456789012",
            "ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`ab",
        ] {
            let error = check(bad).unwrap_err().to_string();
            assert!(error.contains("auth.secret_key"), "{error}");
        }
        for _ in 0..100 {
            assert!(check(&BASE64_URL_SAFE_NO_PAD.encode(random::<32>())).is_ok());
        }
        assert!(check("tJ4!mQ2#xR9$kL6%pW3^zN8&vB5*hC1(").is_ok());
    }

    proptest! {
        #[test]
        fn no_text_is_a_token(text in any::<String>(), parts in "[A-Za-z0-9_-]{0,80}[.][A-Za-z0-9_-]{0,80}[.][A-Za-z0-9_-]{0,80}") {
            prop_assert_eq!(keys().check(&text, at(20)), None);
            prop_assert_eq!(keys().check(&parts, at(20)), None);
        }

        #[test]
        fn a_token_of_which_any_bit_was_changed_is_none(place in any::<prop::sample::Index>(), flip in 1..=127_u8) {
            let mut token = signed(&json!({"typ": "JWT", "alg": "HS256"}), &claims()).into_bytes();
            let place = place.index(token.len());
            token[place] ^= flip;
            let Ok(token) = String::from_utf8(token) else { return Ok(()) };
            prop_assert_eq!(keys().check(&token, at(20)), None);
        }
    }
}
