package jetstream

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"bulkhead/supervisor/cluster"
)

// register knows which sessions a shard has. Everybody keeps a copy, and adds to it by
// compare-and-set: so each client has one number, and none gets one behind the seal.
type register struct {
	run   *Run
	shard int

	mu            sync.Mutex
	seq           uint64               // guarded by mu; of the newest message that is read
	opened, ended uint32               // guarded by mu
	sealed        bool                 // guarded by mu
	clients       map[string]*enrolled // guarded by mu; by client id
	order         []string             // guarded by mu; their ids, by number
}

// enrolled is a client with a session.
type enrolled struct {
	number uint32
	ended  bool
}

func newRegister(r *Run, shard int) *register {
	return &register{run: r, shard: shard, clients: make(map[string]*enrolled)}
}

// join returns the session of a client, which gets one if it is new.
func (r *register) join(ctx context.Context, client []byte) (enrolled, error) {
	var found enrolled
	err := r.change(ctx, func() (message, bool, error) {
		if c := r.clients[string(client)]; c != nil {
			found = *c
			return message{}, false, nil
		}
		if r.sealed {
			return message{}, false, fmt.Errorf("%w: it takes no new clients", cluster.ErrEnded)
		}
		m := r.message(kindOpened, r.opened+1, r.ended)
		m.header.Set(clientHeader, hex.EncodeToString(client))
		m.header.Set(sessionHeader, decimal(r.run.names.number(r.shard, r.opened+1)))
		return m, true, nil
	})
	return found, err
}

// end notes that a client's session has its outcome.
func (r *register) end(ctx context.Context, client []byte) error {
	return r.change(ctx, func() (message, bool, error) {
		c := r.clients[string(client)]
		if c == nil || c.ended {
			return message{}, false, nil
		}
		m := r.message(kindEnded, r.opened, r.ended+1)
		m.header.Set(clientHeader, hex.EncodeToString(client))
		return m, true, nil
	})
}

// seal lets no new client in anymore.
func (r *register) seal(ctx context.Context) error {
	return r.change(ctx, func() (message, bool, error) {
		if r.sealed {
			return message{}, false, nil
		}
		m := r.message(kindSealed, r.opened, r.ended)
		m.header.Set(sealedHeader, "1")
		return m, true, nil
	})
}

// change adds the message that next wants to add to what is known, if it wants to, and asks it again
// when it is there, or when others have added something first.
func (r *register) change(ctx context.Context, next func() (m message, wanted bool, err error)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for known := r.seq > 0; ; {
		if !known {
			if err := r.read(ctx); err != nil {
				return err
			}
		}
		m, wanted, err := next()
		if err != nil || !wanted {
			return err
		}
		seq, err := r.run.engine.putAmong(ctx, m, r.seq)
		var lost *lostRace
		switch {
		case errors.As(err, &lost):
			known = false
		case err != nil:
			return err
		default:
			r.apply(stored{seq: seq, header: m.header})
			known = true
		}
	}
}

func (r *register) message(kind string, opened, ended uint32) message {
	m := r.run.message(r.shard, r.run.names.register(r.shard), kind)
	m.header.Set(openedHeader, decimal(opened))
	m.header.Set(endedHeader, decimal(ended))
	return m
}

// read reads what was added since. r.mu is held.
func (r *register) read(ctx context.Context) error {
	e, stream, subject := r.run.engine, r.run.names.stream(r.shard), r.run.names.register(r.shard)
	_, err := patiently(ctx, e, func(ctx context.Context) (struct{}, error) {
		last, err := e.last(ctx, stream, subject)
		for err == nil && r.seq < last.seq {
			err = r.readSome(ctx, stream, subject, last.seq)
		}
		return struct{}{}, err
	})
	return err
}

// readSome reads some of the messages up to a sequence: many at once from the nearest replica, or, if
// that lacks one, the next from the leader.
func (r *register) readSome(ctx context.Context, stream, subject string, to uint64) error {
	many, err := fetch(ctx, r.run.engine.conn, stream, subject, r.seq+1)
	for _, m := range many {
		if m.number(expectedHeader) != r.seq || m.seq > to {
			break
		}
		r.apply(m)
	}
	if err == nil && len(many) > 0 && r.seq >= many[len(many)-1].seq {
		return nil
	}
	m, err := r.run.engine.next(ctx, stream, subject, r.seq+1)
	if err != nil {
		return err
	}
	if m.seq > r.seq {
		if before := m.number(expectedHeader); before != r.seq {
			return fmt.Errorf("message %d of %s follows %d, which is not there", m.seq, subject, before)
		}
		r.apply(m)
	}
	return nil
}

// apply takes note of the next message. r.mu is held.
func (r *register) apply(m stored) {
	r.seq, r.opened, r.ended = m.seq, uint32(m.number(openedHeader)), uint32(m.number(endedHeader))
	client, err := hex.DecodeString(m.header.Get(clientHeader))
	switch m.header.Get(kindHeader) {
	case kindOpened:
		if err == nil {
			r.clients[string(client)] = &enrolled{number: uint32(m.number(sessionHeader))}
			r.order = append(r.order, string(client))
		}
	case kindEnded:
		if c := r.clients[string(client)]; c != nil {
			c.ended = true
		}
	case kindSealed:
		r.sealed = true
	}
}

// standing is what a register says now.
type standing struct {
	seq          uint64
	joined, open uint32
	sealed       bool
	clients      []string // with a session that has not ended
}

// look reads the register up to now.
func (r *register) look(ctx context.Context) (standing, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.read(ctx); err != nil {
		return standing{}, err
	}
	s := standing{seq: r.seq, joined: r.opened, open: r.opened - r.ended, sealed: r.sealed}
	for _, client := range r.order {
		if !r.clients[client].ended {
			s.clients = append(s.clients, client)
		}
	}
	return s, nil
}
