package jetstream

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/semaphore"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/cluster"
)

// Run is one supervisor's view of a run. It implements cluster.Run.
type Run struct {
	engine *servers
	names  names
	limit  int // of the records of one message, in bytes
	number uint32
	// instance tells the messages of this Run from all others, and ids counts them.
	instance    string
	ids         atomic.Uint64
	connections atomic.Uint64
	registers   []*register // by shard; none for 0
	noting      noting
	times       times
	close       sync.Once
}

// Join makes the run if it is not there, and joins it with the next number of a supervisor. ctx
// bounds that alone.
func Join(ctx context.Context, c Config) (*Run, error) {
	c, err := c.resolve()
	if err != nil {
		return nil, err
	}
	conn, err := connect(c.URLs, c.Options)
	if err != nil {
		return nil, err
	}
	r, err := join(ctx, c, conn)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("joining run %s: %w", c.Run, err)
	}
	return r, nil
}

// connect connects to one of the nodes, and to another whenever it must. Nothing is buffered while
// there is none: whoever sends hears of it.
func connect(urls []string, more []nats.Option) (*nats.Conn, error) {
	o := nats.GetDefaultOptions()
	o.Servers, o.Name = urls, "bulkhead"
	o.MaxReconnect, o.ReconnectWait, o.ReconnectBufSize = -1, firstPause*20, -1
	o.IgnoreAuthErrorAbort = true // it may be let in again
	o.Timeout = attempt
	o.PingInterval, o.MaxPingsOut = attempt, 2 // a node that hangs is left
	for _, option := range more {
		if err := option(&o); err != nil {
			return nil, fmt.Errorf("connecting to the engine: %w", err)
		}
	}
	conn, err := o.Connect()
	if err != nil {
		return nil, fmt.Errorf("%w: connecting to the engine: %w", cluster.ErrUnavailable, err)
	}
	return conn, nil
}

func join(ctx context.Context, c Config, conn *nats.Conn) (*Run, error) {
	var instance [8]byte
	rand.Read(instance[:])
	r := &Run{
		engine: &servers{conn: conn, slots: make(map[string]*semaphore.Weighted), patience: c.Patience},
		names:  names{c.Run, c.Shards}, instance: hex.EncodeToString(instance[:]),
		limit: int(conn.MaxPayload()) - maxHeaderBytes, registers: make([]*register, 1),
	}
	if r.limit <= 0 {
		return nil, fmt.Errorf("a message of the engine has room for %d bytes: see max_payload", conn.MaxPayload())
	}
	for k := range c.Shards + 1 {
		r.engine.slots[r.names.stream(k)] = semaphore.NewWeighted(int64(c.MaxInFlight))
	}
	for k := 1; k <= c.Shards; k++ {
		r.registers = append(r.registers, newRegister(r, k))
	}
	if err := makeStreams(ctx, r.engine, r.names, c.Replicas); err != nil {
		return nil, err
	}
	if err := r.join(ctx, c.Started); err != nil {
		return nil, err
	}
	r.noting.appender = appender{engine: r.engine, limit: r.limit}
	r.noting.finished = make(map[[sha256.Size]byte]uint64)
	return r, nil
}

// message returns a message without its own headers and records.
func (r *Run) message(shard int, subject, kind string) message {
	header := nats.Header{}
	header.Set(idHeader, fmt.Sprintf("%s-%d", r.instance, r.ids.Add(1)))
	header.Set(kindHeader, kind)
	header.Set(supervisorHeader, decimal(r.number))
	return message{stream: r.names.stream(shard), subject: subject, header: header}
}

// Supervisor implements cluster.Run.
func (r *Run) Supervisor() uint32 { return r.number }

// Connection implements cluster.Run.
func (r *Run) Connection() uint64 { return cluster.ConnectionID(r.number, r.connections.Add(1)) }

