package child

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"

	"bulkhead/internal/blackbox"
	"bulkhead/internal/child/spawner"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// pipeDrain is how long the pipes of a dead child may stay open (somebody else
// holds them) before they are closed from this side.
const pipeDrain = 500 * time.Millisecond

// process is the operating system's side of a child. It implements go-plugin's
// runner.Runner, so that go-plugin negotiates while this package owns start,
// kill and wait.
type process struct {
	cfg       Config
	cmd       *exec.Cmd    // nil if the process was adopted
	socketDir string       // set by adopt
	address   string       // the path of its socket; set by PluginToHost
	childLine *os.File     // closed by Start or abandon
	confide   func() error // puts the process's secret on its line; not nil with childLine
	stdout    *os.File
	stderr    *os.File       // nil if this process does not have it
	box       *blackbox.View // nil without one
	log       *stderrLog
	noise     *rate.Limiter // of what it writes that nobody asked for
	oomKills  atomic.Uint64 // of the whole system, when the process is known to have been alive
	before    uint64        // peak memory of this process when it started the other, in bytes; set before await
	peak      atomic.Uint64 // of the process's own memory in bytes, as look saw it; 0 if it did not
	limit     uint64        // of its data, in bytes; set before await, and by examine
	data      uint64        // that it had in bytes, as examine saw it; 0 if it did not

	running atomic.Pointer[target] // set once started
	pid     atomic.Int64           // set before running
	spoken  spoken
	killed  atomic.Pointer[reason] // this package wants it dead
	clean   func()                 // what is left to do once exited is closed; set before the process is started
	exited  chan struct{}          // closed once exit is set
	ended   ending                 // over once exited is closed
	exit    Exit                   // written before exited is closed
	kept    boxed                  // written before exited is closed
}

// reason is why this package killed a child.
type reason struct {
	class bulkheadv1.ExitClass
	why   string
}

// newProcess prepares a process that inherits childLine, on which confide puts its secret.
func newProcess(cfg Config, childLine *os.File, confide func() error) *process {
	cmd := exec.Command(cfg.Path, cfg.Args...)
	cmd.Dir = cfg.Dir
	cmd.ExtraFiles = []*os.File{childLine}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if cfg.DieWithParent {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGCONT
	}
	p := &process{
		cfg: cfg, cmd: cmd, childLine: childLine, confide: confide, limit: cfg.MemoryMax,
		log: newStderrLog(cfg.Logger, cfg.Logs), noise: newNoise(), exited: make(chan struct{}),
	}
	p.log.onFault = p.examine
	return p
}

// takenUp returns a process that runs already, for resume.
func takenUp(cfg Config, rec Record, in inherited) *process {
	p := &process{
		cfg: cfg, socketDir: rec.SocketDir, address: rec.Address, stderr: in.stderr, limit: cfg.MemoryMax,
		log: newStderrLog(cfg.Logger, cfg.Logs), noise: newNoise(), exited: make(chan struct{}),
	}
	p.log.onFault = p.examine
	p.oomKills.Store(oomKills())
	p.before = math.MaxUint64 // who started it is gone, and its memory unknown
	if in.box != nil || cfg.BoxBytes > 0 {
		p.box = viewBox(in.box, rec.Pid)
	}
	return p
}

// resume starts the goroutine that reads the stderr of a process that was found, and waits for
// it. It ends when the process does.
func (p *process) resume(h handle) {
	p.pid.Store(int64(h.target.pid))
	p.running.Store(h.target)
	go func() {
		defer h.target.close()
		p.await(h.started, h.target)
	}()
}

// adopt takes what go-plugin decided: its environment and the socket's folder.
func (p *process) adopt(plug *exec.Cmd, socketDir string) {
	p.cmd.Env = append(append(detectorEnv[:], p.cfg.Env...), plug.Env...)
	p.socketDir = socketDir
}

// abandon ends a process that Start was never called for.
func (p *process) abandon(err error) {
	p.childLine.Close()
	p.finish(Exit{Err: err})
	go p.clean() // ends once nobody connects to it
}

// addFiles has the process inherit Config.Files.
func (p *process) addFiles() {
	if len(p.cfg.Files) == 0 {
		return
	}
	const standard = 3
	for len(p.cmd.ExtraFiles) < FirstFile-standard {
		p.cmd.ExtraFiles = append(p.cmd.ExtraFiles, nil) // closed there
	}
	p.cmd.ExtraFiles = append(p.cmd.ExtraFiles, p.cfg.Files...)
}

