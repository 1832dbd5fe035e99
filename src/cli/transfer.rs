//! `transfer`: moves a desk from one storage to another.

use std::{fmt::Write, sync::Arc};

use clap::Args;
use serde_json::json;

use super::{Context, Exit, Failure, block_on, desk, progress::Bar};
use crate::{
    config::{Config, StorageUrl, storage_url, without_password},
    store::{
        self, Store, Sum,
        aside::{Aside, recover, set_aside, unclaim, unused},
        transfer::{Filling, TransferError, transfer},
    },
    types::Timestamp,
};

#[derive(Debug, Args)]
#[command(
    after_help = "Stop the desk first. A transfer that was broken off goes on where it was when it is started again; the source is never changed. \
                  Then set storage.url to the new place and start the desk: people, passwords, sessions and tokens are the same."
)]
pub(super) struct Transfer {
    /// Where the desk is, such as sled:./data.
    #[arg(long, value_name = "URL")]
    from: String,
    /// Where it shall be, such as `postgres://USER:PASSWORD@HOST/DATABASE`.
    #[arg(long, value_name = "URL")]
    to: String,
    /// Keep aside what is in the target, instead of refusing it.
    #[arg(long)]
    force: bool,
}

impl Transfer {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let config = context.load_for_verb()?.config;
        let (from, to) = (understood("--from", &self.from)?, understood("--to", &self.to)?);
        if same(&from, &to) {
            return Err(Failure::new(Exit::Usage, "--from and --to are the same"));
        }
        if let StorageUrl::Sled(dir) = &from
            && !dir.is_dir()
        {
            return Err(Failure::new(Exit::Storage, format!("--from: there is no storage in {}", dir.display())));
        }
        let bar = Bar::new(context, "records");
        let (sums, aside) = block_on(async {
            // Looked at first, since each that is opened has connections of its own.
            for url in [&from, &to] {
                unused(url).await.map_err(|error| desk::unopened(&error, None))?;
            }
            self.moved(&config, &from, &to, &bar).await
        })??;
        bar.finish();
        for kept in aside {
            context.out.say(&format!("What was in the target is kept aside in {kept}."));
        }
        context.out.data(&json!({ "collections": sums }), || {
            let mut text = table(&sums);
            let _ =
                write!(text, "Both storages hold the same. Next: set storage.url to {} and start the desk.", without_password(&self.to));
            text
        })?;
        Ok(Exit::Ok)
    }

    async fn moved(&self, config: &Config, from: &StorageUrl, to: &StorageUrl, bar: &Bar) -> Result<(Vec<Sum>, Vec<Aside>), Failure> {
        let now = Timestamp::now_by_the_clock();
        let unopened = |error: anyhow::Error| desk::unopened(&error, None);
        let mut aside: Vec<Aside> = recover(to, now).await.map_err(unopened)?.into_iter().collect();
        let mut target = open(config, to).await?;
        let mut begun = Filling::begin(target.as_ref()).await.map(drop);
        if self.force && matches!(begun, Err(TransferError::NotEmpty)) {
            closed(target.as_ref()).await?;
            drop(target);
            aside.extend(set_aside(to, now).await.map_err(unopened)?);
            target = open(config, to).await?;
            begun = Filling::begin(target.as_ref()).await.map(drop);
        }
        let moved = match begun {
            Ok(()) => fill(config, from, to, target.as_ref(), bar).await,
            Err(error) => Err(failed(&error)),
        };
        closed(target.as_ref()).await?;
        Ok((moved?, aside))
    }
}

/// Fills a target that has its mark.
async fn fill(config: &Config, from: &StorageUrl, to: &StorageUrl, target: &dyn Store, bar: &Bar) -> Result<Vec<Sum>, Failure> {
    unclaim(to).await.map_err(|error| desk::unopened(&error, None))?;
    let source = open(config, from).await?;
    let moved = transfer(source.as_ref(), target, &|step| bar.step(step)).await;
    closed(source.as_ref()).await?;
    moved.map_err(|error| failed(&error))
}

fn failed(error: &TransferError) -> Failure {
    let exit = if matches!(error, TransferError::NotEmpty) { Exit::Failure } else { Exit::Storage };
    Failure::new(exit, error.to_string())
}

fn understood(flag: &str, url: &str) -> Result<StorageUrl, Failure> {
    storage_url(url).map_err(|error| Failure::new(Exit::Usage, format!("{flag} {error}")))
}

/// Whether two addresses are of one storage, as far as that can be told from them.
fn same(from: &StorageUrl, to: &StorageUrl) -> bool {
    match (from, to) {
        (StorageUrl::Sled(from), StorageUrl::Sled(to)) => {
            from == to || matches!((from.canonicalize(), to.canonicalize()), (Ok(from), Ok(to)) if from == to)
        }
        (from, to) => from == to,
    }
}

async fn open(config: &Config, url: &StorageUrl) -> Result<Arc<dyn Store>, Failure> {
    store::open_at(config, url.clone()).await.map_err(|error| desk::unopened(&error, None))
}

async fn closed(store: &dyn Store) -> Result<(), Failure> {
    store.close().await.map_err(|error| Failure::new(Exit::Storage, error.to_string()))
}

/// Counts and hashes, one line for each collection.
pub(super) fn table(sums: &[Sum]) -> String {
    sums.iter().fold(String::new(), |mut text, sum| {
        let _ = writeln!(text, "{:<15} {:>10}  {}", sum.name, sum.rows, sum.sha256);
        text
    })
}