// Open implements cluster.Run.
func (r *Run) Open(ctx context.Context, h cluster.Hello) (cluster.Log, cluster.Head, error) {
	if n := len(h.Client); n < 1 || n > 32 {
		return nil, cluster.Head{}, fmt.Errorf("%w: a client's id has 1 to 32 bytes, not %d", cluster.ErrRefused, n)
	}
	register := r.registers[r.names.shard(h.Client)]
	who, err := register.join(ctx, h.Client)
	if err != nil {
		return nil, cluster.Head{}, err
	}
	l := &log{run: r, client: h.Client, subject: r.names.session(h.Client),
		appender: appender{engine: r.engine, limit: r.limit}}
	for {
		err := l.claim(ctx, who.number, h)
		if err == nil {
			break
		}
		if lost := (*lostRace)(nil); !errors.As(err, &lost) {
			return nil, cluster.Head{}, err
		}
		if ctx.Err() != nil {
			return nil, cluster.Head{}, unavailable(err)
		}
	}
	if l.head.Ended() { // whoever ended it may not have come to that
		if err := register.end(ctx, h.Client); err != nil {
			return nil, cluster.Head{}, err
		}
	}
	return l, l.head, nil
}

// claim takes the session from whoever has it.
func (l *log) claim(ctx context.Context, number uint32, h cluster.Hello) error {
	stream := l.run.names.stream(l.run.names.shard(l.client))
	newest, err := patiently(ctx, l.engine, func(ctx context.Context) (stored, error) {
		return l.engine.last(ctx, stream, l.subject)
	})
	if err != nil {
		return err
	}
	head := cluster.Head{Phase: bulkheadv1.SessionState_SESSION_STATE_NEW}
	if newest.seq > 0 {
		if head, err = newest.head(); err != nil {
			return fmt.Errorf("%w: %w", cluster.ErrFailed, err)
		}
	}
	head.Session, head.Supervisor = number, l.run.number
	head.Epoch++
	m := l.message(kindClaim, head)
	if newest.seq == 0 {
		frames, err := encode([]*bulkheadv1.Record{{Entry: &bulkheadv1.Record_SessionOpened{
			SessionOpened: h.FirstOf(number)}}})
		if err != nil {
			return err
		}
		if len(frames[0]) > l.limit {
			return fmt.Errorf("%w: a Hello of %d bytes: see max_payload", cluster.ErrRefused, len(frames[0]))
		}
		m.payload = frames[0]
	}
	if l.last, err = l.engine.put(ctx, m, newest.seq); err != nil {
		return err
	}
	l.head = head
	return nil
}

// Census implements cluster.Run.
func (r *Run) Census(ctx context.Context) (cluster.Census, error) {
	c := cluster.Census{Sealed: true}
	for _, reg := range r.registers[1:] {
		s, err := reg.look(ctx)
		if err != nil {
			return cluster.Census{}, err
		}
		c.Joined, c.Open, c.Sealed = c.Joined+s.joined, c.Open+s.open, c.Sealed && s.sealed
	}
	now, err := r.courseNow(ctx)
	c.Supervisors, c.Ended = uint32(now.number(supervisorsHeader)), now.header.Get(endedHeader) != ""
	return c, err
}

// Heads implements cluster.Run. A session whose end is missing in its register is entered there.
func (r *Run) Heads(ctx context.Context) iter.Seq2[cluster.Found, error] {
	return func(yield func(cluster.Found, error) bool) {
		for k := 1; k <= r.names.shards; k++ {
			s, err := r.registers[k].look(ctx)
			if err != nil {
				yield(cluster.Found{}, err)
				return
			}
			for _, client := range s.clients {
				found, err := r.headOf(ctx, k, []byte(client))
				if err == nil && found.Head.Ended() {
					err = r.registers[k].end(ctx, []byte(client))
				}
				switch {
				case err == nil && found.Head.Ended():
				case !yield(found, err) || err != nil:
					return
				}
			}
		}
	}
}

// headOf returns the head of a session.
func (r *Run) headOf(ctx context.Context, k int, client []byte) (cluster.Found, error) {
	newest, err := patiently(ctx, r.engine, func(ctx context.Context) (stored, error) {
		return r.engine.last(ctx, r.names.stream(k), r.names.session(client))
	})
	found := cluster.Found{Client: client}
	if err == nil && newest.seq > 0 {
		found.Head, err = newest.head()
	}
	return found, err
}

// Seal implements cluster.Run.
func (r *Run) Seal(ctx context.Context) error {
	for _, reg := range r.registers[1:] {
		if err := reg.seal(ctx); err != nil {
			return err
		}
	}
	return nil
}
