package sandbox

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// targets are what an intruder tries to reach: of its supervisor, which is the test, of a sibling,
// and of the machine.
type targets struct {
	Supervisor, Sibling int    // processes
	Journal             string // a file of the supervisor's
	Folder              string // where it is
	Control             string // a unix socket that listens
	Abstract            string // another one, with an abstract name
	Port                int    // of a TCP listener
	Datagrams           int    // of a UDP socket
	Shared              int    // a System V segment
	Program             string // one that can be executed
}

// newTargets makes them, until the end of the test.
func newTargets(t *testing.T, folder string, sibling int) targets {
	t.Helper()
	a := targets{Supervisor: os.Getpid(), Sibling: sibling, Folder: folder, Journal: filepath.Join(folder, "journal"),
		Control: filepath.Join(folder, "control"), Program: "/bin/true"}
	t.Cleanup(func() { _ = unix.Unmount(folder, unix.MNT_DETACH) }) // one that could mount has
	must(t, os.WriteFile(a.Journal, []byte("a record"), 0o600))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	a.Port = l.Addr().(*net.TCPAddr).Port
	a.Abstract = fmt.Sprintf("@bulkhead-sandbox-test-%d", a.Port) // nobody else has that port
	for _, name := range []string{a.Control, a.Abstract} {
		l, err := net.Listen("unix", name)
		must(t, err)
		t.Cleanup(func() { l.Close() })
	}
	d, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { d.Close() })
	a.Datagrams = d.LocalAddr().(*net.UDPAddr).Port
	a.Shared, err = unix.SysvShmGet(unix.IPC_PRIVATE, 4096, unix.IPC_CREAT|0o600)
	must(t, err)
	t.Cleanup(func() {
		if _, err := unix.SysvShmCtl(a.Shared, unix.IPC_RMID, nil); err != nil {
			t.Error(err)
		}
	})
	return a
}
