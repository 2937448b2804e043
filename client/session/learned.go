package session

import (
	"net/netip"
	"slices"

	"bulkhead/client/route"
	"bulkhead/internal/config/value"
)

// What a supervisor says of other supervisors is not believed for more than it can prove, and is
// kept no longer than until the next Welcome. See docs/security.md.

// remotes returns those of a list that are addresses, each once, as many as may be.
func remotes(list []string) []string {
	var out []string
	for _, address := range list[:min(len(list), 4*value.MaxAddresses)] {
		if len(out) == value.MaxAddresses {
			break
		}
		twice := func(other string) bool { return value.SameAddress(other, address) }
		if value.CheckRemote(address) == nil && !slices.ContainsFunc(out, twice) {
			out = append(out, address)
		}
	}
	return out
}

// learn takes the addresses that a Welcome names, in place of those before.
func (w *Way) learn(list []string) {
	w.learned = nil
	w.add(list)
}

// add takes addresses that the supervisor of now names, unless they were given, or cannot be trusted.
//
// With TLS what answers there must have the name that this supervisor had to have, which the
// client's own settings say. Without it nobody proves anything: then a client that has a token,
// which it would show there, uses none of them.
func (w *Way) add(list []string) {
	if w.tls.CA == "" && w.secret {
		return
	}
	for _, address := range remotes(list) {
		if len(w.learned) == value.MaxAddresses {
			return
		}
		if w.givenAs(address) == "" && !slices.ContainsFunc(w.learned, func(n route.Name) bool {
			return value.SameAddress(n.Address, address)
		}) {
			w.learned = append(w.learned, route.Name{Address: address, Prove: w.at.Prove, Learned: true,
				By: w.at.Dial})
		}
	}
}

// sent takes the addresses to which the supervisor of now has sent the client, and reports whether it
// can go to one of them.
func (w *Way) sent(list []string) bool {
	w.add(list)
	var to []string
	for _, address := range remotes(list) {
		given := w.givenAs(address)
		if given == "" && slices.ContainsFunc(w.learned, func(n route.Name) bool { return n.Address == address }) {
			given = address
		}
		if given != "" && !w.at.Is(given) {
			to = append(to, given)
		}
	}
	if len(to) == 0 {
		return false
	}
	return w.route.Sent(to)
}

// givenAs returns an address as it was given; empty if it was not.
func (w *Way) givenAs(address string) string {
	for _, given := range w.given {
		if value.SameAddress(given, address) {
			return given
		}
	}
	return ""
}

// near reports whether a target that was learned is no nearer to this machine than the supervisor
// that named it: else that could have a client talk to what listens for its own machine alone, or
// for its own link.
func near(t route.Target) bool {
	to, err := netip.ParseAddrPort(t.Dial)
	if err != nil {
		return false
	}
	at, _ := netip.ParseAddrPort(t.By)
	ip, here := to.Addr().Unmap(), at.Addr().Unmap()
	switch {
	case ip.IsUnspecified(), ip.IsMulticast():
		return false
	case ip.IsLoopback():
		return here.IsLoopback()
	case ip.IsLinkLocalUnicast():
		return here.IsLinkLocalUnicast() && ip.Zone() == here.Zone()
	default:
		return true
	}
}
