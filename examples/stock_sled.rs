//! The control of the power-cut rig: sled as it comes, without this package's library and so without its
//! `sync_file_range`. It acknowledges what sled calls flushed; on a power cut some of that must be lost, else the rig
//! would find nothing.
//!
//! `stock_sled load FOLDER` writes batches for ever and prints the number of each one after its flush.
//! `stock_sled check FOLDER N` opens the folder again, prints how many of the batches 0..=N are not whole, and fails
//! when there are any.

use std::{error::Error, io::Write, process::ExitCode};

/// Keys in a batch, as many as a ticket takes.
const KEYS: u64 = 5;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["load", folder] => load(folder),
        ["check", folder, last] => check(folder, last.parse()?),
        _ => Err("usage: stock_sled load FOLDER | check FOLDER N".into()),
    }
}

fn open(folder: &str) -> sled::Result<sled::Db> {
    sled::Config::new().path(folder).cache_capacity(64 << 20).flush_every_ms(None).open()
}

fn key(batch: u64, part: u64) -> [u8; 16] {
    let mut key = [0; 16];
    // Spread over the tree, as updates of many tickets are.
    key[..8].copy_from_slice(&batch.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
    key[8..].copy_from_slice(&part.to_be_bytes());
    key
}

fn value(batch: u64) -> Vec<u8> {
    batch.to_be_bytes().repeat(50)
}

fn load(folder: &str) -> Result<ExitCode, Box<dyn Error>> {
    let db = open(folder)?;
    let mut out = std::io::stdout();
    for number in 0.. {
        let mut batch = sled::Batch::default();
        for part in 0..KEYS {
            batch.insert(&key(number, part), value(number));
        }
        db.apply_batch(batch)?;
        db.flush()?;
        writeln!(out, "{number}")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn check(folder: &str, last: u64) -> Result<ExitCode, Box<dyn Error>> {
    let db = open(folder)?;
    let mut missing = 0_u64;
    for number in 0..=last {
        for part in 0..KEYS {
            if db.get(key(number, part))?.as_deref() != Some(&value(number)[..]) {
                missing += 1;
                break;
            }
        }
    }
    writeln!(std::io::stdout(), "{missing} of {} batches missing", last + 1)?;
    Ok(if missing == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
