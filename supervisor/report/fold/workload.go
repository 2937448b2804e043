package fold

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"bulkhead/internal/encoded"
	"bulkhead/internal/pathname"
	"bulkhead/internal/plaintext"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// WorkloadOf returns what a client said that it would do.
func WorkloadOf(w *bulkheadv1.Workload) report.Workload { return workloadOf(w, math.MaxInt) }

// workloadOf returns what a client said that it would do, with its consumers up to the one that is
// beyond so many bytes of a report. Those behind it are not looked at, and counted as left out.
func workloadOf(w *bulkheadv1.Workload, room int) report.Workload {
	list := w.GetConsumers()
	list = list[:min(len(list), report.MaxProcesses)]
	consumers := make([]report.Consumer, 0, min(len(list), report.ConsumersBeyond(room)))
	for _, spec := range list {
		if room < 0 {
			break
		}
		c := ConsumerOf(spec)
		room -= c.DeclaredBytes()
		consumers = append(consumers, c)
	}
	out := report.Workload{
		RuntimeNano:           durationOrNone(w.GetRuntimeNano()),
		HeartbeatIntervalNano: durationOrNone(w.GetHeartbeatIntervalNano()),
		HeartbeatTimeoutNano:  durationOrNone(w.GetHeartbeatTimeoutNano()),
		MonitorIntervalNano:   durationOrNone(w.GetMonitorIntervalNano()),
		ProgressIntervalNano:  durationOrNone(w.GetProgressIntervalNano()),
		RampNano:              durationOrNone(w.GetRampNano()),
		WarmupNano:            durationOrNone(w.GetWarmupNano()),
		TotalBytes:            w.GetTotalBytes(),
		Consumers:             consumers,
		ConsumersLeftOut:      uint64(len(list) - len(consumers)),
		Stages:                stageSpecs(w),
	}
	if s := w.GetStopWhen(); s != nil {
		out.StopWhen = &report.SteadyState{WindowNano: durationOrNone(s.GetWindowNano()),
			MaxVariationPercent: numberOrNone(s.GetMaxVariationPercent())}
	}
	return out
}

// room returns how many bytes of what a new client declares can have a place in the report.
func (f *Folder) room() int {
	if f.share == 0 {
		return math.MaxInt
	}
	return f.share
}

// Shorten returns the encoded record that comes next without what Add would not look at: consumers that
// can have no place in the report. Of a crowd that declares much, decoding them would be nearly all
// the work. It is a journal.Shortening.
func (f *Folder) Shorten(record []byte) []byte {
	if f.share == 0 {
		return record // there is room for all
	}
	room := f.room()
	return encoded.EmptyConsumers(record, func(consumer []byte) bool {
		wanted := room >= 0
		if wanted {
			room -= leastDeclared(consumer)
		}
		return wanted
	})
}

// leastDeclared returns how many bytes of the report an encoded consumer takes at least.
func leastDeclared(consumer []byte) int {
	sizes := 0
	_ = encoded.Fields(consumer, func(n protowire.Number, _ uint64, b []byte) error {
		if n == encoded.ConsumerChunkSizes && b != nil {
			sizes++
		}
		return nil
	}) // what is no encoding does not get as far as the report
	return report.LeastDeclared(min(sizes, report.MaxChunkSizes))
}

// declare takes in what a new client declared. Of most clients of a crowd that declares much, next to
// nothing has a place in the report, and so the rest is not even made.
func (f *Folder) declare(s *sessionState) {
	s.wanted = s.client.DeclaredBytes()
	if f.share > 0 {
		s.client.CutDeclared(f.share)
	}
	if f.declared += s.client.DeclaredBytes(); f.declared > 2*report.MaxDeclaredBytes {
		f.cutDeclared()
	}
}

// cutDeclared leaves out of what clients declared what the report has no room for. Which is left out
// depends on what all of them declared, and neither on their order nor on when this was called: a
// share becomes only less, and all that a client wanted beyond an earlier one counts alike.
func (f *Folder) cutDeclared() {
	if f.share == 0 && f.declared <= report.MaxDeclaredBytes {
		return
	}
	wanted := make([]int, len(f.order))
	for i, s := range f.order {
		wanted[i] = s.wanted
	}
	share := report.EqualShare(wanted, report.MaxDeclaredBytes)
	if share == f.share {
		return // as it was when all of them were cut
	}
	f.share, f.declared = share, 0
	for _, s := range f.order {
		s.client.CutDeclared(f.share)
		f.declared += s.client.DeclaredBytes()
	}
}

