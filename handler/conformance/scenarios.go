package conformance

import (
	"bytes"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"bulkhead/internal/reason"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// runID is the run of every Welcome.
const runID = "conformance"

// ends is how a client's process should end after a scenario.
type ends uint8

const (
	anyhow   ends = iota
	succeeds      // with status 0
	refuses       // with another
)

// scenario is a script of what happens to one client.
type scenario struct {
	name string
	// rule is what the client must do, in the protocol's words.
	rule string
	ends ends
	play func(*trial)
}

// wide are limits that no scenario means to test.
var wide = &bulkheadv1.Limits{MaxFrameBytes: 1 << 20, MaxBatchMessages: 1024, MaxUnackedBatches: 64}

// narrow are limits that every client meets.
var narrow = &bulkheadv1.Limits{MaxFrameBytes: 16 << 10, MaxBatchMessages: 2, MaxUnackedBatches: 2}

// scenarios are in the order in which they are played: later ones say little of a client
// that fails the first.
var scenarios = []scenario{
	{"session", "Hello, wait for Welcome, Batches numbered from 1 without gaps, Goodbye when all is acknowledged, " +
		"then wait for OK", succeeds, session},
	{"limits", "no Batch with more messages or bytes than Limits allow", succeeds, limits},
	{"window", "no more than Limits.max_unacked_batches Batches on their way without an Ack", succeeds, window},
	{"newer", "ignore fields and frames that you do not know", succeeds, newer},
	{"cut", "connect again with the same client_id, and send everything after Welcome.resume_after again", succeeds,
		cut},
	{"kill", "send nothing again that Welcome.resume_after covers, though its Ack never came", succeeds, killed},
	{"lost-end", "connect again if the connection breaks after the Goodbye, and say Goodbye again", succeeds, lostEnd},
	{"sent-away", "after UNAVAILABLE connect again and resume, not before google.rpc.RetryInfo says", succeeds,
		sentAway},
	{"busy", "after a GOAWAY in place of an answer connect again, with backoff", succeeds, busy},
	{"lost-run", "name the run of the last Welcome in Hello; after RUN_UNKNOWN end, or continue with another " +
		"client_id, numbers from 1 and Hello.continues", anyhow, lostRun},
	{"drain", "after Drain end the load, deliver everything, say Goodbye", anyhow, drain},
	{"unauthenticated", "do not connect again after UNAUTHENTICATED", refuses,
		refused(codes.Unauthenticated, "the token is wrong")},
	{"version", "do not connect again after FAILED_PRECONDITION", refuses,
		refused(codes.FailedPrecondition, "this supervisor speaks another version")},
	{"quarantine", "do not connect again after DATA_LOSS", refuses, quarantine},
}

func session(t *trial) {
	c := t.await("connect")
	c.welcome(wide, nil)
	c.close()
	if t.sent == 0 {
		t.note("it sent no message at all")
	}
}

func limits(t *trial) {
	c := t.await("connect")
	c.welcome(narrow, nil)
	c.close()
	if t.sent == 0 {
		t.leave("it sent no message")
	}
}

// window withholds acks until the client waits, some times over.
func window(t *trial) {
	c := t.await("connect")
	c.welcome(narrow, nil)
	full := false
	for round := 0; round < 3 && !t.decided && !c.goodbye; round++ {
		c.batch()
		for !c.goodbye && !c.still() { // until it waits
		}
		full = full || len(c.unacked) == int(narrow.GetMaxUnackedBatches())
		c.ack(len(c.unacked))
	}
	c.close()
	if !full {
		t.leave("it never had %d batches to send at once; let it report more", narrow.GetMaxUnackedBatches())
	}
}

// newer plays a supervisor of the future.
func newer(t *trial) {
	unknown := protowire.AppendTag(nil, 2047, protowire.BytesType)
	unknown = protowire.AppendBytes(unknown, []byte("of a later version"))
	c := t.await("connect")
	c.welcome(wide, unknown)
	f := &bulkheadv1.ServerFrame{}
	f.ProtoReflect().SetUnknown(unknown)
	c.send(f)
	c.close()
}

// cut takes a batch, forgets it and breaks the connection.
func cut(t *trial) {
	c := t.await("connect")
	c.welcome(wide, nil)
	c.batch()
	c.ack(len(c.unacked))
	if c.goodbye || c.batch() == nil {
		t.leave("it sent fewer than two batches, so that there was nothing to cut; let it report more")
		return
	}
	lost := c.next - 1
	c.cut()
	c = t.await("connect again after its connection was cut")
	c.welcome(wide, nil)
	c.close()
	if t.durable < lost {
		t.fail("message %d was not acknowledged and did not come again", t.durable+1)
	}
	t.note("it sent messages up to %d again", lost)
}

// killed takes a batch, makes it durable, and breaks the connection before the Ack.
func killed(t *trial) {
	c := t.await("connect")
	c.welcome(wide, nil)
	if c.batch() == nil {
		t.leave("it sent no batch")
		return
	}
	t.durable = c.next - 1
	c.cut()
	c = t.await("connect again after its connection was cut")
	c.welcome(wide, nil)
	c.close()
}

func lostEnd(t *trial) {
	c := t.await("connect")
	c.welcome(wide, nil)
	c.drainOut()
	c.cut()
	c = t.await("connect again after its Goodbye was not answered")
	c.welcome(wide, nil)
	c.close()
}

// lostRun plays a supervisor that knows nothing of the run when the client is back.
func lostRun(t *trial) {
	c := t.await("connect")
	c.welcome(wide, nil)
	c.batch()
	c.ack(len(c.unacked))
	if c.goodbye || c.batch() == nil {
		t.leave("it sent fewer than two batches, so that there was nothing to continue; let it report more")
		return
	}
	c.cut()
	old := c.hello.GetClientId()
	c = t.await("connect again after its connection was cut")
	switch c.hello.GetRunId() {
	case runID:
	case "":
		t.leave(
			"it does not say in Hello.run_id which run it continues: a supervisor that has another run cannot tell")
		return
	default:
		t.fail("its Hello.run_id is %.64q; that of the last Welcome was %q", c.hello.GetRunId(), runID)
		return
	}
	c.end(unknownRun())
	acked := t.durable
	t.former, t.id, t.durable, t.sent = t.id, "", 0, 0 // a client of its own
	c, came := t.perhaps("RUN_UNKNOWN")
	if !came {
		t.note("it ended")
		return
	}
	h := c.hello
	switch from := h.GetContinues(); {
	case from == nil:
		t.fail("it went on without Hello.continues: nobody can tell that its beginning is missing")
	case from.GetRunId() != runID || !bytes.Equal(from.GetClientId(), old) || from.GetAfter() != acked:
		t.fail("its Hello.continues says run %.64q, client %x, after message %d; it was %q, %x, %d", from.GetRunId(),
			from.GetClientId(), from.GetAfter(), runID, old, acked)
	case h.GetRunId() == runID:
		t.fail("it went on with a session of its own, and its Hello.run_id still is the run that is not known")
	}
	c.welcome(wide, nil)
	c.close()
	t.note("it went on as a session of its own")
}

// unknownRun refuses the run that a client names.
func unknownRun() *status.Status {
	s, err := status.New(codes.FailedPrecondition, "this supervisor knows nothing of that run").
		WithDetails(reason.Info(bulkheadv1.Reason_REASON_RUN_UNKNOWN, map[string]string{reason.Run: "another"}))
	if err != nil {
		return status.New(codes.FailedPrecondition, "this supervisor knows nothing of that run")
	}
	return s
}

// sentAway refuses a Hello and a session for a time.
func sentAway(t *trial) {
	const after = time.Second
	c := t.await("connect")
	c.end(again("enough clients are served at the moment", after))
	sent := time.Now()
	c = t.await("connect again after UNAVAILABLE")
	early(t, sent, after)
	c.welcome(wide, nil)
	if c.batch() == nil {
		t.leave("it sent no batch")
		return
	}
	c.end(again("this collecting machine restarts", after))
	sent = time.Now()
	c = t.await("connect again after UNAVAILABLE")
	early(t, sent, after)
	c.welcome(wide, nil)
	c.close()
}

// early fails a client that came before it was asked to. Both times are of one monotonic
// clock, and a busy machine only makes it later.
func early(t *trial, sent time.Time, after time.Duration) {
	if took := time.Since(sent); took < after*9/10 {
		t.fail("it connected again after %s; RetryInfo asked for %s", took.Round(time.Millisecond), after)
	}
}

// busy turns connections away before any stream.
func busy(t *trial) {
	t.server.door.busy.Store(2)
	c := t.await("connect again after GOAWAY")
	c.welcome(wide, nil)
	c.close()
}

func drain(t *trial) {
	within := min(20*time.Second, t.cfg.Patience)
	c := t.await("connect")
	c.welcome(wide, nil)
	c.batch()
	c.ack(len(c.unacked))
	c.send(&bulkheadv1.ServerFrame{Frame: &bulkheadv1.ServerFrame_Drain{
		Drain: &bulkheadv1.Drain{Reason: "conformance", WithinNano: int64(within)},
	}})
	if c.goodbye {
		t.leave("it ended before it could be asked to; let it report more")
	}
	asked, batches := time.Now(), 0
	for !t.decided && !c.goodbye {
		if c.batch() != nil {
			batches++
		}
		c.ack(len(c.unacked))
		if took := time.Since(asked); took > within && !c.goodbye {
			t.fail("it went on with its load after the Drain: %d Batches and no Goodbye in %s, where %s were asked for",
				batches, took.Round(time.Second), within)
		}
	}
	if took := time.Since(asked); took > within {
		t.fail("its Goodbye came %s after the Drain, which asked for %s", took.Round(time.Second), within)
	}
	c.close()
}

// refused answers a Hello with a status that is final.
func refused(code codes.Code, text string) func(*trial) {
	return func(t *trial) {
		c := t.await("connect")
		c.end(status.New(code, text))
		t.stayAway(code.String())
	}
}

func quarantine(t *trial) {
	c := t.await("connect")
	c.welcome(wide, nil)
	if c.batch() == nil {
		t.leave("it sent no batch")
		return
	}
	c.end(status.New(codes.DataLoss, "a batch of this session keeps killing handlers"))
	t.stayAway("DATA_LOSS")
}
