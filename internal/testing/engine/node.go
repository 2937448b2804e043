package engine

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
)

// Node is one server.
type Node struct {
	Name string
	// URL is where clients connect, and Monitor where it tells of itself.
	URL, Monitor string

	path, folder, file string

	mu      sync.Mutex
	process *os.Process   // guarded by mu; nil while it does not run
	ended   chan struct{} // guarded by mu; closed when it has been waited for
	started bool          // guarded by mu
	meant   bool          // guarded by mu; it was ended by the test
}

func (n *Node) settings() string { return filepath.Join(n.folder, n.file) }
func (n *Node) log() string      { return filepath.Join(n.folder, "node.log") }

// Store is the folder of what it keeps.
func (n *Node) Store() string { return filepath.Join(n.folder, "store") }

// Running reports whether its process is there, stopped or not.
func (n *Node) Running() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.process != nil
}

// Start starts it again, on the same files and ports.
func (n *Node) Start() error { return n.start() }

func (n *Node) start() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.process != nil {
		return fmt.Errorf("%s runs", n.Name)
	}
	out, err := os.OpenFile(n.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	c := exec.Command(n.path, "-c", n.settings())
	c.Stdout, c.Stderr = out, out
	c.Env = append(os.Environ(), "GOMAXPROCS=2")
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	begun, ended := make(chan error), make(chan struct{})
	go func() { // Kill waits for it
		runtime.LockOSThread() // Pdeathsig is of this thread's end
		defer runtime.UnlockOSThread()
		err := c.Start()
		begun <- err
		if err != nil {
			return
		}
		_ = c.Wait() // how it ended is in its log
		n.mu.Lock()
		n.process = nil
		n.mu.Unlock()
		close(ended)
	}()
	if err := <-begun; err != nil {
		return fmt.Errorf("starting %s: %w", n.Name, err)
	}
	n.process, n.ended, n.started, n.meant = c.Process, ended, true, false
	return nil
}

// died returns why a node has ended that should not have.
func (n *Node) died() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.started || n.meant {
		return nil
	}
	if bytes.Contains(n.said(), []byte("address already in use")) {
		return errPort
	}
	return fmt.Errorf("%s has ended: %s", n.Name, n.said())
}

// said returns the end of its log, without what repeats.
func (n *Node) said() []byte {
	var lines [][]byte
	said, _ := os.ReadFile(n.log()) // empty if it has said nothing
	for line := range bytes.Lines(said) {
		if !bytes.Contains(line, []byte("Healthcheck failed")) {
			lines = append(lines, line)
		}
	}
	return bytes.Join(lines[max(0, len(lines)-30):], nil)
}

// Signal sends it a signal: SIGSTOP, SIGCONT.
func (n *Node) Signal(s syscall.Signal) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.process == nil {
		return fmt.Errorf("%s does not run", n.Name)
	}
	return n.process.Signal(s)
}

// Kill ends it by SIGKILL, and waits until it is gone.
func (n *Node) Kill() { n.end(syscall.SIGKILL) }

// Terminate ends it by SIGTERM, in order, and waits until it is gone.
func (n *Node) Terminate() { n.end(syscall.SIGTERM) }

func (n *Node) end(s syscall.Signal) {
	n.mu.Lock()
	process, ended := n.process, n.ended
	n.meant = true
	n.mu.Unlock()
	if process == nil {
		return
	}
	_ = process.Signal(s) // it may have ended just now
	<-ended
}

// Flip flips a bit in the middle of what it has of a stream, while it does not run.
func (n *Node) Flip(stream string) error {
	blocks, err := n.Blocks(stream)
	if err != nil || len(blocks) == 0 || n.Running() {
		return fmt.Errorf("%s has %d blocks of %s, and runs: %v: %w", n.Name, len(blocks), stream, n.Running(), err)
	}
	data, err := os.ReadFile(blocks[0])
	if err != nil {
		return err
	}
	if len(data) == 0 {
		return fmt.Errorf("%s has nothing of %s", n.Name, stream)
	}
	data[len(data)/2] ^= 1
	return os.WriteFile(blocks[0], data, 0o600)
}
