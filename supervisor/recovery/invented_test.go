package recovery

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"
)

// inventor makes up the records of a run.
type inventor struct {
	*rand.Rand
	t           testing.TB
	recs        []*bulkheadv1.Record
	sessions    []*inventedSession
	connections uint64
	wall        int64
	elapsed     int64
	boot        int
}

type inventedSession struct {
	number     uint32
	durable    uint64
	connection uint64 // 0 while it is away
	older      []uint64
	outcome    bool
	claimed    uint64
}

// invented returns records of a run that never was, of every kind, that no fold refuses.
func invented(t testing.TB, seed uint64, n int) []*bulkheadv1.Record {
	v := &inventor{Rand: rand.New(rand.NewPCG(seed, 3)), t: t, wall: 1 << 40, elapsed: 1 << 30}
	v.say(&bulkheadv1.Record{Entry: &bulkheadv1.Record_RunStarted{RunStarted: &bulkheadv1.RunStarted{
		RunId: fmt.Sprint("run ", seed), BootId: "boot 0", WaitClientsNano: v.Int64N(3),
		Assertions: []string{"p99 < 5ms for 3s", "stalled == 0 abort"}[:v.IntN(3)],
		Gather: &bulkheadv1.Gather{TimeoutNano: v.Int64N(3), IfShort: bulkheadv1.IfShort(v.IntN(3)),
			FromFirst: v.IntN(2) == 0}}}})
	for len(v.recs) < n {
		v.step()
	}
	if v.IntN(2) == 0 {
		v.say(&bulkheadv1.Record{Entry: &bulkheadv1.Record_RunEnded{RunEnded: &bulkheadv1.RunEnded{}}})
	}
	return v.recs
}

// say adds a record, some time after the one before.
func (v *inventor) say(rec *bulkheadv1.Record) {
	v.wall += v.Int64N(5e9) - 1e9 // a wall clock may be set back
	v.elapsed += v.Int64N(3e9)
	rec.TimeUnixNano, rec.ElapsedNano = v.wall, v.elapsed
	v.recs = append(v.recs, rec)
}

func (v *inventor) step() {
	if len(v.sessions) == 0 || v.IntN(12) == 0 {
		v.run()
		return
	}
	v.session(v.sessions[v.IntN(len(v.sessions))])
}

