package report

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Workload is what the client said it was going to do.
type Workload struct {
	RuntimeNano           int64 `json:"runtime_nano"`
	HeartbeatIntervalNano int64 `json:"heartbeat_interval_nano"`
	HeartbeatTimeoutNano  int64 `json:"heartbeat_timeout_nano"`
	MonitorIntervalNano   int64 `json:"monitor_interval_nano"`
	ProgressIntervalNano  int64 `json:"progress_interval_nano"`
	// RampNano is the time over which the consumers begin, one after the other.
	RampNano int64 `json:"ramp_nano"`
	// WarmupNano is how long they write before the runtime begins; absent for no warm-up.
	WarmupNano int64 `json:"warmup_nano,omitempty"`
	// TotalBytes end the load when they are written; 0 is no limit.
	TotalBytes uint64 `json:"total_bytes"`
	// StopWhen is when the load counts as steady and ends; null if it does not for that.
	StopWhen  *SteadyState `json:"stop_when"`
	Consumers []Consumer   `json:"consumers"`
	// Stages are what the load consists of, one after the other; absent if it has none. StagesLeftOut
	// are further ones for which the report has no room.
	Stages        []StageSpec `json:"stages,omitempty"`
	StagesLeftOut uint64      `json:"stages_left_out,omitempty"`
	// ConsumersLeftOut are further ones for which the report has no room; absent if there are none.
	ConsumersLeftOut uint64 `json:"consumers_left_out,omitempty"`
}

// Declared returns how many consumers the client declared.
func (w *Workload) Declared() uint64 { return uint64(len(w.Consumers)) + w.ConsumersLeftOut }

// SteadyState is when a load counts as steady: the coefficient of variation of its
// throughput over the window is at most the limit.
type SteadyState struct {
	WindowNano          int64   `json:"window_nano"`
	MaxVariationPercent float64 `json:"max_variation_percent"`
}

// Consumer is what one consumer writes.
type Consumer struct {
	Index uint32 `json:"index"`
	Path  string `json:"path"`
	// ChunkSizeBytes and FileSizeBytes are the largest ones where there are several.
	ChunkSizeBytes uint64 `json:"chunk_size_bytes"`
	FileSizeBytes  uint64 `json:"file_size_bytes"`
	// ChunkSizes are the sizes that are drawn from; empty for ChunkSizeBytes alone.
	ChunkSizes []WeightedSize `json:"chunk_sizes"`
	// MinFileSizeBytes is where the range of file sizes begins; 0 for FileSizeBytes alone.
	MinFileSizeBytes uint64 `json:"min_file_size_bytes"`
	// KeepFiles is 0 for all.
	KeepFiles uint32 `json:"keep_files"`
	// Recycle says that the oldest file is written over in place.
	Recycle bool `json:"recycle"`
	// Sync is "none", "file", "chunk", "bytes", "dsync" or ""; SyncBytes go with "bytes".
	Sync      string `json:"sync"`
	SyncBytes uint64 `json:"sync_bytes"`
	Direct    bool   `json:"direct"`
	// The rates are 0 for no limit.
	RateBytesPerSecond  uint64   `json:"rate_bytes_per_second"`
	RateChunksPerSecond float64  `json:"rate_chunks_per_second"`
	Data                DataSpec `json:"data"`
	Preallocate         bool     `json:"preallocate"`
	// Pattern is "sequential", "random", "append" or "".
	Pattern string `json:"pattern"`
	// Concurrency is how many writers it has; 0 is 1.
	Concurrency    uint32 `json:"concurrency"`
	StartDelayNano int64  `json:"start_delay_nano"`
	ThinkTimeNano  int64  `json:"think_time_nano"`
	// Verify is one of the Verify… constants or "".
	Verify       string `json:"verify"`
	StopOnError  bool   `json:"stop_on_error"`
	ReserveBytes uint64 `json:"reserve_bytes"`
	// ReserveInodes is what it leaves of them free; 0 is none, or no limit.
	ReserveInodes uint64 `json:"reserve_inodes,omitempty"`
	// Read is how finished files are read beside the writing; absent without readers.
	Read *ReadSpec `json:"read,omitempty"`
	// Text says all of it but the index in one line.
	Text string `json:"text"`
}

// WeightedSize is one size of several, and how often it is drawn relative to the others.
type WeightedSize struct {
	SizeBytes uint64 `json:"size_bytes"`
	Weight    uint32 `json:"weight"`
}

// ReadSpec is how a consumer reads its finished files while it writes others.
type ReadSpec struct {
	Readers uint32 `json:"readers"`
	// SizeBytes is that of a read.
	SizeBytes uint64 `json:"size_bytes"`
	// Pattern is "sequential", "random" or "".
	Pattern string `json:"pattern"`
	// The rates are 0 for no limit.
	RateBytesPerSecond      uint64  `json:"rate_bytes_per_second"`
	RateOperationsPerSecond float64 `json:"rate_operations_per_second"`
	// Verify says that what was read is compared with what was written.
	Verify bool `json:"verify"`
	// Of is ReadOfNeighbour if it reads the files of other clients; absent if its own.
	Of string `json:"of,omitempty"`
}

