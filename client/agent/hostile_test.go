package agent

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// A load that unfolds to much more than it has bytes is refused at a bounded cost, and in few words.
func TestAHostileLoadCostsLittle(t *testing.T) {
	root, limits := machine(t)
	const size = 256<<10 - 256
	path := "path: " + root + "/allowed\n"
	fill := func(text string) string { return strings.Repeat(text, size/len(text)) }
	bomb := "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := range 12 {
		bomb += fmt.Sprintf("a%d: &a%d [x%s]\n", i+1, i+1, strings.Repeat(fmt.Sprintf(", *a%d", i), 9))
	}
	var keys strings.Builder
	for i := 0; keys.Len() < size; i++ {
		fmt.Fprintf(&keys, "runtim%d: 1\n", i)
	}
	for name, load := range map[string]string{
		"a bomb of aliases":     path + bomb,
		"deep lists":            path + "consumers: " + fill("["),
		"deep maps":             path + "consumers: " + fill("{a: "),
		"deep blocks":           path + "consumers:\n" + fill("- "),
		"a huge number":         path + "runtime: " + fill("9"),
		"a huge text":           path + "data: " + fill("x"),
		"a huge key":            path + fill("x") + ": 1",
		"thousands of keys":     path + keys.String(),
		"the same key":          path + fill("runtime: 1s\n"),
		"thousands of users":    path + "consumer_count: 1024\nconsumers: [" + fill("{},") + "{}]",
		"thousands of errors":   path + "consumer_count: 1024\nconsumers: [" + fill("{a: 1},") + "{}]",
		"many numbers":          path + "consumers: [" + fill("1,") + "1]",
		"merge keys":            path + fill("<<: {runtime: 1s}\n"),
		"many documents":        path + fill("---\n"),
		"binary":                path + "data: !!binary " + fill("A"),
		"comments":              path + fill("#\n") + "command: x",
		"a folded text":         path + "data: >\n" + fill(" x\n"),
		"anchors without end":   path + "data: " + fill("&a "),
		"tags without end":      path + "data: " + fill("!!str "),
		"quotes without an end": path + "data: \"" + fill("\\\""),
		"bytes of no text":      path + fill("\xff\xfe"),
		"controls":              path + fill("\x00\x01"),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, no := limits.check(taskOf(load), nil)
			runtime.ReadMemStats(&after)
			switch {
			case no == nil:
				t.Error("it is allowed")
			case no.why != bulkheadv1.TaskRefusal_TASK_REFUSAL_LOAD_INVALID &&
				no.why != bulkheadv1.TaskRefusal_TASK_REFUSAL_TASK_INVALID:
				t.Errorf("it is refused as %v: %.200s", no.why, no.text)
			case len(no.text) > 64<<10:
				t.Errorf("it is refused in %d bytes", len(no.text))
			}
			if took := (after.TotalAlloc - before.TotalAlloc) >> 20; took > 256 {
				t.Errorf("it took %d MiB to refuse", took)
			}
		})
	}
}

// idOf returns the id of a task.
func idOf(n int) []byte { return binary.BigEndian.AppendUint64(make([]byte, 8), uint64(n)) }

// lines counts what is logged.
type lines struct{ bytes, lines int }

func (l *lines) Write(p []byte) (int, error) {
	l.lines++
	l.bytes += len(p)
	return len(p), nil
}

// A supervisor that sends tasks without end, none of which is allowed, does not fill the log of its
// machine; nor does one whose tasks have no ids.
func TestAFloodOfTasksIsNotLoggedWhole(t *testing.T) {
	root, limits := machine(t)
	said := &lines{}
	a := newAgent(Config{Limits: limits, Logger: slog.New(slog.NewTextHandler(said, nil)),
		Folders: &Folders{Own: t.TempDir(), Work: root}})
	for i := range 200 {
		ask := taskOf("path: /etc")
		if ask.TaskId = idOf(i); i%2 == 0 {
			ask.TaskId = nil
		}
		a.take(ask)
		a.stopTask(&bulkheadv1.StopTask{TaskId: idOf(i), Reason: strings.Repeat("x", 1<<10)})
	}
	if said.lines > 2*sayBurst || said.lines < 2 {
		t.Errorf("%d lines of %d bytes are logged of 200 tasks", said.lines, said.bytes)
	}
	if got := a.report().GetTasks(); len(got) != 16 {
		t.Errorf("%d tasks are remembered", len(got))
	}
}

