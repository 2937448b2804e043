package model

import (
	"fmt"
	"time"

	"bulkhead/client/session"
	"bulkhead/supervisor/door"
)

type state uint8

const (
	outside    state = iota // it waits until it dials
	connecting              // it has dialled
	active                  // it had its Welcome
	gone                    // it has given up
)

// streams of messages that a client makes at intervals.
const (
	progress = iota
	monitor
	heartbeat
)

// bursts is how many batches the Progress of a client's consumers comes in at most.
const bursts = 5

// group is messages that were made together, up to last.
type group struct {
	last uint32
	at   time.Duration
}

// client is a client and its session.
type client struct {
	again  *session.Again
	ticket *door.Ticket
	state  state
	joined bool          // it had a Welcome
	acked  bool          // something on this connection was
	served bool          // its connection has a handler
	out    bool          // an append of its session is on its way
	came   time.Duration // when it dialled first
	since  time.Duration // its last Welcome
	lost   bool          // its connection was lost by a fault

	host, shard int32
	conn        int32 // counts its connections
	made        uint32
	sentUpTo    uint32  // to the journal, on this connection
	resumed     uint32  // behind what it began on this connection
	known       uint32  // what it knows to be durable
	queue       []group // made and not known to be durable
	unsent      int     // from which group on nothing was sent on this connection
	// batches are how far the batches go that were sent on this connection and are not acknowledged;
	// the others count them from the connection's begin.
	batches                             []uint32
	answered, arrived, taken, inAppends int

	// What the journal has.
	epoch      int32
	owner      int32 // the host of that epoch
	durable    uint32
	registered int32 // the register's version with it; 0 if it is not there
}

func (w *world) newClient(i int32) {
	c := &w.clients[i]
	c.host, c.owner = -1, -1
	if len(w.shards) > 0 {
		c.shard = int32(w.random.IntN(len(w.shards)))
	}
	c.came = time.Duration(w.random.Float64() * float64(w.Spread))
	if w.Abreast == 0 || int(i) < w.Abreast {
		w.plan(c.came, clientDials, i, 0)
	}
}

// dial begins a connection to a supervisor by chance. A machine that is gone takes its time, and one
// without a supervisor refuses at once.
func (w *world) dial(i int32) {
	c := &w.clients[i]
	if c.again == nil {
		c.again = session.NewAgain(w.ConnectTimeout, w.clock())
	}
	at := w.now
	c.conn++
	c.served, c.state = false, connecting
	w.plan(w.now+c.again.Patience(w.clock()), clientRefused, i, c.conn)
	for {
		h := int32(w.random.IntN(len(w.hosts)))
		if !w.hosts[h].dead {
			c.host = h
			break
		}
		if at += 2 * w.Hop; w.hosts[h].vanished {
			at += w.DialTimeout
		}
		if at > w.now+time.Minute {
			return // nobody is there, which its patience finds
		}
	}
	w.plan(w.onClient(i, at, w.ClientConnect)+2*w.Hop, hostAccepts, i, c.conn)
}

// onClient returns when a client has done some work: at once, unless it shares the machine.
func (w *world) onClient(i int32, at, work time.Duration) time.Duration {
	if work == 0 {
		return at
	}
	return w.hosts[w.clients[i].host].cores.take(at, work)
}

// refuse ends a connection that has had no Welcome yet.
func (w *world) refuse(i, conn int32, after time.Duration) {
	c := &w.clients[i]
	if c.conn != conn || c.state != connecting {
		return
	}
	w.figures.refused++
	w.leave(i, session.Ended{Asked: after})
}

// lose ends a connection that has had its Welcome.
func (w *world) lose(i, conn int32) {
	c := &w.clients[i]
	if c.conn != conn || c.state != active {
		return
	}
	w.leave(i, session.Ended{Welcomed: true, Acked: c.acked, Lasted: w.now - c.since})
}

func (w *world) leave(i int32, how session.Ended) {
	c := &w.clients[i]
	if c.state == active {
		w.count(w.hosts[c.host], -1)
	}
	c.ticket.Leave(w.clock(), false)
	c.conn++
	c.ticket, c.state, c.out = nil, outside, false
	wait, over := c.again.Wait(w.clock(), how, w.random.Float64())
	if over {
		c.state = gone
		w.figures.gaveUp++
		w.cameIn(c)
		return
	}
	w.plan(w.now+wait, clientDials, i, 0)
}