// ConsumerOf returns what a client said that one of its consumers would write.
func ConsumerOf(spec *bulkheadv1.ConsumerSpec) report.Consumer {
	c := report.Consumer{
		Index:               spec.GetIndex(),
		Path:                plaintext.Line(pathname.Of(spec), plaintext.MaxText),
		ChunkSizeBytes:      spec.GetChunkSizeBytes(),
		FileSizeBytes:       spec.GetFileSizeBytes(),
		ChunkSizes:          []report.WeightedSize{},
		MinFileSizeBytes:    spec.GetMinFileSizeBytes(),
		KeepFiles:           spec.GetKeepFiles(),
		Recycle:             spec.GetRecycle(),
		Sync:                syncOf(spec.GetSync()),
		SyncBytes:           spec.GetSyncBytes(),
		Direct:              spec.GetDirect(),
		RateBytesPerSecond:  spec.GetRateBytesPerSecond(),
		RateChunksPerSecond: numberOrNone(spec.GetRateChunksPerSecond()),
		Data: report.DataSpec{Kind: dataOf(spec.GetData().GetKind()),
			Percent: min(spec.GetData().GetPercent(), 100), Seed: report.Seed(spec.GetData().GetSeed())},
		Preallocate:    spec.GetPreallocate(),
		Pattern:        patternOf(spec.GetPattern()),
		Concurrency:    spec.GetConcurrency(),
		StartDelayNano: durationOrNone(spec.GetStartDelayNano()),
		ThinkTimeNano:  durationOrNone(spec.GetThinkTimeNano()),
		Verify:         verifyOf(spec.GetVerify()),
		StopOnError:    spec.GetStopOnError(),
		ReserveBytes:   spec.GetReserveBytes(),
		ReserveInodes:  spec.GetReserveInodes(),
	}
	for _, s := range spec.GetChunkSizes()[:min(len(spec.GetChunkSizes()), report.MaxChunkSizes)] {
		c.ChunkSizes = append(c.ChunkSizes, report.WeightedSize{SizeBytes: s.GetSizeBytes(), Weight: s.GetWeight()})
	}
	if read := spec.GetRead(); read.GetReaders() > 0 {
		c.Read = &report.ReadSpec{
			Readers: read.GetReaders(), SizeBytes: cmp.Or(read.GetSizeBytes(), spec.GetChunkSizeBytes()),
			Pattern: patternOf(read.GetPattern()), RateBytesPerSecond: read.GetRateBytesPerSecond(),
			RateOperationsPerSecond: numberOrNone(read.GetRateOperationsPerSecond()), Verify: read.GetVerify(),
			Of: readOf(read.GetOf()),
		}
	}
	c.Text = words.ConsumerLine(&c)
	return c
}

// stageSpecs returns the stages of a load, as they were told.
func stageSpecs(w *bulkheadv1.Workload) []report.StageSpec {
	list := w.GetStages()[:min(len(w.GetStages()), report.MaxStages)]
	var specs []report.StageSpec
	for i, told := range list {
		s := report.StageSpec{
			Name: stageName(told, i), DurationNano: durationOrNone(told.GetDurationNano()),
			TotalBytes:          told.GetTotalBytes(),
			RateBytesPerSecond:  told.GetRateBytesPerSecond(),
			RateChunksPerSecond: numberOrNone(told.GetRateChunksPerSecond()),
			RatePercent:         numberOrNone(told.GetRatePercent()),
			Concurrency:         told.GetConcurrency(), Sync: syncOf(told.GetSync()), SyncBytes: told.GetSyncBytes(),
			PauseNano: durationOrNone(told.GetPauseNano()), Unreported: told.GetUnreported(),
			Together: told.GetTogether(), TogetherTimeoutNano: durationOrNone(told.GetTogetherTimeoutNano()),
			Curve: min(told.GetCurve(), report.MaxStages),
		}
		if of := int(told.GetRateOf()); 0 < of && of <= i && s.RatePercent > 0 {
			s.RateOf = stageName(list[of-1], of-1)
		}
		s.Text = words.StageSpec(&s)
		specs = append(specs, s)
	}
	return specs
}

func stageName(told *bulkheadv1.Stage, i int) string {
	if name := plaintext.Line(told.GetName(), plaintext.MaxName); name != "" {
		return name
	}
	return fmt.Sprintf("stage %d", i+1)
}

func syncOf(p bulkheadv1.SyncPolicy) string {
	switch p {
	case bulkheadv1.SyncPolicy_SYNC_POLICY_NONE:
		return "none"
	case bulkheadv1.SyncPolicy_SYNC_POLICY_FILE:
		return "file"
	case bulkheadv1.SyncPolicy_SYNC_POLICY_CHUNK:
		return "chunk"
	case bulkheadv1.SyncPolicy_SYNC_POLICY_BYTES:
		return "bytes"
	case bulkheadv1.SyncPolicy_SYNC_POLICY_DSYNC:
		return "dsync"
	default:
		return unknownValue(p)
	}
}

func dataOf(k bulkheadv1.DataKind) string {
	switch k {
	case bulkheadv1.DataKind_DATA_KIND_RANDOM:
		return "random"
	case bulkheadv1.DataKind_DATA_KIND_ZEROS:
		return "zeros"
	case bulkheadv1.DataKind_DATA_KIND_COMPRESSIBLE:
		return "compressible"
	case bulkheadv1.DataKind_DATA_KIND_DEDUPABLE:
		return "dedupable"
	default:
		return unknownValue(k)
	}
}

