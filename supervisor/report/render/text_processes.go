package render

import (
	"cmp"
	"slices"

	"bulkhead/internal/human"
	"bulkhead/internal/table"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// shownOf picks the processes of a client that the text shows: all, or when there
// are many those that did not end in order and the first of the others.
func shownOf(c *report.Client) []*report.Process {
	odd, even := []*report.Process{}, []*report.Process{}
	for i := range c.Processes {
		q := &c.Processes[i]
		if q.Exit != nil && q.Exit.Class != report.ExitClean {
			odd = append(odd, q)
		} else {
			even = append(even, q)
		}
	}
	odd = odd[:min(len(odd), shownProcesses)]
	shown := append(odd, even[:min(len(even), shownProcesses-len(odd))]...)
	slices.SortStableFunc(shown, func(a, b *report.Process) int {
		return cmp.Or(cmp.Compare(kindOrder(a.Kind), kindOrder(b.Kind)), cmp.Compare(a.Index, b.Index))
	})
	return shown
}

func kindOrder(kind string) int {
	return slices.Index([]string{report.KindClient, report.KindConsumer, report.KindMonitor}, kind)
}

// processes prints one line for each process of a client.
func (p *Page) processes(c *report.Client, shown []*report.Process) {
	if len(shown) == 0 {
		return
	}
	p.Line("")
	p.Line("%sprocesses (client's clock, from its start at %s)", Indent, words.TimeOfDay(p.Run.StartedAt, c.StartedAt))
	t := table.New("process", ">pid", ">start", ">runtime", "exit", ">cpu user", ">system", ">peak memory", "cause")
	for _, q := range shown {
		cells := []string{words.ProcessName(q), words.Pid(q.Pid), words.Offset(c.StartedAt, q.StartedAt),
			human.Duration(q.RuntimeNano)}
		switch {
		case q.Exit != nil:
			cells = append(cells, exitCells(q.Exit)...)
		case q.Kind == report.KindClient && c.StopReason != "":
			cells = append(cells, "stopped", "", "", "", c.StopReason)
		default:
			cells = append(cells, report.ExitUnknown, "", "", "", "")
		}
		t.Row(cells...)
	}
	t.Write(&p.Out, Indent+Indent, PageWidth)
	p.elsewhere(len(c.Processes)-len(shown), "processes")
}

// exitCells returns the columns about a process's end. That one ended in order, when it was
// asked to, needs no cause.
func exitCells(e *report.Exit) []string {
	cause := words.CauseBeyond(e)
	if e.Class == report.ExitClean && e.EndedWork == "" {
		cause = ""
	}
	return append(append([]string{words.Exit(e.Class)}, usageCells(e)...), cause)
}

// usageCells returns the columns about what a process used. wait4(2) tells only its parent:
// a dash stands for what is unknown. No process has a peak of 0.
func usageCells(e *report.Exit) []string {
	user, system, peak := human.None, human.None, human.None
	if e.MaxResidentBytes > 0 {
		peak = human.Size(e.MaxResidentBytes)
	}
	if e.MaxResidentBytes > 0 || e.UserCPUNano > 0 || e.SystemCPUNano > 0 {
		user, system = human.Duration(e.UserCPUNano), human.Duration(e.SystemCPUNano)
	}
	return []string{user, system, peak}
}
