package handler

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// wantViolation compares a violation with its class, code and a part of its text;
// class 0 is none.
func wantViolation(t *testing.T, v *violation, class bulkheadv1.EndClass, code codes.Code, text string) {
	t.Helper()
	if class == 0 {
		if v != nil {
			t.Errorf("violation %+v; want none", v)
		}
		return
	}
	if v == nil || v.class != class || v.code != code || !strings.Contains(v.text, text) {
		t.Errorf("violation %+v; want %v, %v, %q", v, class, code, text)
	}
}

const (
	breach   = bulkheadv1.EndClass_END_CLASS_PROTOCOL
	limit    = bulkheadv1.EndClass_END_CLASS_LIMIT
	version  = bulkheadv1.EndClass_END_CLASS_VERSION
	broke    = bulkheadv1.EndClass_END_CLASS_CONNECTION_LOST
	gone     = bulkheadv1.EndClass_END_CLASS_CLOSED_BY_CLIENT
	mute     = bulkheadv1.EndClass_END_CLASS_SILENT
	nobody   = bulkheadv1.EndClass_END_CLASS_ORPHANED
	late     = bulkheadv1.EndClass_END_CLASS_TIMEOUT
	finished = bulkheadv1.EndClass_END_CLASS_FINISHED
)

// labels returns n labels with keys of their own.
func labels(n int) map[string]string {
	m := make(map[string]string, n)
	for i := range n {
		m[fmt.Sprint("key", i)] = "value"
	}
	return m
}

func TestCheckHello(t *testing.T) {
	consumers := func(n int) *bulkheadv1.Workload {
		return &bulkheadv1.Workload{Consumers: make([]*bulkheadv1.ConsumerSpec, n)}
	}
	for _, tt := range []struct {
		name   string
		change func(*bulkheadv1.Hello)
		class  bulkheadv1.EndClass // 0 is accepted
		text   string
	}{
		{"as it should be", func(*bulkheadv1.Hello) {}, 0, ""},
		{"everything at its limit", func(h *bulkheadv1.Hello) {
			h.Name, h.Host = strings.Repeat("n", 128), strings.Repeat("h", 255)
			h.Token, h.Workload = strings.Repeat("t", 1024), consumers(1024)
			h.Labels = labels(31)
			h.Labels[strings.Repeat("k", 128)] = strings.Repeat("v", 128)
		}, 0, ""},
		{"a name in another script", func(h *bulkheadv1.Hello) { h.Name = "größe 測試" }, 0, ""},
		{"no version", func(h *bulkheadv1.Hello) { h.ProtocolVersion = 0 }, version, "protocol version 0"},
		{"a later version", func(h *bulkheadv1.Hello) { h.ProtocolVersion = 2 }, version,
			"version 2; this supervisor speaks version 1"},
		{"a version before all else", func(h *bulkheadv1.Hello) { h.ProtocolVersion, h.Name = 2, "" }, version,
			"version 2"},
		{"no client id", func(h *bulkheadv1.Hello) { h.ClientId = nil }, breach,
			"client_id has 0 bytes; it must have 16"},
		{"a long client id", func(h *bulkheadv1.Hello) { h.ClientId = make([]byte, 17) }, breach,
			"client_id has 17 bytes"},
		{"no name", func(h *bulkheadv1.Hello) { h.Name = "" }, breach, "name has 0 bytes; it must have 1 to 128"},
		{"a long name", func(h *bulkheadv1.Hello) { h.Name = strings.Repeat("n", 129) }, breach, "name has 129 bytes"},
		{"a name with an escape", func(h *bulkheadv1.Hello) { h.Name = "a\x1b[31m" }, breach,
			`name "a\x1b[31m" has characters`},
		{"a name of two lines", func(h *bulkheadv1.Hello) { h.Name = "a\nb" }, breach, "cannot be printed"},
		{"a long host", func(h *bulkheadv1.Hello) { h.Host = strings.Repeat("h", 256) }, breach, "host has 256 bytes"},
		{"many labels", func(h *bulkheadv1.Hello) { h.Labels = labels(33) }, breach, "33 labels; at most 32"},
		{"a long label key", func(h *bulkheadv1.Hello) { h.Labels = map[string]string{strings.Repeat("k", 129): ""} },
			breach, "128 bytes at most"},
		{"a long label value",
			func(h *bulkheadv1.Hello) { h.Labels = map[string]string{"k": strings.Repeat("v", 129)} }, breach,
			`label "k"`},
		{"a long token", func(h *bulkheadv1.Hello) { h.Token = strings.Repeat("t", 1025) }, breach,
			"token has 1025 bytes"},
		{"many consumers", func(h *bulkheadv1.Hello) { h.Workload = consumers(1025) }, breach,
			"1025 consumers; at most 1024"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := rawclient.Hello("alpha")
			tt.change(h)
			code := codes.InvalidArgument
			if tt.class == version {
				code = codes.FailedPrecondition
			}
			v := checkHello(h)
			wantViolation(t, v, tt.class, code, tt.text)
			if v != nil && strings.Contains(v.text, strings.Repeat("t", 100)) {
				t.Errorf("the violation repeats the token: %q", v.text)
			}
		})
	}
}

// messages returns messages with the sequence numbers given.
func messages(seqs ...uint64) *bulkheadv1.Batch {
	b := &bulkheadv1.Batch{}
	for _, s := range seqs {
		b.Messages = append(b.Messages, rawclient.Message(s))
	}
	return b
}

// changed returns message 5 after change.
func changed(change func(*bulkheadv1.Message)) *bulkheadv1.Batch {
	m := rawclient.Message(5)
	change(m)
	return &bulkheadv1.Batch{Messages: []*bulkheadv1.Message{m}}
}

