//! Texts that are kept in memory packed, by [Zstandard](https://www.rfc-editor.org/rfc/rfc8878).

use std::{cell::RefCell, io};

use bytes::Bytes;
use zstd::bulk::{Compressor, Decompressor};

/// The fastest level with a third of the size less than LZ4. The next ones take half as long again and save nothing on pages of tickets.
const LEVEL: i32 = 1;

// What packing works with takes 220 KB, and what unpacking does half of that: to get it anew each time would take longer than the work.
thread_local! {
    static PACKER: io::Result<RefCell<Compressor<'static>>> = Compressor::new(LEVEL).map(RefCell::new);
    static UNPACKER: io::Result<RefCell<Decompressor<'static>>> = Decompressor::new().map(RefCell::new);
}

/// A packed text.
#[derive(Debug)]
pub(super) struct Packed {
    bytes: Box<[u8]>,
    /// How long it is unpacked.
    length: usize,
}

impl Packed {
    /// Packs a text. `None` when Zstandard cannot, which has never been seen.
    pub(super) fn new(text: &[u8]) -> Option<Self> {
        PACKER.with(|packer| {
            let bytes = packer.as_ref().ok()?.borrow_mut().compress(text).ok()?;
            Some(Self { bytes: bytes.into(), length: text.len() })
        })
    }

    /// The text. `None` when it cannot be unpacked, which has never been seen.
    pub(super) fn text(&self) -> Option<Bytes> {
        UNPACKER.with(|unpacker| unpacker.as_ref().ok()?.borrow_mut().decompress(&self.bytes, self.length).ok().map(Bytes::from))
    }

    /// What it takes in memory beside itself, in bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_comes_out_as_it_went_in() {
        let long: Vec<u8> = (0..200_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        for text in [&b""[..], b"[]", &b"[{\"id\":1}]".repeat(5_000), &long, b"once more"] {
            let packed = Packed::new(text).unwrap();
            assert!(packed.bytes() < text.len() + text.len() / 200 + 20, "{} of {}", packed.bytes(), text.len());
            for _ in 0..2 {
                assert_eq!(packed.text().unwrap(), text);
            }
        }
        assert!(Packed::new(&b"[{\"id\":1}]".repeat(5_000)).unwrap().bytes() < 100);
    }
}