// A supervisor that sends tasks without end whose clients end at once does not keep the machine busy.
func TestClientsAreNotBegunWithoutEnd(t *testing.T) {
	root, limits := machine(t)
	program := filepath.Join(t.TempDir(), "client")
	must(t, os.WriteFile(program, []byte("#!/bin/sh\nexit 78\n"), 0o755))
	must(t, os.Mkdir(filepath.Join(root, "work"), 0o700))
	a := newAgent(Config{Limits: limits, Logger: slog.New(slog.DiscardHandler), Program: program, Output: &lines{},
		Folders: &Folders{Own: t.TempDir(), Work: filepath.Join(root, "work")}})
	a.begins.every = time.Hour
	begun := 0
	for i := range beginBurst + 10 {
		ask := taskOf("path: " + root + "/allowed\nfile_size: 1MiB\nchunk_size: 64KiB")
		ask.TaskId = idOf(i)
		a.take(ask)
		a.running.Wait()
		tasks := a.report().GetTasks()
		switch last := tasks[len(tasks)-1]; {
		case last.GetState() == bulkheadv1.TaskState_TASK_STATE_ENDED:
			begun++
		case last.GetRefusal() != bulkheadv1.TaskRefusal_TASK_REFUSAL_BUSY:
			t.Fatalf("task %d is %v", i, last)
		}
	}
	if begun != beginBurst {
		t.Errorf("%d clients were begun in a row; want %d", begun, beginBurst)
	}
}

// A client that writes nothing any more, or never begins to, lives no longer than its owner allows.
func TestAClientThatNeverEndsIsEnded(t *testing.T) {
	root, limits := machine(t)
	limits.MaxRuntime = time.Nanosecond
	program := filepath.Join(t.TempDir(), "client")
	must(t, os.WriteFile(program, []byte("#!/bin/sh\nwhile :; do sleep 1; done\n"), 0o755))
	must(t, os.Mkdir(filepath.Join(root, "work"), 0o700))
	a := newAgent(Config{Limits: limits, Logger: slog.New(slog.DiscardHandler), Program: program, Output: &lines{},
		Overtime: time.Nanosecond, Folders: &Folders{Own: t.TempDir(), Work: filepath.Join(root, "work")}})
	ran := &task{report: &bulkheadv1.TaskReport{}}
	a.mu.Lock()
	no := a.begin(ran, taskOf(""), &need{})
	client := ran.client
	a.mu.Unlock()
	if no != nil {
		t.Fatal(no.text)
	}
	t.Cleanup(client.kill)
	select {
	case <-client.done:
	case <-time.After(time.Minute):
		t.Fatal("it lives on")
	}
	a.running.Wait()
	if ran.report.GetState() != bulkheadv1.TaskState_TASK_STATE_ENDED {
		t.Errorf("its task is %v", ran.report)
	}
}

// So many in a row, and then one in each interval.
func TestPace(t *testing.T) {
	p := pace{every: time.Second, burst: 3}
	at := time.Unix(1000, 0)
	for i, tt := range []struct {
		after time.Duration
		may   bool
	}{{0, true}, {0, true}, {0, true}, {0, false}, {time.Second, true}, {0, false}, {time.Second / 2, false},
		{time.Second / 2, true}, {time.Hour, true}, {0, true}, {0, true}, {0, false}} {
		at = at.Add(tt.after)
		if got := p.may(at); got != tt.may {
			t.Errorf("call %d: %t", i, got)
		}
	}
}
