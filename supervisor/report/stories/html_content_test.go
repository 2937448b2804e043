package stories

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/pagetest"
	"bulkhead/internal/testing/story"
)

// pick chooses an option of a list, as somebody does.
func pick(w *pagetest.Window, id, value string) {
	pagetest.Ask[bool](w,
		fmt.Sprintf(
			`(() => { const p = document.getElementById(%q); p.value = %q; p.dispatchEvent(new Event("change")); return true; })()`, id, value))
}

// spaced returns a text of the page with its fixed spaces as plain ones.
func spaced(text string) string {
	return strings.NewReplacer("\u00a0", " ", "\u202f", " ").Replace(text)
}

// What is corrupt stands before everything but the verdict, and goes with its client.
func TestPageShowsCorruptionFirst(t *testing.T) {
	w := show(t, folded.All(t, story.Corrupted(t)), pagetest.Desk)
	if order := pagetest.Ask[[]string](w,
		`[...document.querySelectorAll("main > section:not([hidden])")].map((n) => n.id)`); len(
		order) < 3 || !slices.Equal(order[:2], []string{"verdict", "corruption"}) {
		t.Errorf("the page begins with %q", order)
	}
	text := spaced(pagetest.Ask[string](w, `document.getElementById("corruption").innerText`))
	for _, want := range []string{"3 corrupt blocks", "stale", "flipped", "40 960", "generation 1", `\x1b[7m`,
		"/mnt/data/bulkhead-alpha/consumer-0/00000002.dat"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q in\n%s", want, text)
		}
	}
	if headline := pagetest.Ask[string](w,
		`document.getElementById("verdict-line").innerText`); !strings.Contains(headline,
		"3 corrupt blocks in 1 file") {
		t.Errorf("the verdict is %q", headline)
	}
	checkDrawn(t, w, map[string][]string{"events": {"bad"}, "phases": {"s2", "s3", "s5"}, "throughput": {"s0", "s4"}})
	w.Accessible("corruption")
	pick(w, "client-pick", "2")
	if pagetest.Ask[bool](w, `document.getElementById("corruption").checkVisibility()`) {
		t.Error("a client whose content is as written shows corruption")
	}
	if figures := spaced(pagetest.Ask[string](w,
		`document.getElementById("figures").innerText`)); !strings.Contains(figures, "as written") {
		t.Errorf("the key figures of that client are %q", figures)
	}
	w.Do(chromedp.Click(chromedp.ID("client-clear")))
	pagetest.Await(w, `document.getElementById("corruption").checkVisibility()`)
}

// With a rate the response is drawn beside the service time, and each latency has its
// distribution.
func TestPageShowsResponseAndPhases(t *testing.T) {
	w := show(t, folded.All(t, story.Rated(t)), pagetest.Desk)
	// With the response there is one key figure more, which does not stand in a row alone.
	if rows := pagetest.Ask[[]int](w,
		`[...document.querySelectorAll("#figures dl > div")].reduce((rows, n) => { rows.set(n.offsetTop, (rows.get(n.offsetTop) || 0) + 1); return rows; }, new Map()).values().toArray()`); len(rows) != 2 || rows[1] < rows[0]-1 {
		t.Errorf("the rows of key figures have %d", rows)
	}
	checkDrawn(t, w, map[string][]string{"latency": {"p50", "p99", "s6"}, "phases": {"s2", "s3", "s5"},
		"distribution": {"s0"}})
	for value, want := range map[string]string{"response": "700 responses", "sync": "1 260 syncs",
		"create": "42 creates", "close": "42 closes", "chunk_write": "1 281 chunk writes"} {
		pick(w, "distribution-pick", value)
		label := spaced(pagetest.Ask[string](w, `document.querySelector("#distribution .plot").ariaLabel`))
		if value != "response" && !strings.Contains(label, want) ||
			!strings.Contains(label, strings.Fields(want)[len(strings.Fields(want))-1]) {
			t.Errorf("the distribution of %s says %q, want %q", value, label, want)
		}
		checkDrawn(t, w, some("distribution"))
	}
	pick(w, "client-pick", "1")
	checkDrawn(t, w, map[string][]string{"latency": {"p99", "s6"}})
	text := spaced(pagetest.Ask[string](w, `document.getElementById("client").innerText`))
	for _, want := range []string{
		"1…2: files of 32 MiB…64 MiB in chunks of 1 MiB, in random order, O_DIRECT, 2 writers",
		"until the throughput varies by 2.5 % or less over 10 s", "steady"} {
		if !strings.Contains(text, want) {
			t.Errorf("the client's own part does not say %q in\n%s", want, text)
		}
	}
}
