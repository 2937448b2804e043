package machine

import (
	"bytes"
	"path/filepath"
	"strconv"
	"strings"

	"bulkhead/internal/procfile"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Places in the counters of an interface.
const (
	netReceivedBytes = iota
	netReceivedPackets
	netReceiveErrors
	netReceiveDrops
	netSentBytes
	netSentPackets
	netSendErrors
	netSendDrops
)

// parseInterfaces reads /proc/net/dev, of the interfaces that are wanted.
func parseInterfaces(data []byte, wanted func(name string) bool) map[string][]uint64 {
	found := make(map[string][]uint64)
	for line := range bytes.Lines(data) {
		before, after, ok := bytes.Cut(line, []byte(":"))
		name := string(bytes.TrimSpace(before))
		if !ok || !wanted(name) {
			continue
		}
		if n := numbers(bytes.Fields(after)); len(n) >= 16 {
			found[name] = append(n[:4:4], n[8:12]...)
		}
	}
	return found
}

// netActivity returns what passed an interface between two readings; nil if a counter began anew.
func netActivity(from, to []uint64) *bulkheadv1.NetworkActivity {
	n, ok := addedAll(from, to)
	if !ok {
		return nil
	}
	return &bulkheadv1.NetworkActivity{
		ReceivedBytes: n[netReceivedBytes], SentBytes: n[netSentBytes],
		ReceivedPackets: n[netReceivedPackets], SentPackets: n[netSentPackets],
		Errors: min(n[netReceiveErrors]+n[netSendErrors], most), Dropped: min(n[netReceiveDrops]+n[netSendDrops], most),
	}
}

// derived are the kinds of interfaces without hardware of their own that have the speed of what they
// are on. The speed that others say, such as one end of a veth pair, limits nothing.
var derived = map[string]bool{"bond": true, "vlan": true, "bridge": true, "macvlan": true}

// speedOf returns the speed of an interface in bits per second; 0 if it has none.
func speedOf(sys, name string) uint64 {
	folder := filepath.Join(sys, "class/net", name)
	if !has(folder, "device") && !derived[deviceType(text(folder, "uevent"))] {
		return 0
	}
	data, err := procfile.Read(filepath.Join(folder, "speed"))
	if err != nil {
		return 0
	}
	return parseSpeed(string(data))
}

// parseSpeed reads megabits per second; -1 and 2^32-1 mean that it is not known.
func parseSpeed(text string) uint64 {
	mbit, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || mbit <= 0 || mbit >= 1<<32-1 {
		return 0
	}
	return uint64(mbit) * 1_000_000
}

// deviceType returns DEVTYPE of a uevent file.
func deviceType(uevent string) string {
	for line := range strings.Lines(uevent) {
		if kind, is := strings.CutPrefix(strings.TrimSpace(line), "DEVTYPE="); is {
			return kind
		}
	}
	return ""
}
