// Package share divides what a run's journal takes among its sessions, so that none that sends as
// much as it can costs the others anything that they feel.
//
// What a batch costs is told in the time that it takes a supervisor (Load.cost): a session that
// sends many small batches costs as much as one that sends few large ones. These bound it:
//
//   - Limits.Bytes and Limits.Messages, of each session by itself.
//   - Limits.All, of all sessions together. A quarter of it is divided into equal parts: in its own
//     part a session never waits for others. The rest, and what is not used of the parts, goes to
//     those that want more, one batch at a time, to whoever has had least of it (start-time fair
//     queueing). So who begins to send comes before those that have sent all the time.
//   - Of what is more than own parts, only little is on its way through the journal at a time. So
//     where the machine is too slow for Limits.All, those that send much wait, and not those that
//     send little.
//
// Nothing is queued here but one batch of each connection, whose reader waits: behind it gRPC's flow
// control holds up the handler, and the handler its client. Nobody is cut off for sending much.
package share
