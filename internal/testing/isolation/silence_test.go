package isolation_test

import (
	"encoding/binary"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/protobuf/proto"

	"bulkhead/internal/testing/rawclient"
)

// helloTimeout is how long clients have to say Hello here: long enough for an honest
// one on a busy machine, short enough to wait for.
const helloTimeout = 4 * time.Second

// dripping writes one byte at a time, every so often, until it is cut off.
func dripping(every time.Duration, b []byte) func(net.Conn) {
	return func(c net.Conn) {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for i := range b {
			if _, err := c.Write(b[i : i+1]); err != nil {
				return
			}
			<-tick.C
		}
	}
}

// grpcMessage returns an encoded message as gRPC frames it.
func grpcMessage(m proto.Message) []byte {
	data, err := proto.Marshal(m)
	if err != nil {
		panic(err) // a message of this package
	}
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(data))), data...)
}

// helloStream returns a Collect call with the first n bytes of a Hello.
func helloStream(n int) []byte {
	return frames(func(f *http2.Framer) {
		collectHeaders(f)
		_ = f.WriteData(1, false, grpcMessage(helloFrame(rawclient.Hello("half")))[:n])
	})
}

// noHello is the status for who has opened a stream: DEADLINE_EXCEEDED.
const noHello = "grpc-status: 4\ngrpc-message: client said no Hello in time\n"

// silences returns the ways not to say Hello in time.
func silences() []foreign {
	// Slow enough that not half of it is through in time.
	whole := helloStream(40)
	slowly := 2 * helloTimeout / time.Duration(len(whole))
	return []foreign{
		{name: "nothing at all", say: func(net.Conn) {}, reason: "client connected and fell silent without a byte"},
		{name: "half the preface", say: bytesOf([]byte(http2.ClientPreface[:12])),
			reason: "client connected and fell silent after 12 of the 24 bytes that begin HTTP/2"},
		{name: "the preface", say: bytesOf([]byte(http2.ClientPreface)), reason: "client said no Hello in time"},
		{name: "half a frame", say: bytesOf(frames(func(*http2.Framer) {})[:28]),
			reason: "client said no Hello in time"},
		{name: "settings alone", say: bytesOf(frames(func(*http2.Framer) {})), reason: "client said no Hello in time"},
		{name: "half a frame after the settings", say: bytesOf(frames(collectHeaders)[:50]),
			reason: "client said no Hello in time"},
		{name: "a stream without a frame", say: bytesOf(frames(collectHeaders)), answer: noHello,
			reason: "client said no Hello in time"},
		{name: "half a Hello", say: bytesOf(helloStream(20)), answer: noHello, reason: "client said no Hello in time"},
		{name: "the preface byte by byte", say: dripping(helloTimeout/12, []byte(http2.ClientPreface)),
			reason: "client connected and fell silent after "},
		{name: "a Hello byte by byte", say: dripping(slowly, whole), reason: "client said no Hello in time"},
	}
}

// Who does not say Hello in time is cut off, however busy they seem; all the while
// another client continues.
func TestWhoSaysNoHelloIsCutOff(t *testing.T) {
	t.Parallel()
	s := start(t, "--session-hello-timeout", helloTimeout.String(), "--handler-pool", "10")
	by := bystander(t, s, rawclient.Hello("bystander"))
	var all []*intruder
	for _, f := range silences() {
		all = append(all, f.intrude(s.Addr))
	}
	peers := make(map[string]string)
	for _, i := range all {
		by.goesOn(t)
		peers[i.name] = i.shown(t)
	}
	by.goesOn(t)
	sent := by.finish(t)
	rep := s.finish(exitComplete)
	journalled(t, s, map[*load]uint64{by: sent})
	unharmed(t, rep, by, sent)
	rejected(t, rep, silences(), peers)
}
