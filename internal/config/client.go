package config

import (
	"fmt"
	"time"

	"bulkhead/internal/config/value"
	"bulkhead/internal/protocol"
	"bulkhead/internal/workload"
)

// Client is the configuration of a client.
type Client struct {
	// Supervisor has the addresses of the supervisors of the run; at least one.
	Supervisor value.Addresses
	// Name is shown to people; empty means the name of the host.
	Name string
	// Labels go into the report as they are; nil when there are none.
	Labels map[string]string
	// Token is what the supervisor asks for; empty when it asks for none.
	Token string
	// TokenFile is a file with it instead; empty has none.
	TokenFile string
	TLS       ClientTLS
	// Runtime is how long the load lasts, unless TotalSize or StopWhen ends it before.
	Runtime time.Duration
	// TotalSize ends the load when all consumers together have written so much; 0 is
	// no limit.
	TotalSize value.Size
	// StopWhen ends the load when its throughput is steady.
	StopWhen Steady
	// Ramp is the time over which the consumers begin, one after the other.
	Ramp time.Duration
	// Warmup is how long the consumers write before the runtime begins.
	Warmup time.Duration
	// Stages is what the load consists of, with curves as their steps; empty for a load without. With
	// them Runtime is their length, 0 if one of them has no duration.
	Stages workload.Stages
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

// ClientTLS says how a client speaks TLS. CA, Cert and Key are paths of files in PEM, or empty.
type ClientTLS struct {
	// CA has the CAs whose certificate the supervisor must have; without it there is no TLS.
	CA string
	// Cert is the client's certificate, and Key its key; it may have none.
	Cert, Key string
	// ServerName is the name that the supervisor's certificate must have; empty is the host of
	// the supervisor's address.
	ServerName string
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

// Spool bounds what is kept of messages that are not yet acknowledged.
type Spool struct {
	// Memory is how much stays in memory; what is more goes to a file.
	Memory value.Size
	// MaxSize is how large that file may grow; at least Memory.
	MaxSize value.Size
}

// fields declares the keys of a client.
func (c *Client) fields() []field {
	const day = 24 * time.Hour
	fields := []field{
		addressesField("supervisor", &c.Supervisor, supervisorHelp),
		textField("name", &c.Name, "", value.Optional(protocol.CheckName),
			fmt.Sprintf("at most %d bytes", protocol.MaxNameBytes),
			"Name of this client in the report; empty means the name of the host."),
		c.labelsField(),
		tokenField(&c.Token, "Secret of this client or of all, if the supervisor asks for one."),
		pathField("token_file", &c.TokenFile, "", true, "File with that secret, instead of token."),
		pathField("tls.ca", &c.TLS.CA, "", true,
			"File with the CAs of the supervisor's certificate, in PEM; empty speaks no TLS."),
		pathField("tls.cert", &c.TLS.Cert, "", true,
			"File with this client's certificate, in PEM, if the supervisor asks for one."),
		pathField("tls.key", &c.TLS.Key, "", true, "File with the key of that certificate, in PEM."),
		textField("tls.server_name", &c.TLS.ServerName, "", value.CheckBytes(0, 255), "a host name, or empty",
			"Name that the supervisor's certificate must have; empty means the host of its address."),
		durationField("runtime", &c.Runtime, 20*time.Second, 100*time.Millisecond, 365*day,
			"How long the load lasts, unless total_size or stop_when ends it before."),
		sizeField("total_size", &c.TotalSize, 0, 0, 1024*1024*value.GiB,
			"Bytes after which the load ends, all consumers together; 0 is no limit."),
		durationField("stop_when.steady.window", &c.StopWhen.Window, 0, 0, day,
			fmt.Sprintf("Time in which the throughput must be steady to end the load, at least %d progress "+
				"intervals; 0s never ends it.", workload.SteadyIntervals)),
		amountField("stop_when.steady.variation", &c.StopWhen.Variation, 5, 0.1, 100,
			"Most that a steady throughput varies from one progress interval to the others: standard deviation by "+
				"mean, in percent."),
		durationField("ramp", &c.Ramp, 0, 0, 365*day,
			"Time over which the consumers begin, one after the other; at most runtime."),
		durationField("warmup", &c.Warmup, 0, 0, 365*day,
			"Time for which the consumers write before the runtime begins; no figure that is judged has it."),
		c.stagesField(),
		durationField("connect_timeout", &c.ConnectTimeout, 30*time.Second, 100*time.Millisecond, day,
			"How long to try to reach the supervisor before giving up; ten times as long if it is there but busy."),
		countField("consumer_count", &c.ConsumerCount, 2, 1, protocol.MaxConsumers,
			"Consumers, each a process that writes files."),
	}
	fields = append(fields, c.Consumer.fields()...)
	fields = append(fields, c.overridesField())
	fields = append(fields,
		switchField("keep", &c.Keep, false, "Leave the load files in place at the end."),
		durationField("stall_after", &c.StallAfter, workload.DefaultStallAfter, 10*time.Millisecond, time.Hour,
			"How long one system call may last before its consumer counts as stalled."),
		durationField("kill_timeout", &c.KillTimeout, 10*time.Second, 100*time.Millisecond, time.Hour,
			"How long a worker may take to end before it is killed."),
		durationField("heartbeat.interval", &c.Heartbeat.Interval, 2*time.Second, 50*time.Millisecond, time.Hour,
			"Time between two heartbeat rounds."),
		durationField("heartbeat.timeout", &c.Heartbeat.Timeout, time.Second, 10*time.Millisecond, time.Hour,
			"After how long an answer is late; at most heartbeat.interval."),
		durationField("monitor.interval", &c.MonitorInterval, time.Second, 50*time.Millisecond, time.Hour,
			"Time between two samples of the consumers."),
		durationField("progress.interval", &c.ProgressInterval, workload.DefaultProgressInterval, 50*time.Millisecond,
			time.Hour,
			"Time between two progress messages of a consumer."),
		sizeField("spool.memory", &c.Spool.Memory, 4*value.MiB, 64*value.KiB, 64*value.GiB,
			"Unacknowledged messages kept in memory; what is more goes to a file."),
		sizeField("spool.max_size", &c.Spool.MaxSize, 256*value.MiB, 64*value.KiB, 1024*value.GiB,
			"Largest size of that file; at least spool.memory."),
		textField("work_dir", &c.WorkDir, "", value.CheckPath(value.CheckBytes(0, maxPath)), "a path, or empty",
			"Folder for sockets and the spool; empty means the system's temporary folder."),
		durationField("deliver_timeout", &c.DeliverTimeout, 30*time.Second, 0, day,
			"How long messages are still delivered after the load."),
	)
	return append(fields, c.Log.fields()...)
}

// check reports what no single key can show to be wrong.
func (c *Client) check(l *loader) {
	c.checkStages(l)
	c.checkLoad(l)
	l.either("token", c.Token, "token_file", c.TokenFile)
	l.needs("tls.key", c.TLS.Key, "tls.cert", c.TLS.Cert)
	l.needs("tls.cert", c.TLS.Cert, "tls.key", c.TLS.Key)
	l.needs("tls.cert", c.TLS.Cert, "tls.ca", c.TLS.CA)
	l.needs("tls.server_name", c.TLS.ServerName, "tls.ca", c.TLS.CA)
	c.checkVariation(l)
	c.checkOverrides(l)
	c.checkConsumers(l)
}
