package model

import (
	"fmt"
	"time"
)

const (
	// entryMost and entryBytes bound what one entry of a shard's log takes, as in nats-server's raft.go.
	entryMost  = 512
	entryBytes = 256 << 10
	// answerBytes is the engine's answer to a message.
	answerBytes = 150
	// replicas of each shard.
	replicas = 3
)

// node is a server of the engine.
type node struct {
	number  int32
	dead    bool
	cores   *cores
	disk    *disk
	in, out wire
}

// shard is a stream of the engine: one leader, and two that follow it.
type shard struct {
	number   int32
	members  [replicas]int32 // the leader first
	led      bool
	busy     bool // the leader makes an entry
	queue    []item
	followed [replicas]time.Duration // until when each member works on the entry before
	flight   []int32                 // entries whose messages are not answered

	proposed, version int32 // of the register: with what is on its way, and without
	used              time.Duration
}

// item is a message.
type item struct {
	call, try    int32
	what         what
	client, host int32
	epoch        int32
	first, last  uint32
	bytes        int
	sent         time.Duration
}

// entry is messages that go to the log together.
type entry struct {
	shard     int32
	members   [replicas]int32
	items     []item
	bytes     int
	refs      int
	logged    [replicas]bool
	followers int // that the leader has heard of
	committed bool
	over      bool // its leader is gone, and what became of it is decided
}

func (w *world) newNode(number int32, shared *cores, sharedDisk *disk) *node {
	n := &node{number: number, cores: shared, disk: sharedDisk, in: w.newWire(), out: w.newWire()}
	if shared == nil {
		n.cores = newCores(w.NodeCores)
	}
	if sharedDisk == nil {
		n.disk = w.newDisk()
	}
	return n
}

func (w *world) newShard(number int32) *shard {
	s := &shard{number: number, led: true}
	for i := range s.members {
		s.members[i] = (number + int32(i)) % int32(w.Nodes)
	}
	return s
}

func (w *world) leader(s *shard) *node { return w.nodes[s.members[0]] }

// callArrives is when a message comes to the leader of its shard.
func (w *world) callArrives(number, try int32) {
	c := &w.calls[number]
	if c.try != try {
		return
	}
	s := w.shards[w.clients[c.client].shard]
	if !s.led || w.leader(s).dead {
		w.plan(max(w.now, c.sent+w.Attempt), callTimesOut, number, try)
		return
	}
	n := w.leader(s)
	n.in.take(w.now, c.bytes+w.Headers)
	if w.wrong(s, c) { // nothing of that goes to a log
		c.refused = true
		w.plan(n.out.take(n.cores.take(w.now, w.NodeAppend), answerBytes)+w.Hop, callAnswered, number, try)
		return
	}
	s.queue = append(s.queue, item{call: number, try: try, what: c.what, client: c.client, host: c.host, epoch: c.epoch,
		first: c.first, last: c.last, bytes: c.bytes + w.Headers, sent: c.sent})
	if !s.busy {
		w.propose(s)
	}
}

// wrong reports whether the leader refuses a message, as what it expects before it is not there.
func (w *world) wrong(s *shard, c *call) bool {
	cl := &w.clients[c.client]
	switch c.what {
	case appends:
		return c.epoch != cl.epoch || c.host != cl.owner || cl.durable >= c.last
	case enrols:
		if c.expect != s.proposed {
			return true
		}
		s.proposed++
	case claims:
		if c.epoch == cl.epoch && c.host == cl.owner { // the same again
			return false
		}
		if c.epoch != cl.epoch+1 {
			return true
		}
		cl.epoch, cl.owner = c.epoch, c.host
	}
	return false
}

// getArrives is when a read comes to the leader of its shard.
func (w *world) getArrives(number, try int32) {
	c := &w.calls[number]
	if c.try != try {
		return
	}
	s := w.shards[w.clients[c.client].shard]
	if !s.led || w.leader(s).dead {
		w.plan(max(w.now, c.sent+w.Attempt), callTimesOut, number, try)
		return
	}
	n := w.leader(s)
	at := n.out.take(n.cores.take(w.now, w.NodeGet), w.Headers+w.BatchBytes)
	w.plan(at+w.Hop, callAnswered, number, try)
}

// propose makes an entry of what waits.
func (w *world) propose(s *shard) {
	e := w.newEntry(s)
	bytes, n := 0, 0
	for ; n < len(s.queue) && n < entryMost && (n == 0 || bytes+s.queue[n].bytes <= entryBytes); n++ {
		bytes += s.queue[n].bytes
	}
	en := &w.entries[e]
	en.items = append(en.items[:0], s.queue[:n]...)
	en.bytes = bytes
	s.queue = append(s.queue[:0], s.queue[n:]...)
	s.flight = append(s.flight, e)
	en.refs++ // by flight
	s.busy = true
	work := w.NodeEntry + time.Duration(n)*w.NodeAppend
	s.used += work
	w.planEntry(max(w.leader(s).cores.take(w.now, work), s.followed[0]), proposed, e, 0)
}

