package jetstream

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/cluster"
)

// Session returns the records of one session up to when it was opened so often, behind the run's first
// record, in the times that they have in the order of the whole run. It takes the session from nobody. There
// are none behind the first for a client of which nothing has been said.
//
// It returns ErrUnavailable if it finds less: a leader that was cut off answers for an earlier time; and ErrMoved
// if it was opened more often.
func (r *Run) Session(ctx context.Context, client []byte, epoch uint64) (list []*bulkheadv1.Record, err error) {
	times, first, err := r.times.of(ctx, r)
	if err != nil {
		return nil, err
	}
	l := &subjectLane{ctx: ctx, run: r, stream: r.names.stream(r.names.shard(client)), subject: r.names.session(client)}
	for data, err := range canonical(times, []lane{&inOrder{first}, l}) {
		rec := new(bulkheadv1.Record)
		if err == nil {
			err = proto.Unmarshal(data, rec)
		}
		if err != nil {
			return nil, fmt.Errorf("reading the session of client %.4x: %w", client, err)
		}
		list = append(list, rec)
	}
	if epoch > 0 && l.epoch > epoch {
		return nil, fmt.Errorf("%w: it was opened %d times since", cluster.ErrMoved, l.epoch-epoch)
	}
	if l.epoch < epoch {
		return nil, fmt.Errorf("%w: the session of client %.4x was opened %d times, and the engine shows %d of them",
			cluster.ErrUnavailable, client, epoch, l.epoch)
	}
	return list, nil
}

// Opened returns what the session of a client began with; nil if nobody has begun it but for its number.
func (r *Run) Opened(ctx context.Context, client []byte) (*bulkheadv1.SessionOpened, error) {
	stream := r.names.stream(r.names.shard(client))
	first, err := patiently(ctx, r.engine, func(ctx context.Context) (stored, error) {
		return r.engine.next(ctx, stream, r.names.session(client), 1)
	})
	if err != nil || first.seq == 0 {
		return nil, err
	}
	list, err := payloads(first.payload)
	if err != nil || len(list) == 0 {
		return nil, fmt.Errorf("%w: the begin of session %x: %w", cluster.ErrFailed, client, errors.Join(err, errFrame))
	}
	rec := new(bulkheadv1.Record)
	if err := proto.Unmarshal(list[0], rec); err != nil || rec.GetSessionOpened() == nil {
		return nil, fmt.Errorf("%w: session %x does not begin with SessionOpened", cluster.ErrFailed, client)
	}
	return rec.GetSessionOpened(), nil
}

// times are the clocks of a run's supervisors, and the run's first record, as long as nothing new is in its
// course.
type times struct {
	mu    sync.Mutex
	at    uint64  // guarded by mu; the newest message of the course; 0 for not known
	clock clock   // guarded by mu
	first []entry // guarded by mu
}

