package session

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	"bulkhead/client/route"
	"bulkhead/client/spec"
	"bulkhead/internal/certs"
	"bulkhead/internal/config"
	"bulkhead/internal/config/value"
	"bulkhead/internal/testing/scripted"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// elsewhere sends a client to other addresses.
func elsewhere(addresses ...string) error {
	s, err := status.New(codes.Unavailable, "go there").WithDetails(
		protoadapt.MessageV1Of(&bulkheadv1.Elsewhere{Supervisors: addresses}))
	if err != nil {
		return err
	}
	return s.Err()
}

// teaching welcomes a client, names addresses, takes two batches and then sends it away.
func teaching(end error, addresses ...string) scripted.Act {
	return func(c *scripted.Collector, stream scripted.ServerStream) error {
		if err := c.Welcome(teacher{stream, addresses}); err != nil {
			return err
		}
		return c.Receive(stream, func(n int, last uint64) error {
			if n == 2 {
				return end
			}
			return stream.Send(scripted.AckFrame(last))
		})
	}
}

// teacher adds addresses to a Welcome.
type teacher struct {
	scripted.ServerStream
	addresses []string
}

func (s teacher) SendMsg(m any) error {
	if w := m.(*bulkheadv1.ServerFrame).GetWelcome(); w != nil {
		w.Supervisors = s.addresses
	}
	return s.ServerStream.SendMsg(m)
}

// A client goes where it is sent, also to addresses that it was not given: at once, also before it
// was welcomed, and with its session.
func TestClientGoesWhereItIsSent(t *testing.T) {
	for _, tt := range []struct {
		name string
		act  func(b string) scripted.Act
	}{
		{"refused", func(b string) scripted.Act {
			return func(*scripted.Collector, scripted.ServerStream) error { return elsewhere(b) }
		}},
		{"sent away", func(b string) scripted.Act { return teaching(elsewhere(b)) }},
		{"sent away to what the welcome named", func(b string) scripted.Act { return teaching(elsewhere(b), b) }},
		{"left alone with what the welcome named", func(b string) scripted.Act {
			return teaching(scripted.Unavailable(nil), b)
		}},
		{"sent away among others", func(b string) scripted.Act {
			return teaching(elsewhere("junk", "127.0.0.1:0", scripted.ClosedAddress(t), b))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := scripted.Start(t, scripted.Orderly)
			a, b := twoPaths(t, c)
			c.Acts = []scripted.Act{tt.act(b.Addr()), scripted.Orderly}
			box := testOutbox(t, 1<<20)
			fill(t, box, 64)
			_, log, done := several(t, box, true, a.Addr())
			if err := scripted.Wait(t, "the end", done); err != nil {
				t.Fatalf("%v\n%s", err, log)
			}
			if messages, connections, _ := c.Snapshot(); len(messages) != 65 || connections != 2 || b.Peer() == "" {
				t.Errorf("%d messages on %d connections\n%s", len(messages), connections, log)
			}
		})
	}
}

// Two that send a client to each other, and one that sends it from one name to the next, do not keep
// it from pausing.
func TestClientIsNotSentInCircles(t *testing.T) {
	now := time.Unix(1000, 0)
	var list []route.Target
	for _, address := range []string{"a:1", "b:1"} {
		list = append(list, route.Target{Address: address, Dial: address})
	}
	r := route.New([]byte("x"), "a:1")
	r.Begin(now, list)
	for n := 0; ; n++ {
		at := r.Left()[0]
		to := list[0].Address
		if at == list[0] {
			to = list[1].Address
		}
		more := r.Ended(now, at, route.Failed, 0)
		if !r.Sent([]string{to}) && !more {
			break
		}
		if n > 10 {
			t.Fatal("it is sent from a to b and back for ever")
		}
	}
	r = route.New([]byte("x"), "")
	for n := 0; ; n++ {
		host := fmt.Sprintf("h%d:1", n)
		list = append(list, route.Target{Address: host, Dial: host, Learned: true})
		if len(r.Left()) == 0 {
			r.Begin(now, list)
		}
		more := r.Ended(now, r.Left()[0], route.Failed, 0)
		if !r.Sent([]string{fmt.Sprintf("h%d:1", n+1)}) && !more {
			break
		}
		if n > 100 {
			t.Fatal("it is sent on for ever")
		}
	}
}

