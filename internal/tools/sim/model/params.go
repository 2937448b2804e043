package model

import "time"

// Params are what a simulated run is of, and what things cost.
type Params struct {
	Clients, Supervisors, Nodes, Shards, Consumers int
	Spread                                         time.Duration
	Abreast                                        int
	File                                           bool
	OneMachine                                     bool

	Progress, Monitor, Heartbeat, Burst           time.Duration
	MessageBytes, BatchBytes                      int
	ConnectTimeout, PingAfter, DialTimeout        time.Duration
	WindowBatches, BatchMessages                  int
	ClientConnect, ClientBatch                    time.Duration
	HostCores, Pool                               int
	Spawn, Connect, Batch, Message, Append, Slice time.Duration
	Idle                                          time.Duration
	Crowding                                      int
	HandlerMiB, ShareMiB                          float64
	HandlerWait, OrphanGrace                      time.Duration
	InFlight, Gather                              int
	Attempt, Patience                             time.Duration
	NodeCores                                     int
	NodeAppend, NodeEntry, NodeGet                time.Duration
	Sync                                          time.Duration
	SlowSync                                      time.Duration
	SlowEvery                                     int
	DiskMB, Amplified                             float64
	Hop                                           time.Duration
	WireGbit                                      float64
	Headers                                       int
	ElectionLeast, ElectionMost                   time.Duration
	SlowDisk                                      float64
}

// Row is one of Params: its name as a flag, a pointer to it, and why it is what it is.
type Row struct {
	Name   string
	Value  any // *int, *float64, *bool or *time.Duration
	Source string
}

const (
	ms = time.Millisecond
	us = time.Microsecond
)

// Default returns what was measured; what was not says so in Rows.
func Default() Params {
	return Params{
		Clients: 1000, Supervisors: 2, Nodes: 3, Shards: 8, Consumers: 1,
		Progress: time.Second, Monitor: time.Second, Heartbeat: 2 * time.Second, Burst: 50 * ms,
		MessageBytes: 165, BatchBytes: 30, ConnectTimeout: 30 * time.Second, PingAfter: 10 * time.Second,
		DialTimeout: 1200 * ms, WindowBatches: 64, BatchMessages: 1024,
		HostCores: 8, Pool: 4, Spawn: 3500 * us, Connect: 2840 * us, Batch: 485 * us, Idle: 90 * us,
		Message: 500, Append: 30 * us,
		Slice: ms, Crowding: 1560, HandlerMiB: 1.41, ShareMiB: 0.07, HandlerWait: 10 * time.Second,
		OrphanGrace: 10 * time.Second, InFlight: 64, Gather: 32, Attempt: 2 * time.Second,
		Patience: 10 * time.Second, NodeCores: 8, NodeAppend: 26 * us, NodeEntry: 40 * us, NodeGet: 20 * us,
		Sync: 250 * us, SlowSync: 15 * ms, SlowEvery: 400, DiskMB: 1000,
		Amplified: 2.2, Hop: 50 * us, WireGbit: 10, Headers: 400, ElectionLeast: 4 * time.Second,
		ElectionMost: 9 * time.Second, SlowDisk: 50,
	}
}

