package supervisor

import (
	"math"
	"time"

	"bulkhead/internal/failpoint"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/portion"
	"bulkhead/supervisor/recovery"
)

// How the rate of a fleet is divided over the clients of a job's run: package portion says who gets what, and
// the rest is as with the gather of a run. A division is durable before anybody is told of it.

// divideEvery is how often the rate is divided at most: clients that end together are one change.
const divideEvery = time.Second

// dividing is what a run knows of its fleet's rate.
type dividing struct {
	due chan struct{} // holds a token when the rate may have to be divided
	// rate is nil in a run without.
	rate *bulkheadv1.FleetRate

	set       *portion.Set                    // guarded by run.mu
	consumers map[string]uint32               // guarded by run.mu; of the clients of the job, by name
	newest    *bulkheadv1.RateDivided         // guarded by run.mu; the last that is durable; nil before the first
	parts     map[string]*bulkheadv1.RatePart // guarded by run.mu; of newest, by name
	last      time.Time                       // guarded by run.mu; when that was
	waits     bool                            // guarded by run.mu; it is looked again when divideEvery has passed
}

// newDividing returns how the rate of a job is divided.
func newDividing(job *bulkheadv1.JobStarted) dividing {
	d := dividing{due: make(chan struct{}, 1), rate: job.GetFleetRate(), consumers: make(map[string]uint32)}
	d.set = portion.New(rateOf(d.rate))
	if d.rate == nil {
		return d
	}
	for _, c := range job.GetClients() {
		d.expect(c)
	}
	return d
}

// expect adds a client of the job. run.mu is held, or nobody else has the run yet.
func (d *dividing) expect(c *bulkheadv1.JobClient) {
	d.consumers[c.GetClient()] = max(c.GetConsumers(), 1)
	d.set.Expect(portion.Member{Name: c.GetClient(), Consumers: c.GetConsumers()})
}

// rateOf returns a rate as package portion has it.
func rateOf(r *bulkheadv1.FleetRate) portion.Rate {
	return portion.Rate{Bytes: r.GetBytesPerSecond(), Chunks: uint64(math.Round(r.GetChunksPerSecond() * 1000))}
}

// divideDue has the operator look whether the rate is to be divided.
func (r *run) divideDue() {
	if r.dividing.rate == nil {
		return
	}
	select {
	case r.dividing.due <- struct{}{}:
	default:
	}
}

// divideHears tells what happened to a client to the rate that has a part for it.
func (p *processor) divideHears(tell func(*portion.Set, portion.Member)) {
	d := &p.run.dividing
	if d.rate == nil || p.hello.GetResent() {
		return
	}
	p.run.mu.Lock()
	consumers, has := d.consumers[p.hello.GetName()]
	if has {
		tell(d.set, portion.Member{Name: p.hello.GetName(), Consumers: consumers})
	}
	p.run.mu.Unlock()
	if has {
		p.run.divideDue()
	}
}

// divideStep tells that the session is in another phase now. One that is away keeps its part.
func (p *processor) divideStep(now phase) {
	switch {
	case now == active && !p.live.snapshot().total.Stopped:
		p.divideHears(func(s *portion.Set, m portion.Member) { s.Join(p.number, m) })
	case now.ended():
		p.divideHears(func(s *portion.Set, m portion.Member) { s.Out(p.number, m.Name) })
	}
}

// divideStopped tells that the session's load is over.
func (p *processor) divideStopped() {
	p.divideHears(func(s *portion.Set, m portion.Member) { s.Out(p.number, m.Name) })
}

// divideMissing takes the parts of clients that have not come, and that are not waited for any more.
func (r *run) divideMissing(missing []*bulkheadv1.GatherMissing) {
	if r.dividing.rate == nil {
		return
	}
	r.mu.Lock()
	for _, m := range missing {
		if m.GetSession() == 0 && m.GetName() != "" {
			r.dividing.set.Missing(m.GetName())
		}
	}
	r.mu.Unlock()
	r.divideDue()
}

