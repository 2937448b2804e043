package jetstream

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"

	"bulkhead/internal/boottime"
	"bulkhead/internal/frame"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/cluster"
)

// The headers of messages. All have an id, a kind and the supervisor that sent them, and the engine's
// own expectedHeader: what is before them on their subject.
const (
	expectedHeader = "Nats-Expected-Last-Subject-Sequence"

	idHeader         = "Bulkhead-Id"
	kindHeader       = "Bulkhead-Kind"
	supervisorHeader = "Bulkhead-Supervisor"

	// Of a session's head.
	sessionHeader     = "Bulkhead-Session"
	epochHeader       = "Bulkhead-Epoch"
	connectionHeader  = "Bulkhead-Connection"
	attachesHeader    = "Bulkhead-Attaches"
	durableHeader     = "Bulkhead-Durable"
	phaseHeader       = "Bulkhead-Phase"
	poisonHeader      = "Bulkhead-Poison"
	poisonAfterHeader = "Bulkhead-Poison-After"
	stateHeader       = "Bulkhead-State"

	// Of a register: whom the message is about, and the counts behind it.
	clientHeader = "Bulkhead-Client"
	openedHeader = "Bulkhead-Opened"
	endedHeader  = "Bulkhead-Ended"
	sealedHeader = "Bulkhead-Sealed"

	// Of a run's course.
	supervisorsHeader = "Bulkhead-Supervisors"
	shardsHeader      = "Bulkhead-Shards"
	elapsedHeader     = "Bulkhead-Elapsed" // the clock that is never set, as a supervisor joined
	bootHeader        = "Bulkhead-Boot"
	cutHeader         = "Bulkhead-Cut" // the last sequence of each shard that is of the run
	sumHeader         = "Bulkhead-Sha256"
)

// The kinds of messages.
const (
	kindClaim    = "claim"    // a session is opened
	kindAppend   = "append"   // a session's records
	kindOpened   = "opened"   // a register: a client is new
	kindEnded    = "ended"    // a register: a session has its outcome; the course: the run has its end
	kindSealed   = "sealed"   // a register: no more clients
	kindJoined   = "joined"   // the course: a supervisor has come
	kindLeft     = "left"     // the course: it has gone, in order
	kindReported = "reported" // the course: the sum of what was exported
	kindNote     = "note"     // facts of no session
)

// maxHeaderBytes is room for all headers of a message: State is the only long one.
const maxHeaderBytes = cluster.MaxStateBytes*4/3 + 16<<10

// message is one message that is to be stored.
type message struct {
	stream, subject string
	header          nats.Header
	payload         []byte
}

func (m message) id() string { return m.header.Get(idHeader) }

// stored is a message as the engine has it. The zero value is none.
type stored struct {
	subject string
	seq     uint64
	header  nats.Header
	payload []byte
	time    time.Time // when the engine took it
}

func (s stored) kind() string { return s.header.Get(kindHeader) }

// number returns a number in a header; 0 if there is none.
func (s stored) number(name string) uint64 {
	v, _ := strconv.ParseUint(s.header.Get(name), 10, 64)
	return v
}

// put sets the headers of a session's head.
func setHead(header nats.Header, h cluster.Head) {
	header.Set(sessionHeader, decimal(h.Session))
	header.Set(epochHeader, decimal(h.Epoch))
	header.Set(supervisorHeader, decimal(h.Supervisor))
	header.Set(connectionHeader, decimal(h.Connection))
	header.Set(attachesHeader, decimal(h.Attaches))
	header.Set(durableHeader, decimal(h.Durable))
	header.Set(phaseHeader, decimal(uint32(h.Phase)))
	header.Set(poisonHeader, decimal(h.Poison))
	header.Set(poisonAfterHeader, decimal(h.PoisonAfter))
	if len(h.State) > 0 {
		header.Set(stateHeader, base64.StdEncoding.EncodeToString(h.State))
	}
}

// head returns the head that a session's message has.
func (s stored) head() (h cluster.Head, err error) {
	h = cluster.Head{
		Session: uint32(s.number(sessionHeader)), Epoch: s.number(epochHeader),
		Supervisor: uint32(s.number(supervisorHeader)), Connection: s.number(connectionHeader),
		Attaches: uint32(s.number(attachesHeader)), Durable: s.number(durableHeader),
		Phase:  bulkheadv1.SessionState(s.number(phaseHeader)),
		Poison: uint32(s.number(poisonHeader)), PoisonAfter: s.number(poisonAfterHeader),
	}
	if h.Session == 0 || h.Epoch == 0 || h.Supervisor == 0 {
		return h, fmt.Errorf("message %d of %s has no head", s.seq, s.subject)
	}
	if state := s.header.Get(stateHeader); state != "" {
		h.State, err = base64.StdEncoding.DecodeString(state)
	}
	return h, err
}

// encode returns each record's frame, and dates those that have no date.
func encode(recs []*bulkheadv1.Record) ([][]byte, error) {
	now := time.Now()
	frames := make([][]byte, 0, len(recs))
	for _, rec := range recs {
		if rec.GetTimeUnixNano() == 0 {
			rec.TimeUnixNano, rec.ElapsedNano = now.UnixNano(), boottime.At(now)
		}
		if rec.GetEntry() == nil || rec.WriteBegin != nil {
			return nil, fmt.Errorf("%w: a record has no entry, or a write_begin", cluster.ErrRefused)
		}
		data, err := proto.MarshalOptions{Deterministic: true}.Marshal(rec)
		if err != nil {
			return nil, fmt.Errorf("%w: encoding: %w", cluster.ErrRefused, err)
		}
		frames = append(frames, frame.Append(nil, data))
	}
	return frames, nil
}

// divide returns how many of the frames go into each message, so that none is longer than limit.
func divide(frames [][]byte, limit int) (counts []int, err error) {
	count, size := 0, 0
	for _, f := range frames {
		if len(f) > limit {
			return nil, fmt.Errorf("%w: a record takes %d bytes, and a message of the engine at most %d: "+
				"see max_payload", cluster.ErrRefused, len(f), limit)
		}
		if size+len(f) > limit {
			counts, count, size = append(counts, count), 0, 0
		}
		count, size = count+1, size+len(f)
	}
	return append(counts, count), nil
}

// errFrame says that what a message holds are no frames, or damaged ones.
var errFrame = errors.New("its records are damaged")

// payloads returns the encoded records of a message.
func payloads(data []byte) (list [][]byte, err error) {
	for len(data) > 0 {
		if len(data) < frame.HeaderBytes {
			return nil, errFrame
		}
		header, rest := data[:frame.HeaderBytes], data[frame.HeaderBytes:]
		length := int(frame.Length(header))
		if length == 0 || length > len(rest) || !frame.Matches(header, rest[:length]) {
			return nil, errFrame
		}
		list, data = append(list, rest[:length]), rest[length:]
	}
	return list, nil
}
