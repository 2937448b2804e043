package supervisor

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"bulkhead/internal/protocol"
	"bulkhead/internal/reason"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/cluster"
	"bulkhead/supervisor/door"
	"bulkhead/supervisor/identity"
	"bulkhead/supervisor/raw"
	"bulkhead/supervisor/share"
)

// told returns the limits, and the times, that a client is told.
func (r *run) told() *bulkheadv1.Limits {
	l := r.cfg.limits()
	l.GraceNano, l.SilenceNano = max(int64(r.cfg.Session.Grace), 1), int64(r.cfg.Session.ClientTimeout)
	return l
}

// shares returns what sessions may send of it, together and each.
func (c Config) shares() share.Limits {
	return share.Limits{
		Bytes: float64(c.Session.ByteRate), Messages: float64(c.Session.MessageRate),
		All: float64(c.Overload.JournalShare) / 100 * float64(runtime.GOMAXPROCS(0)),
	}
}

// limits returns what clients may send.
func (c Config) limits() *bulkheadv1.Limits {
	return &bulkheadv1.Limits{
		MaxFrameBytes:     uint32(c.Session.MaxFrame),
		MaxBatchMessages:  uint32(c.Session.MaxBatch),
		MaxUnackedBatches: uint32(c.Session.MaxUnackedBatches),
	}
}

// admit lets a client in, to a new session or its own, or tells it why not. One whose
// connection is kept from before a restart was let in then: what is asked for may be another by
// now.
func (r *run) admit(ctx context.Context, l *link, hello *bulkheadv1.Hello) {
	known := l.processor.Load()
	if known != nil {
		l.who = r.owner(known)
	} else if !r.identify(l, hello) || r.elsewhere(l, hello) {
		return
	}
	p, no := r.session(l, hello)
	switch {
	case p == nil && no.retryAfter > 0:
		r.shedClient(l, no)
		return
	case p == nil:
		r.rejectClient(l, hello, *no)
		return
	}
	if known := l.processor.Swap(p); known != nil && known != p {
		l.processor.Store(known)
		l.distrust(fmt.Errorf("%w: the handler sent the Hello of another session", raw.ErrLied))
		return
	}
	r.becomeLatest()
	l.log = l.log.With("client", p.hello.GetName())
	// The session counts as joined, so the processor must hear of it even if the link
	// is dropped at this moment.
	p.post(context.WithoutCancel(ctx), note{kind: noteConnected, link: l})
}

// awaitShare waits until the journal may take a Hello, which can be as large as a frame. Only those
// of new sessions are journalled.
func (r *run) awaitShare(ctx context.Context, l *link, hello *bulkheadv1.Hello) error {
	r.mu.Lock()
	known := r.sessions[string(hello.GetClientId())] != nil
	r.mu.Unlock()
	if known {
		return nil
	}
	return r.newcomers.Take(ctx, sourceOf(l.peer), share.Load{Batches: 1, Messages: 1, Bytes: proto.Size(hello)})
}

// rejectClient refuses a client that has said who it is.
func (r *run) rejectClient(l *link, hello *bulkheadv1.Hello, why answer) {
	r.reject(l, claimant{hello, true, why.reason}, why.text)
	l.finish(why)
}

// retryNextRun is when a client should come again that came between two runs.
const retryNextRun = time.Second

// session returns the client's session, which it begins if the client is new, or
// why it cannot: with a time after which the client may come again, or for good.
func (r *run) session(l *link, hello *bulkheadv1.Hello) (*processor, *answer) {
	who := l.who
	r.mu.Lock()
	for r.opening[string(hello.GetClientId())] != nil { // by another connection of it
		opened := r.opening[string(hello.GetClientId())]
		r.mu.Unlock()
		<-opened
		r.mu.Lock()
	}
	p, no := r.sessionNow(l, hello)
	if p != nil || no != nil || r.engine == nil {
		defer r.mu.Unlock()
		if p == nil && no == nil {
			p, no = r.begins(hello, who)
		}
		return p, no
	}
	opened := make(chan struct{})
	r.opening[string(hello.GetClientId())] = opened
	r.cycle.sessionBegan() // nothing ends meanwhile
	r.mu.Unlock()
	defer close(opened)
	return r.beginsOnEngine(hello, who)
}

