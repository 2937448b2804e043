package fold

import (
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"

	"bulkhead/internal/pathname"
	"bulkhead/internal/plaintext"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
)

func (s *sessionState) foldStart(named *bulkheadv1.Process, start *bulkheadv1.Start, at report.Stamp) report.Bad {
	p, why := s.process(named, at)
	if why != "" {
		return why
	}
	if p.public.StartedAt == 0 {
		p.public.StartedAt = at
	}
	if spec := start.GetConsumer(); spec != nil && p.isConsumer() && p.public.Consumer == nil {
		consumer := ConsumerOf(spec)
		p.public.Consumer = &consumer
	}
	if s.client.StartedAt == 0 {
		s.client.StartedAt = at
	}
	return ""
}

func (s *sessionState) foldStop(stop *bulkheadv1.Stop, at report.Stamp) report.Bad {
	if len(stop.GetExits()) > report.MaxProcesses {
		return report.BadCrowd
	}
	ended := make([]*processState, len(stop.GetExits()))
	for i, e := range stop.GetExits() {
		if !saneExit(e) {
			return report.BadExit
		}
		var why report.Bad
		if ended[i], why = s.process(e.GetProcess(), 0); why != "" {
			return why
		}
	}
	for i, e := range stop.GetExits() {
		exit := exitOf(e, s.clock.moment)
		ended[i].public.Exit = &exit
	}
	c := &s.client
	c.RuntimeReachedNano = durationOrNone(stop.GetRuntimeReachedNano())
	c.StoppedAt, c.StopDetail = at, plaintext.Lines(stop.GetDetail())
	c.StopReason, c.Load = endingOf(stop.GetReason())
	return ""
}

// saneExit reports whether e can be how a process of a client ended.
func saneExit(e *bulkheadv1.ProcessExit) bool {
	for _, t := range []int64{e.GetStartedUnixNano(), e.GetEndedUnixNano()} {
		if t != 0 && !saneTime(t) {
			return false
		}
	}
	return saneDurations(e.GetUserCpuNano(), e.GetSystemCpuNano()) &&
		saneAmounts(e.GetMaxResidentBytes(), e.GetReadBlocks(), e.GetWrittenBlocks(), e.GetMajorFaults()) &&
		exitClass(e.GetClass()) != report.ExitUnknown
}

func (s *sessionState) foldProgress(named *bulkheadv1.Process, progress *bulkheadv1.Progress,
	at report.Stamp) report.Bad {
	if !saneDurations(progress.GetIntervalNano()) || int64(at) <= progress.GetIntervalNano() ||
		!saneAmounts(progress.GetBytes(), progress.GetChunks(), progress.GetErrors(), progress.GetVerifiedBytes(),
			progress.GetCorruptBlocks()) ||
		progress.GetVerifiedCachedBytes() > progress.GetVerifiedBytes() || !saneReads(progress) {
		return report.BadNumber
	}
	list, ok := latenciesOf(progress)
	if !ok {
		return report.BadHistogram
	}
	p, why := s.consumer(named, at)
	if why != "" {
		return why
	}
	s.contradictProgress(p, progress, at)
	own, in := s.during(p, progress)
	from, warm := at-report.Stamp(progress.GetIntervalNano()), in.unjudged
	if own != nil && warm == own.unreported {
		own.add(progress, &list, from, at)
	}
	for _, w := range []*report.Writes{&p.writes, &s.client.Writes} {
		if warm {
			w.AddWarmUp(&report.WarmUp{Bytes: progress.GetBytes(), Chunks: progress.GetChunks(),
				ReadBytes: progress.GetReadBytes()})
		} else {
			w.Bytes = report.Plus(w.Bytes, progress.GetBytes())
			w.Chunks = report.Plus(w.Chunks, progress.GetChunks())
		}
		w.Errors = report.Plus(w.Errors, progress.GetErrors())
		w.VerifiedBytes = report.Plus(w.VerifiedBytes, progress.GetVerifiedBytes())
		w.VerifiedCachedBytes = report.Plus(w.VerifiedCachedBytes, progress.GetVerifiedCachedBytes())
		if text := progress.GetLastError(); text != "" {
			w.LastError = plaintext.Lines(text)
		}
	}
	reads := readsOf(progress)
	if warm && reads != nil { // errors count, as others do, and whose files there were
		reads = &report.Reads{Errors: reads.Errors, Neighbours: reads.Neighbours, NeighbourHosts: reads.NeighbourHosts}
	}
	if reads != nil && *reads == (report.Reads{}) {
		reads = nil
	}
	p.writes.AddReads(reads)
	s.client.AddReads(reads)
	s.countCorrupt(p, progress.GetCorruptBlocks(), 0)
	if !warm && (progress.GetIntervalNano() > 0 || progress.GetBytes() > 0) { // else it no longer writes
		p.window.cover(from, at)
		s.window.cover(from, at)
	}
	p.failing.progress(progress, from, at)
	for of, h := range list {
		if warm {
			break
		}
		p.latencies[of].merge(h, &s.room)
		s.latencies[of].mergeOwn(h, report.Phase(of), &s.room)
	}
	s.line.progress(from, at, s.recorded, in, progress, &list)
	return ""
}

