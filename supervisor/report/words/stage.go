package words

import (
	"fmt"
	"strings"

	"bulkhead/internal/human"
	"bulkhead/supervisor/report"
)

// StageSpec returns what a stage is, but for its name.
func StageSpec(s *report.StageSpec) string {
	var list []string
	add := func(is bool, format string, args ...any) {
		if is {
			list = append(list, fmt.Sprintf(format, args...))
		}
	}
	add(s.PauseNano > 0, "after a pause of %s", human.Duration(s.PauseNano))
	add(s.Together, "when all have come to it")
	switch {
	case s.TotalBytes > 0 && s.DurationNano > 0:
		add(true, "%s or %s", human.Configured(s.TotalBytes), human.Duration(s.DurationNano))
	case s.TotalBytes > 0:
		add(true, "%s", human.Configured(s.TotalBytes))
	case s.DurationNano > 0:
		add(true, "%s", human.Duration(s.DurationNano))
	}
	add(s.RatePercent > 0, "%s of %s", Percent(s.RatePercent), human.OrDash(s.RateOf))
	add(s.RateBytesPerSecond > 0, "%s/s each consumer", human.Configured(s.RateBytesPerSecond))
	add(s.RateChunksPerSecond > 0, "%s chunks/s each consumer", human.Decimal(s.RateChunksPerSecond))
	add(s.Concurrency > 0, "%s each consumer", Plural(uint64(s.Concurrency), "writer"))
	if s.Sync != "" {
		add(true, "%s", SyncOf(&report.Consumer{Sync: s.Sync, SyncBytes: s.SyncBytes}))
	}
	add(s.Unreported, "not reported")
	return strings.Join(list, ", ")
}

// maxStagesTold is how many stages of a load are listed one by one.
const maxStagesTold = 8

// Schedule returns the stages of a load; "" for none. Steps of a curve are one.
func Schedule(w *report.Workload) string {
	var list []string
	for i := 0; i < len(w.Stages); i++ {
		s := &w.Stages[i]
		last := i
		for s.Curve > 0 && last+1 < len(w.Stages) && w.Stages[last+1].Curve == s.Curve {
			last++
		}
		if last > i {
			step := *s
			step.RatePercent = 0
			text := StageSpec(&step)
			if s.RatePercent > 0 {
				text += fmt.Sprintf(", %s … %s of %s", Percent(s.RatePercent), Percent(w.Stages[last].RatePercent),
					human.OrDash(s.RateOf))
			}
			list = append(list, fmt.Sprintf("%s … %s: %s (%s)", s.Name, w.Stages[last].Name,
				Plural(uint64(last-i+1), "step"), text))
			i = last
			continue
		}
		list = append(list, fmt.Sprintf("%s (%s)", s.Name, s.Text))
	}
	more := w.StagesLeftOut
	if n := len(list) - maxStagesTold; n > 0 {
		list, more = list[:maxStagesTold], more+uint64(n)
	}
	if more > 0 {
		list = append(list, Plural(more, "more stage"))
	}
	return strings.Join(list, "; ")
}

// maxUnreachedNamed bounds the stages that a client is said not to have come to by name: there is such a
// line for each client, and the names are the clients' own.
const maxUnreachedNamed = 5

// Unreached returns which stages of its load a client did not come to; "" if it came to all of them.
func Unreached(c *report.Client) string {
	if c.Stage >= c.Stages {
		return ""
	}
	var never []string
	for i := c.Stage; i < len(c.Workload.Stages); i++ {
		never = append(never, c.Workload.Stages[i].Name)
	}
	ended := "its load ended"
	if c.StopReason == "" {
		ended = "it was heard of last"
	}
	where := fmt.Sprintf("%s before the first of %s", ended, Plural(uint64(c.Stages), "stage"))
	if c.Stage > 0 {
		where = fmt.Sprintf("%s in stage %d of %d%s", ended, c.Stage, c.Stages, stageNamed(c, c.Stage))
	}
	if len(never) == 0 {
		return where
	}
	return where + "; never reached: " + nameFirst(maxUnreachedNamed, never)
}

// stageNamed returns the name of a stage of a client to stand behind its number; "" if it is left out.
func stageNamed(c *report.Client, number int) string {
	if number > len(c.Workload.Stages) {
		return ""
	}
	return ", " + c.Workload.Stages[number-1].Name
}

// StageRate returns what was written in a stage, and how fast; "" if nobody began it.
func StageRate(s *report.Stage) string {
	if s.Clients == 0 {
		return ""
	}
	text := fmt.Sprintf("%s in %s by %s; %s MB/s", human.Size(s.Bytes), Plural(s.Chunks, "chunk"),
		Plural(uint64(s.Clients), "client"), human.Megabytes(s.BytesPerSecond))
	if s.OfferedBytesPerSecond > 0 {
		text += " of " + human.Megabytes(s.OfferedBytesPerSecond) + " offered"
	}
	if s.ReadBytesPerSecond > 0 {
		text += ", read " + human.Megabytes(s.ReadBytesPerSecond) + " MB/s beside it"
	}
	return text
}

