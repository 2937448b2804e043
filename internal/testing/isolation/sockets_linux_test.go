package isolation_test

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
)

// onlyOwner checks that, of the supervisor and its handlers, the process pid alone
// has the socket of the connection from peer.
func onlyOwner(t *testing.T, s *running, pid int, peer string) {
	t.Helper()
	target := fmt.Sprintf("socket:[%s]", acceptedSocket(t, s.Addr, peer))
	var owners []int
	for _, p := range append(s.handlers(), s.Pid()) {
		files, err := harness.OpenFiles(p)
		if err != nil {
			continue // a handler of another connection that has just ended
		}
		for _, f := range files {
			if f == target {
				owners = append(owners, p)
			}
		}
	}
	if !slices.Equal(owners, []int{pid}) {
		t.Errorf("the connection from %s belongs to %v; want handler %d alone (the supervisor is %d)", peer, owners,
			pid, s.Pid())
	}
}

// acceptedSocket returns the inode of the listening side's socket of a connection.
func acceptedSocket(t *testing.T, listen, peer string) string {
	t.Helper()
	data, err := os.ReadFile("/proc/net/tcp")
	expect.NoError(t, err)
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line) // sl local_address rem_address … inode (proc_net_tcp)
		if len(f) > 9 && strings.HasSuffix(f[1], hexPort(t, listen)) && strings.HasSuffix(f[2], hexPort(t, peer)) {
			return f[9]
		}
	}
	t.Fatalf("the kernel knows no connection from %s to %s", peer, listen)
	return ""
}

// hexPort returns the port of an address as the kernel writes it, with the colon.
func hexPort(t *testing.T, addr string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	expect.NoError(t, err)
	n, err := strconv.ParseUint(port, 10, 16)
	expect.NoError(t, err)
	return fmt.Sprintf(":%04X", n)
}
