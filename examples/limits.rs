//! What the machine gives without the desk, as the measure for the desk's own figures: `./dev bench`.
//!
//! `limits http` serves a constant answer by a bare axum handler and prints its address, until its input is closed.
//! `limits sled FOLDER SECONDS` writes to an empty folder what a new ticket writes, key by key and byte by byte, by one
//! committer that groups what 64 writers hand it, and prints what that is and commits a second.
//! `limits create URL SECONDS` opens tickets in an empty storage by the desk's own use case, without HTTP, and prints
//! tickets a second.
//! `limits hash SECONDS` hashes a password again and again, one after another, and prints the milliseconds of one.
#![expect(clippy::print_stdout, reason = "its figures are what it is for")]

use std::{
    collections::BTreeMap,
    io::Read,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, Sender, channel, sync_channel},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use serde_json::json;
use taquilla::{
    app::{App, AppState, Clock},
    auth::{
        model::{Actor, Via},
        password::Hasher,
    },
    config::{Config, Storage},
    input::FieldValue,
    reply::Once,
    store::sled::SEGMENT,
    tickets::{inputs::NewTicket, ops},
    types::{Secret, UserId},
};

/// As in the desk.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Clients at a time.
const WRITERS: usize = 64;

/// At most so many commits share a sync, as in the desk.
const MOST: usize = 256;

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let seconds = |text: &str| text.parse().map(Duration::from_secs).context("SECONDS must be a whole number");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["http"] => runtime.block_on(http()),
        ["sled", folder, time] => sled_alone(&runtime, folder, seconds(time)?),
        ["create", url, time] => runtime.block_on(create(url, seconds(time)?)),
        ["hash", time] => runtime.block_on(hash(seconds(time)?)),
        _ => bail!("usage: limits http | sled FOLDER SECONDS | create URL SECONDS | hash SECONDS"),
    }
}

