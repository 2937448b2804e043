package supervisor_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor"
)

// bringOne connects the client once more from an address of this machine, has it bring message seq,
// and ends the connection.
func (s *running) bringOne(ip string, h *bulkheadv1.Hello, seq uint64) error {
	s.t.Helper()
	c := s.from(ip)
	defer c.Close()
	if _, err := c.Greet(h); err != nil {
		return err
	}
	return errors.Join(c.SendBatch(seq, seq), c.AwaitAck(seq))
}

// A client that comes again and again, and brings a message each time, has its session's allowance for
// that, and is told when to come again. Another client of its address, that comes back a few times as
// on a network that breaks, is not concerned, nor one of another address.
func TestAClientThatComesBackTooOftenWaits(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short leaves it out: built for the race detector, connections come no faster than they are allowed to")
	}
	s := start(t, func(c *supervisor.Config) { c.Overload.CrashDelay = time.Second })
	deliver, finish := s.honest()
	again, flapping := rawclient.Hello("again"), rawclient.Hello("flapping")
	const most = 120 // many more than it takes
	brought, broke := uint64(0), uint64(0)
	for {
		if brought == most {
			t.Fatalf("it came %d times", most)
		}
		err := s.bringOne("127.0.0.2", again, brought+1)
		if err != nil {
			if text := status.Convert(err).Message(); status.Code(err) != codes.Unavailable ||
				!strings.HasPrefix(text, "this client comes back too often; retry after ") {
				t.Fatalf("it ended with %v", err)
			}
			break
		}
		if brought++; brought%8 == 0 {
			broke++
			must(t, s.bringOne("127.0.0.2", flapping, broke))
			deliver()
		}
	}
	if brought < 32 {
		t.Errorf("it came no more than %d times", brought)
	}
	must(t, s.bringOne("127.0.0.2", flapping, broke+1))
	deliver()
	finish()
}

// A client whose handler is killed by others each time comes back as often as that happens.
func TestHandlersThatOthersKillCountForNoClient(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *supervisor.Config) { c.Overload.CrashDelay = time.Second })
	h := rawclient.Hello("alpha")
	for seq := range uint64(48) { // more than it may come back by itself
		c := s.greet(h, seq)
		s.deliver(c, seq+1, seq+1)
		s.killHandler("alpha")
		if err := c.End(); status.Code(err) != codes.Unavailable {
			t.Fatalf("the stream ended with %v; want UNAVAILABLE", err)
		}
		c.Close()
	}
	s.closeInOrder(s.greet(h, 48), 48)
	if rep := s.wait(); !rep.Complete() {
		t.Errorf("verdict %+v; want complete", rep.Verdict)
	}
}
