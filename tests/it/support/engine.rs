//! The storage engine of an embedded store itself, for tests that look at or change what stands in it.

use std::path::Path;

use taquilla::store::sled::SEGMENT;

/// Opens the engine in the data folder of a desk that does not run; the threads of one that was just closed in this process let go of its
/// lock late.
pub fn open_engine(data: &Path) -> sled::Db {
    let config = sled::Config::new().path(data.join("store")).segment_size(SEGMENT).flush_every_ms(None);
    loop {
        match config.open() {
            Err(sled::Error::Io(error)) if error.to_string().contains("could not acquire lock") => std::thread::yield_now(),
            opened => return opened.unwrap(),
        }
    }
}
