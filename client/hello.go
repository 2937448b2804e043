package client

import (
	"os"
	"strings"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const protocolVersion = 1

// helloOf introduces the client. The session adds the wall clock.
func helloOf(cfg Config, id clientID, dirs *folders) *bulkheadv1.Hello {
	host, _ := os.Hostname() // for people only; an unknown host is an empty one
	workload := &bulkheadv1.Workload{
		RuntimeNano:           int64(cfg.Runtime),
		HeartbeatIntervalNano: int64(cfg.HeartbeatInterval),
		HeartbeatTimeoutNano:  int64(cfg.HeartbeatTimeout),
		MonitorIntervalNano:   int64(cfg.MonitorInterval),
		ProgressIntervalNano:  int64(cfg.ProgressInterval),
	}
	for i, c := range cfg.Consumers {
		workload.Consumers = append(workload.Consumers, specOf(i, c, dirs.consumers[i]))
	}
	return &bulkheadv1.Hello{
		ProtocolVersion: protocolVersion,
		ClientId:        id[:],
		Name:            cfg.Name,
		Host:            strings.ToValidUTF8(host[:min(len(host), hostMaxBytes)], ""),
		Labels:          cfg.Labels,
		Token:           cfg.Token,
		Workload:        workload,
		ClientVersion:   cfg.Version,
		Pid:             int32(os.Getpid()),
	}
}

// specOf is what a consumer writes, in wire form.
func specOf(index int, c Consumer, folder string) *bulkheadv1.ConsumerSpec {
	return &bulkheadv1.ConsumerSpec{
		Index:          uint32(index),
		Path:           folder,
		ChunkSizeBytes: c.ChunkSize,
		FileSizeBytes:  c.FileSize,
		KeepFiles:      c.KeepFiles,
		Sync:           c.Sync,
	}
}

// clientProcess is this process.
func clientProcess() *bulkheadv1.Process {
	return &bulkheadv1.Process{Kind: bulkheadv1.ProcessKind_PROCESS_KIND_CLIENT, Pid: int32(os.Getpid())}
}
