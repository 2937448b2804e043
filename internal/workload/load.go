package workload

import (
	"fmt"
	"strconv"
	"time"

	"bulkhead/internal/human"
	"bulkhead/internal/protocol"
)

// Load is what a client is told to do, but for what each of its consumers writes.
type Load struct {
	// Consumers is how many consumers there are.
	Consumers int
	// Runtime is how long the load lasts at most, and Ramp the time over which its consumers
	// begin.
	Runtime, Ramp time.Duration
	// Warmup is how long they write before the runtime begins, and TotalBytes what ends the load; 0
	// for none.
	Warmup     time.Duration
	TotalBytes uint64
	// Stages is what the load consists of; then Runtime is Stages.Length.
	Stages Stages
	// SteadyWindow is the time in which a steady throughput ends the load; 0 never ends it.
	SteadyWindow time.Duration
	// HeartbeatInterval is the time between two rounds, and HeartbeatTimeout when an answer is late.
	HeartbeatInterval, HeartbeatTimeout time.Duration
	// MonitorInterval, ProgressInterval and LogInterval are the times between two samples, two
	// progress messages, and two lines of progress in the log.
	MonitorInterval, ProgressInterval, LogInterval time.Duration
	// StallAfter is how long a system call may last before its consumer counts as stalled.
	StallAfter time.Duration
	// ConnectTimeout, KillTimeout and DeliverTimeout bound the first connection, the end of the
	// workers, and the delivery of messages after the load.
	ConnectTimeout, KillTimeout, DeliverTimeout time.Duration
	// SpoolMemory is how many bytes of messages stay in memory, and SpoolMaxSize how large the
	// file for the others may grow.
	SpoolMemory, SpoolMaxSize uint64
}

// Check returns every reason why a client cannot do what l says.
func (l Load) Check() []Problem {
	var found problems
	for _, d := range []struct {
		key   string
		value time.Duration
	}{
		{"runtime", l.Runtime}, {"ramp", l.Ramp}, {"warmup", l.Warmup}, {steadyWindow, l.SteadyWindow},
		{"connect_timeout", l.ConnectTimeout}, {"kill_timeout", l.KillTimeout},
		{"deliver_timeout", l.DeliverTimeout}, {"stall_after", l.StallAfter},
		{"heartbeat.interval", l.HeartbeatInterval}, {"heartbeat.timeout", l.HeartbeatTimeout},
		{"monitor.interval", l.MonitorInterval}, {"progress.interval", l.ProgressInterval},
		{"log.progress_interval", l.LogInterval},
	} {
		if d.value < 0 {
			found.invalid(d.key, human.ExactDuration(d.value), "a duration is 0 or more")
		}
	}
	if l.Consumers < 1 || l.Consumers > protocol.MaxConsumers {
		found.invalid("consumer_count", strconv.Itoa(l.Consumers), "use 1 to %d", protocol.MaxConsumers)
	}
	atMost(&found, "heartbeat.timeout", l.HeartbeatTimeout, "heartbeat.interval", l.HeartbeatInterval,
		human.ExactDuration)
	atMost(&found, "spool.memory", l.SpoolMemory, "spool.max_size", l.SpoolMaxSize, human.ExactSize)
	if len(l.Stages) > 0 {
		l.checkStages(&found)
		return found
	}
	atMost(&found, "ramp", l.Ramp, "runtime", l.Runtime, human.ExactDuration)
	if l.Warmup > 0 && l.TotalBytes > 0 {
		found.invalid("warmup", human.ExactDuration(l.Warmup), "what is written in it would count for total_size; "+
			"use one of the two")
	}
	l.checkSteady(&found)
	return found
}

// CheckConsumer returns every reason why a consumer of l cannot write what c says.
func (l Load) CheckConsumer(c Consumer) []Problem {
	var found problems
	if len(l.Stages) > 0 {
		found = l.CheckStages(c)
	} else {
		atMost(&found, "start_delay", c.StartDelay, "runtime", l.Runtime, human.ExactDuration)
	}
	return append(found, c.Check()...)
}

const steadyWindow = "stop_when.steady.window"

// checkSteady looks for a window in which nothing can be seen, or that never ends.
func (l Load) checkSteady(found *problems) {
	if l.SteadyWindow <= 0 {
		return
	}
	if least := SteadyIntervals * l.ProgressInterval; l.SteadyWindow < least {
		*found = append(*found, Problem{Key: steadyWindow, Value: human.ExactDuration(l.SteadyWindow),
			Relation: fmt.Sprintf("is less than %d times", SteadyIntervals), Other: "progress.interval",
			OtherValue: human.ExactDuration(l.ProgressInterval), Advice: "use at least " + human.ExactDuration(least)})
		return
	}
	atMost(found, steadyWindow, l.SteadyWindow, "runtime", l.Runtime, human.ExactDuration)
}
