package isolation_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"

	"bulkhead/internal/protocol"
	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/scripted"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// centre is a supervisor in the hands of somebody else: it sends an agent what it likes.
type centre struct {
	bulkheadv1.UnimplementedCollectorServiceServer
	address string
	tasks   chan *bulkheadv1.Task

	mu     sync.Mutex
	report *bulkheadv1.AgentReport // guarded by mu; the newest
}

func newCentre(t *testing.T) *centre {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	expect.NoError(t, err)
	c := &centre{address: listener.Addr().String(), tasks: make(chan *bulkheadv1.Task)}
	server := grpc.NewServer()
	bulkheadv1.RegisterCollectorServiceServer(server, c)
	served := make(chan struct{})
	go func() { // ends with the listener
		defer close(served)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		server.Stop()
		<-served
	})
	return c
}

func (c *centre) Collect(stream grpc.BidiStreamingServer[bulkheadv1.ClientFrame, bulkheadv1.ServerFrame]) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	if err := stream.Send(&bulkheadv1.ServerFrame{Frame: &bulkheadv1.ServerFrame_Welcome{Welcome: &bulkheadv1.Welcome{
		RunId: "run-1", SessionId: "session-1", Connection: 1, ProtocolMinor: protocol.Minor,
		Limits: &bulkheadv1.Limits{MaxFrameBytes: 1 << 20, MaxBatchMessages: 16, MaxUnackedBatches: 4},
	}}}); err != nil {
		return err
	}
	if first.GetHello().GetAgent() == nil {
		return c.client(stream)
	}
	go func() { // ends with the stream
		for {
			select {
			case task := <-c.tasks:
				_ = stream.Send(&bulkheadv1.ServerFrame{Frame: &bulkheadv1.ServerFrame_Task{Task: task}})
			case <-stream.Context().Done():
				return
			}
		}
	}()
	for {
		f, err := stream.Recv()
		if err != nil {
			return err
		}
		c.mu.Lock()
		c.report = f.GetAgentReport()
		c.mu.Unlock()
	}
}

// client takes what a client sends.
func (c *centre) client(stream grpc.BidiStreamingServer[bulkheadv1.ClientFrame, bulkheadv1.ServerFrame]) error {
	for {
		f, err := stream.Recv()
		if errors.Is(err, io.EOF) || f.GetGoodbye() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		messages := f.GetBatch().GetMessages()
		if err := stream.Send(&bulkheadv1.ServerFrame{Frame: &bulkheadv1.ServerFrame_Ack{
			Ack: &bulkheadv1.Ack{Seq: messages[len(messages)-1].GetSeq()}}}); err != nil {
			return err
		}
	}
}

// await waits until the agent has reported a task to be in a state.
func (c *centre) await(t *testing.T, task *bulkheadv1.Task, state bulkheadv1.TaskState) *bulkheadv1.TaskReport {
	t.Helper()
	var found *bulkheadv1.TaskReport
	expect.Eventually(t, func() error {
		if found = c.reported(task); found.GetState() == state {
			return nil
		}
		return fmt.Errorf("task %s is %v; want it to be %v", task.GetTaskId(), found, state)
	})
	return found
}

// startAgent starts an agent that allows a MiB of a folder.
func startAgent(t *testing.T, c *centre, allowed string) *exec.Cmd {
	t.Helper()
	return startAgentIn(t, c, allowed, scripted.ShortDir(t))
}

// startAgentIn does that with a working folder that another had before.
func startAgentIn(t *testing.T, c *centre, allowed, work string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(filepath.Join(bin, "bulkhead"), "agent", "--supervisor", c.address, "--name", "a", "--allow",
		allowed+":1MiB", "--work-dir", work)
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	expect.NoError(t, err)
	cmd.Stdout, cmd.Stderr = log, log
	expect.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // perhaps again
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("the agent said:\n%s", text)
		}
		log.Close()
	})
	return cmd
}

