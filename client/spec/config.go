package spec

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"bulkhead/internal/config"
	"bulkhead/internal/config/value"
	"bulkhead/internal/pathname"
	"bulkhead/internal/protocol"
	"bulkhead/internal/workload"
)

// ErrConfig is wrapped by every error that says that the configuration cannot
// work, found before any load: exit status 78.
var ErrConfig = errors.New("the configuration cannot work")

// workDirMaxBytes leaves room below WorkDir for the path of a worker's socket, which
// has at most 107 bytes (unix(7)), in folders with random names.
const workDirMaxBytes = 107 - len("/bulkhead-4294967295/plugin-dir4294967295/plugin4294967295")

// CheckWorkDir returns an error if the path of a folder is too long for clients to work in it.
func CheckWorkDir(path string) error {
	if len(path) > workDirMaxBytes {
		return fmt.Errorf("work_dir: %s is too long for the sockets in it; use a path of at most %d bytes",
			pathname.Printable(path), workDirMaxBytes)
	}
	return nil
}

// Config is what a client does: what Of makes of its settings. A 0 is 0; where a field has a
// default beside those of the settings, it is named.
type Config struct {
	// Supervisor has the addresses, host:port, of the supervisors of the run.
	Supervisor value.Addresses
	// FirstSupervisor is the one of them that is tried first; empty leaves that to chance.
	FirstSupervisor string
	// Name is the client's name for people (protocol.CheckName); the host's name.
	Name string
	// Labels are sent in Hello (protocol.CheckLabel).
	Labels map[string]string
	// Token is the shared secret, if the supervisor asks for one.
	Token string
	// TokenFile is a file with it instead, which is read for each connection; empty has none.
	TokenFile string
	// TLS is how the supervisor is spoken to.
	TLS config.ClientTLS
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
	// Warmup is how long the consumers write before the runtime begins, which no figure that is
	// judged has.
	Warmup time.Duration
	// Stages is what the load consists of; empty for none. With them Runtime is their length, 0 if
	// one of them has no duration.
	Stages workload.Stages
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
	Consumers []workload.Consumer
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
	// spool); the system's temporary folder. At most workDirMaxBytes long.
	WorkDir string
	// Secret is the client's id; the zero Secret is a random one.
	Secret Secret `json:"-"`
	// OfAgent says that an agent started the client for a job, which may set its rate as it goes on.
	OfAgent bool `json:"-"`
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

// FirstSupervisorVariable is the environment variable in which an agent tells its client which
// supervisor its task is of.
const FirstSupervisorVariable = "BULKHEAD_FIRST_SUPERVISOR"

// Resolve fills in what only this machine can say and returns every problem at once, wrapped in
// ErrConfig.
func (c Config) Resolve() (Config, error) {
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }

	host, _ := os.Hostname() // only a default; an empty name is reported below
	c.Name = cmp.Or(c.Name, host)
	c.WorkDir = cmp.Or(c.WorkDir, os.TempDir())
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Root = cmp.Or(c.Root, "/")

	var err error
	if c.Supervisor, err = value.NewAddresses(c.Supervisor); err != nil {
		problem("supervisor: %w", err)
	}
	if len(c.Stages) > 0 {
		c.Runtime = c.Stages.Length()
	}
	load := c.load()
	for _, one := range load.Check() {
		problems = append(problems, one)
	}
	if workDir, err := filepath.Abs(c.WorkDir); err != nil {
		problem("work_dir: %w", err)
	} else {
		c.WorkDir = workDir
		if err := CheckWorkDir(workDir); err != nil {
			problem("%w", err)
		}
	}
	problems = append(problems, c.checkWho()...)
	if c.Executable == "" {
		if c.Executable, err = os.Executable(); err != nil {
			problem("finding the program for the workers: %w", err)
		}
	}
	c.Consumers = slices.Clone(c.Consumers)
	for i, one := range c.Consumers {
		var found []error
		c.Consumers[i], found = resolve(one, load)
		for _, err := range found {
			problem("consumer %d: %w", i, err)
		}
	}
	if len(problems) > 0 {
		return c, fmt.Errorf("%w:\n%w", ErrConfig, errors.Join(problems...))
	}
	return c, nil
}

// checkWho returns what is wrong with what the client says of itself.
func (c *Config) checkWho() []error {
	var problems []error
	check := func(key string, err error) {
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", key, err))
		}
	}
	check("name", protocol.CheckName(c.Name))
	check("token", protocol.CheckToken(c.Token))
	check("labels", protocol.CheckLabelCount(len(c.Labels)))
	for _, name := range slices.Sorted(maps.Keys(c.Labels)) {
		check("labels", protocol.CheckLabel(name, c.Labels[name]))
	}
	return problems
}
