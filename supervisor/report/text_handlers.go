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
	t.names = "client"
	shown := notable(p.Handlers, shownHandlers)
	for _, h := range shown {
		client := abridge(handlerClient(h), maxShownName)
		if h.Exit == nil {
			t.row(pidText(h.Pid), client, none, none, none, none, none, none, "unknown", "no exit in the journal")
			continue
		}
		e := h.Exit
		used := usageCells(e)
		t.row(pidText(h.Pid), client, lifetime(e), used[0], used[1], used[2],
			count(h.DurableMessages), received(h), exitWords(e.Class), handlerCause(h))
	}
	t.write(&p.out, indent, pageWidth)
	p.elsewhere(len(p.Handlers)-len(shown), "handlers")
	if n := p.HandlersLeftOut; n > 0 {
		p.line("%s%s older handlers are not in the report", indent, count(n))
	}
}

// lifetime is how long a process lived, or a dash if nobody knows.
func lifetime(e *Exit) string {
	if e.StartedAt == 0 || e.EndedAt == 0 {
		return none
	}
	return human(between(e.StartedAt, e.EndedAt))
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
	return causeBeyond(h.Exit)
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
