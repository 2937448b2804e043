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
	cmd       *exec.Cmd // nil if the process was taken up
	socketDir string    // set by adopt
	address   string    // the path of its socket; set by PluginToHost
	childLine *os.File  // closed by Start or abandon
	stdout    *os.File
	stderr    *os.File // nil if this process does not have it
	box       *os.File // nil without one
	log       *stderrLog
	noise     *rate.Limiter // of what it writes that nobody asked for
	oomKills  atomic.Uint64 // of the whole system, when the process is known to have been alive
	before    uint64        // peak memory of this process when it started the other, in bytes; set before await
	peak      atomic.Uint64 // of the process's own memory in bytes, as look saw it; 0 if it did not

	running atomic.Pointer[os.Process] // set once started
	pid     atomic.Int64               // set before running
	killed  atomic.Pointer[reason]     // this package wants it dead
	exited  chan struct{}              // closed once exit is set
	exit    Exit                       // written before exited is closed
	kept    boxed                      // written before exited is closed
}

// reason is why this package killed a child.
type reason struct {
	class bulkheadv1.ExitClass
	why   string
}

// newProcess prepares a process that inherits childLine.
func newProcess(cfg Config, childLine *os.File) *process {
	cmd := exec.Command(cfg.Path, cfg.Args...)
	cmd.Dir = cfg.Dir
	cmd.ExtraFiles = []*os.File{childLine}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if cfg.DieWithParent {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGCONT
	}
	return &process{
		cfg: cfg, cmd: cmd, childLine: childLine,
		log: newStderrLog(cfg.Logger), noise: newNoise(), exited: make(chan struct{}),
	}
}

// takenUp is a process that runs already. The goroutines that read its stderr and
// wait for it end when it does.
func takenUp(cfg Config, rec Record, h handle, in inherited) *process {
	p := &process{
		cfg: cfg, socketDir: rec.SocketDir, address: rec.Address, stderr: in.stderr, box: in.box,
		log: newStderrLog(cfg.Logger), noise: newNoise(), exited: make(chan struct{}),
	}
	p.oomKills.Store(oomKills())
	p.before = math.MaxUint64 // who started it is gone, and its memory unknown
	if p.box == nil && cfg.BoxBytes > 0 {
		p.box = findBox(rec.Pid)
	}
	p.pid.Store(int64(rec.Pid))
	p.running.Store(h.process)
	go func() {
		p.await(h.started, func() Exit {
			if h.pidfd == nil {
				awaitEnd(rec.Pid)
				return exitOf(h.process.Wait())
			}
			defer h.pidfd.Close()
			return waitForeign(h.pidfd, rec.Pid, rec.StartTicks)
		})
		_ = h.process.Release() // it frees the handle, and cannot do more
	}()
	return p
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

// Start starts the process and the goroutines that read its stderr and wait for
// it. They end when the process does.
func (p *process) Start(context.Context) error {
	err := sealDescriptors()
	if err == nil {
		err = p.addBox()
	}
	p.addFiles()
	if err != nil {
		p.abandon(err)
		return err
	}
	stdoutW, stderrW, err := p.openPipes()
	if err != nil {
		p.abandon(err)
		return err
	}
	p.cmd.Stdout, p.cmd.Stderr = stdoutW, stderrW
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
		err := p.startRelaxed()
		stdoutW.Close()
		stderrW.Close()
		p.childLine.Close()
		if err != nil {
			p.finish(Exit{Err: err, Started: begin, Ended: time.Now()})
			started <- err
			return
		}
		p.before = peakResident(0)
		p.pid.Store(int64(p.cmd.Process.Pid))
		p.running.Store(p.cmd.Process)
		if err := limitMemory(p.cmd.Process.Pid, p.cfg.MemoryMax); err != nil {
			p.cfg.Logger.Error("a child runs without its memory limit", "error", err)
		}
		if p.killed.Load() != nil { // kill was called before there was anything to kill
			p.kill()
		}
		started <- nil
		p.await(begin, func() Exit {
			awaitEnd(p.cmd.Process.Pid)
			return exitOf(p.cmd.Process.Wait())
		})
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("starting %s: %w", p.cfg.Path, err)
	}
	return nil
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

// await reads the process's stderr and publishes how it ended.
func (p *process) await(started time.Time, wait func() Exit) {
	drained := make(chan struct{})
	if p.stderr != nil {
		go func() { // ends when stderr does: at the latest pipeDrain after the exit
			defer close(drained)
			p.log.Copy(overheard{p.stderr, p})
		}()
	} else {
		close(drained)
	}
	exit := wait()
	exit.Started, exit.Ended = started, time.Now()
	exit.MaxResident = p.ownPeak(exit.MaxResident)
	for _, pipe := range []*os.File{p.stdout, p.stderr} {
		if pipe != nil {
			pipe.SetReadDeadline(exit.Ended.Add(pipeDrain))
		}
	}
	<-drained
	if k := p.killed.Load(); k != nil {
		exit.Forced, exit.reason = true, *k
	}
	exit.LastWords, exit.limited = p.log.words(), p.cfg.MemoryMax > 0
	exit.KernelOOM = p.killedBySystem(exit, oomKills())
	p.finish(exit)
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

// kill sends SIGKILL through the pidfd. It may be called at any time, also before
// Start.
func (p *process) kill() { p.killFor(reason{class: bulkheadv1.ExitClass_EXIT_CLASS_KILLED}) }

// killFor is kill with a reason; the first one counts.
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
	err := running.Signal(sig)
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

// Stdout is read by go-plugin for the handshake, then to its end.
func (p *process) Stdout() io.ReadCloser { return overheard{p.stdout, p} }

// Stderr is empty: this package reads the real one, with limits.
func (p *process) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }

func (p *process) Name() string { return p.cfg.Name }

// ID is never empty, because go-plugin cleans up only after runners with an ID.
func (p *process) ID() string { return p.cfg.Name }

// Diagnose says why a handshake may have gone wrong.
func (p *process) Diagnose(context.Context) string {
	return strings.Join(p.log.words(), "\n")
}

// PluginToHost lets go-plugin dial only a socket in the child's own folder.
func (p *process) PluginToHost(network, addr string) (string, string, error) {
	if network != "unix" || filepath.Dir(filepath.Clean(addr)) != filepath.Clean(p.socketDir) {
		return "", "", fmt.Errorf("child printed the address %q %q; its socket must be in %s", network, addr, p.socketDir)
	}
	p.address = addr
	return network, addr, nil
}

// HostToPlugin leaves addresses as they are: both sides see one file system.
func (p *process) HostToPlugin(network, addr string) (string, string, error) {
	return network, addr, nil
}