// run adds a record of the run, or a session.
func (v *inventor) run() {
	switch v.IntN(14) {
	case 13:
		v.say(&bulkheadv1.Record{Entry: &bulkheadv1.Record_RateDivided{RateDivided: &bulkheadv1.RateDivided{
			Division: 1 + v.Uint32N(3), Rate: &bulkheadv1.FleetRate{BytesPerSecond: v.Uint64N(9),
				ChunksPerSecond: v.Float64()}, Parts: []*bulkheadv1.RatePart{{Client: "a client", Consumers: 1,
				BytesPerSecond: v.Uint64N(9), ChunksPerSecond: v.Float64()}}}}})
	case 12:
		v.say(&bulkheadv1.Record{Entry: &bulkheadv1.Record_JobJoined{JobJoined: &bulkheadv1.JobJoined{
			Client: &bulkheadv1.JobClient{Agent: "late", Client: "late", Entry: v.Uint32N(2), TaskId: []byte{1},
				Consumers: v.Uint32N(3), Identity: v.identity(), GivesId: v.IntN(2) == 0}}}})
	case 11:
		v.say(&bulkheadv1.Record{Entry: &bulkheadv1.Record_StageGathered{StageGathered: &bulkheadv1.StageGathered{
			Stage: []string{"fill", "peak"}[v.IntN(2)], How: bulkheadv1.GatherEnd(v.IntN(3)),
			BeginElapsedNano: v.Int64N(9), Ready: []uint32{1}, WaitedNano: v.Int64N(9),
			Missing: []*bulkheadv1.GatherMissing{{Name: "a client", Session: 3, Clients: 1,
				State: bulkheadv1.GatherState_GATHER_STATE_GONE}}}}})
	case 10:
		v.say(&bulkheadv1.Record{Entry: &bulkheadv1.Record_AssertionBreached{
			AssertionBreached: &bulkheadv1.AssertionBreached{Assertion: []string{"", "stalled == 0"}[v.IntN(2)],
				Value: []string{"", "3"}[v.IntN(2)], Aborts: v.IntN(2) == 0}}})
	case 8:
		v.say(&bulkheadv1.Record{Entry: &bulkheadv1.Record_GatherEnded{GatherEnded: &bulkheadv1.GatherEnded{
			How: bulkheadv1.GatherEnd(v.IntN(4)), BeginElapsedNano: v.Int64N(9), Ready: []uint32{1},
			Unable: []uint32{2}, Missing: []*bulkheadv1.GatherMissing{{Name: "a client", Session: 3, Clients: 1,
				State: bulkheadv1.GatherState_GATHER_STATE_GONE}}}}})
	case 9:
		v.say(&bulkheadv1.Record{Entry: &bulkheadv1.Record_WaitEnded{WaitEnded: &bulkheadv1.WaitEnded{Absent: 1}}})
	case 0:
		v.connections++
		v.say(&bulkheadv1.Record{Entry: &bulkheadv1.Record_ConnectionRejected{
			ConnectionRejected: &bulkheadv1.ConnectionRejected{ConnectionId: v.connections}}})
	case 1:
		v.say(&bulkheadv1.Record{Entry: &bulkheadv1.Record_ConnectionsShed{
			ConnectionsShed: &bulkheadv1.ConnectionsShed{Count: v.Uint64N(9)}}})
	case 2:
		v.say(&bulkheadv1.Record{Entry: &bulkheadv1.Record_SupervisorPaused{
			SupervisorPaused: &bulkheadv1.SupervisorPaused{PausedNano: v.Int64N(1e9)}}})
	case 3:
		if v.IntN(3) == 0 {
			v.boot++
			v.elapsed = v.Int64N(1e9)
		}
		v.say(&bulkheadv1.Record{Entry: &bulkheadv1.Record_SupervisorRestarted{
			SupervisorRestarted: &bulkheadv1.SupervisorRestarted{Kind: bulkheadv1.RestartKind(v.IntN(3)),
				BootId: fmt.Sprint("boot ", v.boot)}}})
	case 4:
		v.say(&bulkheadv1.Record{Entry: &bulkheadv1.Record_DrainStarted{DrainStarted: &bulkheadv1.DrainStarted{
			Reason: []string{"", "enough"}[v.IntN(2)], WithinNano: v.Int64N(9)}}})
	default:
		if len(v.sessions) == 8 {
			return
		}
		s := &inventedSession{number: uint32(len(v.sessions) + 1)}
		v.sessions = append(v.sessions, s)
		v.say(&bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionOpened{SessionOpened: &bulkheadv1.SessionOpened{
			Session: s.number, SessionId: fmt.Sprint("s", s.number), Hello: &bulkheadv1.Hello{
				ClientId: []byte{byte(s.number)}, Name: fmt.Sprint("client ", s.number), Host: "host", Pid: 7,
				Resent: v.IntN(2) == 0, Workload: &bulkheadv1.Workload{HeartbeatIntervalNano: 1e9}},
			Identity: v.identity()}}})
	}
}

// identity is who a client has proven to be.
func (v *inventor) identity() *bulkheadv1.Identity {
	kind := bulkheadv1.IdentityKind(v.IntN(3))
	if kind == bulkheadv1.IdentityKind_IDENTITY_KIND_UNSPECIFIED {
		return nil
	}
	return &bulkheadv1.Identity{Kind: kind, Name: fmt.Sprint("who ", v.IntN(3))}
}

// session adds a record of a session.
func (v *inventor) session(s *inventedSession) {
	switch v.IntN(15) {
	case 0, 1: // another connection, which may come before the end of the one before is known
		if s.outcome {
			return
		}
		if s.connection != 0 {
			s.older = append(s.older, s.connection)
		}
		v.connections++
		s.connection = v.connections
		v.attach(s)
	case 2: // kept through a restart
		if s.connection != 0 && !s.outcome {
			v.attach(s)
		}
	case 3:
		if s.connection == 0 || s.outcome {
			return
		}
		v.say(&bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionDetached{
			SessionDetached: &bulkheadv1.SessionDetached{Session: s.number, ConnectionId: s.connection,
				Cause: "cut", SilentNano: v.Int64N(1e9)}}})
		s.older = append(s.older, s.connection)
		s.connection = 0
	case 4, 5: // the handler of a connection: of the newest, attached or away, or of an older one
		connection := s.connection
		if n := len(s.older); n > 0 && v.IntN(2) == 0 {
			connection = s.older[n-1-v.IntN(min(n, 2))]
		}
		if connection == 0 {
			return
		}
		v.say(died(s.number, connection, bulkheadv1.ExitClass(v.IntN(9)), v.IntN(3) > 0))
	case 6:
		v.say(&bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionSilent{SessionSilent: &bulkheadv1.SessionSilent{
			Session: s.number, SilentNano: v.Int64N(1e9), Ongoing: v.IntN(2) == 0}}})
	case 14:
		v.say(&bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionDrained{SessionDrained: &bulkheadv1.SessionDrained{
			Session: s.number, Reason: []string{"", "alone"}[v.IntN(2)], WithinNano: v.Int64N(9)}}})
	case 7:
		v.say(&bulkheadv1.Record{Entry: &bulkheadv1.Record_Contradiction{Contradiction: &bulkheadv1.Contradiction{
			Session: s.number, Kind: bulkheadv1.ContradictionKind(v.IntN(5))}}})
	case 8:
		if s.outcome || v.IntN(4) > 0 {
			return
		}
		s.outcome = true
		rec := endedAs(s.number, bulkheadv1.Outcome(v.IntN(5)))
		rec.GetSessionEnded().Cause = "of its end"
		v.say(rec)
	default:
		if s.connection != 0 && !s.outcome {
			v.batch(s)
		}
	}
}

