package report

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"
)

// few is a sample that shows everything, many one of the largest.
var (
	few  = invented{clients: 5, consumers: 2, intervals: 120, filesEach: 40}
	many = invented{clients: 500, consumers: 4, intervals: 600, filesEach: 30}
)

// hostile are texts that would do something if the page took them for markup or script.
var hostile = []string{
	`<img src=x onerror="document.title='owned'">`,
	`</script><script>document.title='owned'</script>`,
	`<!--<script>`,
	`"><svg onload=document.title='owned'>`,
	"line\u2028separators\u2029\x00\xff",
	`javascript:document.title='owned'`,
	`{{.Report}}${document.title='owned'}`,
}

// hostileReport has such texts wherever a client or a stranger can put one.
func hostileReport() *Report {
	sample := few
	sample.clients, sample.name = len(hostile), func(i int) string { return hostile[i] }
	r := sample.report()
	for i := range r.Clients {
		text := hostile[i]
		c := &r.Clients[i]
		c.Host, c.Version, c.Cause, c.StopDetail, c.LastError, c.Outcome = text, text, text, text, text, text
		c.Labels = map[string]string{text: text}
		for j := range c.Processes {
			p := &c.Processes[j]
			p.Exit.Cause, p.Exit.Class = text, text
			p.Heartbeats.MissedWhy = []Count{{Text: text, Count: 3}}
			if p.Rollovers != nil {
				p.Rollovers.List[0].Path = text
			}
			r.Series.Clients[i].Processes[j].Name = "consumer " + text
		}
		c.Connections[0].Peer, c.Connections[0].DetachCause = text, text
		r.Handlers[i].Exit.Cause, r.Handlers[i].ConnectionEnd, r.Handlers[i].Exit.Class = text, text, text
		r.Rejections = append(r.Rejections, Rejection{At: moment(3), ClientName: text, Reason: text, Peer: text})
		r.Series.Events = append(r.Series.Events, Event{At: moment(5), Kind: text, Session: c.Session, Client: text, Text: text})
		r.Findings = append(r.Findings, Finding{Kind: text, Session: c.Session, Client: text, Text: text, Evidence: text, Threshold: text})
		r.Verdict.Reasons, r.Verdict.Warnings = append(r.Verdict.Reasons, text), append(r.Verdict.Warnings, text)
		r.Journal.Violations = append(r.Journal.Violations, text)
		r.Run.Shed = append(r.Run.Shed, Shed{Reason: text, Count: 1})
	}
	r.Run.ID, r.Run.EndDetail, r.Run.Host.Name, r.Series.ReducedText = hostile[1], hostile[0], hostile[0], hostile[0]
	return r
}

func pageOf(t testing.TB, r *Report) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := r.HTML(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// elements returns the elements of a page with a tag, as a parser of HTML sees them.
func elements(t testing.TB, page []byte, tag string) []*html.Node {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var found []*html.Node
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && n.Data == tag {
			found = append(found, n)
		}
	}
	return found
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func TestPageNeedsNothingElse(t *testing.T) {
	page := pageOf(t, few.report())
	if at := regexp.MustCompile(`(?i)@import|\burl\(|\bsrc=|\bsrcset=|<iframe|<object|<base`).FindIndex(page); at != nil {
		t.Errorf("the page refers to something: …%s…", page[max(0, at[0]-40):at[1]+40])
	}
	for _, link := range elements(t, page, "link") {
		if href := attribute(link, "href"); href != "data:," {
			t.Errorf("the page links %q", href)
		}
	}
}

func TestPageIsSmall(t *testing.T) {
	const limit = 1_500_000
	report := few.report()
	data, err := json.Marshal(report.bounded())
	if err != nil {
		t.Fatal(err)
	}
	if own := len(pageOf(t, report)) - len(data); own > limit {
		t.Errorf("the page is %d bytes without its data; %d are allowed", own, limit)
	}
}

// The policy allows what is in the page, by hash, and nothing else.
func TestPagePolicy(t *testing.T) {
	page := pageOf(t, hostileReport())
	var policy string
	for _, meta := range elements(t, page, "meta") {
		if attribute(meta, "http-equiv") == "Content-Security-Policy" {
			policy = attribute(meta, "content")
		}
	}
	if !strings.HasPrefix(policy, "default-src 'none'; ") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
		t.Errorf("the policy is %q", policy)
	}
	programs := 0
	for _, n := range append(elements(t, page, "script"), elements(t, page, "style")...) {
		if attribute(n, "type") == "application/json" {
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
	for name, r := range map[string]*Report{"hostile": hostileReport(), "few": few.report(), "empty": foldAll(t, emptyRun(t))} {
		want, err := json.Marshal(r.bounded())
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range elements(t, pageOf(t, r), "script") {
			if attribute(n, "id") != "report" {
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

func TestPageIsTheSameEachTime(t *testing.T) {
	if !bytes.Equal(pageOf(t, few.report()), pageOf(t, few.report())) {
		t.Error("two pages of one report differ")
	}
}

// Every file of the programs is joined, once.
func TestPagesJoinEveryScript(t *testing.T) {
	for folder, joined := range map[string][]string{"script": scripts(), "compare": compareScripts()} {
		files, err := fs.Glob(assets, "page/"+folder+"/*.js")
		if err != nil {
			t.Fatal(err)
		}
		var want, got []string
		for _, file := range files {
			want = append(want, strings.TrimPrefix(file, "page/"))
		}
		for _, name := range joined {
			if path.Dir(name) == folder {
				got = append(got, name)
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("page/%s (-) and what is joined (+) differ:\n%s", folder, diff)
		}
	}
}

func TestPageIsBounded(t *testing.T) {
	sample := invented{clients: 30, consumers: 2, intervals: 60, filesEach: 2000}
	r := sample.report()
	slowest := &r.Clients[7].Processes[1].Rollovers.List[1234]
	slowest.SyncNano = int64(time.Hour)
	for range pageHandlers {
		r.Handlers = append(r.Handlers, Handler{Pid: 1})
	}
	for range pageRejections + 7 {
		r.Rejections = append(r.Rejections, Rejection{Reason: "no"})
	}
	for range 2 * pageConnections {
		r.Clients[0].Connections = append(r.Clients[0].Connections, Connection{Peer: "old"})
	}
	r.Clients[0].Connections[len(r.Clients[0].Connections)-1].Peer = "newest"
	before := len(r.Handlers)
	b := r.bounded()
	var files, connections int
	var left uint64
	kept := false
	for i := range b.Clients {
		connections += len(b.Clients[i].Connections)
		for _, p := range b.Clients[i].Processes {
			if p.Rollovers != nil {
				files += len(p.Rollovers.List)
				left += p.Rollovers.LeftOut
				kept = kept || slices.ContainsFunc(p.Rollovers.List, func(f Rollover) bool { return f.SyncNano == slowest.SyncNano })
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
	if len(b.Handlers) != pageHandlers || b.HandlersLeftOut != uint64(before-pageHandlers) || len(b.Rejections) != pageRejections || b.RejectionsLeftOut == 0 {
		t.Errorf("%d handlers with %d left out, %d rejections with %d left out", len(b.Handlers), b.HandlersLeftOut, len(b.Rejections), b.RejectionsLeftOut)
	}
	if len(r.Handlers) != before || len(r.Clients[3].Processes[0].Rollovers.List) != 2000 {
		t.Error("bounding changed the report itself")
	}
}
