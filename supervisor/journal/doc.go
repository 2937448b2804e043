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
// one encoded bulkheadv1.Record of 1 byte to MaxRecordBytes.
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
//     checksum, zeros, or garbage, with no valid record after it. Replay stops there and
//     says so; Open moves it aside. An incomplete record is what a crash of the writer
//     leaves, and was never acknowledged. Of the others nobody can tell: a crash of the
//     machine leaves them of what was not acknowledged, when blocks were written out of
//     order, and a flipped bit of what was (Torn.Damaged).
//   - Corruption: anything else. Replay stops with a CorruptError, Open refuses. A
//     crash of the machine can look like this when its storage kept a later part of an
//     unacknowledged write and lost an earlier one; refusing is chosen over guessing.
//
// What it does not do: it gives no meaning to records (Check alone knows their
// order), does not compress, encrypt or delete, and does not see that whole records
// are missing at the very end.
package journal
