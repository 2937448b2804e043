package report

// Kinds of a client's processes.
const (
	KindClient   = "client"
	KindConsumer = "consumer"
	KindMonitor  = "monitor"
)

// Process is one process of a client. All its times are the client's clock.
type Process struct {
	Kind  string `json:"kind"`
	Index uint32 `json:"index"`
	// Pid is 0 for a process that never started.
	Pid int32 `json:"pid"`
	// StartedAt is its Start message, or else what its parent saw.
	StartedAt Stamp `json:"started_at"`
	// EndedAt is what its parent saw, or null; of the client itself, its Stop
	// message.
	EndedAt Stamp `json:"ended_at"`
	// RuntimeNano is from StartedAt to EndedAt, or else to its last sign of
	// life.
	RuntimeNano int64 `json:"runtime_nano"`
	// Exit is null when the client never said how the process ended.
	Exit *Exit `json:"exit"`
	// FailingSince is, for a consumer whose errors did not recover until its end, the end
	// of its last interval without, or the begin of its first; else null. FailingNano is
	// from then to the end of the last interval with errors.
	FailingSince Stamp `json:"failing_since"`
	FailingNano  int64 `json:"failing_nano"`
	// Consumer, Writes and Rollovers are null for all but consumers.
	Consumer  *Consumer  `json:"consumer"`
	Writes    *Writes    `json:"writes"`
	Rollovers *Rollovers `json:"rollovers"`
	// Heartbeats is null for a process that was never asked.
	Heartbeats *Heartbeats `json:"heartbeats"`
	// Usage is null for a process that was never sampled.
	Usage *Usage `json:"usage"`
}

// Exit classes.
const (
	ExitClean      = "clean"
	ExitCrash      = "crash"
	ExitStopped    = "stopped" // at its first error, as it was told to
	ExitKilled     = "killed"
	ExitNever      = "never"
	ExitNotStarted = "not_started"
	ExitOOM        = "oom"
	ExitHang       = "hang"
	ExitProtocol   = "protocol"
	ExitOrphaned   = "orphaned"
	ExitSandbox    = "sandbox"
	ExitUnknown    = "unknown"
)

// Exit is how a process ended, as its parent saw it.
type Exit struct {
	// Class is one of the Exit… constants.
	Class  string `json:"class"`
	Code   int32  `json:"code"`
	Signal int32  `json:"signal"`
	Cause  string `json:"cause"`
	// EndedWork is why it ended its work before it was asked to, as Client.StopReason says
	// it; "" if it did not.
	EndedWork string `json:"ended_work,omitempty"`

	StartedAt        Stamp  `json:"started_at"`
	EndedAt          Stamp  `json:"ended_at"`
	UserCPUNano      int64  `json:"user_cpu_nano"`
	SystemCPUNano    int64  `json:"system_cpu_nano"`
	MaxResidentBytes uint64 `json:"max_resident_bytes"`
	// ReadBlocks and WrittenBlocks are blocks of 512 bytes read from and written to
	// storage, MajorFaults page faults that needed storage.
	ReadBlocks    uint64 `json:"read_blocks"`
	WrittenBlocks uint64 `json:"written_blocks"`
	MajorFaults   uint64 `json:"major_faults"`
}

// Writes is what was written, from Progress messages.
type Writes struct {
	Bytes     uint64 `json:"bytes"`
	Chunks    uint64 `json:"chunks"`
	Errors    uint64 `json:"errors"`
	LastError string `json:"last_error"`
	// Files counts rollovers, PartialFiles those ended before their full size,
	// UnverifiedFiles those whose content did not read back the same.
	Files           uint64 `json:"files"`
	PartialFiles    uint64 `json:"partial_files"`
	UnverifiedFiles uint64 `json:"unverified_files"`
	// RecycledFiles counts rollovers of files that were written over in place.
	RecycledFiles uint64 `json:"recycled_files"`
	// VerifiedBytes were read back and compared, and VerifiedCachedBytes of them may have
	// come from the page cache rather than from storage.
	VerifiedBytes       uint64 `json:"verified_bytes"`
	VerifiedCachedBytes uint64 `json:"verified_cached_bytes"`
	// CorruptBlocks did not read back as they were written.
	CorruptBlocks uint64 `json:"corrupt_blocks"`
	// WritingNano is from the begin of the first Progress interval to the end of
	// the last, which is the time in which consumers wrote, or tried to; of a load with stages it is the
	// time in those that are reported. For all clients together,
	// each client's times are moved to the
	// supervisor's clock by its clock offset.
	WritingNano int64 `json:"writing_nano"`
	// BytesPerSecond is Bytes over WritingNano; 0 if that is 0.
	BytesPerSecond uint64 `json:"bytes_per_second"`
	// ChunkWrite is the latency of each chunk's write call: the service time.
	ChunkWrite Latency `json:"chunk_write"`
	// Response is, of the chunks of consumers with a rate, the time from when each was due
	// to when it was written, so that the waiting behind a slow write counts (no coordinated
	// omission). Those that were never written count with their wait until the load ended.
	// It is null without a rate.
	Response *Latency `json:"response"`
	Phases   Phases   `json:"phases"`
	// Reads is what was read beside the writing; null if nothing was to be.
	Reads *Reads `json:"reads"`
	// WarmUp is what was done in the warm-up, and in stages that are not reported, which is in none of the
	// above but Errors, the files and what was verified; absent if nothing was.
	WarmUp *WarmUp `json:"warm_up,omitempty"`
}

