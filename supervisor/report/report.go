package report

// Schema names the form of the JSON report. It changes when a field changes its type or
// meaning or goes; new fields do not change it.
const Schema = "bulkhead.report/2"

// schemaOfNumbers is the form before: a seed is a number there.
const schemaOfNumbers = "bulkhead.report/1"

// Report is everything known about a run. Fields named …_nano are nanoseconds,
// …_bytes are bytes, …_at are moments. Lists are never nil.
type Report struct {
	Schema  string  `json:"schema"`
	Verdict Verdict `json:"verdict"`
	Run     Run     `json:"run"`
	Totals  Totals  `json:"totals"`
	// CommonWindow is the time in which every client wrote; null if nobody wrote.
	CommonWindow *CommonWindow `json:"common_window"`
	// Stages are those of all clients, by their names, in the order in which the clients that came
	// have them; StagesLeftOut are those beyond MaxRunStages. Curves are what steps of them make.
	Stages        []Stage `json:"stages"`
	StagesLeftOut uint64  `json:"stages_left_out"`
	Curves        []Curve `json:"curves"`
	// Clients are in order of arrival.
	Clients []Client `json:"clients"`
	// Handlers are in order of their first record.
	Handlers        []Handler `json:"handlers"`
	HandlersLeftOut uint64    `json:"handlers_left_out"`
	// RejectionGroups are all connections that never became a session's, by reason and
	// name; Rejections are the newest of them.
	RejectionGroups   []RejectionGroup `json:"rejection_groups"`
	Rejections        []Rejection      `json:"rejections"`
	RejectionsLeftOut uint64           `json:"rejections_left_out"`
	Journal           Journal          `json:"journal"`
	// Series is the run over time; null in reports of versions without it.
	Series *Series `json:"series"`
	// Findings are judgements about what the numbers mean.
	Findings []Finding `json:"findings"`
}

// Complete reports whether the run ended in order with everything in the report.
func (r *Report) Complete() bool { return r.Verdict.Complete }

// Verdict reports whether the report is complete, and why not.
type Verdict struct {
	// Word is the verdict in one word.
	Word     Word `json:"word"`
	Complete bool `json:"complete"`
	// Running is true in the report of a run that continues (Folder.SoFar): it is not
	// complete, and Reasons are why it would be partial if it ended now, but for that it and
	// those who are at work have not ended yet.
	Running bool `json:"running,omitempty"`
	// Headline says in a few words what the verdict is about: corrupt content, if there is
	// any, and how many clients closed.
	Headline string `json:"headline"`
	// Reasons why the report is partial, one line each; empty when complete.
	Reasons []string `json:"reasons"`
	// Interruptions are what operators did that cut the run, or the load of a client, short,
	// one line each. Without Reasons they make it interrupted.
	Interruptions []string `json:"interruptions"`
	// Warnings are what a reader should know although it makes nothing partial:
	// crashed workers and handlers, write errors.
	Warnings []string `json:"warnings"`
}

// Certificate is one of a supervisor.
type Certificate struct {
	// Name is a name that it certifies.
	Name string `json:"name"`
	// NotAfter is when it ends to be valid.
	NotAfter Stamp `json:"not_after"`
}