/// The bare handler.
async fn http() -> anyhow::Result<()> {
    let answer = || async { axum::Json(json!({ "status": "healthy" })) };
    let router = axum::Router::new().route("/health", axum::routing::get(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    let closed = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    tokio::select! {
        served = axum::serve(listener, router) => served?,
        _ = closed => {}
    }
    Ok(())
}

/// A desk on an empty storage, and its admin.
async fn desk(url: &str) -> anyhow::Result<(AppState, Actor)> {
    let mut config = Config::default();
    config.storage.url = url.to_owned();
    config.bootstrap.admin_email = Some("admin@example.com".into());
    config.bootstrap.admin_password = Some(Secret::new("an opening pass phrase"));
    let app = App::build(config, Clock::System).await?;
    let admin = app.store.user(UserId(1)).await?.context("the storage is empty, so its first account is the admin's")?;
    let actor = Actor::person(&admin, Via::Session, None);
    Ok((app, actor))
}

/// The ticket of the load runs.
fn ticket() -> anyhow::Result<NewTicket> {
    let text = "Since this morning the printer does not work with the network. It stops after some minutes, and then nobody on \
                the floor can go on. Reported as 00000001.";
    let new = json!({ "title": "printer vpn fails on floor 12", "description": text, "priority": "high", "tags": ["printer"] });
    NewTicket::from_json(new).map_err(|faults| anyhow::anyhow!("{faults:?}"))
}

async fn open(app: &AppState, actor: &Actor, new: &NewTicket) -> anyhow::Result<()> {
    ops::create(app, actor, new, Once::NONE).await.map(drop).map_err(|error| anyhow::anyhow!("{error}"))
}

/// Opens tickets for so long.
async fn create(url: &str, time: Duration) -> anyhow::Result<()> {
    let (app, actor) = desk(url).await?;
    let new = Arc::new(ticket()?);
    let begun = Instant::now();
    let clients: Vec<_> = (0..WRITERS)
        .map(|_| {
            let (app, actor, new) = (app.clone(), actor.clone(), new.clone());
            tokio::spawn(async move {
                let mut done = 0_u64;
                while begun.elapsed() < time {
                    open(&app, &actor, &new).await?;
                    done += 1;
                }
                anyhow::Ok(done)
            })
        })
        .collect();
    let mut done = 0;
    for client in clients {
        done += client.await??;
    }
    report(done, begun.elapsed());
    app.store.close().await?;
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn report(done: u64, took: Duration) {
    println!("{:.0}", done as f64 / took.as_secs_f64());
}

/// Hashes a password for so long.
async fn hash(time: Duration) -> anyhow::Result<()> {
    let hasher = Hasher::new(&Config::default().auth)?;
    let begun = Instant::now();
    let mut done = 0_u32;
    while begun.elapsed() < time {
        hasher.hash("an opening pass phrase").await.map_err(|error| anyhow::anyhow!("{error}"))?;
        done += 1;
    }
    println!("{:.2}", begun.elapsed().as_secs_f64() * 1e3 / f64::from(done));
    Ok(())
}

/// Keys and values.
type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// What one commit writes, and whom to tell when it is durable.
type Commit = (Written, Sender<()>);

/// What a new ticket writes.
#[derive(Clone)]
struct Written {
    /// Rows at keys of their own.
    rows: Rows,
    /// What it adds to keys that it shares with the tickets around it: its entry of the log, and where that is.
    shared: [Vec<u8>; 2],
}

/// Keys that neighbouring tickets share.
#[derive(Clone, Copy)]
struct Shared {
    letter: u8,
    /// How many numbers follow it.
    numbers: usize,
    /// How many tickets share one.
    tickets: usize,
}

/// Those of the desk.
const SHARED: [Shared; 2] = [Shared { letter: b'l', numbers: 1, tickets: 16 }, Shared { letter: b'o', numbers: 2, tickets: 8 }];

fn sled_alone(runtime: &tokio::runtime::Runtime, folder: &str, time: Duration) -> anyhow::Result<()> {
    let shape = runtime.block_on(shape())?;
    let bytes: usize = shape.rows.iter().map(|(key, value)| key.len() + value.len()).sum();
    let shared: usize = shape.shared.iter().map(Vec::len).sum();
    println!("{} key and a log entry, {} bytes", shape.rows.len(), bytes + shared);
    let db = raw(folder)?;
    let (commits, queue) = sync_channel::<Commit>(1024);
    let number = AtomicU64::new(1);
    let begun = Instant::now();
    let done = std::thread::scope(|scope| {
        // It owns the queue, so that the writers end when it fails.
        let db = &db;
        let committer = scope.spawn(move || commit(db, &queue));
        let writers: Vec<_> = (0..WRITERS)
            .map(|_| {
                let (commits, number, shape) = (commits.clone(), &number, &shape);
                scope.spawn(move || {
                    let (tell, told) = channel();
                    let mut done = 0_u64;
                    while begun.elapsed() < time {
                        let rows = moved(shape, number.fetch_add(1, Ordering::Relaxed));
                        if commits.send((rows, tell.clone())).is_err() || told.recv().is_err() {
                            break;
                        }
                        done += 1;
                    }
                    done
                })
            })
            .collect();
        drop(commits);
        let done = writers.into_iter().map(|writer| writer.join().unwrap_or(0)).sum();
        committer.join().map_err(|_| anyhow::anyhow!("the committer panicked"))??;
        anyhow::Ok(done)
    })?;
    report(done, begun.elapsed());
    Ok(())
}

fn raw(folder: &str) -> sled::Result<sled::Db> {
    let cache = Config::default().storage.cache_mib;
    sled::Config::new().path(folder).segment_size(SEGMENT).cache_capacity(cache << 20).flush_every_ms(None).open()
}

/// Writes what is waiting in one batch with one sync, then tells everybody. With the library linked, a flush of sled
/// syncs the file, as in the desk.
fn commit(db: &sled::Db, queue: &Receiver<Commit>) -> sled::Result<()> {
    let (mut blocks, mut tickets) = ([Vec::new(), Vec::new()], 0_usize);
    let key =
        |kind: Shared, ticket: usize| [&[kind.letter][..], &((ticket / kind.tickets) as u64).to_be_bytes().repeat(kind.numbers)].concat();
    for first in queue {
        let (mut batch, mut waiting) = (sled::Batch::default(), Vec::new());
        for (written, tell) in std::iter::once(first).chain(queue.try_iter().take(MOST - 1)) {
            for (key, value) in written.rows {
                batch.insert(key, value);
            }
            for ((kind, block), added) in SHARED.into_iter().zip(&mut blocks).zip(written.shared) {
                block.extend(added);
                if (tickets + 1).is_multiple_of(kind.tickets) {
                    batch.insert(key(kind, tickets), std::mem::take(block));
                }
            }
            tickets += 1;
            waiting.push(tell);
        }
        for (kind, block) in SHARED.into_iter().zip(&blocks).filter(|(_, block)| !block.is_empty()) {
            batch.insert(key(kind, tickets), block.clone());
        }
        db.apply_batch(batch)?;
        db.flush()?;
        for tell in waiting {
            // Whoever has stopped waiting does not want to know.
            let _ = tell.send(());
        }
    }
    Ok(())
}

/// What the desk writes for a ticket.
async fn shape() -> anyhow::Result<Written> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("data");
    let url = format!("sled:{}", path.display());
    let (app, actor) = desk(&url).await?;
    open(&app, &actor, &ticket()?).await?;
    app.store.close().await?;
    drop(app);
    let rows = path.join("store");
    let before = pairs(&rows)?;
    let config = Config { storage: Storage { url, ..Storage::default() }, ..Config::default() };
    let app = App::build(config, Clock::System).await?;
    open(&app, &actor, &ticket()?).await?;
    app.store.close().await?;
    drop(app);
    let after = pairs(&rows)?;
    // It stands behind what was there.
    let added = SHARED.map(|Shared { letter, .. }| {
        after
            .iter()
            .find_map(|(key, block)| block.strip_prefix(before.get(key)?.as_slice()).filter(|new| key[0] == letter && !new.is_empty()))
    });
    let [Some(entry), Some(place)] = added else { bail!("a new ticket has logged nothing") };
    let shared = [entry.to_vec(), place.to_vec()];
    let new: Rows = after.into_iter().filter(|(key, _)| !before.contains_key(key)).collect();
    if new.is_empty() {
        bail!("a new ticket has written nothing");
    }
    Ok(Written { rows: new, shared })
}

fn pairs(folder: &std::path::Path) -> anyhow::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let db = raw(&folder.to_string_lossy())?;
    let all = db.iter().map(|pair| pair.map(|(key, value)| (key.to_vec(), value.to_vec())));
    Ok(all.collect::<Result<_, _>>()?)
}

/// The same for the ticket that comes so many tickets later: a key is a letter and numbers of eight bytes.
fn moved(shape: &Written, by: u64) -> Written {
    let key = |key: &[u8]| {
        let (letter, numbers) = key.split_at(1);
        let moved = numbers.chunks(8).flat_map(|number| match <[u8; 8]>::try_from(number) {
            Ok(number) => (u64::from_be_bytes(number) + by).to_be_bytes().to_vec(),
            Err(_) => number.to_vec(),
        });
        [letter.to_vec(), moved.collect()].concat()
    };
    Written { rows: shape.rows.iter().map(|(name, value)| (key(name), value.clone())).collect(), ..shape.clone() }
}
