package model

import (
	"fmt"
	"time"
)

// what a call wants.
type what uint8

const (
	appends  what = iota // messages of a session
	enrols               // a client's name in the register of its shard
	claims               // a session, with whatever it has
	opensNew             // a session in a file
)

// call is what a supervisor wants of its journal for a session. Events name it together with try, which
// never repeats: so those of a call that is over mean nothing.
type call struct {
	what                              what
	asks, refused, slot               bool
	reads                             int8 // how many reads are still to come
	client, conn, host, epoch, expect int32
	first, last                       uint32 // messages behind first up to last
	bytes                             int
	try                               int32
	sent, began, pause                time.Duration
}

func (w *world) newCall(c call) int32 {
	var number int32
	if n := len(w.spare); n > 0 {
		number, w.spare = w.spare[n-1], w.spare[:n-1]
	} else {
		number = int32(len(w.calls))
		w.calls = append(w.calls, call{})
	}
	c.try = w.calls[number].try + 1
	w.calls[number] = c
	return number
}

func (w *world) free(number int32) {
	w.calls[number].try++
	w.spare = append(w.spare, number)
}

// append has the messages of a session made durable that wait in its inbox.
func (w *world) append(i int32) {
	c := &w.clients[i]
	c.out = true
	upTo := min(c.inAppends+w.Gather, c.taken)
	batches, first := upTo-c.inAppends, c.resumed
	if c.inAppends > 0 {
		first = c.sentUpTo
	}
	c.inAppends = upTo
	last := c.batches[upTo-1-c.answered]
	c.sentUpTo = last
	number := w.newCall(call{what: appends, client: i, conn: c.conn, host: c.host, epoch: c.epoch,
		first: first, last: last,
		bytes: int(last-first)*w.MessageBytes + batches*w.BatchBytes})
	w.figures.appends++
	if w.File {
		w.file(number)
		return
	}
	w.request(number)
}

// open has a client's session opened.
func (w *world) open(i int32) {
	c := &w.clients[i]
	made := call{client: i, conn: c.conn, host: c.host, bytes: w.BatchBytes + w.MessageBytes}
	if w.File {
		made.what = opensNew
		w.file(w.newCall(made))
		return
	}
	made.what = enrols
	r := &w.hosts[c.host].register[c.shard]
	r.queue = append(r.queue, w.newCall(made))
	if len(r.queue) == 1 {
		w.enrol(r.queue[0])
	}
}

// file writes to a file journal.
func (w *world) file(number int32) {
	c := &w.calls[number]
	w.hosts[c.host].journal.put(w, write{owner: c.host, bytes: c.bytes, then: filed, a: number})
}

func (w *world) filed(number int32) {
	c := w.calls[number]
	if w.hosts[c.host].dead {
		return
	}
	w.apply(item{what: c.what, client: c.client, epoch: c.epoch, first: c.first, last: c.last})
	w.finish(number)
}

// enrol has the first that waits change its supervisor's copy of the register, unless its client is in
// there already.
func (w *world) enrol(number int32) {
	c := &w.calls[number]
	cl := &w.clients[c.client]
	r := &w.hosts[c.host].register[cl.shard]
	if cl.registered > 0 && r.version >= cl.registered {
		w.enrolled(number)
		return
	}
	c.expect = r.version
	w.request(number)
}

// enrolled lets the next one change the register, and claims the session.
func (w *world) enrolled(number int32) {
	c := &w.calls[number]
	r := &w.hosts[c.host].register[w.clients[c.client].shard]
	r.queue = r.queue[1:]
	claim := w.newCall(call{what: claims, client: c.client, conn: c.conn, host: c.host, bytes: w.calls[number].bytes,
		reads: 1})
	w.free(number)
	w.read(claim)
	if len(r.queue) > 0 {
		w.enrol(r.queue[0])
	}
}

// way returns a call's to its shard.
func (w *world) way(c *call) *way { return &w.hosts[c.host].ways[w.clients[c.client].shard] }

// request puts a message when there is a slot.
func (w *world) request(number int32) {
	h := w.way(&w.calls[number])
	if h.slots == w.InFlight {
		h.queue = append(h.queue, number)
		return
	}
	h.slots++
	c := &w.calls[number]
	c.slot, c.began, c.pause = true, w.now, 5*ms
	w.put(number)
}

// giveSlot gives a call's slot to who waits first.
func (w *world) giveSlot(number int32) {
	c := &w.calls[number]
	c.slot = false
	w.figures.slotsUsed += w.now - c.began
	h := w.way(c)
	h.slots--
	if len(h.queue) > 0 {
		next := h.queue[0]
		h.queue = h.queue[1:]
		w.request(next)
	}
}

