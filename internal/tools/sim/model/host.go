package model

import (
	"net/netip"
	"time"

	"bulkhead/internal/config"
	"bulkhead/supervisor/door"
	"bulkhead/supervisor/pool"
)

// host is a supervisor and its machine.
type host struct {
	number         int32
	dead, vanished bool // the supervisor; its machine as well
	cores          *cores
	in, out        wire
	journal        *disk // of a file journal

	gate            *door.Gate
	pace            pool.Pace
	ready, starting int
	pause           time.Duration // until when no handler is started
	waiting         []visitor     // for a handler
	connected, most int
	idle, idleUntil time.Duration // what handlers took by being there

	ways     []way // to the engine's shards
	register []copied
}

// way is a supervisor's to one shard.
type way struct {
	slots int     // appends that are on it
	queue []int32 // calls that wait for a slot
}

// visitor is a connection of a client.
type visitor struct{ client, conn int32 }

// copied is what a supervisor has of a shard's register. One at a time changes it.
type copied struct {
	version int32
	queue   []int32 // calls that wait to change it; the first is at work
}

func (w *world) newHost(number int32, shared *cores, sharedDisk *disk) *host {
	cfg, err := config.LoadSupervisor("", nil, nil)
	if err != nil {
		panic(err) // tests of config load the defaults
	}
	h := &host{number: number, cores: shared, in: w.newWire(), out: w.newWire(), journal: sharedDisk,
		gate:     door.NewGate(cfg.Overload, w.random.IntN),
		pace:     pool.Pace{Size: w.Pool, Processors: w.HostCores},
		register: make([]copied, w.Shards), ways: make([]way, w.Shards), ready: w.Pool}
	if shared == nil {
		h.cores = newCores(w.HostCores)
	}
	if sharedDisk == nil && w.File {
		h.journal = w.newDisk()
	}
	return h
}

// count notes that so many more clients are connected.
func (w *world) count(h *host, more int) {
	h.idle += time.Duration(float64(h.connected) * float64(w.Idle) * (w.now - h.idleUntil).Seconds())
	h.idleUntil = w.now
	h.connected += more
	h.most = max(h.most, h.connected)
}

func (w *world) newWire() wire { return wire{speed: w.WireGbit / 8} }

// accept lets a connection in, and gives it a handler.
func (w *world) accept(i, conn int32) {
	c := &w.clients[i]
	h := w.hosts[c.host]
	if c.conn != conn || c.state != connecting || h.dead {
		return
	}
	t, no := h.gate.Enter(w.clock(), netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
	if no != nil {
		w.refuse(i, conn, no.RetryAfter+w.Hop)
		return
	}
	c.ticket = t
	if t.MustSpeak() {
		t.Unmuted() // an honest client speaks at once
		if t.Crowds() {
			w.refuse(i, conn, door.RetryStartups+w.Hop)
			return
		}
	}
	h.waiting = append(h.waiting, visitor{i, conn})
	w.plan(w.now+w.HandlerWait, handlerMissing, i, conn)
	w.equip(h)
}

// equip gives the handlers that are ready to those that wait, and starts others.
func (w *world) equip(h *host) {
	for h.ready > 0 && len(h.waiting) > 0 {
		v := h.waiting[0]
		h.waiting = h.waiting[1:]
		c := &w.clients[v.client]
		if c.conn != v.conn || c.state != connecting {
			continue
		}
		h.ready--
		c.served = true
		h.pace.Took(w.clock())
		if wait := h.pace.Delay(w.clock(), h.ready+h.starting); wait > 0 {
			h.pause = w.now + wait
			w.plan(h.pause, spawnGoesOn, h.number, -1)
		} else {
			h.pause = 0
		}
		w.connectOn(v.client, packed(v.conn, w.crowded(h, w.Connect)))
	}
	for w.now >= h.pause && h.starting < h.pace.Starts(w.clock()) && h.ready+h.starting < h.pace.Keep(w.clock()) {
		h.starting++
		w.spawnOn(h, int32(w.crowded(h, w.Spawn)/us))
	}
}

// crowded returns what some work for a new client takes beside those that are connected.
func (w *world) crowded(h *host, work time.Duration) time.Duration {
	return time.Duration(float64(work) * (1 + float64(h.connected)/float64(w.Crowding)))
}

// spawnOn does a slice of what is left of starting a handler, in µs; -1 is the end of a pause.
func (w *world) spawnOn(h *host, left int32) {
	switch {
	case h.dead:
	case left > 0:
		slice := min(w.Slice, time.Duration(left)*us)
		w.plan(h.cores.take(w.now, slice), spawnGoesOn, h.number, left-int32(slice/us))
	case left == 0:
		h.starting--
		h.ready++
		fallthrough
	default:
		w.equip(h)
	}
}

// missing refuses a connection that has found no handler.
func (w *world) missing(i, conn int32) {
	if c := &w.clients[i]; c.conn == conn && !c.served {
		w.refuse(i, conn, 2*time.Second)
	}
}

// connectUnit is the unit of time in packed: what is below is not worth counting.
const connectUnit = 10 * us

// packed holds a connection of a client and the work that is left for it.
func packed(conn int32, left time.Duration) int32 {
	return conn<<16 | int32(min(left/connectUnit, 0xffff))
}

// connectOn does a slice of what handler and supervisor have to do for a new connection; then its
// session is opened.
func (w *world) connectOn(i, how int32) {
	c := &w.clients[i]
	if c.conn != how>>16 || c.state != connecting || w.hosts[c.host].dead {
		return
	}
	h := w.hosts[c.host]
	if left := time.Duration(how&0xffff) * connectUnit; left > 0 {
		slice := min(w.Slice, left)
		w.plan(h.cores.take(w.now, slice), connectGoesOn, i, packed(c.conn, left-slice))
		return
	}
	c.ticket.Greeted()
	w.open(i)
}

// batchArrives has handler and supervisor look at a batch.
func (w *world) batchArrives(i, conn int32) {
	c := &w.clients[i]
	if c.conn != conn || w.hosts[c.host].dead {
		return
	}
	h := w.hosts[c.host]
	last := c.batches[c.arrived-c.answered]
	first := c.known
	if c.arrived > c.answered {
		first = c.batches[c.arrived-c.answered-1]
	}
	n := int(last - first)
	c.arrived++
	at := h.in.take(w.now, n*w.MessageBytes+w.BatchBytes)
	w.plan(h.cores.take(at, w.Batch+time.Duration(n)*w.Message), batchReady, i, conn)
}

// batchReady puts a batch into its session's inbox.
func (w *world) batchReady(i, conn int32) {
	c := &w.clients[i]
	if c.conn != conn || w.hosts[c.host].dead {
		return
	}
	c.taken++
	if !c.out {
		w.append(i)
	}
}