// Run is the facts of the run. All its times are the supervisor's clock.
type Run struct {
	ID        string `json:"id"`
	Version   string `json:"version"`
	GoVersion string `json:"go_version"`
	Pid       int32  `json:"pid"`
	Listen    string `json:"listen"`
	Host      Host   `json:"host"`

	// StartedAt is by the supervisor's wall clock. All other times of the run continue from it
	// by a clock that is never set.
	StartedAt Stamp `json:"started_at"`
	// EndedAt is null for a run without an end.
	EndedAt Stamp `json:"ended_at"`
	// LengthNano is from the start to the end, or to the last record.
	LengthNano int64 `json:"length_nano"`
	// End is one of the End… constants.
	End       string `json:"end"`
	EndDetail string `json:"end_detail"`
	// Failure is why a supervisor could not continue, FailureFullDisk or absent: but for
	// EndFailed, and where nothing more is known of it.
	Failure string `json:"failure,omitempty"`
	// DrainedAt is when the first drain began, DrainCause what made it begin, one of the
	// Drain constants, and DrainReason why, in words; null and "" if there was none.
	DrainedAt   Stamp  `json:"drained_at"`
	DrainCause  string `json:"drain_cause"`
	DrainReason string `json:"drain_reason"`

	// ExpectedClients is how many clients of different names are expected, or how many
	// ExpectedNames there are, if names are awaited; AbsentNames are those that did not come.
	ExpectedClients uint32   `json:"expected_clients"`
	ExpectedNames   []string `json:"expected_names"`
	AbsentNames     []string `json:"absent_names"`
	// JoinedClients is how many of those that are expected came: a name counts once.
	JoinedClients uint32 `json:"joined_clients"`
	// WaitedNano is after how long the run gave up on clients that had not come; absent if it did not.
	WaitedNano int64 `json:"waited_nano,omitempty"`
	// Gather is how the run gathered its clients; absent if it did not.
	Gather *Gather `json:"gather,omitempty"`
	// Job is the job that the run was begun for; absent for none.
	Job *Job `json:"job,omitempty"`
	// FleetRate is what the clients of the job may write together; absent for no limit.
	FleetRate *FleetRate `json:"fleet_rate,omitempty"`
	// Assertions are what the run was to keep; absent for nothing.
	Assertions       []Assertion `json:"assertions,omitempty"`
	LingerNano       int64       `json:"linger_nano"`
	SessionGraceNano int64       `json:"session_grace_nano"`
	// ClockSteps are when the supervisor's wall clock was set, and how far. Reboots are when
	// the run was resumed on another boot of the machine: only the wall clock says how long
	// no supervisor ran. They are absent if it never happened.
	ClockSteps []ClockStep `json:"clock_steps,omitempty"`
	Reboots    []Stamp     `json:"reboots,omitempty"`
	// Pauses are when the supervisor's process was not running though nobody had ended it, the
	// first ones; they are absent if it always was.
	Pauses        []Pause `json:"pauses,omitempty"`
	PausesLeftOut uint64  `json:"pauses_left_out,omitempty"`
	// Certificate is that with which the supervisor speaks TLS with clients; absent for none.
	Certificate *Certificate `json:"certificate,omitempty"`
	// JournalSync is "batch" or "none".
	JournalSync string `json:"journal_sync"`
	// Sandbox is how the handlers were locked in, after a restart with the newest supervisor; absent
	// where the run does not tell.
	Sandbox *Sandbox `json:"sandbox,omitempty"`

	// Restarts are in order of time. ExpectedClients, ExpectedNames and Listen are those of the newest.
	Restarts        []Restart `json:"restarts"`
	RestartsLeftOut uint64    `json:"restarts_left_out"`
	// Supervisors took part in a run whose journal is on an engine, the first ones by their numbers;
	// they are absent for a journal in a folder, as all that is of an engine.
	Supervisors        []Supervisor `json:"supervisors,omitempty"`
	SupervisorsLeftOut uint64       `json:"supervisors_left_out,omitempty"`
	// JournalOutages are when the engine could not be reached, the first ones.
	JournalOutages        []JournalOutage `json:"journal_outages,omitempty"`
	JournalOutagesLeftOut uint64          `json:"journal_outages_left_out,omitempty"`
	// JournalUnproven is why nobody knows whether what was acknowledged is durable.
	JournalUnproven []string `json:"journal_unproven,omitempty"`
	// ShedConnections were refused to shed load; Shed says why, in order of the first.
	ShedConnections uint64 `json:"shed_connections"`
	Shed            []Shed `json:"shed"`
}

// What made a run be drained (Run.DrainCause).
const (
	DrainByOperator = "operator"
	DrainByFullDisk = "disk_full" // of the supervisor's state directory
	DrainByLowDisk  = "disk_low"  // of the same
	// DrainByJournalSize is of a run whose journal had nearly as much as it may have.
	DrainByJournalSize = "journal_size"
	// DrainByGather is of a run whose clients were not all ready in time.
	DrainByGather = "gather"
	// DrainByJob is of a run of a job for which an agent did not bring its client.
	DrainByJob = "job"
	// DrainByAssertion is of a run that did not keep a threshold that ends it.
	DrainByAssertion = "assertion"
	DrainUnknown     = "unknown"
)

// FailureFullDisk is of a file system of the supervisor's state directory that has no space left,
// or none for its user (Run.Failure).
const FailureFullDisk = "disk_full"

// How a run ended (Run.End).
const (
	EndDone        = "done"
	EndDrained     = "drained"
	EndInterrupted = "interrupted" // a drain of which an operator did not wait for the end
	EndFailed      = "failed"
	EndUnknown     = "unknown"
	EndNone        = "" // a run without an end
)

// Host is the collecting machine.
type Host struct {
	Name        string `json:"name"`
	OS          string `json:"os"`
	Arch        string `json:"arch"`
	Kernel      string `json:"kernel"`
	CPUs        uint32 `json:"cpus"`
	MemoryBytes uint64 `json:"memory_bytes"`
}

// Totals is all clients together.
type Totals struct {
	Writes
	Heartbeats HeartbeatTotals `json:"heartbeats"`
	Messages   uint64          `json:"messages"`
	Malformed  uint64          `json:"malformed"`
	// UnknownFacts are messages of newer clients that this version does not know.
	UnknownFacts uint64 `json:"unknown_facts,omitempty"`
	Resumes      uint64 `json:"resumes"`
	// KeptThroughRestarts is how often a connection went on through a restart or upgrade
	// of the supervisor.
	KeptThroughRestarts uint64 `json:"kept_through_restarts"`
}