// begin has an agent run a load in a folder, until it has written something, and returns its client.
func (c *centre) begin(t *testing.T, agent *exec.Cmd, id, folder string) (task *bulkheadv1.Task, client int) {
	t.Helper()
	task = &bulkheadv1.Task{TaskId: []byte(id), ClientName: "a", Load: fmt.Appendf(nil, "path: %s\nruntime: 10m\n"+
		"consumer_count: 1\nfile_size: 200KiB\nchunk_size: 20KiB\nrate: {bytes: 2MB}\n", folder)}
	c.tasks <- task
	c.await(t, task, bulkheadv1.TaskState_TASK_STATE_RUNNING)
	expect.Eventually(t, func() error {
		files, err := filepath.Glob(filepath.Join(folder, "bulkhead-*", "consumer-0", "load-*.dat"))
		if err == nil && len(files) < 2 {
			err = errors.New("two files are not written yet")
		}
		return err
	})
	children, err := harness.Children(agent.Process.Pid, "")
	expect.NoError(t, err)
	if len(children) != 1 {
		t.Fatalf("the agent has the children %v; want its client", children)
	}
	return task, children[0]
}

// Clients that are killed, one in each folder, leave nothing that adds up: a task is over when its files
// are gone.
func TestKilledClientsOfAnAgentLeaveNothing(t *testing.T) {
	t.Parallel()
	c, allowed := newCentre(t), t.TempDir()
	agent := startAgent(t, c, allowed)
	for i := range 3 {
		folder := filepath.Join(allowed, fmt.Sprint(i))
		task, client := c.begin(t, agent, fmt.Sprintf("task %011d", i), folder)
		expect.NoError(t, syscall.Kill(client, syscall.SIGKILL))
		if r := c.await(t, task, bulkheadv1.TaskState_TASK_STATE_ENDED); r.GetSignal() != int32(syscall.SIGKILL) {
			t.Errorf("the task ended as %v", r)
		}
		left, err := filepath.Glob(filepath.Join(folder, "bulkhead-*"))
		if err != nil || len(left) > 0 {
			t.Errorf("left are %q, %v", left, err)
		}
	}
}

// The client of an agent that is killed ends in order, and leaves nothing.
func TestTheClientOfAKilledAgentEnds(t *testing.T) {
	t.Parallel()
	c, allowed := newCentre(t), t.TempDir()
	agent := startAgent(t, c, allowed)
	_, client := c.begin(t, agent, "0123456789abcdef", filepath.Join(allowed, "load"))
	watch, err := harness.NewWatch(client)
	expect.NoError(t, err)
	defer watch.Close()
	expect.NoError(t, agent.Process.Kill())
	expect.NoError(t, watch.AwaitExit(patience))
	left, err := os.ReadDir(allowed)
	if err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}

// What a client left that was killed together with its agent is found by the next agent, and removed.
func TestTheNextAgentRemovesWhatAKilledOneLeft(t *testing.T) {
	t.Parallel()
	c, allowed, work := newCentre(t), t.TempDir(), scripted.ShortDir(t)
	agent := startAgentIn(t, c, allowed, work)
	folder := filepath.Join(allowed, "deep", "er")
	_, client := c.begin(t, agent, "0123456789abcdef", folder)
	for _, pid := range []int{agent.Process.Pid, client} { // neither notices what becomes of the workers
		expect.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
	}
	workers, err := harness.Children(client, "")
	expect.NoError(t, err)
	for _, pid := range append(workers, client, agent.Process.Pid) {
		expect.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	}
	_ = agent.Wait() // it was killed
	ours := func() []string {
		left, err := filepath.Glob(filepath.Join(folder, "*"))
		expect.NoError(t, err)
		return left
	}
	if len(ours()) == 0 {
		t.Fatal("nothing is left that could be removed")
	}
	next := startAgentIn(t, c, allowed, work)
	expect.Eventually(t, func() error {
		if left := ours(); len(left) > 0 {
			return fmt.Errorf("left are %q", left)
		}
		return nil
	})
	c.begin(t, next, "fedcba9876543210", folder)
	expect.NoError(t, next.Process.Signal(syscall.SIGTERM))
	expect.NoError(t, next.Wait())
	if left := scripted.Names(t, work); len(left) > 0 {
		t.Errorf("in the working folder are %q", left)
	}
}

