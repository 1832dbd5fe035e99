//! Pages of lists: `limit`, the opaque `cursor`, and the headers `Link` and `X-Total-Count`.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header::LINK};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::{
    error::AppError,
    input::{Faults, FieldError, FieldValue},
    types::{Page, Total},
};

/// How many rows a page has: 1–200.
#[derive(Debug, Clone, Copy, PartialEq, Eq, utoipa::ToSchema)]
#[schema(value_type = i64, minimum = 1, maximum = 200, default = 50)]
pub struct Limit(pub usize);

impl Default for Limit {
    fn default() -> Self {
        Self(50)
    }
}

impl FieldValue for Limit {
    fn from_json(value: serde_json::Value) -> Result<Self, Faults> {
        match i64::from_json(value)? {
            n @ 1..=200 => Ok(Self(usize::try_from(n).unwrap_or(50))),
            _ => Err(vec![FieldError::here("out_of_range", "must be between 1 and 200")]),
        }
    }

    fn from_text(text: &str) -> Result<Self, Faults> {
        Self::from_json(i64::from_text(text)?.into())
    }
}

/// What a cursor is bound to: the list's filters and order. Eight bytes of a digest of them.
fn binding(list: &impl std::fmt::Debug) -> u64 {
    let digest = Sha256::digest(format!("{list:?}"));
    u64::from_be_bytes(std::array::from_fn(|i| digest[i]))
}

/// The page that a request asks for; `list` is everything that the cursor must belong to.
///
/// # Errors
/// 422 for a cursor that was not made for this list.
pub fn page<K: DeserializeOwned>(list: &impl std::fmt::Debug, limit: Option<Limit>, cursor: Option<&str>) -> Result<Page<K>, AppError> {
    let after = cursor.map(|text| decode(text, binding(list))).transpose()?;
    Ok(Page { after, limit: limit.unwrap_or_default().0 })
}

fn decode<K: DeserializeOwned>(text: &str, bound_to: u64) -> Result<K, AppError> {
    let decoded = BASE64_URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| rmp_serde::from_slice::<(u64, K)>(&bytes).ok());
    match decoded {
        Some((bound, key)) if bound == bound_to => Ok(key),
        _ => Err(AppError::invalid_field("cursor", "invalid", "is not a cursor of this list, with these filters and this order")),
    }
}

/// The headers of a page: where the next one is, and how long the list is. `uri` is the request's own.
#[must_use]
pub fn headers<K: Serialize>(uri: &Uri, list: &impl std::fmt::Debug, next: Option<&K>, total: Option<Total>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(bytes) = next.and_then(|key| rmp_serde::to_vec(&(binding(list), key)).ok()) {
        link(&mut headers, uri, "cursor", &BASE64_URL_SAFE_NO_PAD.encode(bytes));
    }
    if let Some(total) = total {
        let (count, capped) = match total {
            Total::Exact(n) => (n, false),
            Total::MoreThan(n) => (n, true),
        };
        headers.insert(HeaderName::from_static("x-total-count"), HeaderValue::from(count));
        if capped {
            headers.insert(HeaderName::from_static("x-total-count-capped"), HeaderValue::from_static("true"));
        }
    }
    headers
}

/// Adds the address of the next page: the request's own, with the parameter `name` replaced.
pub fn link(headers: &mut HeaderMap, uri: &Uri, name: &str, value: &str) {
    let kept = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).filter(|(key, _)| key != name);
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).append_pair(name, value).finish();
    if let Ok(value) = HeaderValue::try_from(format!("<{}?{query}>; rel=\"next\"", uri.path())) {
        headers.insert(LINK, value);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cursor_leads_on_only_in_the_list_that_it_was_made_for() {
        let uri: Uri = "/api/v1/tickets?status=open&cursor=old&limit=2".parse().unwrap();
        let headers = headers(&uri, &"open", Some(&(7_i64, 3_i64)), Some(Total::MoreThan(1_000)));
        let link = headers[LINK].to_str().unwrap();
        let cursor = cursor_of(&headers);
        let cursor = cursor.as_str();
        assert!(link.starts_with("</api/v1/tickets?status=open&limit=2&cursor="), "{link}");
        assert_eq!(page::<(i64, i64)>(&"open", None, Some(cursor)).unwrap(), Page { after: Some((7, 3)), limit: 50 });
        for (list, bad) in [("closed", cursor), ("open", "x"), ("open", ""), ("open", &cursor[1..])] {
            assert_eq!(page::<(i64, i64)>(&list, None, Some(bad)).unwrap_err().status(), 422);
        }
        assert_eq!(headers["x-total-count"], "1000");
        assert_eq!(headers["x-total-count-capped"], "true");
    }

    /// The cursor in the header of the next page.
    fn cursor_of(headers: &HeaderMap) -> String {
        let link = headers[LINK].to_str().unwrap();
        link.split("cursor=").nth(1).unwrap().split('>').next().unwrap().to_owned()
    }

    proptest! {
        #[test]
        fn no_text_is_a_cursor_but_one_that_was_given_out(text in any::<String>(), bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let packed = BASE64_URL_SAFE_NO_PAD.encode(&bytes);
            for bad in [text, packed] {
                let refused = page::<(i64, i64)>(&"open", None, Some(&bad)).unwrap_err();
                prop_assert_eq!(refused.problem().errors[0].field.as_str(), "cursor");
            }
        }

        #[test]
        fn a_cursor_says_what_it_was_given_and_nothing_when_changed(
            key in any::<(i64, i64)>(), at in any::<prop::sample::Index>(), flip in 1..=255_u8,
        ) {
            let uri = Uri::from_static("/api/v1/tickets");
            let cursor = cursor_of(&headers(&uri, &"open", Some(&key), None));
            prop_assert_eq!(page::<(i64, i64)>(&"open", None, Some(&cursor)).unwrap().after, Some(key));
            // After two bytes of form, eight bind it to its list.
            let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).unwrap();
            let place = 2 + at.index(8);
            bytes[place] ^= flip;
            prop_assert!(page::<(i64, i64)>(&"open", None, Some(&BASE64_URL_SAFE_NO_PAD.encode(bytes))).is_err());
        }
    }
}
