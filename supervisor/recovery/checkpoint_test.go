package recovery

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"bulkhead/internal/frame"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"
)

var update = flag.Bool("update", false, "write the golden checkpoint anew")

// earlier is a journal of a real run by an earlier version.
const earlier = "../report/stories/testdata/earlier/journal"

// histories are the records of runs, by name.
func histories(t testing.TB) map[string][]*bulkheadv1.Record {
	t.Helper()
	all := make(map[string][]*bulkheadv1.Record)
	for _, s := range story.Stories {
		all[s.Name] = s.Write(t)
	}
	all["earlier"], all["every kind"], all["every way"] = recordsOf(t, earlier), everyKind(t), everyWay(t)
	for name, recs := range all { // some have a record that no supervisor continues from
		past := New()
		refused := slices.IndexFunc(recs, func(rec *bulkheadv1.Record) bool { return past.Add(rec) != nil })
		if refused >= 0 {
			all[name] = recs[:refused]
		}
	}
	return all
}

func recordsOf(t testing.TB, dir string) []*bulkheadv1.Record {
	t.Helper()
	var recs []*bulkheadv1.Record
	_, err := journal.Replay(dir, func(rec *bulkheadv1.Record) error {
		recs = append(recs, rec)
		return nil
	})
	must(t, err)
	return recs
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func fold(t testing.TB, past *Past, recs []*bulkheadv1.Record) *Past {
	t.Helper()
	for _, rec := range recs {
		must(t, past.Add(rec))
	}
	return past
}

func marshalled(t testing.TB, past *Past, at journal.Mark) []byte {
	t.Helper()
	var out bytes.Buffer
	must(t, encode(&out, past, at))
	return out.Bytes()
}

func decoded(t testing.TB, data []byte) (*Past, journal.Mark) {
	t.Helper()
	past, at, err := decode(bytes.NewReader(data), int64(len(data)))
	must(t, err)
	return past, at
}

// Wherever a journal is cut, a checkpoint of what lies before and the records behind say the
// same as all records.
func TestACheckpointAndTheRestAreTheWhole(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for name, recs := range histories(t) {
		t.Run(name, func(t *testing.T) {
			const seed = 7
			whole := marshalled(t, fold(t, seeded(seed), recs), journal.Mark{})
			before := seeded(seed)
			for i := 0; ; i++ {
				if len(recs) < 100 || random.IntN(len(recs)) < 60 {
					past, _ := decoded(t, marshalled(t, before, journal.Mark{}))
					fold(t, past, recs[i:])
					if got := marshalled(t, past, journal.Mark{}); !bytes.Equal(got, whole) {
						all, _ := decoded(t, whole)
						t.Fatalf("cut before record %d of %d: %v", i, len(recs), differences(past, all))
					}
				}
				if i == len(recs) {
					break
				}
				must(t, before.Add(recs[i]))
			}
		})
	}
}

// fill sets everything in v, also what is not exported, to what is not its zero value, and
// everything to something else.
func fill(v reflect.Value, n *uint64) {
	v = reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Elem()
	*n++
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		v.SetUint(*n & 0x7f)
		if v.Kind() != reflect.Uint8 {
			v.SetUint(*n)
		}
	case reflect.String:
		v.SetString(fmt.Sprint("text ", *n))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 3, 3))
		for i := range v.Len() {
			fill(v.Index(i), n)
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), n)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	default:
		panic("a field of kind " + v.Kind().String() + " is new to a checkpoint: teach form.go and this test")
	}
}

