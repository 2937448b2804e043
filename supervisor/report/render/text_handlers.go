package render

import (
	"cmp"
	"slices"

	"bulkhead/internal/human"
	"bulkhead/internal/table"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// handlers prints the handler processes; when there are many, those that did not
// end in order and the newest.
func (p *Page) handlers() {
	if len(p.Handlers) == 0 {
		return
	}
	p.Heading("HANDLERS")
	t := table.New(">pid", "client", ">lifetime", ">cpu user", ">system", ">peak memory", ">messages", ">received",
		"exit", "cause")
	t.Names = "client"
	shown := notable(p.Handlers, shownHandlers)
	for _, h := range shown {
		client := human.Abridge(words.HandlerClient(h), table.MaxShownName)
		if h.Exit == nil {
			t.Row(words.Pid(h.Pid), client, human.None, human.None, human.None, human.None, human.None, human.None,
				"unknown", "no exit in the journal")
			continue
		}
		e := h.Exit
		used := usageCells(e)
		t.Row(words.Pid(h.Pid), client, lifetime(e), used[0], used[1], used[2],
			human.Count(h.DurableMessages), received(h), words.Exit(e.Class), handlerCause(h))
	}
	t.Write(&p.Out, Indent, PageWidth)
	p.elsewhere(len(p.Handlers)-len(shown), "handlers")
	if n := p.HandlersLeftOut; n > 0 {
		p.Line("%s%s older handlers are not in the report", Indent, human.Count(n))
	}
}

// lifetime returns how long a process lived, or a dash if that is unknown.
func lifetime(e *report.Exit) string {
	if e.StartedAt == 0 || e.EndedAt == 0 {
		return human.None
	}
	return human.Duration(report.Between(e.StartedAt, e.EndedAt))
}

// received returns what the handler read, or a dash if it did not live to say.
func received(h *report.Handler) string {
	if h.ReceivedBytes == 0 && h.ConnectionEnd == "" {
		return human.None
	}
	return human.Size(h.ReceivedBytes)
}

// handlerCause returns why a handler ended: how its connection did, if the handler
// ended in order and said so.
func handlerCause(h *report.Handler) string {
	if h.Exit.Class == report.ExitClean {
		return h.ConnectionEnd
	}
	return words.CauseBeyond(h.Exit)
}

// notable picks at most n handlers: first those that did not end in order, then
// the newest. The order of the list is kept.
func notable(list []report.Handler, n int) []*report.Handler {
	order := make([]int, len(list))
	for i := range order {
		order[i] = i
	}
	inOrder := func(i int) int {
		if list[i].Exit != nil && list[i].Exit.Class == report.ExitClean {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(inOrder(a), inOrder(b)), cmp.Compare(b, a))
	})
	order = order[:min(len(order), n)]
	slices.Sort(order)
	picked := make([]*report.Handler, len(order))
	for i, index := range order {
		picked[i] = &list[index]
	}
	return picked
}
