package report

// Outcomes of a session, as DESIGN's words; OutcomeOpen is a session without an
// end in the journal.
const (
	OutcomeClosed      = "closed"
	OutcomeLost        = "lost"
	OutcomeRejected    = "rejected"
	OutcomeQuarantined = "quarantined"
	OutcomeOpen        = "open"
)

// Client is one session. OpenedAt, EndedAt and the connections are by the
// supervisor's clock; every other time is by the client's, as it was when the client
// arrived: setting it moves none of them.
type Client struct {
	Session   uint32 `json:"session"`
	SessionID string `json:"session_id"`
	// Label names the client in this report: its name, with "#" and the session
	// number behind it where several clients have that name, and "resent" behind that
	// for a session that is the rest of another.
	Label string `json:"label"`
	Name  string `json:"name"`
	// ClientID is a hash of Hello.client_id, in hexadecimal: the id itself is a secret.
	ClientID string `json:"client_id"`
	// Identity is who the client has proven to be; absent if it has not.
	Identity *Identity `json:"identity,omitempty"`
	Host     string    `json:"host"`
	Pid      int32     `json:"pid"`
	Version  string    `json:"version"`

	Labels map[string]string `json:"labels"`
	// LabelsLeftOut are further ones for which the report has no room; absent if there are none.
	LabelsLeftOut uint64   `json:"labels_left_out,omitempty"`
	Workload      Workload `json:"workload"`

	Outcome  string `json:"outcome"`
	Cause    string `json:"cause"`
	OpenedAt Stamp  `json:"opened_at"`
	EndedAt  Stamp  `json:"ended_at"`
	// QuarantineFile is, for a quarantined session, the file in the run's folder that
	// holds the frame which kept killing handlers, and KilledHandlers how many it killed.
	QuarantineFile string `json:"quarantine_file"`
	KilledHandlers uint32 `json:"killed_handlers"`
	// LostAcknowledged says that it had been acknowledged messages that the journal has no
	// more; absent if it had not.
	LostAcknowledged bool `json:"lost_acknowledged,omitempty"`
	// Standing is what the client counts as among those that are expected: one of the
	// Standing… constants, or "" for a session that is the rest of another, or of which
	// nothing was delivered.
	Standing string `json:"standing"`
	// Resent says that another process delivered the messages after the client's end.
	Resent bool `json:"resent"`
	// Continues is, for a session that is the rest of another one of the same client,
	// that one's number; else 0. ContinuesGapless says that it begins where the other
	// one ends; if it does not, MissingUntil is the last of the messages that are missing
	// between, or 0 if that is not known.
	Continues        uint32 `json:"continues"`
	ContinuesGapless bool   `json:"continues_gapless"`
	MissingUntil     uint64 `json:"missing_until"`
	// ClockOffsetNano is the client's clock less the supervisor's, by the message that was
	// on its way for the shortest time; its delay is in it. 0 if the client did not say.
	// ClockReadings is of how many messages; absent for a client without a clock that is
	// never set, of which only the Hello counts.
	ClockOffsetNano int64  `json:"clock_offset_nano"`
	ClockReadings   uint64 `json:"clock_readings,omitempty"`
	// ClockSteps are when its wall clock was set, by the supervisor's clock, and how far;
	// ClockComplaint what else is wrong with its times. They are absent if nothing is.
	ClockSteps     []ClockStep `json:"clock_steps,omitempty"`
	ClockComplaint string      `json:"clock_complaint,omitempty"`

	// Gathered is what the client was in a run that gathers, one of the Gathered… constants; absent in
	// another run. LoadBeganAt is when its consumers were let write, by its own clock; absent for a
	// client that does not say. LoadLateNano is how long after Gather.BeginAt that was, by the
	// supervisor's clock: negative for one that was early.
	Gathered     string `json:"gathered,omitempty"`
	LoadBeganAt  Stamp  `json:"load_began_at,omitempty"`
	LoadLateNano int64  `json:"load_late_nano,omitempty"`
	// RoundTripNano is the shortest time that an answer of the supervisor's machine took, as the client
	// measured it; absent for a client that did not.
	RoundTripNano int64 `json:"round_trip_nano,omitempty"`

	// StartedAt is its first Start message; StoppedAt its Stop message, or null.
	StartedAt Stamp `json:"started_at"`
	StoppedAt Stamp `json:"stopped_at"`
	// LastMessageAt is the time of its last message.
	LastMessageAt Stamp `json:"last_message_at"`
	// RuntimeNano is from LoadBeganAt, or else StartedAt, to StoppedAt, or else to LastMessageAt, without
	// the warm-up.
	RuntimeNano int64 `json:"runtime_nano"`
	// RuntimeReachedNano is how long its load lasted, by a clock that is never set, from
	// when all its consumers were ready and began, without the warm-up, to when its end began; 0 if it did not
	// say.
	RuntimeReachedNano int64 `json:"runtime_reached_nano"`
	// StopReason is one of the Stop… constants, with its number behind StopUnknown if it has
	// one, or "" without a Stop message. Load is what it makes of
	// the load: one of the Load… constants, or "".
	StopReason string `json:"stop_reason"`
	Load       string `json:"load"`
	StopDetail string `json:"stop_detail"`
	// Stage is the newest stage that it began, by its number in Workload.Stages, and Stages how many its
	// load has; absent without.
	Stage  int `json:"stage,omitempty"`
	Stages int `json:"stages,omitempty"`
	// DrainedAt is when an operator asked this client alone to end its load, and DrainReason why, in
	// words; absent if that was not done.
	DrainedAt   Stamp  `json:"drained_at,omitempty"`
	DrainReason string `json:"drain_reason,omitempty"`

	// LastSeq is the last durable message; Messages of them are in this report
	// and Malformed are not; UnknownFacts are of a newer client, and not known to this
	// version.
	LastSeq      uint64  `json:"last_seq"`
	Batches      uint64  `json:"batches"`
	Messages     uint64  `json:"messages"`
	Malformed    uint64  `json:"malformed"`
	MalformedWhy []Count `json:"malformed_why"`
	// MalformedFirst says which was the first of those, and why; "" if none was.
	MalformedFirst string `json:"malformed_first,omitempty"`
	UnknownFacts   uint64 `json:"unknown_facts,omitempty"`
	// Shortened are the fields of which the client's Hello ("hello.host") or messages
	// ("rollover.path") hold less than there was to say, and how often.
	Shortened []Count `json:"shortened,omitempty"`

	Writes
	Heartbeats HeartbeatTotals `json:"heartbeats"`

	// Machine is what its machine did; absent if it was never sampled.
	Machine *Machine `json:"machine,omitempty"`

	// Resumes is how often the session was resumed.
	Resumes uint64 `json:"resumes"`
	// KeptThroughRestarts is how often a connection went on through a restart or upgrade
	// of the supervisor; that is no resume.
	KeptThroughRestarts uint64       `json:"kept_through_restarts"`
	Connections         []Connection `json:"connections"`
	ConnectionsLeftOut  uint64       `json:"connections_left_out"`

	// Corruptions are what did not read back as it was written, the first that were said.
	Corruptions        []Corruption `json:"corruptions"`
	CorruptionsLeftOut uint64       `json:"corruptions_left_out"`

	// Processes are sorted by kind (client, consumer, monitor) and index.
	Processes []Process `json:"processes"`
	// RolloversLeftOut is how many of the oldest rollovers are counted but not
	// listed under the processes.
	RolloversLeftOut uint64 `json:"rollovers_left_out"`

	// MessageGaps are when it said nothing though its connection lived, the first ones; they
	// are absent if it always said what it had declared that it would.
	MessageGaps        []MessageGap `json:"message_gaps,omitempty"`
	MessageGapsLeftOut uint64       `json:"message_gaps_left_out,omitempty"`

	// Contradictions are what of all this cannot be, told as findings, and Begun where its messages were
	// numbered before; nil for a session of its own.
	Contradictions []Contradiction `json:"contradictions,omitempty"`
	Begun          *Begun          `json:"begun,omitempty"`
}

