package model

import "time"

// loseHost takes a supervisor away: its whole machine, which says nothing anymore, or its process, whose
// handlers keep their clients for a while.
func (w *world) loseHost(h *host, machine bool) {
	h.dead, h.vanished = true, machine
	for i := range w.clients {
		c := &w.clients[i]
		if c.host != h.number || c.state != active && c.state != connecting {
			continue
		}
		c.lost = true
		found := w.OrphanGrace + w.between(0, 200*ms)
		if machine { // found when what was sent next is not confirmed
			found = w.PingAfter + w.between(0, w.Progress/2)
		}
		w.plan(w.now+found, clientStops, int32(i), c.conn)
	}
}

// loseNode takes a node of the engine away.
func (w *world) loseNode(n *node) {
	n.dead = true
	for _, s := range w.shards {
		if s.members[0] != n.number {
			continue
		}
		s.led, s.busy = false, false
		for _, x := range s.queue {
			w.unanswered(x)
		}
		s.queue = s.queue[:0]
		for _, e := range s.flight {
			for _, x := range w.entries[e].items {
				w.unanswered(x)
			}
		}
		first, winner := time.Duration(0), int32(-1)
		for m := int32(1); m < replicas; m++ {
			at := w.now + w.between(w.ElectionLeast, w.ElectionMost)
			if !w.nodes[s.members[m]].dead && (winner < 0 || at < first) {
				first, winner = at, m
			}
		}
		if winner > 0 {
			w.plan(first, elected, s.number, winner)
		}
	}
}

// unanswered has the one who waits for an answer find out that none comes.
func (w *world) unanswered(x item) {
	if w.calls[x.call].try == x.try {
		w.plan(max(w.now, x.sent+w.Attempt), callTimesOut, x.call, x.try)
	}
}

// elected makes a follower the leader of a shard. What two of three logs may have had is kept if one that
// is left has it, as the engine does.
func (w *world) elected(shard, member int32) {
	s := w.shards[shard]
	if w.nodes[s.members[member]].dead {
		return
	}
	for _, e := range s.flight {
		en := &w.entries[e]
		kept := false
		for m, logged := range en.logged {
			kept = kept || logged && !w.nodes[en.members[m]].dead
		}
		if kept && !en.committed {
			w.applyAll(en)
		}
		en.over = true
		w.unref(e)
	}
	s.flight = s.flight[:0]
	s.members[0], s.members[member] = s.members[member], s.members[0]
	s.followed[0], s.followed[member] = s.followed[member], s.followed[0]
	s.proposed, s.led = s.version, true
}