// What a Welcome names is bounded, each once, and takes the place of what one before has named.
func TestWhatIsLearned(t *testing.T) {
	w := NewWay(value.Addresses{"a:1"}, config.ClientTLS{}, false, nil, "")
	many := []string{"a:1", "A.:1", "junk", "", "b", ":1", "b:0", strings.Repeat("h", 300) + ":1", "b:1", "B:1"}
	for n := range 1000 {
		many = append(many, fmt.Sprintf("h%d:1", n))
	}
	w.learn(many)
	if len(w.learned) == 0 || len(w.learned) > value.MaxAddresses || w.learned[0].Address != "b:1" {
		t.Errorf("it knows %v", w.learned)
	}
	w.learn([]string{"c:1"})
	w.add([]string{"d:1", "c:1"})
	if len(w.learned) != 2 || w.learned[0].Address != "c:1" || w.learned[1].Address != "d:1" {
		t.Errorf("it knows %v", w.learned)
	}
	w.learn(nil)
	if len(w.learned) != 0 {
		t.Errorf("it still knows %v", w.learned)
	}
	w = NewWay(value.Addresses{"a:1", "b:1"}, config.ClientTLS{}, true, nil, "")
	w.learn([]string{"c:1"})
	if len(w.learned) != 0 {
		t.Error("a client with a token and without TLS learns addresses")
	}
	if !w.sent([]string{"c:1", "B:1"}) {
		t.Error("it cannot be sent to an address that it was given")
	}
}

func TestNear(t *testing.T) {
	for _, tt := range []struct {
		at, to string
		want   bool
	}{
		{"192.0.2.1:1", "192.0.2.2:1", true},
		{"192.0.2.1:1", "127.0.0.1:1", false},
		{"192.0.2.1:1", "127.9.9.9:1", false},
		{"192.0.2.1:1", "[::1]:1", false},
		{"192.0.2.1:1", "[::ffff:127.0.0.1]:1", false},
		{"192.0.2.1:1", "0.0.0.0:1", false},
		{"192.0.2.1:1", "[::]:1", false},
		{"192.0.2.1:1", "224.0.0.1:1", false},
		{"192.0.2.1:1", "169.254.169.254:80", false},
		{"192.0.2.1:1", "[fe80::1%eth0]:1", false},
		{"[fe80::2%eth0]:1", "[fe80::1%eth0]:1", true},
		{"[fe80::2%eth0]:1", "[fe80::1%eth1]:1", false},
		{"127.0.0.1:1", "127.0.0.2:1", true},
		{"[::1]:1", "127.0.0.1:1", true},
		{"127.0.0.1:1", "192.0.2.1:1", true},
		{"127.0.0.1:1", "nowhere:1", false},
	} {
		if got := near(route.Target{Dial: tt.to, By: tt.at}); got != tt.want {
			t.Errorf("from %s, %s is near: %v", tt.at, tt.to, got)
		}
	}
}

// What a supervisor may name depends on where that one is, not on where the client has connected to since.
func TestNearIsNearToWhoNamedIt(t *testing.T) {
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l
	}
	own, other := listen(), listen()
	for _, tt := range []struct {
		by   string
		want bool
	}{{"192.0.2.1:1", false}, {"127.0.0.1:1", true}} {
		w := NewWay(value.Addresses{own.Addr().String()}, config.ClientTLS{}, false, nil, "")
		w.at = route.Target{Dial: tt.by}
		w.learn([]string{other.Addr().String()})
		w.at = route.Target{Dial: own.Addr().String()} // it connected there, and was not welcomed
		d, err := w.dial(t.Context(), func(time.Time) {})
		if err != nil {
			t.Fatal(err)
		}
		d.channel.Close()
		d.wire.Close()
		named := other.Addr().String()
		tried := slices.ContainsFunc(w.route.Left(), func(t route.Target) bool { return t.Dial == named })
		if tried != tt.want {
			t.Errorf("named by %s, %s is to be dialled: %v", tt.by, named, tried)
		}
	}
}

