package supervisor_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"bulkhead/internal/child/inside"
	"bulkhead/internal/fdpass"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// liar is a handler that has been taken over: it does not read its client at all
// and tells the supervisor what it likes.
type liar struct {
	bulkheadv1.UnimplementedHandlerServiceServer
	way   string
	log   *slog.Logger
	taken chan net.Conn // has its client's socket
}

// lie acts as a lying handler. Its client's socket stays open until the process
// ends, with an error, as if it had crashed.
func lie(way string) error {
	log, taken := inside.Logger(), make(chan net.Conn, 1)
	err := inside.Serve(context.Background(), inside.Options{
		Register: func(s *grpc.Server) {
			bulkheadv1.RegisterHandlerServiceServer(s, liar{way: way, log: log, taken: taken})
		},
		MaxMessageBytes: 64 << 20,
		Socket:          func(_ fdpass.Handover, client net.Conn) { taken <- client },
	})
	return errors.Join(err, errors.New("a liar has no good end"))
}

// mouth is the liar's stream to the supervisor.
type mouth struct {
	log *slog.Logger
	bulkheadv1.HandlerService_ServeServer
}

func (m mouth) hello() error {
	return m.Send(&bulkheadv1.HandlerFrame{Frame: &bulkheadv1.HandlerFrame_Hello{Hello: rawclient.Hello("liar")}})
}

func (m mouth) sealed(first, last uint64, batch []byte) error {
	return m.Send(&bulkheadv1.HandlerFrame{
		Frame: &bulkheadv1.HandlerFrame_Batch{
			Batch: &bulkheadv1.SealedBatch{FirstSeq: first, LastSeq: last, Batch: batch}}})
}

// batch sends messages first to last as claimedFirst to claimedLast.
func (m mouth) batch(first, last, claimedFirst, claimedLast uint64) error {
	data, err := proto.Marshal(rawclient.Batch(first, last))
	if err != nil {
		return err
	}
	return m.sealed(claimedFirst, claimedLast, data)
}

func (m mouth) goodbye(last uint64) error {
	return m.Send(&bulkheadv1.HandlerFrame{
		Frame: &bulkheadv1.HandlerFrame_Goodbye{Goodbye: &bulkheadv1.Goodbye{LastSeq: last}}})
}

func (m mouth) end(class bulkheadv1.EndClass) error {
	return m.Send(&bulkheadv1.HandlerFrame{
		Frame: &bulkheadv1.HandlerFrame_End{End: &bulkheadv1.End{Class: class, Text: "believe me"}}})
}

// honest sends Hello and delivers messages 1 to 3.
func (m mouth) honest() error {
	return errors.Join(m.hello(), m.batch(1, 3, 1, 3))
}

// Serve lies, and then holds the line unless its way is to hang up.
func (l liar) Serve(stream bulkheadv1.HandlerService_ServeServer) error {
	if _, err := stream.Recv(); err != nil { // Open
		return err
	}
	if err := stream.SendHeader(nil); err != nil {
		return err
	}
	client := <-l.taken // nobody takes a handler over that has no client
	if known, err := (mouth{l.log, stream}).lieWithTLS(l.way, client); known {
		if err == nil {
			<-stream.Context().Done()
		}
		return err
	}
	lie, ok := ways()[l.way]
	if !ok {
		lie, ok = agentWays()[l.way]
	}
	if !ok {
		return fmt.Errorf("%q is no way to lie", l.way)
	}
	if err := lie(mouth{l.log, stream}); err != nil {
		return err
	}
	<-stream.Context().Done()
	return nil
}

// errHangUp ends the stream without a word.
var errHangUp = errors.New("hanging up")

