package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Options are of a cluster.
type Options struct {
	// Nodes is how many there are; 0 is three.
	Nodes int
	// SyncInterval is the setting of each node; "" is always.
	SyncInterval string
	// MaxPayload is in bytes; 0 is 8 MiB.
	MaxPayload int
	// Files returns the files of the i-th node, from 0, which are put into its folder; it reads the
	// first one. nil stands for settings of this package's. With it each node has an address of its own,
	// HostOf, and TLS; ports are, for each node, that of clients, of its monitor and of its routes.
	Files func(i int, folder string, ports []int) []File
}

// File is one that a node reads.
type File struct{ Name, Text string }

// HostOf returns the loopback address of the i-th node, from 0.
func HostOf(i int) string { return fmt.Sprintf("127.0.0.%d", i+1) }

// Cluster is a running cluster, or one node alone.
type Cluster struct {
	Nodes []*Node
	t     testing.TB
}

// within bounds every wait for the engine.
const within = 2 * time.Minute

// errPort says that somebody took a port between its choice and the start.
var errPort = errors.New("a port is taken")

// Start starts a cluster that is gone, with all its files, when t ends, and waits until it is ready.
func Start(t testing.TB, o Options) *Cluster {
	t.Helper()
	c, err := Begin(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Kill)
	c.t = t
	return c
}

// Begin starts a cluster with all its files below a folder, and waits until it is ready. It lasts until Kill,
// or until the thread that began a node has ended.
func Begin(folder string, o Options) (*Cluster, error) {
	path, err := Program()
	if err != nil {
		return nil, err
	}
	for range 5 {
		own, err := os.MkdirTemp(folder, "engine-")
		if err != nil {
			return nil, err
		}
		c, err := start(own, path, o)
		if err == nil {
			return c, nil
		}
		if !errors.Is(err, errPort) {
			return nil, err
		}
	}
	return nil, errors.New("the engine finds no free ports")
}

// Kill ends all nodes, and waits until they are gone.
func (c *Cluster) Kill() {
	for _, n := range c.Nodes {
		n.Kill()
	}
}

func start(folder, path string, o Options) (c *Cluster, err error) {
	if o.Nodes == 0 {
		o.Nodes = 3
	}
	if o.SyncInterval == "" {
		o.SyncInterval = "always"
	}
	if o.MaxPayload == 0 {
		o.MaxPayload = 8 << 20
	}
	ports, err := freePorts(3 * o.Nodes)
	if err != nil {
		return nil, err
	}
	c = new(Cluster)
	defer func() {
		if err != nil {
			c.Kill()
		}
	}()
	var routes []string
	name := fmt.Sprintf("bulkhead-%d-%d", os.Getpid(), clusters.Add(1))
	for i := range o.Nodes {
		routes = append(routes, fmt.Sprintf("nats://127.0.0.1:%d", ports[3*i+2]))
	}
	for i := range o.Nodes {
		n := &Node{Name: fmt.Sprintf("n%d", i+1), URL: fmt.Sprintf("nats://127.0.0.1:%d", ports[3*i]),
			Monitor: fmt.Sprintf("http://127.0.0.1:%d", ports[3*i+1]), path: path,
			folder: filepath.Join(folder, fmt.Sprintf("n%d", i+1))}
		if err := os.Mkdir(n.folder, 0o700); err != nil {
			return nil, err
		}
		files := []File{{"node.conf", settings(n, o, name, ports[3*i:], routes)}}
		if o.Files != nil {
			files = o.Files(i, n.folder, ports)
			n.URL = fmt.Sprintf("tls://%s:%d", HostOf(i), ports[3*i])
			n.Monitor = fmt.Sprintf("http://%s:%d", HostOf(i), ports[3*i+1])
		}
		n.file = files[0].Name
		for _, f := range files {
			if err := os.WriteFile(filepath.Join(n.folder, f.Name), []byte(f.Text), 0o600); err != nil {
				return nil, err
			}
		}
		c.Nodes = append(c.Nodes, n)
		if err := n.start(); err != nil {
			return nil, err
		}
	}
	if err := c.ready(); err != nil {
		c.Kill()
		for _, n := range c.Nodes {
			err = fmt.Errorf("%w\n%s: %s", err, n.Name, n.said())
		}
		return nil, err
	}
	return c, nil
}

// clusters numbers those of this process. Each has a name of its own: the nodes of one that look for
// one of theirs where another cluster is now are not let in.
var clusters atomic.Int32

