package web

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	// maxLabelled clients have series of their own; the others share one.
	maxLabelled = 200
	// otherClients is the label of those.
	otherClients = "(other)"
	// scrapeTimeout bounds a scrape, and scrapesAtOnce how many there may be.
	scrapeTimeout = 10 * time.Second
	scrapesAtOnce = 4
)

// metrics is a run as Prometheus metrics. Each scrape asks the source, unless there are many (paced).
// They are text alone, and not compressed, so that one answer does for everybody. The totals begin
// again with each run, which Prometheus takes for a restart.
type metrics struct {
	source Source
	hub    *hub
	info   prometheus.Metric
}

func newMetrics(source Source, h *hub, version string) http.Handler {
	info := prometheus.NewDesc("bulkhead_build_info", "Version of the supervisor; always 1.",
		[]string{"version", "goversion"}, nil)
	r := prometheus.NewRegistry()
	r.MustRegister(
		&metrics{source, h, prometheus.MustNewConstMetric(info, prometheus.GaugeValue, 1, version, runtime.Version())},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	plain := promhttp.HandlerFor(r, promhttp.HandlerOpts{DisableCompression: true})
	answers := newPaced(func() (*whole, error) { return answerOf(plain) })
	scrape := inTurn(scrapesAtOnce, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		a, err := answers.get()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		a.writeTo(w)
	}))
	// It keeps the answer and writes it when the turn is over, so that nobody waits for slow readers.
	return http.TimeoutHandler(scrape, scrapeTimeout, "the metrics took too long")
}

// inTurn answers by next for n at a time, in the order in which they came.
func inTurn(n int, next http.Handler) http.Handler {
	turns := make(chan struct{}, n)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case turns <- struct{}{}:
			defer func() { <-turns }()
			next.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	})
}

// Describe sends nothing: which metrics exist depends on the run (an unchecked collector).
func (m *metrics) Describe(chan<- *prometheus.Desc) {}

// Collect sends the metrics of this moment.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	out <- m.info
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	s := m.source.Status(ctx)
	one := func(kind prometheus.ValueType, name, help string, v float64) {
		out <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, nil, nil), kind, v)
	}
	const gauge, counter = prometheus.GaugeValue, prometheus.CounterValue
	one(gauge, "bulkhead_live_subscribers", "Browsers that listen to events.", float64(m.hub.listening.Load()))
	one(counter, "bulkhead_live_events_skipped_total", "Events that a browser was too slow for.",
		float64(m.hub.skipped.Load()))
	one(counter, "bulkhead_live_subscribers_dropped_total", "Browsers that took no event in time and were hung up on.",
		float64(m.hub.dropped.Load()))
	ready := 0.0
	if m.source.Ready() == "" {
		ready = 1
	}
	one(gauge, "bulkhead_ready", "1 if clients are accepted.", ready)
	one(gauge, "bulkhead_clients_expected", "Clients that the run expects.", float64(s.GetExpectedClients()))
	for _, h := range []struct {
		state string
		n     uint32
	}{{"busy", s.GetHandlersBusy()}, {"ready", s.GetPoolReady()}, {"starting", s.GetPoolStarting()}} {
		out <- prometheus.MustNewConstMetric(prometheus.NewDesc("bulkhead_handlers", "Handler processes, by state.",
			[]string{"state"}, nil), gauge, float64(h.n), h.state)
	}
	m.reserves(out, s.GetReserves())
	if s.GetRunId() == "" {
		return // between runs
	}
	out <- prometheus.MustNewConstMetric(prometheus.NewDesc("bulkhead_run_info", "The run that is served; always 1.",
		[]string{"run_id"}, nil), gauge, 1, s.GetRunId())
	one(gauge, "bulkhead_run_start_time_seconds", "When the run began, in seconds since 1970.",
		float64(s.GetStartedUnixNano())/1e9)
	one(gauge, "bulkhead_clients_joined", "Distinct clients that came.", float64(s.GetJoinedClients()))
	one(counter, "bulkhead_connections_accepted_total", "Connections accepted in the run.",
		float64(s.GetAcceptedConnections()))
	one(counter, "bulkhead_connections_rejected_total", "Connections that became no session's.",
		float64(s.GetRejectedConnections()))
	one(counter, "bulkhead_connections_shed_total", "Connections refused to shed load.",
		float64(s.GetShedConnections()))
	one(counter, "bulkhead_supervisor_restarts_total", "Restarts and upgrades of the supervisor in the run.",
		float64(s.GetRestarts()))
	states := make(map[string]uint32)
	for number := range bulkheadv1.SessionState_name {
		if number != 0 {
			states[protocol.Word(bulkheadv1.SessionState(number))] = 0
		}
	}
	for _, c := range s.GetTotals().GetCounts() {
		states[protocol.Word(c.GetSessionState())] = c.GetSessions()
	}
	for state, n := range states {
		out <- prometheus.MustNewConstMetric(prometheus.NewDesc("bulkhead_sessions", "Sessions, by state or outcome.",
			[]string{"state"}, nil), gauge, float64(n), state)
	}
	l := m.source.ChunkWrites()
	out <- prometheus.MustNewConstHistogram(prometheus.NewDesc("bulkhead_chunk_write_seconds",
		"How long the write call of a chunk took, over all clients.", nil, nil), l.Count, l.Sum, l.Buckets)
	for _, c := range labelled(s.GetSessions()) {
		c.collect(out)
	}
}

