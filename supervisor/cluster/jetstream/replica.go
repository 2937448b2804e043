package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// ErrDamaged is wrapped by every Damage.
var ErrDamaged = errors.New("a replica is damaged")

// Damage is what is wrong with one replica of a stream. The others may be whole.
type Damage struct {
	Node, Stream string
	// Sequence is the message that is missing or wrong; 0 if it is not known.
	Sequence uint64
	// What is wrong, for a person.
	What string
}

// Error names the node, the stream and the message.
func (d *Damage) Error() string {
	at := ""
	if d.Sequence > 0 {
		at = fmt.Sprintf(", message %d", d.Sequence)
	}
	return fmt.Sprintf("%v: node %s, stream %s%s: %s", ErrDamaged, d.Node, d.Stream, at, d.What)
}

// Words says in a line what is wrong, for a report.
func (d *Damage) Words() string {
	at := ""
	if d.Sequence > 0 {
		at = fmt.Sprintf(", message %d", d.Sequence)
	}
	return fmt.Sprintf("the journal's replica at node %s is damaged: stream %s%s: %s", d.Node, d.Stream, at,
		strings.TrimSpace(d.What))
}

// Unwrap makes errors.Is(err, ErrDamaged) true.
func (d *Damage) Unwrap() error { return ErrDamaged }

// replica reads one stream, whole and in order, and checks that nothing is missing: the sequences have
// no gap, and each message names the one before it on its subject.
type replica struct {
	ctx    context.Context
	engine *servers
	source source
	node   string
	stream string
	upto   uint64 // the last message that counts

	read    uint64            // sequence of the last message that was returned
	newest  map[string]uint64 // by subject: its last message so far
	ready   []stored
	records [][]byte // of the message read, that are left
	sender  uint32   // of that message
	end     bool     // that message is the run's end
}

// next implements lane.
func (r *replica) next() (entry, bool, error) {
	for len(r.records) == 0 {
		if r.read == r.upto {
			return entry{}, false, nil
		}
		m, err := r.message()
		if err != nil {
			return entry{}, false, err
		}
		if r.records, err = payloads(m.payload); err != nil {
			return entry{}, false, r.damage(m.seq, err.Error())
		}
		r.sender = uint32(m.number(supervisorHeader))
		r.end = m.kind() == kindEnded && m.header.Get(cutHeader) != ""
	}
	e := entry{payload: r.records[0], supervisor: r.sender, end: r.end}
	r.records = r.records[1:]
	return e, true, nil
}

// message returns the next message, checked.
func (r *replica) message() (stored, error) {
	if len(r.ready) == 0 {
		if err := r.fill(); err != nil {
			return stored{}, err
		}
	}
	m := r.ready[0]
	r.ready = r.ready[1:]
	if m.seq != r.read+1 {
		return m, r.damage(r.read+1, fmt.Sprintf("it is missing; message %d follows", m.seq))
	}
	if m.header.Get(idHeader) == "" || m.header.Get(expectedHeader) == "" {
		return m, r.damage(m.seq, "no supervisor has sent it like that")
	}
	if before := m.number(expectedHeader); before != r.newest[m.subject] {
		return m, r.damage(m.seq, fmt.Sprintf("it follows message %d of its subject, and message %d is there", before,
			r.newest[m.subject]))
	}
	if r.newest == nil {
		r.newest = make(map[string]uint64)
	}
	r.read, r.newest[m.subject] = m.seq, m.seq
	return m, nil
}

// fill reads some messages. A replica that has not caught up yet is waited for.
func (r *replica) fill() error {
	var err error
	_, patience := patiently(r.ctx, r.engine, func(ctx context.Context) (struct{}, error) {
		r.ready, err = r.source.fetch(ctx, r.read+1, r.upto)
		if len(r.ready) > 0 {
			err = nil // what came is in order
		} else if err == nil {
			err = errNothing
		}
		return struct{}{}, err
	})
	if errors.Is(err, errNothing) && r.ctx.Err() == nil {
		return r.damage(r.read+1, fmt.Sprintf("nothing is there from it on; %d messages are of the run", r.upto))
	}
	return patience
}

var errNothing = errors.New("nothing is there")

func (r *replica) damage(seq uint64, what string) error {
	return &Damage{Node: r.node, Stream: r.stream, Sequence: seq, What: what}
}