func (s *sessionState) foldRollover(named *bulkheadv1.Process, r *bulkheadv1.Rollover, at report.Stamp) report.Bad {
	if !saneDurations(r.GetCreateNano(), r.GetWriteNano(), r.GetSyncNano(), r.GetCloseNano()) ||
		!saneAmounts(r.GetSizeBytes(), r.GetChunkSizeBytes(), r.GetChunks(), r.GetFileIndex()) {
		return report.BadNumber
	}
	if first := r.GetFirstWriteUnixNano(); first != 0 && !saneTime(first) {
		return report.BadTime
	}
	p, why := s.consumer(named, at)
	if why != "" {
		return why
	}
	rollover := rolloverOf(r, at)
	rollover.FirstWriteAt = s.clock.moment(r.GetFirstWriteUnixNano(), r.GetFirstWriteElapsedNano())
	for _, w := range []*report.Writes{&p.writes, &s.client.Writes} {
		w.Files++
		if rollover.Partial {
			w.PartialFiles++
		}
		if rollover.Verification == report.VerificationFailed {
			w.UnverifiedFiles++
		}
		if rollover.Generation > 1 {
			w.RecycledFiles++
		}
	}
	p.countRollover(rollover, &s.room)
	s.contradictRollover(p, &rollover)
	p.failing.file()
	s.rollovers.add(listedRollover{p, rollover})
	s.line.rollover(at, s.recorded)
	return ""
}

func rolloverOf(r *bulkheadv1.Rollover, at report.Stamp) report.Rollover {
	rollover := report.Rollover{
		Path:           plaintext.Line(pathname.Of(r), plaintext.MaxText),
		FileIndex:      r.GetFileIndex(),
		ClosedAt:       at,
		SizeBytes:      r.GetSizeBytes(),
		ChunkSizeBytes: r.GetChunkSizeBytes(),
		Chunks:         r.GetChunks(),
		CreateNano:     r.GetCreateNano(),
		WriteNano:      r.GetWriteNano(),
		SyncNano:       r.GetSyncNano(),
		CloseNano:      r.GetCloseNano(),
		Partial:        r.GetPartial(),
		Generation:     r.GetGeneration(),
	}
	switch r.GetVerification() {
	case bulkheadv1.Verification_VERIFICATION_OFF:
		rollover.Verification = report.VerificationOff
	case bulkheadv1.Verification_VERIFICATION_OK:
		rollover.Verification = report.VerificationOK
	case bulkheadv1.Verification_VERIFICATION_FAILED:
		rollover.Verification = report.VerificationFailed
	default:
		rollover.Verification = unknownValue(r.GetVerification())
	}
	return rollover
}