// ReadOfNeighbour says that readers read the finished files of other clients (ReadSpec.Of).
const ReadOfNeighbour = "neighbour"

// DataSpec is what chunks are filled with.
type DataSpec struct {
	// Kind is "random", "zeros", "compressible", "dedupable" or "".
	Kind string `json:"kind"`
	// Percent is the part that is compressible or dedupable.
	Percent uint32 `json:"percent"`
	// Seed is 0 for one of its own for each run.
	Seed Seed `json:"seed"`
}

// When a consumer reads back what it wrote (Consumer.Verify).
const (
	VerifyOff        = "off"
	VerifyAtRollover = "at-rollover"
	VerifyAtEnd      = "at-end"
	VerifyContinuous = "continuous"
)

// declaredBytes is about what one consumer takes in a report without its texts, sizeBytes one of
// its chunk sizes, and stageBytes a stage without its texts.
const (
	declaredBytes = 1000
	sizeBytes     = 48
	stageBytes    = 400
)

// ConsumersBeyond returns how many consumers take more than so many bytes of a report, whatever they
// are.
func ConsumersBeyond(bytes int) int { return max(0, bytes)/declaredBytes + 1 }

// DeclaredBytes returns about how much of a report is what the client declared in its Hello: its
// labels, its stages and its consumers, in bytes.
func (c *Client) DeclaredBytes() int {
	n := 0
	for name, value := range c.Labels {
		n += labelBytes(name, value)
	}
	for i := range c.Workload.Stages {
		n += c.Workload.Stages[i].declaredBytes()
	}
	for i := range c.Workload.Consumers {
		n += c.Workload.Consumers[i].DeclaredBytes()
	}
	return n
}

// CutDeclared leaves out what is beyond so many bytes: first of the consumers, then of the stages, then
// of the labels, the last of them. Nothing that c shares with another is changed.
func (c *Client) CutDeclared(bytes int) {
	if c.DeclaredBytes() <= bytes {
		return
	}
	kept := make(map[string]string)
	for _, name := range slices.Sorted(maps.Keys(c.Labels)) {
		if bytes -= labelBytes(name, c.Labels[name]); bytes < 0 {
			c.LabelsLeftOut += uint64(len(c.Labels) - len(kept))
			break
		}
		kept[name] = c.Labels[name]
	}
	c.Labels = kept
	for i := range c.Workload.Stages {
		if bytes -= c.Workload.Stages[i].declaredBytes(); bytes < 0 {
			c.Workload.StagesLeftOut += uint64(len(c.Workload.Stages) - i)
			c.Workload.Stages = slices.Clone(c.Workload.Stages[:i])
			break
		}
	}
	list := c.Workload.Consumers
	for i := range list {
		if bytes -= list[i].DeclaredBytes(); bytes < 0 {
			c.Workload.ConsumersLeftOut += uint64(len(list) - i)
			c.Workload.Consumers = append(make([]Consumer, 0, i), list[:i]...)
			return
		}
	}
}

func labelBytes(name, value string) int { return 8 + textBytes(name) + textBytes(value) }

func (s *StageSpec) declaredBytes() int {
	return stageBytes + textBytes(s.Name) + textBytes(s.RateOf) + textBytes(s.Text)
}

// DeclaredBytes returns about how much of a report the consumer is, in bytes.
func (c *Consumer) DeclaredBytes() int {
	return LeastDeclared(len(c.ChunkSizes)) + textBytes(c.Path) + textBytes(c.Text)
}

// LeastDeclared returns how much of a report a consumer with so many chunk sizes is at least, in bytes.
func LeastDeclared(chunkSizes int) int { return declaredBytes + sizeBytes*chunkSizes }

// textBytes is how long a text is in JSON that stands in a page, where some characters take six bytes.
func textBytes(s string) int {
	n := len(s)
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ', c == '<', c == '>', c == '&':
			n += 5
		case c == '"', c == '\\':
			n++
		}
	}
	return n
}

// EqualShare returns how much each of several may have that want so much, if all together have no
// more than limit: what some do not want is the others'.
func EqualShare(wanted []int, limit int) int {
	sorted, left := slices.Sorted(slices.Values(wanted)), limit
	for i, w := range sorted {
		if share := left / (len(sorted) - i); w > share {
			return share
		}
		left -= w
	}
	return limit
}

// Seed is the seed of data, any of 64 bits. In JSON it is a string of decimal digits: it is
// no quantity, and a reader whose numbers have 53 bits would make another seed of it. A
// number is read as well, as older reports have it.
type Seed uint64

// MarshalJSON returns the seed as a string.
func (s Seed) MarshalJSON() ([]byte, error) {
	return []byte(`"` + strconv.FormatUint(uint64(s), 10) + `"`), nil
}

// UnmarshalJSON reads a seed.
func (s *Seed) UnmarshalJSON(data []byte) error {
	text := strings.TrimSuffix(strings.TrimPrefix(string(data), `"`), `"`)
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return fmt.Errorf("reading seed %s: %w", data, err)
	}
	*s = Seed(n)
	return nil
}

var (
	_ json.Marshaler   = Seed(0)
	_ json.Unmarshaler = (*Seed)(nil)
)
