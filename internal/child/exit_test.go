package child

import (
	"errors"
	"syscall"
	"testing"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func TestExitsAreSorted(t *testing.T) {
	hang := reason{bulkheadv1.ExitClass_EXIT_CLASS_HANG, "no answer for 5s"}
	killed := reason{class: bulkheadv1.ExitClass_EXIT_CLASS_KILLED}
	words := func(s ...string) []string { return s }
	for _, tt := range []struct {
		name  string
		exit  Exit
		class bulkheadv1.ExitClass
		text  string
	}{
		{"never started", Exit{}, bulkheadv1.ExitClass_EXIT_CLASS_NOT_STARTED, "never started"},
		{"why not", Exit{Err: errors.New("no memory")}, bulkheadv1.ExitClass_EXIT_CLASS_NOT_STARTED,
			"never started: no memory"},
		{"does not end", Exit{Pid: 2, Alive: true}, bulkheadv1.ExitClass_EXIT_CLASS_NEVER,
			"did not end, not even by SIGKILL"},
		{"clean", Exit{Pid: 2}, bulkheadv1.ExitClass_EXIT_CLASS_CLEAN, "exit status 0"},
		{"clean, with words", Exit{Pid: 2, LastWords: words("panic: no")}, bulkheadv1.ExitClass_EXIT_CLASS_CLEAN,
			"exit status 0"},
		{"status", Exit{Pid: 2, Code: 7}, bulkheadv1.ExitClass_EXIT_CLASS_CRASH, "exit status 7"},
		{"panic", Exit{Pid: 2, Code: 2, LastWords: words("panic: x", "goroutine 1")},
			bulkheadv1.ExitClass_EXIT_CLASS_CRASH, "exit status 2: panic: x"},
		{"signal", Exit{Pid: 2, Code: -1, Signal: syscall.SIGBUS}, bulkheadv1.ExitClass_EXIT_CLASS_CRASH,
			"killed by signal 7 (SIGBUS)"},
		{"a foreign kill", Exit{Pid: 2, Code: -1, Signal: syscall.SIGKILL}, bulkheadv1.ExitClass_EXIT_CLASS_CRASH,
			"killed by signal 9 (SIGKILL)"},
		{"the system's killer", Exit{Pid: 2, Code: -1, Signal: syscall.SIGKILL, KernelOOM: true},
			bulkheadv1.ExitClass_EXIT_CLASS_OOM,
			"ran out of memory: probably killed by the system's out-of-memory killer"},
		{"its own limit", Exit{Pid: 2, Code: 2, LastWords: words("fatal error: runtime: out of memory")},
			bulkheadv1.ExitClass_EXIT_CLASS_OOM,
			"ran out of memory: exit status 2: fatal error: runtime: out of memory"},
		{"no memory for a stack", Exit{Pid: 2, Code: 2,
			LastWords: words("fatal error: runtime: cannot allocate memory")}, bulkheadv1.ExitClass_EXIT_CLASS_OOM,
			"ran out of memory: exit status 2: fatal error: runtime: cannot allocate memory"},
		{"no memory for a thread", Exit{Pid: 2, Code: 2, limit: 1 << 29, LastWords: words(noThread + ": EAGAIN")},
			bulkheadv1.ExitClass_EXIT_CLASS_OOM,
			"ran out of memory: exit status 2: runtime/cgo: pthread_create failed: EAGAIN"},
		{"no thread", Exit{Pid: 2, Code: 2, LastWords: words(noThread + ": EAGAIN")},
			bulkheadv1.ExitClass_EXIT_CLASS_CRASH, "exit status 2: runtime/cgo: pthread_create failed: EAGAIN"},
		{"words about memory", Exit{Pid: 2, Code: 2, LastWords: words("panic: out of memory")},
			bulkheadv1.ExitClass_EXIT_CLASS_CRASH, "exit status 2: panic: out of memory"},
		{"sandbox", Exit{Pid: 2, Code: -1, Signal: syscall.SIGSYS}, bulkheadv1.ExitClass_EXIT_CLASS_SANDBOX,
			"did what its sandbox forbids: killed by signal 31 (SIGSYS)"},
		{"sandbox that tells", Exit{Pid: 2, Code: 2, LastWords: words("SIGSYS: bad system call")},
			bulkheadv1.ExitClass_EXIT_CLASS_SANDBOX,
			"did what its sandbox forbids: exit status 2: SIGSYS: bad system call"},
		{"killed", Exit{Pid: 2, Code: -1, Signal: syscall.SIGKILL, Forced: true, reason: killed},
			bulkheadv1.ExitClass_EXIT_CLASS_KILLED, "did not end in time and was killed"},
		{"killed for a hang", Exit{Pid: 2, Code: -1, Signal: syscall.SIGKILL, Forced: true, reason: hang},
			bulkheadv1.ExitClass_EXIT_CLASS_HANG, "hung: no answer for 5s; killed"},
		{"ended before the kill", Exit{Pid: 2, Forced: true, reason: hang}, bulkheadv1.ExitClass_EXIT_CLASS_CLEAN,
			"exit status 0"},
		{"unknown", Exit{Pid: 2, Unknown: true}, bulkheadv1.ExitClass_EXIT_CLASS_ORPHANED,
			"ended; how is not known: it was not this process's child"},
		{"unknown, but killed", Exit{Pid: 2, Unknown: true, Forced: true, reason: hang},
			bulkheadv1.ExitClass_EXIT_CLASS_HANG, "hung: no answer for 5s; killed"},
	} {
		if got := tt.exit.Class(); got != tt.class {
			t.Errorf("%s: class = %v; want %v", tt.name, got, tt.class)
		}
		if got := tt.exit.String(); got != tt.text {
			t.Errorf("%s: %q; want %q", tt.name, got, tt.text)
		}
	}
}

// Go's runtime does not check each time whether it got memory. What it dies of then looks like many
// other ends.
func TestAFaultForWantOfMemory(t *testing.T) {
	const place = "PC=0x42fc4e m=2 sigcode=1 addr=0x1ff8"
	const inRuntime = "goroutine 0 gp=0xc000104380 m=2 mp=0xc000100808 [idle]:"
	const inQueue = "runtime.(*spanQueue).tryDrain(0x400?, 0x0?, 0x0?)"
	const limit, much, little = 256 << 20, 200 << 20, 20 << 20
	words := func(s ...string) []string { return s }
	for name, tt := range map[string]struct {
		limit, peak, data uint64
		words             []string
		want              bool
	}{
		"at its limit":         {limit, little, limit - 4096, words(fault, place, inRuntime, "runtime.f"), true},
		"below its limit":      {limit, much, much, words(fault, place, inRuntime), false},
		"after a high peak":    {limit, much, 0, words(fault, place, inRuntime), true},
		"after a low peak":     {limit, little, 0, words(fault, place, inRuntime), false},
		"in the queue":         {limit, little, 0, words(fault, place, inRuntime, inQueue), true},
		"in it, below":         {limit, little, much, words(fault, place, inRuntime, inQueue), false},
		"in it, without limit": {0, little, 0, words(fault, place, inRuntime, inQueue), false},
		"in another":           {limit, little, 0, words(fault, place, inRuntime, "runtime.f"), false},
		"peak not known":       {limit, 0, 0, words(fault, place, inRuntime), true},
		"no limit":             {0, much, much, words(fault, place, inRuntime), false},
		"of a goroutine":       {limit, much, limit, words(fault, place, "goroutine 7 gp=0xc0 m=2 mp=0xc1:"), false},
		"at another address":   {limit, much, limit, words(fault, place+"c04", inRuntime), false},
		"a kill":               {limit, much, limit, words(fault, "PC=0x4 m=0 sigcode=0 addr=0x1f", inRuntime), false},
		"no access":            {limit, much, limit, words(fault, "PC=0x4 m=0 sigcode=2 addr=0x1f", inRuntime), false},
		"another signal":       {limit, much, limit, words("SIGBUS: bus error", place, inRuntime), false},
		"said later":           {limit, much, limit, words("panic: x", fault, place, inRuntime), false},
		"said in part":         {limit, much, limit, words(fault, place), false},
		"no number":            {limit, much, limit, words(fault, "PC=0x1 m=0 sigcode=1 addr=0xg", inRuntime), false},
		"said without address": {limit, much, limit, words(fault, "PC=0x1 m=0 sigcode=1", inRuntime), false},
	} {
		e := Exit{Pid: 2, Code: 2, limit: tt.limit, MaxResident: tt.peak, data: tt.data, LastWords: tt.words}
		want := bulkheadv1.ExitClass_EXIT_CLASS_CRASH
		if tt.want {
			want = bulkheadv1.ExitClass_EXIT_CLASS_OOM
		}
		if got := e.Class(); got != want {
			t.Errorf("%s: class = %v; want %v", name, got, want)
		}
	}
}

// A panic is long: its first lines stay. Before one, the newest lines count.
func TestLastWordsBeginWithTheCause(t *testing.T) {
	for name, first := range map[string]string{
		"a panic": "panic: x", "a fatal error": "fatal error: x", "a signal": "SIGSEGV: segmentation violation",
	} {
		s := newStderrLog(Config{}.withDefaults().Logger, nil)
		for range 20 {
			s.keep("before")
		}
		s.keep(first)
		for range 20 {
			s.keep("goroutine 1")
		}
		if w := s.words(); len(w) != maxLastWords || w[0] != first {
			t.Errorf("%s: %q; want %q first", name, w, first)
		}
	}
	s := newStderrLog(Config{}.withDefaults().Logger, nil)
	for _, line := range []string{"before", noThread, abort, "PC=0x0"} {
		s.keep(line)
	}
	if w := s.words(); w[0] != noThread || w[1] != abort {
		t.Errorf("%q; want why it aborted first", w)
	}
	s = newStderrLog(Config{}.withDefaults().Logger, nil)
	for _, line := range []string{"SIGNAL: none", "SIGFOO: none", "a", "SIGSEGV"} {
		s.keep(line)
	}
	if w := s.words(); w[0] != "SIGNAL: none" {
		t.Errorf("%q; want all that is no cause", w)
	}
}

func TestStatOfAProcessIsParsed(t *testing.T) {
	line := "7 (a) b (c) Z 5 7 7 0 -1 4194560 1 2 33 4 10 20 0 0 20 0 1 0 12345 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 " +
		"1 1 1 1 1 1 1 1 1 1 1 9"
	s, err := parseStat([]byte(line))
	if err != nil || s.state != 'Z' || s.parent != 5 || s.majorFaults != 33 || s.user != 10*clockTick ||
		s.system != 20*clockTick || s.startTicks != 12345 || s.status.Signal() != syscall.SIGKILL {
		t.Errorf("parseStat = %+v, %v", s, err)
	}
	for _, bad := range []string{"", ")", "7 (a", "7 (a) R 5", line[:len(line)-2], "7 (a) R x" + line[15:]} {
		if s, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("parseStat(%q) = %+v; want an error", bad, s)
		}
	}
}

