package route

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// nameServer is a DNS server on loopback that knows some names, and counts the questions.
type nameServer struct {
	mu    sync.Mutex
	names map[string][]netip.Addr // guarded by mu
	asked atomic.Int32
}

func (n *nameServer) set(host string, ips ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.names[host+"."] = nil
	for _, ip := range ips {
		n.names[host+"."] = append(n.names[host+"."], netip.MustParseAddr(ip))
	}
}

// startNames serves until the test ends, and returns a lookup that asks it.
func startNames(t *testing.T) (*nameServer, func(context.Context, string) ([]netip.Addr, error)) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &nameServer{names: make(map[string][]netip.Addr)}
	var serving sync.WaitGroup
	serving.Go(func() { // ends with conn
		packet := make([]byte, 512)
		for {
			size, from, err := conn.ReadFrom(packet)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(n.answer(packet[:size]), from)
		}
	})
	t.Cleanup(func() { conn.Close(); serving.Wait() })
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
	return n, func(ctx context.Context, host string) ([]netip.Addr, error) {
		return resolver.LookupNetIP(ctx, "ip", host+".") // not what a search list makes of it
	}
}

// answer answers a question of one name (RFC 1035, section 4.1).
func (n *nameServer) answer(question []byte) []byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked.Add(1)
	var host strings.Builder
	at := 12
	for question[at] != 0 {
		host.Write(question[at+1 : at+1+int(question[at])])
		host.WriteByte('.')
		at += 1 + int(question[at])
	}
	kind := binary.BigEndian.Uint16(question[at+1:])
	ips, known := n.names[host.String()]
	out := append([]byte{}, question[:2]...)
	flags := uint16(0x8180)
	if !known {
		flags |= 3 // NXDOMAIN
	}
	out = binary.BigEndian.AppendUint16(out, flags)
	out = append(out, 0, 1, 0, 0, 0, 0, 0, 0)
	out = append(out, question[12:at+5]...)
	for _, ip := range ips {
		if ip.Is4() != (kind == 1) || kind != 1 && kind != 28 {
			continue
		}
		out[7]++
		out = append(out, 0xc0, 12) // the name of the question
		out = binary.BigEndian.AppendUint16(out, kind)
		out = append(out, 0, 1, 0, 0, 0, 0)
		out = binary.BigEndian.AppendUint16(out, uint16(len(ip.AsSlice())))
		out = append(out, ip.AsSlice()...)
	}
	return out
}

func names(addresses ...string) (all []Name) {
	for _, a := range addresses {
		all = append(all, Name{Address: a, Prove: a})
	}
	return all
}

// A name is asked for anew in each round; one that is not answered has what it had.
func TestNamesAreAskedForAnew(t *testing.T) {
	server, lookup := startNames(t)
	r := &Resolver{Lookup: lookup}
	server.set("collectors.test", "192.0.2.1", "192.0.2.2")
	resolve := func(want string, missing int, addresses ...string) []Target {
		t.Helper()
		got, failures := r.Resolve(t.Context(), names(addresses...))
		list := dials(sorted(nil, got, func(Target) int { return 0 }))
		if strings.Join(sortedTexts(list), " ") != want || len(failures) != missing {
			t.Fatalf("%v, and %v; want %s, and %d missing", list, failures, want, missing)
		}
		return got
	}
	got := resolve("192.0.2.1:7420 192.0.2.2:7420", 0, "collectors.test:7420")
	if got[0].Prove != "collectors.test:7420" || got[0].Address != "collectors.test:7420" || !got[0].Several {
		t.Errorf("%+v", got[0])
	}
	if text := got[0].String(); text != "collectors.test:7420 ("+got[0].Dial+")" {
		t.Errorf("it is shown as %s", text)
	}
	server.set("collectors.test", "192.0.2.3")
	got = resolve("192.0.2.3:7420", 0, "collectors.test:7420")
	if got[0].Several || got[0].String() != "collectors.test:7420" {
		t.Errorf("%+v", got[0])
	}
	server.set("collectors.test") // no address any more
	resolve("192.0.2.3:7420", 0, "collectors.test:7420")
	resolve("192.0.2.9:1 192.0.2.9:2", 1, "192.0.2.9:1", "192.0.2.9:2", "nobody.test:7420")
	asked := server.asked.Load()
	if resolve("[::1]:7420", 0, "[::1]:7420"); server.asked.Load() != asked {
		t.Error("an IP address was asked for")
	}
}

func sortedTexts(list []string) []string {
	for i := range list {
		for j := i + 1; j < len(list); j++ {
			if list[j] < list[i] {
				list[i], list[j] = list[j], list[i]
			}
		}
	}
	return list
}

// One machine with addresses of both families is dialled by the second only when the first fails,
// and a name with very many addresses stands for some of them.
func TestFamiliesAndBounds(t *testing.T) {
	answers := map[string][]netip.Addr{
		"both": {netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("::ffff:192.0.2.1")},
		"four": {netip.MustParseAddr("192.0.2.2")},
	}
	for i := range 100 {
		answers["many"] = append(answers["many"], netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
	}
	r := &Resolver{Lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
		if ips, ok := answers[host]; ok {
			return ips, nil
		}
		return nil, errors.New("no such host")
	}}
	got, _ := r.Resolve(t.Context(), names("both:1", "four:1"))
	order := dials(sorted([]byte("seed"), got, func(Target) int { return 0 }))
	if len(order) != 3 || order[2] != "192.0.2.1:1" {
		t.Errorf("%v; want the second family of a name last", order)
	}
	if got, _ := r.Resolve(t.Context(), names("many:1")); len(got) != mostOfName {
		t.Errorf("a name has %d targets; want %d", len(got), mostOfName)
	}
	if _, failures := r.Resolve(t.Context(), names("gone:1", "gone:2")); fmt.Sprint(failures) !=
		"[{gone:1 no such host} {gone:2 no such host}]" {
		t.Errorf("failures are %v", failures)
	}
}

// A supervisor may name other addresses in each Welcome: what is not asked for any more is forgotten.
func TestWhatIsAskedForNoMoreIsForgotten(t *testing.T) {
	r := &Resolver{Lookup: func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, nil
	}}
	for n := range 100 {
		if got, _ := r.Resolve(t.Context(), names("given:1", fmt.Sprintf("h%d:1", n))); len(got) != 2 {
			t.Fatalf("%v; want two targets", got)
		}
	}
	if len(r.known) != 2 {
		t.Errorf("it knows the addresses of %d names; want 2", len(r.known))
	}
}
