// Package jetstream is a cluster.Run on NATS JetStream: at least three nats-server processes of version
// 2.15 or later, which sync every write before they acknowledge it. It also exports a run as an ordinary
// journal, finds damaged replicas, and checks that an engine is set up as it must be.
//
//	stream BH_<run>_0    bh.<run>.0.run         the run's course: joined, left, ended, reported
//	                     bh.<run>.0.n.<number>  facts of no session, of one supervisor
//	stream BH_<run>_<k>  bh.<run>.<k>.reg       the register of shard k: opened, ended, sealed
//	                     bh.<run>.<k>.s.<id>    everything of one session, in one shard by its client's id
//
// A message is one Append, or a part of one that is longer than the engine's max_payload: framed records
// (internal/frame), each with its checksum. Its headers have the session's head, an id, and what the
// writer expects to be before it on its subject. That expectation is the fence: the engine stores the
// message only if it is so, and keeps it, so that readers can check the chain.
//
// Invariants:
//
//   - A message is acknowledged when the engine has said that it is durable, or when it is found to be the
//     newest of its subject. Whatever the engine answers else, or does not, the newest message of the
//     subject decides: ours is durable; the one we expect means that the same may be sent again; another
//     means that we have lost. There are refusals that are none (10164): they end the same way.
//   - What decides is asked of the stream's leader. One that was cut off answers for an earlier time, and
//     nothing hangs on that: the next write is refused.
//   - A register is written by compare-and-set by all supervisors. Each has a copy, which is never ahead.
//     A session's number is its place there times the number of shards, plus the shard: nobody else's.
//   - At most MaxInFlight messages are on their way to each stream at once, first come, first served.
//   - The end of a run names the last message of each shard: the run is what is up to there.
//
// A replica whose store is damaged silently lacks messages. Reading checks that sequences have no gap, that
// each message names the one before it on its subject, and every record's checksum. Which replica answers
// a question the engine chooses, and does not tell; a certain one is read through a consumer that the
// engine has placed on its node, after as many tries as that takes.
//
// What it does not do: embed the engine, change its membership, or hold a lease. That a write is durable is
// the engine's word; Check looks at its settings, and nothing proves them.
package jetstream
