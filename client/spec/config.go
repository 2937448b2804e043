package spec

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"
	"unicode/utf8"

	"bulkhead/internal/protocol"
)

// ErrConfig is wrapped by every error that says that the configuration cannot
// work, found before any load: exit status 78.
var ErrConfig = errors.New("the configuration cannot work")

// workDirMaxBytes leaves room below WorkDir for the path of a worker's socket, which
// has at most 107 bytes (unix(7)), in folders with random names.
const workDirMaxBytes = 107 - len("/bulkhead-4294967295/plugin-dir4294967295/plugin4294967295")

// Config is what a client does: what Of makes of its settings. A 0 is 0; where a field has a
// default beside those of the settings, it is named.
type Config struct {
	// Supervisor is where the supervisor listens, host:port.
	Supervisor string
	// Name is the client's name for people, at most 128 bytes; the host's name.
	Name string
	// Labels are sent in Hello; at most 32, keys and values at most 128 bytes.
	Labels map[string]string
	// Token is the shared secret, if the supervisor asks for one.
	Token string
	// Version of the client program, for people.
	Version string

	// Runtime is how long the load lasts at most.
	Runtime time.Duration
	// TotalBytes ends the load when all consumers together have written so much; 0 is
	// no limit. Less than a chunk more is written.
	TotalBytes uint64
	// Steady ends the load when its throughput is steady.
	Steady Steady
	// Ramp is the time over which the consumers begin: of n consumers each begins
	// Ramp/n after the one before it.
	Ramp time.Duration
	// ConnectTimeout bounds the time until the supervisor's Welcome. Each time
	// that a busy supervisor says when to come back it begins anew, but all in all it
	// is at most ten times as long.
	ConnectTimeout time.Duration
	// KillTimeout is how long the workers may take to end in order.
	KillTimeout time.Duration
	// DeliverTimeout is how long messages may take to be delivered after the load
	// has ended.
	DeliverTimeout time.Duration

	// Consumers says what each consumer writes; 1 to 1024.
	Consumers []Consumer
	// Keep leaves the load files in place at the end.
	Keep bool
	// Force lets the consumers write to paths that hold files of others.
	Force bool
	// StallAfter is how long a system call may take before its consumer counts as
	// stalled.
	StallAfter time.Duration

	// HeartbeatInterval is the time between rounds. HeartbeatTimeout, at most
	// as long, is when an answer is late.
	HeartbeatInterval, HeartbeatTimeout time.Duration
	// MonitorInterval and ProgressInterval are the time between samples and between
	// progress messages.
	MonitorInterval, ProgressInterval time.Duration

	// SpoolMemory is how many bytes of undelivered messages stay in memory.
	// SpoolMaxSize bounds the spool file for the others. At least half of
	// it is usable at any time.
	SpoolMemory, SpoolMaxSize uint64
	// WorkDir is where the client makes its working folder (0700, with sockets and
	// spool); the system's temporary folder. At most 49 bytes long.
	WorkDir string
	// Executable is the program that is a consumer when run as `worker consumer`
	// and the monitor when run as `worker monitor`; the running program.
	Executable string
	// Progress is told twice a second, by one goroutine, how far the load is; may be
	// nil. The lines of progress in the log are left out then.
	Progress func(Progress) `json:"-"`
	// LogProgress is the time between two lines of progress in the log; 0 is none.
	LogProgress time.Duration
	// Logger receives the client's log; nil discards it.
	Logger *slog.Logger

	// Root is the root of the file system in which is looked for limits of memory; /.
	Root string
}

