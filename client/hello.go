package client

import (
	"fmt"
	"os"
	"strings"

	"google.golang.org/protobuf/proto"

	"bulkhead/client/site"
	"bulkhead/client/spec"
	"bulkhead/internal/human"
	"bulkhead/internal/protocol"
	"bulkhead/internal/workload"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// helloOf introduces the client. The session adds the wall clock.
func helloOf(cfg spec.Config, secret spec.Secret, dirs *site.Folders) *bulkheadv1.Hello {
	host, _ := os.Hostname() // for people only; an unknown host is an empty one
	return &bulkheadv1.Hello{
		ProtocolVersion: protocol.Version,
		ProtocolMinor:   protocol.Minor,
		ClientId:        secret[:],
		Name:            cfg.Name,
		Host:            strings.ToValidUTF8(host[:min(len(host), protocol.MaxHostBytes)], ""),
		Labels:          cfg.Labels,
		Token:           cfg.Token,
		Workload:        workloadOf(cfg, dirs),
		ClientVersion:   cfg.Version,
		Pid:             int32(os.Getpid()),
		Instance:        spec.NewInstance(),
	}
}

// helloMaxBytes bounds a Hello: a frame of the default size, less what is added when a connection
// is made again.
const helloMaxBytes = protocol.DefaultFrameBytes - 4<<10

// checkHelloSize returns an error for a Hello that no supervisor takes. 1024 consumers
// have room for paths of some hundred bytes and a few chunk sizes each.
func checkHelloSize(h *bulkheadv1.Hello) error {
	if size := proto.Size(h); size > helloMaxBytes {
		return fmt.Errorf("%w: the description of its %d consumers has %s, and a supervisor accepts %s; use "+
			"shorter paths, fewer chunk sizes, or fewer consumers",
			spec.ErrConfig, len(h.GetWorkload().GetConsumers()), human.BriefSize(uint64(size)),
			human.BriefSize(helloMaxBytes))
	}
	return nil
}

// workloadOf returns what the client is going to do, in wire form.
func workloadOf(cfg spec.Config, dirs *site.Folders) *bulkheadv1.Workload {
	wire := &bulkheadv1.Workload{
		RuntimeNano:           int64(cfg.Runtime),
		HeartbeatIntervalNano: int64(cfg.HeartbeatInterval),
		HeartbeatTimeoutNano:  int64(cfg.HeartbeatTimeout),
		MonitorIntervalNano:   int64(cfg.MonitorInterval),
		ProgressIntervalNano:  int64(cfg.ProgressInterval),
		RampNano:              int64(cfg.Ramp),
		TotalBytes:            cfg.TotalBytes,
		WarmupNano:            int64(cfg.Warmup),
		Stages:                cfg.Stages.Wire(),
	}
	if cfg.Steady.Window > 0 {
		wire.StopWhen = &bulkheadv1.SteadyState{WindowNano: int64(cfg.Steady.Window),
			MaxVariationPercent: cfg.Steady.MaxVariation}
	}
	for i, c := range cfg.Consumers {
		wire.Consumers = append(wire.Consumers, specOf(i, c, dirs))
	}
	return wire
}

// specOf returns what a consumer writes, in wire form.
func specOf(index int, c workload.Consumer, dirs *site.Folders) *bulkheadv1.ConsumerSpec {
	c.Path = dirs.Consumers[index]
	wire := c.Wire(index)
	wire.ReserveBytes, wire.ReserveInodes = dirs.Reserves[index].Bytes, dirs.Reserves[index].Inodes
	return wire
}

// clientProcess returns this process.
func clientProcess() *bulkheadv1.Process {
	return &bulkheadv1.Process{Kind: bulkheadv1.ProcessKind_PROCESS_KIND_CLIENT, Pid: int32(os.Getpid())}
}
