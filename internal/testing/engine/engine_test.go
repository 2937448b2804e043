package engine

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestACluster starts three nodes, ends one in each way and starts it again; afterwards none is left.
func TestACluster(t *testing.T) {
	var pids []int
	t.Run("nodes", func(t *testing.T) {
		c := Start(t, Options{})
		for _, n := range c.Nodes {
			pids = append(pids, n.process.Pid)
		}
		for _, end := range []func(){c.Nodes[0].Kill, c.Nodes[0].Terminate} {
			end()
			if c.Nodes[0].Running() {
				t.Fatal("the node runs")
			}
			c.Ready() // the others
			if err := c.Nodes[0].Start(); err != nil {
				t.Fatal(err)
			}
			c.Ready()
		}
		pids = append(pids, c.Nodes[0].process.Pid)
		if err := c.Nodes[1].Signal(syscall.SIGSTOP); err != nil { // a stopped one must not be left either
			t.Fatal(err)
		}
	})
	for _, pid := range pids {
		if _, err := os.Stat(filepath.Join("/proc", strconv.Itoa(pid))); err == nil {
			t.Errorf("process %d is left", pid)
		}
	}
}

func TestANodeAlone(t *testing.T) {
	c := Start(t, Options{Nodes: 1, SyncInterval: "2m"})
	var said struct {
		Name string `json:"server_name"`
	}
	if err := c.Nodes[0].ask("/varz", &said); err != nil || said.Name != "n1" {
		t.Errorf("the node calls itself %q: %v", said.Name, err)
	}
}
