//! When the projections are written to their file.

use crate::types::Seq;

/// The projections are checkpointed after so many entries at the least,
const ENTRIES_PER_CHECKPOINT: Seq = 100_000;
/// and when the log has grown by this part: a checkpoint is written whole, so that a fixed distance would make a growing
/// desk write its square. A checkpoint has about 17 bytes for each entry of the log, so they write as much as the entries
/// themselves; and a start after a crash has at most 125,000 of 8 million to follow, and reads 100,000 a second from the journal.
const PART_PER_CHECKPOINT: Seq = 64;
/// They are also checkpointed when their journal has so many bytes, which long texts soon give it,
const JOURNAL_PER_CHECKPOINT: u64 = 32 * 1024 * 1024;
/// and this part of their file.
const PART_OF_FILE: u64 = 4;
/// Of a desk that rests it is due after this part of the entries: nobody waits for it, and most crashes find a desk at rest.
const PART_AT_REST: Seq = 8;

/// How many entries after the checkpoint at `seq` the next one is due, of a desk that is at work or rests. What has never been
/// saved, or had to be made anew from the rows, is due at once: only what follows a checkpoint has a journal.
pub(super) fn checkpoint_distance(seq: Seq, rests: bool) -> Seq {
    if seq == 0 {
        return 1;
    }
    let distance = ENTRIES_PER_CHECKPOINT.max(seq / PART_PER_CHECKPOINT);
    if rests { distance / PART_AT_REST } else { distance }
}

/// Bytes that the journal may come to have which follows a file of so many.
pub(super) fn longest_journal(file: u64) -> u64 {
    JOURNAL_PER_CHECKPOINT.max(file / PART_OF_FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_of_a_growing_desk_write_in_proportion_to_it_and_not_its_square() {
        let (mut seq, mut written) = (0, 0);
        for most in [10_000_000, 100_000_000] {
            while seq < most {
                seq += checkpoint_distance(seq, false);
                written += seq;
            }
            assert!(written < 68 * seq, "{written} of {seq}");
        }
        assert_eq!([0, 1, 8_000_000].map(|seq| checkpoint_distance(seq, false)), [1, 100_000, 125_000]);
        assert_eq!([0, 1, 8_000_000].map(|seq| checkpoint_distance(seq, true)), [1, 12_500, 15_625], "at rest");
        assert_eq!([0, 40, 400].map(|mib| longest_journal(mib << 20) >> 20), [32, 32, 100], "by long texts");
    }
}