// ways returns the ways to lie.
func ways() map[string]func(mouth) error {
	return map[string]func(mouth) error{
		"second hello":         func(m mouth) error { return errors.Join(m.hello(), m.hello()) },
		"batch before hello":   func(m mouth) error { return m.batch(1, 3, 1, 3) },
		"goodbye before hello": func(m mouth) error { return m.goodbye(0) },
		"empty frame":          func(m mouth) error { return m.Send(&bulkheadv1.HandlerFrame{}) },
		"garbage batch": func(m mouth) error {
			return errors.Join(m.honest(),
				m.sealed(4, 4, bytes.Repeat([]byte{0xff}, 999)))
		},
		"gap":               func(m mouth) error { return errors.Join(m.honest(), m.batch(6, 7, 6, 7)) },
		"again":             func(m mouth) error { return errors.Join(m.honest(), m.batch(1, 3, 1, 3)) },
		"too few":           func(m mouth) error { return errors.Join(m.honest(), m.batch(4, 5, 4, 9)) },
		"too many":          func(m mouth) error { return errors.Join(m.honest(), m.batch(4, 9, 4, 5)) },
		"backwards":         func(m mouth) error { return errors.Join(m.honest(), m.batch(4, 5, 4, 2)) },
		"others":            func(m mouth) error { return errors.Join(m.honest(), m.batch(14, 15, 4, 5)) },
		"goodbye too early": func(m mouth) error { return errors.Join(m.honest(), m.goodbye(9)) },
		"lie and end": func(m mouth) error {
			return errors.Join(m.honest(), m.batch(6, 7, 6, 7), m.end(bulkheadv1.EndClass_END_CLASS_PROTOCOL))
		},
		"huge":        func(m mouth) error { return errors.Join(m.honest(), m.sealed(4, 4, make([]byte, 10<<20))) },
		"hang up":     func(m mouth) error { return errors.Join(m.honest(), errHangUp) },
		"die":         func(m mouth) error { return errors.Join(m.honest(), m.wait(), die()) },
		"die at once": func(mouth) error { return die() },
		"never reads": func(m mouth) error { return m.honest() },
		"says other things": func(m mouth) error {
			data, err := proto.Marshal(rawclient.Batch(1, 3))
			err = errors.Join(err, m.hello(), m.sealed(1, 3, data), m.wait(), m.asked())
			for err == nil {
				err = m.again(1, 3, data)
				time.Sleep(time.Millisecond) // which is often enough
			}
			return err
		},
		"bad words": func(m mouth) error { return errors.Join(m.honest(), m.wait(), badWords()) },
		"long name": func(m mouth) error {
			h := rawclient.Hello("liar")
			h.Name = strings.Repeat("n", 8<<20)
			return m.Send(&bulkheadv1.HandlerFrame{Frame: &bulkheadv1.HandlerFrame_Hello{Hello: h}})
		},
		"long end": func(m mouth) error {
			end := &bulkheadv1.End{Class: bulkheadv1.EndClass_END_CLASS_CONNECTION_LOST,
				Text: strings.Repeat("x", 8<<20)}
			return errors.Join(m.honest(), m.wait(),
				m.Send(&bulkheadv1.HandlerFrame{Frame: &bulkheadv1.HandlerFrame_End{End: end}}))
		},
		"two goodbyes": func(m mouth) error { return errors.Join(m.honest(), m.wait(), m.goodbye(3), m.goodbye(3)) },
		"no end":       func(m mouth) error { return errors.Join(m.honest(), m.goodbye(3)) },
		"no word":      func(mouth) error { return nil },
		"flood":        func(m mouth) error { return errors.Join(m.honest(), m.flood()) },
		"pong": func(m mouth) error {
			return errors.Join(m.honest(),
				m.Send(&bulkheadv1.HandlerFrame{
					Frame: &bulkheadv1.HandlerFrame_Pong{Pong: &bulkheadv1.Pong{Nonce: 1}}}))
		},
		"bomb":       func(m mouth) error { return m.raw(bomb()) },
		"no message": func(m mouth) error { return errors.Join(m.honest(), m.raw([]byte{0x12, 0x02, 0xff, 0xff})) },
		"noise": func(m mouth) error {
			err := errors.Join(m.honest(), m.wait())
			for err == nil {
				_, err = unix.Write(unix.Stderr, bytes.Repeat([]byte("noise\n"), 1000))
			}
			return err
		},
		"no hello": func(m mouth) error { return m.end(bulkheadv1.EndClass_END_CLASS_UNSPECIFIED) },
	}
}

// raw sends bytes in the place of an encoded frame.
func (m mouth) raw(frame []byte) error {
	f := new(bulkheadv1.HandlerFrame)
	f.ProtoReflect().SetUnknown(frame)
	return m.Send(f)
}

// bomb returns an encoded HandlerFrame with the Hello of a client of four million consumers,
// all of them empty: 8 MB, which decoded would be more than a gigabyte.
func bomb() []byte {
	within := func(n protowire.Number, b []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, n, protowire.BytesType), b)
	}
	return within(1, within(7, bytes.Repeat(within(6, nil), 4_000_000)))
}

// wait waits until message 3 is acknowledged.
func (m mouth) wait() error {
	for {
		f, err := m.Recv()
		if err != nil || f.GetAck().GetSeq() >= 3 {
			return err
		}
	}
}

// asked waits until the supervisor asks whether the handler lives.
func (m mouth) asked() error {
	for {
		f, err := m.Recv()
		if err != nil || f.GetPing() != nil {
			return err
		}
	}
}

// again says that the client sent messages once more that are durable.
func (m mouth) again(first, last uint64, batch []byte) error {
	return m.Send(&bulkheadv1.HandlerFrame{
		Frame: &bulkheadv1.HandlerFrame_Resent{
			Resent: &bulkheadv1.Resent{FirstSeq: first, LastSeq: last, Batch: batch}}})
}

// badWords ends the process with last words that are no text.
func badWords() error {
	if _, err := unix.Write(2, []byte("panic: \xff\xfe no text\n")); err != nil {
		return err
	}
	os.Exit(2)
	return nil
}

// die ends the process at once.
func die() error {
	os.Exit(77)
	return nil
}

// flood sends what makes no sense, on both ways to the supervisor, until it is
// stopped.
func (m mouth) flood() error {
	deadline := time.Now().Add(patience) // should nobody stop it
	for n := uint64(0); time.Now().Before(deadline); n++ {
		m.log.Warn("noise", "line", n)
		if err := errors.Join(m.batch(n, n, n, n), m.Send(&bulkheadv1.HandlerFrame{}), m.hello(),
			m.goodbye(n)); err != nil {
			return err
		}
	}
	return nil
}
