package client

import (
	"net"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"bulkhead/client/session"
	"bulkhead/client/spec"
	"bulkhead/internal/testing/scripted"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// workers waits until every worker of a client has said its Start, and returns their
// process ids in order of kind and index.
func (p *clientProgram) workers(c *scripted.Collector, consumers int) []int {
	p.t.Helper()
	pids := make([]int, consumers+1)
	scripted.Eventually(p.t, "the workers", func() bool {
		messages, _, _ := c.Snapshot()
		found := 0
		for _, m := range messages {
			switch process := m.GetProcess(); {
			case m.GetStart() == nil:
				continue
			case process.GetKind() == bulkheadv1.ProcessKind_PROCESS_KIND_CONSUMER:
				pids[process.GetIndex()] = int(process.GetPid())
			case process.GetKind() == bulkheadv1.ProcessKind_PROCESS_KIND_MONITOR:
				pids[consumers] = int(process.GetPid())
			default:
				continue
			}
			found++
		}
		return found == consumers+1
	})
	return pids
}

// A client that is killed leaves no worker, whatever state that is in: at work,
// stopped, or in a pause after failures.
func TestWorkersEndWithTheirClient(t *testing.T) {
	const consumers = 4
	disk := scripted.SmallDisk(t)
	c := scripted.Start(t, scripted.Orderly)
	p := startProgram(t, c, consumers, func(cfg *spec.Config) {
		for i := range cfg.Consumers {
			cfg.Consumers[i].FileSize = 256 << 10
		}
		cfg.Consumers[0].Path = disk
	})
	pids := p.workers(c, consumers)
	free := fillUp(t, disk)
	scripted.Eventually(t, "consumer 0 in a pause",
		func() bool { return strings.Count(p.log.String(), "consumer 0: writes fail") > 0 })
	for _, pid := range []int{pids[1], pids[consumers]} { // a consumer and the monitor
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
	}
	p.signal(syscall.SIGKILL)
	scripted.Wait(t, "the client's end", p.done)
	scripted.Eventually(t, "the end of every worker",
		func() bool { return len(scripted.LivingBelow(p.cfg.WorkDir)) == 0 })
	free()
	for _, consumer := range p.cfg.Consumers {
		scripted.Eventually(t, "the load files to be gone", func() bool {
			files, _ := filepath.Glob(filepath.Join(consumer.Path, "bulkhead-*", "consumer-*", "*"))
			return len(files) == 0
		})
	}
}

// A client that was stopped for longer than the supervisor waits comes back and says
// that it did not run.
func TestStoppedClientSaysThatItWasStarved(t *testing.T) {
	lost := make(chan struct{}, 1)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := scripted.New(t, listener.Addr().String(), func(c *scripted.Collector, stream scripted.ServerStream) error {
		err := scripted.Orderly(c, stream)
		lost <- struct{}{}
		return err
	}, scripted.Orderly)
	c.Options = []grpc.ServerOption{clientTimeout()}
	c.Listen(listener)
	p := startProgram(t, c, 1, nil)
	p.workers(c, 1)
	scripted.Eventually(t, "the consumer to write", func() bool { // who wrote nothing ends otherwise
		messages, _, _ := c.Snapshot()
		return slices.ContainsFunc(messages, func(m *bulkheadv1.Message) bool { return m.GetProgress().GetBytes() > 0 })
	})
	p.signal(syscall.SIGSTOP)
	scripted.Wait(t, "the supervisor to give the client up", lost)
	p.signal(syscall.SIGCONT)
	scripted.Eventually(t, "the client to come back", func() bool {
		_, connections, _ := c.Snapshot()
		return connections > 1
	})
	c.Mu.Lock()
	hello := c.Hellos[1]
	c.Mu.Unlock()
	if hello.GetAbsence() != bulkheadv1.Absence_ABSENCE_STARVED || hello.GetLastEnd() == "" ||
		time.Duration(hello.GetStarvedNano()) < session.StarvedGap-session.VitalsTick {
		t.Errorf("hello: %v, %q, starved %s", hello.GetAbsence(), hello.GetLastEnd(),
			time.Duration(hello.GetStarvedNano()))
	}
	p.signal(syscall.SIGINT)
	scripted.Wait(t, "the client's end", p.done)
	if code := p.cmd.ProcessState.ExitCode(); code != 4 {
		t.Errorf("the client ended with %d", code)
	}
	if _, _, goodbye := c.Snapshot(); goodbye == nil {
		t.Error("no goodbye")
	}
}

// clientTimeout makes a collector give up clients that answer no ping, as a handler
// does; long enough for a gap in a client's clock to count.
func clientTimeout() grpc.ServerOption {
	return grpc.KeepaliveParams(keepalive.ServerParameters{Time: 2 * time.Second, Timeout: 3 * time.Second})
}
