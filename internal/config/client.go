package config

import (
	"fmt"
	"time"

	"bulkhead/internal/protocol"
)

// Client is the configuration of a client.
type Client struct {
	// Supervisor is the address of the supervisor, HOST:PORT.
	Supervisor string
	// Name is shown to people; empty means the name of the host.
	Name string
	// Labels go into the report as they are; nil when there are none.
	Labels map[string]string
	// Token is what the supervisor asks for; empty when it asks for none.
	Token string
	// Runtime is how long the load lasts, unless TotalSize or StopWhen ends it before.
	Runtime time.Duration
	// TotalSize ends the load when all consumers together have written so much; 0 is
	// no limit.
	TotalSize Size
	// StopWhen ends the load when its throughput is steady.
	StopWhen Steady
	// Ramp is the time over which the consumers begin, one after the other.
	Ramp time.Duration
	// ConnectTimeout is how long the first connection is tried for.
	ConnectTimeout time.Duration
	// ConsumerCount is how many consumers write.
	ConsumerCount int
	// Consumer is what a consumer writes where its own entry does not differ.
	Consumer Consumer
	// Overrides are the entries of single consumers, from the first on; at most
	// ConsumerCount. Use Consumers for the whole.
	Overrides []ConsumerOverride
	// Keep leaves the load files in place at the end.
	Keep bool
	// StallAfter is how long a system call may last before its consumer is stalled.
	StallAfter time.Duration
	// KillTimeout is how long a worker may take to end before it is killed.
	KillTimeout time.Duration
	Heartbeat   Heartbeat
	// MonitorInterval is how often the consumers are sampled.
	MonitorInterval time.Duration
	// ProgressInterval is how often consumers report what they wrote.
	ProgressInterval time.Duration
	Spool            Spool
	// WorkDir is the folder for sockets and the spool; empty means one in the
	// system's folder for temporary files.
	WorkDir string
	// DeliverTimeout is how long messages are still delivered after the load.
	DeliverTimeout time.Duration
	Log            Log
}

// Heartbeat says how often workers are asked how they are.
type Heartbeat struct {
	Interval time.Duration
	// Timeout is after how long an answer is late; at most Interval.
	Timeout time.Duration
}

// Steady says when the throughput counts as steady.
type Steady struct {
	// Window is the time that is looked at; 0 never ends the load.
	Window time.Duration
	// Variation is the most that the throughput may vary in it: the coefficient of
	// variation, in percent.
	Variation float64
}

// steadyIntervals is the least number of progress intervals in a window: the five
// rounds of a measurement window in SNIA's Solid State Storage Performance Test
// Specification. Fewer say little about a deviation.
const steadyIntervals = 5

// Spool bounds what is kept of messages that are not yet acknowledged.
type Spool struct {
	// Memory is how much stays in memory; what is more goes to a file.
	Memory Size
	// MaxSize is how large that file may grow; at least Memory.
	MaxSize Size
}

