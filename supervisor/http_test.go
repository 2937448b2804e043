package supervisor_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/fold"
)

// withHTTP serves browsers on a free port.
func withHTTP(cfg *supervisor.Config) { cfg.HTTP.Listen = "127.0.0.1:0" }

// get asks for a path.
func (r *running) get(path string) (status int, header http.Header, body string) {
	r.t.Helper()
	c := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := c.Get("http://" + r.http + path)
	must(r.t, err)
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	must(r.t, err)
	return res.StatusCode, res.Header, string(data)
}

// answers waits until a path answers so.
func (r *running) answers(path string, status int, text string) {
	r.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		got, _, body := r.get(path)
		if got == status && strings.Contains(body, text) {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("%s answers %d, %q; want %d with %q", path, got, body, status, text)
		}
		time.Sleep(10 * time.Millisecond) // between two questions
	}
}

// healthz says that the process lives, readyz whether clients are taken: until a drain,
// and again in the next run.
func TestHealthAndReadiness(t *testing.T) {
	r := start(t, func(cfg *supervisor.Config) { withHTTP(cfg); cfg.KeepRunning = true })
	r.answers("/readyz", http.StatusOK, "ok")
	c := r.greet(rawclient.Hello("alpha"), 0)
	r.deliver(c, 1, 3)
	must(t, func() error { _, err := r.control().Drain(t.Context(), &bulkheadv1.DrainRequest{}); return err }())
	r.answers("/readyz", http.StatusServiceUnavailable, "draining")
	r.answers("/healthz", http.StatusOK, "ok")
	r.closeInOrder(c, 3)
	must(t, r.ended())
	if _, err := net.Dial("tcp", r.http); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("after the end: %v; want a refused connection", err)
	}

	r = start(t, func(cfg *supervisor.Config) { withHTTP(cfg); cfg.KeepRunning = true })
	r.serveWhole("alpha")
	<-r.reports
	r.answers("/readyz", http.StatusOK, "ok") // the next run
	r.serveWhole("bravo")
	<-r.reports
}

// While a run is reported nobody is taken, and readyz says why; the process lives, and what
// it serves of the run stays.
func TestNotReadyWhileReporting(t *testing.T) {
	reporting, reported := make(chan struct{}, 8), make(chan struct{})
	r := start(t, func(cfg *supervisor.Config) {
		withHTTP(cfg)
		cfg.KeepRunning = true
		hand := cfg.Report
		cfg.Report = func(rep *report.Report, dir string) {
			reporting <- struct{}{}
			<-reported
			hand(rep, dir)
		}
	})
	defer close(reported)
	r.answers("/readyz", http.StatusOK, "ok")
	r.serveWhole("alpha")
	<-reporting
	if status, _, body := r.get("/readyz"); status != http.StatusServiceUnavailable ||
		!strings.Contains(body, "reporting") {
		t.Errorf("readyz while reporting: %d, %q", status, body)
	}
	if _, _, body := r.get("/metrics"); !strings.Contains(body, "\nbulkhead_ready 0\n") {
		t.Error("bulkhead_ready is not 0")
	}
	r.answers("/healthz", http.StatusOK, "ok")
	r.answers("/api/report", http.StatusOK, `"end": "done"`)
	reported <- struct{}{}
	r.answers("/readyz", http.StatusOK, "ok") // the next run
}

// What /metrics says is what Prometheus's own parser reads and its own linter likes, and
// agrees with the status.
func TestMetrics(t *testing.T) {
	r := start(t, withHTTP)
	c := r.greet(rawclient.Hello("alpha"), 0)
	r.deliver(c, 1, 8)
	st := r.session("alpha")
	_, header, body := r.get("/metrics")
	if !strings.HasPrefix(header.Get("Content-Type"), "text/plain") {
		t.Errorf("content type %q", header.Get("Content-Type"))
	}
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	must(t, err)
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "bulkhead_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	must(t, err)
	for name, want := range map[string]float64{
		"bulkhead_client_written_bytes_total":  float64(st.GetBytes()),
		"bulkhead_client_written_chunks_total": float64(st.GetChunks()),
		"bulkhead_client_messages_total":       8, "bulkhead_client_active": 1, "bulkhead_clients_joined": 1,
		"bulkhead_clients_expected": 1,
		"bulkhead_ready":            1, "bulkhead_build_info": 1, "bulkhead_run_info": 1,
	} {
		f := families[name]
		if len(f.GetMetric()) != 1 {
			t.Errorf("%s has %d series", name, len(f.GetMetric()))
			continue
		}
		m := f.GetMetric()[0]
		if got := m.GetCounter().GetValue() + m.GetGauge().GetValue(); got != want {
			t.Errorf("%s is %v; want %v", name, got, want)
		}
		for _, l := range m.GetLabel() {
			if l.GetName() == "client" && l.GetValue() != "alpha" {
				t.Errorf("%s is of client %q", name, l.GetValue())
			}
		}
	}
	if st.GetBytes() == 0 {
		t.Error("the client wrote nothing; the test shows nothing")
	}
	h := families["bulkhead_chunk_write_seconds"].GetMetric()[0].GetHistogram()
	if h.GetSampleCount() != st.GetChunkWrites().GetCount() || h.GetSampleCount() == 0 || h.GetSampleSum() <= 0 {
		t.Errorf("%d chunk writes, %v s; want %d", h.GetSampleCount(), h.GetSampleSum(), st.GetChunkWrites().GetCount())
	}
	sum := families["bulkhead_client_chunk_write_seconds"].GetMetric()[0].GetSummary()
	for _, q := range sum.GetQuantile() {
		if q.GetQuantile() == 0.99 && int64(q.GetValue()*1e9+0.5) != st.GetChunkWrites().GetP99Nano() {
			t.Errorf("p99 is %v s; want %d ns", q.GetValue(), st.GetChunkWrites().GetP99Nano())
		}
	}
	r.closeInOrder(c, 8)
	r.wait()
}

