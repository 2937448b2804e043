package report

// MaxIntervals is the most intervals a Series has, for all clients together.
const MaxIntervals = 600

// MaxBins is the most bins of a distribution.
const MaxBins = 256

// MaxEvents is the most events a Series lists.
const MaxEvents = 5000

// Kinds of an Event.
const (
	EventHandlerDeath = "handler_death"
	// EventDivided is a fleet's rate that is divided again.
	EventDivided     = "rate_divided"
	EventResume      = "resume"
	EventAway        = "away"
	EventStall       = "stall"
	EventMissed      = "missed"
	EventRestart     = "restart"
	EventUpgrade     = "upgrade"
	EventRejected    = "rejected"
	EventShed        = "shed"
	EventDrain       = "drain"
	EventLost        = "lost"
	EventQuarantined = "quarantined"
	EventCorruption  = "corruption"
	EventSilent      = "silent"
	EventPaused      = "paused"
	EventJoined      = "joined"
	EventLeft        = "left"
	EventMoved       = "moved"
	EventUnavailable = "unavailable"
)

// What a process did in an interval, in ProcessSeries.Beats, from the best to the
// worst; the worst of an interval is what it shows.
const (
	BeatNone     = '.'
	BeatAnswered = 'a'
	BeatLate     = 'l'
	BeatStalled  = 's'
	BeatMissed   = 'm'
)

// Series is the run over time, in intervals of one length, from the first activity to the
// last. Active is what a client did, and all the time in which there is an open session; a
// wait without a client before and after that is no part of it. All its times are the
// supervisor's clock: what a client says is moved by Client.ClockOffsetNano.
type Series struct {
	// StartAt is the begin of the first interval, of the clients' too, OffsetNano after the
	// start of the run: the first activity is in it. Without a client it is the start of the
	// run; it is null without a run.
	StartAt    Stamp `json:"start_at"`
	OffsetNano int64 `json:"offset_nano"`
	// EndAt is the last activity, which ends the last interval; without a client it is the newest
	// record.
	EndAt Stamp `json:"end_at"`
	// IntervalNano is 1 s, doubled until all intervals are at most MaxIntervals.
	IntervalNano int64 `json:"interval_nano"`
	Intervals    int   `json:"intervals"`
	// ClientIntervalNano is IntervalNano, doubled until all clients together are
	// small enough.
	ClientIntervalNano int64 `json:"client_interval_nano"`
	ClientIntervals    int   `json:"client_intervals"`

	// WarmUpIntervals is how many of the first intervals are of a time in which a client was still
	// warming up: what is judged begins behind them.
	WarmUpIntervals int `json:"warm_up_intervals"`
	// Unreported are further intervals in which a client was in a stage that is in no figure that is
	// judged.
	Unreported []Stretch `json:"unreported"`

	Total TotalSeries `json:"total"`
	// Clients are in the order of Report.Clients.
	Clients []ClientSeries `json:"clients"`
	// Events are ordered by At; EventsLeftOut are those beyond MaxEvents.
	Events        []Event `json:"events"`
	EventsLeftOut uint64  `json:"events_left_out"`
	// Distribution is the chunk-write latency of the whole run, in at most MaxBins
	// bins by rising latency; bins in which nothing fell are left out.
	Distribution []Bin `json:"distribution"`
	// Phases are the other latencies of the run over time, of those phases alone that have
	// one, in the order of PhaseNames.
	Phases []PhaseSeries `json:"phases"`
	// ReducedText says in one line what was reduced, and how.
	ReducedText string `json:"reduced_text"`
}

// TotalSeries is all clients together; every list has Series.Intervals entries.
type TotalSeries struct {
	Bytes     []uint64 `json:"bytes"`
	Chunks    []uint64 `json:"chunks"`
	Errors    []uint64 `json:"errors"`
	Rollovers []uint64 `json:"rollovers"`
	// P50Nano to MaxNano are the latency of a chunk's write call; -1 where nothing
	// was written.
	P50Nano  []int64 `json:"p50_nano"`
	P99Nano  []int64 `json:"p99_nano"`
	P999Nano []int64 `json:"p999_nano"`
	MaxNano  []int64 `json:"max_nano"`
	// Active is how many clients wrote something.
	Active []uint32 `json:"active"`
	// VerifiedBytes were read back and compared, and CorruptBlocks were not what was
	// written.
	VerifiedBytes []uint64 `json:"verified_bytes"`
	CorruptBlocks []uint64 `json:"corrupt_blocks"`
	// ReadBytes were read beside the writing.
	ReadBytes []uint64 `json:"read_bytes"`
}

