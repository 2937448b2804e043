package isolation_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"bulkhead/internal/testing/rawclient"

	"bulkhead/internal/testing/harness/expect"
)

// peakMemory returns the largest resident set of a process so far, in bytes
// (/proc/PID/status, VmHWM).
func peakMemory(t *testing.T, pid int) uint64 {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	expect.NoError(t, err)
	_, rest, ok := strings.Cut(string(data), "VmHWM:")
	var kib uint64
	if _, err := fmt.Sscan(rest, &kib); err != nil || !ok {
		t.Fatalf("no VmHWM of process %d: %v", pid, err)
	}
	return kib << 10
}

// flood makes so many connections that say nothing, some at a time, and returns how
// each ended: the text it was refused with, or "" if it was let in and cut off later.
// goOn is called when all have been made.
func flood(t *testing.T, addr string, connections, atOnce int, goOn func()) map[string]int {
	t.Helper()
	var mu sync.Mutex
	ends := make(map[string]int)
	var dialing, reading sync.WaitGroup
	todo := make(chan struct{})
	for range atOnce {
		dialing.Go(func() {
			for range todo {
				c, err := net.Dial("tcp", addr)
				if err != nil {
					t.Errorf("connecting: %v", err)
					continue
				}
				reading.Go(func() { // ends when the supervisor closes, at the latest after patience
					defer c.Close()
					text, err := refusalText(c)
					if err != nil {
						t.Errorf("a connection that says nothing: %v", err)
					}
					mu.Lock()
					defer mu.Unlock()
					ends[text]++
				})
			}
		})
	}
	for range connections {
		todo <- struct{}{}
	}
	close(todo)
	dialing.Wait()
	goOn()
	reading.Wait()
	return ends
}

// refusalText reads a connection to its end and returns the debug data of its GOAWAY;
// "" if there is none.
func refusalText(c net.Conn) (string, error) {
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	data, err := io.ReadAll(c)
	if isTimeout(err) {
		return "", err
	} // a reset is an end too
	fr := http2.NewFramer(nil, bytes.NewReader(data))
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			return "", nil
		}
		if g, ok := f.(*http2.GoAwayFrame); ok {
			return string(g.DebugData()), nil
		}
	}
}

// Two thousand connections that say nothing are shed with a reason, or cut off for
// want of a Hello; all the while two sessions get every acknowledgement, and a new
// client gets in.
func TestAFloodOfConnectionsIsShed(t *testing.T) {
	t.Parallel()
	const connections, pool, most = 2000, 2, 256 << 20
	s := start(t, "--session-hello-timeout", "5s", "--overload-startups", "16:30:64", "--handler-pool",
		fmt.Sprint(pool), "--clients", "3")
	loads := []*load{
		startLoad(t, s, rawclient.Hello("first"), 1, 8, 4),
		startLoad(t, s, rawclient.Hello("second"), 2, 8, 4),
	}
	for _, l := range loads {
		l.goesOn(t)
	}
	s.settled(2, pool)
	before := tracesOf(t, s)
	for range 20 { // the connections of status itself may still be closing
		before.descriptors = min(before.descriptors, tracesOf(t, s).descriptors)
	}
	ends := flood(t, s.Addr, connections, 50, func() {
		for _, l := range loads {
			l.goesOn(t)
		}
		st := s.status() // a pool whose handlers are taken fast keeps up to four times as many
		if n := st.GetHandlersBusy() + st.GetPoolReady() + st.GetPoolStarting(); n > 2+16+4*pool {
			t.Errorf("there are %d handlers; want none for connections that say nothing in a crowd", n)
		}
	})
	const text = "too many connections have not said Hello; retry after 2s"
	// Those that were let in and said nothing for the longest time made room for others.
	const madeRoom = "too many connections have not said Hello, and this one has said nothing for the longest time; " +
		"retry after 2s"
	dropped, letIn := ends[madeRoom], ends[""]
	shed := ends[text] + dropped
	if shed+letIn != connections || letIn < 16 || shed < connections/2 {
		t.Errorf("the flood ended as %v; want most shed with %q", ends, text)
	}
	for _, l := range loads {
		l.goesOn(t)
	}
	s.settled(2, pool)
	expect.NoError(t, closedVisit(t.Context(), s.Addr, "third"))
	s.settled(2, pool)
	expect.Eventually(t, func() error {
		after := tracesOf(t, s)
		after.descriptors = max(after.descriptors, before.descriptors) // fewer are fine
		if after != before {
			return fmt.Errorf("left behind after the flood: %+v; before it was %+v", after, before)
		}
		return nil
	})
	if peak := peakMemory(t, s.Pid()); peak > most && !raceEnabled {
		t.Errorf("the supervisor had %d MiB; want at most %d", peak>>20, most>>20)
	}
	if st := s.status(); st.GetShedConnections() != uint64(shed) ||
		st.GetAcceptedConnections() != uint64(letIn+dropped+3) {
		t.Errorf("status says %d shed, %d accepted; want %d and %d", st.GetShedConnections(),
			st.GetAcceptedConnections(), shed, letIn+dropped+3)
	}
	sent := map[*load]uint64{loads[0]: loads[0].finish(t), loads[1]: loads[1].finish(t)}

	rep := s.finish(exitComplete)
	journalled(t, s, sent)
	for l, n := range sent {
		unharmed(t, rep, l, n)
	}
	without := 0
	for _, r := range rep.Rejections {
		if r.HandlerPid == 0 {
			without++
		}
	}
	if without == 0 {
		t.Error("every connection that said nothing was given a handler, in a crowd too")
	}
	said := 0
	for line := range strings.Lines(s.Log()) {
		if strings.Contains(line, "connections are shed") || strings.Contains(line, "connections were shed") {
			said++
		}
	}
	if said == 0 || said > 100 {
		t.Errorf("that connections are shed is in %d lines of the log; want a few", said)
	}
}