// reserves sends the metrics of what a supervisor must not run out of.
func (m *metrics) reserves(out chan<- prometheus.Metric, reserves []*bulkheadv1.Reserve) {
	for _, r := range reserves {
		kind := protocol.Word(r.GetKind())
		one := func(t prometheus.ValueType, name, help string, v float64) {
			out <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, []string{"of"}, nil), t, v, kind)
		}
		reached := 0.0
		if r.GetReached() {
			reached = 1
		}
		one(prometheus.GaugeValue, "bulkhead_limit", "How much there may be: descriptors, threads, bytes.",
			float64(r.GetLimit()))
		one(prometheus.GaugeValue, "bulkhead_left", "How much of it is left.", float64(r.GetLeft()))
		one(prometheus.GaugeValue, "bulkhead_reserve", "How much of it clients do not get.", float64(r.GetReserve()))
		one(prometheus.GaugeValue, "bulkhead_reserve_reached", "1 if clients get nothing more of it now.", reached)
		one(prometheus.CounterValue, "bulkhead_reserve_refused_total", "How often clients got nothing more of it.",
			float64(r.GetTimesReached()))
	}
}

// series is one client's metrics, or those of several together.
type series struct {
	label                    string
	active                   float64
	bytes, chunks, errors    uint64
	readBytes, reads         uint64
	messages, files, resumes uint64
	last                     int64 // ns since 1970 of the newest message; 0 for none
	silent                   int64 // ns without a message, of the one with the most; see SessionStatus
	beats                    [4]uint64
	single                   *bulkheadv1.SessionStatus // nil for several
}

// beatResults name the fields of series.beats.
var beatResults = [4]string{"answered", "late", "missed", "stalled"}

func (s *series) add(c *bulkheadv1.SessionStatus) {
	if c.GetSessionState() == bulkheadv1.SessionState_SESSION_STATE_ACTIVE {
		s.active++
	}
	s.bytes += c.GetBytes()
	s.chunks += c.GetChunks()
	s.errors += c.GetErrors()
	s.readBytes += c.GetReadBytes()
	s.reads += c.GetReads()
	s.messages += c.GetDurableSeq()
	s.files += c.GetRollovers()
	s.resumes += uint64(c.GetResumes())
	s.last = max(s.last, c.GetLastMessageUnixNano())
	s.silent = max(s.silent, c.GetSilentNano())
	b := c.GetBeats()
	for i, n := range [4]uint64{b.GetAnswered(), b.GetLate(), b.GetMissed(), b.GetStalled()} {
		s.beats[i] += n
	}
}