// filled is a past in which every field has a value of its own.
func filled() *Past {
	n, past := uint64(0), seeded(0)
	v := reflect.ValueOf(past).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() != reflect.Map && f.Kind() != reflect.Pointer &&
			v.Type().Field(i).Name != "Joined" {
			fill(f, &n)
		}
	}
	past.Gather = &bulkheadv1.Gather{TimeoutNano: 7, IfShort: bulkheadv1.IfShort_IF_SHORT_START}
	past.Gathered = &bulkheadv1.GatherEnded{How: bulkheadv1.GatherEnd_GATHER_END_SHORT, BeginElapsedNano: 8}
	past.Rate = &bulkheadv1.RateDivided{Division: 9, Parts: []*bulkheadv1.RatePart{{Client: "a", BytesPerSecond: 10}}}
	past.Joined = []*bulkheadv1.JobClient{{Agent: "late", Client: "later", TaskId: []byte{11}, GivesId: true,
		Consumers: 12}}
	for _, number := range []uint32{4, 9} {
		s := new(Session)
		sv := reflect.ValueOf(s).Elem()
		for i := range sv.NumField() {
			if name := sv.Type().Field(i).Name; name != "Hello" && name != "Who" {
				fill(sv.Field(i), &n)
			}
		}
		s.Number, s.State, s.Digests.Seed = number, rejected, past.seed
		s.Who = &bulkheadv1.Identity{Kind: bulkheadv1.IdentityKind_IDENTITY_KIND_TOKEN, Name: fmt.Sprint("who ", n)}
		s.Hello = &bulkheadv1.Hello{ClientId: []byte{byte(number)}, Name: "a client"}
		past.Sessions[number] = s
		var h Handler
		fill(reflect.ValueOf(&h).Elem(), &n)
		h.Session = number
		past.Open[uint64(100-number)] = h
	}
	return past
}

// A field that is added to a Past, a Session or anything in them, and not to the form of a
// checkpoint, fails here.
func TestACheckpointHoldsEveryField(t *testing.T) {
	at := journal.Mark{}
	n := uint64(1 << 20)
	fill(reflect.ValueOf(&at).Elem(), &n)
	past := filled()
	got, mark := decoded(t, marshalled(t, past, at))
	if mark != at {
		t.Errorf("the mark is %+v; want %+v", mark, at)
	}
	sameValue(t, "Past", reflect.ValueOf(past).Elem(), reflect.ValueOf(got).Elem())
	sameValue(t, "the clone", reflect.ValueOf(past).Elem(), reflect.ValueOf(past.clone()).Elem())
}

// sameValue compares two values field by field, and encoded messages as such.
func sameValue(t *testing.T, path string, want, got reflect.Value) {
	t.Helper()
	if want.Type().Implements(reflect.TypeFor[proto.Message]()) {
		if !proto.Equal(want.Interface().(proto.Message), got.Interface().(proto.Message)) {
			t.Errorf("%s is %v; want %v", path, got, want)
		}
		return
	}
	switch want.Kind() {
	case reflect.Slice:
		if !want.Type().Elem().Implements(reflect.TypeFor[proto.Message]()) || want.Len() != got.Len() {
			if w, g := fmt.Sprintf("%#v", want), fmt.Sprintf("%#v", got); w != g {
				t.Errorf("%s is %s; want %s", path, g, w)
			}
			return
		}
		for i := range want.Len() {
			sameValue(t, fmt.Sprintf("%s[%d]", path, i), want.Index(i), got.Index(i))
		}
	case reflect.Pointer:
		if got.IsNil() != want.IsNil() {
			t.Errorf("%s is nil: %v; want %v", path, got.IsNil(), want.IsNil())
			return
		}
		sameValue(t, path, want.Elem(), got.Elem())
	case reflect.Array:
		for i := range want.Len() {
			sameValue(t, fmt.Sprintf("%s[%d]", path, i), want.Index(i), got.Index(i))
		}
	case reflect.Struct:
		for i := range want.NumField() {
			sameValue(t, path+"."+want.Type().Field(i).Name, want.Field(i), got.Field(i))
		}
	case reflect.Map:
		if want.Len() != got.Len() {
			t.Errorf("%s has %d entries; want %d", path, got.Len(), want.Len())
			return
		}
		for _, key := range want.MapKeys() {
			if of := got.MapIndex(key); of.IsValid() {
				sameValue(t, fmt.Sprintf("%s[%v]", path, key), want.MapIndex(key), of)
			} else {
				t.Errorf("%s[%v] is missing", path, key)
			}
		}
	default:
		if w, g := fmt.Sprintf("%#v", want), fmt.Sprintf("%#v", got); w != g {
			t.Errorf("%s is %s; want %s", path, g, w)
		}
	}
}

// What a clone takes in does not reach what it was cloned of, and the other way round.
func TestACloneSharesNothing(t *testing.T) {
	for name, recs := range histories(t) {
		past := fold(t, seeded(1), recs[:len(recs)/2])
		was := marshalled(t, past, journal.Mark{})
		clone := past.clone()
		fold(t, clone, recs[len(recs)/2:])
		clone.Open[1<<40] = Handler{}
		if !bytes.Equal(marshalled(t, past, journal.Mark{}), was) {
			t.Errorf("%s: a fold of the clone changed the original", name)
		}
	}
}

