package handler

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"bulkhead/internal/reason"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	framing   = bulkheadv1.EndClass_END_CLASS_TRANSPORT
	streamOff = bulkheadv1.EndClass_END_CLASS_STREAM_ENDED
)

// dialRaw connects a client that sends frames of HTTP/2.
func (s *served) dialRaw() *rawclient.Raw {
	s.t.Helper()
	r, err := rawclient.DialRaw(s.addr, patience)
	must(s.t, err)
	s.t.Cleanup(func() { r.Close() })
	return r
}

// greetRaw lets a raw client in, on stream 1.
func (s *served) greetRaw() *rawclient.Raw {
	s.t.Helper()
	s.welcome(0)
	r := s.dialRaw()
	_, err := r.Greet(1, rawclient.Hello("alpha"))
	must(s.t, err)
	if h := s.next().GetHello(); h.GetName() != "alpha" {
		s.t.Fatalf("Hello = %v; want alpha's", h)
	}
	return r
}

func goodbyeFrame(last uint64) *bulkheadv1.ClientFrame {
	return &bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Goodbye{Goodbye: &bulkheadv1.Goodbye{LastSeq: last}}}
}

// wantStatus checks the status that a client got: its code, its reason and its words.
func wantStatus(t *testing.T, err error, code codes.Code, why bulkheadv1.Reason, text string) map[string]string {
	t.Helper()
	st := status.Convert(err)
	got, about := reason.Of(st)
	if st.Code() != code || got != why || !strings.Contains(st.Message(), text) {
		t.Errorf("the client got %v, %v, %q; want %v, %v, %q", st.Code(), got, st.Message(), code, why, text)
	}
	return about
}

// A library that pings as often as it likes, on a stream on which nothing is said, is
// served on.
func TestKeepalivePingsAreNoOffence(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	r := s.greetRaw()
	for i := range 500 {
		must(t, r.WritePing(false, [8]byte{byte(i)}))
	}
	must(t, r.Send(1, batchFrame(messages(1))))
	if b := s.next().GetBatch(); b.GetFirstSeq() != 1 {
		t.Fatalf("got %v; want the Batch", b)
	}
	s.ack(1)
	if f, err := r.Recv(1); err != nil || f.GetAck().GetSeq() != 1 {
		t.Fatalf("got %v, %v; want the Ack", f, err)
	}
	if r.Pings != 500 || r.GoAway != nil {
		t.Errorf("%d pings were answered, GOAWAY %v; want 500 and none", r.Pings, r.GoAway)
	}
}

// A flood of frames that carry nothing ends the connection, in words, and says nothing
// against the session.
func TestAFloodEndsTheConnection(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(r *rawclient.Raw, i int) error{
		"PING":     func(r *rawclient.Raw, i int) error { return r.WritePing(false, [8]byte{byte(i)}) },
		"SETTINGS": func(r *rawclient.Raw, i int) error { return r.WriteSettings() },
		"PRIORITY": func(r *rawclient.Raw, i int) error {
			return r.WritePriority(uint32(2*i+3), http2.PriorityParam{Weight: byte(i)})
		},
		"empty DATA":    func(r *rawclient.Raw, i int) error { return r.WriteData(1, false, nil) },
		"WINDOW_UPDATE": func(r *rawclient.Raw, i int) error { return r.WriteWindowUpdate(0, 1) },
		"rapid resets": func(r *rawclient.Raw, i int) error {
			stream := uint32(2*i + 3)
			return errors.Join(r.Open(stream, "/x/y"), r.WriteRSTStream(stream, http2.ErrCodeCancel))
		},
		"DATA that is padding": func(r *rawclient.Raw, i int) error {
			return r.WriteDataPadded(1, false, nil, make([]byte, 100))
		},
		"DATA of no stream": func(r *rawclient.Raw, i int) error { return r.WriteData(99, false, make([]byte, 100)) },
		"DATA of a stream that has ended": func(r *rawclient.Raw, i int) error {
			if i == 0 {
				return r.Open(3, "/x/y")
			}
			return r.WriteData(3, false, make([]byte, 100))
		},
		"headers in nothings": func(r *rawclient.Raw, i int) error {
			if i == 0 {
				return r.WriteRawFrame(http2.FrameHeaders, 0, 3, nil)
			}
			return r.WriteContinuation(3, false, nil)
		},
		"unknown frames": func(r *rawclient.Raw, i int) error { return r.WriteRawFrame(0x77, 0, 0, []byte("hello")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, nil)
			r := s.greetRaw()
			told := make(chan error, 1)
			go func() { told <- r.End(1) }() // reads while the flood is on its way
			for i := range 100 * purseMost {
				if write(r, i) != nil {
					break // the connection is closed
				}
			}
			wantStatus(t, <-told, codes.Unavailable, connectionRefused, "a flood of HTTP/2 frames that carry nothing")
			if e := s.end(); e.GetClass() != framing || !strings.Contains(e.GetText(), "flood") {
				t.Errorf("End = %v; want a flood", e)
			}
		})
	}
}

