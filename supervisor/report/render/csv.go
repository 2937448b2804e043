package render

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"

	"bulkhead/supervisor/report"
)

// csvHead names the columns of CSV.
var csvHead = []string{"run", "session", "client", "host", "interval", "start", "after_seconds", "interval_seconds",
	"bytes", "bytes_per_second", "rollovers", "errors", "p99_nano", "max_nano", "response_p99_nano",
	"corrupt_blocks", "verdict", "outcome", "load", "read_bytes", "read_bytes_per_second", "in_common_window",
	"device_busy", "device_queue", "dirty_bytes", "memory_pressure", "throttled", "network_received_bytes",
	"network_sent_bytes", "stage", "broken_assertions"}

// CSV writes one row for each client and interval, as RFC 4180 has it, with a row of
// names first. A latency is empty where nothing was written. A name that a spreadsheet
// would take for a formula has an apostrophe before it. An error is w's.
func CSV(r *report.Report, w io.Writer) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	if err := out.Write(csvHead); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	if r.Series != nil {
		for i := range r.Series.Clients {
			if err := csvClient(r, out, &r.Clients[i], &r.Series.Clients[i]); err != nil {
				return err
			}
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

func csvClient(r *report.Report, out *csv.Writer, c *report.Client, s *report.ClientSeries) error {
	step := r.Series.ClientIntervalNano
	for i, bytes := range s.Bytes {
		after := int64(i) * step
		span, read := r.SpanNano(i, step), valueAt(s.ReadBytes, i, 0)
		err := out.Write(append([]string{
			harmless(r.Run.ID), strconv.FormatUint(uint64(c.Session), 10), harmless(c.Label), harmless(c.Host),
			strconv.Itoa(i),
			(r.Series.StartAt + report.Stamp(after)).UTC().Format(report.StampLayout),
			seconds(r.Series.OffsetNano + after), seconds(span),
			strconv.FormatUint(bytes, 10), strconv.FormatUint(report.PerSecond(bytes, span), 10),
			strconv.FormatUint(s.Rollovers[i], 10), strconv.FormatUint(s.Errors[i], 10),
			nanoOrEmpty(s.P99Nano[i]), nanoOrEmpty(s.MaxNano[i]), nanoOrEmpty(valueAt(s.ResponseP99Nano, i, -1)),
			strconv.FormatUint(valueAt(s.CorruptBlocks, i, 0), 10), string(r.Verdict.Word), c.Outcome, c.Load,
			strconv.FormatUint(read, 10), strconv.FormatUint(report.PerSecond(read, span), 10),
			strconv.FormatBool(r.CommonWindow.Holds(r.Series.StartAt+report.Stamp(after), step)),
		}, append(csvMachine(s.Machine, i), stageName(r, valueAt(s.Stages, i, 0)),
			strconv.Itoa(brokenBy(r, r.Series.StartAt+report.Stamp(after+step))))...))
		if err != nil {
			return fmt.Errorf("writing the report: %w", err)
		}
	}
	return nil
}

// brokenBy returns how many of the thresholds that the run was to keep were broken by then, while it
// went on.
func brokenBy(r *report.Report, end report.Stamp) (n int) {
	for _, a := range r.Run.Assertions {
		if a.BreachedAt != 0 && a.BreachedAt < end {
			n++
		}
	}
	return n
}

// stageName returns the name of the stage of that number; "" for 0.
func stageName(r *report.Report, number uint32) string {
	if number == 0 || int(number) > len(r.Stages) {
		return ""
	}
	return harmless(r.Stages[number-1].Name)
}

// csvMachine returns what the client's machine did in interval i: the device that
// was busiest, and all interfaces together. What was not sampled is empty.
func csvMachine(m *report.MachineSeries, i int) []string {
	if m == nil {
		m = new(report.MachineSeries)
	}
	busy, queue := float32(-1), float32(-1)
	for _, d := range m.Devices {
		if d.Busy[i] > busy {
			busy, queue = d.Busy[i], d.Queue[i]
		}
	}
	var received, sent uint64
	for _, n := range m.Interfaces {
		received, sent = report.Plus(received, n.ReceivedBytes[i]), report.Plus(sent, n.SentBytes[i])
	}
	row := []string{shareOrEmpty(busy), shareOrEmpty(queue), "", shareOrEmpty(valueAt(m.MemoryPressure, i, -1)),
		shareOrEmpty(valueAt(m.Throttled, i, -1)), "", ""}
	if len(m.DirtyBytes) > 0 {
		row[2] = strconv.FormatUint(m.DirtyBytes[i], 10)
	}
	if len(m.Interfaces) > 0 {
		row[5], row[6] = strconv.FormatUint(received, 10), strconv.FormatUint(sent, 10)
	}
	return row
}

// shareOrEmpty returns a share, or a number of requests; "" for what was not sampled.
func shareOrEmpty(share float32) string {
	if share < 0 {
		return ""
	}
	return strconv.FormatFloat(float64(share), 'f', -1, 32)
}

// seconds returns nanoseconds as seconds, exactly.
func seconds(nano int64) string {
	return strconv.FormatFloat(float64(nano)/1e9, 'f', -1, 64)
}

// valueAt returns value i of a list, or none if the list is empty.
func valueAt[T any](list []T, i int, none T) T {
	if len(list) == 0 {
		return none
	}
	return list[i]
}

func nanoOrEmpty(nano int64) string {
	if nano < 0 {
		return ""
	}
	return strconv.FormatInt(nano, 10)
}

// harmless keeps a text from being taken for a formula by a spreadsheet.
func harmless(text string) string {
	// The wide forms are taken for the others by some.
	if text != "" && strings.IndexAny(text, "=+-@＝＋－＠") == 0 {
		return "'" + text
	}
	return text
}
