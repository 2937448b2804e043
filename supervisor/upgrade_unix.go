package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"

	"bulkhead/internal/child"
	"bulkhead/internal/failpoint"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/rundir"
)

// handoverEnv names the descriptor that holds the Handover, for the next program.
const handoverEnv = "BULKHEAD_HANDOVER"

// maxHandover bounds an encoded Handover in bytes; a handler takes less than 100.
const maxHandover = 64 << 20

// Handover is what one program leaves to the next in the same process: descriptors
// that stay open across execve(2). All else is in the state directory.
type Handover struct {
	// From is the version of the program before, FromBuild its build.
	From      string `json:"from"`
	FromBuild string `json:"from_build,omitempty"`
	// Listener, Lock and Control are descriptors: for clients, of the state directory,
	// and for operators.
	Listener int `json:"listener"`
	Lock     int `json:"lock"`
	Control  int `json:"control"`
	// HTTP is the descriptor of the listener for browsers, 0 if there is none, and
	// HTTPListen the address that it was asked for.
	HTTP       int    `json:"http,omitempty"`
	HTTPListen string `json:"http_listen,omitempty"`
	// Drain is why a drain was asked for at the last moment; "" if none was.
	Drain string `json:"drain,omitempty"`
	// Verdict is that of the worst of the runs that this process has reported; "" if it has
	// reported none.
	Verdict report.Word `json:"verdict,omitempty"`
	// Handlers are what is held of the handlers, by connection.
	Handlers map[uint64]child.Held `json:"handlers"`
	// Ended are the handlers that ended in the middle of the upgrade, by connection: this
	// program was the one to be told how.
	Ended map[uint64]Death `json:"ended,omitempty"`

	// Lost is how many log lines of the program before nobody read.
	Lost uint64 `json:"lost_lines,omitempty"`

	program []string
	signals <-chan os.Signal // of the program before, until the very end
}

// Death is how a handler ended.
type Death struct {
	Exit   []byte `json:"exit"` // an encoded ProcessExit
	AtWork bool   `json:"at_work,omitempty"`
	Frame  []byte `json:"frame,omitempty"` // what it was at work on
}

// inOwnGroup makes the end of a command's context kill it with all that it started.
func inOwnGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// handOver collects what the next program needs. Nothing but Exec may follow.
func (s *Supervisor) handOver(kept []*link, signals <-chan os.Signal) (*Handover, error) {
	h := &Handover{From: s.cfg.Version, FromBuild: s.cfg.Build, Handlers: make(map[uint64]child.Held), Ended: make(map[uint64]Death), program: s.cfg.Program, signals: signals}
	var err error
	if h.Listener, err = duplicate(s.listener); err != nil {
		return nil, fmt.Errorf("handing the listener over: %w", err)
	}
	if h.Control, err = duplicate(s.control.listener); err != nil {
		return nil, fmt.Errorf("handing the control socket over: %w", err)
	}
	if h.Lock, err = duplicate(s.state.Lock); err != nil {
		return nil, fmt.Errorf("handing the lock over: %w", err)
	}
	if s.http != nil {
		if h.HTTP, err = duplicate(s.http); err != nil {
			return nil, fmt.Errorf("handing the listener for http over: %w", err)
		}
		h.HTTPListen = s.cfg.HTTP.Listen
	}
	s.stopControl() // its last calls may take a moment, in which handlers may end
	for _, l := range kept {
		if h.Handlers[l.id], err = l.child.Keep(); err != nil { // it ends now, or ends as an orphan
			l.log.Error("handler cannot be handed over", "error", err)
			delete(h.Handlers, l.id)
		}
	}
	h.lastDeaths(kept)
	return h, nil
}

// maxLastFrames bounds the frames of handlers that ended in the middle of an upgrade, in
// bytes: what is handed over is bounded, and these are the least of it.
const maxLastFrames = 16 << 20

// lastDeaths takes note of the handlers that have ended.
func (h *Handover) lastDeaths(kept []*link) {
	room := maxLastFrames
	for _, l := range kept {
		exit := l.child.Exit()
		if exit.Alive {
			continue
		}
		if held, ok := h.Handlers[l.id]; ok {
			held.Close()
			delete(h.Handlers, l.id)
		}
		data, err := proto.Marshal(exit.Proto(nil))
		if err != nil { // its texts are valid UTF-8
			l.log.Error("the end of a handler is not handed over", "error", err)
			continue
		}
		frame, atWork := l.child.Box()
		if room -= len(frame); room < 0 {
			frame = nil
		}
		h.Ended[l.id] = Death{Exit: data, AtWork: atWork, Frame: frame}
	}
}

