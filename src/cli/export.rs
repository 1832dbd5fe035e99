//! `export`: the desk as JSON Lines, for other programs and for other desks.

use std::path::PathBuf;

use clap::Args;

use super::{
    Context, Exit, Failure,
    backup::{free, told, unmade},
    block_on, desk,
    progress::Bar,
};
use crate::{
    backup::{
        create::{self, Wanted},
        folder,
    },
    store::{self, transfer::Step},
    types::Timestamp,
};

#[derive(Debug, Args)]
#[command(
    after_help = "FILE is one file of JSON Lines in gzip (any name), FOLDER/ (with a slash at its end, or a folder that exists) one file for each collection. \
                  Both have a manifest with SHA-256 checksums, and `taquilla import` takes both."
)]
pub(super) struct Export {
    /// The file or folder.
    #[arg(value_name = "FILE|FOLDER/")]
    to: PathBuf,
    /// With the hashes of passwords, sessions, API tokens, remembered answers and the signing key.
    #[arg(long)]
    with_credentials: bool,
}

impl Export {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let mut config = context.load_for_verb()?.config;
        let url = desk::existing(&config)?;
        // A desk of an older version may be at work on it.
        config.storage.auto_migrate = false;
        let into_folder = self.to.is_dir() || self.to.as_os_str().as_encoded_bytes().ends_with(b"/");
        if into_folder {
            let occupied = std::fs::read_dir(&self.to).is_ok_and(|mut entries| entries.next().is_some());
            if occupied {
                return Err(Failure::new(Exit::Failure, format!("{} is not empty", self.to.display())));
            }
        } else {
            free(&self.to)?;
        }
        let bar = Bar::new(context, "records");
        let made = block_on(async {
            let store = store::open(&config).await.map_err(|error| desk::unopened(&error, None))?;
            let wanted = Wanted { now: Timestamp::now_by_the_clock(), store: url.name(), credentials: self.with_credentials };
            let heard = |step: Step| {
                bar.step(step);
                true
            };
            let made = if into_folder {
                folder::to_folder(store.as_ref(), wanted, &self.to, &heard).await
            } else {
                create::to_file(store.as_ref(), wanted, &self.to, &heard).await
            };
            store.close().await.map_err(|error| Failure::new(Exit::Storage, error.to_string()))?;
            made.map_err(unmade)
        })??;
        bar.finish();
        told(context, &self.to, &made, "was written")?;
        Ok(Exit::Ok)
    }
}
