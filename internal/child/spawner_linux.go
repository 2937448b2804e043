package child

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"bulkhead/internal/backoff"
	"bulkhead/internal/child/spawner"
	"bulkhead/internal/episode"
	"bulkhead/internal/fdpass"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	// spawnerServes is how long a spawner may take until it is ready.
	spawnerServes = 5 * time.Second
	// spawnerAnswers is how long it may take to start a child, and how long a start waits for
	// others to have theirs. A start without an answer does without the spawner.
	spawnerAnswers = time.Second
	// spawnerEnds is how long it may take to end when asked, and by SIGKILL.
	spawnerEnds = time.Second
	// spawnerGone is how long a start waits until one that it had asked has ended, and what that
	// may have started. It takes milliseconds but on a machine that has no time.
	spawnerGone = 5 * time.Second
	// sweepFor is for how long what it may have started is looked for where that is not possible,
	// for want of a descriptor, and sweepAgain how long it takes until the next look.
	sweepFor, sweepAgain = 3 * time.Second, 20 * time.Millisecond
	// spawnerLooked is how long ago its memory may have been looked at: it hardly grows, and each
	// child soon has more.
	spawnerLooked = time.Second
	// spawnerProven is how long one must have run for its end to be the first failure again.
	spawnerProven = 10 * time.Second
)

// respawner is how long after the end of a spawner another one is started.
var respawner = backoff.Policy{First: 100 * time.Millisecond, Most: time.Minute}

// errNoSpawner says that there is no spawner to start a child, and that it has not.
var errNoSpawner = errors.New("there is no spawner")

// Spawner has children started by a small process of its own (package spawner), so that a
// start costs the same whatever this process has open. They are this process's children all
// the same. It may end at any moment: meanwhile children are started directly.
type Spawner struct {
	// Logs is as Config.Logs; set before Run.
	Logs *Logs

	path string
	env  []string
	log  *slog.Logger
	turn chan struct{} // holds one while a request is under way
	at   atomic.Pointer[spawning]
}

// NewSpawner returns a spawner that runs while Run does: the program at path, with
// spawner.Argument and env as its whole environment.
func NewSpawner(path string, env []string, log *slog.Logger) *Spawner {
	// One thread runs Go code, and the heap stays as small as it is.
	env = append([]string{"GOMAXPROCS=1", "GOGC=25"}, env...)
	return &Spawner{path: path, env: append(env, detectorEnv[:]...), log: log, turn: make(chan struct{}, 1)}
}

// spawning is a spawner that runs.
type spawning struct {
	*target
	line    *net.UnixConn
	stderr  *stderrLog
	heard   chan struct{} // closed at the end of its stderr
	exited  chan struct{} // closed once exit is set
	exit    Exit          // written before exited is closed
	session session
	hung    atomic.Pointer[reason] // why it was killed, if it was for what it did
	gone    chan struct{}          // closed when it has ended, and so have the children that nobody has heard of
	peak    uint64                 // of its memory, in bytes; of whoever has the turn
	looked  time.Time              // when that was found; the same
}

