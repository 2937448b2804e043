package stories

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/invented"
	"bulkhead/internal/testing/pagetest"
	"bulkhead/internal/testing/story"
	"bulkhead/supervisor/report"
)

// show writes a report as a page and opens it. As the test ends, the page must have asked
// for nothing but itself and have written nothing to the console.
func show(t *testing.T, r *report.Report, size pagetest.Size) *pagetest.Window {
	t.Helper()
	return showFile(t, pageFile(t, r), size)
}

// pageFile writes a report as a page, and returns where.
func pageFile(t testing.TB, r *report.Report) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(file, PageOf(t, r), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// inks are the colours, by their names in the style sheet, that the lines and marks of each
// chart have to be drawn in when several clients wrote; the others are axes and bands.
var inks = map[string][]string{
	"events": {"bad", "warn-mark", "violet", "blue"}, "throughput": {"s0"}, "by-client": {"s0", "s1"},
	"latency":      {"p50", "p99", "p999", "max"},
	"distribution": {"s0"}, "heartbeats": {"good-soft", "violet", "bad"}, "cpu": {"s0"}, "memory": {"s0"},
	"rollovers": {"s0", "s2", "s3", "s5"}, "handlers": {"s4"},
}

// checkDrawn reports whether every chart is drawn: in each are enough pixels of its own inks.
func checkDrawn(t *testing.T, w *pagetest.Window, inks map[string][]string) {
	t.Helper()
	wanted, err := json.Marshal(inks)
	if err != nil {
		t.Fatal(err)
	}
	for _, missing := range pagetest.Ask[[]string](w, fmt.Sprintf(`(() => {
		const missing = [];
		for (const [id, names] of Object.entries(%s)) {
			const canvas = document.querySelector("#" + id + " canvas");
			if (!canvas) { missing.push(id + ": no canvas"); continue; }
			const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", {willReadFrequently: true});
			copy.drawImage(canvas, 0, 0);
			const {data} = copy.getImageData(0, 0, canvas.width, canvas.height);
			for (const name of names) {
				const ink = getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
				const want = [1, 3, 5].map((i) => parseInt(ink.slice(i, i + 2), 16));
				let n = 0;
				for (let i = 0; i < data.length; i += 4) {
					if (data[i + 3] > 150 && want.every((v, k) => Math.abs(v - data[i + k]) < 28)) n++;
				}
				if (n < 20) missing.push(id + ": " + n + " pixels of " + name + ", " + ink);
			}
		}
		return missing;
	})()`, wanted)) {
		t.Errorf("not drawn: %s", missing)
	}
}

// some returns the inks of some charts.
func some(ids ...string) map[string][]string { return someOf(inks, ids...) }

func someOf(all map[string][]string, ids ...string) map[string][]string {
	picked := make(map[string][]string)
	for _, id := range ids {
		picked[id] = all[id]
	}
	return picked
}

func TestPageDrawsEveryChart(t *testing.T) {
	for name, sample := range map[string]invented.Invented{"few": invented.Few, "many": invented.Many} {
		t.Run(name, func(t *testing.T) {
			w := show(t, sample.Report(), pagetest.Desk)
			checkDrawn(t, w, inks)
			w.Screenshot(name)
			w.Dark(true)
			checkDrawn(t, w, inks)
			w.Screenshot(name + "-dark")
		})
	}
}

// The page says the same of every run that is kept as a golden file.
func TestPageOfEveryStory(t *testing.T) {
	for _, story := range story.Stories {
		t.Run(story.Name, func(t *testing.T) {
			r := folded.All(t, story.Write(t))
			w := show(t, r, pagetest.Desk)
			w.Screenshot("story-" + story.Name)
			text := pagetest.Ask[string](w, "document.body.innerText")
			for _, want := range append(append([]string{}, r.Verdict.Reasons...), r.Run.ID) {
				if first, _, _ := strings.Cut(want, "\n"); !strings.Contains(text, first) &&
					len(r.Verdict.Reasons) < 6 {
					t.Errorf("the page does not say %q", first)
				}
			}
			for _, c := range r.Clients {
				if !strings.Contains(text, c.Label) {
					t.Errorf("the page does not name client %s", c.Label)
				}
			}
		})
	}
}

// ranges returns the range of time of every chart over time, which has to be one.
func timeRange(t *testing.T, w *pagetest.Window) string {
	t.Helper()
	all := pagetest.Ask[[]string](w,
		`[...document.querySelectorAll(".plot[data-from]")].map((n) => Number(n.dataset.from).toFixed(3) + " to " + Number(n.dataset.to).toFixed(3))`)
	if len(all) < 9 {
		t.Fatalf("%d charts over time", len(all))
	}
	for _, one := range all {
		if one != all[0] {
			t.Fatalf("the charts show different times: %q", all)
		}
	}
	return all[0]
}

// A run that ends in the middle of an interval does not look as if its rate had dropped.
func TestPageRateOfACutInterval(t *testing.T) {
	w := show(t, folded.All(t, story.CutShort(t)), pagetest.Desk)
	pagetest.Ask[bool](w, `(document.querySelector("#throughput details").open = true)`)
	pagetest.Await(w, `document.querySelectorAll("#throughput tbody tr").length === 2`)
	for _, rate := range pagetest.Ask[[]string](w,
		`[...document.querySelectorAll("#throughput tbody td:nth-child(2)")].map((n) => n.textContent)`) {
		if rate != "200\u00a0B/s" {
			t.Errorf("an interval has %q", rate)
		}
	}
}

// Every kind of event has its name above the throughput, where there is any room, and what
// is zoomed to has its own.
func TestPageNamesWhatIsMarked(t *testing.T) {
	w := show(t, invented.Few.Report(), pagetest.Desk)
	named := func() string {
		return pagetest.Ask[string](w, `document.querySelector("#throughput .plot").dataset.named`)
	}
	for _, want := range []string{"rejected", "handler died", "client away", "supervisor restarted", "write stalled",
		"client lost"} {
		if got := named(); !strings.Contains(got, want) {
			t.Errorf("%q has no name above the chart; %q have", want, got)
		}
	}
	w.Resize(pagetest.Phone)
	pagetest.Await(w, `document.querySelector("#throughput .uplot").offsetWidth < 400`)
	for _, want := range []string{"client lost", "handler died", "write stalled"} { // what matters most
		if got := named(); !strings.Contains(got, want) {
			t.Errorf("on a phone, %q has no name above the chart; %q have", want, got)
		}
	}
	w.Resize(pagetest.Desk)
	w.Drag("#throughput .u-over", pagetest.Point{X: 0.2, Y: 0.5}, pagetest.Point{X: 0.3, Y: 0.5})
	pagetest.Await(w, `!document.getElementById("zoom-reset").disabled`)
	if got := named(); strings.Contains(got, "lost") || !strings.Contains(got, "client away") {
		t.Errorf("zoomed to a handler's death, %q have names", got)
	}
}

func TestPageZooms(t *testing.T) {
	w := show(t, invented.Few.Report(), pagetest.Desk)
	const whole = "0.000 to 120.000"
	if got := timeRange(t, w); got != whole {
		t.Fatalf("the page begins with %s", got)
	}
	for _, chart := range []string{"#throughput", "#heartbeats", "#rollovers"} {
		over := chart + " .u-over"
		w.Drag(over, pagetest.Point{X: 0.25, Y: 0.5}, pagetest.Point{X: 0.5, Y: 0.5})
		pagetest.Await(w, `!document.getElementById("zoom-reset").disabled`)
		var from, to float64
		if _, err := fmt.Sscanf(timeRange(t, w), "%f to %f", &from, &to); err != nil {
			t.Fatal(err)
		}
		if from < 29 || from > 31 || to < 59 || to > 61 {
			t.Errorf("a drag in %s from 30 s to 60 s zooms from %.1f to %.1f", chart, from, to)
		}
		if chart == "#throughput" {
			w.Screenshot("zoomed")
			checkDrawn(t, w, some("throughput", "latency", "cpu"))
		}
		w.DoubleClick(over, pagetest.Point{X: 0.5, Y: 0.5})
		pagetest.Await(w, `document.getElementById("zoom-reset").disabled`)
		if got := timeRange(t, w); got != whole {
			t.Errorf("a double click in %s shows %s", chart, got)
		}
	}
	for _, step := range []struct{ button, want string }{
		{"zoom-in", "30.000 to 90.000"}, {"zoom-right", "60.000 to 120.000"}, {"zoom-left", "30.000 to 90.000"},
		{"zoom-out", whole}, {"zoom-in", "30.000 to 90.000"}, {"zoom-reset", whole},
	} {
		w.Do(chromedp.Click(chromedp.ID(step.button)))
		if got := timeRange(t, w); got != step.want {
			t.Errorf("%s shows %s, want %s", step.button, got, step.want)
		}
	}
}

func TestPageAnswersKeysInCharts(t *testing.T) {
	w := show(t, invented.Few.Report(), pagetest.Desk)
	w.Do(chromedp.Focus(chromedp.CSS("#latency .plot")), chromedp.KeyEvent("+"))
	if got := timeRange(t, w); got != "30.000 to 90.000" {
		t.Errorf("plus shows %s", got)
	}
	w.Do(chromedp.KeyEvent(kb.Escape))
	if got := timeRange(t, w); got != "0.000 to 120.000" {
		t.Errorf("Escape shows %s", got)
	}
	read := func() string { return pagetest.Ask[string](w, `document.getElementById("readout").textContent`) }
	w.Do(chromedp.KeyEvent(kb.Home))
	pagetest.Await(w, `document.getElementById("readout").textContent !== ""`)
	first := read()
	if !strings.Contains(first, "UTC: nothing") { // the first second of this run
		t.Errorf("Home says %q", first)
	}
	w.Do(chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.ArrowRight))
	pagetest.Await(w, `document.getElementById("readout").textContent.includes("p99.9 ")`)
	if values := pagetest.Ask[int](w,
		`[...document.querySelectorAll("#throughput .now, #latency .now, #cpu .now")].filter((n) => n.textContent !== "").length`); values < 6 {
		t.Errorf("%d legends of other charts follow the cursor", values)
	}
}

