// Package child owns one child process that is a go-plugin gRPC plugin: a
// handler of the supervisor, or a worker of a client.
//
// It is the only importer of go-plugin's host side, and exists because that side
// by itself can block for ever on a stopped child, inherits too much and logs
// without limit. What it guarantees:
//
//   - Every call has a deadline. A child that does not answer is killed with
//     SIGKILL, never through go-plugin's Kill, and never another process that has its
//     number by now.
//   - Each child is reaped exactly once, by one reaper for all (reaper_linux.go), so that
//     it costs no descriptor and no thread to wait for it. Its exit is an Exit: status,
//     signal, resource usage and, after a crash, the last lines it wrote.
//   - It has one goroutine, which reads its stderr and cleans up after it, and three
//     descriptors: the line, stderr, and its connection.
//   - The child gets the environment and descriptors of its Config and no other:
//     stdin is /dev/null, stdout carries go-plugin's handshake, stderr its log,
//     descriptor 3 the line (package fdpass), descriptor 4 its black box if it has
//     one. It has its own process group.
//   - The address a child prints is dialled only if it is a socket in the folder
//     that was made for this child, and spoken to only if it is the child who listens there.
//   - No other process can call the child: each call shows a secret that the child finds on
//     the line (handshake.Secret), and that its Record has for whoever adopts it.
//   - What a child logs is bounded in length and rate. One that floods its log, or speaks
//     where it has nothing to say, is killed.
//   - After Stop or Kill no process, goroutine, descriptor, socket or folder of
//     the child is left. Its process group is killed with it; what it has started and that is in no
//     group of its any more, EndOrphans finds.
//   - What it was at work on when it died is in its black box (package blackbox), if
//     it has one.
//
// Life of a child:
//
//	Start ──► serving ──► Stop: say so on the line, wait, SIGKILL ──► Exit
//	           │   ▲  └────── exits or is killed ──────────────────────▲
//	           │   └───────── Adopt(Record, Held): after an execve of the parent
//	           │              ▲        its line, stderr, box and exit status stay
//	           ▼              │
//	   the parent dies ──► Adopt(Record): by another process
//	                           no line and no stderr; Stop is SIGTERM
//
// A Spawner starts children for this process: a small process of its own (package spawner),
// whose children are nevertheless this one's, by CLONE_PARENT. It is no plugin, and is owned here
// all the same: each request has a deadline, one that does not answer is killed and followed by
// another, and without one children are started directly. It ends with this process, and leaves
// no child that nobody waits for.
//
// A Record names a process by its number, its start and the boot, and Adopt compares
// all three, and who listens on its socket, before it believes one. It has the child's secret,
// so it is to be kept where nobody else reads it. Exit is as precise as the kernel: for a child of
// another process it lacks the resident memory, and on old kernels all of it (class ORPHANED).
//
// The package does not restart children and knows nothing of what they serve.
package child
