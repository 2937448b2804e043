package supervisor

import (
	"context"
	"fmt"
	"os"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// progressEvery is how often a run says in the log how it goes.
const progressEvery = 5 * time.Second

// watch takes the samples for the rates, and logs progress, until ctx is done.
func (r *run) watch(ctx context.Context) {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	progress := time.NewTicker(progressEvery)
	defer progress.Stop()
	for {
		select {
		case <-second.C:
			for _, p := range r.processors() {
				p.live.tick()
			}
		case <-progress.C:
			r.logProgress()
		case <-ctx.Done():
			return
		}
	}
}

// logProgress says in one line how the run goes, if anybody is there.
func (r *run) logProgress() {
	var activeNow, awayNow, endedNow int
	var total counted
	var rate float64
	for _, p := range r.processors() {
		v := p.live.snapshot()
		switch {
		case v.phase == active:
			activeNow++
		case v.phase == away:
			awayNow++
		case v.phase.ended():
			endedNow++
		}
		total.add(v.total)
		rate += v.bytesPerSecond
	}
	if activeNow+awayNow == 0 {
		return
	}
	r.log.Info("progress", "active", activeNow, "away", awayNow, "ended", endedNow,
		"written", fmt.Sprintf("%.1f MB", float64(total.bytes)/1e6), "rate", fmt.Sprintf("%.1f MB/s", rate/1e6),
		"messages", total.messages, "errors", total.errors)
}

func (r *run) processors() []*processor {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*processor(nil), r.order...)
}

// status is a snapshot for the control API.
func (s *Supervisor) status(ctx context.Context) *bulkheadv1.StatusResponse {
	pool := s.pool.Counts(ctx)
	out := &bulkheadv1.StatusResponse{
		Pid: int32(os.Getpid()), Version: s.cfg.Version, Listen: s.listener.Addr().String(),
		NowUnixNano: time.Now().UnixNano(), ExpectedClients: uint32(s.cfg.Clients), State: "reporting",
		PoolReady: uint32(pool.ready), PoolStarting: uint32(pool.starting),
	}
	r := s.currentRun()
	if r == nil {
		return out
	}
	r.mu.Lock()
	cycle := r.cycle
	out.HandlersBusy = uint32(len(r.links))
	r.mu.Unlock()
	out.RunId, out.RunDir = r.id, r.dir
	out.StartedUnixNano = r.started.UnixNano()
	out.JoinedClients = uint32(cycle.joined)
	out.AcceptedConnections, out.RejectedConnections = r.accepted.Load(), r.refused.Load()
	out.State = cycle.String()
	for _, p := range r.processors() {
		out.Sessions = append(out.Sessions, p.status())
	}
	return out
}

// String is the state of the run as status shows it.
func (l *lifecycle) String() string {
	switch {
	case l.draining:
		return "draining"
	case l.open == 0 && l.joined < l.expected:
		return "waiting"
	default:
		return "running"
	}
}

func (p *processor) status() *bulkheadv1.SessionStatus {
	v := p.live.snapshot()
	out := &bulkheadv1.SessionStatus{
		SessionId: p.id, Name: p.hello.GetName(), Host: p.hello.GetHost(), State: v.phase.String(), Cause: v.cause,
		HandlerPid: int32(v.handlerPid), Peer: v.peer, DurableSeq: v.total.messages,
		Bytes: v.total.bytes, Chunks: v.total.chunks, Errors: v.total.errors,
		BytesPerSecond: v.bytesPerSecond, MessagesPerSecond: v.msgsPerSecond, Resumes: v.resumes,
	}
	if !v.lastMessage.IsZero() {
		out.LastMessageUnixNano = v.lastMessage.UnixNano()
	}
	return out
}