// Handler is one handler process, by the supervisor's clock.
type Handler struct {
	Pid int32 `json:"pid"`
	// ConnectionID is 0 for a handler that was never given a connection.
	ConnectionID uint64 `json:"connection_id"`
	// Session is 0 if the connection never became a session's.
	Session uint32 `json:"session"`
	// Client is the label of the session's client; "" without a session.
	Client        string `json:"client"`
	Peer          string `json:"peer"`
	ReceivedBytes uint64 `json:"received_bytes"`
	// Messages is what the handler said it accepted; 0 if it never said.
	// DurableMessages is what reached the journal through it.
	Messages        uint64 `json:"messages"`
	DurableMessages uint64 `json:"durable_messages"`
	// ConnectionEnd is how the handler said its connection ended.
	ConnectionEnd string `json:"connection_end"`
	// LostAcknowledged says that its client had been acknowledged messages that the journal
	// has no more; absent if it had not.
	LostAcknowledged bool `json:"lost_acknowledged,omitempty"`
	// AtWork says that it was at work on a frame of its client as it ended.
	AtWork bool `json:"at_work"`
	// Exit is null for a handler whose end is not in the journal.
	Exit *Exit `json:"exit"`
}

// Rejection is a connection that never became a session's.
type Rejection struct {
	At           Stamp  `json:"at"`
	ConnectionID uint64 `json:"connection_id"`
	Peer         string `json:"peer"`
	HandlerPid   int32  `json:"handler_pid"`
	// ClientName is "" for a connection that did not get as far as a Hello.
	ClientName string `json:"client_name"`
	Reason     string `json:"reason"`
	// Code is the reason for programs, as the client was told it: "TOKEN_WRONG"; absent if it was
	// told none, or by a supervisor that did not keep it.
	Code string `json:"code,omitempty"`
}

// Journal is what the fold noticed about the journal itself.
type Journal struct {
	Records uint64 `json:"records"`
	// Violations are records out of order or without sense; each makes the
	// report partial.
	Violations        []string `json:"violations"`
	ViolationsLeftOut uint64   `json:"violations_left_out"`
	// Damage is where the journal could not be read on, or null.
	Damage *Damage `json:"damage"`
}

// Damage is a place from which on a journal could not be read.
type Damage struct {
	Segment string `json:"segment"`
	// OffsetBytes is where in the segment it begins.
	OffsetBytes int64 `json:"offset_bytes"`
	// Torn says that it is at the very end: a record cut short, as a crash leaves it, of
	// which nothing was ever acknowledged, unless MayBeAcknowledged. Without it, records
	// may be lost.
	Torn bool `json:"torn"`
	// MayBeAcknowledged says of a torn end that it is damaged, and not only cut short.
	MayBeAcknowledged bool `json:"may_be_acknowledged"`
	// TornBytes is how long a torn end is; 0 for other damage.
	TornBytes int64  `json:"torn_bytes"`
	Why       string `json:"why"`
}

// Outcomes returns how many sessions ended with an outcome.
func (r *Report) Outcomes(outcome string) uint64 {
	var n uint64
	for i := range r.Clients {
		if r.Clients[i].Outcome == outcome {
			n++
		}
	}
	return n
}

// Job is the job that a run was begun for.
type Job struct {
	Name string `json:"name"`
	// Number says which of the job's Of runs it is, from 1.
	Number uint32 `json:"number"`
	Of     uint32 `json:"of"`
	// Clients says who does what, in the order of the agents' names; those that came later last.
	Clients []JobClient `json:"clients"`
	// File is what the job's file holds; "" if that is not known.
	File string `json:"file"`
	// Text is which job and run it is, and the agents' names, in one line.
	Text string `json:"text"`
}

// MaxDivisions is the most divisions that a FleetRate lists.
const MaxDivisions = 1000

// FleetRate is the rate that the clients of a run of a job have together, and how it was divided.
type FleetRate struct {
	// BytesPerSecond and ChunksPerSecond are what was asked for; 0 is no limit.
	BytesPerSecond  uint64  `json:"bytes_per_second"`
	ChunksPerSecond float64 `json:"chunks_per_second"`
	// ReachedBytesPerSecond and ReachedChunksPerSecond are what was written in the common window; null where
	// that has no figures.
	ReachedBytesPerSecond  *uint64  `json:"reached_bytes_per_second"`
	ReachedChunksPerSecond *float64 `json:"reached_chunks_per_second"`
	// Divisions are how it was divided, in order, the first ones.
	Divisions        []RateDivision `json:"divisions"`
	DivisionsLeftOut uint64         `json:"divisions_left_out"`
	// Text is all that in one line.
	Text string `json:"text"`
}

// RateDivision is how a fleet's rate was divided from a moment on.
type RateDivision struct {
	// Division is its number, from 1.
	Division uint32 `json:"division"`
	At       Stamp  `json:"at"`
	// Clients and Consumers are how many had a part in it.
	Clients   int    `json:"clients"`
	Consumers uint64 `json:"consumers"`
	// Came and Gone are who had a part that had none before, and the other way round, the first ones of each.
	Came []string `json:"came"`
	Gone []string `json:"gone"`
}

// JobClient is what an agent does in a run of a job.
type JobClient struct {
	Agent string `json:"agent"`
	// Client is the name of the client that it starts.
	Client string `json:"client"`
	// Entry is which entry of the job it matches, from 0.
	Entry uint32 `json:"entry"`
	// Late says that it came while the run went on; absent if it did not.
	Late bool `json:"late,omitempty"`
}