// of returns them as they are now.
func (t *times) of(ctx context.Context, r *Run) (clock, []entry, error) {
	now, err := r.courseNow(ctx)
	if err != nil {
		return clock{}, nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.at == 0 || t.at != now.seq {
		x, err := extentOf(ctx, r.engine, r.names.run)
		if err != nil {
			return clock{}, nil, err
		}
		if t.first, err = r.begin(ctx); err != nil {
			return clock{}, nil, err
		}
		t.at, t.clock = now.seq, x.clock
	}
	return t.clock, t.first, nil
}

// begin returns the run's first record.
func (r *Run) begin(ctx context.Context) ([]entry, error) {
	first, err := patiently(ctx, r.engine, func(ctx context.Context) (stored, error) {
		return r.engine.next(ctx, r.names.stream(0), r.names.course(), 1)
	})
	if err != nil {
		return nil, err
	}
	return entriesOf(first)
}

// entriesOf returns the records of a message.
func entriesOf(m stored) (list []entry, err error) {
	records, err := payloads(m.payload)
	if err != nil {
		return nil, fmt.Errorf("%w: message %d of %s: %w", cluster.ErrFailed, m.seq, m.subject, err)
	}
	for _, data := range records {
		list = append(list, entry{payload: data, supervisor: uint32(m.number(supervisorHeader))})
	}
	return list, nil
}

// inOrder is a lane of records that are there.
type inOrder struct{ rest []entry }

func (l *inOrder) next() (entry, bool, error) {
	if len(l.rest) == 0 {
		return entry{}, false, nil
	}
	e := l.rest[0]
	l.rest = l.rest[1:]
	return e, true, nil
}

// subjectLane is a lane of the records of one subject. What it reads is proven to be whole: each message says
// which it follows.
type subjectLane struct {
	inOrder
	ctx             context.Context
	run             *Run
	stream, subject string
	at, upto        uint64 // the newest message that was read, and the last; 0 before the first look
	epoch           uint64 // of the newest message that was read
}

func (l *subjectLane) next() (entry, bool, error) {
	for len(l.rest) == 0 {
		more, err := l.read()
		if err != nil || !more {
			return entry{}, false, err
		}
	}
	return l.inOrder.next()
}

// read reads some of the messages, and reports whether there were any.
func (l *subjectLane) read() (bool, error) {
	e := l.run.engine
	if l.upto == 0 {
		last, err := patiently(l.ctx, e, func(ctx context.Context) (stored, error) {
			return e.last(ctx, l.stream, l.subject)
		})
		if err != nil || last.seq == 0 {
			return false, err
		}
		l.upto = last.seq
	}
	if l.at >= l.upto {
		return false, nil
	}
	list, err := patiently(l.ctx, e, l.some)
	if err != nil {
		return false, err
	}
	for _, m := range list {
		if before := m.number(expectedHeader); before != l.at {
			return false, &Damage{Node: "of the leader", Stream: l.stream, Sequence: m.seq,
				What: fmt.Sprintf("it follows message %d of its session, which is not there", before)}
		}
		records, err := entriesOf(m)
		if err != nil {
			return false, err
		}
		l.rest, l.at, l.epoch = append(l.rest, records...), m.seq, m.number(epochHeader)
	}
	return true, nil
}

// some returns some of the next messages: many at once from the nearest replica, or, if that lacks one, the
// next from the leader.
func (l *subjectLane) some(ctx context.Context) (list []stored, err error) {
	many, _ := fetch(ctx, l.run.engine.conn, l.stream, l.subject, l.at+1) // the leader has the word
	at := l.at
	for _, m := range many {
		if m.number(expectedHeader) != at || m.seq > l.upto {
			break
		}
		list, at = append(list, m), m.seq
	}
	if len(list) > 0 {
		return list, nil
	}
	one, err := l.run.engine.next(ctx, l.stream, l.subject, l.at+1)
	if err == nil && one.seq == 0 {
		err = errors.New("the leader has fewer messages than before")
	}
	return []stored{one}, err
}

// Enrolled returns the clients that have got a session as far as the last Census knows, but for the first so
// many of each shard that seen has, which is brought up to date. It begins empty.
func (r *Run) Enrolled(seen *[]int) (list []cluster.Enrolled) {
	if len(*seen) == 0 {
		*seen = make([]int, r.names.shards)
	}
	for k, reg := range r.registers[1:] {
		list = append(list, reg.after(&(*seen)[k])...)
	}
	return list
}

// after returns the clients behind the first n, as the register was read last, and counts them.
func (r *register) after(n *int) (list []cluster.Enrolled) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, client := range r.order[*n:] {
		list = append(list, cluster.Enrolled{Client: []byte(client), Number: r.clients[client].number})
	}
	*n = len(r.order)
	return list
}

// membersSubject is where the supervisors of a run tell each other how they are. No stream keeps it.
func (n names) membersSubject() string { return fmt.Sprintf("bh.%s.members", n.run) }

// Tell tells all supervisors of the run something, this one too; whoever does not listen now does not hear it.
func (r *Run) Tell(data []byte) error {
	if err := r.engine.conn.Publish(r.names.membersSubject(), data); err != nil {
		return fmt.Errorf("telling the other supervisors: %w", err)
	}
	return nil
}

// Hear calls heard with what any supervisor of the run tells, one after the other, until stop is called, which
// returns when heard has. What comes faster than heard takes it is lost.
func (r *Run) Hear(heard func(data []byte)) (stop func(), err error) {
	sub, err := r.engine.conn.SubscribeSync(r.names.membersSubject())
	if err != nil {
		return nil, fmt.Errorf("listening to the other supervisors: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { // ends with stop
		defer close(done)
		for {
			m, err := sub.NextMsgWithContext(ctx)
			switch {
			case err == nil:
				heard(m.Data)
			case !errors.Is(err, nats.ErrSlowConsumer): // what came too fast is lost
				return
			}
		}
	}()
	return func() {
		cancel()
		<-done
		_ = sub.Unsubscribe() // the connection may be closed
	}, nil
}