// WarmUp is what was written and read before the figures begin.
type WarmUp struct {
	Bytes     uint64 `json:"bytes"`
	Chunks    uint64 `json:"chunks"`
	ReadBytes uint64 `json:"read_bytes"`
}

// Latency sums up a histogram, in nanoseconds. Percentiles are at most 0.1 %
// above the true value, and at most 0.8 % for a client and its processes that had more
// different latencies than there was room for; the extremes and the mean are exact.
type Latency struct {
	Count    uint64 `json:"count"`
	MinNano  int64  `json:"min_nano"`
	MeanNano int64  `json:"mean_nano"`
	P50Nano  int64  `json:"p50_nano"`
	P90Nano  int64  `json:"p90_nano"`
	P99Nano  int64  `json:"p99_nano"`
	P999Nano int64  `json:"p999_nano"`
	MaxNano  int64  `json:"max_nano"`
	// LeftOut is how many values of a process are not counted here because its
	// client had filled the room for histograms. They are in the client's own.
	LeftOut uint64 `json:"left_out"`
}

// Rollovers is the finished files of one consumer. Recycled ones were written over in place.
type Rollovers struct {
	Files         uint64  `json:"files"`
	Partial       uint64  `json:"partial"`
	Recycled      uint64  `json:"recycled"`
	Bytes         uint64  `json:"bytes"`
	SmallestBytes uint64  `json:"smallest_bytes"`
	LargestBytes  uint64  `json:"largest_bytes"`
	Create        Latency `json:"create"`
	Write         Latency `json:"write"`
	Sync          Latency `json:"sync"`
	Close         Latency `json:"close"`
	// List holds the newest files; LeftOut older ones are counted above only.
	List    []Rollover `json:"list"`
	LeftOut uint64     `json:"left_out"`
}

// Rollover is one finished file.
type Rollover struct {
	Path           string `json:"path"`
	FileIndex      uint64 `json:"file_index"`
	ClosedAt       Stamp  `json:"closed_at"`
	FirstWriteAt   Stamp  `json:"first_write_at"`
	SizeBytes      uint64 `json:"size_bytes"`
	ChunkSizeBytes uint64 `json:"chunk_size_bytes"`
	Chunks         uint64 `json:"chunks"`
	CreateNano     int64  `json:"create_nano"`
	WriteNano      int64  `json:"write_nano"`
	SyncNano       int64  `json:"sync_nano"`
	CloseNano      int64  `json:"close_nano"`
	// Verification is one of the Verification… constants or "".
	Verification string `json:"verification"`
	Partial      bool   `json:"partial"`
	// Generation is how often the blocks of the file were written, from 1: more for one
	// that was written over in place. 0 if the client did not say.
	Generation uint32 `json:"generation"`
}

// HeartbeatTotals counts pairs of process and round. Answered (in time), Late
// (after the timeout, before the round closed) and Missed exclude each other;
// their sum is how often somebody was asked. Stalled counts those of the answers,
// in time or late, that said a write was stuck.
type HeartbeatTotals struct {
	Rounds   uint64 `json:"rounds"`
	Answered uint64 `json:"answered"`
	Late     uint64 `json:"late"`
	Missed   uint64 `json:"missed"`
	Stalled  uint64 `json:"stalled"`
}

// Heartbeats is one process's heartbeats. Rounds is how often it was asked.
type Heartbeats struct {
	HeartbeatTotals
	// MeanNano and MaxNano are from question to answer, of the answers.
	MeanNano int64 `json:"mean_nano"`
	MaxNano  int64 `json:"max_nano"`
	// MaxStalledNano is the longest a system call was said to be stuck.
	MaxStalledNano int64 `json:"max_stalled_nano"`
	// MissedWhy is sorted by count, then text.
	MissedWhy []Count `json:"missed_why"`
}

// Usage is the resource use of one process, from the monitor's samples.
type Usage struct {
	Samples uint64 `json:"samples"`
	// Failed is how often it could not be sampled.
	Failed      uint64 `json:"failed"`
	LastFailure string `json:"last_failure"`
	// MeanCPUPercent is over its life, MaxCPUPercent the highest between two
	// samples at least 200 ms apart; 100 is one processor.
	MeanCPUPercent   float64 `json:"mean_cpu_percent"`
	MaxCPUPercent    float64 `json:"max_cpu_percent"`
	UserCPUNano      int64   `json:"user_cpu_nano"`
	SystemCPUNano    int64   `json:"system_cpu_nano"`
	MaxResidentBytes uint64  `json:"max_resident_bytes"`
	MaxThreads       uint32  `json:"max_threads"`
	MaxFDs           uint32  `json:"max_fds"`
	WrittenBytes     uint64  `json:"written_bytes"`
	StorageBytes     uint64  `json:"storage_bytes"`
}

// Whether a file was read back (Rollover.Verification). VerificationFailed is one whose content
// did not read back the same.
const (
	VerificationOff    = "off"
	VerificationOK     = "ok"
	VerificationFailed = "failed"
)