// small is a checkpoint with all there can be in one, and short.
func small(t testing.TB) []byte {
	recs := []*bulkheadv1.Record{
		{TimeUnixNano: 5, Entry: &bulkheadv1.Record_RunStarted{RunStarted: &bulkheadv1.RunStarted{RunId: "r"}}},
		opened(1, "a"), attachedBy(1, 3), opened(2, "b"), attachedBy(2, 4), detachedFrom(2, 4),
	}
	return marshalled(t, fold(t, seeded(1), recs),
		journal.Mark{Segment: 1, Offset: 99, Bytes: 99, Length: 9, Checksum: 4})
}

// A checkpoint with any bit flipped, with any byte missing at its end, or with one more, is not
// taken for one.
func TestADamagedCheckpointIsNotUsed(t *testing.T) {
	data := small(t)
	decoded(t, data) // as it is
	try := func(what string, data []byte) {
		if _, _, err := decode(bytes.NewReader(data), int64(len(data))); err == nil {
			t.Errorf("%s: it is taken for a checkpoint", what)
		}
	}
	for bit := range 8 * len(data) {
		broken := bytes.Clone(data)
		broken[bit/8] ^= 1 << (bit % 8)
		if v := binary.LittleEndian.Uint32(broken[4:]); v >= staged && v < version {
			continue // of which the same is read
		}
		try(fmt.Sprintf("bit %d of byte %d flipped", bit%8, bit/8), broken)
	}
	for n := range data {
		try(fmt.Sprintf("cut to %d bytes", n), data[:n])
	}
	try("one byte more", append(bytes.Clone(data), 0))
	// the size was asked for before it was cut
	if _, _, err := decode(bytes.NewReader(data[:len(data)-1]), int64(len(data))); err == nil {
		t.Error("cut while it was read: it is taken for a checkpoint")
	}
}

func TestACheckpointOfAnotherVersionIsNotUsed(t *testing.T) {
	for _, other := range []uint32{oldest - 1, version + 1} {
		data := small(t)
		binary.LittleEndian.PutUint32(data[4:], other)
		_, _, err := decode(bytes.NewReader(data), int64(len(data)))
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf(
			"version %d, and this program knows versions %d to %d", other, oldest, version)) {
			t.Errorf("decode: %v", err)
		}
	}
}

// What earlier versions wrote says what the fold says now, of clients whose loads have no stages.
func TestACheckpointOfAnEarlierVersionIsUsed(t *testing.T) {
	for v := 6; v < version; v++ {
		for name, recs := range map[string][]*bulkheadv1.Record{
			"earlier": recordsOf(t, earlier), "every-way": everyWay(t),
		} {
			golden, _, err := read(filepath.Join("testdata", fmt.Sprintf("version%d-%s.checkpoint", v, name)))
			must(t, err)
			if wrong := differences(golden, fold(t, seeded(1), recs)); len(wrong) > 0 {
				t.Errorf("%s, version %d: %v", name, v, wrong)
			}
		}
		past, _, err := read(filepath.Join("testdata", fmt.Sprintf("version%d-every-kind.checkpoint", v)))
		must(t, err)
		now := fold(t, seeded(1), everyKind(t)) // which has kinds, and so times, that were not there then
		now.Rate, now.Joined = nil, nil
		if v < staged {
			now.Stages = nil
		}
		now.Clock = past.Clock
		if wrong := differences(past, now); len(wrong) > 0 {
			t.Errorf("every kind, version %d: %v", v, wrong)
		}
	}
}

