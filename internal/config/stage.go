package config

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"bulkhead/internal/config/value"
	"bulkhead/internal/human"
	"bulkhead/internal/plaintext"
	"bulkhead/internal/plural"
	"bulkhead/internal/protocol"
	"bulkhead/internal/workload"
)

// Report says whether figures that are judged have a stage.
type Report string

// The values of Report.
const (
	ReportOn Report = "on"
	// ReportOff is for a fill: it is shown over time only.
	ReportOff Report = "off"
)

// Stage is an entry of stages: a stage, or a curve of several.
type Stage struct {
	Name string
	// TotalSize ends it when all consumers together have written so much, and Duration when that has
	// passed; 0 is no limit. One of the two is set. Those of a curve are of each step.
	TotalSize value.Size
	Duration  time.Duration
	Rate      value.StageRate
	// Of is the stage that a rate in percent is of; empty is the last one without a rate.
	Of string
	// Concurrency is how many writers a consumer has; 0 is its own.
	Concurrency int
	// Sync is as in Consumer; the zero value is the consumer's own.
	Sync value.FileSync
	// Pause is the time before it in which nobody writes; of a curve, before each step.
	Pause time.Duration
	// Together is that it begins when all clients of the run have come to it, and TogetherTimeout how
	// long one that has come waits for the others; of a curve, each step.
	Together        bool
	TogetherTimeout time.Duration
	Report          Report
}

// fields declares the keys of an entry.
func (s *Stage) fields() []field {
	own := func(f field, what string) field {
		f.Default = ""
		f.Help += " Without it, " + what + "."
		return f
	}
	sync := Key{Name: "sync", Kind: "choice", Valid: value.ValidSync, Help: "When files are forced to storage."}
	concurrency := countField("concurrency", &s.Concurrency, 0, 0, workload.MaxWriters,
		"How many writers of each consumer write.")
	concurrency.Valid = fmt.Sprintf("1 to %d", workload.MaxWriters)
	return []field{
		textField("name", &s.Name, "", func(text string) error {
			return plaintext.Check(text, 1, protocol.MaxStageNameBytes)
		}, fmt.Sprintf("1 to %d bytes", protocol.MaxStageNameBytes), "Name of the stage, another for each."),
		sizeField("total_size", &s.TotalSize, 0, 0, workload.MaxTotal,
			"Bytes after which the stage ends, all consumers together; 0 is no limit."),
		durationField("duration", &s.Duration, 0, 0, workload.MaxStage, "Time after which it ends; 0s is no limit."),
		stageRateField("rate", &s.Rate),
		textField("of", &s.Of, "", value.CheckText(0, protocol.MaxStageNameBytes), "the name of an earlier stage",
			"What a rate in percent is a part of; empty means the last stage before it without a rate."),
		own(concurrency, "those of the consumer"),
		own(scalar(sync, &s.Sync, value.FileSync{}, value.ParseFileSync), "that of the consumer"),
		durationField("pause", &s.Pause, 0, 0, workload.MaxStage, "Time before the stage in which nobody writes."),
		switchField("together", &s.Together, false, "Whether it begins when all clients of the run have come to "+
			"it; never the first stage, for which there is gather."),
		durationField("together_timeout", &s.TogetherTimeout, workload.DefaultTogetherTimeout, time.Second,
			workload.MaxTogetherTimeout, "How long a client that has come to it waits for the others."),
		choiceField("report", &s.Report, ReportOn, "Whether the stage is in the figures that are judged (on), or "+
			"only in the run over time (off).", ReportOn, ReportOff),
	}
}

// stageRateField declares a rate: in percent as text, or in YAML {bytes, chunks}.
func stageRateField(name string, dst *value.StageRate) field {
	key := Key{Name: name, Kind: "text", Valid: value.ValidStageRate, Help: "The most that each consumer writes: " +
		"of what it reached in another stage, in percent; a curve of such stages; or bytes and chunks per second. " +
		"Without it, as much as goes."}
	return composite(key, dst, value.StageRate{}, yaml.MappingNode, value.ParseStageRate,
		func(l *loader, e entry) (value.StageRate, bool) {
			var r value.StageRate
			before := l.found()
			l.section(e, "", []field{
				sizeField("bytes", &r.Bytes, 0, 0, workload.MaxRateBytes, ""),
				amountField("chunks", &r.Chunks, 0, 0, workload.MaxRateChunks, ""),
			})
			return r, l.found() == before
		})
}

// stagesField declares the list of stages.
func (c *Client) stagesField() field {
	return field{
		Key: Key{
			Name: "stages", Kind: "list",
			Valid: fmt.Sprintf("at most %d entries of ", protocol.MaxStages) +
				strings.Join(children("", new(Stage).fields()), ", "),
			Help: "What the load consists of, one after the other, instead of runtime.",
		},
		reset: func() { c.Stages = nil },
		node:  c.readStages,
	}
}