// failing follows whether a consumer recovers from its errors. An interval is a Progress
// in which something was done. It failed when it had errors and no chunk was written in
// it, or none of its files was finished.
type failing struct {
	// since is when the last interval ended that did not fail, or when the first began.
	since report.Stamp
	// intervals is how many have failed since, without one between that did not, and until
	// the end of the last of them.
	intervals int
	until     report.Stamp
	wrote     bool // a chunk, ever
	finished  bool // a file, in the interval that is under way
}

// file notes a finished file, before the Progress of its interval.
func (f *failing) file() { f.finished = true }

// progress notes a Progress, whose interval is from … to.
func (f *failing) progress(p *bulkheadv1.Progress, from, to report.Stamp) {
	finished := f.finished
	f.finished = false
	if f.since == 0 {
		f.since = from
	}
	f.wrote = f.wrote || p.GetChunks() > 0
	errors := p.GetErrors() - p.GetReadErrors() // those of readers say nothing of writing
	switch {
	case errors > 0 && (p.GetChunks() == 0 || !finished):
		f.intervals++
		f.until = to
	case errors > 0 || p.GetChunks() > 0:
		f.since, f.intervals = to, 0
	}
}

// toTheEnd returns when the failing began that lasted until the consumer ended; 0 if none did. One that
// never wrote a chunk needs no more than one interval to say so.
func (f *failing) toTheEnd() report.Stamp {
	if f.intervals >= minFailing || f.intervals > 0 && !f.wrote {
		return f.since
	}
	return 0
}

// minFailing is how many intervals of errors at its end say that a consumer did not
// recover: one may be a failure of the last moment, or of removing the files.
const minFailing = 2

// newFact is why a message of a newer client is not used: it is as durable as every other,
// but says what this version cannot read. That is no fault of the client's.
const newFact report.Bad = "new"

// isNewer reports whether a message without a known fact has one that is not known here.
func isNewer(m *bulkheadv1.Message) bool { return len(m.ProtoReflect().GetUnknown()) > 0 }

// unknownValue returns the name of a value of an enum that this version does not know, "" for
// the one that stands for nothing.
func unknownValue[E protoreflect.Enum](e E) string {
	if e.Number() == 0 {
		return ""
	}
	return fmt.Sprintf("%s (%d)", unknownWord, e.Number())
}

const unknownWord = "unknown"

// saneReads reports whether what a Progress says of readers can be.
func saneReads(p *bulkheadv1.Progress) bool {
	return saneAmounts(p.GetReadBytes(), p.GetReads(), p.GetReadErrors(), p.GetReadGoneFiles()) &&
		saneDurations(p.GetReadWaitedNano()) && p.GetReadNeighbourHosts() <= p.GetReadNeighbours() &&
		p.GetReadVerifiedBytes() <= p.GetReadBytes() && p.GetReadToldBytes() <= p.GetReadBytes() &&
		p.GetReadCachedBytes() <= p.GetReadToldBytes() && p.GetReadErrors() <= p.GetErrors()
}

// readsOf returns what readers did in a Progress; nil if nothing.
func readsOf(p *bulkheadv1.Progress) *report.Reads {
	if p.GetReads() == 0 && p.GetReadErrors() == 0 && p.GetReadGoneFiles() == 0 && p.GetReadWaitedNano() == 0 &&
		p.GetReadNeighbours() == 0 {
		return nil
	}
	return &report.Reads{
		Bytes: p.GetReadBytes(), Operations: p.GetReads(), Errors: p.GetReadErrors(),
		VerifiedBytes: p.GetReadVerifiedBytes(), ToldBytes: p.GetReadToldBytes(), CachedBytes: p.GetReadCachedBytes(),
		GoneFiles: p.GetReadGoneFiles(), WaitedNano: p.GetReadWaitedNano(),
		Neighbours: p.GetReadNeighbours(), NeighbourHosts: p.GetReadNeighbourHosts(),
	}
}