// Run keeps a spawner running until ctx is done, and returns when nothing of it is left but
// the children that it was asked for. Call it once.
func (s *Spawner) Run(ctx context.Context) {
	// The kernel ends a spawner with the thread that has started it (PR_SET_PDEATHSIG), and
	// so with this process, even one that is stopped.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var trouble episode.Episode
	for ctx.Err() == nil {
		began := time.Now()
		err := s.runOne(ctx, trouble.Failures)
		if err == nil || ctx.Err() != nil {
			return
		}
		if time.Since(began) >= spawnerProven {
			trouble.Over()
		}
		say := trouble.Failed(err)
		wait := respawner.After(trouble.Failures, rand.Float64())
		if say {
			s.log.Warn("there is no spawner; children are started without one, which takes longer the more "+
				"descriptors are open", "error", err, "trying_again_in", wait.Round(time.Millisecond))
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// Pid returns the process id of the spawner that is ready; 0 for none.
func (s *Spawner) Pid() int {
	if r := s.at.Load(); r != nil {
		return r.pid
	}
	return 0
}

// runOne runs one spawner, until it ends by itself, which is an error, or ctx is done.
// So many before it failed.
func (s *Spawner) runOne(ctx context.Context, failures int) error {
	r, err := s.launch()
	if err != nil {
		return err
	}
	defer close(r.gone)
	defer s.sweep(r)
	if err := r.greet(ctx); err != nil {
		r.kill()
		r.end()
		return fmt.Errorf("%w: %w", err, r.why())
	}
	s.at.Store(r)
	if failures > 0 {
		s.log.Info("there is a spawner again", "failures", failures, "spawner_pid", r.pid)
	}
	select {
	case <-r.exited:
		s.at.Store(nil)
		r.end()
		return r.why()
	case <-ctx.Done():
	}
	s.at.Store(nil)
	select { // let a request that is under way have its answer
	case s.turn <- struct{}{}:
		<-s.turn
	case <-r.exited:
	case <-time.After(spawnerAnswers):
	}
	r.end()
	return nil
}

// launch starts the process and the goroutines that wait for it and read its stderr, which
// end when it does.
func (s *Spawner) launch() (*spawning, error) {
	defer children.starting()()
	if err := sealDescriptors(); err != nil {
		return nil, fmt.Errorf("starting a spawner: %w", err)
	}
	line, its, err := fdpass.Pair()
	if err != nil {
		return nil, fmt.Errorf("starting a spawner: %w", err)
	}
	defer its.Close()
	stderr, stderrW, err := os.Pipe()
	if err != nil {
		line.Close()
		return nil, fmt.Errorf("starting a spawner: %w", err)
	}
	defer stderrW.Close()
	cmd := exec.Command(s.path, spawner.Argument)
	cmd.Env, cmd.Stderr, cmd.ExtraFiles = s.env, stderrW, []*os.File{its}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		line.Close()
		stderr.Close()
		return nil, fmt.Errorf("starting a spawner: %w", err)
	}
	t := targetOf(cmd.Process)
	r := &spawning{target: t, session: session{pid: t.pid}, line: line, stderr: newStderrLog(s.log, s.Logs),
		heard: make(chan struct{}), exited: make(chan struct{}), gone: make(chan struct{})}
	go func() {
		defer close(r.heard)
		defer stderr.Close()
		r.stderr.Copy(stderr)
	}()
	go func() {
		exit := r.wait()
		exit.Started, exit.Ended = began, time.Now()
		if why := r.hung.Load(); why != nil {
			exit.Forced, exit.reason = true, *why
		}
		_ = stderr.SetReadDeadline(exit.Ended.Add(pipeDrain)) // it fails for one that was closed
		<-r.heard
		exit.LastWords = r.stderr.words()
		r.exit = exit
		close(r.exited)
	}()
	return r, nil
}

// greet waits until the spawner says that it is ready, and of this version.
func (r *spawning) greet(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { r.line.Close() })
	defer stop()
	a, err := r.answer(time.Now().Add(spawnerServes))
	if err == nil && a != spawner.Hello() {
		err = errors.New("it is of another version")
	}
	if err != nil {
		return fmt.Errorf("waiting for a spawner: %w", saidWhy(err))
	}
	return nil
}

// saidWhy returns an error of the line in the words of what it means.
func saidWhy(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errors.New("it does not answer")
	case errors.Is(err, io.EOF), errors.Is(err, unix.ECONNRESET), errors.Is(err, unix.EPIPE):
		return errors.New("it is gone")
	default:
		return err
	}
}

// why returns how the spawner ended, without its pid: the same for another one that ended so.
func (r *spawning) why() error {
	select {
	case <-r.exited:
		return fmt.Errorf("the spawner ended: %s", r.exit)
	default:
		return errors.New("the spawner does not end, not even by SIGKILL")
	}
}

// end has the spawner end: by the end of its line, or by SIGKILL.
func (r *spawning) end() {
	r.line.Close()
	select {
	case <-r.exited:
	case <-time.After(spawnerEnds):
		r.kill()
		select {
		case <-r.exited:
		case <-time.After(spawnerEnds):
			// the kernel does not let go of it
		}
	}
}

// kill ends the spawner at once.
func (r *spawning) kill() { _ = r.signal(syscall.SIGKILL) } // it fails for one that has ended

// sweep ends the child of a spawner that has ended which nobody owns: it died before it
// said that it had started it.
func (s *Spawner) sweep(r *spawning) {
	strays, err := children.endStrays(&r.session, true)
	for began := time.Now(); err != nil && time.Since(began) < sweepFor; {
		time.Sleep(sweepAgain) // others give some back
		strays, err = children.endStrays(&r.session, true)
	}
	if err != nil {
		s.log.Error("children that a spawner had started without a chance to say so cannot be found", "error", err,
			"spawner_pid", r.pid)
	}
	for _, pid := range strays {
		s.log.Warn("a child that its spawner had started without a chance to say so was killed", "pid", pid,
			"spawner_pid", r.pid)
	}
}