// What breaks HTTP/2 ends the connection; both ends read what it was.
func TestBrokenHTTP2IsToldToBothEnds(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		send func(r *rawclient.Raw) error
		text string
	}{
		"a frame too large": {func(r *rawclient.Raw) error {
			return r.WriteRawFrame(http2.FrameData, 0, 1,
				make([]byte, 17<<10))
		},
			"client broke HTTP/2: it sent DATA of 17408 bytes on stream 1; a frame has at most 16384"},
		"a ping of 4 bytes": {func(r *rawclient.Raw) error {
			return r.WriteRawFrame(http2.FramePing, 0, 0,
				make([]byte, 4))
		}, "client broke HTTP/2: it sent PING of 4 bytes on stream 0"},
		"headers without end": {func(r *rawclient.Raw) error {
			return r.Open(3, "/x/y", "x-token", strings.Repeat("0123456789abcdef", 4<<10))
		}, "the headers of the client's request are larger than 16384 bytes"},
		"headers in two": {func(r *rawclient.Raw) error { return r.WriteContinuation(1, true, nil) },
			"client broke HTTP/2: it sent CONTINUATION of 0 bytes on stream 1 in the place"},
		"an even stream": {func(r *rawclient.Raw) error { return r.Open(2, "/x/y") },
			"client broke HTTP/2: it sent HEADERS of "},
		"settings of a stream": {func(r *rawclient.Raw) error {
			return r.WriteRawFrame(http2.FrameSettings, 0, 1,
				nil)
		}, "client broke HTTP/2: it sent SETTINGS of 0 bytes on stream 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, nil)
			r := s.greetRaw()
			must(t, tt.send(r))
			if err := r.End(1); status.Code(err) == codes.OK {
				t.Errorf("the stream ended with %v", err)
			}
			if r.GoAway == nil || r.GoAway.Code != http2.ErrCodeProtocol || r.GoAway.Words == "" {
				t.Errorf("the client got the GOAWAY %v; want one with words", r.GoAway)
			}
			if e := s.end(); e.GetClass() != framing || !strings.Contains(e.GetText(), tt.text) {
				t.Errorf("End = %v; want %q", e, tt.text)
			} else if name == "a frame too large" && r.GoAway != nil && r.GoAway.Words != e.GetText() {
				t.Errorf("the client reads %q, the operator %q", r.GoAway.Words, e.GetText())
			}
		})
	}
}

