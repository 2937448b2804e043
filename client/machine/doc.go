// Package machine samples the machine that a client runs on: the devices behind the folders that
// its consumers write to, what is free there, NFS mounts, memory and what is dirty of it, pressure,
// limits of processor time, and the network interfaces in use.
//
// A Sampler gives one bulkheadv1.Machine each time it is asked. What the system counts up it gives
// as what was added since the sample before.
//
// Invariants:
//
//   - A figure that cannot be told is left out, never zero. Why it is left out is said once, when
//     that begins, as a MachineGap.
//   - A counter that begins anew, or whose device was replaced, gives nothing for one interval.
//   - A file system that does not answer is asked by a goroutine of its own, one at a time, and
//     waited for a moment: it keeps neither the rest of the sample nor the next one. Such a
//     goroutine ends when the system call does, or with the process.
//   - Every list and text is within the bounds that message.proto states.
//
// The package only reads, opens no file that consumers write, and judges nothing. The control groups
// of the process are found when it begins; a client that is moved to others later is not followed.
// Of a file system on several devices of which the kernel names one, as btrfs, that one is sampled.
package machine
