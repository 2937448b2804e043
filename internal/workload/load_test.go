package workload

import (
	"strings"
	"testing"
	"time"
)

func lines(found []Problem) string {
	list := make([]string, len(found))
	for i, problem := range found {
		list[i] = problem.Error()
	}
	return strings.Join(list, "\n")
}

// anyLoad returns a load with nothing to spare: each of its settings that another bounds is at that bound.
func anyLoad() Load {
	return Load{
		Consumers: 1, Runtime: 5 * time.Second, Ramp: 5 * time.Second, SteadyWindow: 5 * time.Second,
		ProgressInterval: time.Second, HeartbeatInterval: time.Second, HeartbeatTimeout: time.Second,
		SpoolMemory: 1000, SpoolMaxSize: 1000,
	}
}

func TestLoadProblems(t *testing.T) {
	for _, row := range []struct {
		change func(*Load)
		want   string // each problem in a line
	}{
		{func(*Load) {}, ""},
		{func(l *Load) { l.SteadyWindow, l.Ramp = 0, 0 }, ""},
		{func(l *Load) { l.Consumers = 1024 }, ""},
		{func(l *Load) { l.Consumers = 0 }, "consumer_count: 0 is not valid; use 1 to 1024"},
		{func(l *Load) { l.Consumers = 1025 }, "consumer_count: 1025 is not valid; use 1 to 1024"},
		{func(l *Load) { l.HeartbeatTimeout++ },
			"heartbeat.interval: 1s is less than heartbeat.timeout (1.000000001s)"},
		{func(l *Load) { l.SpoolMaxSize-- }, "spool.max_size: 999B is less than spool.memory (1kB)"},
		{func(l *Load) { l.Ramp++ }, "runtime: 5s is less than ramp (5.000000001s)"},
		{func(l *Load) { l.SteadyWindow++ }, "runtime: 5s is less than stop_when.steady.window (5.000000001s)"},
		{func(l *Load) { l.SteadyWindow-- }, "stop_when.steady.window: 4.999999999s is less than 5 times " +
			"progress.interval (1s); use at least 5s"},
		{func(l *Load) { l.ProgressInterval++ }, "stop_when.steady.window: 5s is less than 5 times " +
			"progress.interval (1.000000001s); use at least 5.000000005s"},
		{func(l *Load) { l.Runtime = -1 }, "runtime: -1ns is not valid; a duration is 0 or more"},
		{func(l *Load) { l.Runtime, l.Ramp, l.SteadyWindow = -1, -2, -3 },
			"runtime: -1ns is not valid; a duration is 0 or more\n" +
				"ramp: -2ns is not valid; a duration is 0 or more\n" +
				"stop_when.steady.window: -3ns is not valid; a duration is 0 or more"},
		{func(l *Load) { l.ConnectTimeout, l.KillTimeout, l.DeliverTimeout = -1, -2, -3 },
			"connect_timeout: -1ns is not valid; a duration is 0 or more\n" +
				"kill_timeout: -2ns is not valid; a duration is 0 or more\n" +
				"deliver_timeout: -3ns is not valid; a duration is 0 or more"},
		{func(l *Load) { l.HeartbeatInterval, l.HeartbeatTimeout = -1, -1 },
			"heartbeat.interval: -1ns is not valid; a duration is 0 or more\n" +
				"heartbeat.timeout: -1ns is not valid; a duration is 0 or more"},
		{func(l *Load) { l.StallAfter, l.MonitorInterval, l.ProgressInterval, l.LogInterval = -1, -2, -3, -4 },
			"stall_after: -1ns is not valid; a duration is 0 or more\n" +
				"monitor.interval: -2ns is not valid; a duration is 0 or more\n" +
				"progress.interval: -3ns is not valid; a duration is 0 or more\n" +
				"log.progress_interval: -4ns is not valid; a duration is 0 or more"},
	} {
		l := anyLoad()
		row.change(&l)
		if got := lines(l.Check()); got != row.want {
			t.Errorf("problems:\n%s\nwant:\n%s", got, row.want)
		}
	}
}

func TestConsumersOfALoad(t *testing.T) {
	for _, row := range []struct {
		change func(*Consumer)
		want   string
	}{
		{func(c *Consumer) { c.StartDelay = 5 * time.Second }, ""},
		{func(c *Consumer) { c.StartDelay = 5*time.Second + 1 }, "runtime: 5s is less than start_delay (5.000000001s)"},
		{func(c *Consumer) { c.KeepFiles, c.Recycle = MaxKeepFiles+1, false },
			"keep_files: 1000001 is not valid; use 0 to 1000000"},
	} {
		c := everything()
		row.change(&c)
		if got := lines(anyLoad().CheckConsumer(c)); got != row.want {
			t.Errorf("problems:\n%s\nwant:\n%s", got, row.want)
		}
	}
}