// StageNote returns what is to be said of a stage besides its figures.
func StageNote(s *report.Stage) string {
	var list []string
	add := func(is bool, format string, args ...any) {
		if is {
			list = append(list, fmt.Sprintf(format, args...))
		}
	}
	add(s.Told.Unreported, "not reported")
	if g := s.Gather; g != nil {
		add(g.End == report.GatherComplete, "begun together")
		add(g.End == report.GatherShort, "begun without %s", Missing(g.Missing))
		add(len(g.Came) > 0, "waiting for %s", NameSome(g.Awaited))
		add(len(g.Late) > 0, "late: %s", NameSome(g.Late))
		add(len(g.Alone) > 0, "alone: %s", NameSome(g.Alone))
	}
	add(s.Unreached > 0 && s.Clients == 0, "never reached")
	add(s.Unreached > 0 && s.Clients > 0, "never reached by %s", Plural(uint64(s.Unreached), "client"))
	if cut := s.Clients - s.Finished; cut > 0 {
		add(s.Clients == 1, "not finished")
		add(s.Clients > 1, "not finished by %s", Plural(uint64(cut), "client"))
	}
	add(s.Errors > 0, "%s", Plural(s.Errors, "error"))
	add(s.Clients > 1 && s.OverlapPercent < report.OverlapLeast, "together for %s", Percent(s.OverlapPercent))
	add(s.Differs, "told differently")
	return strings.Join(list, ", ")
}

// CurveName returns the name of the curve that a step of this name belongs to.
func CurveName(step string) string {
	if i := strings.LastIndexByte(step, ' '); i > 0 {
		return step[:i]
	}
	return step
}

// Knee returns where the knee of a curve is, in a line.
func Knee(c *report.Curve) string {
	if len(c.Points) == 0 {
		return "nothing was written in it"
	}
	last := c.Points[len(c.Points)-1].Name
	text := ""
	switch c.Knee.State {
	case report.KneeFound:
		p := pointOf(c, c.Knee.Stage)
		text = fmt.Sprintf("knee at %s: %s MB/s", p.Name, human.Megabytes(p.BytesPerSecond))
		if p.Response.Known() {
			text += ", response p99 " + human.Duration(p.Response.P99Nano)
		}
	case report.KneeBelow:
		text = "its knee is below " + c.Points[0].Name
	case report.KneeNone:
		text = "no knee up to " + last
	default:
		text = "whether it has a knee is not known"
	}
	return text + "; " + c.Knee.Why
}

// KneeWhy returns what the knee of a curve is judged from.
func KneeWhy(c *report.Curve) string {
	k := &c.Knee
	switch k.State {
	case report.KneeNone:
		return fmt.Sprintf("each step delivered %d %% of what was offered or more, and its response p99 stayed within "+
			"%d times that of those before it", report.KneeDelivered, report.KneeSlower)
	case report.KneeFound, report.KneeBelow:
	default:
		return "it has too few steps in which something was written, or not all have come"
	}
	p := pointOf(c, k.Beyond)
	var list []string
	if k.Short {
		list = append(list, fmt.Sprintf("delivered %s of what was offered, less than %d %%",
			Percent(p.DeliveredPercent), report.KneeDelivered))
	}
	if k.Slow {
		list = append(list, fmt.Sprintf("had a response p99 of %s, more than %d times the median of the steps before "+
			"it, %s", human.Duration(p.Response.P99Nano), report.KneeSlower, human.Duration(k.UsualNano)))
	}
	return p.Name + " " + strings.Join(list, ", and ")
}

// pointOf returns the point of a stage of that number, which c has.
func pointOf(c *report.Curve, stage int) *report.CurvePoint {
	for i := range c.Points {
		if c.Points[i].Stage == stage {
			return &c.Points[i]
		}
	}
	return new(report.CurvePoint)
}

// OtherSchedules names the stages that not all clients with stages have, or were told something else
// under the name of; "" for none.
func OtherSchedules(r *report.Report) string {
	staged, without := 0, []string{}
	have := make(map[string]int)
	for i := range r.Clients {
		c := &r.Clients[i]
		switch {
		case c.Resent:
		case c.Stages > 0:
			staged++
			for k := range c.Workload.Stages {
				have[c.Workload.Stages[k].Name]++
			}
			if c.Workload.StagesLeftOut > 0 {
				return "" // it is not known
			}
		case c.Bytes > 0:
			without = append(without, c.Label)
		}
	}
	var some, differs, parts []string
	for i := range r.Stages {
		s := &r.Stages[i]
		if have[s.Name] < staged {
			some = append(some, s.Name)
		}
		if s.Differs {
			differs = append(differs, s.Name)
		}
	}
	if len(some) > 0 {
		parts = append(parts, "only some have "+NameSome(some))
	}
	if len(differs) > 0 {
		parts = append(parts, "clients were told different things under the names "+NameSome(differs))
	}
	if staged > 0 && len(without) > 0 {
		parts = append(parts, "without stages: "+NameSome(without))
	}
	return strings.Join(parts, "; ")
}

// StageShortfall returns in one line what is wrong with a stage, and of which kind it is; "" for one that
// all clients that have it finished.
func StageShortfall(s *report.Stage) (kind, why string) {
	switch {
	case s.Unreached > 0:
		return "unreached", fmt.Sprintf("%s never reached it", Plural(uint64(s.Unreached), "client"))
	case s.Finished < s.Clients:
		return "unfinished", fmt.Sprintf("%s did not finish it", Plural(uint64(s.Clients-s.Finished), "client"))
	default:
		return "", ""
	}
}