// TestAStreamThatTheClientEnds ends a stream in each way while its connection stands.
func TestAStreamThatTheClientEnds(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		headers []string
		send    func(r *rawclient.Raw) error
		class   bulkheadv1.EndClass
		text    string
		why     bulkheadv1.Reason // that the client is told; -1 for nothing
	}{
		"cancelled": {nil, func(r *rawclient.Raw) error { return r.WriteRSTStream(1, http2.ErrCodeCancel) }, streamOff,
			"client cancelled its stream (RST_STREAM CANCEL)", -1},
		"cancelled and closed": {nil, func(r *rawclient.Raw) error {
			return errors.Join(r.WriteRSTStream(1, http2.ErrCodeCancel), r.Close())
		}, streamOff, "client cancelled its stream (RST_STREAM CANCEL)", -1},
		"half-closed": {nil, func(r *rawclient.Raw) error { return r.WriteData(1, true, nil) }, streamOff,
			"client ended its stream without a Goodbye; the session is kept", bulkheadv1.Reason_REASON_GOODBYE_MISSING},
		"a deadline": {[]string{"grpc-timeout", "300m"}, func(r *rawclient.Raw) error { return nil }, streamOff,
			"the deadline that the client set for its stream", -1},
		"a GOAWAY": {nil, func(r *rawclient.Raw) error {
			return errors.Join(r.WriteGoAway(0, http2.ErrCodeInternal, []byte("out of ideas")), r.Close())
		}, gone, `client closed the connection: GOAWAY INTERNAL_ERROR: "out of ideas"`, -1},
		"a window of nothing": {nil, func(r *rawclient.Raw) error { return r.WriteWindowUpdate(1, 0) }, framing,
			"client's stream broke HTTP/2 and was reset (RST_STREAM PROTOCOL_ERROR)", -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, nil)
			s.welcome(0)
			r := s.dialRaw()
			must(t, r.Collect(1, tt.headers...))
			must(t,
				r.Send(1,
					&bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Hello{Hello: rawclient.Hello("alpha")}}))
			f, err := r.Recv(1)
			if must(t, err); f.GetWelcome() == nil {
				t.Fatalf("got %v; want the Welcome", f)
			}
			must(t, tt.send(r))
			if tt.why >= 0 {
				wantStatus(t, r.End(1), codes.Unavailable, tt.why, tt.text)
			}
			if e := s.end(); e.GetClass() != tt.class || !strings.Contains(e.GetText(), tt.text) {
				t.Errorf("End = %v; want %v, %q", e, tt.class, tt.text)
			}
		})
	}
}

// How messages are packed is the library's, not the client's: it ends the connection at
// most.
func TestFramingOfGRPC(t *testing.T) {
	t.Parallel()
	payload, err := proto.Marshal(batchFrame(messages(1)))
	must(t, err)
	for name, tt := range map[string]struct {
		data  []byte
		class bulkheadv1.EndClass
		text  string
	}{
		"compressed without an encoding": {rawclient.Frame(1, payload), framing,
			"client's stream broke gRPC's framing: "},
		"an unknown flag": {rawclient.Frame(7, payload), framing,
			"client's stream broke gRPC's framing: "},
		"half a frame": {rawclient.Frame(0, payload)[:20], streamOff,
			"client ended its stream in the middle of a frame"},
		"half a prefix": {rawclient.Frame(0, payload)[:3], streamOff,
			"client ended its stream in the middle of a frame"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, nil)
			r := s.greetRaw()
			must(t, r.WriteData(1, true, tt.data))
			if err := r.End(1); err == nil {
				t.Error("the stream continues")
			}
			if e := s.end(); e.GetClass() != tt.class || !strings.Contains(e.GetText(), tt.text) {
				t.Errorf("End = %v; want %v, %q", e, tt.class, tt.text)
			}
		})
	}
}

// Clients may compress with gzip. What comes of it is bounded as every frame is.
func TestCompression(t *testing.T) {
	t.Parallel()
	t.Run("gzip", func(t *testing.T) {
		t.Parallel()
		s := serve(t, nil)
		c := s.dial(grpc.WithDefaultCallOptions(grpc.UseCompressor("gzip")))
		s.greet(c, 0)
		must(t, c.SendBatch(1, 5))
		if b := s.next().GetBatch(); b.GetLastSeq() != 5 {
			t.Fatalf("got %v; want the Batch", b)
		}
		s.ack(5)
		must(t, c.AwaitAck(5))
	})
	t.Run("a bomb", func(t *testing.T) {
		t.Parallel()
		s := serve(t, nil)
		s.welcome(0)
		r := s.dialRaw()
		must(t, r.Collect(1, "grpc-encoding", "gzip"))
		var bomb bytes.Buffer
		w := gzip.NewWriter(&bomb)
		for range 64 {
			_, err := w.Write(make([]byte, 1<<20))
			must(t, err)
		}
		must(t, w.Close())
		for part := range slices.Chunk(rawclient.Frame(1, bomb.Bytes()), 16<<10) {
			must(t, r.WriteData(1, false, part))
		}
		if err := r.End(1); status.Code(err) != codes.ResourceExhausted {
			t.Errorf("the client got %v; want ResourceExhausted", err)
		}
		if e := s.end(); e.GetClass() != limit {
			t.Errorf("End = %v; want a limit", e)
		}
	})
	t.Run("unknown", func(t *testing.T) {
		t.Parallel()
		s := serve(t, nil)
		r := s.dialRaw()
		must(t, r.Collect(1, "grpc-encoding", "snappy"))
		wantStatus(t, r.End(1), codes.Unimplemented, bulkheadv1.Reason_REASON_COMPRESSION_UNKNOWN, `"snappy"`)
		must(t, r.Close())
		if e := s.end(); e.GetClass() != gone || !strings.Contains(e.GetText(), `it compresses with "snappy"`) {
			t.Errorf("End = %v; want what the client compresses with", e)
		}
	})
}