// death is how the handler of a connection ended in the middle of the upgrade; nil if it
// did not.
func (h *Handover) death(connection uint64) (exit *bulkheadv1.ProcessExit, atWork bool, frame []byte) {
	if h == nil {
		return nil, false, nil
	}
	d, ok := h.Ended[connection]
	exit = new(bulkheadv1.ProcessExit)
	if !ok || proto.Unmarshal(d.Exit, exit) != nil {
		return nil, false, nil
	}
	return exit, d.AtWork, d.Frame
}

// lastSignal takes note of a signal that came too late to be acted on.
func (h *Handover) lastSignal() {
	select {
	case sig := <-h.signals:
		if sig != syscall.SIGHUP {
			h.Drain = fmt.Sprintf("the supervisor received %s", sig)
		}
	default:
	}
}

// duplicate returns a copy of a descriptor that stays open across execve(2).
func duplicate(of any) (int, error) {
	conn, ok := of.(syscall.Conn)
	if !ok {
		return -1, fmt.Errorf("%T has no descriptor", of)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	var dupErr error
	err = raw.Control(func(old uintptr) { fd, dupErr = unix.FcntlInt(old, unix.F_DUPFD, unix.Stderr+1) })
	return fd, errors.Join(err, dupErr)
}

// LostLines is how many log lines of the program before nobody read.
func (h *Handover) LostLines() uint64 {
	if h == nil {
		return 0
	}
	return h.Lost
}

// Exec replaces the running program; lost is how many lines of its log nobody has read and
// nobody will. It returns only if that is not possible; the
// process must end then, and a supervisor that is started on the same state directory
// goes on with the run.
func (h *Handover) Exec(lost uint64) error {
	h.lastSignal()
	h.Lost = lost
	data, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("handing over: %w", err)
	}
	fd, err := unix.MemfdCreate("bulkhead-handover", 0)
	if err != nil {
		return fmt.Errorf("handing over: %w", err)
	}
	f := os.NewFile(uintptr(fd), "handover")
	if _, err := f.WriteAt(data, 0); err != nil {
		return fmt.Errorf("handing over: %w", err)
	}
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, handoverEnv+"=") {
			env = append(env, v)
		}
	}
	env = append(env, handoverEnv+"="+strconv.Itoa(fd))
	// An inherited SIG_IGN of SIGHUP is kept by the next program until it listens. Those
	// that end a supervisor keep their usual effect for the few milliseconds until then:
	// Go's runtime would neither keep them blocked nor ignored.
	signal.Ignore(syscall.SIGHUP)
	failpoint.Hit("supervisor/before-exec")
	err = syscall.Exec(h.program[0], h.program, env)
	return fmt.Errorf("starting %s in place: %w", h.program[0], err)
}

// InheritedHandover is what the program before this one in the same process left; nil
// if this is no upgrade.
func InheritedHandover() (*Handover, error) {
	text, ok := os.LookupEnv(handoverEnv)
	if !ok {
		return nil, nil
	}
	os.Unsetenv(handoverEnv)
	fd, err := strconv.Atoi(text)
	if err != nil || fd <= unix.Stderr {
		return nil, fmt.Errorf("%s is %q, not a descriptor", handoverEnv, text)
	}
	f := os.NewFile(uintptr(fd), "handover")
	defer f.Close() // read only
	h := new(Handover)
	if err := json.NewDecoder(io.NewSectionReader(f, 0, maxHandover)).Decode(h); err != nil {
		return nil, fmt.Errorf("reading the handover: %w", err)
	}
	return h, nil
}

// take makes a file of a descriptor that was handed over.
func take(fd int, name string) *os.File {
	unix.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), name)
}

func (h *Handover) listener() *os.File {
	if h == nil {
		return nil
	}
	return take(h.Listener, "listener")
}

func (h *Handover) lock() *os.File {
	if h == nil {
		return nil
	}
	return take(h.Lock, rundir.LockFile)
}

func (h *Handover) control() *os.File {
	if h == nil {
		return nil
	}
	return take(h.Control, rundir.ControlSocket)
}

func (h *Handover) http() *os.File {
	if h == nil || h.HTTP == 0 {
		return nil
	}
	return take(h.HTTP, "http")
}

// held is what is held of the handler of a connection; nil if nothing is.
func (h *Handover) held(connection uint64) *child.Held {
	if h == nil {
		return nil
	}
	if held, ok := h.Handlers[connection]; ok {
		return &held
	}
	return nil
}

// verdict is that of the worst run that this process has reported.
func (h *Handover) verdict() report.Word {
	if h == nil || h.Verdict == "" {
		return report.WordComplete
	}
	return h.Verdict
}

// drained is why a drain was asked for just before the handover; "" if none was.
func (h *Handover) drained() string {
	if h == nil {
		return ""
	}
	return h.Drain
}
