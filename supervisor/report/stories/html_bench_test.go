package stories

import (
	"fmt"
	"net/url"
	"slices"
	"testing"

	"bulkhead/internal/testing/invented"
	"bulkhead/internal/testing/pagetest"
)

// crowdedPage is the most that a page holds: 500 clients, 2000 consumers, 10 000 rollovers,
// and as many intervals as the fold keeps for so many.
var crowdedPage = invented.Invented{Clients: 500, Consumers: 4, Intervals: 600, FilesEach: 5}

// BenchmarkPage measures how long the page of crowdedPage takes in a real browser, in milliseconds
// of the medians: to be drawn at first, and after each of what somebody does until the
// browser has painted again. It judges nothing: that is for who reads the figures.
func BenchmarkPage(b *testing.B) {
	r := crowdedPage.Report()
	address := (&url.URL{Scheme: "file", Path: pageFile(b, r)}).String()
	b.ReportMetric(float64(len(PageOf(b, r)))/1e6, "MB")
	acts := []struct{ name, before, act string }{
		{"zoom", `document.getElementById("zoom-reset").click()`, `document.getElementById("zoom-in").click()`},
		{"pan", `document.getElementById("zoom-in").click()`, `document.getElementById("zoom-right").click()`},
		{"hover", "",
			`(() => { const o = document.querySelector("#throughput .u-over"), r = o.getBoundingClientRect(), x = r.left + Math.random() * r.width;
			o.dispatchEvent(new MouseEvent("mousemove", {clientX: x, clientY: r.top + 50, bubbles: true})); })()`},
		{"client", "",
			`(() => { const p = document.getElementById("client-pick"); p.value = String(1 + Math.floor(Math.random() * 500)); p.dispatchEvent(new Event("change")); })()`},
		{"all-clients",
			`(() => { const p = document.getElementById("client-pick"); p.value = "7"; p.dispatchEvent(new Event("change")); })()`, `document.getElementById("client-clear").click()`},
		{"sort", "", `document.querySelector("#clients th:nth-child(3) button").click()`},
	}
	for b.Loop() {
		w := pagetest.Open(b, address, pagetest.Desk)
		// From the begin of the navigation to the end of the first task after all was drawn.
		b.ReportMetric(pagetest.Ask[float64](w, `performance.getEntriesByType("navigation")[0].loadEventEnd`),
			"load-ms")
		for _, a := range acts {
			took := make([]float64, 0, 15)
			for range cap(took) {
				took = append(took, pagetest.Ask[float64](w, fmt.Sprintf(`(async () => {
					const painted = () => new Promise((done) => requestAnimationFrame(() => { const c = new MessageChannel(); c.port1.onmessage = done; c.port2.postMessage(0); }));
					%s; await painted(); await painted();
					const begin = performance.now();
					%s; await painted();
					return performance.now() - begin;
				})()`, a.before, a.act)))
			}
			slices.Sort(took)
			b.ReportMetric(took[len(took)/2], a.name+"-ms")
			b.ReportMetric(took[len(took)-1], a.name+"-max-ms")
		}
	}
}