// Count is a text and how often it applied. Reason is what the text says, for programs: one of
// the Bad… constants, or absent where nothing hangs on the text.
type Count struct {
	Text   string `json:"text"`
	Reason Bad    `json:"reason,omitempty"`
	Count  uint64 `json:"count"`
}

// What became of a client's load (Client.Load).
const (
	// LoadWhole ended for a reason that its workload names.
	LoadWhole = "whole"
	// LoadInterrupted is whole but for what an operator cut off: at the client, or by a
	// drain.
	LoadInterrupted = "interrupted"
	// LoadFailed could not continue.
	LoadFailed = "failed"
	// LoadUnknown ended for a reason that this version does not know.
	LoadUnknown = "unknown"
)

// Why a load ended (Client.StopReason), or the work of one process (Exit.EndedWork).
const (
	StopRuntime = "runtime"
	// StopSteady is of a throughput that was steady, as it was told to wait for, StopTotal of
	// one that wrote all that it was to write.
	StopSteady = "steady"
	StopTotal  = "total"
	// StopReserve ended in order before its time, because more would have taken what is kept
	// in reserve.
	StopReserve = "reserve"
	// StopInterrupted is by an operator at the client, StopHangup by the end of its terminal,
	// StopDrained by a drain.
	StopInterrupted = "interrupted"
	StopHangup      = "hangup"
	StopDrained     = "drained"
	StopFailed      = "failed"
	StopUnknown     = "unknown"
)

// What a client counts as among those that are expected (Client.Standing).
const (
	// StandingCounts is the first client of an expected name.
	StandingCounts = "counts"
	// StandingAgain is a client of a name that came before: a name counts once.
	StandingAgain = "again"
	// StandingUnexpected is a client whose name is not awaited, where names are.
	StandingUnexpected = "unexpected"
)

// Kinds of an Identity.
const (
	IdentityCertificate = "certificate"
	IdentityToken       = "token"
)

// Identity is who a client has proven to be.
type Identity struct {
	// Kind is one of the Identity… constants, and Name the common name of the certificate, or the
	// name of the token.
	Kind string `json:"kind"`
	Name string `json:"name"`
}