func TestPageShowsValuesUnderThePointer(t *testing.T) {
	w := show(t, invented.Few.Report(), pagetest.Desk)
	for _, place := range []struct {
		chart string
		x, y  float64
		want  string
	}{
		{"#throughput", 0.583, 0.5, "all clients"},
		{"#throughput", 0.583, 0.5, "a write was stuck"},
		{"#latency", 0.3, 0.5, "p99.9"},
		{"#by-client", 0.3, 0.5, "host-03"},
		{"#events", 0.58, 0.36, "consumer 1: a write was stuck"},
		{"#handlers", 0.1, 0.08, "killed by SIGKILL"},
		{"#distribution", 0.3, 0.5, "took"},
		{"#cpu", 0.3, 0.5, "cores"},
	} {
		w.Hover(place.chart+" .u-over", pagetest.Point{X: place.x - 0.05, Y: place.y})
		w.Hover(place.chart+" .u-over", pagetest.Point{X: place.x, Y: place.y})
		pagetest.Await(w,
			fmt.Sprintf(
				`!document.getElementById("tip").hidden && document.getElementById("tip").textContent.includes(%q)`,
				place.want))
		if text := pagetest.Ask[string](w, `document.getElementById("tip").textContent`); strings.Contains(text,
			"null") || strings.Contains(text, "undefined") || strings.Contains(text, "NaN") {
			t.Errorf("%s says %q", place.chart, text)
		}
	}
	w.Screenshot("hover")
}