func (v *inventor) attach(s *inventedSession) {
	rec := attachedBy(s.number, s.connection)
	a := rec.GetSessionAttached()
	s.claimed += v.Uint64N(3)
	if v.IntN(4) == 0 {
		a.Identity = v.identity()
	}
	a.Peer, a.Connection, a.Instance = fmt.Sprint("peer ", s.connection), s.claimed, []byte{byte(v.IntN(3))}
	v.say(rec)
}

func (v *inventor) batch(s *inventedSession) {
	b, first := new(bulkheadv1.Batch), s.durable+1
	for range 1 + v.IntN(3) {
		s.durable++
		b.Messages = append(b.Messages, v.message(s.durable))
	}
	v.say(&bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionBatch{SessionBatch: &bulkheadv1.SessionBatch{
		Session: s.number, FirstSeq: first, LastSeq: s.durable, Batch: batchBytes(v.t, b)}}})
}

func (v *inventor) message(seq uint64) *bulkheadv1.Message {
	m := &bulkheadv1.Message{Seq: seq, TimeUnixNano: v.wall}
	switch v.IntN(5) {
	case 0:
		m.Fact = &bulkheadv1.Message_Rollover{Rollover: &bulkheadv1.Rollover{Path: "p"}}
	case 1:
		h := &bulkheadv1.Heartbeat{}
		for range v.IntN(4) {
			h.Answers = append(h.Answers, &bulkheadv1.HeartbeatAnswer{Late: v.IntN(3) == 0,
				State: bulkheadv1.WorkerState(v.IntN(4))})
		}
		for range v.IntN(2) {
			h.Misses = append(h.Misses, &bulkheadv1.HeartbeatMiss{})
		}
		m.Fact = &bulkheadv1.Message_Heartbeat{Heartbeat: h}
	case 2:
		m.Fact = &bulkheadv1.Message_Progress{Progress: &bulkheadv1.Progress{Bytes: v.Uint64N(100),
			Errors: v.Uint64N(3), Stage: v.Uint32N(70)}}
	case 3:
		low := v.Uint64N(1 << 20)
		m.Fact = &bulkheadv1.Message_Progress{Progress: &bulkheadv1.Progress{Bytes: v.Uint64N(100), Chunks: 3,
			ChunkWrite: &bulkheadv1.Histogram{ValueDelta: []uint64{low, 5000}, Count: []uint64{1, 2}, Min: low,
				Max: low + 5000, Sum: 3*low + 10000}}}
		if p := m.GetProgress(); v.IntN(2) == 0 {
			p.ReadBytes, p.Reads = 1+v.Uint64N(100), 1
			p.Read = &bulkheadv1.Histogram{ValueDelta: []uint64{low}, Count: []uint64{1}, Min: low, Max: low, Sum: low}
		}
	default:
		switch v.IntN(5) {
		case 4:
			m.Fact = &bulkheadv1.Message_StageReady{StageReady: &bulkheadv1.StageReady{Stage: v.Uint32N(70)}}
		case 3:
			m.Fact = &bulkheadv1.Message_StageBegun{StageBegun: &bulkheadv1.StageBegun{Stage: v.Uint32N(70)}}
		case 0:
			m.Fact = &bulkheadv1.Message_Ready{Ready: &bulkheadv1.Ready{}}
		case 1:
			m.Fact = &bulkheadv1.Message_Begun{Begun: &bulkheadv1.Begun{}}
		default:
			m.Fact = &bulkheadv1.Message_Stop{Stop: &bulkheadv1.Stop{}}
		}
	}
	return m
}

