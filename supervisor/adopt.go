package supervisor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"bulkhead/internal/child"
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/recovery"
	"bulkhead/supervisor/rundir"
)

// adopted is a handler that was kept from a supervisor before, with its client's connection.
type adopted struct {
	rundir.Rostered
	child   *child.Child
	session *processor // nil if the journal knows none
	// resumeAfter is the session's last durable message.
	resumeAfter uint64
}

// adoptAtOnce is how many handlers are adopted at the same time. Each has a deadline of
// its own, which it could not keep if hundreds shared the processors; and a few that hang
// do not hold up the others.
const adoptAtOnce = 16

// adopt adopts handlers concurrently. gone has what is wrong with those that could not be adopted;
// nothing is left of them.
func (s *Supervisor) adopt(ctx context.Context, list []rundir.Rostered) (kept []adopted, gone map[uint64]error) {
	gone = make(map[uint64]error)
	var mu sync.Mutex
	together(adoptAtOnce, list, func(h rundir.Rostered) {
		c, err := s.adoptOne(ctx, h)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			gone[h.Connection] = err
			return
		}
		kept = append(kept, adopted{Rostered: h, child: c})
	})
	return kept, gone
}

// together calls do for every element, at most so many at the same time, and returns when
// all calls have.
func together[T any](most int, list []T, do func(T)) {
	var all sync.WaitGroup
	slots := make(chan struct{}, most)
	for _, one := range list {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			do(one)
		})
	}
	all.Wait()
}

// adoptTimeout bounds what a handler may take to answer when it is adopted: all wait
// for the slowest of those that are adopted together.
const adoptTimeout = 5 * time.Second

// adoptOne adopts one handler and asks it what it is.
func (s *Supervisor) adoptOne(ctx context.Context, h rundir.Rostered) (*child.Child, error) {
	cfg := s.handlerConfig(s.state.Socks.Of(h.Child.SocketDir))
	cfg.StartTimeout = min(cfg.StartTimeout, adoptTimeout)
	c, err := child.Adopt(ctx, cfg, h.Child, s.cfg.Inherited.Held(h.Connection))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, adoptTimeout)
	defer cancel()
	is, err := bulkheadv1.NewHandlerServiceClient(c.Conn()).Probe(ctx, &bulkheadv1.ProbeRequest{})
	switch {
	case err != nil:
		err = fmt.Errorf("asking it what it is: %w", err)
	case is.GetProtocolVersion() != protocol.HandlerVersion:
		err = fmt.Errorf("it speaks version %d of the protocol; this supervisor speaks %d", is.GetProtocolVersion(),
			protocol.HandlerVersion)
	case is.GetConnectionId() != h.Connection:
		err = fmt.Errorf("it holds connection %d", is.GetConnectionId())
	default:
		return c, nil
	}
	c.Kill()
	return nil, &child.AdoptError{Child: c, Err: err}
}

// mourn records the handlers that did not outlive their supervisor, and tells the
// sessions that they served.
func (r *run) mourn(u *unfinished, kept []adopted, gone map[uint64]error) {
	byNumber := r.byNumber()
	alive := make(map[uint64]bool)
	for _, a := range kept {
		alive[a.Connection] = true
	}
	for _, h := range u.handlers {
		if _, attached := u.past.Open[h.Connection]; !attached && !alive[h.Connection] {
			u.past.Open[h.Connection] = recovery.Handler{Pid: int32(h.Child.Pid), Peer: h.Peer}
		}
	}
	for _, connection := range u.past.Orphans(alive) {
		was := u.past.Open[connection]
		exited := &bulkheadv1.HandlerExited{ConnectionId: connection, Session: was.Session, Peer: was.Peer}
		var frame []byte
		if exited.Exit, exited.AtWork, frame = r.cfg.Inherited.Death(connection); exited.Exit == nil {
			exited.Exit, exited.AtWork, frame = epitaph(int(was.Pid), gone[connection])
		}
		if err := r.roster.Remove(connection); err != nil {
			r.log.Error(err.Error())
		}
		rec := &bulkheadv1.Record{Entry: &bulkheadv1.Record_HandlerExited{HandlerExited: exited}}
		if was.Session == 0 {
			r.record(rec)
			continue
		}
		byNumber[was.Session].post(r.procCtx, note{kind: noteCut, told: &told{
			connection: connection, cause: "handler " + exited.GetExit().GetCause(),
			class: bulkheadv1.DetachClass_DETACH_CLASS_SUPERVISOR, frame: frame, exited: rec,
		}})
	}
	// The cut of a session may be missing although its handler's end is recorded. Where
	// it is not, this one comes too late to change anything.
	for connection, of := range u.past.Adrift() {
		if !alive[connection] {
			byNumber[of.Number].post(r.procCtx, note{kind: noteCut, told: &told{
				connection: connection, cause: "its handler ended with the supervisor",
				class: bulkheadv1.DetachClass_DETACH_CLASS_SUPERVISOR,
			}})
		}
	}
}

// epitaph returns how a handler ended that could not be adopted because of err; nil if it was no
// longer noted. frame is what it was at work on, if it was.
func epitaph(pid int, err error) (exit *bulkheadv1.ProcessExit, atWork bool, frame []byte) {
	var late *child.AdoptError
	if !errors.As(err, &late) {
		return &bulkheadv1.ProcessExit{
			Process: &bulkheadv1.Process{Pid: int32(pid)}, Class: bulkheadv1.ExitClass_EXIT_CLASS_ORPHANED,
			Cause: "ended while no supervisor was running",
		}, false, nil
	}
	end := late.Child.Exit()
	exit = end.Proto(nil)
	frame, atWork = late.Child.Box()
	if end.Class() == bulkheadv1.ExitClass_EXIT_CLASS_KILLED {
		exit.Class = bulkheadv1.ExitClass_EXIT_CLASS_HANG
		exit.Cause = strings.ToValidUTF8(fmt.Sprintf("hung: it could not be adopted: %v; killed", late.Err), "?")
	}
	return exit, atWork, frame
}
