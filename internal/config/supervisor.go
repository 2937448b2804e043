package config

import (
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"bulkhead/internal/assertion"
	"bulkhead/internal/config/value"
	"bulkhead/internal/protocol"
	"bulkhead/internal/sandbox"
)

// Supervisor is the configuration of a supervisor.
type Supervisor struct {
	// Listen is the address that clients connect to; port 0 takes any free one.
	Listen string
	// Peers has the addresses of other supervisors, to which clients may go; at most
	// value.MaxAddresses.
	Peers value.Addresses
	// Clients is which clients must have joined before a run can end.
	Clients value.Clients
	// WaitClients is how long a run waits for those that have not come; 0 is for ever.
	WaitClients time.Duration
	Gather      Gather
	// Assert is what the run must keep.
	Assert []assertion.Assertion
	// Linger is how long a run waits for new clients after its last session ended.
	Linger time.Duration
	// StateDir is the folder for the lock, the control socket and the runs.
	StateDir string
	// KeepRunning begins another run when one has ended.
	KeepRunning bool
	// Token is what clients must present; empty asks for none.
	Token string
	// TokenFile is a file with it instead; empty has none.
	TokenFile string
	// Tokens is a file with the tokens of clients; empty has none.
	Tokens string
	TLS    ServerTLS
	// DrainTimeout is how long a drain waits for clients to end their load.
	DrainTimeout time.Duration
	// ResumeWithin is how long after its last record an unfinished run is resumed
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

// ServerTLS says how a supervisor speaks TLS. All are paths of files in PEM, or empty.
type ServerTLS struct {
	// Cert is the certificate, and Key its key; without them there is no TLS.
	Cert, Key string
	// ClientCA has the CAs of clients, and Pinned certificates of clients; with neither they need
	// none.
	ClientCA, Pinned string
}

// HTTP says where browsers and Prometheus may look at a run.
type HTTP struct {
	// Listen is the address; empty is nowhere.
	Listen string
	// TokenFile is a file with what whoever looks must present; empty asks for nothing.
	TokenFile string
	// Hosts are names under which it may be asked for, besides the machine's own: separated by
	// commas.
	Hosts string
}

// Handler says how handler processes are kept.
type Handler struct {
	// Path is the handler's program; empty means bulkhead-handler beside bulkhead.
	Path string
	// Pool is how many idle handlers are kept ready.
	Pool int
	// MemoryLimit is the most memory one handler should use.
	MemoryLimit value.Size
	// MemoryMax is the most memory one handler can use: a hard limit.
	MemoryMax value.Size
	// StartTimeout is how long a handler may take until it is ready.
	StartTimeout time.Duration
	// KillTimeout is how long a handler may take to end before it is killed.
	KillTimeout time.Duration
	// OrphanGrace is how long a handler without a supervisor keeps its client.
	OrphanGrace time.Duration
	// HangTimeout is after how long without progress a handler counts as hung.
	HangTimeout time.Duration
	// Sandbox is how much the supervisor insists on that its handlers are locked in.
	Sandbox sandbox.Level
	// User is whom handlers of a supervisor that is root belong to: a user, or a user and a group
	// with a colon between them; empty is nobody.
	User string
	// Namespaces is whether they have some of their own.
	Namespaces Namespaces
	// PoisonLimit is how many handlers one batch may kill before its session is
	// quarantined.
	PoisonLimit int
}

// Namespaces says whether handlers have namespaces of their own.
type Namespaces string

// The choices of Namespaces.
const (
	// NamespacesAuto gives them some where that costs nothing: where the supervisor is root.
	NamespacesAuto Namespaces = "auto"
	NamespacesOff  Namespaces = "off"
)

// Session bounds what one client may do.
type Session struct {
	// Grace is how long a session may be away before it is lost.
	Grace time.Duration
	// HelloTimeout is how long a client may take to introduce itself.
	HelloTimeout time.Duration
	// ClientTimeout is how long a client may be silent on its connection.
	ClientTimeout time.Duration
	// MaxFrame is the largest frame a client may send.
	MaxFrame value.Size
	// MaxBatch is the most messages in one batch.
	MaxBatch int
	// MaxUnackedBatches is the most batches sent and not yet acknowledged.
	MaxUnackedBatches int
	// ByteRate and MessageRate are what one session may send in a second, in bytes and in
	// messages; 0 is no limit.
	ByteRate    value.Size
	MessageRate int
}

// Overload says from when on connections are refused to shed load.
type Overload struct {
	// Startups bounds the connections that have not said Hello.
	Startups value.Startups
	// MaxPerSource is the most connections of one IPv4 address or IPv6 /64; 0 is no limit.
	MaxPerSource int
	// MaxClients is the most open sessions; 0 is no limit.
	MaxClients int
	// InboxMemory is the most memory for messages that wait for the journal, of all
	// sessions together; 0 is a sixteenth of what there is.
	InboxMemory value.Size
	// JournalShare is how much of the processors, in percent, the messages of all sessions
	// together may take of the supervisor; 0 is no limit.
	JournalShare int
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

// JournalKind says where the journal is.
type JournalKind string

// The choices of JournalKind.
const (
	// JournalFile is a folder of this machine.
	JournalFile JournalKind = "file"
	// JournalNATS is NATS JetStream.
	JournalNATS JournalKind = "nats"
)

// JournalUnproven says what to do with an engine that does not prove that what it acknowledges is durable.
type JournalUnproven string

// The choices of JournalUnproven.
const (
	JournalRefuse JournalUnproven = "refuse"
	JournalAccept JournalUnproven = "accept"
)

// Journal says how a run is recorded.
type Journal struct {
	Kind JournalKind
	// URL, of an engine, are the addresses of its nodes, separated by commas, and Monitor where they
	// tell of themselves over HTTP.
	URL, Monitor string
	// Run is the name of the one run that the supervisor serves, which it takes from another supervisor
	// that has it; empty gives each run a name of its own.
	Run string
	// Creds is a file of credentials for the engine; empty has none.
	Creds string
	// TLS says how the engine is spoken to. All are paths of files in PEM, or empty.
	TLS EngineTLS
	// Replicas is how many nodes have each record, and Shards how many streams have the sessions.
	Replicas, Shards int
	Unproven         JournalUnproven

	Sync JournalSync
	// SegmentSize is the size at which a segment file is closed and the next begun.
	SegmentSize value.Size
	// Reserve is kept free on the journal's file system, for the end of the run.
	Reserve value.Size
	// MaxSize is the most bytes that a run's journal may have; the run ends in order before. 0 is no
	// limit.
	MaxSize value.Size
	// MinFree is what is left of its file system: the run ends in order when there is less.
	MinFree value.Reserve
}

// EngineTLS says how the engine of a journal is spoken to.
type EngineTLS struct {
	// CA has those who certify the engine.
	CA string
	// Cert is the supervisor's certificate for the engine, and Key its key.
	Cert, Key string
}

// fields declares the keys of a supervisor.
func (s *Supervisor) fields() []field {
	const day = 24 * time.Hour
	h, c, o, j := &s.Handler, &s.Session, &s.Overload, &s.Journal
	fields := []field{
		textField("listen", &s.Listen, value.DefaultAddress, value.CheckAddress(true), "HOST:PORT",
			"Address to listen on for clients; port 0 takes any free one."),
		peersField("peers", &s.Peers,
			"Addresses of other supervisors, which clients are told of, to go to when this one sends them away."),
		clientsField("clients", &s.Clients,
			"Clients that must have joined before the run can end: so many of different names, or those that "+
				"are named."),
		durationField("wait_clients", &s.WaitClients, 0, 0, day,
			"How long a run waits for the clients that have not come before it gives up on them; 0s is for ever."),
	}
	fields = append(fields, s.Gather.fields()...)
	fields = append(fields,
		assertField(&s.Assert),
		durationField("linger", &s.Linger, 2*time.Second, 0, day,
			"How long to wait for new clients after the last session ended."),
		pathField("state_dir", &s.StateDir, "bulkhead-state", false,
			"Folder for the lock, the control socket and the runs; not on a disk under test."),
		switchField("keep_running", &s.KeepRunning, false, "Begin the next run when one has ended."),
		tokenField(&s.Token, "Shared secret that clients must present; empty asks for none."),
		pathField("token_file", &s.TokenFile, "", true,
			"File with the secret that clients must present, instead of token."),
		pathField("tokens", &s.Tokens, "", true,
			"File of the names and hashes of clients that have a token of their own; empty has none."),
		pathField("tls.cert", &s.TLS.Cert, "", true,
			"File with the supervisor's certificate, in PEM; empty speaks no TLS."),
		pathField("tls.key", &s.TLS.Key, "", true, "File with the key of that certificate, in PEM."),
		pathField("tls.client_ca", &s.TLS.ClientCA, "", true,
			"File with the CAs whose certificates clients must have, in PEM; empty asks for none."),
		pathField("tls.pinned", &s.TLS.Pinned, "", true,
			"File with the certificates of all clients, in PEM, instead of a CA's."),
		durationField("drain_timeout", &s.DrainTimeout, 30*time.Second, 0, day,
			"How long a drain waits for clients to end their load."),
		durationField("resume_within", &s.ResumeWithin, 10*time.Minute, 0, day,
			"How long after its last record an unfinished run is resumed by a supervisor that starts on its state "+
				"directory; 0s is never."),
	)
	fields = append(fields, s.Log.fields()...)
	return append(fields,
		textField("http.listen", &s.HTTP.Listen, "", value.Optional(value.CheckAddress(true)), "HOST:PORT, or empty",
			"Address that serves the live page, its data and metrics; empty serves none."),
		pathField("http.token_file", &s.HTTP.TokenFile, "", true,
			"File with the secret that whoever looks over http must present, as a bearer token or a password."),
		textField("http.hosts", &s.HTTP.Hosts, "", value.CheckHosts, "names separated by commas, or empty",
			"Host names that http.listen may be asked for, besides the machine's own name and those without a dot."),

		pathField("handler.path", &h.Path, "", true,
			"Program of the handlers; empty means bulkhead-handler beside bulkhead."),
		countField("handler.pool", &h.Pool, 4, 1, 1024,
			"Idle handlers kept ready for the next clients; up to four times as many while they come fast."),
		sizeField("handler.memory_limit", &h.MemoryLimit, 64*value.MiB, 16*value.MiB, 64*value.GiB,
			"Memory that one handler should stay within."),
		sizeField("handler.memory_max", &h.MemoryMax, 512*value.MiB, 256*value.MiB, 64*value.GiB,
			"Memory that one handler can have; it dies when it needs more; at least handler.memory_limit."),
		durationField("handler.start_timeout", &h.StartTimeout, 5*time.Second, 100*time.Millisecond, 10*time.Minute,
			"How long a handler may take until it is ready."),
		durationField("handler.kill_timeout", &h.KillTimeout, 5*time.Second, 100*time.Millisecond, 10*time.Minute,
			"How long a handler may take to end before it is killed."),
		durationField("handler.orphan_grace", &h.OrphanGrace, protocol.OrphanGrace, 0, time.Hour,
			"How long a handler whose supervisor is gone keeps its client's connection."),
		durationField("handler.hang_timeout", &h.HangTimeout, 15*time.Second, time.Second, time.Hour,
			"How long a handler may make no progress before it counts as hung and is killed."),
		choiceField("handler.sandbox", &h.Sandbox, sandbox.BestEffort,
			"How handlers lock themselves in: with every layer or not at all started (strict), as far as this machine "+
				"lets them (best-effort), or not (off).", sandbox.Strict, sandbox.BestEffort, sandbox.Off),
		textField("handler.user", &h.User, "", value.Optional(value.CheckText(1, 64)), "a user, USER:GROUP, or empty",
			"Whom handlers belong to where the supervisor is root; empty means nobody (65534)."),
		choiceField("handler.namespaces", &h.Namespaces, NamespacesAuto,
			"Whether handlers of a supervisor that is root have a network namespace of their own (auto), or not (off).",
			NamespacesAuto, NamespacesOff),
		countField("handler.poison_limit", &h.PoisonLimit, 3, 1, 100,
			"Handlers that one and the same batch may kill before its session is quarantined."),

		durationField("session.grace", &c.Grace, 30*time.Second, 0, day,
			"How long a client may be away before its session is lost."),
		durationField("session.hello_timeout", &c.HelloTimeout, 5*time.Second, 100*time.Millisecond, 10*time.Minute,
			"How long a new connection may take to introduce itself."),
		durationField("session.client_timeout", &c.ClientTimeout, 20*time.Second, time.Second, time.Hour,
			"How long a client may be silent before its connection counts as broken."),
		sizeField("session.max_frame", &c.MaxFrame, protocol.DefaultFrameBytes, 64*value.KiB, protocol.MaxFrameBytes,
			"Largest frame a client may send."),
		countField("session.max_batch", &c.MaxBatch, protocol.DefaultBatchMessages, 1, protocol.MaxBatchMessages,
			"Most messages in one batch."),
		countField("session.max_unacked_batches", &c.MaxUnackedBatches, protocol.DefaultUnackedBatches, 1,
			protocol.MaxUnackedBatches,
			"Most batches a client may send before the first is acknowledged."),
		sizeField("session.byte_rate", &c.ByteRate, 32*value.MiB, 0, 64*value.GiB,
			"Most that one client's messages may have in a second before it is read more slowly; 0B is no limit."),
		countField("session.message_rate", &c.MessageRate, 50_000, 0, 100_000_000,
			"Most messages of one client in a second before it is read more slowly; 0 is no limit."),

		startupsField("overload.startups", &o.Startups, value.Startups{Start: 64, Rate: 30, Full: 256},
			"Connections without a Hello: how many are taken always, the percentage refused beyond, and how many are "+
				"the most."),
		countField("overload.max_per_source", &o.MaxPerSource, 0, 0, 100_000,
			"Most connections from one IPv4 address or IPv6 /64; 0 is no limit."),
		countField("overload.max_clients", &o.MaxClients, 0, 0, 100_000,
			"Most clients served at the same time; 0 is no limit."),
		sizeField("overload.inbox_memory", &o.InboxMemory, 0, 0, 64*value.GiB,
			"Memory for messages that wait for the journal, of all clients together; 0B is a sixteenth of what there "+
				"is, from 16MiB to 1GiB."),
		countField("overload.journal_share", &o.JournalShare, 20, 0, 100,
			"Percent of the processors that the messages of all clients together may take of the supervisor, in equal "+
				"parts for those that want more; 0 is no limit."),
		durationField("overload.crash_delay", &o.CrashDelay, time.Second, 0, time.Hour,
			"How long an address whose connection crashed a handler must stay away, doubled each time; 0s is not at "+
				"all."),

		choiceField("journal.kind", &j.Kind, JournalFile,
			"Where the journal is: in the folder of the run (file), or on an engine, NATS JetStream (nats).",
			JournalFile, JournalNATS),
		textField("journal.url", &j.URL, "", value.CheckText(0, mostURLs), "nats://HOST:PORT,…, or empty",
			"Addresses of the engine's nodes, separated by commas."),
		textField("journal.monitor", &j.Monitor, "", value.CheckText(0, mostURLs), "http://HOST:PORT,…, or empty",
			"Where the engine's nodes tell of themselves, separated by commas: their settings are checked there."),
		textField("journal.run", &j.Run, "", value.Optional(checkRun), "letters, digits and hyphens, or empty",
			"Name of the one run that the supervisor serves, with all others on the engine that name it; empty gives "+
				"each run a name of its own."),
		pathField("journal.creds", &j.Creds, "", true,
			"File of credentials for the engine, or of an nkey's seed; empty has none."),
		pathField("journal.tls.ca", &j.TLS.CA, "", true,
			"File with those who certify the engine, in PEM; empty leaves that to the system."),
		pathField("journal.tls.cert", &j.TLS.Cert, "", true,
			"File with the supervisor's certificate for the engine, in PEM; empty has none."),
		pathField("journal.tls.key", &j.TLS.Key, "", true, "File with the key of that certificate, in PEM."),
		countField("journal.replicas", &j.Replicas, 3, 1, 5, "How many nodes of the engine have each record."),
		countField("journal.shards", &j.Shards, 8, 1, 16, "How many streams of the engine have the sessions."),
		choiceField("journal.unproven", &j.Unproven, JournalRefuse,
			"Whether to start on an engine that does not prove that what it acknowledges is durable; then the report "+
				"says so (accept).", JournalRefuse, JournalAccept),
		choiceField("journal.sync", &j.Sync, JournalSyncBatch,
			"When the journal is forced to storage: before each acknowledgement (batch), or never (none).",
			JournalSyncBatch, JournalSyncNone),
		sizeField("journal.segment_size", &j.SegmentSize, 64*value.MiB, 64*value.KiB, 16*value.GiB,
			"Size at which a journal file is closed and the next begun."),
		sizeField("journal.reserve", &j.Reserve, 64*value.MiB, 0, 16*value.GiB,
			"Space set aside beside the journal, to end the run in order when the file system is full; at most an "+
				"eighth of what is free. 0B is none."),
		sizeField("journal.max_size", &j.MaxSize, 0, 0, 65_536*value.GiB,
			"Most that a run's journal may have: the run is drained when an eighth of it is left. 0B is no limit."),
		reserveField("journal.min_free", &j.MinFree,
			"Space that is left on the journal's file system: the run is drained when less is free."),
	)
}

// leastJournal is the least that a journal with a limit may have: what is left of it for the end of its
// run is twice what may come before anybody looks.
const leastJournal = 16 * value.MiB

// check reports what no single key can show to be wrong.
func (s *Supervisor) check(l *loader) {
	l.atMost(sizeOperand("handler.memory_limit", s.Handler.MemoryLimit),
		sizeOperand("handler.memory_max", s.Handler.MemoryMax))
	if most := s.Journal.MaxSize; most > 0 && most < leastJournal && !l.broken["journal.max_size"] {
		l.report(l.origins["journal.max_size"], "journal.max_size", fmt.Sprintf(
			"%s is too little for a run; use 0B for no limit, or at least %s", most, leastJournal))
	}
	l.needs("tls.key", s.TLS.Key, "tls.cert", s.TLS.Cert)
	l.needs("tls.cert", s.TLS.Cert, "tls.key", s.TLS.Key)
	l.needs("tls.client_ca", s.TLS.ClientCA, "tls.cert", s.TLS.Cert)
	l.needs("tls.pinned", s.TLS.Pinned, "tls.cert", s.TLS.Cert)
	l.either("tls.client_ca", s.TLS.ClientCA, "tls.pinned", s.TLS.Pinned)
	l.either("token", s.Token, "token_file", s.TokenFile)
	s.Journal.check(l, s.KeepRunning)
	s.checkGather(l)
}

// mostURLs is how many characters the addresses of an engine may have together.
const mostURLs = 4096

// runName is what a run on an engine may be called.
var runName = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)

func checkRun(s string) error {
	if !runName.MatchString(s) {
		return fmt.Errorf("%s is no name of a run; use at most 64 letters, digits and hyphens", value.Quote(s))
	}
	return nil
}

// check reports what no single key can show to be wrong.
func (j *Journal) check(l *loader, keepRunning bool) {
	if j.Run != "" && keepRunning && !l.broken["journal.run"] {
		l.report(l.origins["journal.run"], "journal.run", "names one run, and keep_running begins others; set one of "+
			"them")
	}
	if j.Run != "" && j.Kind == JournalFile && !l.broken["journal.kind"] {
		l.report(l.origins["journal.run"], "journal.run", "is nothing with journal.kind file; set journal.kind: nats")
	}
	l.needs("journal.tls.cert", j.TLS.Cert, "journal.tls.key", j.TLS.Key)
	l.needs("journal.tls.key", j.TLS.Key, "journal.tls.cert", j.TLS.Cert)
	if j.Kind == JournalNATS && j.URL == "" && !l.broken["journal.url"] {
		l.report(l.origins["journal.kind"], "journal.kind", "nats is nothing without journal.url; set both")
	}
	if j.Kind == JournalFile && j.URL != "" && !l.broken["journal.kind"] {
		l.report(l.origins["journal.url"], "journal.url", "is nothing with journal.kind file; set journal.kind: nats")
	}
}

// fields declares the keys that every process has for its log.
func (l *Log) fields() []field {
	level := Key{Name: "log.level", Kind: "choice", Default: "info", Valid: value.ValidLevels,
		Help: "Least severe events that are logged."}
	return []field{
		scalar(level, &l.Level, slog.LevelInfo, value.ParseLevel),
		choiceField("log.format", &l.Format, "text", "Form of the log: for people (text), or for programs (json).",
			"text", "json"),
		durationField("log.progress_interval", &l.ProgressInterval, 5*time.Second, 0, 24*time.Hour,
			"Time between two lines of progress in the log; 0s is none."),
	}
}

// tokenKey is the key of the token.
const tokenKey = "token"

// tokenField declares the token, which no message ever repeats.
func tokenField(dst *string, help string) field {
	return textField(tokenKey, dst, "", protocol.CheckToken,
		fmt.Sprintf("at most %d bytes", protocol.MaxTokenBytes), help)
}
