package web

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	// eventEvery is the time between two events.
	eventEvery = time.Second
	// maxSubscribers listen to events at the same time, and maxPerSource from one source. One more takes the
	// place of one of the source that has most, if its own has fewer all the same.
	maxSubscribers, maxPerSource = 32, 8
	// eventTimeout is how long a browser may take none of an event.
	eventTimeout = 5 * time.Second
	// maxEventSessions are in an event: it is sent every second. maxStatusSessions are in a status
	// that somebody asks for.
	maxEventSessions, maxStatusSessions = 1000, 10_000
)

// hub makes events and gives each to everybody who listens. One goroutine, Run, owns
// who listens; a subscriber holds the newest event alone, so that nobody waits for it.
type hub struct {
	source Source
	each   shares // of each source; in all it is Run that bounds
	join   chan *subscriber
	leave  chan *subscriber
	over   chan struct{} // closed when all runs are over
	gone   chan struct{} // closed when nobody listens after that
	done   chan struct{} // closed when Run has ended

	listening atomic.Int64
	skipped   atomic.Uint64 // events that somebody was too slow for
	dropped   atomic.Uint64 // subscribers that took nothing
}

// subscriber is somebody who listens.
type subscriber struct {
	source netip.Addr
	number uint64      // in the order in which they came; Run's
	newest chan []byte // holds one event
	full   bool        // written by Run before taken is closed: there are too many
	taken  chan struct{}
	out    chan struct{} // closed by Run when another one has its place
}

func newHub(source Source) *hub {
	return &hub{source: source, each: shares{most: maxConnections, each: maxPerSource},
		join: make(chan *subscriber), leave: make(chan *subscriber),
		over: make(chan struct{}), gone: make(chan struct{}), done: make(chan struct{})}
}

// Run makes events while somebody listens, until ctx is done.
func (h *hub) Run(ctx context.Context) {
	defer close(h.done)
	again := time.NewTicker(eventEvery)
	defer again.Stop()
	all := make(map[*subscriber]struct{})
	came := uint64(0)
	firsts := newPaced(func() ([]byte, error) { return h.event(ctx), nil })
	over, ending := h.over, false
	for {
		if ending && len(all) == 0 {
			close(h.gone)
			ending = false // they can only have gone once
		}
		select {
		case s := <-h.join:
			if s.full = over == nil || len(all) >= maxSubscribers && !displace(all, s.source); !s.full {
				came++
				s.number = came
				all[s] = struct{}{}
				first, _ := firsts.get() // never an error
				s.newest <- first        // there is room
			}
			close(s.taken)
		case s := <-h.leave:
			delete(all, s)
		case <-again.C:
			if len(all) == 0 {
				continue
			}
			e := h.event(ctx)
			for s := range all {
				h.give(s, e)
			}
		case <-over:
			over, ending = nil, true
		case <-ctx.Done():
			return
		}
		h.listening.Store(int64(len(all)))
	}
}

// displace takes the place of the subscriber that came last of the source that has most of them, for one of a source
// that has fewer all the same then, and reports whether it did. So nobody is shut out by a few addresses, and no
// two take places from each other in turn.
func displace(all map[*subscriber]struct{}, source netip.Addr) bool {
	of := make(map[netip.Addr]int)
	for s := range all {
		of[s.source]++
	}
	var last *subscriber
	for s := range all {
		if last == nil || of[s.source] > of[last.source] ||
			of[s.source] == of[last.source] && s.number > last.number {
			last = s
		}
	}
	if last == nil || of[last.source] < of[source]+2 {
		return false
	}
	delete(all, last)
	close(last.out)
	return true
}

// give replaces the event that a subscriber has not taken yet.
func (h *hub) give(s *subscriber, e []byte) {
	select {
	case <-s.newest:
		h.skipped.Add(1)
	default:
	}
	s.newest <- e // there is room: nobody else puts one in
}

