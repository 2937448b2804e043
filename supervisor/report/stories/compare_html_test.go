package stories

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/invented"
	"bulkhead/internal/testing/pagetest"
	"bulkhead/internal/testing/story"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/compare"
)

// showCompared shows a comparison.
func showCompared(t *testing.T, a, b *report.Report, size pagetest.Size) *pagetest.Window {
	t.Helper()
	var out bytes.Buffer
	if err := compare.Reports(a, b).HTML(&out, a, b); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "compared.html")
	if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return showFile(t, file, size)
}

func showFile(t *testing.T, file string, size pagetest.Size) *pagetest.Window {
	t.Helper()
	address := (&url.URL{Scheme: "file", Path: file}).String()
	w := pagetest.Open(t, address, size)
	t.Cleanup(func() {
		for _, request := range w.Requests() {
			if request != address {
				t.Errorf("the page asked for %s", request)
			}
		}
		for _, problem := range w.Problems() {
			t.Errorf("the page complained: %s", problem)
		}
	})
	return w
}

// comparedInks are the colours that each chart of a comparison is drawn in.
var comparedInks = map[string][]string{"throughput": {"s0", "s1"}, "latency": {"s0", "s1"}, "percentiles": {"s0", "s1"}}

func TestComparisonDrawsBothRuns(t *testing.T) {
	a, b := folded.All(t, story.Loaded(t, 1, 500, time.Millisecond)), folded.All(t,
		story.Loaded(t, 2, 440, 1300*time.Microsecond))
	b.Clients[0].Workload.Consumers[1].ChunkSizeBytes = 4 * story.Mib
	w := showCompared(t, a, b, pagetest.Desk)
	checkDrawn(t, w, comparedInks)
	w.Screenshot("compared")
	w.Dark(true)
	checkDrawn(t, w, comparedInks)
	text := spaced(pagetest.Ask[string](w, "document.body.innerText"))
	for _, want := range []string{"Significantly different in B: throughput -1", "1 MiB, 4 MiB",
		"significant: B is worse", "steady, +"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q in\n%s", want, text)
		}
	}
	if at := strings.Index(text, "Configured differently"); at < 0 ||
		at > strings.Index(text, "Differences and their spread") {
		t.Error("what was configured differently does not come first")
	}
	for _, of := range []string{"p50_nano", "p999_nano", "max_nano"} {
		pick(w, "latency-at", of)
		checkDrawn(t, w, someOf(comparedInks, "latency"))
	}
	w.Hover("#percentiles .u-over", pagetest.Point{X: 0.4, Y: 0.5})
	w.Hover("#percentiles .u-over", pagetest.Point{X: 0.5, Y: 0.5})
	pagetest.Await(w,
		`!document.getElementById("tip").hidden && document.getElementById("tip").textContent.includes("took no longer than")`)
}

// A drag zooms both charts over time.
func TestComparisonZooms(t *testing.T) {
	w := showCompared(t, folded.All(t, story.Loaded(t, 1, 500, time.Millisecond)),
		folded.All(t, story.Loaded(t, 2, 440, time.Millisecond)), pagetest.Desk)
	w.Drag("#throughput .u-over", pagetest.Point{X: 0.25, Y: 0.5}, pagetest.Point{X: 0.5, Y: 0.5})
	pagetest.Await(w, `!document.getElementById("zoom-reset").disabled`)
	for _, got := range pagetest.Ask[[]string](w,
		`[...document.querySelectorAll(".plot[data-from]")].map((n) => n.dataset.from + " " + n.dataset.to)`) {
		var from, to float64
		if _, err := fmt.Sscanf(got, "%f %f", &from, &to); err != nil || from < 14 || from > 16 || to < 29 || to > 31 {
			t.Errorf("a drag from 15 s to 30 s zooms to %s", got)
		}
	}
	w.Do(chromedp.Click(chromedp.ID("zoom-reset")))
	checkDrawn(t, w, comparedInks)
}

// What cannot be drawn is said, and the page stays whole; texts stay texts.
func TestComparisonOfLittle(t *testing.T) {
	full, old := folded.All(t, story.Loaded(t, 1, 500, time.Millisecond)), folded.All(t,
		story.Loaded(t, 1, 500, time.Millisecond))
	old.Series = nil
	named := invented.HostileReport()
	for name, other := range map[string]*report.Report{"without series": old, "empty": folded.All(t, story.EmptyRun(t)),
		"one": folded.All(t, story.OneClient(t)), "nothing": {}, "hostile": named} {
		t.Run(name, func(t *testing.T) {
			pairs := [][2]*report.Report{{full, other}}
			if name == "nothing" {
				pairs = append(pairs, [2]*report.Report{other, full}, [2]*report.Report{other, other})
			}
			for _, pair := range pairs {
				w := showCompared(t, pair[0], pair[1], pagetest.Phone)
				if wide := pagetest.Ask[int64](w, "document.documentElement.scrollWidth"); wide > pagetest.Phone.Width {
					t.Errorf("the page is %d px wide", wide)
				}
				if title := pagetest.Ask[string](w, "document.title"); title == "owned" {
					t.Error("a text was run")
				}
				if text := pagetest.Ask[string](w, "document.body.innerText"); strings.Contains(text, "NaN") ||
					strings.Contains(text, "undefined") || strings.Contains(text, "Infinity") {
					t.Errorf("a number that is none in\n%s", text)
				}
			}
		})
	}
}

func TestComparisonIsAccessible(t *testing.T) {
	w := showCompared(t, folded.All(t, story.Rated(t)), folded.All(t, story.Corrupted(t)), pagetest.Desk)
	w.Accessible("light")
	w.Screenshot("compared-phases")
	pagetest.Ask[bool](w, `(document.querySelectorAll("details").forEach((d) => { d.open = true; }), true)`)
	pagetest.Await(w, `[...document.querySelectorAll("details")].every((d) => d.querySelector("table"))`)
	w.Dark(true)
	w.Accessible("dark, with tables")
	pick(w, "latency-of", "sync")
	checkDrawn(t, w, comparedInks)
	pick(w, "latency-of", "response")
	checkDrawn(t, w, map[string][]string{"latency": {"s0"}, "percentiles": {"s0"}})
	w.Resize(pagetest.Phone)
	w.Accessible("phone, dark")
	w.Dark(false)
	w.Paper(true)
	pagetest.Await(w, `document.documentElement.classList.contains("paper")`)
	checkDrawn(t, w, map[string][]string{"latency": {"s0"}})
}
