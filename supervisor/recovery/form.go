package recovery

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/conduct"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/raw"
	"bulkhead/supervisor/watch"
)

// A Past and its sessions as a checkpoint has them, and back.

// form returns the run as it was behind a mark, without its sessions.
func (r *Past) form(at journal.Mark) *bulkheadv1.Checkpoint {
	c := &bulkheadv1.Checkpoint{
		RunId: r.RunID, StartedUnixNano: r.Started, Ended: r.Ended, Drained: r.Drain.Reason,
		DrainWithinNano: int64(r.Drain.Within), DrainBeganNano: int64(r.Drain.Began),
		Restarts: uint32(r.Restarts), Accepted: r.Accepted, Refused: r.Refused, Shed: r.Shed,
		DigestSeed: r.seed, Sessions: uint32(len(r.Sessions)),
		Gather: proto.CloneOf(r.Gather), Gathered: proto.CloneOf(r.Gathered), FirstCameNano: int64(r.FirstCame),
		WaitClientsNano: int64(r.WaitClients), WaitEnded: r.WaitEnded,
		Assertions: slices.Clone(r.Assertions), Rate: proto.CloneOf(r.Rate),
		Clock: &bulkheadv1.CheckpointClock{
			BootId: r.Clock.Boot, TimeUnixNano: r.Clock.Wall, ElapsedNano: r.Clock.Elapsed,
			PassedNano: int64(r.Clock.Passed), DownNano: int64(r.Clock.Down),
		},
		Mark: &bulkheadv1.CheckpointMark{
			Segment: uint32(at.Segment), Offset: uint64(at.Offset), Bytes: uint64(at.Bytes),
			Length: at.Length, Checksum: at.Checksum,
		},
	}
	for _, name := range slices.Sorted(maps.Keys(r.Stages)) {
		c.Stages = append(c.Stages, proto.CloneOf(r.Stages[name]))
	}
	for _, j := range r.Joined {
		c.Joined = append(c.Joined, proto.CloneOf(j))
	}
	for _, b := range r.Breaches {
		c.Breached = append(c.Breached, &bulkheadv1.AssertionBreached{Assertion: b.Assertion, Value: b.Value,
			Aborts: b.Aborts})
	}
	for _, connection := range slices.Sorted(maps.Keys(r.Open)) {
		h := r.Open[connection]
		c.Open = append(c.Open, &bulkheadv1.CheckpointHandler{
			ConnectionId: connection, Session: h.Session, Pid: h.Pid, Peer: h.Peer,
		})
	}
	return c
}

// pastOf returns the run of a checkpoint, without its sessions, and the mark.
func pastOf(c *bulkheadv1.Checkpoint) (*Past, journal.Mark) {
	r := seeded(c.GetDigestSeed())
	r.RunID, r.Started, r.Ended = c.GetRunId(), c.GetStartedUnixNano(), c.GetEnded()
	r.Drain = drainOf(c)
	r.Restarts, r.Accepted, r.Refused, r.Shed = int(c.GetRestarts()), c.GetAccepted(), c.GetRefused(), c.GetShed()
	r.Gather, r.Gathered, r.FirstCame = c.GetGather(), c.GetGathered(), time.Duration(c.GetFirstCameNano())
	r.WaitClients, r.WaitEnded = time.Duration(c.GetWaitClientsNano()), c.GetWaitEnded()
	r.Assertions, r.Rate, r.Joined = c.GetAssertions(), c.GetRate(), c.GetJoined()
	for _, s := range c.GetStages() {
		r.Stages[s.GetStage()] = s
	}
	for _, b := range c.GetBreached() {
		r.Breaches = append(r.Breaches, Breach{b.GetAssertion(), b.GetValue(), b.GetAborts()})
	}
	clock := c.GetClock()
	r.Clock = watch.PastClock{
		Boot: clock.GetBootId(), Wall: clock.GetTimeUnixNano(), Elapsed: clock.GetElapsedNano(),
		Passed: time.Duration(clock.GetPassedNano()), Down: time.Duration(clock.GetDownNano()),
	}
	for _, h := range c.GetOpen() {
		r.Open[h.GetConnectionId()] = Handler{Session: h.GetSession(), Pid: h.GetPid(), Peer: h.GetPeer()}
	}
	m := c.GetMark()
	return r, journal.Mark{
		Segment: int(m.GetSegment()), Offset: int64(m.GetOffset()), Bytes: int64(m.GetBytes()),
		Length: m.GetLength(), Checksum: m.GetChecksum(),
	}
}