// start has the spawner start a child. It returns errNoSpawner, wrapped, if there is none that
// does in time; nothing is left of the child then. lost says that there may have been one, which
// had the descriptors.
func (s *Spawner) start(req spawner.Request, files []*os.File) (t *target, before uint64, lost bool, err error) {
	r := s.at.Load()
	if r == nil {
		return nil, 0, false, errNoSpawner
	}
	packet, err := req.Append(nil)
	if err != nil {
		return nil, 0, false, errors.Join(errNoSpawner, err)
	}
	timer := time.NewTimer(spawnerAnswers)
	defer timer.Stop()
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-r.exited:
		return nil, 0, false, errNoSpawner
	case <-timer.C:
		return nil, 0, false, errNoSpawner
	}
	a, err := r.ask(packet, files, time.Now().Add(spawnerAnswers)) // none of it was lost to others
	if err == nil && a.Errno == 0 && a.Pid == 0 {
		err = fmt.Errorf("its answer has no pid: %w", os.ErrInvalid)
	}
	if err == nil && a.Errno == 0 {
		t, err = r.take(int(a.Pid))
	}
	if err != nil {
		s.at.CompareAndSwap(r, nil)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			r.hung.CompareAndSwap(nil, &reason{bulkheadv1.ExitClass_EXIT_CLASS_HANG, "it was asked for a child for " +
				spawnerAnswers.String()})
		}
		r.kill()
		select {
		case <-r.gone:
			return nil, 0, true, errors.Join(errNoSpawner, err)
		case <-time.After(spawnerGone): // whatever it has started may still come
			return nil, 0, true, fmt.Errorf("asking the spawner (pid %d), which does not end: %w", r.pid, saidWhy(err))
		}
	}
	if a.Errno != 0 {
		_, _ = children.endStrays(&r.session, false) // what failed to become a child; else it is swept in the end
		return nil, 0, false, &os.PathError{Op: "fork/exec", Path: req.Path, Err: syscall.Errno(a.Errno)}
	}
	if now := time.Now(); now.Sub(r.looked) >= spawnerLooked {
		r.peak, r.looked = max(r.peak, peakResident(r.pid)), now
	}
	return t, r.peak, false, nil
}

// take owns a child that the spawner has named. With an error it has ended, or is about to.
func (r *spawning) take(pid int) (*target, error) {
	t, err := children.ownOf(&r.session, pid)
	if errors.Is(err, errNotOurs) { // the program runs the spawner as a child of its own
		r.session.end(pid)
		r.hung.CompareAndSwap(nil, &reason{bulkheadv1.ExitClass_EXIT_CLASS_PROTOCOL, "what it starts is not this " +
			"process's child, as of a program that starts the spawner where it should execute it"})
	}
	return t, err
}

// ask sends a request with its descriptors and waits for the answer.
func (r *spawning) ask(packet []byte, files []*os.File, deadline time.Time) (spawner.Answer, error) {
	fds := make([]int, len(files))
	for i, f := range files {
		fds[i] = int(f.Fd()) // which makes it a blocking one, as for any child
	}
	if err := r.line.SetDeadline(deadline); err != nil {
		return spawner.Answer{}, fmt.Errorf("asking the spawner: %w", err)
	}
	_, _, err := r.line.WriteMsgUnix(packet, unix.UnixRights(fds...), nil)
	runtime.KeepAlive(files)
	if err != nil {
		return spawner.Answer{}, fmt.Errorf("asking the spawner: %w", err)
	}
	return r.answer(deadline)
}

// answer waits for an answer. Without room for them, no descriptor can come with it.
func (r *spawning) answer(deadline time.Time) (spawner.Answer, error) {
	if err := r.line.SetReadDeadline(deadline); err != nil {
		return spawner.Answer{}, fmt.Errorf("waiting for the spawner: %w", err)
	}
	var packet [spawner.AnswerBytes + 1]byte
	n, err := r.line.Read(packet[:])
	if err != nil {
		return spawner.Answer{}, fmt.Errorf("waiting for the spawner: %w", err)
	}
	return spawner.ParseAnswer(packet[:n])
}