// fields declares the keys of a client.
func (c *Client) fields() []field {
	const day = 24 * time.Hour
	fields := []field{
		textField("supervisor", &c.Supervisor, "127.0.0.1:7420", checkAddress(false), "HOST:PORT", "Address of the supervisor."),
		textField("name", &c.Name, "", checkName, "at most 128 bytes", "Name of this client in the report; empty means the name of the host."),
		c.labelsField(),
		tokenField(&c.Token, "Shared secret, if the supervisor asks for one."),
		durationField("runtime", &c.Runtime, 20*time.Second, 100*time.Millisecond, 365*day, "How long the load lasts, unless total_size or stop_when ends it before."),
		sizeField("total_size", &c.TotalSize, 0, 0, 1024*1024*GiB, "Bytes after which the load ends, all consumers together; 0 is no limit."),
		durationField("stop_when.steady.window", &c.StopWhen.Window, 0, 0, day, "Time in which the throughput must be steady to end the load, at least 5 progress intervals; 0s never ends it."),
		amountField("stop_when.steady.variation", &c.StopWhen.Variation, 5, 0.1, 100, "Most that a steady throughput varies from one progress interval to the others: standard deviation by mean, in percent."),
		durationField("ramp", &c.Ramp, 0, 0, 365*day, "Time over which the consumers begin, one after the other; at most runtime."),
		durationField("connect_timeout", &c.ConnectTimeout, 30*time.Second, 100*time.Millisecond, day, "How long to try to reach the supervisor before giving up; ten times as long if it is there but busy."),
		countField("consumer_count", &c.ConsumerCount, 2, 1, protocol.MaxConsumers, "Consumers, each a process that writes files."),
	}
	fields = append(fields, c.Consumer.fields()...)
	fields = append(fields, c.overridesField())
	fields = append(fields,
		switchField("keep", &c.Keep, false, "Leave the load files in place at the end."),
		durationField("stall_after", &c.StallAfter, 2*time.Second, 10*time.Millisecond, time.Hour, "How long one system call may last before its consumer counts as stalled."),
		durationField("kill_timeout", &c.KillTimeout, 10*time.Second, 100*time.Millisecond, time.Hour, "How long a worker may take to end before it is killed."),
		durationField("heartbeat.interval", &c.Heartbeat.Interval, 2*time.Second, 50*time.Millisecond, time.Hour, "Time between two heartbeat rounds."),
		durationField("heartbeat.timeout", &c.Heartbeat.Timeout, time.Second, 10*time.Millisecond, time.Hour, "After how long an answer is late; at most heartbeat.interval."),
		durationField("monitor.interval", &c.MonitorInterval, time.Second, 50*time.Millisecond, time.Hour, "Time between two samples of the consumers."),
		durationField("progress.interval", &c.ProgressInterval, time.Second, 50*time.Millisecond, time.Hour, "Time between two progress messages of a consumer."),
		sizeField("spool.memory", &c.Spool.Memory, 4*MiB, 64*KiB, 64*GiB, "Unacknowledged messages kept in memory; what is more goes to a file."),
		sizeField("spool.max_size", &c.Spool.MaxSize, 256*MiB, 64*KiB, 1024*GiB, "Largest size of that file; at least spool.memory."),
		textField("work_dir", &c.WorkDir, "", checkPath(checkBytes(0, maxPath)), "a path, or empty", "Folder for sockets and the spool; empty means the system's temporary folder."),
		durationField("deliver_timeout", &c.DeliverTimeout, 30*time.Second, 0, day, "How long to go on delivering messages after the load."),
	)
	return append(fields, c.Log.fields()...)
}

// check reports what no single key can show to be wrong.
func (c *Client) check(l *loader) {
	l.atMost(durationOperand("heartbeat.timeout", c.Heartbeat.Timeout), durationOperand("heartbeat.interval", c.Heartbeat.Interval))
	l.atMost(sizeOperand("spool.memory", c.Spool.Memory), sizeOperand("spool.max_size", c.Spool.MaxSize))
	l.atMost(durationOperand("ramp", c.Ramp), durationOperand("runtime", c.Runtime))
	c.checkSteady(l)
	c.checkOverrides(l)
	c.checkConsumers(l)
}

// checkSteady reports a window in which nothing can be seen, or that never ends.
func (c *Client) checkSteady(l *loader) {
	const window, variation = "stop_when.steady.window", "stop_when.steady.variation"
	switch {
	case l.broken[window] || l.broken["progress.interval"]:
	case c.StopWhen.Window == 0:
		// A window that was set to 0s was switched off on purpose.
		if at := l.origins[variation]; at.source != fromDefault && l.origins[window].source == fromDefault && !l.broken[variation] {
			l.report(at, variation, "says nothing without "+window+"; set that, too, as in 30s")
		}
	case c.StopWhen.Window < steadyIntervals*c.ProgressInterval:
		l.report(l.origins[window], window, fmt.Sprintf("%s is less than %d times progress.interval, which is %s (%s); use at least %s",
			formatDuration(c.StopWhen.Window), steadyIntervals, formatDuration(c.ProgressInterval), l.origins["progress.interval"],
			formatDuration(steadyIntervals*c.ProgressInterval)))
	default:
		l.atMost(durationOperand(window, c.StopWhen.Window), durationOperand("runtime", c.Runtime))
	}
}
