package repeats

import (
	"bulkhead/supervisor/report"
)

// staged is a figure of a stage of a run.
type staged struct {
	figure
	is float64
}

// stagesOf returns the figures of the stages of a run that are reported, and in which something was
// written.
func stagesOf(r *report.Report) []staged {
	var list []staged
	for i := range r.Stages {
		s := &r.Stages[i]
		if s.Told.Unreported || s.Bytes == 0 {
			continue
		}
		add := func(name, unit string, is float64) {
			list = append(list, staged{figure{name: s.Name + " " + name, unit: unit, tested: true}, is})
		}
		add("throughput", perSecond, float64(s.BytesPerSecond))
		if s.ChunkWrite.Known() {
			add("p99", nano, float64(s.ChunkWrite.P99Nano))
		}
		if s.Response.Known() {
			add("response p99", nano, float64(s.Response.P99Nano))
		}
	}
	return list
}

// stageFigures returns the figures of the stages of all runs, by their names, in the order of the first
// run that has each.
func stageFigures(runs []Run) []figure {
	var list []figure
	seen := make(map[string]bool)
	for _, run := range runs {
		for _, s := range run.stages {
			if !seen[s.name] {
				seen[s.name], list = true, append(list, s.figure)
			}
		}
	}
	return list
}

// inStage returns the figure of a stage by its name.
func (run *Run) inStage(name string) value {
	for _, s := range run.stages {
		if s.name == name {
			return value{s.is, true}
		}
	}
	return value{}
}
