package handler

import (
	"maps"
	"slices"

	"bulkhead/internal/pathname"
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// shortener cuts what is beyond its bound and may be cut; see protocol.Limits. It notes the
// fields, as Hello.shortened and Message.shortened name them.
type shortener struct{ fields []string }

// note notes that a field was cut, once, if there is room.
func (s *shortener) note(field string) {
	if len(s.fields) < protocol.MaxShortened && !slices.Contains(s.fields, field) {
		s.fields = append(s.fields, field)
	}
}

// said returns what the sender has said that it cut itself, within its bounds. Nothing is noted of
// it: only a person reads it.
func said(fields []string) []string {
	if len(fields) > protocol.MaxShortened {
		fields = fields[:protocol.MaxShortened]
	}
	for i, f := range fields {
		if len(f) > protocol.MaxShortenedBytes {
			fields[i] = pathname.Clip(f, protocol.MaxShortenedBytes)
		}
	}
	return fields
}

// text cuts a text.
func (s *shortener) text(field string, v *string, most int) {
	if len(*v) > most {
		*v = pathname.Clip(*v, most)
		s.note(field)
	}
}

// list cuts a list or bytes.
func list[T any](s *shortener, field string, v *[]T, most int) {
	if len(*v) > most {
		*v = slices.Clip((*v)[:most])
		s.note(field)
	}
}

// path cuts a path, as text and as bytes.
func (s *shortener) path(at string, text *string, raw *[]byte) {
	s.text(at+".path", text, protocol.MaxPathBytes)
	list(s, at+".path_bytes", raw, protocol.MaxPathBytes)
}

// consumer cuts what is said of a consumer.
func (s *shortener) consumer(at string, c *bulkheadv1.ConsumerSpec) {
	if c == nil {
		return
	}
	s.path(at, &c.Path, &c.PathBytes)
	list(s, at+".chunk_sizes", &c.ChunkSizes, protocol.MaxChunkSizes)
}

// shortenHello cuts a Hello to what may be cut of it.
func shortenHello(h *bulkheadv1.Hello) {
	s := shortener{said(h.GetShortened())}
	s.text("host", &h.Host, protocol.MaxHostBytes)
	s.text("client_version", &h.ClientVersion, protocol.MaxVersionBytes)
	s.text("last_end", &h.LastEnd, protocol.MaxEndBytes)
	h.Labels = s.labels(h.GetLabels())
	if w := h.GetWorkload(); w != nil {
		list(&s, "workload.consumers", &w.Consumers, protocol.MaxConsumers)
		for _, c := range w.GetConsumers() {
			s.consumer("workload.consumers", c)
		}
		list(&s, "workload.stages", &w.Stages, protocol.MaxStages)
		for _, one := range w.GetStages() {
			s.text("workload.stages.name", &one.Name, protocol.MaxStageNameBytes)
		}
	}
	h.Shortened = s.fields
}

// labels cuts labels: of too many the first in the order of their keys stay.
func (s *shortener) labels(all map[string]string) map[string]string {
	keys := slices.Sorted(maps.Keys(all))
	list(s, "labels", &keys, protocol.MaxLabels)
	out := make(map[string]string, len(keys))
	for _, k := range keys {
		v := all[k]
		s.text("labels", &k, protocol.MaxLabelBytes)
		s.text("labels", &v, protocol.MaxLabelBytes)
		if _, taken := out[k]; !taken { // keys that are the same when they are cut
			out[k] = v
		}
	}
	return out
}

// shortenBatch cuts the messages of a batch. What is sent again is cut in the same way, so it
// stays the same.
func shortenBatch(b *bulkheadv1.Batch) {
	for _, m := range b.GetMessages() {
		shortenMessage(m)
	}
}

func shortenMessage(m *bulkheadv1.Message) {
	s := shortener{said(m.GetShortened())}
	switch {
	case m.GetStart() != nil:
		s.consumer("start.consumer", m.GetStart().GetConsumer())
	case m.GetStop() != nil:
		s.text("stop.detail", &m.GetStop().Detail, protocol.MaxTextBytes)
		for _, e := range m.GetStop().GetExits() {
			s.text("stop.exits.cause", &e.Cause, protocol.MaxTextBytes)
		}
	case m.GetHeartbeat() != nil:
		for _, miss := range m.GetHeartbeat().GetMisses() {
			s.text("heartbeat.misses.reason", &miss.Reason, protocol.MaxTextBytes)
		}
	case m.GetRollover() != nil:
		s.path("rollover", &m.GetRollover().Path, &m.GetRollover().PathBytes)
	case m.GetMonitorError() != nil:
		s.text("monitor_error.reason", &m.GetMonitorError().Reason, protocol.MaxTextBytes)
	case m.GetProgress() != nil:
		s.text("progress.last_error", &m.GetProgress().LastError, protocol.MaxTextBytes)
	case m.GetCorruption() != nil:
		c := m.GetCorruption()
		s.path("corruption", &c.Path, &c.PathBytes)
		s.text("corruption.expected", &c.Expected, protocol.MaxTextBytes)
		s.text("corruption.found", &c.Found, protocol.MaxTextBytes)
		list(&s, "corruption.owner_id", &c.OwnerId, protocol.ClientIDBytes)
		s.text("corruption.owner_name", &c.OwnerName, protocol.MaxNameBytes)
		s.text("corruption.owner_host", &c.OwnerHost, protocol.MaxHostBytes)
	case m.GetMachine() != nil:
		s.machine(m.GetMachine())
	}
	m.Shortened = s.fields
}