func patternOf(p bulkheadv1.Pattern) string {
	switch p {
	case bulkheadv1.Pattern_PATTERN_SEQUENTIAL:
		return "sequential"
	case bulkheadv1.Pattern_PATTERN_RANDOM:
		return "random"
	case bulkheadv1.Pattern_PATTERN_APPEND:
		return "append"
	default:
		return unknownValue(p)
	}
}

// readOf returns whose files readers read; "" for the consumer's own.
func readOf(o bulkheadv1.ReadOf) string {
	switch o {
	case bulkheadv1.ReadOf_READ_OF_UNSPECIFIED, bulkheadv1.ReadOf_READ_OF_FINISHED:
		return ""
	case bulkheadv1.ReadOf_READ_OF_NEIGHBOUR:
		return report.ReadOfNeighbour
	default:
		return unknownValue(o)
	}
}

func verifyOf(m bulkheadv1.VerifyMode) string {
	switch m {
	case bulkheadv1.VerifyMode_VERIFY_MODE_OFF:
		return report.VerifyOff
	case bulkheadv1.VerifyMode_VERIFY_MODE_ROLLOVER:
		return report.VerifyAtRollover
	case bulkheadv1.VerifyMode_VERIFY_MODE_END:
		return report.VerifyAtEnd
	case bulkheadv1.VerifyMode_VERIFY_MODE_CONTINUOUS:
		return report.VerifyContinuous
	default:
		return unknownValue(m)
	}
}

// numberOrNone returns x, or 0 if it is no number that can be a rate or a share.
func numberOrNone(x float64) float64 {
	if !(x > 0) || math.IsInf(x, 1) {
		return 0
	}
	return x
}

// copyOf returns a copy of what p points to, or nil.
func copyOf[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}

// copiedWorkload returns w with lists of its own.
func copiedWorkload(w *report.Workload) report.Workload {
	c := *w
	c.StopWhen = copyOf(w.StopWhen)
	c.Consumers, c.Stages = slices.Clone(w.Consumers), slices.Clone(w.Stages)
	for i := range c.Consumers {
		c.Consumers[i] = copiedConsumer(&c.Consumers[i])
	}
	return c
}

func copiedConsumer(c *report.Consumer) report.Consumer {
	out := *c
	out.ChunkSizes, out.Read = slices.Clone(c.ChunkSizes), copyOf(c.Read)
	return out
}

// maxDividedNames is how many names a division lists of those that came, and of those that have gone.
const maxDividedNames = 16

// fleetRateOf returns the rate that clients have together; nil for none.
func fleetRateOf(r *bulkheadv1.FleetRate) *report.FleetRate {
	if r == nil {
		return nil
	}
	return &report.FleetRate{BytesPerSecond: r.GetBytesPerSecond(), ChunksPerSecond: finite(r.GetChunksPerSecond()),
		Divisions: []report.RateDivision{}}
}

// finite returns a rate that can be written as JSON.
func finite(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return max(v, 0)
}

// foldRateDivided takes how the rate is divided from here on.
func (f *Folder) foldRateDivided(e *bulkheadv1.RateDivided, at report.Stamp) {
	r := f.run.FleetRate
	if r == nil {
		return
	}
	now, d := make(map[string]bool), report.RateDivision{Division: e.GetDivision(), At: at}
	for _, part := range e.GetParts()[:min(len(e.GetParts()), maxJobClients)] {
		now[plaintext.Line(part.GetClient(), plaintext.MaxName)] = true
		d.Consumers += uint64(part.GetConsumers())
	}
	d.Clients, d.Came, d.Gone = len(now), lacking(now, f.divided), lacking(f.divided, now)
	f.divided = now
	if len(r.Divisions) == report.MaxDivisions {
		r.DivisionsLeftOut++
		return
	}
	r.Divisions = append(r.Divisions, d)
}

// lacking returns the first names that others lack.
func lacking(names, others map[string]bool) []string {
	list := []string{}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if !others[name] && len(list) < maxDividedNames {
			list = append(list, name)
		}
	}
	return list
}

// fleetRate returns what became of the rate that clients have together; nil for none.
func (f *Folder) fleetRate(r *report.Report) *report.FleetRate {
	rate := copyOf(f.run.FleetRate)
	if rate == nil {
		return nil
	}
	rate.Divisions = slices.Clone(rate.Divisions)
	if w := r.CommonWindow; w != nil && w.Intervals > 0 && w.IntervalNano > 0 {
		bytes := w.BytesPerSecond
		chunks := float64(w.Chunks) / (time.Duration(w.IntervalNano).Seconds() * float64(w.Intervals))
		rate.ReachedBytesPerSecond, rate.ReachedChunksPerSecond = &bytes, &chunks
	}
	rate.Text = words.FleetRate(rate)
	return rate
}
