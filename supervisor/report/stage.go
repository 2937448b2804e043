package report

import "bulkhead/internal/protocol"

// Bounds of stages.
const (
	// MaxStages is the most stages of one client.
	MaxStages = protocol.MaxStages
	// MaxRunStages is the most stages of different names of all clients together.
	MaxRunStages = 256
)

// StageSpec is one stage of a client's load, as it was told.
type StageSpec struct {
	Name string `json:"name"`
	// DurationNano is how long it lasts, and TotalBytes how much all consumers of the client together
	// write in it; the first of them ends it. 0 is no limit.
	DurationNano int64  `json:"duration_nano"`
	TotalBytes   uint64 `json:"total_bytes"`
	// The rates are those of each consumer; 0 for no limit. RatePercent is of what it reached in the
	// earlier stage RateOf.
	RateBytesPerSecond  uint64  `json:"rate_bytes_per_second"`
	RateChunksPerSecond float64 `json:"rate_chunks_per_second"`
	RatePercent         float64 `json:"rate_percent"`
	RateOf              string  `json:"rate_of"`
	// Concurrency is how many writers each consumer has, and Sync when it syncs, as in Consumer; 0 and ""
	// are as the consumer's own.
	Concurrency uint32 `json:"concurrency"`
	Sync        string `json:"sync"`
	SyncBytes   uint64 `json:"sync_bytes"`
	// PauseNano is for how long nobody writes before it.
	PauseNano int64 `json:"pause_nano"`
	// Unreported says that it is in no figure that is judged.
	Unreported bool `json:"unreported"`
	// Together says that it begins when all clients have come to it, for which one waits for
	// TogetherTimeoutNano.
	Together            bool  `json:"together"`
	TogetherTimeoutNano int64 `json:"together_timeout_nano"`
	// Curve is of which curve of the client it is a step, from 1; 0 for none.
	Curve uint32 `json:"curve"`
	// Text says all of it but the name in one line.
	Text string `json:"text"`
}

// Stage is a stage of all clients that have one of its name. Its times are the supervisor's clock.
type Stage struct {
	// Number is its place among Report.Stages, from 1.
	Number int    `json:"number"`
	Name   string `json:"name"`
	// Told is what the first client that has it was told, and Differs says that others were told
	// something else.
	Told    StageSpec `json:"told"`
	Differs bool      `json:"differs"`
	// Curve is the number of the Curve of which it is a step; 0 for none.
	Curve int `json:"curve"`
	// Clients began it, Finished of them did not end before it did, and Unreached never began it, although
	// their load has it and is over. Consumers began it.
	Clients   int    `json:"clients"`
	Finished  int    `json:"finished"`
	Unreached int    `json:"unreached"`
	Consumers uint64 `json:"consumers"`
	// Gather is how its clients were let begin together; null if they do not wait for each other.
	Gather *StageGather `json:"gather"`
	// FromAt and ToAt are the first and the last moment at which a client wrote in it, or tried to; null
	// if none did. LengthNano is the time between them.
	FromAt     Stamp `json:"from_at"`
	ToAt       Stamp `json:"to_at"`
	LengthNano int64 `json:"length_nano"`
	// OverlapPercent is the time in which all of Clients were in it, as a share of that of the client
	// that was in it for the longest time.
	OverlapPercent float64 `json:"overlap_percent"`
	// Bytes and the rest are as in Writes. Percentiles are at most 0.8 % above the true value.
	Bytes  uint64 `json:"bytes"`
	Chunks uint64 `json:"chunks"`
	Errors uint64 `json:"errors"`
	// BytesPerSecond is the sum of the rates of the clients, each over its own time in the stage.
	BytesPerSecond uint64 `json:"bytes_per_second"`
	// The offered rates are the sum of those that the consumers held themselves to; 0 if one had none.
	OfferedBytesPerSecond  uint64   `json:"offered_bytes_per_second"`
	OfferedChunksPerSecond float64  `json:"offered_chunks_per_second"`
	ChunkWrite             Latency  `json:"chunk_write"`
	Response               *Latency `json:"response"`
	Phases                 Phases   `json:"phases"`
	// ReadBytes were read beside the writing; Read and ReadResponse are null if nothing was.
	ReadBytes          uint64   `json:"read_bytes"`
	ReadBytesPerSecond uint64   `json:"read_bytes_per_second"`
	Read               *Latency `json:"read"`
	ReadResponse       *Latency `json:"read_response"`
	// RateText is what was written in it, in one line, and Note what is to be said of it besides.
	RateText string `json:"rate_text"`
	Note     string `json:"note"`
}

// Curve is throughput against response time, one point for each of its stages.
type Curve struct {
	// Number is its place among Report.Curves, from 1.
	Number int    `json:"number"`
	Name   string `json:"name"`
	// Of is the name of the stage of which its rates are percentages; "" if they are none.
	Of string `json:"of"`
	// Points are of those of its stages in which something was written, or due, by rising offered rate.
	Points []CurvePoint `json:"points"`
	Knee   Knee         `json:"knee"`
	// Text is the knee in one line.
	Text string `json:"text"`
}

// CurvePoint is one step of a curve.
type CurvePoint struct {
	// Stage is the number of the stage, and Name its name.
	Stage int    `json:"stage"`
	Name  string `json:"name"`
	// Percent is its rate as a part of what was reached in Curve.Of; 0 if it is none.
	Percent float64 `json:"percent"`
	// OfferedBytesPerSecond is 0 if it is not known, and so is DeliveredPercent, the part of it that was
	// written.
	OfferedBytesPerSecond uint64  `json:"offered_bytes_per_second"`
	BytesPerSecond        uint64  `json:"bytes_per_second"`
	DeliveredPercent      float64 `json:"delivered_percent"`
	// Response is the time from when each chunk was due; null if there is none.
	Response *Latency `json:"response"`
}

// Knee is the last step of a curve that the storage kept up with.
type Knee struct {
	// State is one of the Knee… constants.
	State string `json:"state"`
	// Stage is the number of the stage; absent without a knee.
	Stage int `json:"stage,omitempty"`
	// Beyond is the number of the first stage beyond it, and Short and Slow say why it is; absent if
	// none is.
	Beyond int  `json:"beyond,omitempty"`
	Short  bool `json:"short,omitempty"`
	Slow   bool `json:"slow,omitempty"`
	// UsualNano is the median response p99 of the steps before Beyond; absent if they are too few.
	UsualNano int64 `json:"usual_nano,omitempty"`
	// Why is what that is judged from, in words.
	Why string `json:"why"`
}

// What is known of a curve's knee (Knee.State).
const (
	KneeFound = "found"
	// KneeNone is of a curve whose every step the storage kept up with, and KneeBelow of one with not
	// even its first.
	KneeNone  = "none"
	KneeBelow = "below"
	// KneeUntold is of a curve that has too few steps to tell, or is not over.
	KneeUntold = "untold"
)

const (
	// KneeDelivered is the least part, in percent, of what was offered that a storage delivers that keeps
	// up, and KneeSlower how many times the usual response p99 is too slow.
	KneeDelivered = 95
	KneeSlower    = 2
)

// Stretch is intervals of a Series from one to another, which is not of it.
type Stretch struct {
	From int `json:"from"`
	To   int `json:"to"`
}

// StageNamed returns the stage of that name; nil for none.
func (r *Report) StageNamed(name string) *Stage {
	for i := range r.Stages {
		if r.Stages[i].Name == name {
			return &r.Stages[i]
		}
	}
	return nil
}