func (w *world) newEntry(s *shard) int32 {
	var e int32
	if n := len(w.unused); n > 0 {
		e, w.unused = w.unused[n-1], w.unused[:n-1]
	} else {
		e = int32(len(w.entries))
		w.entries = append(w.entries, entry{})
	}
	w.entries[e] = entry{shard: s.number, members: s.members, items: w.entries[e].items}
	return e
}

// planEntry plans an event of an entry, which is kept until all of them have happened and it is in no
// flight.
func (w *world) planEntry(at time.Duration, k kind, e, member int32) {
	w.entries[e].refs++
	w.plan(at, k, e, member)
}

func (w *world) writeEntry(n *node, k kind, e, member int32) {
	en := &w.entries[e]
	en.refs++
	bytes := int(float64(en.bytes) * w.Amplified / 2) // once to the log, and once to the store
	n.disk.put(w, write{owner: n.number, bytes: bytes, then: k, a: e, b: member})
}

func (w *world) unref(e int32) {
	en := &w.entries[e]
	if en.refs--; en.refs == 0 {
		w.unused = append(w.unused, e)
	}
}

// proposed is when the leader has made an entry: all write it to their logs.
func (w *world) proposed(e int32) {
	defer w.unref(e)
	en := &w.entries[e]
	s := w.shards[en.shard]
	n := w.nodes[en.members[0]]
	if n.dead || en.over {
		return
	}
	w.writeEntry(n, entryLogged, e, 0)
	for m := int32(1); m < replicas; m++ {
		w.planEntry(n.out.take(w.now, en.bytes)+w.Hop, entryArrives, e, m)
	}
	s.busy = false
	if len(s.queue) > 0 {
		w.propose(s)
	}
}

func (w *world) entryArrives(e, member int32) {
	defer w.unref(e)
	en := &w.entries[e]
	n := w.nodes[en.members[member]]
	if n.dead {
		return
	}
	s := w.shards[en.shard]
	n.in.take(w.now, en.bytes)
	done := n.cores.take(w.now, w.NodeEntry+time.Duration(len(en.items))*w.NodeAppend)
	s.followed[member] = max(done, s.followed[member]) // in order
	w.planEntry(s.followed[member], entryTaken, e, member)
}

func (w *world) entryTaken(e, member int32) {
	defer w.unref(e)
	if n := w.nodes[w.entries[e].members[member]]; !n.dead {
		w.writeEntry(n, entryLogged, e, member)
	}
}

// entryLogged is when a member's log has an entry.
func (w *world) entryLogged(e, member int32) {
	defer w.unref(e)
	en := &w.entries[e]
	if w.nodes[en.members[member]].dead {
		return
	}
	en.logged[member] = true
	if member == 0 {
		w.commit(e)
		return
	}
	w.planEntry(w.now+w.Hop, entryFollowed, e, member)
}

func (w *world) entryFollowed(e, _ int32) {
	defer w.unref(e)
	w.entries[e].followers++
	w.commit(e)
}

// commit has an entry stored when two of three logs have it.
func (w *world) commit(e int32) {
	en := &w.entries[e]
	n := w.nodes[en.members[0]]
	if n.dead || en.over || en.committed || !en.logged[0] || en.followers == 0 {
		return
	}
	w.applyAll(en)
	w.writeEntry(n, entryStored, e, 0)
	for m := int32(1); m < replicas; m++ {
		if f := w.nodes[en.members[m]]; !f.dead {
			w.writeEntry(f, storedBeside, e, m)
		}
	}
}

func (w *world) applyAll(en *entry) {
	en.committed = true
	for _, x := range en.items {
		w.apply(x)
	}
}

// apply makes a message durable.
func (w *world) apply(x item) {
	cl := &w.clients[x.client]
	switch x.what {
	case appends:
		if x.first != cl.durable || x.last <= x.first {
			panic(fmt.Sprintf("messages %d to %d become durable; %d are", x.first+1, x.last, cl.durable))
		}
		cl.durable = x.last
	case enrols:
		s := w.shards[cl.shard]
		s.version++
		if cl.registered == 0 {
			cl.registered = s.version
		}
	}
}

// entryStored is when the leader's store has an entry: it is acknowledged.
func (w *world) entryStored(e int32) {
	defer w.unref(e)
	en := &w.entries[e]
	n := w.nodes[en.members[0]]
	if n.dead || en.over {
		return
	}
	s := w.shards[en.shard]
	for i, f := range s.flight {
		if f == e {
			s.flight = append(s.flight[:i], s.flight[i+1:]...)
			w.unref(e)
			break
		}
	}
	for _, x := range en.items {
		at := n.out.take(w.now, answerBytes) + w.Hop
		w.plan(at, callAnswered, x.call, x.try)
	}
}

func (w *world) storedBeside(e int32) { w.unref(e) }