// Resolve fills in what only this machine can say and returns every problem at once, wrapped in
// ErrConfig.
func (c Config) Resolve() (Config, error) {
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }

	host, _ := os.Hostname() // only a default; an empty name is reported below
	c.Name = Or(c.Name, host)
	c.WorkDir = Or(c.WorkDir, os.TempDir())
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"runtime", c.Runtime}, {"connect_timeout", c.ConnectTimeout}, {"kill_timeout", c.KillTimeout},
		{"deliver_timeout", c.DeliverTimeout}, {"stall_after", c.StallAfter},
		{"heartbeat.interval", c.HeartbeatInterval}, {"heartbeat.timeout", c.HeartbeatTimeout},
		{"monitor.interval", c.MonitorInterval}, {"progress.interval", c.ProgressInterval}, {"log.progress_interval", c.LogProgress},
	} {
		if d.value < 0 {
			problem("%s: %s is negative", d.name, d.value)
		}
	}
	c.Root = Or(c.Root, "/")

	if _, _, err := net.SplitHostPort(c.Supervisor); err != nil {
		problem("supervisor: %q is not host:port", c.Supervisor)
	}
	if c.HeartbeatTimeout > c.HeartbeatInterval {
		problem("heartbeat.timeout: %s is longer than heartbeat.interval (%s)", c.HeartbeatTimeout, c.HeartbeatInterval)
	}
	if c.Ramp < 0 || c.Ramp > c.Runtime {
		problem("ramp: %s is not within the runtime (%s)", c.Ramp, c.Runtime)
	}
	if c.Steady.Window < 0 || c.Steady.Window > 0 && c.Steady.Window < steadyIntervals*c.ProgressInterval {
		problem("stop_when.steady.window: %s is less than %d times progress.interval (%s)", c.Steady.Window, steadyIntervals, c.ProgressInterval)
	}
	if workDir, err := filepath.Abs(c.WorkDir); err != nil {
		problem("work_dir: %w", err)
	} else if c.WorkDir = workDir; len(workDir) > workDirMaxBytes {
		problem("work_dir: %s is too long for the sockets in it; use a path of at most %d bytes", workDir, workDirMaxBytes)
	}
	problems = append(problems, c.checkHello()...)
	if n := len(c.Consumers); n < 1 || n > protocol.MaxConsumers {
		problem("consumers: there are %d; use 1 to %d", n, protocol.MaxConsumers)
	}
	var err error
	if c.Executable == "" {
		if c.Executable, err = os.Executable(); err != nil {
			problem("finding the program for the workers: %w", err)
		}
	}
	c.Consumers = append([]Consumer(nil), c.Consumers...)
	for i := range c.Consumers {
		if err := c.Consumers[i].Resolve(); err != nil {
			problem("consumer %d: %w", i, err)
		}
	}
	if len(problems) > 0 {
		return c, fmt.Errorf("%w:\n%w", ErrConfig, errors.Join(problems...))
	}
	return c, nil
}

// checkHello checks what the supervisor would reject in Hello.
func (c *Config) checkHello() []error {
	var problems []error
	if c.Name == "" || len(c.Name) > protocol.MaxNameBytes || !utf8.ValidString(c.Name) {
		problems = append(problems, fmt.Errorf("name: %q is not 1 to %d bytes of UTF-8", c.Name, protocol.MaxNameBytes))
	} else if !protocol.Printable(c.Name) {
		problems = append(problems, fmt.Errorf("name: %q has characters that cannot be printed", c.Name))
	}
	if len(c.Token) > protocol.MaxTokenBytes || !utf8.ValidString(c.Token) {
		problems = append(problems, fmt.Errorf("token: it has %d bytes; use at most %d, of UTF-8", len(c.Token), protocol.MaxTokenBytes))
	}
	if len(c.Labels) > protocol.MaxLabels {
		problems = append(problems, fmt.Errorf("labels: there are %d; use at most %d", len(c.Labels), protocol.MaxLabels))
	}
	for k, v := range c.Labels {
		if len(k) > protocol.MaxLabelBytes || len(v) > protocol.MaxLabelBytes || !utf8.ValidString(k+v) {
			problems = append(problems, fmt.Errorf("labels: %q: keys and values are at most %d bytes of UTF-8", k, protocol.MaxLabelBytes))
		}
	}
	return problems
}

// Or is value, or def if value is the zero value.
func Or[T comparable](value, def T) T {
	var zero T
	if value == zero {
		return def
	}
	return value
}