func TestPageFiltersByClient(t *testing.T) {
	r := invented.Few.Report()
	w := show(t, r, pagetest.Desk)
	// Of five the last was lost, and so is not the first that was done.
	if got := pagetest.Ask[string](w, `document.getElementById("stragglers").textContent`); !strings.HasPrefix(got,
		"First done: host-04 ") || !strings.Contains(got, "Last done: host-01 ") {
		t.Errorf("the page says %q", got)
	}
	if got := spaced(pagetest.Ask[string](w,
		`document.getElementById("figures").innerText`)); !regexp.MustCompile(`\d+ MB/s – [\d.]+ GB/s`).MatchString(
		got) {
		t.Errorf("the range of rates is not said with its units: %q", got)
	}
	before := pagetest.Ask[string](w, `document.getElementById("figures").textContent`)
	choose := chromedp.Click(chromedp.CSS("#clients tbody tr:nth-child(2) .link"))
	w.Do(choose)
	if got := pagetest.Ask[string](w,
		`document.getElementById("client-pick").selectedOptions[0].textContent`); got != r.Clients[1].Label {
		t.Fatalf("the filter is %q", got)
	}
	if after := pagetest.Ask[string](w, `document.getElementById("figures").textContent`); after == before {
		t.Error("the key figures are those of all clients")
	}
	checkDrawn(t, w, some("throughput", "distribution", "heartbeats", "cpu", "rollovers", "handlers"))
	checkDrawn(t, w, map[string][]string{"latency": {"p99", "max"}})
	w.Screenshot("client")
	for chart, want := range map[string]string{
		"#throughput": "Throughput of host-02", "#heartbeats": "Heartbeats of 3 processes", "#cpu": "of 2 consumers",
		"#handlers": "Lives of 1 handler", "#rollovers": "of 80 files",
	} {
		label := strings.ReplaceAll(pagetest.Ask[string](w,
			fmt.Sprintf(`document.querySelector("%s .plot").getAttribute("aria-label")`, chart)), "\u00a0", " ")
		if !strings.Contains(label, want) {
			t.Errorf("%s shows %q, want %q", chart, label, want)
		}
	}
	if got := pagetest.Ask[string](w, `document.getElementById("client").innerText`); !strings.Contains(got,
		"host-02.lab") {
		t.Errorf("the client's own part says %q", got)
	}
	w.Do(choose) // again: all clients
	if after := pagetest.Ask[string](w, `document.getElementById("figures").textContent`); after != before {
		t.Error("a second click does not show all clients")
	}
	w.Do(chromedp.Click(chromedp.CSS("#by-client .legend li:nth-child(3) button")))
	if got := pagetest.Ask[string](w, `document.getElementById("client-pick").value`); got == "0" {
		t.Error("a click on a line's name does not filter")
	}
	w.Do(chromedp.Click(chromedp.ID("client-clear")))
	if got := pagetest.Ask[string](w, `document.getElementById("client-pick").value`); got != "0" {
		t.Errorf("the filter is still %s", got)
	}
}

