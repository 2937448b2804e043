package supervisor

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"bulkhead/internal/config"
	"bulkhead/internal/config/value"
	"bulkhead/internal/exitstatus"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/cluster/joined"
	"bulkhead/supervisor/fleet"
	"bulkhead/supervisor/identity"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/repeats"
	"bulkhead/supervisor/reserve"
	"bulkhead/supervisor/upgrade"
)

// Config is what a supervisor needs to know. A zero means what its field says.
type Config struct {
	// Supervisor are the settings, whole, as config.LoadSupervisor returns them: a 0 is 0 here
	// and stands for no default, but for Handler.Path and Overload.InboxMemory as they say.
	config.Supervisor

	// Program is the program and its arguments that an upgrade starts in this one's
	// place; empty if it cannot be upgraded.
	Program []string
	// Inherited is what the program before this one in the same process left; nil
	// unless this is an upgrade.
	Inherited *upgrade.Inheritance

	// Spawner says that Handler.Path can be started as a spawner too, which then starts the
	// handlers (package child/spawner).
	Spawner bool

	// Version is the program's, for the report.
	Version string
	// Build tells builds of one version apart; "" if it has no name.
	Build string
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
	// Report is called with the report of every run, written to dir; may be nil. The
	// supervisor waits for it: it must not wait for whoever reads the report.
	Report func(r *report.Report, dir string)

	// Job is the job that the supervisor is for; nil if it is not for one alone. It ends with the job.
	Job *bulkheadv1.RunJobRequest
	// JobReport is called with what all runs of a job came to together, written to dir, as Report; may be
	// nil.
	JobReport func(sum *repeats.Summary, dir string)

	keeper *identity.Keeper       // set by complete
	engine *joined.Engine         // set by complete; nil if the journal is a folder
	fleet  *fleet.Fleet           // set by complete
	job    *bulkheadv1.JobStarted // of a run: the job that has begun it
}

// credentials returns the certificates and tokens that are in force.
func (c Config) credentials() *identity.Credentials { return c.keeper.Now() }

// Ready says where a supervisor that is ready can be found.
type Ready struct {
	// Listen is the address clients connect to.
	Listen string
	// RunDir is the folder of the first run.
	RunDir string
	// HTTP is the address for browsers; "" if they are not served.
	HTTP string
}

// complete fills in what only this machine can say.
func (c Config) complete() (Config, error) {
	if c.Overload.InboxMemory == 0 {
		memory, _ := reserve.MemoryThereIs()
		c.Overload.InboxMemory = value.Size(reserve.InboxMemory(memory))
	}
	if c.Job != nil { // whose runs are the supervisor's; in between it waits
		c.KeepRunning, c.Clients, c.Assert = true, value.Clients{Count: 1}, nil
		c.Gather, c.WaitClients = config.Gather{}, 0
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
		return c, fmt.Errorf("%w: handler.path: %s is not a program that can be run; install bulkhead-handler beside "+
			"bulkhead or set handler.path", exitstatus.ErrConfig, c.Handler.Path)
	}
	var err error
	if c.keeper, err = identity.NewKeeper(c.Supervisor, c.Logger); err != nil {
		return c, fmt.Errorf("%w: %w", exitstatus.ErrConfig, err)
	}
	c.fleet = fleet.New(time.Now)
	if c.Journal.Run != "" && c.Job != nil {
		return c, fmt.Errorf("%w: journal.run names one run, and a job has others", exitstatus.ErrConfig)
	}
	if c.Journal.Run != "" && c.Gather.Timeout > 0 {
		return c, fmt.Errorf("%w: gather: clients cannot be gathered in a run that several supervisors may serve "+
			"(journal.run); set one of them", exitstatus.ErrConfig)
	}
	if c.Journal.Kind == config.JournalNATS {
		if c.engine, err = joined.New(c.Journal, int(c.Session.MaxFrame), c.Logger); err != nil {
			return c, err
		}
	}
	dir, err := filepath.Abs(c.StateDir)
	if err != nil {
		return c, fmt.Errorf("%w: state_dir: %w", exitstatus.ErrConfig, err)
	}
	c.StateDir = dir
	return c, nil
}
