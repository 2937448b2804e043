package spec

import (
	"bulkhead/internal/config"
	"bulkhead/internal/workload"
)

// Of returns the settings of a client in the client's own form. A 0 in them is 0, and stands
// for no default.
func Of(c config.Client) Config {
	out := Config{
		Supervisor: c.Supervisor, Name: c.Name, Labels: c.Labels, Token: c.Token,
		TokenFile: c.TokenFile, TLS: c.TLS,
		Runtime: c.Runtime, ConnectTimeout: c.ConnectTimeout, KillTimeout: c.KillTimeout,
		DeliverTimeout: c.DeliverTimeout,
		TotalBytes:     uint64(c.TotalSize), Ramp: c.Ramp, Warmup: c.Warmup,
		Steady: Steady{Window: c.StopWhen.Window, MaxVariation: c.StopWhen.Variation},
		Stages: c.Stages,
		Keep:   c.Keep, StallAfter: c.StallAfter,
		HeartbeatInterval: c.Heartbeat.Interval, HeartbeatTimeout: c.Heartbeat.Timeout,
		LogProgress: c.Log.ProgressInterval, MonitorInterval: c.MonitorInterval, ProgressInterval: c.ProgressInterval,
		SpoolMemory: uint64(c.Spool.Memory), SpoolMaxSize: uint64(c.Spool.MaxSize), WorkDir: c.WorkDir,
	}
	for _, one := range c.Consumers() {
		out.Consumers = append(out.Consumers, one.Workload())
	}
	return out
}

// load returns c in the form that has the rules for it.
func (c Config) load() workload.Load {
	return workload.Load{
		Consumers: len(c.Consumers), Runtime: c.Runtime, Ramp: c.Ramp, Warmup: c.Warmup,
		TotalBytes: c.TotalBytes, Stages: c.Stages, SteadyWindow: c.Steady.Window,
		HeartbeatInterval: c.HeartbeatInterval, HeartbeatTimeout: c.HeartbeatTimeout,
		MonitorInterval: c.MonitorInterval, ProgressInterval: c.ProgressInterval, LogInterval: c.LogProgress,
		StallAfter: c.StallAfter, ConnectTimeout: c.ConnectTimeout, KillTimeout: c.KillTimeout,
		DeliverTimeout: c.DeliverTimeout, SpoolMemory: c.SpoolMemory, SpoolMaxSize: c.SpoolMaxSize,
	}
}
