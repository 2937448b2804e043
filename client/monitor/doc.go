// Package monitor is the worker process that watches the consumers of its
// client: processor time, memory, threads, descriptors and bytes written of
// each, from /proc.
//
// Beside them it samples the machine that they run on, with package machine, if its
// task says where they write.
//
// A Monitor serves the WorkerService of its client parent and runs one job: a
// sample of every target at once, then each interval, and a last one when it is
// killed.
//
// Invariants:
//
//   - Each target gives exactly one message in each round: a Monitor, or a
//     MonitorError with the reason in words. The machine gives one Machine, after them.
//   - A sample is of the process that had the pid at the first round. A pid that
//     has passed to another process is an error, never a sample.
//   - A target that cannot be sampled does not keep the others from it.
//
// The package does not find the consumers, does not interpret what it reads, and
// does not catch up on rounds that a slow parent made it miss. It does not watch
// its parent: the process around it calls Abandon when the parent is gone.
package monitor
