package report

import (
	"bulkhead/internal/pathname"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func (s *sessionState) foldStart(named *bulkheadv1.Process, start *bulkheadv1.Start, at Stamp) string {
	p, why := s.process(named, at)
	if why != "" {
		return why
	}
	if p.public.StartedAt == 0 {
		p.public.StartedAt = at
	}
	if spec := start.GetConsumer(); spec != nil && p.isConsumer() && p.public.Consumer == nil {
		consumer := consumerOf(spec)
		p.public.Consumer = &consumer
	}
	if s.client.StartedAt == 0 {
		s.client.StartedAt = at
	}
	return ""
}

func (s *sessionState) foldStop(stop *bulkheadv1.Stop, at Stamp) string {
	if len(stop.GetExits()) > maxProcesses {
		return badCrowd
	}
	ended := make([]*processState, len(stop.GetExits()))
	for i, e := range stop.GetExits() {
		if !saneExit(e) {
			return badExit
		}
		var why string
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
	c.StoppedAt, c.StopDetail = at, cleanLines(stop.GetDetail())
	c.StopReason, c.Load = endingOf(stop.GetReason())
	return ""
}

// saneExit says whether e can be how a process of a client ended.
func saneExit(e *bulkheadv1.ProcessExit) bool {
	for _, t := range []int64{e.GetStartedUnixNano(), e.GetEndedUnixNano()} {
		if t != 0 && !saneTime(t) {
			return false
		}
	}
	return saneDurations(e.GetUserCpuNano(), e.GetSystemCpuNano()) &&
		saneAmounts(e.GetMaxResidentBytes(), e.GetReadBlocks(), e.GetWrittenBlocks(), e.GetMajorFaults()) &&
		exitClass(e.GetClass()) != ExitUnknown
}

func (s *sessionState) foldProgress(named *bulkheadv1.Process, progress *bulkheadv1.Progress, at Stamp) string {
	if !saneDurations(progress.GetIntervalNano()) || int64(at) <= progress.GetIntervalNano() ||
		!saneAmounts(progress.GetBytes(), progress.GetChunks(), progress.GetErrors(), progress.GetVerifiedBytes(), progress.GetCorruptBlocks()) ||
		progress.GetVerifiedCachedBytes() > progress.GetVerifiedBytes() {
		return badNumber
	}
	list, ok := latenciesOf(progress)
	if !ok {
		return badHistogram
	}
	p, why := s.consumer(named, at)
	if why != "" {
		return why
	}
	s.contradictProgress(p, progress, at)
	from := at - Stamp(progress.GetIntervalNano())
	for _, w := range []*Writes{&p.writes, &s.client.Writes} {
		w.Bytes = plus(w.Bytes, progress.GetBytes())
		w.Chunks = plus(w.Chunks, progress.GetChunks())
		w.Errors = plus(w.Errors, progress.GetErrors())
		w.VerifiedBytes = plus(w.VerifiedBytes, progress.GetVerifiedBytes())
		w.VerifiedCachedBytes = plus(w.VerifiedCachedBytes, progress.GetVerifiedCachedBytes())
		if text := progress.GetLastError(); text != "" {
			w.LastError = cleanLines(text)
		}
	}
	s.countCorrupt(p, progress.GetCorruptBlocks(), 0)
	if progress.GetIntervalNano() > 0 || progress.GetBytes() > 0 { // else it does not write any more
		p.window.cover(from, at)
		s.window.cover(from, at)
	}
	p.failing.progress(progress, from, at)
	for of, h := range list {
		p.latencies[of].merge(h, &s.room)
		s.latencies[of].mergeOwn(h, phase(of), &s.room)
	}
	s.line.progress(from, at, s.recorded, progress, &list)
	return ""
}

func (s *sessionState) foldRollover(named *bulkheadv1.Process, r *bulkheadv1.Rollover, at Stamp) string {
	if !saneDurations(r.GetCreateNano(), r.GetWriteNano(), r.GetSyncNano(), r.GetCloseNano()) ||
		!saneAmounts(r.GetSizeBytes(), r.GetChunkSizeBytes(), r.GetChunks(), r.GetFileIndex()) {
		return badNumber
	}
	if first := r.GetFirstWriteUnixNano(); first != 0 && !saneTime(first) {
		return badTime
	}
	p, why := s.consumer(named, at)
	if why != "" {
		return why
	}
	rollover := rolloverOf(r, at)
	rollover.FirstWriteAt = s.clock.moment(r.GetFirstWriteUnixNano(), r.GetFirstWriteElapsedNano())
	for _, w := range []*Writes{&p.writes, &s.client.Writes} {
		w.Files++
		if rollover.Partial {
			w.PartialFiles++
		}
		if rollover.Verification == verificationFailed {
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

// verificationFailed is a file whose content did not read back the same.
const verificationFailed = "failed"

func rolloverOf(r *bulkheadv1.Rollover, at Stamp) Rollover {
	rollover := Rollover{
		Path:           clean(pathname.Of(r), maxText),
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
		rollover.Verification = "off"
	case bulkheadv1.Verification_VERIFICATION_OK:
		rollover.Verification = "ok"
	case bulkheadv1.Verification_VERIFICATION_FAILED:
		rollover.Verification = verificationFailed
	default:
		rollover.Verification = unknownValue(r.GetVerification())
	}
	return rollover
}
