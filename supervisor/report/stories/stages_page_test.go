package stories

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/pagetest"
	"bulkhead/internal/testing/story"
)

// The page has the stages as a table and as bands, and the curve with its knee, which the keyboard
// reads; it is drawn in light and in the dark, on a phone and on paper.
func TestPageShowsStagesAndCurves(t *testing.T) {
	r := folded.All(t, story.Staged(t))
	w := show(t, r, pagetest.Desk)
	wanted := map[string][]string{"curves": {"s0", "ink"}, "throughput": {"s0"}}
	checkDrawn(t, w, wanted)
	w.ScreenshotOf("#stages", "stages")
	w.ScreenshotOf("#curves", "curves")
	w.ScreenshotOf("#throughput", "stages-throughput")
	w.Dark(true)
	checkDrawn(t, w, wanted)
	w.Accessible("stages in the dark")
	w.ScreenshotOf("#curves", "curves-dark")
	w.Dark(false)
	w.Accessible("stages")
	if pages := w.Print("stages"); pages > 9 {
		t.Errorf("on paper they take %d pages", pages)
	}
	plot := `document.querySelector("#curves .plot")`
	if got := pagetest.Ask[string](w, plot+`.dataset.points + " " + `+plot+`.dataset.knees`); got != "6 curve 60%" {
		t.Errorf("drawn are %q", got)
	}
	if got := pagetest.Ask[string](w, plot+`.getAttribute("aria-label")`); !strings.Contains(got, r.Curves[0].Text) {
		t.Errorf("the chart is called %q", got)
	}
	if got := pagetest.Ask[string](w,
		`document.querySelector("#throughput .plot").dataset.stages`); got != "fill, peak, "+
		"curve 20%, curve 40%, curve 60%, curve 80%, curve 100%, curve 120%" {
		t.Errorf("in the chart over time %q have names", got)
	}
	pagetest.Ask[bool](w, `(`+plot+`.focus(), true)`)
	for _, step := range []struct{ key, want string }{
		{kb.ArrowRight, "curve 20%: "}, {kb.ArrowRight, "curve 40%: "}, {kb.ArrowRight, "curve 60%, the knee: "},
		{kb.End, "curve 120%: "}, {kb.Home, "curve 20%: "},
	} {
		w.Do(chromedp.KeyEvent(step.key))
		got := pagetest.Ask[string](w, `document.getElementById("readout").textContent`)
		if !strings.HasPrefix(got, step.want) {
			t.Errorf("the keyboard reads %q; want %q", got, step.want)
		}
	}
	pagetest.Ask[bool](w, `(document.querySelector("#curves details").open = true)`)
	pagetest.Await(w, `document.querySelectorAll("#curves tbody tr").length === 6`)
	rows := pagetest.Ask[[]string](w,
		`[...document.querySelectorAll("#stages tbody tr")].map((n) => n.innerText)`)
	if len(rows) != 8 || !strings.Contains(rows[0], "not reported") {
		t.Errorf("the table has %q", rows)
	}
	pagetest.Ask[bool](w, `(document.querySelectorAll("#stages tbody button")[1].click(), true)`)
	pagetest.Await(w, `!document.getElementById("zoom-reset").disabled`)
	if got := pagetest.Ask[string](w,
		`((p) => p.from + " to " + p.to)(document.querySelector("#throughput .plot").dataset)`); got != "3 to 7" {
		t.Errorf("a click on the second stage shows %s", got)
	}
	w.Resize(pagetest.Phone)
	pagetest.Await(w, `document.querySelector("#curves .uplot").offsetWidth < 400`)
	w.ScreenshotOf("#curves", "curves-phone")
	w.ScreenshotOf("#stages", "stages-phone")
}

// A page without stages says nothing of them.
func TestPageWithoutStages(t *testing.T) {
	w := show(t, folded.All(t, story.OneClient(t)), pagetest.Desk)
	for _, id := range []string{"stages", "curves"} {
		if pagetest.Ask[bool](w, `document.getElementById("`+id+`").checkVisibility()`) {
			t.Errorf("it shows %s", id)
		}
	}
}