func TestPageSortsAndShowsAll(t *testing.T) {
	w := show(t, invented.Many.Report(), pagetest.Desk)
	if got := pagetest.Ask[[]string](w,
		`[...document.querySelectorAll("#clients tbody tr td:first-child")].map((n) => n.textContent).slice(8, 12)`); !slices.Equal(got, []string{"host-09", "host-10", "host-11", "host-12"}) {
		t.Errorf("by name, behind host-08 come %q", got)
	}
	if n := pagetest.Ask[int](w, `document.querySelectorAll("#clients tbody tr").length`); n != 50 {
		t.Errorf("%d of 500 clients are listed at first", n)
	}
	w.Do(chromedp.Focus(chromedp.CSS("#clients th:nth-child(3) button")), chromedp.KeyEvent(kb.Enter))
	if got := pagetest.Ask[string](w,
		`document.querySelector("#clients th:nth-child(3)").ariaSort`); got != "descending" {
		t.Errorf("Enter on a number's column sorts it %s", got)
	}
	w.Do(chromedp.Click(chromedp.CSS("#clients .more")))
	rates := pagetest.Ask[[]string](w,
		`[...document.querySelectorAll("#clients tbody tr")].map((row) => row.children[0].textContent)`)
	if len(rates) != 500 {
		t.Fatalf("%d clients are listed of 500", len(rates))
	}
	r := invented.Many.Report()
	speed := make(map[string]uint64)
	for _, c := range r.Clients {
		speed[c.Label] = c.BytesPerSecond
	}
	for i := range rates[1:] {
		if speed[rates[i]] < speed[rates[i+1]] {
			t.Fatalf("%s is before %s, and slower", rates[i], rates[i+1])
		}
	}
}