// Rows returns every one of the parameters, in an order that people can read.
func (p *Params) Rows() []Row {
	return []Row{
		{"clients", &p.Clients, "the question"},
		{"supervisors", &p.Supervisors, "the question; a machine each"},
		{"nodes", &p.Nodes, "the question; a machine each, three replicas of each shard"},
		{"shards", &p.Shards, "package jetstream: Config.Shards"},
		{"consumers", &p.Consumers, "the question; of each client"},
		{"spread", &p.Spread, "the question: clients come evenly over this time; 0s is all at once"},
		{"abreast", &p.Abreast,
			"the question: how many clients come at a time, each after another one's Welcome; 0 is all"},
		{"file", &p.File, "the question: a file journal instead of an engine, with one supervisor"},
		{"one-machine", &p.OneMachine,
			"all on the processors and the disk of one machine, as in a laboratory"},

		{"progress", &p.Progress, "configs/client.yaml: progress.interval; a message of each consumer"},
		{"monitor", &p.Monitor,
			"configs/client.yaml: monitor.interval; a message of each consumer, in one batch"},
		{"heartbeat", &p.Heartbeat, "configs/client.yaml: heartbeat.interval; one message"},
		{"burst", &p.Burst,
			"a journal of 8 consumers: the Progress of all comes within, in at most five batches"},
		{"message-bytes", &p.MessageBytes, "journals of 1 and 8 consumers: 166 and 155"},
		{"batch-bytes", &p.BatchBytes, "the frame and the record of a batch"},
		{"connect-timeout", &p.ConnectTimeout, "configs/client.yaml: connect_timeout"},
		{"ping-after", &p.PingAfter, "package client/session: how long an answer is waited for"},
		{"dial-timeout", &p.DialTimeout, "how long a machine that is gone is dialled before the next"},
		{"unacked", &p.WindowBatches, "configs/supervisor.yaml: session.max_unacked_batches"},
		{"batch-messages", &p.BatchMessages, "configs/supervisor.yaml: session.max_batch"},
		{"client-connect", &p.ClientConnect,
			"benchmarks (k): 1 ms, where clients share the machine; else 0s"},
		{"client-batch", &p.ClientBatch, "the check, where clients share the machine; else 0s"},

		{"host-cores", &p.HostCores, "assumed: a supervisor's machine"},
		{"pool", &p.Pool, "configs/supervisor.yaml: handler.pool"},
		{"spawn", &p.Spawn,
			"benchmarks (c), (k): 2.8 ms of a handler until it is ready, 0.7 of those who start it"},
		{"connect", &p.Connect, "benchmarks (k): the rest of 6.5 ms"},
		{"batch", &p.Batch,
			"the check: processor time of a batch, handler 0.22 ms and supervisor 0.27; 500 clients, a batch a second"},
		{"idle", &p.Idle, "the check: a second of a handler whose client is silent"},
		{"message", &p.Message, "package supervisor/share: each message beside that"},
		{"append", &p.Append, "assumed: a request to the engine, in the supervisor"},
		{"slice", &p.Slice, "assumed: after how long the kernel lets others have a processor"},
		{"crowding", &p.Crowding,
			"benchmarks, goals: so many clients at a supervisor double what a new one costs"},
		{"handler-mib", &p.HandlerMiB, "benchmarks, goals: MiB of a handler"},
		{"share-mib", &p.ShareMiB, "benchmarks, goals: MiB of the supervisor per client"},
		{"handler-wait", &p.HandlerWait, "twice configs/supervisor.yaml: handler.start_timeout"},
		{"orphan-grace", &p.OrphanGrace,
			"the design of a cluster: how long handlers outlive their supervisor"},
		{"in-flight", &p.InFlight, "package jetstream: Config.MaxInFlight, to each shard"},
		{"gather", &p.Gather, "package supervisor: batches of an append at most"},
		{"attempt", &p.Attempt, "package jetstream: how long a request may take"},
		{"patience", &p.Patience, "package jetstream: Config.Patience"},

		{"node-cores", &p.NodeCores, "assumed: an engine node's machine"},
		{"node-append", &p.NodeAppend, "lab: with node-entry, fits 1 KiB × 64 and × 512 to 4 %"},
		{"node-entry", &p.NodeEntry, "lab: what messages that go to the log together cost beside that"},
		{"node-get", &p.NodeGet, "assumed: a read of a head, without the disk"},
		{"sync", &p.Sync, "benchmarks (h): fdatasync of a record; six of them in turn are lab's 8 KiB × 1"},
		{"slow-sync", &p.SlowSync, "lab: fits p99 of 8 KiB × 8 and × 64; how much longer some syncs take"},
		{"slow-every", &p.SlowEvery, "lab: the same; one in so many on average, 0 is none"},
		{"disk-mb", &p.DiskMB,
			"assumed: MB a second of a node's own disk; lab: 371, for 53 MB/s written seven times"},
		{"amplified", &p.Amplified, "lab: written bytes are 6 to 7.6 times the payload, on three nodes"},
		{"hop", &p.Hop, "assumed: one way between two machines"},
		{"wire-gbit", &p.WireGbit, "assumed: a network interface, each way"},
		{"headers", &p.Headers, "package jetstream: a message's headers and the engine's own"},
		{"election-least", &p.ElectionLeast,
			"lab: fixed in the engine's code; the first of two followers wins"},
		{"election-most", &p.ElectionMost, "lab: the same"},
		{"slow-disk", &p.SlowDisk, "the question: how many times as slow the slow disk is"},
	}
}

// Lab makes everything share two processors and one disk, as where the engine's table was measured.
func (p *Params) Lab() {
	p.OneMachine, p.HostCores, p.NodeCores = true, 2, 2
	p.Hop, p.WireGbit, p.DiskMB = 15*us, 100, 371
}