// Whoever calls something else, or nothing of gRPC, is answered, and the operator reads
// what it was.
func TestWhatIsNoCollect(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		open func(r *rawclient.Raw) error
		told string // to the client
		text string
	}{
		"a health check": {func(r *rawclient.Raw) error { return r.Open(1, "/grpc.health.v1.Health/Check") },
			"there is no /grpc.health.v1.Health/Check here",
			`it called "/grpc.health.v1.Health/Check", which is not here`},
		"reflection": {func(r *rawclient.Raw) error {
			return r.Open(1, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
		}, "there is no /grpc.reflection", `it called "/grpc.reflection`},
		"a wrong method": {func(r *rawclient.Raw) error { return r.Open(1, "/bulkhead.v1.CollectorService/Colect") },
			"a Bulkhead collector has /bulkhead.v1.CollectorService/Collect",
			`it called "/bulkhead.v1.CollectorService/Colect"`},
		"no method": {func(r *rawclient.Raw) error { return r.Open(1, "/foo") }, "there is no /foo here",
			`it called "/foo", which is not here`},
		"a page": {func(r *rawclient.Raw) error {
			return r.Open(1, "/", ":method", "GET", "content-type",
				"text/html")
		}, "text/html", `it sent "GET" of "/" over HTTP/2, which is not gRPC`},
		"a content-type": {func(r *rawclient.Raw) error { return r.Collect(1, "content-type", "application/json") },
			"application/json", `its request has the content-type "application/json"`},
		"long headers": {func(r *rawclient.Raw) error {
			var long []string
			for i := range 64 {
				long = append(long, fmt.Sprint("x-token-", i), strings.Repeat("0123456789abcdef", 20))
			}
			return r.Collect(1, long...)
		}, "RST_STREAM FRAME_SIZE_ERROR", "the headers of the client's request are larger than 16384 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, nil)
			r := s.dialRaw()
			must(t, tt.open(r))
			if err := r.End(1); err == nil || !strings.Contains(err.Error(), tt.told) {
				t.Errorf("the client got %v; want %q", err, tt.told)
			}
			must(t, r.Close())
			if e := s.end(); e.GetClass() != gone || !strings.Contains(e.GetText(), tt.text) {
				t.Errorf("End = %v; want %q", e, tt.text)
			}
		})
	}
}

// A library may check the health of a connection before, and beside, the one Collect
// stream on it; a second Collect is sent to another connection.
func TestStreamsBesideCollect(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.welcome(0)
	r := s.dialRaw()
	must(t, r.Open(1, "/grpc.health.v1.Health/Watch"))
	wantStatus(t, r.End(1), codes.Unimplemented, bulkheadv1.Reason_REASON_METHOD_UNKNOWN, "")
	_, err := r.Greet(3, rawclient.Hello("alpha"))
	must(t, err)
	must(t, r.Collect(5))
	wantStatus(t, r.End(5), codes.Unavailable, connectionRefused, "a connection carries one Collect stream")
	must(t, r.Send(3, batchFrame(messages(1))))
	s.next() // the Hello
	if b := s.next().GetBatch(); b.GetFirstSeq() != 1 {
		t.Fatalf("got %v; want the Batch", b)
	}
}

