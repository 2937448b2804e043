// Package consumer is the worker process that writes: file after file, in chunks, as
// its ConsumerSpec says, and an account of what it did.
//
// A Consumer serves the WorkerService of its client parent and runs one job:
//
//	Run ─┬─ writers   create → write … write → sync → close, next file (concurrency of them)
//	     ├─ verifier  reads finished files back, if that is asked for, beside the writers
//	     ├─ readers   read finished files at the pace and in the order of the task, beside the writers:
//	     │            the consumer's own, or those of other clients (see package neighbour)
//	     ├─ remover   removes files that are no longer kept, beside the writers
//	     ├─ reporter  a Progress each interval, the last one after writers and remover
//	     └─ sender    (Run itself) takes messages from a bounded queue
//
// Invariants:
//
//   - A file has exactly the size drawn for it unless its Rollover says partial. Its
//     chunks cover it once, without a gap, in the order of the pattern.
//   - Every write but a file's last is of exactly one of the chunk sizes. With
//     O_DIRECT, what a file has beyond the last multiple of the file system's unit is
//     a write of its own, through the page cache.
//   - The folder never holds more than keep_files finished files, one in progress for
//     each writer, and one on its way out. With recycle nothing is on its way out. If
//     files are read back when they are finished, one more is just being read. A
//     file that could not be finished is removed before the next is begun.
//   - A reader holds a lease of the file it reads (see leases), which is neither removed nor
//     written over before it gives that back. It looks before each read whether somebody
//     wants the file, and holds none while it waits for a read to be due, but for what a timer
//     may be late by. Readers end when the end of the load has begun.
//   - Nobody waits for a reader of another client's files. What is gone, or written over, before
//     it has done with it is skipped and counted; what is wrong in a file counts only if that
//     client's list, opened anew, still has it. The consumer's own list has a file from when it
//     is closed and reported to before it is written over or removed.
//   - Nothing is opened or removed but by name in the one folder, and no symbolic link
//     is followed.
//   - Free space below reserve_bytes ends the job, with an error that says so, before
//     it is used: by all of its writers together, and by others as far as the file system
//     told when it was looked at last (see reserve).
//   - The sum of all Progress messages is the whole work, also when intervals
//     were merged; the last one follows everything else. Their intervals are the time from
//     when the writers begin, stuck or not, to when they have ended: a delay before that,
//     and reading back and removing after it, are in intervals of no length.
//   - A call into the kernel that does not return blocks neither Heartbeat nor
//     Kill nor the Progress of each interval.
//   - A slow parent does not slow the writers: when the queue is full, intervals
//     grow longer instead of more. Only a parent that leaves 4096 Rollovers
//     unread makes the writers wait.
//   - The write loop allocates nothing per chunk.
//
// With a rate, chunks are due at points in time that do not depend on storage; see
// pace. Progress.chunk_write is how long the calls took, Progress.response how long
// after it was due a chunk was written. A consumer without a rate writes the next
// chunk when the one before is written: it has no response times.
//
// What fails while writing is counted and told in Progress, the broken file is
// removed, and the next one is tried after a growing pause; or the job ends, if it is
// to end at the first failure. A folder that is gone counts as a failure and is not
// made again: it may have been a file system that was unmounted, and the load would
// go to the one below. A folder that somebody made again on the same file system is
// written to.
//
// Data are read back as the task says (see verifier), from storage where the file system
// lets us (see package verify). Blocks that are not what was written are counted in
// Progress and named in Corruptions, each once for each generation of a file.
//
// The package does not choose or create the folder, and does not watch its parent: the
// process around it calls Abandon when the parent is gone.
package consumer