func TestTheFirstReasonForAKillCounts(t *testing.T) {
	p := &process{exited: make(chan struct{})}
	p.killFor(reason{bulkheadv1.ExitClass_EXIT_CLASS_HANG, "no answer"})
	p.killFor(reason{bulkheadv1.ExitClass_EXIT_CLASS_PROTOCOL, "a second Hello"})
	p.kill()
	if got := p.killed.Load().class; got != bulkheadv1.ExitClass_EXIT_CLASS_HANG {
		t.Errorf("killed for %v; want the first reason", got)
	}
}

// A child that was alive after the system had killed others is no victim of that time.
func TestAChildThatOutlivedTheSystemsVictimsIsNone(t *testing.T) {
	p := new(process)
	p.oomKills.Store(3)
	killed := Exit{Pid: 1, Code: -1, Signal: syscall.SIGKILL}
	for _, step := range []struct {
		outlived, kills uint64
		want            bool
	}{{0, 3, false}, {0, 4, true}, {4, 4, false}, {2, 4, false}, {2, 5, true}} {
		p.outlived(step.outlived)
		if got := p.killedBySystem(killed, step.kills); got != step.want {
			t.Errorf("after it outlived %d, with %d: %v; want %v", step.outlived, step.kills, got, step.want)
		}
	}
	for _, other := range []Exit{{Pid: 1, Signal: syscall.SIGSEGV}, {Pid: 1, Signal: syscall.SIGKILL, Forced: true}} {
		if p.killedBySystem(other, 9) {
			t.Errorf("%+v is taken for a victim of the system", other)
		}
	}
}
