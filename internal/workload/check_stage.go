package workload

import (
	"fmt"
	"strconv"
	"time"

	"bulkhead/internal/human"
	"bulkhead/internal/plaintext"
	"bulkhead/internal/plural"
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Check returns every reason why a client cannot go through the stages. A problem names stages by
// their place in the list, from 0.
func (s Stages) Check() []Problem {
	var found problems
	if n := len(s); n > protocol.MaxStages {
		found.invalid(stages, s.text(), "use at most %d", protocol.MaxStages)
		return found
	}
	taken := make(map[string]bool)
	judged := false
	for i, one := range s {
		at := func(key string) string { return fmt.Sprintf("%s[%d].%s", stages, i, key) }
		switch {
		case plaintext.Check(one.Name, 1, protocol.MaxStageNameBytes) != nil:
			found.invalid(at("name"), strconv.Quote(one.Name), "use 1 to %d bytes of printable text",
				protocol.MaxStageNameBytes)
		case taken[one.Name]:
			found.invalid(at("name"), strconv.Quote(one.Name), "another stage has it; each has a name of its own")
		}
		taken[one.Name] = true
		judged = judged || !one.Unreported
		one.check(&found, at, s[:i])
	}
	if most := s.Length(); most > MaxStage {
		found.invalid(stages, s.text(), "together they last %s; use at most %s", human.ExactDuration(most),
			human.ExactDuration(MaxStage))
	}
	if len(s) > 0 && !judged {
		found.invalid(stages, s.text(), "none of them is reported, so no figure would be judged")
	}
	return found
}

// stages is the key of the list.
const stages = "stages"

// text returns the list in a few words, as a value.
func (s Stages) text() string { return "a list of " + plural.Of(uint64(len(s)), "stage") }

// check looks at one stage; before are those that come before it.
func (s Stage) check(found *problems, at func(string) string, before Stages) {
	if s.Duration == 0 && s.TotalBytes == 0 {
		found.invalid(at("duration"), "0s", "a stage has a duration, a total_size, or both")
	}
	bounded(found, at("duration"), s.Duration, 0, MaxStage, human.ExactDuration)
	bounded(found, at("pause"), s.Pause, 0, MaxStage, human.ExactDuration)
	if s.Together && len(before) == 0 {
		found.invalid(at("together"), "true", "the first stage begins with the load; gather its clients for that")
	}
	if s.Together {
		bounded(found, at("together_timeout"), s.TogetherTimeout, time.Second, MaxTogetherTimeout, human.ExactDuration)
	} else if s.TogetherTimeout != 0 {
		found.invalid(at("together_timeout"), human.ExactDuration(s.TogetherTimeout), "set together: true, too")
	}
	bounded(found, at("total_size"), s.TotalBytes, 0, MaxTotal, human.ExactSize)
	bounded(found, at("rate.bytes"), s.RateBytes, 0, MaxRateBytes, human.ExactSize)
	bounded(found, at("rate.chunks"), s.RateChunks, 0, MaxRateChunks, human.ExactNumber)
	if s.Concurrency > MaxWriters {
		found.invalid(at("concurrency"), strconv.FormatUint(uint64(s.Concurrency), 10), "use 1 to %d", MaxWriters)
	}
	if s.Sync != bulkheadv1.SyncPolicy_SYNC_POLICY_UNSPECIFIED || s.SyncBytes != 0 {
		var of problems
		Consumer{Sync: s.Sync, SyncBytes: s.SyncBytes}.checkSync(&of)
		for _, p := range of {
			p.Key = at(p.Key)
			*found = append(*found, p)
		}
	}
	s.checkPercent(found, at, before)
}

// checkPercent looks at a rate that is a part of another.
func (s Stage) checkPercent(found *problems, at func(string) string, before Stages) {
	if s.RatePercent == 0 && s.RateOf == 0 {
		return
	}
	text := human.ExactNumber(s.RatePercent) + "%"
	if !(LeastPercent <= s.RatePercent && s.RatePercent <= MaxPercent) { // a NaN is not
		found.invalid(at("rate"), text, "use %s%% to %s%%", human.ExactNumber(LeastPercent),
			human.ExactNumber(MaxPercent))
	}
	if s.RateBytes > 0 || s.RateChunks > 0 {
		found.invalid(at("rate"), text, "it has another rate, too; use one of the two")
	}
	if s.RateOf < 1 || int(s.RateOf) > len(before) {
		found.invalid(at("of"), strconv.FormatUint(uint64(s.RateOf), 10), "name an earlier stage")
	}
}

// checkStages looks for what a load has beside its stages and they take the place of.
func (l Load) checkStages(found *problems) {
	*found = append(*found, l.Stages.Check()...)
	for _, one := range []struct {
		key    string
		set    bool
		value  string
		advice string
	}{
		{"warmup", l.Warmup > 0, human.ExactDuration(l.Warmup), "use a first stage with report: off"},
		{"ramp", l.Ramp > 0, human.ExactDuration(l.Ramp), "use stages with a concurrency or a rate that grows"},
		{"total_size", l.TotalBytes > 0, human.ExactSize(l.TotalBytes), "use the total_size of a stage"},
		{steadyWindow, l.SteadyWindow > 0, human.ExactDuration(l.SteadyWindow),
			"a stage ends by its duration or its total_size"},
	} {
		if one.set {
			*found = append(*found, Problem{Key: one.key, Value: one.value, Other: stages,
				OtherValue: l.Stages.text(), Advice: one.advice})
		}
	}
}

// CheckStages returns every reason why a consumer cannot go through the stages of l; there are
// none if l has none.
func (l Load) CheckStages(c Consumer) []Problem {
	var found problems
	if len(l.Stages) == 0 {
		return nil
	}
	beside := func(key, value, advice string) {
		found = append(found, Problem{Key: key, Value: value, Other: stages, OtherValue: l.Stages.text(),
			Advice: advice})
	}
	if c.StartDelay > 0 {
		beside("start_delay", human.ExactDuration(c.StartDelay), "use the pause of the first stage")
	}
	if c.RateBytes > 0 {
		beside("rate.bytes", human.ExactSize(c.RateBytes), "give each stage its rate; one without has none")
	}
	if c.RateChunks > 0 {
		beside("rate.chunks", human.ExactNumber(c.RateChunks), "give each stage its rate; one without has none")
	}
	wide := c
	wide.Concurrency = l.Stages.Writers(c.Concurrency)
	if wide.Concurrency > c.Concurrency {
		var memory problems
		wide.checkMemory(&memory)
		for _, p := range memory {
			p.Key = stages
			p.Value = fmt.Sprintf("a stage with a concurrency of %d", wide.Concurrency)
			found = append(found, p)
		}
	}
	if c.ThinkTime > 0 {
		for _, one := range l.Stages {
			var pace problems
			one.Of(c).checkPace(&pace)
			for _, p := range pace {
				if p.Other != "" { // that of the rate itself is the stage's
					p.Other, p.OtherValue = stages, "stage "+strconv.Quote(one.Name)+" with a rate of "+p.OtherValue
					found = append(found, p)
				}
			}
		}
	}
	return found
}

// The bounds of a stage.
const (
	// MaxStage is the longest duration and the longest pause.
	MaxStage = 365 * 24 * time.Hour
	// MaxTotal is the most that is written in one.
	MaxTotal = 1 << 50
	// DefaultTogetherTimeout is how long a client waits for the others before a stage, and
	// MaxTogetherTimeout the longest time for that.
	DefaultTogetherTimeout = 2 * time.Minute
	MaxTogetherTimeout     = 24 * time.Hour
	// Unanswered is how much longer it waits for the supervisor to say so.
	Unanswered = 10 * time.Second
	// LeastPercent and MaxPercent bound a rate in percent of another.
	LeastPercent = 0.1
	MaxPercent   = 1000
)