// Start starts the process and the goroutine that reads its stderr and waits for it, which ends
// when the process does.
func (p *process) Start(context.Context) error {
	box, err := p.addBox()
	if err != nil {
		p.abandon(err)
		return err
	}
	if box != nil {
		defer box.Close() // the process has its own
	}
	p.addFiles()
	p.oomKills.Store(oomKills())
	started := make(chan error, 1)
	go func() { // ends with the process
		if p.cfg.DieWithParent {
			// PR_SET_PDEATHSIG fires when the thread that forked ends, not the
			// process (prctl(2)), so that thread is kept until the child is gone.
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
		}
		begin := time.Now()
		child, err := p.launch()
		p.childLine.Close()
		if err != nil {
			p.finish(Exit{Err: err, Started: begin, Ended: time.Now()})
			started <- err
			p.clean()
			return
		}
		p.pid.Store(int64(child.pid))
		p.running.Store(child)
		err = child.use(func(pid int) error { return limitMemory(pid, p.cfg.MemoryMax) })
		// Once the child has another user this process may not be allowed to, and need not.
		mayNot := p.cfg.BoundsItself && errors.Is(err, unix.EPERM)
		if err != nil && !errors.Is(err, os.ErrProcessDone) && !mayNot {
			p.cfg.Logger.Error("a child runs without its memory limit", "error", err)
		}
		if p.killed.Load() != nil { // kill was called before there was anything to kill
			p.kill()
		}
		started <- nil
		p.await(begin, child)
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("starting %s: %w", p.cfg.Path, err)
	}
	return nil
}

// launch starts the process, by the spawner if there is one.
func (p *process) launch() (*target, error) {
	defer children.starting()()
	stdoutW, stderrW, err := p.openPipes()
	if err != nil {
		return nil, err
	}
	defer func() {
		stdoutW.Close()
		stderrW.Close()
	}()
	if err := p.confide(); err != nil {
		return nil, err
	}
	if p.bySpawner() {
		child, before, lost, err := p.cfg.Spawner.start(p.request(stdoutW, stderrW))
		if p.before = before; !errors.Is(err, errNoSpawner) {
			return child, err
		}
		if lost {
			stdoutW.Close()
			stderrW.Close()
			if stdoutW, stderrW, err = p.forget(); err != nil {
				return nil, err
			}
		}
	}
	if err := sealDescriptors(); err != nil {
		return nil, err
	}
	p.cmd.Stdout, p.cmd.Stderr = stdoutW, stderrW
	if err := p.startApart(); err != nil {
		return nil, err
	}
	p.before = peakResident(0)
	return targetOf(p.cmd.Process), nil
}

// forget removes what another process in the place of this one may have left: its socket, and
// what it wrote. What it may have taken is there again. It returns what openPipes does.
func (p *process) forget() (stdoutW, stderrW *os.File, err error) {
	p.stdout.Close()
	p.stderr.Close()
	left, err := os.ReadDir(p.socketDir)
	for _, entry := range left {
		err = errors.Join(err, os.Remove(filepath.Join(p.socketDir, entry.Name())))
	}
	if err = errors.Join(err, p.confide()); err != nil {
		return nil, nil, err
	}
	return p.openPipes()
}

// bySpawner reports whether the process is to be started by a spawner. One that is to wake up
// at this process's end is not: that needs a thread of this process.
func (p *process) bySpawner() bool {
	return p.cfg.Spawner != nil && !p.cfg.DieWithParent && p.cmd.Err == nil
}

// request returns what a spawner is asked for, and the descriptors that go with it.
func (p *process) request(stdoutW, stderrW *os.File) (spawner.Request, []*os.File) {
	r := spawner.Request{Path: p.cmd.Path, Dir: p.cmd.Dir, Args: p.cmd.Args, Env: p.cmd.Environ(),
		TimerSlack: p.cfg.TimerSlack}
	var files []*os.File
	for _, f := range append([]*os.File{stdoutW, stderrW}, p.cmd.ExtraFiles...) {
		if f == nil {
			r.Files = append(r.Files, -1)
			continue
		}
		r.Files = append(r.Files, len(files))
		files = append(files, f)
	}
	return r, files
}

// startApart starts the process, in namespaces of its own if it is to have some. Where it gets none
// it starts without: whoever serves there finds out.
func (p *process) startApart() error {
	if !p.cfg.Apart {
		return p.startRelaxed()
	}
	whole := *p.cmd.SysProcAttr
	p.cmd.SysProcAttr.Unshareflags = spawner.Namespaces
	if err := p.startRelaxed(); err == nil {
		return nil
	}
	was := p.cmd
	p.cmd = &exec.Cmd{Path: was.Path, Args: was.Args, Env: was.Env, Dir: was.Dir, Stdout: was.Stdout,
		Stderr: was.Stderr, ExtraFiles: was.ExtraFiles, Err: was.Err, SysProcAttr: &whole}
	return p.startRelaxed()
}

// startRelaxed starts the process with its timer slack, which it inherits from the
// thread that forks and keeps across execve(2).
func (p *process) startRelaxed() error {
	if p.cfg.TimerSlack <= 0 {
		return p.cmd.Start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(p.cfg.TimerSlack), 0, 0, 0); err != nil {
		return fmt.Errorf("setting the timer slack: %w", err)
	}
	defer unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) // back to this thread's default
	return p.cmd.Start()
}