// labelled gives each of the first clients a label that no other has and that stays:
// its name, and where an earlier one has that, also its session's number. The others
// share one.
func labelled(sessions []*bulkheadv1.SessionStatus) []*series {
	var all []*series
	var other *series
	taken := map[string]bool{otherClients: true}
	for _, c := range sessions {
		if len(all) == maxLabelled {
			if other == nil {
				other = &series{label: otherClients}
			}
			other.add(c)
			continue
		}
		label := c.GetName()
		for n := 0; taken[label]; n++ { // a name may look like the label of another
			label = fmt.Sprintf("%s#%d", label, c.GetSession())
		}
		taken[label] = true
		one := &series{label: label, single: c}
		one.add(c)
		all = append(all, one)
	}
	if other != nil {
		all = append(all, other)
	}
	return all
}

func (s *series) collect(out chan<- prometheus.Metric) {
	client := []string{"client"}
	one := func(kind prometheus.ValueType, name, help string, v float64) {
		out <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, client, nil), kind, v, s.label)
	}
	const gauge, counter = prometheus.GaugeValue, prometheus.CounterValue
	one(gauge, "bulkhead_client_active", "Sessions of the client with a connection: 1 or 0.", s.active)
	one(counter, "bulkhead_client_written_bytes_total", "Bytes that its consumers wrote.", float64(s.bytes))
	one(counter, "bulkhead_client_written_chunks_total", "Chunks that its consumers wrote.", float64(s.chunks))
	one(counter, "bulkhead_client_read_bytes_total", "Bytes that its readers read beside the writing.",
		float64(s.readBytes))
	one(counter, "bulkhead_client_reads_total", "Reads that its readers made.", float64(s.reads))
	one(counter, "bulkhead_client_write_errors_total", "Operations that failed.", float64(s.errors))
	one(counter, "bulkhead_client_rollovers_total", "Files that were finished.", float64(s.files))
	one(counter, "bulkhead_client_messages_total", "Messages that are durable.", float64(s.messages))
	one(counter, "bulkhead_client_resumes_total", "Times the session resumed.", float64(s.resumes))
	one(gauge, "bulkhead_client_silent_seconds",
		"How long it has said nothing though its connection lives; 0 as long as it says what it declared.",
		float64(s.silent)/1e9)
	if s.last != 0 {
		one(gauge, "bulkhead_client_last_message_timestamp_seconds",
			"When its newest message came, in seconds since 1970.", float64(s.last)/1e9)
	}
	for i, result := range beatResults {
		out <- prometheus.MustNewConstMetric(prometheus.NewDesc("bulkhead_client_heartbeats_total",
			"Heartbeats of its workers, one for each process and round; stalled ones are also counted as answered or "+
				"late.", []string{"client", "result"}, nil),
			counter, float64(s.beats[i]), s.label, result)
	}
	if s.single == nil {
		return
	}
	summary := func(name, help string, w *bulkheadv1.ChunkWrites) {
		out <- prometheus.MustNewConstSummary(prometheus.NewDesc(name, help, client, nil),
			w.GetCount(), float64(w.GetSumNano())/1e9, map[float64]float64{
				0.5: float64(w.GetP50Nano()) / 1e9, 0.99: float64(w.GetP99Nano()) / 1e9,
				0.999: float64(w.GetP999Nano()) / 1e9,
			}, s.label)
	}
	summary("bulkhead_client_chunk_write_seconds", "How long the write call of a chunk took, over the whole run.",
		s.single.GetChunkWrites())
	if r := s.single.GetReadCalls(); r != nil {
		summary("bulkhead_client_read_seconds", "How long a read beside the writing took, over the whole run.", r)
	}
}
