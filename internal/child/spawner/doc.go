// Package spawner is the inside of the spawner: a process with few descriptors and little
// memory that starts the children of its parent for it (package child owns it).
//
// fork(2) copies the whole table of descriptors, and execve(2) closes each of them again: a
// supervisor of thousands of clients pays that for every handler. The spawner has four. It
// starts a child with CLONE_PARENT, so that the child is the parent's own: the parent waits for
// it, learns how it ended, and keeps it over an execve of its own.
//
// Requests and answers are packets on the line, a SOCK_SEQPACKET pair at descriptor 3: one
// request at a time, with the child's descriptors (SCM_RIGHTS); its answer has the pid or an
// errno. End-of-file on the line ends the spawner. It has a session of its own, by which its
// children can be told from all others, also when it died before it could say which one it had
// started.
//
// What all children are to inherit from the thread that forks them, it can be given once, ahead of
// time.
//
// A child whose execve fails is a zombie of the parent, too, and the spawner does not know its
// pid: the parent finds it by the session.
package spawner