// The keyboard reaches every control that is to be seen, and what it reaches shows it.
func TestPageByKeyboard(t *testing.T) {
	w := show(t, invented.Few.Report(), pagetest.Desk)
	pagetest.Ask[bool](w,
		`(window.reached = new Set(), window.unmarked = [], document.addEventListener("focusin", (e) => {
		reached.add(e.target);
		const s = getComputedStyle(e.target);
		if (s.outlineStyle === "none" && s.boxShadow === "none") unmarked.push(e.target.outerHTML.slice(0, 120));
	}), true)`)
	const controls = `[...document.querySelectorAll("a, button, select, summary, [tabindex='0']")].filter((n) => n.checkVisibility() && !n.disabled)`
	n := pagetest.Ask[int](w, controls+".length")
	if n < 60 {
		t.Fatalf("%d controls", n)
	}
	for range n + 3 {
		w.Do(chromedp.KeyEvent(kb.Tab))
	}
	if missed := pagetest.Ask[[]string](w,
		controls+`.filter((n) => !reached.has(n)).map((n) => n.outerHTML.slice(0, 120))`); len(missed) > 0 {
		t.Errorf("Tab does not reach %d of %d controls: %q", len(missed), n, missed)
	}
	if unmarked := pagetest.Ask[[]string](w, "unmarked"); len(unmarked) > 0 {
		t.Errorf("what has the focus does not show it: %q", unmarked)
	}
}

func TestPageTakesTextForText(t *testing.T) {
	w := show(t, invented.HostileReport(), pagetest.Desk)
	inspect := func(when string) {
		t.Helper()
		if title := pagetest.Ask[string](w, "document.title"); title == "owned" {
			t.Errorf("%s: a text was run", when)
		}
		if n := pagetest.Ask[int](w,
			`document.querySelectorAll("img, svg, iframe, [onerror], [onload], script:not([id]):not(:nth-last-child(-n+3))").length`); n != 0 {
			t.Errorf("%s: %d elements were made from texts", when, n)
		}
	}
	inspect("at first")
	pagetest.Ask[bool](w, `(document.querySelectorAll("details").forEach((d) => { d.open = true; }), true)`)
	w.Hover("#heartbeats .u-over", pagetest.Point{X: 0.4, Y: 0.2})
	w.Hover("#events .u-over", pagetest.Point{X: 0.0417, Y: 0.95})
	inspect("with its tables")
	for i := range invented.Hostile {
		pagetest.Ask[bool](w,
			fmt.Sprintf(
				`(() => { const p = document.getElementById("client-pick"); p.value = "%d"; p.dispatchEvent(new Event("change")); return true; })()`, i+1))
		inspect("of one client")
	}
	if text := pagetest.Ask[string](w, "document.body.textContent"); !strings.Contains(text, invented.Hostile[0]) {
		t.Error("the text itself is not shown")
	}
}

func TestPageFitsEveryWidth(t *testing.T) {
	w := show(t, invented.Few.Report(), pagetest.Phone)
	for _, size := range []pagetest.Size{pagetest.Phone, {Width: 640, Height: 800}, {Width: 900, Height: 800},
		{Width: 1920, Height: 1000}} {
		w.Resize(size)
		pagetest.Await(w, fmt.Sprintf(`matchMedia("(width: %dpx)").matches`, size.Width))
		// Charts follow the width by an observer, in a frame after the layout.
		pagetest.Await(w,
			`[...document.querySelectorAll(".uplot")].every((n) => Math.abs(n.offsetWidth - Math.max(160, n.parentNode.clientWidth)) <= 1)`)
		if wide := pagetest.Ask[int64](w, "document.documentElement.scrollWidth"); wide > size.Width {
			t.Errorf("at %d px, the page is %d px wide", size.Width, wide)
		}
		checkDrawn(t, w, some("throughput", "latency", "heartbeats"))
		w.Screenshot(fmt.Sprintf("width-%d", size.Width))
	}
	// The cause of a client's end is to be seen without scrolling on a desk.
	w.Resize(pagetest.Size{Width: 1100, Height: 800})
	pagetest.Await(w, `matchMedia("(width: 1100px)").matches`)
	if hidden := pagetest.Ask[int](w,
		`(() => { const s = document.querySelector("#clients .scroll"); return s.scrollWidth - s.clientWidth; })()`); hidden > 0 {
		t.Errorf("at 1100 px, %d px of the table of clients are out of sight", hidden)
	}
}

