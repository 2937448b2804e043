package supervisor

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"bulkhead/internal/exitstatus"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/door"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/reserve"
)

// Config is what a supervisor needs to know. Zero fields mean the defaults named.
type Config struct {
	// Listen is the TCP address for clients; 127.0.0.1:7420. Port 0 takes a free one.
	Listen string
	// Clients is how many clients of different names a run expects; 1, or the number of
	// ClientNames.
	Clients int
	// ClientNames are the names of the clients that a run expects; nil for any.
	ClientNames []string
	// Linger is how long a run waits for another client after the last has ended.
	Linger time.Duration
	// StateDir holds the runs, the lock and the control socket; "bulkhead-state".
	StateDir string
	// KeepRunning begins the next run when one has ended.
	KeepRunning bool
	// HTTP is the TCP address for browsers and Prometheus; "" serves them not at all.
	HTTP string
	// Token is what clients must present; "" asks for none.
	Token string
	// DrainTimeout is how long clients may take to end their load on a drain; 30 s.
	DrainTimeout time.Duration
	// ResumeWithin is how long after its last record an unfinished run is taken up
	// again by a supervisor that starts on the same state directory; 10 min. A
	// nanosecond is as good as never.
	ResumeWithin time.Duration

	// Program is the program and its arguments that an upgrade starts in this one's
	// place; empty if it cannot be upgraded.
	Program []string
	// Handover is what the program before this one in the same process left; nil
	// unless this is an upgrade.
	Handover *Handover

	Handler  HandlerConfig
	Session  SessionConfig
	Overload door.OverloadConfig
	Journal  journal.Options

	// Version is the program's, for the report.
	Version string
	// Build tells builds of one version apart; "" if it has no name.
	Build string
	// ProgressEvery is the time between two lines of progress in the log; 5 s. A nanosecond
	// is as good as none.
	ProgressEvery time.Duration
	// Logger receives events; nil discards them.
	Logger *slog.Logger
	// LostLines is how many lines of the log nobody has read; may be nil.
	LostLines func() uint64
	// Ready is called once, when clients can connect; may be nil.
	Ready func(Ready)
	// Watch shows an operator how it goes: it is called once and returns when ctx is
	// done, which is before the supervisor ends or hands over; may be nil. The lines of
	// progress in the log are left out then.
	Watch func(ctx context.Context, status func(context.Context) *bulkheadv1.StatusResponse)
	// Report is called with the report of every run, written to dir; may be nil. Nothing
	// goes on before it returns: it must not wait for whoever reads the report.
	Report func(r *report.Report, dir string)
}

// Ready says where a supervisor that is ready can be found.
type Ready struct {
	// Listen is the address clients connect to.
	Listen string
	// RunDir is the folder of the first run.
	RunDir string
	// HTTP is the address for browsers; "" if they are not served.
	HTTP string
}

// HandlerConfig is about handler processes.
type HandlerConfig struct {
	// Path is the handler's program; bulkhead-handler beside the running program.
	Path string
	// Pool is how many handlers are kept ready; 4.
	Pool int
	// MemoryLimit is the soft limit of a handler's heap in bytes (GOMEMLIMIT); 64 MiB.
	MemoryLimit uint64
	// MemoryMax is the hard limit of a handler's memory in bytes; 512 MiB.
	MemoryMax uint64
	// StartTimeout is how long a handler may take to serve; 5 s.
	StartTimeout time.Duration
	// KillTimeout is how long a handler may take to end when asked to, and again
	// when killed; 5 s.
	KillTimeout time.Duration
	// OrphanGrace is how long a handler without a supervisor keeps its client's
	// connection; 2 min.
	OrphanGrace time.Duration
	// HangTimeout is how long a handler may make no progress before it counts as
	// hung; 15 s.
	HangTimeout time.Duration
	// PoisonLimit is how many handlers one batch may kill before its session is
	// quarantined; 3.
	PoisonLimit int
}

// SessionConfig is about clients.
type SessionConfig struct {
	// Grace is how long a session may be without a connection; 30 s.
	Grace time.Duration
	// HelloTimeout is how long a client may take to say Hello; 5 s.
	HelloTimeout time.Duration
	// ClientTimeout is after how much silence a connection is given up; 20 s.
	ClientTimeout time.Duration
	// MaxFrame is the largest frame in bytes; 1 MiB.
	MaxFrame uint32
	// MaxBatch is the most messages in a batch; 1024.
	MaxBatch uint32
	// MaxUnackedBatches is how many batches may be on their way; 64.
	MaxUnackedBatches uint32
}

// withDefaults fills in what is zero.
func (c Config) withDefaults() (Config, error) {
	def(&c.Listen, "127.0.0.1:7420")
	if len(c.ClientNames) > 0 {
		c.Clients = len(c.ClientNames)
	}
	def(&c.Clients, 1)
	def(&c.StateDir, "bulkhead-state")
	def(&c.DrainTimeout, 30*time.Second)
	def(&c.ProgressEvery, 5*time.Second)
	def(&c.ResumeWithin, 10*time.Minute)
	def(&c.Handler.Pool, 4)
	def(&c.Handler.MemoryLimit, 64<<20)
	def(&c.Handler.MemoryMax, 512<<20)
	def(&c.Handler.StartTimeout, 5*time.Second)
	def(&c.Handler.KillTimeout, 5*time.Second)
	def(&c.Handler.OrphanGrace, 2*time.Minute)
	def(&c.Handler.HangTimeout, 15*time.Second)
	def(&c.Handler.PoisonLimit, 3)
	def(&c.Session.Grace, 30*time.Second)
	def(&c.Session.HelloTimeout, 5*time.Second)
	def(&c.Session.ClientTimeout, 20*time.Second)
	def(&c.Session.MaxFrame, 1<<20)
	def(&c.Session.MaxBatch, 1024)
	def(&c.Session.MaxUnackedBatches, 64)
	def(&c.Overload.Startups, door.Startups{Start: 64, Rate: 30, Full: 256})
	def(&c.Overload.CrashDelay, time.Second)
	if c.Overload.InboxMemory == 0 {
		memory, _ := reserve.MemoryThereIs()
		c.Overload.InboxMemory = reserve.InboxMemory(memory)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Handler.Path == "" {
		self, err := os.Executable()
		if err != nil {
			return c, fmt.Errorf("finding bulkhead-handler: %w", err)
		}
		c.Handler.Path = filepath.Join(filepath.Dir(self), "bulkhead-handler")
	}
	if info, err := os.Stat(c.Handler.Path); err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
		return c, fmt.Errorf("%w: handler.path: %s is not a program that can be run; install bulkhead-handler beside bulkhead or set handler.path", exitstatus.ErrConfig, c.Handler.Path)
	}
	dir, err := filepath.Abs(c.StateDir)
	if err != nil {
		return c, fmt.Errorf("%w: state_dir: %w", exitstatus.ErrConfig, err)
	}
	c.StateDir = dir
	return c, nil
}

// def sets *v to d if it is zero.
func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