// sessionNow returns the client's session if it has one, or why it cannot have one; neither if it may
// begin one. r.mu is held.
func (r *run) sessionNow(l *link, hello *bulkheadv1.Hello) (*processor, *answer) {
	who := l.who
	if r.leaving { // opening it would take it back
		no := r.isElsewhere()
		return nil, &no
	}
	if p := r.sessions[string(hello.GetClientId())]; p != nil {
		if no := r.sessionOfAnother(p, who); no != nil {
			return nil, no
		}
		if no := l.returned(p); no != nil {
			return nil, &answer{reason: bulkheadv1.Reason_REASON_OVERLOADED, text: no.Why, retryAfter: no.RetryAfter}
		}
		return p, nil
	}
	if p := r.shown[string(hello.GetClientId())]; p != nil {
		return nil, wrongIdentity("the client id is what reports show of session %d; the id itself is a secret",
			p.number)
	}
	if l.ticket.OnlyReturns() {
		return nil, &answer{reason: bulkheadv1.Reason_REASON_OVERLOADED,
			text: "too many connections have not said Hello, and the places that are left are for clients that come " +
				"back", retryAfter: door.RetryStartups}
	}
	if wrong := protocol.CheckNewName(hello.GetName()); wrong != nil {
		return nil, &answer{code: codes.InvalidArgument, reason: bulkheadv1.Reason_REASON_FIELD_INVALID,
			about: map[string]string{reason.Field: wrong.Field}, text: wrong.Text}
	}
	if no := r.nameOfAnother(hello.GetName(), who); no != nil {
		return nil, no
	}
	if id := r.ids[hello.GetName()]; id != nil && subtle.ConstantTimeCompare(id, hello.GetClientId()) == 0 {
		return nil, wrongIdentity("the name %q is that of a client that an agent starts for the run's job; this is "+
			"another", hello.GetName())
	}
	if _, has := r.elsewhereNames[string(hello.GetClientId())]; r.closing && (!has || r.endsFor != "") {
		if r.cfg.KeepRunning && r.drained == "" {
			return nil, &answer{reason: bulkheadv1.Reason_REASON_RUN_CHANGING,
				text: "the run is ending; the next one begins at once", retryAfter: retryNextRun}
		}
		return nil, &answer{code: codes.FailedPrecondition, reason: bulkheadv1.Reason_REASON_RUN_ENDING,
			text: "the run is ending; it takes no new clients"}
	}
	if most := r.cfg.Overload.MaxClients; !r.makesRoom(hello.GetName()) {
		return nil, &answer{reason: bulkheadv1.Reason_REASON_OVERLOADED,
			text:       fmt.Sprintf("the supervisor serves max_clients=%d clients already", most),
			retryAfter: door.RetryClients}
	}
	if away, _ := r.gate.Away(netip.Addr{}); !r.pool.Spares(away) {
		r.pool.Threads.Refused.Add(1)
		no := r.scarceThreads()
		return nil, &answer{reason: bulkheadv1.Reason_REASON_OVERLOADED, text: no.Why, retryAfter: no.RetryAfter}
	}
	hello.Token = "" // it is for nobody else
	return nil, nil
}

// newcomer returns what a client begins its session with.
func newcomer(hello *bulkheadv1.Hello, who *bulkheadv1.Identity) cluster.Hello {
	return cluster.Hello{Client: hello.GetClientId(), Opened: &bulkheadv1.SessionOpened{Hello: hello, Identity: who}}
}

// begins begins a client's session, for which the file waits for nothing. r.mu is held.
func (r *run) begins(hello *bulkheadv1.Hello, who *bulkheadv1.Identity) (*processor, *answer) {
	book, head, err := r.book.Open(context.Background(), newcomer(hello, who))
	if err != nil { // the file has no reason, and the run ends with it
		return nil, r.notBegun(err)
	}
	return r.enters(book, head, hello, who), nil
}

// notBegun returns what a client is told whose session the journal did not open.
func (r *run) notBegun(err error) *answer {
	switch {
	case errors.Is(err, cluster.ErrEnded):
		return &answer{code: codes.FailedPrecondition, reason: bulkheadv1.Reason_REASON_RUN_ENDING,
			text: "the run is ending; it takes no new clients"}
	case errors.Is(err, cluster.ErrRefused):
		return &answer{code: codes.FailedPrecondition, reason: bulkheadv1.Reason_REASON_CONNECTION_REFUSED,
			text: err.Error()}
	}
	r.durable(err)
	return &answer{code: codes.Unavailable, reason: bulkheadv1.Reason_REASON_RUN_CHANGING, text: err.Error(),
		retryAfter: retryNextRun}
}