// put sends a message to the leader of its shard.
func (w *world) put(number int32) {
	c := &w.calls[number]
	if c.what == claims {
		c.epoch = w.clients[c.client].epoch + 1
	}
	c.asks, c.refused = false, false
	w.sendCall(number, c.bytes+w.Headers, callArrives)
}

// read asks for the newest message of a subject.
func (w *world) read(number int32) {
	w.calls[number].asks = true
	w.sendCall(number, w.Headers, getArrives)
}

func (w *world) sendCall(number int32, bytes int, k kind) {
	c := &w.calls[number]
	h := w.hosts[c.host]
	c.try++
	c.sent = w.now
	at := h.out.take(h.cores.take(w.now, w.Append), bytes)
	w.plan(at+w.Hop, k, number, c.try)
}

// callTimesOut is when a request was not answered: then what became of it is asked, or it is sent again.
func (w *world) callTimesOut(number, try int32) {
	c := &w.calls[number]
	if c.try != try || w.hosts[c.host].dead {
		return
	}
	w.figures.again++
	if !c.asks {
		w.read(number)
		return
	}
	w.rest(number)
}

// rest waits before a message is sent again. One that was tried for long goes to the end of those that
// wait for a slot.
func (w *world) rest(number int32) {
	c := &w.calls[number]
	c.try++
	w.plan(w.now+w.between(c.pause/2, 3*c.pause/2), callAgain, number, c.try)
	c.pause = min(2*c.pause, 500*ms)
}

func (w *world) callAgain(number, try int32) {
	c := &w.calls[number]
	switch {
	case c.try != try || w.hosts[c.host].dead:
	case !c.slot: // a read, which needs none
		w.read(number)
	case w.now-c.began > w.Patience:
		w.giveSlot(number)
		w.request(number)
	default:
		w.put(number)
	}
}

// callAnswered is when the engine's answer has come.
func (w *world) callAnswered(number, try int32) {
	c := &w.calls[number]
	if c.try != try || w.hosts[c.host].dead {
		return
	}
	if c.asks {
		w.readAnswered(number)
		return
	}
	if c.refused && c.what == appends { // it may be there, by another try
		w.read(number)
		return
	}
	w.giveSlot(number)
	if c.refused {
		w.lostRace(number)
		return
	}
	w.finish(number)
}

// readAnswered decides what is next when the newest message is known.
func (w *world) readAnswered(number int32) {
	c := &w.calls[number]
	if c.reads > 0 {
		if c.reads--; c.reads > 0 {
			w.read(number)
			return
		}
		if c.what == enrols { // the copy is as new as the register
			s := w.shards[w.clients[c.client].shard]
			w.hosts[c.host].register[s.number].version = s.version
			w.enrol(number)
			return
		}
		w.request(number)
		return
	}
	if w.isDurable(c) {
		w.giveSlot(number)
		w.finish(number)
		return
	}
	if c.refused {
		w.giveSlot(number)
		w.lostRace(number)
		return
	}
	w.rest(number)
}

// isDurable reports whether what a call wants has become durable.
func (w *world) isDurable(c *call) bool {
	cl := &w.clients[c.client]
	switch c.what {
	case appends:
		return cl.durable >= c.last
	case claims:
		return cl.epoch == c.epoch && cl.owner == c.host
	default:
		return cl.registered > 0
	}
}

// lostRace is when another has written first.
func (w *world) lostRace(number int32) {
	c := &w.calls[number]
	w.figures.collisions++
	switch c.what {
	case appends: // the session has moved
		w.lose(c.client, c.conn)
		w.free(number)
	case enrols: // what is new is read: the newest, some at once from a consumer that is made for it
		c.reads = 3
		w.read(number)
	default:
		c.reads = 1
		w.read(number)
	}
}

// finish is when what a call wants is durable.
func (w *world) finish(number int32) {
	c := w.calls[number]
	cl := &w.clients[c.client]
	switch c.what {
	case enrols:
		w.hosts[c.host].register[cl.shard].version = max(w.hosts[c.host].register[cl.shard].version, c.expect+1)
		w.enrolled(number)
	case claims, opensNew:
		w.free(number)
		w.figures.opened++
		w.plan(w.now+w.Hop, clientWelcomed, c.client, c.conn)
	case appends:
		if w.finished != nil {
			w.finished(number)
			return
		}
		if cl.durable < c.last {
			panic(fmt.Sprintf("message %d is acknowledged, and %d is durable", c.last, cl.durable))
		}
		w.plan(w.now+w.Hop, ackArrives, number, 0)
		if cl.conn != c.conn {
			return
		}
		cl.out = false
		if cl.taken > cl.inAppends {
			w.append(c.client)
		}
	}
}
