package report

import (
	"cmp"
	"slices"
)

// handlers prints the handler processes; when there are many, those that did not
// end in order and the newest.
func (p *page) handlers() {
	if len(p.Handlers) == 0 {
		return
	}
	p.heading("HANDLERS")
	t := newTable(">pid", "client", ">lifetime", ">cpu user", ">system", ">peak memory", ">messages", ">received", "exit", "cause")
	shown := notable(p.Handlers, shownHandlers)
	for _, h := range shown {
		client := shorten(handlerClient(h), 24)
		if h.Exit == nil {
			t.row(pidText(h.Pid), client, none, none, none, none, none, none, "unknown", "no exit in the journal")
			continue
		}
		e := h.Exit
		t.row(pidText(h.Pid), client, human(between(e.StartedAt, e.EndedAt)), human(e.UserCPUNano), human(e.SystemCPUNano),
			size(e.MaxResidentBytes), count(h.DurableMessages), received(h), e.Class, handlerCause(h))
	}
	t.write(&p.out, indent, pageWidth)
	p.elsewhere(len(p.Handlers)-len(shown), "handlers")
	if n := p.HandlersLeftOut; n > 0 {
		p.line("%s%s older handlers are not in the report", indent, count(n))
	}
}

// received is what the handler read, or a dash if it did not live to say.
func received(h *Handler) string {
	if h.ReceivedBytes == 0 && h.ConnectionEnd == "" {
		return none
	}
	return size(h.ReceivedBytes)
}

// handlerCause is why a handler ended: how its connection did, if the handler
// ended in order and said so.
func handlerCause(h *Handler) string {
	if h.Exit.Class == ExitClean {
		return h.ConnectionEnd
	}
	return h.Exit.Cause
}

// notable picks at most n handlers: first those that did not end in order, then
// the newest. The order of the list is kept.
func notable(list []Handler, n int) []*Handler {
	order := make([]int, len(list))
	for i := range order {
		order[i] = i
	}
	inOrder := func(i int) int {
		if list[i].Exit != nil && list[i].Exit.Class == ExitClean {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(inOrder(a), inOrder(b)), cmp.Compare(b, a))
	})
	order = order[:min(len(order), n)]
	slices.Sort(order)
	picked := make([]*Handler, len(order))
	for i, index := range order {
		picked[i] = &list[index]
	}
	return picked
}

// rejections prints the newest connections that never became a session's.
func (p *page) rejections() {
	if len(p.Rejections) == 0 {
		return
	}
	p.heading("REJECTED CONNECTIONS")
	t := newTable("at", ">after", "peer", ">handler", "client", "reason")
	shown := p.Rejections[max(len(p.Rejections)-shownRejections, 0):]
	for i := range shown {
		r := &shown[i]
		t.row(timeOfDay(p.Run.StartedAt, r.At), offset(p.Run.StartedAt, r.At), orDash(r.Peer), pidText(r.HandlerPid),
			shorten(r.ClientName, 24), r.Reason)
	}
	t.write(&p.out, indent, pageWidth)
	p.elsewhere(len(p.Rejections)-len(shown), "rejected connections")
	if n := p.RejectionsLeftOut; n > 0 {
		p.line("%s%s older ones are not in the report", indent, count(n))
	}
}
