package report

import "slices"

// CommonWindow is the time in which every client wrote, and what was written in it: the figures that
// can be compared. It lasts from when the last consumer of all clients began to write until the first
// one was done, without what Apart lists; a consumer that is stuck or fails meanwhile counts as writing,
// as it does in the figures of the whole. All its times are the supervisor's clock.
//
// Its edges are those of Progress intervals, which begin and end with the writing itself, moved by how
// far each client's clock was ahead. Its figures are of the whole intervals of the Series that lie in
// it: bytes are spread evenly over the time of their Progress, and latencies count where its middle is.
type CommonWindow struct {
	// Clients and Consumers are how many wrote, of which it is.
	Clients   int `json:"clients"`
	Consumers int `json:"consumers"`
	// FromAt and ToAt are null if there was no such time.
	FromAt Stamp `json:"from_at"`
	ToAt   Stamp `json:"to_at"`
	// Apart are the times between them in which a client was not to write, or not to be judged: it was
	// between two of its stages, or in one that is not reported. Absent without.
	Apart []Span `json:"apart,omitempty"`
	// LengthNano is from FromAt to ToAt without Apart; 0 if there was no such time.
	LengthNano int64 `json:"length_nano"`
	// LongestNano is the time of writing of the client that wrote for the longest time, without what was
	// between its stages, and OverlapPercent how much of that LengthNano is.
	LongestNano    int64   `json:"longest_nano"`
	OverlapPercent float64 `json:"overlap_percent"`
	// StartSpreadNano is from the first write of the client that was the first to write to that of
	// the last one.
	StartSpreadNano int64 `json:"start_spread_nano"`
	// LastBegun is who began last, and FirstDone who was done first.
	LastBegun WindowEdge `json:"last_begun"`
	FirstDone WindowEdge `json:"first_done"`
	// Without are clients that it is not of, and why, the first ones.
	Without        []WindowWithout `json:"without"`
	WithoutLeftOut uint64          `json:"without_left_out"`

	// Intervals is how many whole intervals of IntervalNano are in it, of which the figures are, and
	// FiguresFromAt when the first of them begins; 0 and null if it is shorter.
	Intervals     int   `json:"intervals"`
	IntervalNano  int64 `json:"interval_nano"`
	FiguresFromAt Stamp `json:"figures_from_at"`
	// Bytes and the rest are as those of the whole run. Percentiles are at most 0.8 % above the true
	// value.
	Bytes          uint64   `json:"bytes"`
	Chunks         uint64   `json:"chunks"`
	Errors         uint64   `json:"errors"`
	BytesPerSecond uint64   `json:"bytes_per_second"`
	ChunkWrite     Latency  `json:"chunk_write"`
	Response       *Latency `json:"response"`
	Phases         Phases   `json:"phases"`
	// ReadBytes were read beside the writing; Read and ReadResponse are null if nothing was.
	ReadBytes          uint64   `json:"read_bytes"`
	ReadBytesPerSecond uint64   `json:"read_bytes_per_second"`
	Read               *Latency `json:"read"`
	ReadResponse       *Latency `json:"read_response"`
	// Text is the window in one line, and RateText what was written in it; "" where there are not
	// several clients, or no figures.
	Text     string `json:"text"`
	RateText string `json:"rate_text"`
	// Running says that the run continues, and so does the window.
	Running bool `json:"running"`
}

// Span is a time from one moment to another.
type Span struct {
	FromAt Stamp `json:"from_at"`
	ToAt   Stamp `json:"to_at"`
}

// WindowEdge is a consumer that bounds a CommonWindow.
type WindowEdge struct {
	Session uint32 `json:"session"`
	Client  string `json:"client"`
	// Process is its name: "consumer 0".
	Process string `json:"process"`
	At      Stamp  `json:"at"`
}

// WindowWithout is a client that a CommonWindow is not of.
type WindowWithout struct {
	Session uint32 `json:"session"`
	Client  string `json:"client"`
	// Why is one of the Without… constants.
	Why string `json:"why"`
}

// Why a common window is not of a client (WindowWithout.Why).
const (
	// WithoutWriting is of a client that wrote nothing.
	WithoutWriting = "wrote_nothing"
	// WithoutClock is of one whose messages were delivered later: its clock was never compared.
	WithoutClock = "delivered_later"
)

// OverlapLeast is the least overlap, in per cent, that needs no word.
const OverlapLeast = 90

// Exists reports whether there was a time in which every client wrote.
func (w *CommonWindow) Exists() bool { return w != nil && w.LengthNano > 0 }

// Told reports whether there is more than one client to speak of.
func (w *CommonWindow) Told() bool { return w != nil && w.Clients > 1 }

// Holds reports whether an interval that begins at a moment lies wholly in it.
func (w *CommonWindow) Holds(from Stamp, length int64) bool {
	to := from + Stamp(length)
	if !w.Exists() || from < w.FromAt || to > w.ToAt {
		return false
	}
	i, _ := slices.BinarySearchFunc(w.Apart, from, func(s Span, at Stamp) int { // the first that ends behind it
		if s.ToAt <= at {
			return -1
		}
		return 1
	})
	return i == len(w.Apart) || w.Apart[i].FromAt >= to
}
