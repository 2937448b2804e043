package config

import "time"

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
	// Runtime is how long the load lasts.
	Runtime time.Duration
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
		textField("name", &c.Name, "", checkText(0, 128), "at most 128 bytes", "Name of this client in the report; empty means the name of the host."),
		c.labelsField(),
		tokenField(&c.Token, "Shared secret, if the supervisor asks for one."),
		durationField("runtime", &c.Runtime, 20*time.Second, 100*time.Millisecond, 365*day, "How long the load lasts."),
		durationField("connect_timeout", &c.ConnectTimeout, 30*time.Second, 100*time.Millisecond, day, "How long to try to reach the supervisor before giving up; ten times as long if it is there but busy."),
		countField("consumer_count", &c.ConsumerCount, 2, 1, 1024, "Consumers, each a process that writes files."),
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
		pathField("work_dir", &c.WorkDir, "", true, "Folder for sockets and the spool; empty means the system's temporary folder."),
		durationField("deliver_timeout", &c.DeliverTimeout, 30*time.Second, 0, day, "How long to go on delivering messages after the load."),
	)
	return append(fields, c.Log.fields()...)
}

// check reports what no single key can show to be wrong.
func (c *Client) check(l *loader) {
	l.atMost(durationOperand("heartbeat.timeout", c.Heartbeat.Timeout), durationOperand("heartbeat.interval", c.Heartbeat.Interval), "")
	l.atMost(sizeOperand("spool.memory", c.Spool.Memory), sizeOperand("spool.max_size", c.Spool.MaxSize), "")
	c.checkOverrides(l)
	c.checkConsumers(l)
}
