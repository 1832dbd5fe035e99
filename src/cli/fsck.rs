//! `fsck`: checks a storage that no server holds.

use std::fmt::Write;

use clap::Args;

use super::{Context, Exit, Failure, block_on, desk};
use crate::{
    config::StorageUrl,
    store::{postgres, sled::Options, sled::fsck},
};

#[derive(Debug, Args)]
pub(super) struct Fsck {
    /// Make indexes, counters and projections anew from the rows.
    #[arg(long)]
    rebuild: bool,
}

impl Fsck {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let loaded = context.load_for_verb()?;
        let report = match desk::existing(&loaded.config)? {
            StorageUrl::Sled(dir) => {
                let options = Options { dir, cache_mib: loaded.config.storage.cache_mib };
                fsck(&options, self.rebuild).map_err(|error| desk::shut(&error, None))?
            }
            StorageUrl::Postgres(url) => {
                let checked = block_on(postgres::fsck::fsck(&url, self.rebuild))?;
                checked.map_err(|error| Failure::new(Exit::Storage, error.to_string()))?
            }
        };
        context.out.data(&report, || {
            let mut text = format!(
                "{} tickets, {} comments, {} accounts, {} log entries\n",
                report.tickets, report.comments, report.users, report.entries
            );
            for problem in &report.problems {
                let _ = writeln!(text, "problem: {problem}");
            }
            text.push_str(match (report.problems.is_empty(), report.rebuilt) {
                (true, false) => "The storage is sound.",
                (true, true) => "The storage was sound; indexes, counters and projections were made anew.",
                (false, false) => "The storage is not sound; `taquilla fsck --rebuild` mends what can be derived from the rows.",
                (false, true) => "Indexes, counters and projections were made anew; check again to see whether that mended all.",
            });
            text
        })?;
        Ok(if report.problems.is_empty() { Exit::Ok } else { Exit::Failure })
    }
}