// cameIn counts a client as no longer waited for.
func (w *world) cameIn(c *client) {
	if c.joined {
		return
	}
	if w.waiting--; w.waiting == 0 {
		w.figures.ready = w.now
	}
	if next := len(w.clients) - w.waiting + w.Abreast - 1; w.Abreast > 0 && next < len(w.clients) {
		w.clients[next].came = w.now
		w.plan(w.now, clientDials, int32(next), 0)
	}
}

// welcomed has a client begin, or continue behind what is durable.
func (w *world) welcomed(i, conn int32) {
	c := &w.clients[i]
	if c.conn != conn || c.state != connecting {
		return
	}
	c.state, c.since, c.acked = active, w.now, false
	w.count(w.hosts[c.host], 1)
	if c.lost {
		w.figures.takeovers.Add(w.now-w.figures.faultAt, 1)
		c.lost = false
	}
	c.answered, c.arrived, c.taken, c.inAppends = 0, 0, 0, 0
	c.batches, c.unsent = c.batches[:0], 0
	w.known(c, c.durable)
	c.resumed = c.known
	if !c.joined {
		w.figures.arrivals.Add(w.now-c.came, 1)
		w.cameIn(c)
		c.joined = true
		for s, every := range []time.Duration{w.Progress, w.Monitor, w.Heartbeat} {
			w.plan(w.now+w.between(0, every), clientTicks, i, int32(s))
		}
	}
	w.send(i)
}

// tick makes the messages of a stream.
func (w *world) tick(i, stream int32) {
	if w.quiet || w.clients[i].state == gone {
		return
	}
	every := w.Progress
	switch stream {
	case progress:
		groups := min(w.Consumers, bursts)
		for g := 1; g < groups; g++ {
			n := w.Consumers*(g+1)/groups - w.Consumers*g/groups
			w.plan(w.now+w.Burst*time.Duration(g)/time.Duration(groups), clientBursts, i, int32(n))
		}
		w.burst(i, int32(w.Consumers/groups))
	case monitor:
		every = w.Monitor
		w.burst(i, int32(w.Consumers))
	case heartbeat:
		every = w.Heartbeat
		w.burst(i, 1)
	}
	w.plan(w.now+every, clientTicks, i, stream)
}

// burst makes messages, which leave at once if they can.
func (w *world) burst(i, messages int32) {
	c := &w.clients[i]
	c.made += uint32(messages)
	w.figures.made += uint64(messages)
	c.queue = append(c.queue, group{c.made, w.now})
	if c.state == active {
		w.send(i)
	}
}

// send sends what was not sent on this connection, as far as the window lets it.
func (w *world) send(i int32) {
	c := &w.clients[i]
	for c.unsent < len(c.queue) && len(c.batches) < w.WindowBatches {
		first := c.known
		if c.unsent > 0 {
			first = c.queue[c.unsent-1].last
		}
		last := c.queue[c.unsent].last
		for c.unsent++; c.unsent < len(c.queue) && c.queue[c.unsent].last-first <= uint32(w.BatchMessages); c.unsent++ {
			last = c.queue[c.unsent].last
		}
		c.batches = append(c.batches, last)
		w.plan(w.onClient(i, w.now, w.ClientBatch)+w.Hop, batchArrives, i, c.conn)
	}
}

// known tells a client that everything up to last is durable.
func (w *world) known(c *client, last uint32) {
	if last < c.known || last > c.made {
		panic(fmt.Sprintf("%d is acknowledged after %d, of %d", last, c.known, c.made))
	}
	n := 0
	for ; n < len(c.queue) && c.queue[n].last <= last; n++ {
		if g := c.queue[n]; g.at >= w.figures.since {
			w.figures.acks.Add(w.now-g.at, 1)
		}
	}
	w.figures.acked += uint64(last - c.known)
	c.known = last
	c.queue = append(c.queue[:0], c.queue[n:]...)
	c.unsent = max(0, c.unsent-n)
}

// ackArrives has a client take note of an acknowledgement.
func (w *world) ackArrives(number int32) {
	call := w.calls[number]
	w.free(number)
	c := &w.clients[call.client]
	if c.conn != call.conn || c.state != active {
		return
	}
	c.acked = true
	w.known(c, call.last)
	n := 0
	for n < len(c.batches) && c.batches[n] <= call.last {
		n++
	}
	c.batches = append(c.batches[:0], c.batches[n:]...)
	c.answered += n
	w.send(call.client)
}