// enters lets a session in that was opened. r.mu is held.
func (r *run) enters(book cluster.Log, head cluster.Head, hello *bulkheadv1.Hello,
	who *bulkheadv1.Identity) *processor {
	p := newProcessor(r, head.Session, fmt.Sprintf("s%d", head.Session), hello)
	p.book, p.who, p.begins = book, who, r.gathering.begins
	r.join(p)
	r.list(p)
	r.wait()
	r.procs.Go(func() { p.Run(r.procCtx) })
	r.wake()
	return p
}

// beginsOnEngine does what begins does, and waits for the engine. What the run has come to meanwhile the
// session is told, which was not there to hear it.
func (r *run) beginsOnEngine(hello *bulkheadv1.Hello, who *bulkheadv1.Identity) (*processor, *answer) {
	book, head, err := r.book.Open(context.Background(), newcomer(hello, who))
	var p *processor
	var no *answer
	if err != nil {
		no = r.notBegun(err)
	} else if head.Epoch > 1 && (head.Connection > 0 || head.Durable > 0 || head.Ended()) {
		p, no = r.moves(book, head, hello)
	}
	r.mu.Lock()
	switch {
	case p == nil && no == nil:
		delete(r.opening, string(hello.GetClientId()))
		r.cycle.sessionEnded()
		p = r.enters(book, head, hello, who)
		defer r.brief(p)()
	case p != nil: // another supervisor had it
		no = r.sessionOfAnother(p, who)
		r.letIn(string(hello.GetClientId()), p)
		defer r.brief(p)()
		// Whoever comes now, the connection that it had counts no more; it is told first.
		defer p.post(r.procCtx, p.cutElsewhere())
	default:
		r.letIn(string(hello.GetClientId()), nil)
	}
	r.mu.Unlock()
	r.wake()
	if no != nil {
		return nil, no
	}
	return p, nil
}

// moves returns the session of a client that another supervisor has had, and that was opened, or what the client
// is told.
func (r *run) moves(book cluster.Log, head cluster.Head, hello *bulkheadv1.Hello) (*processor, *answer) {
	p, err := r.continues(book, head, hello.GetClientId())
	if err == nil {
		return p, nil
	}
	no := r.isElsewhere()
	if !errors.Is(err, cluster.ErrMoved) { // the client comes again, and the run goes on
		no = answer{code: codes.Unavailable, reason: bulkheadv1.Reason_REASON_RUN_CHANGING, text: err.Error(),
			retryAfter: retryNextRun}
		r.log.Error("a session of another supervisor cannot be read", "session", head.Session, "error", err)
	}
	return nil, &no
}

// brief returns what tells a session that is listed now what the run has come to, which it was not there to hear.
// r.mu is held, and not as that is called.
func (r *run) brief(p *processor) func() {
	drained, until, over := r.drained, r.drainBy, r.endsFor
	return func() {
		if drained != "" {
			p.post(r.procCtx, note{kind: noteDrain, told: &told{cause: drained, until: until}})
		}
		if over != "" {
			p.post(r.procCtx, note{kind: noteRunOver, told: &told{cause: over}})
		}
	}
}

// claimant is who wanted to become a client and did not, as far as that can be told.
type claimant struct {
	hello  *bulkheadv1.Hello // nil if none could be read
	client bool              // it was no port scan, health check or other program
	code   bulkheadv1.Reason
}

// claimant returns who was at the other end of a connection that became no session's.
func (l *link) claimant() claimant {
	c := claimant{hello: l.end.GetHello(), code: l.end.GetReason()}
	switch l.end.GetClass() {
	case bulkheadv1.EndClass_END_CLASS_PROTOCOL, bulkheadv1.EndClass_END_CLASS_LIMIT,
		bulkheadv1.EndClass_END_CLASS_VERSION:
		c.client = l.end.GetCollecting()
	}
	return c
}

// reject journals a connection that became no session's; once for each link.
func (r *run) reject(l *link, who claimant, why string) {
	if l.refused {
		return
	}
	l.refused = true
	r.refused.Add(1)
	pid := 0
	if l.child != nil {
		pid = l.child.Pid()
	}
	h := who.hello
	why, name := clipped(why), clipped(h.GetName())
	r.rejected.Log(l.log, why, name)
	r.record(
		&bulkheadv1.Record{Entry: &bulkheadv1.Record_ConnectionRejected{
			ConnectionRejected: &bulkheadv1.ConnectionRejected{
				ConnectionId: l.id, Peer: l.peer, HandlerPid: int32(pid), Reason: why, ClientName: name,
				Client: who.client, ClientId: h.GetClientId()[:min(len(h.GetClientId()), protocol.ClientIDBytes)],
				ClientHost: clipped(h.GetHost()), ClientPid: h.GetPid(), Code: who.code,
				Identity: l.who,
			}}})
}

