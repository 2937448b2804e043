package stories

import (
	"io"
	"strconv"
	"testing"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	"bulkhead/supervisor/report/render"
)

// TestMachinesInCSV: what a machine did is in the rows of its clients, of the busiest device, and adds
// up over the interfaces; what was not sampled is empty, and so is all of it for who was not sampled.
func TestMachinesInCSV(t *testing.T) {
	r := folded.All(t, story.Machines(t))
	sent := make(map[string]uint64)
	busiest := make(map[string]string)
	for _, row := range rowsOf(t, written(t, func(w io.Writer) error { return render.CSV(r, w) })) {
		name := row["client"]
		if n, err := strconv.ParseUint(row["network_sent_bytes"], 10, 64); err == nil {
			sent[name] += n
		}
		busiest[name] = max(busiest[name], row["device_busy"])
		onNFS := name == "charlie"
		if busy := row["device_busy"] != ""; busy && onNFS || busy != (row["device_queue"] != "") {
			t.Errorf("%s: device busy %q, queue %q", name, row["device_busy"], row["device_queue"])
		}
		for _, column := range []string{"memory_pressure", "throttled"} {
			if row[column] != "" && !onNFS {
				t.Errorf("%s: %s is %s, and was not sampled", name, column, row[column])
			}
		}
		if onNFS && row["throttled"] != "" && row["throttled"] != "0.4" {
			t.Errorf("throttled in a share of %s of the periods; want 0.4", row["throttled"])
		}
	}
	for i := range r.Clients {
		c := &r.Clients[i]
		var want uint64
		for _, n := range c.Machine.Interfaces {
			want += n.SentBytes
		}
		if sent[c.Name] != want || want == 0 {
			t.Errorf("%s sent %d B in CSV, %d B in all", c.Name, sent[c.Name], want)
		}
	}
	if busiest["alpha"] != "1" || busiest["charlie"] != "" {
		t.Errorf("the busiest intervals are %v", busiest)
	}
	for _, row := range rowsOf(t, written(t, func(w io.Writer) error {
		return render.CSV(folded.All(t, story.Undisturbed(t)), w)
	})) {
		for _, column := range []string{"device_busy", "device_queue", "dirty_bytes", "memory_pressure", "throttled",
			"network_received_bytes", "network_sent_bytes"} {
			if row[column] != "" {
				t.Fatalf("%s is %s of a client whose machine was not sampled", column, row[column])
			}
		}
	}
}
