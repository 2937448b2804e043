package machine

import (
	"bytes"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// nfsCounters is what /proc/self/mountstats says of one mount of NFS. No kernel documents the form;
// it is that of nfs_show_stats and rpc_clnt_show_stats.
type nfsCounters struct {
	bytes    []uint64 // fields 5 and 6 of "bytes:": read from and written to the server
	connects []uint64 // how often each connection was made
	reads    []uint64
	writes   []uint64
	others   []uint64
}

// Places in the counters of an operation: calls, transmissions, major timeouts, bytes sent and
// received, milliseconds queued, under way and in all; errors since Linux 5.3.
const (
	opCalls = iota
	opSent
	opTimeouts
	_
	_
	opQueued
	opRTT
	opTotal
	opErrors
	opCounters
)

// parseNFS reads what /proc/self/mountstats says of the mount at a place; false if it says nothing
// that makes sense. Of mounts one on another the last counts.
func parseNFS(data []byte, at string) (nfsCounters, bool) {
	var c nfsCounters
	inside, ops, known := false, false, false
	for line := range bytes.Lines(data) {
		f := bytes.Fields(line)
		switch {
		case len(f) == 0:
		case string(f[0]) == "device":
			inside = len(f) >= 8 && string(f[2]) == "mounted" && unescape(string(f[4])) == at &&
				(string(f[7]) == "nfs" || string(f[7]) == "nfs4")
			if inside {
				c, ops, known = nfsCounters{others: make([]uint64, opCounters)}, false, false
			}
		case !inside:
		case string(f[0]) == "bytes:" && len(f) >= 7:
			c.bytes = numbers(f[5:7])
		case string(f[0]) == "xprt:" && len(f) >= 5 && string(f[1]) != "udp" && string(f[1]) != "local":
			// after the protocol, the port, and how often it was bound
			c.connects = append(c.connects, numbers(f[4:5])...)
		case string(f[0]) == "per-op":
			ops = true
		case ops:
			if n := numbers(f[1:]); len(n) > opTotal && bytes.HasSuffix(f[0], []byte(":")) {
				known = true
				c.add(string(f[0]), append(n, 0)[:opCounters])
			}
		}
	}
	return c, known && len(c.bytes) == 2 && c.reads != nil && c.writes != nil
}

// add takes the counters of an operation.
func (c *nfsCounters) add(name string, n []uint64) {
	switch name {
	case "READ:":
		c.reads = n
	case "WRITE:":
		c.writes = n
	default:
		for i := range c.others {
			c.others[i] += n[i]
		}
	}
}

// nfsActivity returns what a mount did between two readings; nil if a counter began anew.
func nfsActivity(from, to nfsCounters) *bulkheadv1.NfsActivity {
	moved, ok := addedAll(from.bytes, to.bytes)
	reads, okReads := callsOf(from.reads, to.reads)
	writes, okWrites := callsOf(from.writes, to.writes)
	others, okOthers := callsOf(from.others, to.others)
	if !ok || !okReads || !okWrites || !okOthers {
		return nil
	}
	a := &bulkheadv1.NfsActivity{Reads: reads, Writes: writes, Others: others,
		ReadBytes: bytesOf(moved[0], 1), WrittenBytes: bytesOf(moved[1], 1)}
	if again, ok := addedAll(from.connects, to.connects); ok {
		for _, n := range again {
			a.Reconnects = min(a.Reconnects+n, most)
		}
	}
	return a
}

func callsOf(from, to []uint64) (*bulkheadv1.NfsCalls, bool) {
	n, ok := addedAll(from, to)
	if !ok {
		return nil, false
	}
	return &bulkheadv1.NfsCalls{
		Calls: n[opCalls], Retransmissions: n[opSent] - min(n[opCalls], n[opSent]), Timeouts: n[opTimeouts],
		Errors: n[opErrors], QueuedNano: milliseconds(n[opQueued]), RttNano: milliseconds(n[opRTT]),
		TotalNano: milliseconds(n[opTotal]),
	}, true
}