// TestWhatComesBeforeTheWelcome sends everything at once: no race with the Welcome decides
// what becomes of it.
func TestWhatComesBeforeTheWelcome(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	r := s.dialRaw()
	must(t, r.Collect(1))
	must(t, r.Send(1, &bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Hello{Hello: rawclient.Hello("alpha")}}))
	must(t, r.Send(1, batchFrame(messages(1, 2, 3))))
	must(t, r.Send(1, goodbyeFrame(3)))
	if f := s.next(); f.GetHello() == nil {
		t.Fatalf("got %v; want the Hello", f)
	}
	if busy := s.work.busy(); busy > 0 {
		// The Batch may just have come; it must not stay at work while it waits.
		deadline := time.Now().Add(patience)
		for s.work.busy() > 0 && time.Now().Before(deadline) {
			time.Sleep(time.Millisecond)
		}
		if s.work.busy() > 0 {
			t.Error("a Batch that waits for the Welcome counts as work")
		}
	}
	s.welcome(1) // message 1 is durable already
	if b := s.next().GetBatch(); b.GetFirstSeq() != 2 || b.GetLastSeq() != 3 {
		t.Fatalf("got %v; want messages 2 and 3", b)
	}
	if g := s.next().GetGoodbye(); g.GetLastSeq() != 3 {
		t.Fatalf("got %v; want the Goodbye", g)
	}
}

// Whoever is refused at its Hello reads why, whatever it sent behind it.
func TestARefusalComesBeforeWhatFollowsTheHello(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	r := s.dialRaw()
	must(t, r.Collect(1))
	must(t, r.Send(1, &bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Hello{Hello: rawclient.Hello("alpha")}}))
	must(t, r.Send(1, batchFrame(messages(7))))
	s.next()
	s.finish(&bulkheadv1.Finish{Code: uint32(codes.Unauthenticated), Reason: bulkheadv1.Reason_REASON_TOKEN_WRONG,
		Text: "wrong token"})
	wantStatus(t, r.End(1), codes.Unauthenticated, bulkheadv1.Reason_REASON_TOKEN_WRONG, "wrong token")
}

// Nothing behind a Goodbye is read: the client itself said that it is the last.
func TestWhatFollowsAGoodbye(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	r := s.greetRaw()
	must(t, r.Send(1, goodbyeFrame(0)))
	must(t, r.Send(1, batchFrame(messages(1))))
	if f := s.next(); f.GetGoodbye() == nil {
		t.Fatalf("got %v; want the Goodbye", f)
	}
	s.finish(&bulkheadv1.Finish{})
	if err := r.End(1); err == nil || err.Error() != "closed in order" {
		t.Errorf("the stream ended with %v; want in order", err)
	}
	if e := s.end(); e.GetClass() != finished || e.GetMessages() != 0 {
		t.Errorf("End = %v; want finished without a message", e)
	}
}

// TestAFieldThatIsWrongIsNamed pins which field a client is told, for a program and for a
// person.
func TestAFieldThatIsWrongIsNamed(t *testing.T) {
	t.Parallel()
	rollover := func(change func(*bulkheadv1.Rollover)) *bulkheadv1.ClientFrame {
		b := messages(1, 2, 3)
		r := &bulkheadv1.Rollover{Path: "/mnt/a"}
		change(r)
		b.Messages[2].Fact = &bulkheadv1.Message_Rollover{Rollover: r}
		return batchFrame(b)
	}
	// raw replaces a word of an encoded frame by as many bytes.
	raw := func(f *bulkheadv1.ClientFrame, word, by string) []byte {
		data, err := proto.Marshal(f)
		must(t, err)
		return bytes.Replace(data, []byte(word), []byte(by), 1)
	}
	path := rollover(func(r *bulkheadv1.Rollover) { r.Path = "/mnt/PLACE" })
	hello := &bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Hello{Hello: rawclient.Hello("PLACE")}}
	labels := rawclient.Hello("alpha")
	labels.Labels = map[string]string{"rack": "PLACE"}
	long := rawclient.Hello(strings.Repeat("x", 129))
	factless := messages(1)
	factless.Messages[0].Fact = nil
	for name, tt := range map[string]struct {
		greeted bool
		data    []byte
		why     bulkheadv1.Reason
		code    codes.Code
		field   string
		text    string
	}{
		"a path": {true, raw(path, "PLACE", "PL\xffCE"), fieldInvalid, codes.InvalidArgument,
			"batch.messages[2].rollover.path",
			`batch.messages[2].rollover.path is not UTF-8: "/mnt/PL\xffCE"; a path that is not UTF-8 goes into path_bytes`},
		"a name": {false, raw(hello, "PLACE", "\xc3\x28ACE"), fieldInvalid, codes.InvalidArgument, "hello.name",
			"hello.name is not UTF-8"},
		"a label": {false, raw(&bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Hello{Hello: labels}},
			"PLACE", "\xed\xa0\x80CE"), fieldInvalid, codes.InvalidArgument, "hello.labels[0].value",
			"hello.labels[0].value is not UTF-8"},
		"bytes": {true, []byte{0xff}, encodingInvalid, codes.InvalidArgument, "",
			"a frame cannot be decoded: 1 bytes before the end begin no field"},
		"a part": {true, raw(path, "\x32", "\x37"), encodingInvalid, codes.InvalidArgument,
			"batch.messages[0].progress.chunk_write",
			"a frame cannot be decoded: in batch.messages[0].progress.chunk_write, "},
		"a long name": {false, raw(&bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Hello{Hello: long}}, "",
			""), fieldInvalid, codes.InvalidArgument, "hello.name", "Hello.name has 129 bytes"},
		"many messages": {true, raw(batchFrame(messages(1, 2, 3, 4, 5, 6, 7, 8, 9)), "", ""),
			bulkheadv1.Reason_REASON_LIMIT_EXCEEDED, codes.ResourceExhausted, "batch.messages",
			"at most 8 are allowed (max_batch_messages)"},
		"no fact": {true, raw(batchFrame(factless), "", ""), fieldInvalid, codes.InvalidArgument,
			"batch.messages[0].fact", "message 1 has no fact"},
		"an empty Batch": {true, raw(batchFrame(messages()), "", ""), fieldInvalid, codes.InvalidArgument,
			"batch.messages", "Batch is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, nil)
			var r *rawclient.Raw
			if tt.greeted {
				r = s.greetRaw()
			} else {
				r = s.dialRaw()
				must(t, r.Collect(1))
			}
			must(t, r.WriteData(1, false, rawclient.Frame(0, tt.data)))
			about := wantStatus(t, r.End(1), tt.code, tt.why, tt.text)
			if about[reason.Field] != tt.field {
				t.Errorf("the field is %q; want %q", about[reason.Field], tt.field)
			}
			if e := s.end(); !strings.Contains(e.GetText(), tt.text) || e.GetReason() != tt.why {
				t.Errorf("End = %v; want %v, %q", e, tt.why, tt.text)
			}
		})
	}
}

