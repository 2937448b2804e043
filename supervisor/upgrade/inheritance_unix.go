package upgrade

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
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
)

// envName names the descriptor that holds the Inheritance, for the next program.
const envName = "BULKHEAD_HANDOVER"

// maxEncoded bounds an encoded Inheritance in bytes; a handler takes less than 100.
const maxEncoded = 64 << 20

// Inheritance is what one program leaves to the next in the same process: descriptors that
// stay open across execve(2). All else is in the state directory.
type Inheritance struct {
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
	room    int              // for the frames in Ended, in bytes
}

// Death is how a handler ended.
type Death struct {
	Exit   []byte `json:"exit"` // an encoded ProcessExit
	AtWork bool   `json:"at_work,omitempty"`
	Frame  []byte `json:"frame,omitempty"` // what it was at work on
}

// maxLastFrames bounds the frames of handlers that ended in the middle of an upgrade, in
// bytes: what is handed over is bounded, and these are the least of it.
const maxLastFrames = 16 << 20

// New returns an Inheritance for the program that follows with its arguments, and with signals
// as the program before gets them. Nothing is in it yet.
func New(program []string, signals <-chan os.Signal) *Inheritance {
	return &Inheritance{Handlers: make(map[uint64]child.Held), Ended: make(map[uint64]Death), program: program,
		signals: signals, room: maxLastFrames}
}

// Keep keeps the handler of a connection for the next program.
func (h *Inheritance) Keep(connection uint64, c *child.Child) error {
	held, err := c.Keep()
	if err != nil {
		return err
	}
	h.Handlers[connection] = held
	return nil
}

// NoteEnd notes how the handler of a connection ended, if it has.
func (h *Inheritance) NoteEnd(connection uint64, c *child.Child) error {
	exit := c.Exit()
	if exit.Alive {
		return nil
	}
	if held, ok := h.Handlers[connection]; ok {
		held.Close()
		delete(h.Handlers, connection)
	}
	data, err := proto.Marshal(exit.Proto(nil))
	if err != nil { // its texts are valid UTF-8
		return err
	}
	frame, atWork := c.Box()
	if h.room -= len(frame); h.room < 0 {
		frame = nil
	}
	h.Ended[connection] = Death{Exit: data, AtWork: atWork, Frame: frame}
	return nil
}

// Death returns how the handler of a connection ended in the middle of the upgrade; nil if it
// did not.
func (h *Inheritance) Death(connection uint64) (exit *bulkheadv1.ProcessExit, atWork bool, frame []byte) {
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
func (h *Inheritance) lastSignal() {
	select {
	case sig := <-h.signals:
		if sig != syscall.SIGHUP {
			h.Drain = fmt.Sprintf("the supervisor received %s", sig)
		}
	default:
	}
}

// Duplicate returns a copy of a descriptor that stays open across execve(2).
func Duplicate(of any) (int, error) {
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

// LostLines returns how many log lines of the program before nobody read.
func (h *Inheritance) LostLines() uint64 {
	if h == nil {
		return 0
	}
	return h.Lost
}

// Exec replaces the running program; lost is how many lines of its log nobody has read and
// nobody will. It returns only if that is not possible; the
// process must end then, and a supervisor that is started on the same state directory
// continues the run.
func (h *Inheritance) Exec(lost uint64) error {
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
		if !strings.HasPrefix(v, envName+"=") {
			env = append(env, v)
		}
	}
	env = append(env, envName+"="+strconv.Itoa(fd))
	// An inherited SIG_IGN of SIGHUP is kept by the next program until it listens. Those
	// that end a supervisor keep their usual effect for the few milliseconds until then:
	// Go's runtime would neither keep them blocked nor ignored.
	signal.Ignore(syscall.SIGHUP)
	failpoint.Hit("supervisor/before-exec")
	err = syscall.Exec(h.program[0], h.program, env)
	return fmt.Errorf("starting %s in place: %w", h.program[0], err)
}

// Inherited returns what the program before this one in the same process left; nil
// if this is no upgrade.
func Inherited() (*Inheritance, error) {
	text, ok := os.LookupEnv(envName)
	if !ok {
		return nil, nil
	}
	os.Unsetenv(envName)
	fd, err := strconv.Atoi(text)
	if err != nil || fd <= unix.Stderr {
		return nil, fmt.Errorf("%s is %q, not a descriptor", envName, text)
	}
	f := os.NewFile(uintptr(fd), "handover")
	defer f.Close() // read only
	h := new(Inheritance)
	if err := json.NewDecoder(io.NewSectionReader(f, 0, maxEncoded)).Decode(h); err != nil {
		return nil, fmt.Errorf("reading what the program before left: %w", err)
	}
	return h, nil
}

// take makes a file of a descriptor that was handed over.
func take(fd int, name string) *os.File {
	unix.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), name)
}

// ListenerFile returns the listener for clients; nil if this is no upgrade.
func (h *Inheritance) ListenerFile() *os.File {
	if h == nil {
		return nil
	}
	return take(h.Listener, "listener")
}

// LockFile returns the lock of the state directory; nil if this is no upgrade.
func (h *Inheritance) LockFile() *os.File {
	if h == nil {
		return nil
	}
	return take(h.Lock, "lock")
}

// ControlFile returns the control socket; nil if this is no upgrade.
func (h *Inheritance) ControlFile() *os.File {
	if h == nil {
		return nil
	}
	return take(h.Control, "control")
}

// HTTPFile returns the listener for browsers; nil if there is none.
func (h *Inheritance) HTTPFile() *os.File {
	if h == nil || h.HTTP == 0 {
		return nil
	}
	return take(h.HTTP, "http")
}

// Held returns what is held of the handler of a connection; nil if nothing is.
func (h *Inheritance) Held(connection uint64) *child.Held {
	if h == nil {
		return nil
	}
	if held, ok := h.Handlers[connection]; ok {
		return &held
	}
	return nil
}

// Worst returns that of the worst run that this process has reported.
func (h *Inheritance) Worst() report.Word {
	if h == nil || h.Verdict == "" {
		return report.WordComplete
	}
	return h.Verdict
}

// DrainReason returns why a drain was asked for just before the handover; "" if none was.
func (h *Inheritance) DrainReason() string {
	if h == nil {
		return ""
	}
	return h.Drain
}