// divide divides the rate, makes that durable and tells the clients, if it is due. It reports whether
// the journal takes records.
func (r *run) divide() bool {
	d := &r.dividing
	r.mu.Lock()
	if d.rate == nil || !d.set.Due() {
		r.mu.Unlock()
		return true
	}
	if wait := divideEvery - time.Since(d.last); d.newest != nil && wait > 0 {
		if !d.waits {
			d.waits = true
			r.uptime.After(wait, r.divideAgain)
		}
		r.mu.Unlock()
		return true
	}
	parts := d.set.Parts()
	rec := &bulkheadv1.RateDivided{Division: d.newest.GetDivision() + 1, Rate: d.rate}
	r.mu.Unlock()
	for _, p := range parts {
		rec.Parts = append(rec.Parts, &bulkheadv1.RatePart{Client: p.Name, Consumers: p.Consumers,
			BytesPerSecond: p.Bytes, ChunksPerSecond: float64(p.Chunks) / 1000})
	}
	failpoint.Hit("supervisor/before-rate-divided")
	if !r.record(&bulkheadv1.Record{Entry: &bulkheadv1.Record_RateDivided{RateDivided: rec}}) {
		return false // the run ends
	}
	failpoint.Hit("supervisor/after-rate-divided")
	r.mu.Lock()
	d.set.Divided(parts)
	d.divided(rec)
	sessions := append([]*processor(nil), r.order...)
	r.mu.Unlock()
	r.log.Info("the fleet's rate is divided", "division", rec.GetDivision(), "clients", len(parts))
	for _, p := range sessions {
		p.post(r.procCtx, note{kind: noteShare})
	}
	r.divideDue() // others may have come or gone meanwhile
	return true
}

// divideAgain looks again when divideEvery has passed.
func (r *run) divideAgain() {
	r.mu.Lock()
	r.dividing.waits = false
	r.mu.Unlock()
	r.divideDue()
}

// divided takes the newest division. run.mu is held, or nobody else has the run yet.
func (d *dividing) divided(rec *bulkheadv1.RateDivided) {
	d.newest, d.last, d.parts = rec, time.Now(), make(map[string]*bulkheadv1.RatePart)
	for _, part := range rec.GetParts() {
		d.parts[part.GetClient()] = part
	}
}

// passShare tells the client its part of the newest division, if it has one.
func (p *processor) passShare(l *link) {
	d := &p.run.dividing
	if l == nil || d.rate == nil || p.hello.GetResent() || p.phase != active && p.phase != fresh {
		return
	}
	p.run.mu.Lock()
	part, division := d.parts[p.hello.GetName()], d.newest.GetDivision()
	p.run.mu.Unlock()
	if part == nil {
		return
	}
	failpoint.Hit("supervisor/before-rate-share-sent")
	l.send.put(&bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_RateShare{
		RateShare: &bulkheadv1.RateShare{Division: division, BytesPerSecond: part.GetBytesPerSecond(),
			ChunksPerSecond: part.GetChunksPerSecond()}}})
	failpoint.Hit("supervisor/after-rate-share-sent")
}

// redivide goes on with the rate as the journal has it. Nobody else has r yet.
func (r *run) redivide(past *recovery.Past) {
	d := &r.dividing
	if d.rate == nil {
		return
	}
	if past.Rate != nil {
		d.set = portion.New(rateOf(d.rate))
		var parts []portion.Part
		for _, part := range past.Rate.GetParts() {
			m := portion.Member{Name: part.GetClient(), Consumers: part.GetConsumers()}
			d.set.Expect(m)
			parts = append(parts, portion.Part{Member: m})
		}
		d.set.Divided(parts)
		d.divided(past.Rate)
	}
	if past.Gathered.GetHow() == bulkheadv1.GatherEnd_GATHER_END_SHORT {
		r.divideMissing(past.Gathered.GetMissing())
	}
	for _, was := range past.InOrder() {
		p := r.sessions[string(was.Hello.GetClientId())]
		if p.hello.GetResent() {
			continue
		}
		consumers, has := d.consumers[p.hello.GetName()]
		if !has {
			continue
		}
		d.set.Join(p.number, portion.Member{Name: p.hello.GetName(), Consumers: consumers})
		if was.Total.Stopped || p.phase.ended() {
			d.set.Out(p.number, p.hello.GetName())
		}
	}
	r.divideDue()
}