// setUnknown gives a message a field that is not declared.
func setUnknown(m proto.Message, n protowire.Number, value string) {
	m.ProtoReflect().SetUnknown(protowire.AppendString(protowire.AppendTag(nil, n, protowire.BytesType), value))
}

// What a newer client says that this version does not know is kept, or passed over, and
// never a reason to refuse it.
func TestANewerClient(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.welcome(0)
	r := s.dialRaw()
	must(t, r.Collect(1))
	hello := rawclient.Hello("alpha")
	hello.ProtocolMinor = 99
	setUnknown(hello, 500, "more of myself")
	must(t, r.Send(1, &bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Hello{Hello: hello}}))
	f, err := r.Recv(1)
	if must(t, err); f.GetWelcome() == nil {
		t.Fatalf("got %v; want the Welcome", f)
	}
	if h := s.next().GetHello(); !strings.Contains(string(h.ProtoReflect().GetUnknown()), "more of myself") {
		t.Errorf("the Hello lost what is not known: %v", h)
	}
	frame := &bulkheadv1.ClientFrame{}
	setUnknown(frame, 77, "a frame of tomorrow")
	must(t, r.Send(1, frame))
	b := messages(1, 2)
	b.Messages[0].Fact = nil
	setUnknown(b.Messages[0], 99, "a fact of tomorrow")
	b.Messages[1].Process.Kind = 17
	setUnknown(b, 9, "beside the messages")
	must(t, r.Send(1, batchFrame(b)))
	sealed := s.next().GetBatch()
	if sealed.GetFirstSeq() != 1 || sealed.GetLastSeq() != 2 {
		t.Fatalf("sealed %d to %d; want 1 to 2", sealed.GetFirstSeq(), sealed.GetLastSeq())
	}
	for _, kept := range []string{"a fact of tomorrow", "beside the messages"} {
		if !strings.Contains(string(sealed.GetBatch()), kept) {
			t.Errorf("%q is lost", kept)
		}
	}
	must(t, r.Send(1, goodbyeFrame(2)))
	s.finish(&bulkheadv1.Finish{})
	if e := s.end(); e.GetMessages() != 2 || e.GetUnknownFrames() != 1 {
		t.Errorf("End = %v; want 2 messages and a frame that was passed over", e)
	}
}
