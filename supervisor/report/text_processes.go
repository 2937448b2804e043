package report

import (
	"cmp"
	"fmt"
	"slices"
)

// shownOf picks the processes of a client that the text shows: all, or when there
// are many those that did not end in order and the first of the others.
func shownOf(c *Client) []*Process {
	odd, even := []*Process{}, []*Process{}
	for i := range c.Processes {
		q := &c.Processes[i]
		if q.Exit != nil && q.Exit.Class != ExitClean {
			odd = append(odd, q)
		} else {
			even = append(even, q)
		}
	}
	odd = odd[:min(len(odd), shownProcesses)]
	shown := append(odd, even[:min(len(even), shownProcesses-len(odd))]...)
	slices.SortStableFunc(shown, func(a, b *Process) int {
		return cmp.Or(cmp.Compare(kindOrder(a.Kind), kindOrder(b.Kind)), cmp.Compare(a.Index, b.Index))
	})
	return shown
}

func kindOrder(kind string) int {
	return slices.Index([]string{KindClient, KindConsumer, KindMonitor}, kind)
}

// processes prints one line for each process of a client.
func (p *page) processes(c *Client, shown []*Process) {
	if len(shown) == 0 {
		return
	}
	p.line("")
	p.line("%sprocesses (client's clock, from its start at %s)", indent, timeOfDay(p.Run.StartedAt, c.StartedAt))
	t := newTable("process", ">pid", ">start", ">runtime", "exit", ">cpu user", ">system", ">peak memory", "cause")
	for _, q := range shown {
		cells := []string{processName(q), pidText(q.Pid), offset(c.StartedAt, q.StartedAt), human(q.RuntimeNano)}
		switch {
		case q.Exit != nil:
			cells = append(cells, exitCells(q.Exit)...)
		case q.Kind == KindClient && c.StopReason != "":
			cells = append(cells, "stopped", "", "", "", c.StopReason)
		default:
			cells = append(cells, ExitUnknown, "", "", "", "")
		}
		t.row(cells...)
	}
	t.write(&p.out, indent+indent, pageWidth)
	p.elsewhere(len(c.Processes)-len(shown), "processes")
}

// exitCells are the columns about a process's end. That one ended in order, when it was
// asked to, needs no cause.
func exitCells(e *Exit) []string {
	cause := causeBeyond(e)
	if e.Class == ExitClean && e.EndedWork == "" {
		cause = ""
	}
	return append(append([]string{exitWords(e.Class)}, usageCells(e)...), cause)
}

// usageCells are the columns about what a process used. wait4(2) tells only its parent:
// a dash is what nobody knows. No process has a peak of 0.
func usageCells(e *Exit) []string {
	user, system, peak := none, none, none
	if e.MaxResidentBytes > 0 {
		peak = size(e.MaxResidentBytes)
	}
	if e.MaxResidentBytes > 0 || e.UserCPUNano > 0 || e.SystemCPUNano > 0 {
		user, system = human(e.UserCPUNano), human(e.SystemCPUNano)
	}
	return []string{user, system, peak}
}

func pidText(pid int32) string {
	if pid == 0 {
		return none
	}
	return fmt.Sprint(pid)
}
