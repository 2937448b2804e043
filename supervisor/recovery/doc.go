// Package recovery knows what the journal of a run says of the state that its supervisor was in,
// and keeps checkpoints of that, so that the next supervisor does not read the whole journal.
//
// Past is the fold over the records. A checkpoint is a Past in a file beside the segments: as
// it was behind one record, which its Mark names. A Keeper writes one whenever the journal has
// grown enough; Load takes the newest that fits and replays what follows. The two newest are kept:
//
//	journal/checkpoint       the newest
//	journal/checkpoint.old   the one before
//
// A checkpoint is (integers little endian):
//
//	magic "BHCP" | version u32 | frame of a Checkpoint | a frame of each CheckpointSession
//
// Invariants:
//
//   - A checkpoint is derived. Whoever deletes one, or damages it, costs the next start time
//     and nothing else.
//   - What Load returns from a checkpoint is what it returns without one, of a journal that is
//     whole. A checkpoint of another run, of another journal, of more than the journal has, of
//     a version that is not known or with a wrong byte is not used. The records that it spares are read
//     later, by the Keeper, which tells of damage in them.
//   - No checkpoint is ahead of what is acknowledged, nor of what is durable, where that is less
//     (journal.SyncNone): the journal is synced before it is written. Of the disk's space it takes
//     a sixteenth of what is free at most: it gives way to the journal.
//   - The version of the format is raised whenever the fold changes its mind about a record, not
//     only when the form changes.
//
// The report knows nothing of checkpoints: it is made of the whole journal.
package recovery