func TestCheckBatch(t *testing.T) {
	type message = bulkheadv1.Message
	rollover := func(n int) *bulkheadv1.Batch {
		return changed(func(m *message) {
			m.Fact = &bulkheadv1.Message_Rollover{Rollover: &bulkheadv1.Rollover{Path: strings.Repeat("p", n)}}
		})
	}
	const next = 5
	for _, tt := range []struct {
		name        string
		batch       *bulkheadv1.Batch
		first, last uint64              // of what is passed on; 0 is nothing
		class       bulkheadv1.EndClass // 0 is accepted
		text        string
	}{
		{"one message", messages(5), 5, 5, 0, ""},
		{"as many as allowed", messages(5, 6, 7, 8, 9, 10, 11, 12), 5, 12, 0, ""},
		{"one too many", messages(5, 6, 7, 8, 9, 10, 11, 12, 13), 0, 0, limit,
			"Batch has 9 messages; at most 8 are allowed"},
		{"empty", messages(), 0, 0, breach, "Batch is empty"},
		{"number 0", messages(0), 0, 0, breach, "numbers begin at 1"},
		{"a gap before it", messages(6), 0, 0, breach, "message 6 came where 5 was expected"},
		{"a gap in it", messages(5, 7), 0, 0, breach, "message 7 came where 6 was expected"},
		{"a number twice", messages(5, 5), 0, 0, breach, "message 5 came where 6 was expected"},
		{"falling numbers", messages(5, 4), 0, 0, breach, "message 4 came where 6 was expected"},
		{"all sent before", messages(1, 2, 3, 4), 0, 0, 0, ""},
		{"half sent before", messages(3, 4, 5, 6), 5, 6, 0, ""},
		{"sent before up to the last", messages(4, 5), 5, 5, 0, ""},
		{"a gap in what was sent before", messages(1, 3), 0, 0, breach, "message 3 came where 2 was expected"},
		{"no fact", changed(func(m *message) { m.Fact = nil }), 0, 0, breach, "message 5 has no fact"},
		{"no process", changed(func(m *message) { m.Process = nil }), 0, 0, breach, "does not say which process"},
		{"a process of no kind", changed(func(m *message) { m.Process.Kind = 0 }), 0, 0, breach,
			"does not say which process"},
		{"a histogram with a value too few",
			changed(func(m *message) { m.GetProgress().ChunkWrite.ValueDelta = []uint64{1, 2} }),
			0, 0, breach, "histogram has 2 values and 3 counts"},
		{"a histogram with a count too few", changed(func(m *message) { m.GetProgress().ChunkWrite.Count = nil }),
			0, 0, breach, "histogram has 3 values and 0 counts"},
		{"no histogram", changed(func(m *message) { m.GetProgress().ChunkWrite = nil }), 5, 5, 0, ""},
		{"a path as long as allowed", rollover(4096), 5, 5, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code := codes.InvalidArgument
			if tt.class == limit {
				code = codes.ResourceExhausted
			}
			sealed, v := checkBatch(tt.batch, smallLimits(), next)
			wantViolation(t, v, tt.class, code, tt.text)
			if sealed.GetFirstSeq() != tt.first || sealed.GetLastSeq() != tt.last {
				t.Fatalf("passed on %d to %d; want %d to %d", sealed.GetFirstSeq(), sealed.GetLastSeq(), tt.first,
					tt.last)
			}
			if tt.first != 0 {
				wantSealed(t, sealed)
			}
		})
	}
}

// wantSealed checks that a sealed batch holds the messages it says, and no other.
func wantSealed(t *testing.T, sealed *bulkheadv1.SealedBatch) {
	t.Helper()
	var b bulkheadv1.Batch
	must(t, proto.Unmarshal(sealed.GetBatch(), &b))
	if want := sealed.GetLastSeq() - sealed.GetFirstSeq() + 1; uint64(len(b.GetMessages())) != want {
		t.Fatalf("sealed %d messages as %d to %d", len(b.GetMessages()), sealed.GetFirstSeq(), sealed.GetLastSeq())
	}
	for i, m := range b.GetMessages() {
		if m.GetSeq() != sealed.GetFirstSeq()+uint64(i) || m.GetFact() == nil || m.GetProcess().GetKind() == 0 {
			t.Fatalf("message %d of a batch sealed as %d to %d is %v", i, sealed.GetFirstSeq(), sealed.GetLastSeq(), m)
		}
	}
}

func TestErrorsOfRecvAreSorted(t *testing.T) {
	for _, tt := range []struct {
		err   error
		class bulkheadv1.EndClass
		code  codes.Code
		text  string
	}{
		{io.EOF, streamOff, codes.Unavailable, "client ended its stream without a Goodbye"},
		{status.Error(codes.ResourceExhausted, "grpc: received message larger than max"), limit,
			codes.ResourceExhausted, "a frame is too large: received message"},
		{status.Error(codes.Internal, "grpc: failed to decompress"), framing, codes.Unavailable,
			"client's stream broke gRPC's framing: failed to decompress"},
		{status.Error(codes.Internal, "unexpected EOF"), streamOff, codes.Unavailable,
			"client ended its stream in the middle of a frame"},
		{status.Error(codes.DeadlineExceeded, "context deadline exceeded"), streamOff, codes.Unavailable,
			"the deadline that the client set"},
		{status.Error(codes.Canceled, "context canceled"), broke, codes.Unavailable,
			"the client's stream ended: context canceled"},
		{errors.New("broken"), broke, codes.Unavailable, "the client's stream ended: broken"},
	} {
		wantViolation(t, recvViolation(tt.err), tt.class, tt.code, tt.text)
	}
}
