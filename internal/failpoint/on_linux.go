//go:build failpoints

package failpoint

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Enabled reports whether this program was built with failpoints.
const Enabled = true

// marker begins an action in the path of a Rollover.
const marker = "FAULT:"

// point is what happens at a named point.
type point struct {
	action string
	at     uint64 // only at this hit; 0 is every one
	file   string // only if the hit creates it; "" is always
}

// hits counts. A program has points all over, so this is one of the few variables of
// a package; it is in test builds only.
var hits struct {
	mu    sync.Mutex
	count map[string]uint64 // guarded by mu
}

// armed is the points of the environment.
var armed = sync.OnceValues(func() (map[string]point, error) { return parse(os.Getenv(EnvName)) })

// parse reads the points of the environment.
func parse(env string) (map[string]point, error) {
	points := map[string]point{}
	for _, entry := range strings.Split(env, ";") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		name, does, ok := strings.Cut(entry, "=")
		var p point
		does, p.file, _ = strings.Cut(does, "?")
		action, at, counted := strings.Cut(does, "@")
		p.action = action
		if counted {
			n, err := strconv.ParseUint(at, 10, 64)
			if err != nil || n == 0 {
				return nil, fmt.Errorf("%s: %q: the hit must be a number from 1", EnvName, entry)
			}
			p.at = n
		}
		if !ok || name == "" || actions[action] == nil {
			return nil, fmt.Errorf("%s: %q is no point=action", EnvName, entry)
		}
		points[name] = p
	}
	return points, nil
}

// Hit marks a point at which the environment can make this program fail. It panics if the
// environment cannot be read.
func Hit(name string) {
	points, err := armed()
	if err != nil {
		panic(err)
	}
	p, ok := points[name]
	if !ok {
		return
	}
	hits.mu.Lock()
	if hits.count == nil {
		hits.count = map[string]uint64{}
	}
	hits.count[name]++
	n := hits.count[name]
	hits.mu.Unlock()
	if p.at != 0 && n != p.at {
		return
	}
	if p.file != "" {
		f, err := os.OpenFile(p.file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return // another process was the one
		}
		fmt.Fprintf(f, "%s %d\n", name, os.Getpid())
		f.Close()
	}
	actions[p.action](name)
}

// Batch does what the messages say.
func Batch(messages []*bulkheadv1.Message) {
	for _, m := range messages {
		_, does, ok := strings.Cut(m.GetRollover().GetPath(), marker)
		if !ok {
			continue
		}
		end := strings.IndexFunc(does, func(r rune) bool { return r < 'a' || r > 'z' })
		if end < 0 {
			end = len(does)
		}
		if act := actions[does[:end]]; act != nil {
			act(fmt.Sprintf("message %d", m.GetSeq()))
		}
	}
}

// Env returns what a process passes on to its children so that their points are armed.
func Env() []string {
	if v, ok := os.LookupEnv(EnvName); ok {
		return []string{EnvName + "=" + v}
	}
	return nil
}

// actions by name. Each is told where it happens.
var actions = map[string]func(where string){
	"exit":     func(string) { os.Exit(3) },
	"kill":     func(string) { die(unix.SIGKILL) },
	"segv":     func(string) { die(unix.SIGSEGV) },
	"panic":    func(where string) { panic("failpoint " + where) },
	"spin":     func(string) { spin() },
	"deadlock": func(string) { select {} },
	"stop":     func(string) { stop() },
	"oom":      func(string) { hoard() },
	"forbid":   func(string) { forbid() },
	"stray":    func(string) { _, _, _ = unix.RawSyscall(unix.SYS_GETPPID, 0, 0, 0) },
}

// stop stops the process before this goroutine does anything else: a signal to the
// process would be left to any of its threads, whenever that one gets to run.
func stop() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGSTOP)
}

// die ends the process by a signal with its default action, which Go's runtime has
// replaced.
func die(sig syscall.Signal) {
	var deflt [64]byte // a struct sigaction of zeros is SIG_DFL
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&deflt)), 0, 8, 0, 0)
	_ = unix.Kill(os.Getpid(), sig)
	select {}
}

// forbid makes a call that no sandbox of a handler leaves it; without one it does nothing.
func forbid() {
	if fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err == nil {
		unix.Close(fd)
	}
}

func spin() {
	for i := 0; ; i++ {
		_ = i
	}
}

// hoard takes and touches memory until there is none.
func hoard() {
	var all [][]byte
	for {
		block := make([]byte, 1<<20)
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		all = append(all, block)
		runtime.KeepAlive(all)
	}
}