// Whatever a run was, a checkpoint behind any of its records and the records that follow say the
// same as all records.
func TestACheckpointAndTheRestAreTheWholeOfAnInventedRun(t *testing.T) {
	for seed := range uint64(60) {
		recs := invented(t, seed, 120)
		whole := fold(t, seeded(seed), recs)
		want := marshalled(t, whole, journal.Mark{})
		before := seeded(seed)
		for i, rec := range recs {
			must(t, before.Add(rec))
			past, _ := decoded(t, marshalled(t, before, journal.Mark{}))
			fold(t, past, recs[i+1:])
			if !bytes.Equal(marshalled(t, past, journal.Mark{}), want) {
				t.Fatalf("run %d, cut behind record %d of %d: %v", seed, i+1, len(recs), differences(past, whole))
			}
		}
	}
}

// Whatever is left out of a checkpoint, some invented run continues otherwise for it: so the test
// above would have found it.
func TestNothingOfACheckpointIsWithoutEffect(t *testing.T) {
	run := leaves((*bulkheadv1.Checkpoint)(nil).ProtoReflect().Descriptor())
	session := leaves((*bulkheadv1.CheckpointSession)(nil).ProtoReflect().Descriptor())
	// what a checkpoint is, and is of, and not what the records say
	run = slices.DeleteFunc(run, func(p path) bool { return p[0].Name() == "mark" || p[0].Name() == "sessions" })
	session = slices.DeleteFunc(session, func(p path) bool { return p[0].Name() == "session" })
	states := make(map[bulkheadv1.SessionState]bool)
	noticed := make(map[string]bool)
	for seed := uint64(0); seed < 60 && (len(noticed) < len(run)+len(session) || len(states) < 7); seed++ {
		recs := invented(t, seed, 120)
		cut := len(recs) - int(seed%5)*len(recs)/8 // behind the last, and before others
		before := fold(t, seeded(seed+1), recs[:cut])
		for _, s := range before.Sessions {
			states[s.State] = true
		}
		whole := fold(t, seeded(seed+1), recs)
		differs := func(without func(proto.Message)) bool {
			past, err := restored(before, without)
			for _, rec := range recs[cut:] {
				if err == nil {
					err = past.Add(rec)
				}
			}
			return err != nil || len(differences(past, whole)) > 0
		}
		if differs(func(proto.Message) {}) {
			t.Fatalf("run %d: with nothing left out it differs", seed)
		}
		for i, of := range [][]path{run, session} {
			for _, p := range of {
				if !noticed[p.String()] && differs(func(m proto.Message) {
					if _, ofRun := m.(*bulkheadv1.Checkpoint); ofRun == (i == 0) {
						p.clear(m.ProtoReflect())
					}
				}) {
					noticed[p.String()] = true
				}
			}
		}
	}
	for _, p := range append(run, session...) {
		if !noticed[p.String()] {
			t.Errorf("no invented run is another without %s in its checkpoint", p)
		}
	}
	if len(states) != 7 {
		t.Errorf("invented sessions were in the states %v at a checkpoint; want all", states)
	}
}

// restored returns what a checkpoint of past restores if something is left out of its messages.
func restored(past *Past, without func(proto.Message)) (*Past, error) {
	c := past.form(journal.Mark{})
	without(c)
	again, _ := pastOf(c)
	for _, s := range past.InOrder() {
		one := s.form()
		without(one)
		restored, err := again.sessionOf(one)
		if err != nil {
			return nil, err
		}
		again.Sessions[restored.Number] = restored
	}
	return again, nil
}

// path leads from a message to one of its fields, which holds no message or is the Hello.
type path []protoreflect.FieldDescriptor

func (p path) String() string {
	return string(p[0].FullName()) + " … " + string(p[len(p)-1].FullName())
}

func (p path) clear(m protoreflect.Message) {
	for _, f := range p[:len(p)-1] {
		if !m.Has(f) {
			return
		}
		m = m.Mutable(f).Message()
	}
	m.Clear(p[len(p)-1])
}

// leaves returns the paths to all fields below a message.
func leaves(d protoreflect.MessageDescriptor) []path {
	var all []path
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		if f.Kind() != protoreflect.MessageKind || f.IsList() || f.Name() == "hello" {
			all = append(all, path{f})
			continue
		}
		for _, rest := range leaves(f.Message()) {
			all = append(all, append(path{f}, rest...))
		}
	}
	return all
}