// await reads the process's stderr, publishes how the process ended and cleans up after it. It is
// all that waits for a process: the end of its stderr is usually that of the process.
func (p *process) await(started time.Time, t *target) {
	ended := make(chan Exit, 1)
	t.onEnd(func(e Exit) {
		e.Started, e.Ended = started, time.Now()
		if k := p.killed.Load(); k != nil {
			e.Forced, e.reason = true, *k
		}
		for _, pipe := range []*os.File{p.stdout, p.stderr} {
			if pipe != nil {
				pipe.SetReadDeadline(e.Ended.Add(pipeDrain))
			}
		}
		ended <- e
	})
	if p.stderr != nil {
		p.log.Copy(overheard{p.stderr, p}) // ends when stderr does: at the latest pipeDrain after the exit
		t.mayHaveEnded()
	}
	exit := <-ended
	exit.MaxResident = p.ownPeak(exit.MaxResident)
	exit.LastWords, exit.limit, exit.data = p.log.words(), p.limit, p.data
	exit.KernelOOM = p.killedBySystem(exit, oomKills())
	p.finish(exit)
	p.clean()
}

// over reports whether the process has ended, also if that was not published yet.
func (p *process) over() bool {
	return p.running.Load().use(func(int) error { return nil }) != nil || p.running.Load().ended()
}

// killedBySystem reports whether the process may be one of those that the system has killed
// for want of memory, which are so many by now.
func (p *process) killedBySystem(e Exit, kills uint64) bool {
	return e.Signal == syscall.SIGKILL && !e.Forced && kills > p.oomKills.Load()
}

// outlived notes that the process was alive when the system had killed so many.
func (p *process) outlived(kills uint64) {
	for old := p.oomKills.Load(); kills > old; old = p.oomKills.Load() {
		p.oomKills.CompareAndSwap(old, kills)
	}
}

// finish publishes the exit.
func (p *process) finish(e Exit) {
	if p.stderr != nil { // stdout is go-plugin's to read to its end
		p.stderr.Close()
	}
	if p.box != nil {
		p.kept = readBox(p.box, p.cfg.BoxBytes)
		p.box.Close()
	}
	p.exit = e
	close(p.exited)
	p.ended.over()
}

func (p *process) openPipes() (stdoutW, stderrW *os.File, err error) {
	p.stdout, stdoutW, err = os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	p.stderr, stderrW, err = os.Pipe()
	if err != nil {
		p.stdout.Close()
		stdoutW.Close()
		return nil, nil, err
	}
	return stdoutW, stderrW, nil
}

// kill sends SIGKILL. It may be called at any time, also before
// Start.
func (p *process) kill() { p.killFor(reason{class: bulkheadv1.ExitClass_EXIT_CLASS_KILLED}) }

// killFor does what kill does, for a reason; the first one counts.
func (p *process) killFor(why reason) {
	select {
	case <-p.exited:
		return
	default:
	}
	p.look()
	p.killed.CompareAndSwap(nil, &why)
	if err := p.signal(syscall.SIGKILL); err != nil {
		p.cfg.Logger.Error("killing a child", "error", err)
	}
}

// signal signals the process, if it runs.
func (p *process) signal(sig syscall.Signal) error {
	running := p.running.Load()
	if running == nil {
		return nil
	}
	err := running.signal(sig)
	select {
	case <-p.exited: // and its handle is released
		return nil
	default:
	}
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// The rest is runner.Runner.

// Wait waits for the exit. The exit itself is not an error here: go-plugin would
// only log it.
func (p *process) Wait(context.Context) error { <-p.exited; return nil }

// Kill is called by go-plugin when the handshake fails.
func (p *process) Kill(context.Context) error { p.kill(); return nil }

// Stdout is read by go-plugin for the handshake, then to its end, which comes soon after: a
// child keeps no stdout.
func (p *process) Stdout() io.ReadCloser {
	return &greeting{ReadCloser: closing{overheard{p.stdout, p}}, spoken: &p.spoken}
}

// closing closes a reader at its end.
type closing struct{ io.ReadCloser }

func (c closing) Read(b []byte) (int, error) {
	n, err := c.ReadCloser.Read(b)
	if err != nil {
		c.Close() // nothing was written
	}
	return n, err
}

// Stderr is empty: this package reads the real one, with limits.
func (p *process) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }

func (p *process) Name() string { return p.cfg.Name }

// ID is never empty, because go-plugin cleans up only after runners with an ID.
func (p *process) ID() string { return p.cfg.Name }

// Diagnose returns why a handshake may have gone wrong.
func (p *process) Diagnose(context.Context) string {
	return strings.Join(p.log.words(), "\n")
}

// PluginToHost lets go-plugin dial only a socket in the child's own folder.
func (p *process) PluginToHost(network, addr string) (string, string, error) {
	if network != "unix" || filepath.Dir(filepath.Clean(addr)) != filepath.Clean(p.socketDir) {
		return "", "", fmt.Errorf("child printed the address %q %q; its socket must be in %s", network, addr,
			p.socketDir)
	}
	p.address = addr
	return network, addr, nil
}

// HostToPlugin leaves addresses as they are: both sides see one file system.
func (p *process) HostToPlugin(network, addr string) (string, string, error) {
	return network, addr, nil
}