// A supervisor cannot have a client show its token to a host that it names: neither over TLS, where
// that host has a certificate of its own of a CA that the client trusts, nor without.
func TestNoTokenForWhoIsNamed(t *testing.T) {
	dir := t.TempDir()
	var bundle []byte
	secured := func(host string) (*scripted.Collector, net.Listener) {
		lab := filepath.Join(dir, host)
		if _, err := certs.Init(lab, certs.Plan{Addresses: []string{host}, Valid: time.Hour}); err != nil {
			t.Fatal(err)
		}
		ca, err := os.ReadFile(filepath.Join(lab, certs.CAFile))
		if err != nil {
			t.Fatal(err)
		}
		bundle = append(bundle, ca...)
		pair, err := tls.LoadX509KeyPair(filepath.Join(lab, certs.SupervisorFile),
			filepath.Join(lab, certs.SupervisorKey))
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", host+":0")
		if err != nil {
			t.Fatal(err)
		}
		c := scripted.New(t, l.Addr().String(), scripted.Orderly)
		c.Options = append(c.Options, grpc.Creds(credentials.NewServerTLSFromCert(&pair)))
		return c, l
	}
	own, ownListener := secured("127.0.0.1")
	thief, thiefListener := secured("127.0.0.2")
	plain := scripted.Start(t, scripted.Orderly)
	ca := filepath.Join(dir, "bundle.crt")
	if err := os.WriteFile(ca, bundle, 0o600); err != nil {
		t.Fatal(err)
	}
	own.Acts = []scripted.Act{teaching(elsewhere(thief.Address), thief.Address), scripted.Orderly}
	own.Listen(ownListener)
	thief.Listen(thiefListener)
	run := func(c *scripted.Collector, with config.ClientTLS) string {
		box := testOutbox(t, 1<<20)
		fill(t, box, 64)
		box.Hello.Token = "secret"
		log := new(scripted.LogLines)
		s := New(spec.Config{Supervisor: value.Addresses{c.Address}, Name: "tester", TLS: with,
			ConnectTimeout: scripted.PatienceInTests, Logger: scripted.TextLog(log)}, box.Hello, box)
		if err := s.Run(t.Context()); err != nil {
			t.Errorf("%v\n%s", err, log)
		}
		return log.String()
	}
	run(own, config.ClientTLS{CA: ca})
	if _, n, _ := thief.Snapshot(); n != 0 {
		t.Error("over TLS, who has no name that the client knows got its token")
	}
	plain.Acts = []scripted.Act{teaching(elsewhere(thief.Address), thief.Address), scripted.Orderly}
	listening := scripted.Start(t, scripted.Orderly)
	plain.Acts[0] = teaching(elsewhere(listening.Address), listening.Address)
	run(plain, config.ClientTLS{})
	if _, n, _ := listening.Snapshot(); n != 0 {
		t.Error("without TLS, who was named got the client's token")
	}
}

// Whatever a status or a Welcome names, what is kept are addresses, few, each once.
func FuzzRemotes(f *testing.F) {
	f.Add("a:1\nb:1\nA:1")
	f.Add("[::1]:1\n[fe80::1%eth0]:2\n:0")
	f.Fuzz(func(t *testing.T, text string) {
		list := strings.Split(text, "\n")
		got := remotes(list)
		if len(got) > value.MaxAddresses {
			t.Fatalf("%d addresses", len(got))
		}
		if len(got) > 0 {
			if again, err := value.NewAddresses(got); err != nil || !slices.Equal(again, got) {
				t.Fatalf("%q: %q (%v)", got, again, err)
			}
		}
	})
}