// PhaseSeries is one kind of latency, all clients together; every list but Distribution
// has Series.Intervals entries.
type PhaseSeries struct {
	// Name is "response", "create", "sync", "close", "unlink", "read" or
	// "read_response".
	Name string `json:"name"`
	// P50Nano to MaxNano are -1 where nothing was recorded.
	P50Nano  []int64 `json:"p50_nano"`
	P99Nano  []int64 `json:"p99_nano"`
	P999Nano []int64 `json:"p999_nano"`
	MaxNano  []int64 `json:"max_nano"`
	// Distribution is of the whole run, as Series.Distribution.
	Distribution []Bin `json:"distribution"`
}

// ClientSeries is one client; every list that is not empty has Series.ClientIntervals
// entries.
type ClientSeries struct {
	Session   uint32   `json:"session"`
	Bytes     []uint64 `json:"bytes"`
	Rollovers []uint64 `json:"rollovers"`
	Errors    []uint64 `json:"errors"`
	// P99Nano and MaxNano are the latency of a chunk's write call; -1 where nothing
	// was written. P99Nano is the highest of the Progress messages that fell into the
	// interval, which is never below that of all their chunks together.
	P99Nano []int64 `json:"p99_nano"`
	MaxNano []int64 `json:"max_nano"`
	// ResponseP99Nano is of the response in the same way, and CorruptBlocks are those that
	// were not what was written; each is empty for a client that has none.
	ResponseP99Nano []int64  `json:"response_p99_nano"`
	CorruptBlocks   []uint64 `json:"corrupt_blocks"`
	// ReadBytes were read beside the writing; empty for a client that read nothing so.
	ReadBytes []uint64 `json:"read_bytes"`
	// Stages are the numbers of the stages, in Report.Stages, that it was in, the last of each interval;
	// 0 for none. Empty for a client without stages.
	Stages    []uint32        `json:"stages"`
	Processes []ProcessSeries `json:"processes"`
	// Machine is the client's machine; absent if it was never sampled.
	Machine *MachineSeries `json:"machine,omitempty"`
}

// ProcessSeries is one process of a client, or several that followed each other
// under one name.
type ProcessSeries struct {
	// Kind is one of the Kind… constants, and Index its number; Name is both for people:
	// "consumer 0", "monitor".
	Kind  string `json:"kind"`
	Index uint32 `json:"index"`
	Name  string `json:"name"`
	// CPU is in processors; -1 where it was not sampled.
	CPU []float32 `json:"cpu"`
	// ResidentBytes is the highest sample; 0 where there was none.
	ResidentBytes []uint64 `json:"resident_bytes"`
	// Beats has one Beat… character for each interval.
	Beats string `json:"beats"`
}

// Event is something that happened at a moment, or lasted for a time.
type Event struct {
	At Stamp `json:"at"`
	// EndAt is null for a moment.
	EndAt Stamp `json:"end_at"`
	// Kind is one of the Event… constants.
	Kind string `json:"kind"`
	// Session is 0 and Client "" for what is about no client.
	Session uint32 `json:"session"`
	Client  string `json:"client"`
	Text    string `json:"text"`
}

// Bin counts what took from FromNano to ToNano, both included.
type Bin struct {
	FromNano int64  `json:"from_nano"`
	ToNano   int64  `json:"to_nano"`
	Count    uint64 `json:"count"`
}

// Judged reports whether interval i of all clients together is of a time that is judged.
func (s *Series) Judged(i int) bool {
	if i < s.WarmUpIntervals {
		return false
	}
	for _, u := range s.Unreported {
		if u.From <= i && i < u.To {
			return false
		}
	}
	return true
}

// ClientJudged reports the same of interval i of each client.
func (s *Series) ClientJudged(i int) bool {
	if s.IntervalNano <= 0 {
		return true
	}
	each := int(s.ClientIntervalNano / s.IntervalNano)
	for k := i * each; k < min((i+1)*each, s.Intervals); k++ {
		if !s.Judged(k) {
			return false
		}
	}
	return true
}
