package route

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// lookupTimeout bounds asking for the addresses of names, and knownTimeout where an earlier
	// answer could do.
	lookupTimeout, knownTimeout = 5 * time.Second, time.Second
	// mostOfName is the most addresses of one name.
	mostOfName = 16
)

// Resolver asks for the IP addresses of names: anew for each round, for they change. One that is
// not answered has the addresses of the last answer.
type Resolver struct {
	// Lookup asks; nil asks as the system does.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)

	known map[string][]netip.Addr
}

// Name is an address that is to be resolved.
type Name struct {
	// Address is HOST:PORT, and the rest as in Target.
	Address, Prove string
	Learned        bool
	By             string
}

// Failure is why there is no target for an address.
type Failure struct {
	Address string
	Err     error
}

// Resolve returns the targets of names, and why it has none of some.
func (r *Resolver) Resolve(ctx context.Context, names []Name) (targets []Target, failures []Failure) {
	answers := r.ask(ctx, names)
	maps.DeleteFunc(r.known, func(host string, _ []netip.Addr) bool { // a supervisor may name others each time
		_, asked := answers[host]
		return !asked
	})
	for _, n := range names {
		host, port, err := net.SplitHostPort(n.Address)
		if err != nil {
			failures = append(failures, Failure{n.Address, err})
			continue
		}
		t := Target{Address: n.Address, Dial: n.Address, Prove: n.Prove, Learned: n.Learned, By: n.By}
		if _, err := netip.ParseAddr(host); err == nil {
			targets = append(targets, t)
			continue
		}
		a := answers[host]
		if a.err == nil {
			r.remember(host, a.ips)
		} else if a.ips = r.known[host]; len(a.ips) == 0 {
			failures = append(failures, Failure{n.Address, a.err})
			continue
		}
		t.Several = len(a.ips) > 1
		for _, ip := range a.ips {
			t.Dial = net.JoinHostPort(ip.String(), port)
			t.Spare = ip.Is4() != a.ips[0].Is4()
			targets = append(targets, t)
		}
	}
	return targets, failures
}

func (r *Resolver) remember(host string, ips []netip.Addr) {
	if r.known == nil {
		r.known = make(map[string][]netip.Addr)
	}
	r.known[host] = ips
}

// answer is what is known of a name.
type answer struct {
	ips []netip.Addr
	err error
}

// ask asks for all names at once, within a time.
func (r *Resolver) ask(ctx context.Context, names []Name) map[string]answer {
	lookup := r.Lookup
	if lookup == nil {
		lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	answers := make(map[string]answer)
	var mu sync.Mutex // guards answers
	var asking sync.WaitGroup
	for _, host := range hostsOf(names) {
		timeout := lookupTimeout
		if len(r.known[host]) > 0 {
			timeout = knownTimeout
		}
		asking.Go(func() { // ends within timeout
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			ips, err := lookup(ctx, host)
			if err == nil && len(ips) == 0 {
				err = fmt.Errorf("looking up %s: it has no address", host)
			}
			ips = slices.Clone(ips[:min(len(ips), mostOfName)])
			for i := range ips {
				ips[i] = ips[i].Unmap()
			}
			mu.Lock()
			defer mu.Unlock()
			answers[host] = answer{ips, err}
		})
	}
	asking.Wait()
	return answers
}

// hostsOf returns the hosts that are names, each once.
func hostsOf(names []Name) (hosts []string) {
	for _, n := range names {
		host, _, err := net.SplitHostPort(n.Address)
		if err != nil || slices.Contains(hosts, host) {
			continue
		}
		if _, err := netip.ParseAddr(host); err != nil {
			hosts = append(hosts, host)
		}
	}
	return hosts
}
