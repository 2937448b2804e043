package handler

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"bulkhead/internal/child"
	"bulkhead/internal/fdpass"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// memoryMax is a handler's limit in these tests.
const memoryMax = 512 << 20

// faulty builds a handler with failpoints.
func faulty(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bulkhead-handler")
	build := exec.Command("go", "build", "-tags", "failpoints", "-o", path, "bulkhead/cmd/bulkhead-handler")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building a handler with failpoints: %v: %s", err, out)
	}
	return path
}

// serveFaulty starts the handler and lets a client in.
func serveFaulty(t *testing.T, path string, env ...string) (*child.Child, *supervisor, *rawclient.Client) {
	t.Helper()
	cfg := childConfig(t.TempDir())
	cfg.Path, cfg.Env, cfg.MemoryMax = path, append([]string{"GOMAXPROCS=1"}, env...), memoryMax
	h, err := child.Start(context.Background(), cfg)
	must(t, err)
	t.Cleanup(func() { h.Kill() })
	near, far := socketPair(t)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	stream, err := bulkheadv1.NewHandlerServiceClient(h.Conn()).Serve(ctx)
	must(t, err)
	s := &supervisor{HandlerService_ServeClient: stream, t: t, cancel: cancel}
	s.send(openFrame(0, longGrace))
	must(t, h.SendSocket(fdpass.Handover{ID: connectionID}, far, time.Now().Add(patience)))
	must(t, far.Close())
	s.send(welcomeFrame(0))
	c, err := rawclient.Dial(ctx, "handed over", dialOver(near))
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return h, s, c
}

// faultBatch returns message 1 with a fault in it.
func faultBatch(fault string) *bulkheadv1.Batch {
	b := rawclient.Batch(1, 1)
	b.GetMessages()[0].Fact = &bulkheadv1.Message_Rollover{
		Rollover: &bulkheadv1.Rollover{Path: "/data/FAULT:" + fault + "/f"}}
	return b
}

func batchFrame(b *bulkheadv1.Batch) *bulkheadv1.ClientFrame {
	return &bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Batch{Batch: b}}
}

// wantInBox checks that the handler's black box holds the frame that it was at work
// on.
func wantInBox(t *testing.T, h *child.Child, frame *bulkheadv1.ClientFrame) {
	t.Helper()
	want, err := proto.Marshal(frame)
	must(t, err)
	if got, atWork := h.Box(); !atWork || !bytes.Equal(got, want) {
		t.Errorf("the box holds %q, at work %v; want %q", got, atWork, want)
	}
}

// A batch that kills its handler is known afterwards, and so is how it killed.
func TestABatchThatKillsIsFoundInTheBox(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a handler")
	}
	path := faulty(t)
	for fault, want := range map[string]struct {
		class bulkheadv1.ExitClass
		text  string
	}{
		"exit":  {bulkheadv1.ExitClass_EXIT_CLASS_CRASH, "exit status 3"},
		"panic": {bulkheadv1.ExitClass_EXIT_CLASS_CRASH, "exit status 2: panic: failpoint message 1"},
		"segv":  {bulkheadv1.ExitClass_EXIT_CLASS_CRASH, "killed by signal 11 (SIGSEGV)"},
		"kill":  {bulkheadv1.ExitClass_EXIT_CLASS_CRASH, "killed by signal 9 (SIGKILL)"},
		"oom":   {bulkheadv1.ExitClass_EXIT_CLASS_OOM, "ran out of memory: exit status 2: fatal error: "},
	} {
		t.Run(fault, func(t *testing.T) {
			h, _, c := serveFaulty(t, path)
			_, err := c.Greet(rawclient.Hello("alpha"))
			must(t, err)
			frame := batchFrame(faultBatch(fault))
			must(t, c.Send(frame))
			select {
			case <-h.Done():
			case <-time.After(patience):
				t.Fatal("the handler lives")
			}
			if e := h.Exit(); e.Class() != want.class || !strings.HasPrefix(e.String(), want.text) {
				t.Errorf("exit = %v %q; want %v %q", e.Class(), e, want.class, want.text)
			}
			wantInBox(t, h, frame)
		})
	}
}

// A handler that hangs on a frame still answers, and says for how long it has been at
// work; the supervisor kills it.
func TestABatchThatHangsIsTold(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a handler")
	}
	path := faulty(t)
	for _, fault := range []string{"spin", "deadlock"} {
		t.Run(fault, func(t *testing.T) {
			h, s, c := serveFaulty(t, path)
			_, err := c.Greet(rawclient.Hello("alpha"))
			must(t, err)
			s.next()
			if p := s.ping(1); p.GetBusyNano() != 0 {
				t.Errorf("Pong = %v; want an idle handler", p)
			}
			frame := batchFrame(faultBatch(fault))
			must(t, c.Send(frame))
			var before int64
			for n, deadline := uint64(2), time.Now().Add(patience); ; n++ {
				p := s.ping(n)
				if before > 0 && p.GetBusyNano() > before {
					break
				}
				if before = p.GetBusyNano(); time.Now().After(deadline) {
					t.Fatalf("Pong = %v; want a handler that is more and more busy", p)
				}
			}
			wantInBox(t, h, frame)
			e := h.KillFor(bulkheadv1.ExitClass_EXIT_CLASS_HANG, "at work on one frame for too long")
			if e.Class() != bulkheadv1.ExitClass_EXIT_CLASS_HANG ||
				e.String() != "hung: at work on one frame for too long; killed" {
				t.Errorf("exit = %v %q; want a hang", e.Class(), e)
			}
			wantInBox(t, h, frame)
		})
	}
}

// A point armed by the environment fires at the hit it names, in one process of all.
func TestAnArmedPointFiresOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a handler")
	}
	path := faulty(t)
	once := filepath.Join(t.TempDir(), "once")
	env := fmt.Sprintf("BULKHEAD_FAILPOINTS=handler-relay=kill@2?%s", once)
	h, s, c := serveFaulty(t, path, env)
	_, err := c.Greet(rawclient.Hello("alpha"))
	must(t, err)
	s.next()
	must(t, c.SendBatch(1, 1))
	s.wantBatch(1, 1)
	must(t, c.SendBatch(2, 2))
	<-h.Done()
	if e := h.Exit(); e.String() != "killed by signal 9 (SIGKILL)" {
		t.Errorf("exit = %v; want killed", e)
	}
	if frame, atWork := h.Box(); atWork {
		t.Errorf("the box holds %q; want none: the batch was in the relay", frame)
	}

	_, s, c = serveFaulty(t, path, env)
	_, err = c.Greet(rawclient.Hello("alpha"))
	must(t, err)
	s.next()
	for seq := uint64(1); seq <= 3; seq++ {
		must(t, c.SendBatch(seq, seq))
		s.wantBatch(seq, seq)
	}
}
