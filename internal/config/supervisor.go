package config

import (
	"log/slog"
	"time"

	"bulkhead/internal/protocol"
)

// Supervisor is the configuration of a supervisor.
type Supervisor struct {
	// Listen is the address that clients connect to; port 0 takes any free one.
	Listen string
	// Clients is which clients must have joined before a run can end.
	Clients Clients
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
	// ResumeWithin is how long after its last record an unfinished run is taken up
	// again by a supervisor that starts on the same state directory; 0 is never.
	ResumeWithin time.Duration
	Log          Log
	HTTP         HTTP
	Handler      Handler
	Session      Session
	Overload     Overload
	Journal      Journal
}

// Log says what a process logs, and how.
type Log struct {
	Level slog.Level
	// Format is "text" or "json".
	Format string
	// ProgressInterval is the time between two lines of progress; 0 is none.
	ProgressInterval time.Duration
}

// HTTP says where browsers and Prometheus may look at a run.
type HTTP struct {
	// Listen is the address; empty is nowhere.
	Listen string
}

// Handler says how handler processes are kept.
type Handler struct {
	// Path is the handler's program; empty means bulkhead-handler beside bulkhead.
	Path string
	// Pool is how many idle handlers are kept ready.
	Pool int
	// MemoryLimit is the most memory one handler should use.
	MemoryLimit Size
	// MemoryMax is the most memory one handler can use: a hard limit.
	MemoryMax Size
	// StartTimeout is how long a handler may take until it is ready.
	StartTimeout time.Duration
	// KillTimeout is how long a handler may take to end before it is killed.
	KillTimeout time.Duration
	// OrphanGrace is how long a handler without a supervisor keeps its client.
	OrphanGrace time.Duration
	// HangTimeout is after how long without progress a handler counts as hung.
	HangTimeout time.Duration
	// PoisonLimit is how many handlers one batch may kill before its session is
	// quarantined.
	PoisonLimit int
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

// Overload says from when on connections are refused to shed load.
type Overload struct {
	// Startups bounds the connections that have not said Hello.
	Startups Startups
	// MaxPerSource is the most connections of one IPv4 address or IPv6 /64; 0 is no limit.
	MaxPerSource int
	// MaxClients is the most open sessions; 0 is no limit.
	MaxClients int
	// InboxMemory is the most memory for messages that wait for the journal, of all
	// sessions together; 0 is a sixteenth of what there is.
	InboxMemory Size
	// CrashDelay is how long an address must stay away after its connection crashed
	// a handler; twice as long after each further crash. 0 is not at all.
	CrashDelay time.Duration
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
	// Reserve is kept free on the journal's file system, for the end of the run.
	Reserve Size
}

// fields declares the keys of a supervisor.
func (s *Supervisor) fields() []field {
	const day = 24 * time.Hour
	h, c, o, j := &s.Handler, &s.Session, &s.Overload, &s.Journal
	fields := []field{
		textField("listen", &s.Listen, "127.0.0.1:7420", checkAddress(true), "HOST:PORT", "Address to listen on for clients; port 0 takes any free one."),
		clientsField("clients", &s.Clients, "Clients that must have joined before the run can end: so many of different names, or those that are named."),
		durationField("linger", &s.Linger, 2*time.Second, 0, day, "How long to wait for new clients after the last session ended."),
		pathField("state_dir", &s.StateDir, "bulkhead-state", false, "Folder for the lock, the control socket and the runs; not on a disk under test."),
		switchField("keep_running", &s.KeepRunning, false, "Begin the next run when one has ended."),
		tokenField(&s.Token, "Shared secret that clients must present; empty asks for none."),
		durationField("drain_timeout", &s.DrainTimeout, 30*time.Second, 0, day, "How long a drain waits for clients to end their load."),
		durationField("resume_within", &s.ResumeWithin, 10*time.Minute, 0, day, "How long after its last record an unfinished run is taken up again by a supervisor that starts on its state directory; 0s is never."),
	}
	fields = append(fields, s.Log.fields()...)
	return append(fields,
		textField("http.listen", &s.HTTP.Listen, "", optional(checkAddress(true)), "HOST:PORT, or empty", "Address that serves the live page, its data and metrics; empty serves none."),

		pathField("handler.path", &h.Path, "", true, "Program of the handlers; empty means bulkhead-handler beside bulkhead."),
		countField("handler.pool", &h.Pool, 4, 1, 1024, "Idle handlers kept ready for the next clients."),
		sizeField("handler.memory_limit", &h.MemoryLimit, 64*MiB, 16*MiB, 64*GiB, "Memory that one handler should stay within."),
		sizeField("handler.memory_max", &h.MemoryMax, 512*MiB, 256*MiB, 64*GiB, "Memory that one handler can have; it dies when it needs more; at least handler.memory_limit."),
		durationField("handler.start_timeout", &h.StartTimeout, 5*time.Second, 100*time.Millisecond, 10*time.Minute, "How long a handler may take until it is ready."),
		durationField("handler.kill_timeout", &h.KillTimeout, 5*time.Second, 100*time.Millisecond, 10*time.Minute, "How long a handler may take to end before it is killed."),
		durationField("handler.orphan_grace", &h.OrphanGrace, 2*time.Minute, 0, time.Hour, "How long a handler whose supervisor is gone keeps its client's connection."),
		durationField("handler.hang_timeout", &h.HangTimeout, 15*time.Second, time.Second, time.Hour, "How long a handler may make no progress before it counts as hung and is killed."),
		countField("handler.poison_limit", &h.PoisonLimit, 3, 1, 100, "Handlers that one and the same batch may kill before its session is quarantined."),

		durationField("session.grace", &c.Grace, 30*time.Second, 0, day, "How long a client may be away before its session is lost."),
		durationField("session.hello_timeout", &c.HelloTimeout, 5*time.Second, 100*time.Millisecond, 10*time.Minute, "How long a new connection may take to introduce itself."),
		durationField("session.client_timeout", &c.ClientTimeout, 20*time.Second, time.Second, time.Hour, "How long a client may be silent before its connection counts as broken."),
		sizeField("session.max_frame", &c.MaxFrame, MiB, 64*KiB, 8*MiB, "Largest frame a client may send."),
		countField("session.max_batch", &c.MaxBatch, 1024, 1, 65_536, "Most messages in one batch."),
		countField("session.max_unacked_batches", &c.MaxUnackedBatches, 64, 1, 65_536, "Most batches a client may send before the first is acknowledged."),

		startupsField("overload.startups", &o.Startups, Startups{64, 30, 256}, "Connections without a Hello: how many are taken always, the percentage refused beyond, and how many are the most."),
		countField("overload.max_per_source", &o.MaxPerSource, 0, 0, 100_000, "Most connections from one IPv4 address or IPv6 /64; 0 is no limit."),
		countField("overload.max_clients", &o.MaxClients, 0, 0, 100_000, "Most clients served at the same time; 0 is no limit."),
		sizeField("overload.inbox_memory", &o.InboxMemory, 0, 0, 64*GiB, "Memory for messages that wait for the journal, of all clients together; 0B is a sixteenth of what there is, from 16MiB to 1GiB."),
		durationField("overload.crash_delay", &o.CrashDelay, time.Second, 0, time.Hour, "How long an address whose connection crashed a handler must stay away, doubled each time; 0s is not at all."),

		choiceField("journal.sync", &j.Sync, JournalSyncBatch, "When the journal is forced to storage: before each acknowledgement (batch), or never (none).", JournalSyncBatch, JournalSyncNone),
		sizeField("journal.segment_size", &j.SegmentSize, 64*MiB, 64*KiB, 16*GiB, "Size at which a journal file is closed and the next begun."),
		sizeField("journal.reserve", &j.Reserve, 64*MiB, 0, 16*GiB, "Space set aside beside the journal, to end the run in order when the file system is full; at most an eighth of what is free. 0B is none."),
	)
}

// check reports what no single key can show to be wrong.
func (s *Supervisor) check(l *loader) {
	l.atMost(sizeOperand("handler.memory_limit", s.Handler.MemoryLimit), sizeOperand("handler.memory_max", s.Handler.MemoryMax))
}

// fields declares the keys that every process has for its log.
func (l *Log) fields() []field {
	level := Key{Name: "log.level", Kind: "choice", Default: "info", Valid: logLevels, Help: "Least severe events that are logged."}
	return []field{
		scalar(level, &l.Level, slog.LevelInfo, parseLevel),
		choiceField("log.format", &l.Format, "text", "Form of the log: for people (text), or for programs (json).", "text", "json"),
		durationField("log.progress_interval", &l.ProgressInterval, 5*time.Second, 0, 24*time.Hour, "Time between two lines of progress in the log; 0s is none."),
	}
}

// tokenField declares the token, which no message ever repeats.
func tokenField(dst *string, help string) field {
	return textField("token", dst, "", checkText(0, protocol.MaxTokenBytes), "at most 1024 bytes", help)
}