func TestPageOnPaper(t *testing.T) {
	w := show(t, invented.Few.Report(), pagetest.Desk)
	w.Dark(true)
	w.Resize(pagetest.Size{Width: 700, Height: 1000})
	w.Paper(true)
	pagetest.Await(w, `document.documentElement.classList.contains("paper")`)
	if seen := pagetest.Ask[bool](w, `document.querySelector(".bar").checkVisibility()`); seen {
		t.Error("the controls are printed")
	}
	if ground := pagetest.Ask[string](w,
		"getComputedStyle(document.body).backgroundColor"); ground != "rgb(255, 255, 255)" {
		t.Errorf("the paper is %s", ground)
	}
	if wide := pagetest.Ask[[]string](w,
		`[...document.querySelectorAll(".uplot, table")].filter((n) => n.checkVisibility() && n.getBoundingClientRect().right > 702).map((n) => n.closest("section").id)`); len(wide) > 0 {
		t.Errorf("%q do not fit on the paper", wide)
	}
	if faded := pagetest.Ask[int](w,
		`[...document.querySelectorAll(".swatch")].filter((n) => getComputedStyle(n).printColorAdjust !== "exact").length`); faded > 0 {
		t.Errorf("%d swatches of legends are printed without their colour", faded)
	}
	checkDrawn(t, w, inks)
	w.Screenshot("paper")
	w.Paper(false)
	pagetest.Await(w, `!document.documentElement.classList.contains("paper")`)
	if sheets := w.Print("report"); sheets < 2 || sheets > 12 {
		t.Errorf("the page prints on %d sheets", sheets)
	}
}

func TestPageIsAccessible(t *testing.T) {
	w := show(t, invented.Few.Report(), pagetest.Desk)
	w.Accessible("light")
	w.Do(chromedp.Click(chromedp.CSS("#clients tbody tr:nth-child(2) .link")))
	pagetest.Ask[bool](w, `(document.querySelectorAll("details").forEach((d) => { d.open = true; }), true)`)
	pagetest.Await(w, `[...document.querySelectorAll("details")].every((d) => d.querySelector("table"))`)
	w.Accessible("one client, with tables")
	w.Dark(true)
	w.Accessible("dark")
	w.Resize(pagetest.Phone)
	w.Accessible("phone, dark")
	w.Dark(false)
	w.Accessible("phone")
}

// Beside each chart is a sentence that says what it shows, and under it a table.
func TestPageSaysWhatChartsShow(t *testing.T) {
	w := show(t, invented.Few.Report(), pagetest.Desk)
	if mute := pagetest.Ask[[]string](w,
		`[...document.querySelectorAll("section:not([hidden]) .plot")].filter((n) => n.getAttribute("role") !== "img" || (n.ariaLabel || "").length < 30).map((n) => n.closest("section").id)`); len(mute) > 0 {
		t.Errorf("%q have no sentence", mute)
	}
	pagetest.Ask[bool](w, `(document.querySelectorAll("details").forEach((d) => { d.open = true; }), true)`)
	if bare := pagetest.Ask[[]string](w,
		`[...document.querySelectorAll("section.panel:not([hidden])")].filter((n) => n.querySelector(".plot") && !n.querySelector("details")).map((n) => n.id)`); len(bare) > 0 {
		t.Errorf("%q have no table", bare)
	}
	pagetest.Await(w, `[...document.querySelectorAll("details")].every((d) => d.querySelectorAll("td").length > 0)`)
}