// event returns the status as a server-sent event.
func (h *hub) event(ctx context.Context) []byte {
	data, err := statusJSON(bounded(h.source.Status(ctx), maxEventSessions))
	if err != nil { // there is no status that cannot be encoded
		return fmt.Appendf(nil, ": %v\n\n", err)
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "event: status\ndata: %s\n\n", data)
	return out.Bytes()
}

// statusJSON returns a status as JSON in one line, in the same form as `bulkhead supervisor
// status --json` prints.
func statusJSON(s *bulkheadv1.StatusResponse) ([]byte, error) {
	return protojson.MarshalOptions{EmitUnpopulated: true, UseProtoNames: true}.Marshal(s)
}

// bounded returns a status with no more than so many sessions; those that have ended are left out
// first.
func bounded(s *bulkheadv1.StatusResponse, most int) *bulkheadv1.StatusResponse {
	if len(s.GetSessions()) <= most {
		return s
	}
	out := proto.CloneOf(s)
	slices.SortStableFunc(out.Sessions,
		func(a, b *bulkheadv1.SessionStatus) int { return cmp.Compare(over(a), over(b)) })
	out.SessionsLeftOut = uint32(len(out.Sessions) - most)
	out.Sessions = out.Sessions[:most]
	slices.SortFunc(out.Sessions, func(a,
		b *bulkheadv1.SessionStatus) int {
		return cmp.Compare(a.GetSession(), b.GetSession())
	})
	return out
}

// over returns 1 for a session that has ended, else 0.
func over(s *bulkheadv1.SessionStatus) int {
	if s.GetSessionState() >= bulkheadv1.SessionState_SESSION_STATE_CLOSED {
		return 1
	}
	return 0
}

// errFull says that too many listen.
var errFull = errors.New("too many are watching; try again later")

// subscribe begins to listen; the caller calls unsubscribe. It returns errFull when too
// many do.
func (h *hub) subscribe(ctx context.Context, source netip.Addr) (*subscriber, error) {
	s := &subscriber{source: source, newest: make(chan []byte, 1), taken: make(chan struct{}),
		out: make(chan struct{})}
	select {
	case h.join <- s:
	case <-h.done:
		return nil, errors.New("the supervisor is ending")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	<-s.taken
	if s.full {
		return nil, errFull
	}
	return s, nil
}

func (h *hub) unsubscribe(s *subscriber) {
	select {
	case h.leave <- s:
	case <-h.done:
	}
}

// ServeHTTP sends events until the browser has gone, takes no more, or Run ends,
// which it is told; it is also told when all runs are over, so that it can load the last
// report and go.
func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const eventStream = "text/event-stream; charset=utf-8"
	if r.Method == http.MethodHead {
		w.Header().Set("Content-Type", eventStream)
		return
	}
	back := h.each.take(sourceOf(r.RemoteAddr))
	if back == nil {
		w.Header().Set("Retry-After", "5")
		http.Error(w, "too many are watching from this address; try again later", http.StatusServiceUnavailable)
		return
	}
	defer back()
	s, err := h.subscribe(r.Context(), sourceOf(r.RemoteAddr))
	if err != nil {
		w.Header().Set("Retry-After", "5")
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	defer h.unsubscribe(s)
	w.Header().Set("Content-Type", eventStream)
	send := func(event []byte) bool {
		c := http.NewResponseController(w)
		err := c.SetWriteDeadline(time.Now().Add(eventTimeout))
		if err == nil {
			_, err = w.Write(event)
		}
		if err == nil {
			err = c.Flush()
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			h.dropped.Add(1)
		}
		return err == nil
	}
	if !send([]byte("retry: 1000\n\n")) { // milliseconds until a browser that lost us comes back
		return
	}
	over := h.over
	for {
		select {
		case <-over:
			if over = nil; !send([]byte("event: over\ndata: {}\n\n")) {
				return
			}
		case event := <-s.newest:
			if !send(event) {
				return
			}
		case <-s.out:
			return
		case <-r.Context().Done():
			return
		case <-h.done:
			send([]byte("event: end\ndata: {}\n\n"))
			return
		}
	}
}
