package fold

import "bulkhead/internal/protocol"

// part says whose rest a session is that was delivered later.
type part struct {
	of *sessionState
	// gapless says that it begins where the other session ends.
	gapless bool
	// missing is the last of the messages that are missing between, if that can be told;
	// else 0.
	missing uint64
}

// MaxMissing is how many missing messages are looked for in all: finding out how many
// there are takes a hash for each.
const MaxMissing = 1 << 18

// parts finds the sessions that are the rest of another. The id of such a session is
// derived from where it begins; one whose id tells nothing is the rest of the client's
// first session, with messages missing between.
func (f *Folder) parts() map[*sessionState]part {
	byID := make(map[string]*sessionState)
	first := make(map[protocol.Origin]*sessionState)
	for _, s := range f.order {
		// Two that came at nearly the same time may be journaled the other way around.
		if of := first[who(s)]; of == nil || s.client.Session < of.client.Session {
			first[who(s)] = s
		}
		if s.client.Resent {
			byID[s.clientID] = s
		}
	}
	found := make(map[*sessionState]part)
	for _, s := range f.order {
		if !s.client.Resent {
			continue
		}
		if of := first[who(s)]; of != s {
			found[s] = part{of: of}
		}
	}
	if len(byID) == 0 {
		return found
	}
	for _, s := range f.order {
		id := protocol.RestID([]byte(s.clientID), f.run.ID, s.client.LastSeq)
		if next := byID[string(id[:])]; next != nil && next != s {
			found[next] = part{of: s, gapless: true}
		}
	}
	budget := MaxMissing
	for _, s := range f.order {
		if p, is := found[s]; is && !p.gapless {
			p.missing = f.missingBefore(s, p.of, &budget)
			found[s] = p
		}
	}
	return found
}

// missingBefore returns after which message of another session one begins by its id; 0 if
// the id does not tell within budget hashes.
func (f *Folder) missingBefore(s, of *sessionState, budget *int) uint64 {
	for after := of.client.LastSeq + 1; *budget > 0; after++ {
		*budget--
		if id := protocol.RestID([]byte(of.clientID), f.run.ID, after); string(id[:]) == s.clientID {
			return after
		}
	}
	return 0
}

// isEmpty reports whether a session is of a client that was not there itself, and of which
// nothing was delivered in it.
func (s *sessionState) isEmpty() bool { return s.client.Resent && s.client.LastSeq == 0 }

// who returns the client that a session is of, also of one that was delivered later.
func who(s *sessionState) protocol.Origin {
	return protocol.Origin{Name: s.client.Name, Host: s.client.Host, Pid: s.client.Pid}
}