// Whoever holds the centre, and whatever is put in the way meanwhile, nothing changes but what is allowed,
// and the agent goes on to do what it may.
func TestAHostileCentre(t *testing.T) {
	t.Parallel()
	c, root := newCentre(t), t.TempDir()
	allowed, outside := filepath.Join(root, "allowed"), filepath.Join(root, "outside")
	for _, dir := range []string{allowed, outside, filepath.Join(outside, "deep"), filepath.Join(allowed, "flip")} {
		expect.NoError(t, os.Mkdir(dir, 0o755))
	}
	expect.NoError(t, os.WriteFile(filepath.Join(outside, "thesis"), []byte("years of work"), 0o644))
	expect.NoError(t, os.Symlink(outside, filepath.Join(allowed, "out")))
	expect.NoError(t, os.Symlink(outside, filepath.Join(allowed, "flop")))
	agent := startAgent(t, c, allowed)

	const small = "\nruntime: 100ms\nconsumer_count: 1\nfile_size: 64KiB\nchunk_size: 4KiB\nrate: {bytes: 1MB}\n"
	for i, load := range []string{
		"path: " + outside + small,
		"path: " + allowed + "/../outside" + small,
		"path: " + allowed + "/out" + small,
		"path: " + allowed + "/out/deep" + small,
		"path: " + allowed + "/new/../../outside" + small,
		"path: " + allowed + "\nfile_size: 1GiB" + small,
		"path: " + allowed + "\nwork_dir: " + outside + small,
		"path: " + allowed + "\nsupervisor: 192.0.2.1:1" + small,
		"path: " + allowed + "\nkeep: true" + small,
		"path: " + allowed + "\nconsumers: [{path: " + outside + "}]" + small,
		"path: /proc/self/cwd" + small,
		"path: /proc/" + fmt.Sprint(agent.Process.Pid) + "/root" + outside + small,
		"path: \"" + allowed + "\\0/../outside\"" + small,
		"path: &a " + allowed + small + "data: *a\n",
		"path: " + allowed + small + "\n---\npath: " + outside + small,
	} {
		task := &bulkheadv1.Task{TaskId: fmt.Appendf(nil, "hostile %08d", i), ClientName: "a", Load: []byte(load)}
		c.tasks <- task
		c.await(t, task, bulkheadv1.TaskState_TASK_STATE_REFUSED)
	}
	for _, task := range []*bulkheadv1.Task{
		{TaskId: []byte("a hostile name 1"), ClientName: "../../outside",
			Load: []byte("path: " + allowed + "/name" + small)},
		{TaskId: []byte("a hostile name 2"), ClientName: "$(touch " + outside + "/x)", Job: "`id`",
			Load: []byte("path: " + allowed + "/name" + small)},
	} { // which are names, and nothing else
		c.tasks <- task
		c.await(t, task, bulkheadv1.TaskState_TASK_STATE_ENDED)
	}

	// A folder that is replaced by a link, and back, while its load is checked and begun.
	stop, flipped := make(chan struct{}), make(chan struct{})
	go func() { // ends with stop
		defer close(flipped)
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, filepath.Join(allowed, "flip"), unix.AT_FDCWD,
					filepath.Join(allowed, "flop"), unix.RENAME_EXCHANGE)
				time.Sleep(time.Millisecond) // not for anything to happen: it is somebody's pace
			}
		}
	}()
	for i := range 10 {
		task := &bulkheadv1.Task{TaskId: fmt.Appendf(nil, "flipped %08d", i), ClientName: "a",
			Load: []byte("path: " + allowed + "/flip/deep" + small)}
		c.tasks <- task
		expect.Eventually(t, func() error {
			if one := c.reported(task); one.GetState() != bulkheadv1.TaskState_TASK_STATE_ENDED &&
				one.GetState() != bulkheadv1.TaskState_TASK_STATE_REFUSED {
				return fmt.Errorf("task %d is %v", i, one)
			}
			return nil
		})
	}
	close(stop)
	<-flipped

	c.begin(t, agent, "0123456789abcdef", filepath.Join(allowed, "load"))
	if got := strings.Join(scripted.Names(t, outside), " "); got != "deep thesis" {
		t.Errorf("outside are %s", got)
	}
	if left := scripted.Names(t, filepath.Join(outside, "deep")); len(left) > 0 {
		t.Errorf("deeper outside are %q", left)
	}
	if text, err := os.ReadFile(filepath.Join(outside, "thesis")); err != nil || string(text) != "years of work" {
		t.Errorf("the thesis is %q, %v", text, err)
	}
}

// reported returns what the agent has reported of a task.
func (c *centre) reported(task *bulkheadv1.Task) *bulkheadv1.TaskReport {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.report.GetTasks() {
		if string(one.GetTaskId()) == string(task.GetTaskId()) {
			return one
		}
	}
	return nil
}
