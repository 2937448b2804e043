package config

import (
	"log/slog"
	"time"
)

// Supervisor is the configuration of a supervisor.
type Supervisor struct {
	// Listen is the address that clients connect to; port 0 takes any free one.
	Listen string
	// Clients is how many distinct clients must have joined before a run can end.
	Clients int
	// Linger is how long a run waits for new clients after its last session ended.
	Linger time.Duration
	// StateDir is the folder for the lock, the control socket and the runs.
	StateDir string
	// KeepRunning begins another run when one has ended.
	KeepRunning bool
	// Token is what clients must present; empty asks for none.
	Token string
	// DrainTimeout is how long a drain waits for clients to end their load.
	DrainTimeout time.Duration
	Log          Log
	Handler      Handler
	Session      Session
	Journal      Journal
}

// Log says what a process logs, and how.
type Log struct {
	Level slog.Level
	// Format is "text" or "json".
	Format string
}

// Handler says how handler processes are kept.
type Handler struct {
	// Path is the handler's program; empty means bulkhead-handler beside bulkhead.
	Path string
	// Pool is how many idle handlers are kept ready.
	Pool int
	// MemoryLimit is the most memory one handler should use.
	MemoryLimit Size
	// StartTimeout is how long a handler may take until it is ready.
	StartTimeout time.Duration
	// KillTimeout is how long a handler may take to end before it is killed.
	KillTimeout time.Duration
}

// Session bounds what one client may do.
type Session struct {
	// Grace is how long a session may be away before it is lost.
	Grace time.Duration
	// HelloTimeout is how long a client may take to introduce itself.
	HelloTimeout time.Duration
	// ClientTimeout is how long a client may be silent on its connection.
	ClientTimeout time.Duration
	// MaxFrame is the largest frame a client may send.
	MaxFrame Size
	// MaxBatch is the most messages in one batch.
	MaxBatch int
	// MaxUnackedBatches is the most batches sent and not yet acknowledged.
	MaxUnackedBatches int
}

// JournalSync says when the journal is forced to storage.
type JournalSync string

// The policies of JournalSync.
const (
	// JournalSyncBatch forces every batch to storage before it is acknowledged.
	JournalSyncBatch JournalSync = "batch"
	// JournalSyncNone leaves it to the system: fast, and a crash of the machine
	// may lose acknowledged messages.
	JournalSyncNone JournalSync = "none"
)

// Journal says how a run is recorded.
type Journal struct {
	Sync JournalSync
	// SegmentSize is the size at which a segment file is closed and the next begun.
	SegmentSize Size
}

// fields declares the keys of a supervisor.
func (s *Supervisor) fields() []field {
	const day = 24 * time.Hour
	h, c, j := &s.Handler, &s.Session, &s.Journal
	fields := []field{
		textField("listen", &s.Listen, "127.0.0.1:7420", checkAddress(true), "HOST:PORT", "Address to listen on for clients; port 0 takes any free one."),
		countField("clients", &s.Clients, 1, 1, 100_000, "Distinct clients that must have joined before the run can end."),
		durationField("linger", &s.Linger, 2*time.Second, 0, day, "How long to wait for new clients after the last session ended."),
		pathField("state_dir", &s.StateDir, "bulkhead-state", false, "Folder for the lock, the control socket and the runs."),
		switchField("keep_running", &s.KeepRunning, false, "Begin the next run when one has ended."),
		tokenField(&s.Token, "Shared secret that clients must present; empty asks for none."),
		durationField("drain_timeout", &s.DrainTimeout, 30*time.Second, 0, day, "How long a drain waits for clients to end their load."),
	}
	fields = append(fields, s.Log.fields()...)
	return append(fields,
		pathField("handler.path", &h.Path, "", true, "Program of the handlers; empty means bulkhead-handler beside bulkhead."),
		countField("handler.pool", &h.Pool, 4, 1, 1024, "Idle handlers kept ready for the next clients."),
		sizeField("handler.memory_limit", &h.MemoryLimit, 64*MiB, 16*MiB, 64*GiB, "Memory that one handler should stay within."),
		durationField("handler.start_timeout", &h.StartTimeout, 5*time.Second, 100*time.Millisecond, 10*time.Minute, "How long a handler may take until it is ready."),
		durationField("handler.kill_timeout", &h.KillTimeout, 5*time.Second, 100*time.Millisecond, 10*time.Minute, "How long a handler may take to end before it is killed."),

		durationField("session.grace", &c.Grace, 30*time.Second, 0, day, "How long a client may be away before its session is lost."),
		durationField("session.hello_timeout", &c.HelloTimeout, 5*time.Second, 100*time.Millisecond, 10*time.Minute, "How long a new connection may take to introduce itself."),
		durationField("session.client_timeout", &c.ClientTimeout, 20*time.Second, time.Second, time.Hour, "How long a client may be silent before its connection counts as broken."),
		sizeField("session.max_frame", &c.MaxFrame, MiB, 4*KiB, 8*MiB, "Largest frame a client may send."),
		countField("session.max_batch", &c.MaxBatch, 1024, 1, 65_536, "Most messages in one batch."),
		countField("session.max_unacked_batches", &c.MaxUnackedBatches, 64, 1, 65_536, "Most batches a client may send before the first is acknowledged."),

		choiceField("journal.sync", &j.Sync, JournalSyncBatch, "When the journal is forced to storage: before each acknowledgement (batch), or never (none).", JournalSyncBatch, JournalSyncNone),
		sizeField("journal.segment_size", &j.SegmentSize, 64*MiB, 64*KiB, 16*GiB, "Size at which a journal file is closed and the next begun."),
	)
}

// fields declares the keys that every process has for its log.
func (l *Log) fields() []field {
	level := Key{Name: "log.level", Kind: "choice", Default: "info", Valid: logLevels, Help: "Least severe events that are logged."}
	return []field{
		scalar(level, &l.Level, slog.LevelInfo, parseLevel),
		choiceField("log.format", &l.Format, "text", "Form of the log: for people (text), or for programs (json).", "text", "json"),
	}
}

// tokenField declares the token, which no message ever repeats.
func tokenField(dst *string, help string) field {
	return textField("token", dst, "", checkText(0, 1024), "at most 1024 bytes", help)
}