// retryUnproven is when a client should come again whose handshake was another supervisor's.
const retryUnproven = 50 * time.Millisecond

// identify finds out who a client is, and refuses one that must prove it and does not. It reports
// whether the client is let in so far.
func (r *run) identify(l *link, hello *bulkheadv1.Hello) bool {
	credentials := r.cfg.credentials()
	if l.adopted && credentials.AsksCertificate() {
		l.settleElsewhere()
		l.finish(answer{code: codes.Unavailable, reason: bulkheadv1.Reason_REASON_CONNECTION_REFUSED,
			text: errUnsigned.Error() + "; connect again", retryAfter: retryUnproven})
		return false
	}
	who, no := credentials.Who(l.verdict, hello.GetToken())
	if no != nil {
		r.rejectClient(l, hello, answer{code: codes.Unauthenticated, reason: no.Reason, text: no.Text})
		return false
	}
	l.who = who
	return true
}

// Whose a session and its name are. A session without an owner began when nothing was asked for but
// what all share. It is bound to whoever comes to it with its client id, which is a secret, and can
// prove to be somebody: the settings may have changed since it began.

// owner returns who the client of a session has proven to be; nil if it has not.
func (r *run) owner(p *processor) *bulkheadv1.Identity {
	r.mu.Lock()
	defer r.mu.Unlock()
	return p.who
}

// wrongIdentity refuses a client for what is another's.
func wrongIdentity(format string, args ...any) *answer {
	return &answer{code: codes.PermissionDenied, reason: bulkheadv1.Reason_REASON_IDENTITY_WRONG,
		text: fmt.Sprintf(format, args...)}
}

// sessionOfAnother returns why a client that has the id of a session may not go on with it; nil if
// it may. r.mu is held.
func (r *run) sessionOfAnother(p *processor, who *bulkheadv1.Identity) *answer {
	switch {
	case identity.Same(p.who, who):
		return nil
	case p.who == nil:
		return r.nameOfAnother(p.hello.GetName(), who)
	default:
		return wrongIdentity("session %d is that of %s", p.number, identity.Words(p.who))
	}
}

// nameOfAnother returns why a new client may not have a name that is another's: whoever has proven to
// have it, or else has it first. It returns nil if it may. r.mu is held.
func (r *run) nameOfAnother(name string, who *bulkheadv1.Identity) *answer {
	if of, reserved := r.cfg.credentials().Reserved(name, who); reserved {
		return wrongIdentity("the name %q is that of %s", name, of)
	}
	if first := r.owners[name]; first != nil && !identity.Same(first, who) && who.GetName() != name {
		return wrongIdentity("the name %q is that of %s in this run", name, identity.Words(first))
	}
	return nil
}

// bind makes the session that of who, if it is nobody's yet, and journals that with the connection
// that follows. It returns why that is not to be let in: another has come meanwhile.
func (p *processor) bind(who *bulkheadv1.Identity) *answer {
	p.run.mu.Lock()
	defer p.run.mu.Unlock()
	if no := p.run.sessionOfAnother(p, who); no != nil || identity.Same(p.who, who) {
		return no
	}
	p.who, p.bound = who, who
	p.run.owners[p.hello.GetName()] = who
	return nil
}

// oustOthers ends the sessions that have this one's name and are nobody's, if it is its owner's.
func (p *processor) oustOthers() {
	why := fmt.Sprintf("the name %q is that of %s, which has come; this one has not proven who it is",
		p.hello.GetName(), identity.Words(p.who))
	for _, q := range p.run.squatters(p) {
		q.post(p.run.procCtx, note{kind: noteOusted, told: &told{cause: why}}) // q waits for none of these itself
	}
}

// squatters returns the sessions of nobody that have the name of p's client, if that has proven to
// have it.
func (r *run) squatters(p *processor) (all []*processor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.who.GetName() != p.hello.GetName() {
		return nil
	}
	for _, q := range r.order {
		if q.who == nil && q.hello.GetName() == p.hello.GetName() {
			all = append(all, q)
		}
	}
	return all
}

// oust ends the session, whose name's owner has come, unless that is this client after all.
func (p *processor) oust(cause string) {
	if p.who != nil || p.phase.ended() {
		return
	}
	current := p.link
	p.step(ousted, nil, cause, bulkheadv1.DetachClass_DETACH_CLASS_SUPERVISOR)
	if current != nil && !p.stuck {
		current.finish(refusing(p.phase, p.over()))
		p.link = nil
	}
}
