package jetstream

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/cluster"
)

// extent is which messages are of a run, and how its supervisors' clocks differ.
type extent struct {
	names names
	upto  []uint64 // by shard: the last message
	clock clock
	ended bool
	sum   string   // that was reported; "" if none was
	peers []string // the nodes with a replica of stream 0, as far as its leader tells
}

// ErrNoRun says that the engine has no such run, or one that has not begun.
var ErrNoRun = errors.New("the engine has no such run")

// extentOf reads a run's course, and finds how far the run goes: to its end, or to where it is now.
func extentOf(ctx context.Context, e *servers, run string) (extent, error) {
	x := extent{names: names{run: run}, clock: clock{offsets: make(map[uint32]int64)}}
	boots := make(map[string]int64)
	end, absent := stored{}, false
	for at := uint64(0); ; {
		m, err := patiently(ctx, e, func(ctx context.Context) (stored, error) {
			m, err := e.next(ctx, x.names.stream(0), x.names.course(), at+1)
			if absent = codeOf(err) == codeNoStream; absent {
				return stored{}, nil
			}
			return m, err
		})
		if err != nil {
			return x, err
		}
		if absent {
			return x, fmt.Errorf("%w: %s", ErrNoRun, run)
		}
		if m.seq == 0 {
			break
		}
		if before := m.number(expectedHeader); before != at {
			return x, &Damage{Node: "of the leader", Stream: x.names.stream(0), Sequence: m.seq,
				What: fmt.Sprintf("it follows message %d of the run's course, which is not there", before)}
		}
		at = m.seq
		switch m.kind() {
		case kindJoined:
			if err := x.joined(m, boots); err != nil {
				return x, err
			}
		case kindEnded:
			end = m
		case kindReported:
			x.sum = m.header.Get(sumHeader)
		}
	}
	if x.names.shards == 0 {
		return x, fmt.Errorf("%w: %s", ErrNoRun, run)
	}
	var err error
	if x.peers, err = e.peers(ctx, x.names.stream(0)); err != nil {
		return x, err
	}
	return x, x.reach(ctx, e, end)
}

// joined takes note of a supervisor's clock, and, of the first, of the run's begin.
func (x *extent) joined(m stored, boots map[string]int64) error {
	supervisor, boot := uint32(m.number(supervisorsHeader)), m.header.Get(bootHeader)
	difference := m.time.UnixNano() - int64(m.number(elapsedHeader))
	if known, is := boots[boot]; is && boot != "" {
		difference = known // the clock is one for the whole machine
	}
	boots[boot] = difference
	if len(x.clock.offsets) > 0 {
		x.clock.offsets[supervisor] = difference - x.clock.offsets[0]
		return nil
	}
	x.clock.offsets[0] = difference // for the others
	x.clock.offsets[supervisor] = 0
	x.names.shards = int(m.number(shardsHeader))
	list, err := payloads(m.payload)
	rec := new(bulkheadv1.Record)
	if err != nil || len(list) != 1 || proto.Unmarshal(list[0], rec) != nil || rec.GetRunStarted() == nil {
		return fmt.Errorf("%w: run %s does not begin with RunStarted", cluster.ErrFailed, x.names.run)
	}
	x.clock.wall, x.clock.elapsed = rec.GetTimeUnixNano(), rec.GetElapsedNano()
	if n := x.names.shards; n < 1 || n > maxShards {
		return fmt.Errorf("%w: run %s says that it has %d shards", cluster.ErrFailed, x.names.run, n)
	}
	return nil
}

// reach finds the last message of each stream.
func (x *extent) reach(ctx context.Context, e *servers, end stored) error {
	x.ended = end.seq > 0
	cut := strings.Fields(end.header.Get(cutHeader))
	if x.ended && len(cut) != x.names.shards {
		return fmt.Errorf("%w: the end of run %s names %d shards, not %d", cluster.ErrFailed, x.names.run, len(cut),
			x.names.shards)
	}
	for k := range x.names.shards + 1 {
		last := end.seq
		var err error
		switch {
		case !x.ended:
			last, err = patiently(ctx, e, func(ctx context.Context) (uint64, error) {
				return e.lastSequence(ctx, x.names.stream(k))
			})
		case k > 0:
			last, err = strconv.ParseUint(cut[k-1], 10, 64)
		}
		if err != nil {
			return err
		}
		x.upto = append(x.upto, last)
	}
	return nil
}

// records returns the run's encoded records in their order, read from sources of its streams, which it
// closes. node is what damage is said to be of.
func (x *extent) records(ctx context.Context, e *servers, sources []source, node string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		var lanes []lane
		for k, upto := range x.upto {
			defer sources[k].close() // what is left there the engine forgets
			lanes = append(lanes, &replica{ctx: ctx, engine: e, source: sources[k], node: node,
				stream: x.names.stream(k), upto: upto})
		}
		canonical(x.clock, lanes)(yield)
	}
}

// on returns sources of the streams that read one node's replicas.
func (x *extent) on(e *servers, node string) (list []source) {
	for k := range x.upto {
		list = append(list, &placed{servers: e, stream: x.names.stream(k), node: node})
	}
	return list
}

// anywhere returns sources of the streams that read any replicas.
func (x *extent) anywhere(e *servers) (list []source) {
	for k := range x.upto {
		list = append(list, anywhere{e, x.names.stream(k)})
	}
	return list
}

// Records implements cluster.Run.
func (r *Run) Records(ctx context.Context) iter.Seq2[*bulkheadv1.Record, error] {
	return func(yield func(*bulkheadv1.Record, error) bool) {
		x, err := extentOf(ctx, r.engine, r.names.run)
		if err != nil {
			yield(nil, err)
			return
		}
		for data, err := range x.records(ctx, r.engine, x.anywhere(r.engine), "that answers") {
			rec := new(bulkheadv1.Record)
			if err == nil {
				err = proto.Unmarshal(data, rec)
			}
			if !yield(rec, err) || err != nil {
				return
			}
		}
	}
}