// drainOf returns the drain of a run or of a session.
func drainOf(c interface {
	GetDrained() string
	GetDrainWithinNano() int64
	GetDrainBeganNano() int64
}) Drain {
	return Drain{Reason: c.GetDrained(), Within: time.Duration(c.GetDrainWithinNano()),
		Began: time.Duration(c.GetDrainBeganNano())}
}

// form returns the session as a checkpoint has it.
func (s *Session) form() *bulkheadv1.CheckpointSession {
	c := &bulkheadv1.CheckpointSession{
		Session: s.Number, SessionId: s.ID, Hello: s.Hello, State: s.State, Cause: s.Cause, Durable: s.Durable,
		ConnectionId: s.Connection, Peer: s.Peer, Attaches: s.Attaches, Totals: totalsForm(s.Total),
		SaidNano: int64(s.Said), PoisonAfter: s.Poison.After, PoisonKills: uint64(s.Poison.Kills),
		SeenNano: int64(s.Seen), DetachedNano: int64(s.Detached), DownNano: int64(s.Down),
		WroteNano: int64(s.Wrote), StagedNano: int64(s.Staged), SilentNano: int64(s.Silent), FellNano: int64(s.Fell),
		Identity: proto.CloneOf(s.Who), Drained: s.Drain.Reason, DrainWithinNano: int64(s.Drain.Within),
		DrainBeganNano: int64(s.Drain.Began), StageReadyNano: int64(s.StageReady),
		Instance: s.Holder.Instance, Welcomes: s.Holder.Welcomes, Proven: s.Holder.Proven,
		Digests: &bulkheadv1.CheckpointDigests{
			LastSeq: s.Digests.Last, First: withoutZeros(s.Digests.First[:]), Ring: withoutZeros(s.Digests.Ring[:]),
		},
	}
	c.Writes, c.Reads = latenciesForm(&s.Writes), latenciesForm(&s.Reads)
	for _, n := range s.Told {
		c.Contradictions = append(c.Contradictions, uint64(n))
	}
	return c
}

// latenciesForm returns latencies as a checkpoint has them; nil for none.
func latenciesForm(s *raw.Sketch) *bulkheadv1.CheckpointLatencies {
	if s.Count == 0 && s.Sum == 0 && s.Max == 0 {
		return nil
	}
	return &bulkheadv1.CheckpointLatencies{Counts: s.Counts(), Count: s.Count, SumNano: s.Sum, MaxNano: s.Max}
}

// latenciesOf sets s to the latencies of a checkpoint.
func latenciesOf(s *raw.Sketch, c *bulkheadv1.CheckpointLatencies) error {
	if c == nil {
		return nil
	}
	var counts [raw.SketchBuckets]uint64
	err := within(counts[:], c.GetCounts())
	*s = raw.SketchOf(counts[:], c.GetCount(), c.GetSumNano(), c.GetMaxNano())
	return err
}

// withoutZeros returns what comes before the zeros at the end of list.
func withoutZeros(list []uint64) []uint64 {
	for len(list) > 0 && list[len(list)-1] == 0 {
		list = list[:len(list)-1]
	}
	return list
}

// errImpossible says that a checkpoint whose checksums are right holds what no Past does.
var errImpossible = errors.New("it holds what cannot be")

