package render

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/invented"
	"bulkhead/internal/testing/pagetest"
	"bulkhead/internal/testing/story"
	"bulkhead/supervisor/report"
)

// No text is ever taken for markup, because nothing in the program can.
func TestPageProgramMakesNoMarkup(t *testing.T) {
	for _, entry := range []string{reportEntry, CompareEntry} {
		page, err := newDocument(entry)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"</", "<!--", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write",
			"eval(", "new Function", "DOMParser", "createContextualFragment", "localStorage", "sessionStorage",
			"fetch(", "XMLHttpRequest"} {
			if strings.Contains(page.Program, word) {
				t.Errorf("the program of %s says %s", entry, word)
			}
		}
	}
}

func TestPageIsSmall(t *testing.T) {
	const limit = 1_500_000
	report := invented.Few.Report()
	data, err := json.Marshal(bounded(report))
	if err != nil {
		t.Fatal(err)
	}
	if own := len(pageOf(t, report)) - len(data); own > limit {
		t.Errorf("the page is %d bytes without its data; %d are allowed", own, limit)
	}
}

// The policy allows what is in the page, by hash, and nothing else.
func TestPagePolicy(t *testing.T) {
	page := pageOf(t, invented.HostileReport())
	var policy string
	for _, meta := range pagetest.Elements(t, page, "meta") {
		if pagetest.Attribute(meta, "http-equiv") == "Content-Security-Policy" {
			policy = pagetest.Attribute(meta, "content")
		}
	}
	if !strings.HasPrefix(policy, "default-src 'none'; ") || strings.Contains(policy, "unsafe") ||
		strings.Contains(policy, "*") {
		t.Errorf("the policy is %q", policy)
	}
	programs := 0
	for _, n := range append(pagetest.Elements(t, page, "script"), pagetest.Elements(t, page, "style")...) {
		if pagetest.Attribute(n, "type") == "application/json" {
			continue
		}
		programs++
		if !strings.Contains(policy, source(n.FirstChild.Data)) {
			t.Errorf("the policy does not allow the page's own %s %.60q", n.Data, n.FirstChild.Data)
		}
	}
	if programs != 3 {
		t.Errorf("the page has %d scripts and styles, want its library, its program and its style", programs)
	}
}

// A parser of HTML finds the report in the page as it was put there.
func TestPageHoldsTheReport(t *testing.T) {
	for name, r := range map[string]*report.Report{"hostile": invented.HostileReport(), "few": invented.Few.Report(),
		"empty": folded.All(t, story.EmptyRun(t))} {
		want, err := json.Marshal(bounded(r))
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range pagetest.Elements(t, pageOf(t, r), "script") {
			if pagetest.Attribute(n, "id") != "report" {
				continue
			}
			if got := n.FirstChild.Data; got != string(want) {
				t.Errorf("%s: the page holds another report: %.200s", name, got)
			}
			want = nil
		}
		if want != nil {
			t.Errorf("%s: the page holds no report", name)
		}
	}
}

func TestPageIsBounded(t *testing.T) {
	sample := invented.Invented{Clients: 30, Consumers: 2, Intervals: 60, FilesEach: 2000}
	r := sample.Report()
	slowest := &r.Clients[7].Processes[1].Rollovers.List[1234]
	slowest.SyncNano = int64(time.Hour)
	for range pageHandlers {
		r.Handlers = append(r.Handlers, report.Handler{Pid: 1})
	}
	for range pageRejections + 7 {
		r.Rejections = append(r.Rejections, report.Rejection{Reason: "no"})
	}
	for range 2 * pageConnections {
		r.Clients[0].Connections = append(r.Clients[0].Connections, report.Connection{Peer: "old"})
	}
	r.Clients[0].Connections[len(r.Clients[0].Connections)-1].Peer = "newest"
	before := len(r.Handlers)
	b := bounded(r)
	var files, connections int
	var left uint64
	kept := false
	for i := range b.Clients {
		connections += len(b.Clients[i].Connections)
		for _, p := range b.Clients[i].Processes {
			if p.Rollovers != nil {
				files += len(p.Rollovers.List)
				left += p.Rollovers.LeftOut
				kept = kept || slices.ContainsFunc(p.Rollovers.List,
					func(f report.Rollover) bool { return f.SyncNano == slowest.SyncNano })
			}
		}
	}
	if files > pageRollovers || uint64(files)+left != 30*2*2000 {
		t.Errorf("%d files are listed and %d left out of %d", files, left, 30*2*2000)
	}
	if !kept {
		t.Error("the slowest file is left out")
	}
	if connections > pageConnections+len(r.Clients) {
		t.Errorf("%d connections are listed", connections)
	}
	if c := b.Clients[0]; c.Connections[len(c.Connections)-1].Peer != "newest" || c.ConnectionsLeftOut == 0 {
		t.Errorf("the newest connection is not kept, or %d are counted as left out", c.ConnectionsLeftOut)
	}
	if len(b.Handlers) != pageHandlers || b.HandlersLeftOut != uint64(before-pageHandlers) ||
		len(b.Rejections) != pageRejections || b.RejectionsLeftOut == 0 {
		t.Errorf("%d handlers with %d left out, %d rejections with %d left out", len(b.Handlers), b.HandlersLeftOut,
			len(b.Rejections), b.RejectionsLeftOut)
	}
	if len(r.Handlers) != before || len(r.Clients[3].Processes[0].Rollovers.List) != 2000 {
		t.Error("bounding changed the report itself")
	}
}

// pageOf returns the page of a report.
func pageOf(t testing.TB, r *report.Report) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := HTML(r, &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
