// Package journal keeps the durable, append-only record of one run. It is the
// only source of the report, and of what a session needs in order to resume.
//
// A journal is a folder of segments, 00000001.seg, 00000002.seg, … A segment is a
// header of 16 bytes and then records, one after the other (integers little endian):
//
//	header   magic "BHJL" | version u32 = 1 | start u64
//	record   length u32 | CRC-32C of length and payload u32 | payload
//
// start is how many bytes of the journal lie in the segments before this one, so a
// segment that is missing, swapped, cut or grown does not go unseen. A payload is
// one encoded bulkheadv1.Record of 1 byte to 16 MiB. With SyncBatch its last field, write_begin,
// says where the write began that the record came with.
//
// Behind the last record of the last segment there may be zeros, and nothing else: that is a
// clean end. The writer has them written, and synced, ahead of itself (see runway), because
// overwriting is half as long on its way to the disk as growing a file. They are cut off when the
// journal is closed, and when one whose writer was killed is opened again.
//
// Invariants:
//
//   - One goroutine, the writer, owns the segment being written. Append returns nil
//     only after the fsync that covers its records; one fsync serves all who wait.
//   - A segment is synced whole before the next one is created, so only the last
//     segment can have a torn tail.
//   - One writer per folder, held by flock(2) on the file "lock" in it. Readers take
//     no lock: on a journal that is being written they see a prefix of it, whose end
//     may look torn.
//   - After a write or sync error the journal is failed for good. The segment is cut
//     back to its last acknowledged byte as well as that can be done, because what a
//     failed fsync leaves in memory says nothing about what is on the disk.
//
// Damage is one of two things, and never passes for a record:
//
//   - A torn tail: in the last segment, an incomplete record, one with a wrong
//     checksum, or garbage, with no valid record after it. Replay stops there and
//     says so; Open moves it aside. An incomplete record, which ends with the segment or, where
//     it was written over zeros, in zeros from the border of a sector on, is what a crash of the
//     writer leaves, and was never acknowledged. Of the others nobody can tell: a crash of the
//     machine leaves them of what was not acknowledged, when blocks were written out of
//     order, and a flipped bit of what was (Torn.Damaged).
//   - Corruption: anything else. Replay stops with a CorruptError, Open refuses.
//
// A crash of the machine can keep a later part of a write and lose an earlier one: the write of
// several records, a group, was not acknowledged, but valid records lie behind a breakage. That
// is a torn tail, from the breakage on, and not corruption, if all of this holds:
//
//   - It is in the last segment.
//   - Every valid record behind the breakage, wherever it begins, says in write_begin where its
//     write began, and all say the same: at the breakage or before it. So they came with what is
//     broken. The writer syncs a write before it begins the next, so no later write was
//     acknowledged, and this one only if the disk has lost what it had synced.
//   - What is broken between them are lost sectors: from border to border 512 zeros; fewer in the
//     first sector of the write, which it begins in the middle of. Each broken record must have
//     lost one, as far as lengths that are still there tell where records begin.
//
// It is Damaged, and may have been acknowledged, if it holds something broken that is not
// explained, at its very end, or by fewer than 16 zeros. A flipped bit before the last record is
// never explained: it stays corruption. What cannot be told from a crash of the machine is a disk
// that made zeros of sectors of the last write after it had synced them, and damage in a record of
// that write that has a sector of zeros as its content: these are said to be torn. Clients prove
// them (LostAcknowledged). Where the field is missing, as in records of earlier versions and of
// SyncNone, which acknowledges before it syncs, such a breakage is corruption.
//
// Two files beside the segments, checkpoint and checkpoint.old, are no part of the journal: they
// are derived from it, by package recovery, and name the record that they are behind (Mark).
//
// What it does not do: it gives no meaning to records (Check alone knows their
// order), does not compress, encrypt or delete, and does not see that whole records
// are missing at the very end.
package journal