// An earlier version did not keep of stages what is needed now.
func TestAnEarlierCheckpointWithStagesIsNotUsed(t *testing.T) {
	has := opened(1, "a")
	has.GetSessionOpened().Hello.Workload = &bulkheadv1.Workload{Stages: []*bulkheadv1.Stage{{Name: "fill"},
		{Name: "peak", Together: true}}}
	begun := said(t, 1, 1, 1)
	begun.GetSessionBatch().Batch = batchBytes(t, &bulkheadv1.Batch{Messages: []*bulkheadv1.Message{{Seq: 1,
		Fact: &bulkheadv1.Message_StageBegun{StageBegun: &bulkheadv1.StageBegun{Stage: 1}}}}})
	for name, recs := range map[string][]*bulkheadv1.Record{
		"its load has stages":         {has},
		"it has begun one, and ended": {has, attachedBy(1, 1), begun, endedAs(1, bulkheadv1.Outcome_OUTCOME_CLOSED)},
	} {
		data := marshalled(t, fold(t, seeded(1), recs), journal.Mark{Segment: 1})
		decoded(t, data)
		binary.LittleEndian.PutUint32(data[4:], staged-1)
		if _, _, err := decode(bytes.NewReader(data), int64(len(data))); err == nil ||
			!strings.Contains(err.Error(), "session 1 has stages") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// everyKind are records of every kind, with what matters to the fold set in them.
func everyKind(t testing.TB) []*bulkheadv1.Record {
	const wrote = bulkheadv1.ContradictionKind_CONTRADICTION_KIND_RESENT_DIFFERS
	batch := said(t, 1, 3, 4)
	batch.GetSessionBatch().Batch = batchBytes(t, &bulkheadv1.Batch{Messages: []*bulkheadv1.Message{
		{Seq: 3, Fact: &bulkheadv1.Message_Progress{Progress: &bulkheadv1.Progress{Bytes: 7, Chunks: 2, Errors: 1,
			ChunkWrite: &bulkheadv1.Histogram{ValueDelta: []uint64{900, 5000}, Count: []uint64{1, 2}, Min: 900,
				Max: 5900, Sum: 12700},
			ReadBytes: 4096, Reads: 1,
			Read: &bulkheadv1.Histogram{ValueDelta: []uint64{800}, Count: []uint64{1}, Min: 800, Max: 800, Sum: 800}}}},
		{Seq: 4, Fact: &bulkheadv1.Message_Heartbeat{Heartbeat: &bulkheadv1.Heartbeat{
			Answers: []*bulkheadv1.HeartbeatAnswer{{Late: true}, {}}}}},
	}})
	recs := []*bulkheadv1.Record{
		{Entry: &bulkheadv1.Record_RunStarted{RunStarted: &bulkheadv1.RunStarted{RunId: "run", BootId: "boot",
			Gather: &bulkheadv1.Gather{TimeoutNano: 3}, WaitClientsNano: 5,
			Assertions: []string{"p99 < 5ms for 3s abort", "stalled == 0"}}}},
		{Entry: &bulkheadv1.Record_ConnectionRejected{
			ConnectionRejected: &bulkheadv1.ConnectionRejected{ConnectionId: 2}}},
		{Entry: &bulkheadv1.Record_ConnectionsShed{ConnectionsShed: &bulkheadv1.ConnectionsShed{Count: 5}}},
		opened(1, "a"), attachedBy(1, 3), said(t, 1, 1, 2), batch,
		{Entry: &bulkheadv1.Record_SessionSilent{SessionSilent: &bulkheadv1.SessionSilent{Session: 1, SilentNano: 9,
			Ongoing: true}}},
		{Entry: &bulkheadv1.Record_Contradiction{Contradiction: &bulkheadv1.Contradiction{Session: 1, Kind: wrote}}},
		{Entry: &bulkheadv1.Record_SupervisorPaused{SupervisorPaused: &bulkheadv1.SupervisorPaused{PausedNano: 4}}},
		opened(2, "b"), attachedBy(2, 4), detachedFrom(2, 4), died(2, 4, crashed, true),
		{Entry: &bulkheadv1.Record_SupervisorRestarted{SupervisorRestarted: &bulkheadv1.SupervisorRestarted{
			Kind: bulkheadv1.RestartKind_RESTART_KIND_RESTARTED, BootId: "boot"}}},
		{Entry: &bulkheadv1.Record_DrainStarted{DrainStarted: &bulkheadv1.DrainStarted{Reason: "enough",
			WithinNano: 8}}},
		{Entry: &bulkheadv1.Record_SessionDrained{SessionDrained: &bulkheadv1.SessionDrained{Session: 1,
			Reason: "alone", WithinNano: 6}}},
		{Entry: &bulkheadv1.Record_GatherEnded{GatherEnded: &bulkheadv1.GatherEnded{BeginElapsedNano: 7,
			Ready: []uint32{1}}}},
		{Entry: &bulkheadv1.Record_StageGathered{StageGathered: &bulkheadv1.StageGathered{Stage: "peak",
			BeginElapsedNano: 9, Ready: []uint32{1}, WaitedNano: 3}}},
		{Entry: &bulkheadv1.Record_AssertionBreached{AssertionBreached: &bulkheadv1.AssertionBreached{
			Assertion: "p99 < 5ms for 3s abort", Value: "p99 was 6ms", Aborts: true}}},
		{Entry: &bulkheadv1.Record_JobStarted{JobStarted: &bulkheadv1.JobStarted{Name: "nightly", Number: 1, Of: 1}}},
		{Entry: &bulkheadv1.Record_JobJoined{JobJoined: &bulkheadv1.JobJoined{
			Client: &bulkheadv1.JobClient{Agent: "late", Client: "late"}}}},
		{Entry: &bulkheadv1.Record_RateDivided{RateDivided: &bulkheadv1.RateDivided{Division: 2,
			Rate: &bulkheadv1.FleetRate{BytesPerSecond: 9, ChunksPerSecond: 1.5}, Parts: []*bulkheadv1.RatePart{
				{Client: "a", Consumers: 2, BytesPerSecond: 9, ChunksPerSecond: 1.5}}}}},
		{Entry: &bulkheadv1.Record_WaitEnded{WaitEnded: &bulkheadv1.WaitEnded{WaitedNano: 5, Absent: 2}}},
		{Entry: &bulkheadv1.Record_SupervisorJoined{SupervisorJoined: &bulkheadv1.SupervisorJoined{Supervisor: 1}}},
		{Entry: &bulkheadv1.Record_SupervisorLeft{SupervisorLeft: &bulkheadv1.SupervisorLeft{Supervisor: 1}}},
		{Entry: &bulkheadv1.Record_JournalUnavailable{JournalUnavailable: &bulkheadv1.JournalUnavailable{
			UnavailableNano: 3}}},
		{Entry: &bulkheadv1.Record_JournalUnproven{JournalUnproven: &bulkheadv1.JournalUnproven{Supervisor: 1}}},
		endedAs(2, bulkheadv1.Outcome_OUTCOME_LOST),
		{Entry: &bulkheadv1.Record_RunEnded{RunEnded: &bulkheadv1.RunEnded{}}},
	}
	kinds := make(map[protoreflect.FieldNumber]bool)
	for i, rec := range recs {
		rec.TimeUnixNano, rec.ElapsedNano = int64(1000*(i+1)), int64(500*(i+1))
		kinds[rec.ProtoReflect().WhichOneof(rec.ProtoReflect().Descriptor().Oneofs().Get(0)).Number()] = true
	}
	all := (*bulkheadv1.Record)(nil).ProtoReflect().Descriptor().Oneofs().Get(0).Fields()
	for i := range all.Len() {
		if !kinds[all.Get(i).Number()] {
			t.Errorf("no record is a %s", all.Get(i).Name())
		}
	}
	return recs
}

// everyWay are records of the kinds that have several ways, in those that everyKind has not: each
// makes a session of its own, or the clock, another than the other way would.
func everyWay(t testing.TB) []*bulkheadv1.Record {
	silent := func(session uint32, nano int64, ongoing bool) *bulkheadv1.Record {
		return &bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionSilent{SessionSilent: &bulkheadv1.SessionSilent{
			Session: session, SilentNano: nano, Ongoing: ongoing}}}
	}
	recs := []*bulkheadv1.Record{
		{Entry: &bulkheadv1.Record_RunStarted{RunStarted: &bulkheadv1.RunStarted{RunId: "run", BootId: "boot"}}},
		opened(1, "kept"), attachedBy(1, 1), said(t, 1, 1, 2),
		opened(2, "moved"), attachedBy(2, 2), said(t, 2, 1, 1),
		opened(3, "poisonous"), attachedBy(3, 3), said(t, 3, 1, 3),
		opened(4, "silent"), attachedBy(4, 4), silent(4, 9, true),
		opened(5, "quarantined"), attachedBy(5, 5), opened(6, "rejected"), attachedBy(6, 6),
		opened(7, "closed"), attachedBy(7, 7), said(t, 7, 1, 1),
		{Entry: &bulkheadv1.Record_SupervisorRestarted{SupervisorRestarted: &bulkheadv1.SupervisorRestarted{
			Kind: bulkheadv1.RestartKind_RESTART_KIND_UPGRADED, BootId: "boot"}}},
		attachedBy(1, 1),                            // its connection was kept through the restart
		attachedBy(2, 8), died(2, 2, crashed, true), // the handler of the connection before, noticed late
		died(3, 3, crashed, true), detachedFrom(3, 3), // and on the next connection again
		attachedBy(3, 9), died(3, 9, bulkheadv1.ExitClass_EXIT_CLASS_OOM, true), detachedFrom(3, 9),
		silent(4, 20, false),
		detachedFrom(5, 5), endedAs(5, bulkheadv1.Outcome_OUTCOME_QUARANTINED),
		endedAs(6, bulkheadv1.Outcome_OUTCOME_REJECTED), endedAs(7, bulkheadv1.Outcome_OUTCOME_CLOSED),
	}
	for i, rec := range recs {
		rec.TimeUnixNano, rec.ElapsedNano = int64(1000*(i+1)), int64(500*(i+1))
	}
	return recs
}

// TestEveryWay says what each way makes of a session.
func TestEveryWay(t *testing.T) {
	whole := fold(t, seeded(1), everyWay(t))
	past, _ := decoded(t, marshalled(t, whole, journal.Mark{}))
	s := past.Sessions
	for name, ok := range map[string]bool{
		"a kept attachment":             s[1].Attaches == 1 && s[1].State == active && s[1].Durable == 2,
		"an end of an older connection": s[2].Attaches == 2 && s[2].Poison.Kills == 0,
		"two deaths":                    s[3].Poison.Kills == 2 && s[3].Poison.After == 3 && s[3].State == away,
		"a silence that is over":        s[4].Silent == 0 && s[4].Fell > 0,
		"quarantined":                   s[5].State == quarantined,
		"rejected":                      s[6].State == rejected,
		"closed":                        s[7].State == closed,
		"an upgrade takes no time":      past.Restarts == 1 && past.Clock.Down == 0,
		"handlers without an end":       len(past.Open) == 6,
	} {
		if !ok {
			t.Errorf("%s: not so in %+v", name, past)
		}
	}
}

// The fold says what it said when this version of the format was made, of a real journal and of
// records of every kind: who changes that raises the version, so that no checkpoint of the fold
// before is used.
func TestTheVersionSaysWhatTheFoldIs(t *testing.T) {
	for name, recs := range map[string][]*bulkheadv1.Record{
		"earlier": recordsOf(t, earlier), "every-kind": everyKind(t), "every-way": everyWay(t),
	} {
		path := filepath.Join("testdata", fmt.Sprintf("version%d-%s.checkpoint", version, name))
		past := fold(t, seeded(1), recs)
		if *update {
			must(t, os.WriteFile(path, marshalled(t, past, journal.Mark{Segment: 1}), 0o644))
		}
		golden, _, err := read(path)
		must(t, err)
		if wrong := differences(golden, past); len(wrong) > 0 {
			t.Errorf("%s: the fold is another than when version %d was made: %v: raise the version", name, version,
				wrong)
		}
	}
}

// reseal makes the checksums of what may be a checkpoint right.
func reseal(data []byte) {
	for rest := data[min(len(data), 8):]; len(rest) >= frame.HeaderBytes; {
		end := frame.HeaderBytes + int64(frame.Length(rest))
		if end > int64(len(rest)) {
			return
		}
		frame.Seal(rest[:end])
		rest = rest[end:]
	}
}

// FuzzDecode decodes anything, also with the right checksums. What is taken for a checkpoint is
// one: it says the same when it is written again.
func FuzzDecode(f *testing.F) {
	f.Add(small(f))
	f.Add(marshalled(f, filled(), journal.Mark{Segment: 1, Offset: 30, Bytes: 30, Length: 1}))
	f.Fuzz(func(t *testing.T, data []byte) {
		for range 2 {
			past, at, err := decode(bytes.NewReader(data), int64(len(data)))
			if err == nil {
				again, mark := decoded(t, marshalled(t, past, at))
				if wrong := differences(past, again); len(wrong) > 0 || mark != at {
					t.Fatalf("written again it differs: %v", wrong)
				}
				past.InOrder()
				past.Orphans(nil)
			}
			data = bytes.Clone(data)
			reseal(data)
		}
	})
}
