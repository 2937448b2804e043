// Package consumer is the worker process that writes: file after file of
// random-looking data in chunks of one size, and an account of what it did.
//
// A Consumer serves the WorkerService of its client parent and runs one job:
//
//	Run ─┬─ writer    create → write … write → sync → close → trim, next file
//	     ├─ reporter  a Progress each interval, the last one after the writer
//	     └─ sender    (Run itself) takes messages from a bounded queue
//
// Invariants:
//
//   - A file has exactly the configured size unless its Rollover says partial.
//     Every write but a file's last is of exactly the chunk size.
//   - The folder never holds more than keep_files finished files and one in
//     progress. A file that could not be finished is removed before the next
//     is begun.
//   - No 512-byte sector is written twice, and no storage that looks for
//     repeats within 2 MiB finds any (see pool).
//   - The sum of all Progress messages is the whole work, also when intervals
//     were merged; the last one follows everything else.
//   - A call into the kernel that does not return blocks neither Heartbeat nor
//     Kill nor the Progress of each interval.
//   - A slow parent does not slow the writer: when the queue is full, intervals
//     grow longer instead of more. Only a parent that leaves 4096 Rollovers
//     unread makes the writer wait.
//   - The write loop allocates nothing per chunk.
//
// What fails while writing is counted and told in Progress, the broken file is
// removed, and the next one is tried after a growing pause; or the job ends, if it is
// to end at the first failure. A folder that is gone counts as a failure and is not
// made again: it may have been a file system that was unmounted, and the load would
// go to the one below.
//
// The package does not choose or create the folder, does not check for free
// space beforehand, does not read data back, and does not watch its parent: the
// process around it calls Abandon when the parent is gone.
package consumer
