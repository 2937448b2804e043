package jetstream

import (
	"errors"
	"iter"

	"google.golang.org/protobuf/encoding/protowire"
)

// The fields of a record that the merge reads and writes: Record.time_unix_nano and elapsed_nano.
const (
	wallField    = 1
	elapsedField = 14
)

// entry is one record on its way through the merge.
type entry struct {
	payload    []byte // encoded
	supervisor uint32
	end        bool // it is the run's last
}

// lane gives the records of one stream, in order.
type lane interface {
	// next returns the next record; false when there are no more.
	next() (entry, bool, error)
}

// clock brings the times of all supervisors onto the first one's. Each counts on the clock of its
// machine that is never set; how these clocks differ is told by when the engine took the messages with
// which the supervisors joined. So no supervisor's wall clock decides anything.
type clock struct {
	wall, elapsed int64            // of the run's first record
	offsets       map[uint32]int64 // by supervisor
}

// canonical merges the lanes by time, made monotone in each lane, then by lane, then by their own
// order. The first record of lane 0 is the first of all, and the one that says so the last. Each
// record gets that time, so time never goes back in what comes out.
func canonical(c clock, lanes []lane) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		heads := make([]head, len(lanes))
		for i, l := range lanes {
			heads[i] = head{lane: l, key: c.elapsed}
			if err := heads[i].advance(c); err != nil {
				yield(nil, err)
				return
			}
		}
		latest := c.elapsed
		for first := true; ; first = false {
			h := earliest(heads, first)
			if h == nil {
				return
			}
			latest = max(latest, h.key)
			data, err := restamp(h.entry.payload, c.wall+latest-c.elapsed, latest)
			if err == nil {
				err = h.advance(c)
			}
			if !yield(data, err) || err != nil {
				return
			}
		}
	}
}

// head is the next record of a lane.
type head struct {
	lane  lane
	entry entry
	key   int64 // its time
	over  bool
}

// advance goes to the lane's next record.
func (h *head) advance(c clock) error {
	next, more, err := h.lane.next()
	if err != nil || !more {
		h.over = true
		return err
	}
	h.entry = next
	elapsed, err := elapsedOf(next.payload)
	if elapsed > 0 {
		h.key = max(h.key, elapsed+c.offsets[next.supervisor])
	}
	return err
}

// earliest returns the lane whose record is the next; nil if there is none.
func earliest(heads []head, first bool) *head {
	if first && !heads[0].over {
		return &heads[0]
	}
	var found *head
	for i := range heads {
		h := &heads[i]
		if !h.over && !h.entry.end && (found == nil || h.key < found.key) {
			found = h
		}
	}
	if found == nil && !heads[0].over {
		return &heads[0] // the end
	}
	return found
}

var errRecord = errors.New("a record does not decode")

// elapsedOf returns an encoded record's time on its supervisor's clock; 0 if it has none.
func elapsedOf(payload []byte) (int64, error) {
	for rest := payload; len(rest) > 0; {
		number, kind, n := protowire.ConsumeTag(rest)
		if n < 0 {
			return 0, errRecord
		}
		if number == elapsedField && kind == protowire.VarintType {
			v, m := protowire.ConsumeVarint(rest[n:])
			if m < 0 {
				return 0, errRecord
			}
			return int64(v), nil
		}
		m := protowire.ConsumeFieldValue(number, kind, rest[n:])
		if m < 0 {
			return 0, errRecord
		}
		rest = rest[n+m:]
	}
	return 0, nil
}

// restamp returns an encoded record with other times, and otherwise the same bytes.
func restamp(payload []byte, wall, elapsed int64) ([]byte, error) {
	out := make([]byte, 0, len(payload)+24)
	out = protowire.AppendTag(out, wallField, protowire.VarintType)
	out = protowire.AppendVarint(out, uint64(wall))
	for rest := payload; len(rest) > 0; {
		number, _, n := protowire.ConsumeField(rest)
		if n < 0 {
			return nil, errRecord
		}
		if number != wallField && number != elapsedField {
			out = append(out, rest[:n]...)
		}
		rest = rest[n:]
	}
	out = protowire.AppendTag(out, elapsedField, protowire.VarintType)
	return protowire.AppendVarint(out, uint64(elapsed)), nil
}