// The report so far is the one that the journal gives, in the middle of a run too, but
// for the verdict: the supervisor knows that the run continues.
func TestReportSoFar(t *testing.T) {
	r := start(t, withHTTP)
	c := r.greet(rawclient.Hello("alpha"), 0)
	r.deliver(c, 1, 8)
	// What is durable is in the file, so the next report has it; the first may be older.
	deadline := time.Now().Add(patience)
	for {
		status, _, body := r.get("/api/report")
		if status != http.StatusOK {
			t.Fatalf("/api/report answers %d, %s", status, body)
		}
		var got report.Report
		must(t, json.Unmarshal([]byte(body), &got))
		want, err := fold.FromJournal(filepath.Join(r.dir, "journal"))
		must(t, err)
		verdict := got.Verdict
		got.Verdict = want.Verdict
		if window := got.CommonWindow; window != nil && want.CommonWindow != nil {
			verdict.Running = verdict.Running && window.Running
			window.Running = want.CommonWindow.Running
		}
		diff := cmp.Diff(want, &got)
		if diff == "" && verdict.Running && got.Totals.Messages == 8 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the live report has %d messages, and differs from the journal's: %s", got.Totals.Messages, diff)
		}
		time.Sleep(10 * time.Millisecond) // between two questions
	}
	r.closeInOrder(c, 8)
	r.wait()
}

// A browser that never reads holds nothing up: the run continues and ends as if it were
// not there, and other browsers get their events.
func TestSlowBrowser(t *testing.T) {
	r := start(t, withHTTP)
	slow, err := net.Dial("tcp", r.http)
	must(t, err)
	defer slow.Close()
	must(t, slow.(*net.TCPConn).SetReadBuffer(1024))
	_, err = fmt.Fprintf(slow, "GET /events HTTP/1.1\r\nHost: %s\r\n\r\n", r.http)
	must(t, err)
	events := r.events()
	c := r.greet(rawclient.Hello("alpha"), 0)
	r.deliver(c, 1, 100)
	for e := range events {
		if len(e.Sessions) == 1 && e.Sessions[0].DurableSeq == "100" {
			break
		}
	}
	r.closeInOrder(c, 100)
	r.wait()
}

// statusEvent is some of an event.
type statusEvent struct {
	Sessions []struct {
		Name       string `json:"name"`
		DurableSeq string `json:"durable_seq"`
	} `json:"sessions"`
}

// events listens to events until the stream ends.
func (r *running) events() <-chan statusEvent {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.http)
	must(r.t, err)
	r.t.Cleanup(func() { conn.Close() })
	_, err = fmt.Fprintf(conn, "GET /events HTTP/1.1\r\nHost: %s\r\n\r\n", r.http)
	must(r.t, err)
	out := make(chan statusEvent, 64)
	go func() { // ends with the connection
		defer close(out)
		for lines := bufio.NewScanner(conn); lines.Scan(); {
			data, ok := strings.CutPrefix(lines.Text(), "data: ")
			var e statusEvent
			if !ok || json.Unmarshal([]byte(data), &e) != nil {
				continue
			}
			select {
			case out <- e:
			default: // the test has seen enough
			}
		}
	}()
	return out
}

// For a new run an address that is in use is an error, which says what to do.
func TestHTTPAddressInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer taken.Close()
	cfg := settings(filepath.Join(t.TempDir(), "state"))
	cfg.HTTP.Listen, cfg.Handler.Path = taken.Addr().String(), "/bin/true"
	if _, err := supervisor.Run(t.Context(), cfg, nil); err == nil ||
		!strings.HasPrefix(err.Error(), "http: listen: "+cfg.HTTP.Listen+" is in use") {
		t.Errorf("Run = %v; want that the address for http is in use", err)
	}
}
