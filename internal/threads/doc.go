// Package threads counts and bounds operating-system threads: how many more this process
// and its children may have, how many a process has, and how many of this process's wait
// in the kernel at the same time.
//
// A Go program dies when it cannot make a thread, and it makes one whenever all that it
// has wait in the kernel: for a disk, for a file of /proc, for a fork. So a process that
// must not die makes its threads Ahead, while there is room, and lets no more than a
// Limit of them wait. Threads that have nothing to do are kept by Go's runtime for ever.
package threads