// readStages reads the list of a file.
func (c *Client) readStages(l *loader, e entry) {
	c.Stages = nil // those of a load that this one is over
	maps.DeleteFunc(l.origins, func(key string, _ origin) bool { return strings.HasPrefix(key, e.path+"[") })
	before, curves, judged := l.found(), uint32(0), false
	l.items(e, "a list of maps, as in [{name: peak, duration: 20s}]", func(item entry) {
		s := readStage(l, item)
		if s.Rate.Curve {
			curves++
		}
		judged = judged || s.Report == ReportOn
		if l.found() == before {
			c.Stages = append(c.Stages, s.expand(l, item, c.Stages, curves)...)
		}
	})
	switch n := len(c.Stages); {
	case l.found() > before:
	case n > protocol.MaxStages:
		l.problem(l.at(e), e.path, fmt.Sprintf("has %s, with the steps of curves; use at most %d",
			plural.Of(n, "stage"), protocol.MaxStages))
	case n > 0 && !judged:
		l.problem(l.at(e), e.path, "has no stage that is reported, so no figure would be judged; leave out "+
			"report: off of one")
	}
	if l.found() > before {
		c.Stages = nil
		l.broken[e.path] = true
	}
}

// readStage reads one entry.
func readStage(l *loader, e entry) Stage {
	var s Stage
	fields := s.fields()
	for _, f := range fields {
		f.reset()
	}
	before := l.found()
	l.section(e, "", fields)
	if l.found() > before {
		return s
	}
	switch {
	case s.Name == "":
		l.problem(l.at(e), join(e.path, "name"), "is missing; give the stage a name, as in name: peak")
	case s.Duration == 0 && s.TotalSize == 0:
		l.problem(l.at(e), e.path, "has no end; give it a duration, as in 20s, a total_size, or both")
	case s.Of != "" && len(s.Rate.Percents) == 0:
		l.problem(l.origins[join(e.path, "of")], join(e.path, "of"), "says nothing without a rate in percent; set "+
			"that, too, as in rate: 50%")
	}
	return s
}

// expand returns the stages of an entry: one, or one for each step of a curve, whose number is given.
// before are those of the entries before it.
func (s Stage) expand(l *loader, e entry, before workload.Stages, curve uint32) workload.Stages {
	stage := workload.Stage{
		Name: s.Name, Duration: s.Duration, TotalBytes: uint64(s.TotalSize), RateBytes: uint64(s.Rate.Bytes),
		RateChunks: s.Rate.Chunks, Concurrency: uint32(s.Concurrency), Sync: syncPolicy(s.Sync.Policy),
		SyncBytes: uint64(s.Sync.Every), Pause: s.Pause, Unreported: s.Report == ReportOff,
	}
	if s.Together {
		if len(before) == 0 {
			l.problem(l.at(e), join(e.path, "together"), "is of the first stage, which begins with the load; gather "+
				"the clients of the run for that")
			return nil
		}
		stage.Together, stage.TogetherTimeout = true, s.TogetherTimeout
	}
	if len(s.Rate.Percents) > 0 {
		if stage.RateOf = s.of(before); stage.RateOf == 0 {
			l.problem(l.at(e), e.path, s.noneOf())
			return nil
		}
	}
	if s.Rate.Curve {
		stage.Curve = curve
	}
	var out workload.Stages
	for _, percent := range s.Rate.Percents {
		stage.RatePercent = percent
		if s.Rate.Curve {
			stage.Name = s.Name + " " + human.ExactNumber(percent) + "%"
		}
		out = append(out, stage)
	}
	if len(out) == 0 {
		out = append(out, stage)
	}
	for i, one := range out {
		if len(one.Name) > protocol.MaxStageNameBytes {
			l.problem(l.at(e), join(e.path, "name"), fmt.Sprintf("is too long for the names of its steps, as in %s; "+
				"use at most %d bytes with that", value.Quote(one.Name), protocol.MaxStageNameBytes))
			return nil
		}
		for _, other := range append(before[:len(before):len(before)], out[:i]...) {
			if other.Name == one.Name {
				l.problem(l.at(e), join(e.path, "name"), value.Quote(one.Name)+" is the name of another stage; give "+
					"each a name of its own")
				return nil
			}
		}
	}
	return out
}

// of returns the number of the stage that a rate in percent is of; 0 if there is none.
func (s Stage) of(before workload.Stages) uint32 {
	for i := len(before) - 1; i >= 0; i-- {
		one := before[i]
		free := one.RateBytes == 0 && one.RateChunks == 0 && one.RatePercent == 0
		if s.Of == one.Name || s.Of == "" && free {
			return uint32(i + 1)
		}
	}
	return 0
}

// noneOf returns in words that there is no such stage.
func (s Stage) noneOf() string {
	if s.Of != "" {
		return fmt.Sprintf("of: %s is no stage before it; name one that stands above", value.Quote(s.Of))
	}
	return "has a rate in percent, and no stage before it is without a rate; put one there, as in {name: peak, " +
		"duration: 20s}, or name another with of"
}

// checkStages gives the load the length of its stages, and reports a runtime beside them.
func (c *Client) checkStages(l *loader) {
	if len(c.Stages) == 0 {
		return
	}
	if at := l.origins["runtime"]; at.source != fromDefault {
		l.report(at, "runtime", fmt.Sprintf("is set, and so are stages (%s), whose durations add up to it; leave out "+
			"one of the two", l.origins["stages"]))
	}
	c.Runtime = c.Stages.Length()
}