// settings returns the file that a node reads.
func settings(n *Node, o Options, name string, ports []int, routes []string) string {
	text := fmt.Sprintf("server_name: %s\nlisten: 127.0.0.1:%d\nhttp: 127.0.0.1:%d\nmax_payload: %d\n"+
		"jetstream { store_dir: %q, sync_interval: %s, max_file_store: 4GB, max_memory_store: 64MB }\n",
		n.Name, ports[0], ports[1], o.MaxPayload, n.Store(), o.SyncInterval)
	if len(routes) > 1 {
		text += fmt.Sprintf("cluster { name: %s, listen: 127.0.0.1:%d, routes: [%s] }\n", name, ports[2],
			strings.Join(routes, ", "))
	}
	return text
}

// freePorts returns ports that nobody listens on. They are below those that the kernel gives away by
// itself, so that a node which is started again finds its own free.
func freePorts(n int) (ports []int, err error) {
	for tries := 0; len(ports) < n; tries++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(12000)))
		switch {
		case err == nil:
			defer l.Close()
			ports = append(ports, l.Addr().(*net.TCPAddr).Port)
		case tries > 100*n:
			return nil, err
		}
	}
	return ports, nil
}

// URLs returns where clients connect.
func (c *Cluster) URLs() (urls []string) {
	for _, n := range c.Nodes {
		urls = append(urls, n.URL)
	}
	return urls
}

// Monitors returns where the nodes tell of themselves.
func (c *Cluster) Monitors() (urls []string) {
	for _, n := range c.Nodes {
		urls = append(urls, n.Monitor)
	}
	return urls
}

// Ready waits until all nodes that run are healthy.
func (c *Cluster) Ready() {
	c.t.Helper()
	if err := c.ready(); err != nil {
		c.t.Fatal(err)
	}
}

func (c *Cluster) ready() error {
	return wait(func() error {
		for _, n := range c.Nodes {
			if err := n.healthy(len(c.Nodes)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Leader returns the node that leads a stream.
func (c *Cluster) Leader(stream string) *Node {
	c.t.Helper()
	var leader *Node
	err := wait(func() error {
		for _, n := range c.Nodes {
			if name := n.leaderOf(stream); name != "" {
				for _, other := range c.Nodes {
					if other.Name == name && other.Running() {
						leader = other
						return nil
					}
				}
			}
		}
		return fmt.Errorf("stream %s has no leader", stream)
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return leader
}

// wait asks until what is wrong is over.
func wait(wrong func() error) error {
	deadline := time.Now().Add(within)
	for {
		err := wrong()
		if err == nil || errors.Is(err, errPort) {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the engine: after %v: %w", within, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// ask gets what a node tells of itself.
func (n *Node) ask(path string, into any) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, n.Monitor+path, nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s%s: %s", n.Name, path, answer.Status)
	}
	return json.NewDecoder(answer.Body).Decode(into)
}

// healthy returns why a node is not; nil if it does not run.
func (n *Node) healthy(of int) error {
	if !n.Running() {
		return n.died()
	}
	var health struct {
		Status string `json:"status"`
	}
	if err := n.ask("/healthz", &health); err != nil {
		return err
	}
	var js struct {
		Meta struct {
			Leader string `json:"leader"`
			Size   int    `json:"cluster_size"`
		} `json:"meta_cluster"`
	}
	if err := n.ask("/jsz", &js); err != nil {
		return err
	}
	if of > 1 && (js.Meta.Leader == "" || js.Meta.Size != of) {
		return fmt.Errorf("%s knows of %d nodes and the leader %q", n.Name, js.Meta.Size, js.Meta.Leader)
	}
	return nil
}

// leaderOf returns what a node says is a stream's leader; "" if it does not know.
func (n *Node) leaderOf(stream string) string {
	var js struct {
		Accounts []struct {
			Streams []struct {
				Name    string `json:"name"`
				Cluster struct {
					Leader string `json:"leader"`
				} `json:"cluster"`
			} `json:"stream_detail"`
		} `json:"account_details"`
	}
	if !n.Running() || n.ask("/jsz?accounts=true&streams=true", &js) != nil {
		return ""
	}
	for _, a := range js.Accounts {
		for _, s := range a.Streams {
			if s.Name == stream {
				return s.Cluster.Leader
			}
		}
	}
	return ""
}

// Blocks returns the files with the messages of a stream in a node's store, in order.
func (n *Node) Blocks(stream string) ([]string, error) {
	return filepath.Glob(filepath.Join(n.Store(), "jetstream", "*", "streams", stream, "msgs", "*.blk"))
}