// sessionOf returns the session of a checkpoint of a run.
func (r *Past) sessionOf(c *bulkheadv1.CheckpointSession) (*Session, error) {
	s := &Session{
		Number: c.GetSession(), ID: c.GetSessionId(), Hello: c.GetHello(), State: c.GetState(), Cause: c.GetCause(),
		Durable: c.GetDurable(), Connection: c.GetConnectionId(), Peer: c.GetPeer(), Attaches: c.GetAttaches(),
		Total: totalsOf(c.GetTotals()), Said: time.Duration(c.GetSaidNano()),
		Poison: conduct.Poison{After: c.GetPoisonAfter(), Kills: int(c.GetPoisonKills())},
		Seen:   time.Duration(c.GetSeenNano()), Detached: time.Duration(c.GetDetachedNano()),
		Down: time.Duration(c.GetDownNano()), Wrote: time.Duration(c.GetWroteNano()),
		Staged: time.Duration(c.GetStagedNano()),
		Silent: time.Duration(c.GetSilentNano()), Fell: time.Duration(c.GetFellNano()),
		Who: c.GetIdentity(), Drain: drainOf(c), StageReady: time.Duration(c.GetStageReadyNano()),
		Holder: conduct.Holder{Instance: c.GetInstance(), Welcomes: c.GetWelcomes(), Proven: c.GetProven()},
	}
	s.Digests.Seed, s.Digests.Last = r.seed, c.GetDigests().GetLastSeq()
	err := cmp.Or(within(s.Digests.First[:], c.GetDigests().GetFirst()),
		within(s.Digests.Ring[:], c.GetDigests().GetRing()))
	err = cmp.Or(err, latenciesOf(&s.Writes, c.GetWrites()), latenciesOf(&s.Reads, c.GetReads()))
	told := make([]uint64, len(s.Told))
	err = cmp.Or(err, within(told, c.GetContradictions()))
	for i, n := range told {
		s.Told[i] = int(n)
	}
	switch s.State {
	case fresh, active, away, closed, lost, rejected, quarantined:
	default:
		err = cmp.Or(err, fmt.Errorf("%w: a session that is %v", errImpossible, s.State))
	}
	if s.Number == 0 || s.Hello == nil || r.Sessions[s.Number] != nil {
		err = cmp.Or(err, fmt.Errorf("%w: session %d, twice or without a client", errImpossible, s.Number))
	}
	return s, err
}

// within copies list to the begin of to, which must have room for it.
func within(to, list []uint64) error {
	if copy(to, list) < len(list) {
		return fmt.Errorf("%w: %d numbers where %d have room", errImpossible, len(list), len(to))
	}
	return nil
}

func totalsForm(c raw.Counted) *bulkheadv1.CheckpointTotals {
	return &bulkheadv1.CheckpointTotals{
		Messages: c.Messages, Bytes: c.Bytes, Chunks: c.Chunks, Errors: c.Errors, Rollovers: c.Rollovers,
		Rounds: c.Rounds, Beats: beatsForm(c.Beats), LastRound: beatsForm(c.LastRound), Timed: c.Timed,
		Stopped: c.Stopped, Ready: c.Ready, Begun: c.Begun, Stage: c.Stage,
		StageReady: c.StageReady, ReadBytes: c.ReadBytes, Reads: c.Reads, ReadsTimed: c.ReadsTimed,
	}
}

func totalsOf(c *bulkheadv1.CheckpointTotals) raw.Counted {
	return raw.Counted{
		Messages: c.GetMessages(), Bytes: c.GetBytes(), Chunks: c.GetChunks(), Errors: c.GetErrors(),
		Rollovers: c.GetRollovers(), Rounds: c.GetRounds(), Beats: beatsOf(c.GetBeats()),
		LastRound: beatsOf(c.GetLastRound()), Timed: c.GetTimed(), Stopped: c.GetStopped(),
		Ready: c.GetReady(), Begun: c.GetBegun(), Stage: c.GetStage(), StageReady: c.GetStageReady(),
		ReadBytes: c.GetReadBytes(), Reads: c.GetReads(), ReadsTimed: c.GetReadsTimed(),
	}
}

func beatsForm(b raw.Beats) *bulkheadv1.CheckpointBeats {
	return &bulkheadv1.CheckpointBeats{Answered: b.Answered, Late: b.Late, Missed: b.Missed, Stalled: b.Stalled}
}

func beatsOf(b *bulkheadv1.CheckpointBeats) raw.Beats {
	return raw.Beats{Answered: b.GetAnswered(), Late: b.GetLate(), Missed: b.GetMissed(), Stalled: b.GetStalled()}
}
