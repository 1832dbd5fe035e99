//! `audit verify`: walks the chain over the log.

use std::str::FromStr;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Context, Exit, Failure, block_on, desk};
use crate::{
    activity::audit,
    store,
    types::{Seq, hex},
};

#[derive(Debug, Subcommand)]
pub(super) enum AuditVerb {
    /// Check that the activity log is what was written: every entry against its link in the chain.
    Verify(Verify),
}

impl AuditVerb {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self {
            Self::Verify(verb) => verb.run(context),
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// A head known from before, which must be in the chain; from an earlier check or from the metric `taquilla_audit_head`.
    #[arg(long, value_name = "SEQ:HASH")]
    head: Option<Known>,
}

/// A link that is known from before: its entry, and the beginning of its hash.
#[derive(Debug, Clone)]
struct Known(Seq, Vec<u8>);

impl FromStr for Known {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fault = "must be the number of an entry, a colon, and at least 16 hexadecimal digits";
        let (seq, hash) = text.split_once(':').ok_or(fault)?;
        let seq = seq.parse().ok().filter(|seq| *seq > 0).ok_or(fault)?;
        let (pairs, rest) = hash.as_bytes().as_chunks::<2>();
        let byte = |pair: &[u8; 2]| {
            let digits = std::str::from_utf8(pair).ok().filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
            u8::from_str_radix(digits, 16).ok()
        };
        let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
        match bytes {
            Some(bytes) if rest.is_empty() && (8..=32).contains(&bytes.len()) => Ok(Self(seq, bytes)),
            _ => Err(fault),
        }
    }
}

impl Verify {
    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let config = context.load_for_verb()?.config;
        let url = desk::existing(&config)?;
        let known = self.head.as_ref().map(|Known(seq, hash)| (*seq, hash.as_slice()));
        let walk = block_on(async {
            let store = store::open_at(&config, url).await.map_err(|error| desk::unopened(&error, None))?;
            let walk = audit::verify(store.as_ref(), known).await;
            let closed = store.close().await;
            let storage = |error: store::StoreError| Failure::new(Exit::Storage, error.to_string());
            let walk = walk.map_err(storage)?;
            closed.map_err(storage).map(|()| walk)
        })??;
        let head = walk.head;
        let data = json!({ "entries": head.seq, "head": hex(&head.hash), "waiting": walk.waiting, "broken": walk.broken });
        context.out.data(&data, || match &walk.broken {
            None => {
                let waiting = if walk.waiting == 0 {
                    String::new()
                } else {
                    format!(" {} more are not chained yet: a running desk does that by itself.", walk.waiting)
                };
                format!("{} log entries are what was chained.{waiting}\nhead: {head}", head.seq)
            }
            Some(broken) => format!("The log is not what was chained. The first break is at {broken}.\nlast sound link: {head}"),
        })?;
        Ok(if walk.broken.is_none() { Exit::Ok } else { Exit::Failure })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_head_is_a_place_and_a_hash() {
        let hash = "0123456789abcDEF";
        assert!(matches!(format!("7:{hash}").parse(), Ok(Known(7, bytes)) if bytes == [1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef]));
        for bad in [
            "",
            "7",
            "7:",
            hash,
            "0:0123456789abcdef",
            "x:0123456789abcdef",
            "7:0123456789abcde",
            "7:0123456789abcdefg",
            "7:+123456789abcdef",
        ] {
            assert!(bad.parse::<Known>().is_err(), "{bad}");
        }
        assert!(format!("7:{}", "00".repeat(33)).parse::<Known>().is_err());
    }
}
