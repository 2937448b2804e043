package stories

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/invented"
	"bulkhead/internal/testing/pagetest"
	"bulkhead/internal/testing/story"
)

// pageParts are the parts of the page that docs/report.md shows, by the names of their
// images.
var pageParts = map[string]string{
	"verdict": "#verdict", "figures": "#figures", "events": "#events", "throughput": "#throughput",
	"by-client": "#by-client",
	"latency":   "#latency", "distribution": "#distribution", "clients": "#clients", "heartbeats": "#heartbeats",
	"cpu":       "#cpu",
	"rollovers": "#rollovers", "handlers": "#handlers",
}

// contentParts are the parts that the page of a run with corrupt content has beside them.
var contentParts = map[string]string{"corruption": "#corruption", "phases": "#phases"}

// stageParts are those of the page of a run whose load has stages.
var stageParts = map[string]string{"stages": "#stages", "curves": "#curves"}

// With the environment variable of pagetest set, this takes the images of docs/report.md,
// as docs-NAME.png.
func TestPageForTheDocs(t *testing.T) {
	w := show(t, invented.Few.Report(), pagetest.Size{Width: 1120, Height: 900})
	for name, selector := range pageParts {
		if shown := pagetest.Ask[bool](w, `document.querySelector("`+selector+`").checkVisibility()`); !shown {
			t.Errorf("the page does not show %s", selector)
		}
		w.ScreenshotOf(selector, "docs-"+name)
	}
	w.Resize(pagetest.Size{Width: 1120, Height: 820})
	w.ScreenshotOf("body", "docs-whole")
	w = show(t, folded.All(t, story.Corrupted(t)), pagetest.Size{Width: 1120, Height: 900})
	for name, selector := range contentParts {
		w.ScreenshotOf(selector, "docs-"+name)
	}
	w = show(t, folded.All(t, story.Staged(t)), pagetest.Size{Width: 1120, Height: 900})
	for name, selector := range stageParts {
		w.ScreenshotOf(selector, "docs-"+name)
	}
	w = showCompared(t, folded.All(t, story.Loaded(t, 1, 500, time.Millisecond)),
		folded.All(t, story.Loaded(t, 2, 440, 1300*time.Microsecond)), pagetest.Size{Width: 1120, Height: 900})
	pagetest.Ask[bool](w,
		`(document.querySelectorAll("#configured, #whole, #throughput, footer").forEach((n) => n.remove()), true)`)
	w.ScreenshotOf("main", "docs-compared")
}

// docs/report.md shows every part of the page, and every image it shows is there.
func TestDocsShowThePage(t *testing.T) {
	shown := make(map[string]bool)
	for _, match := range regexp.MustCompile(`!\[[^\]]{20,}\]\(images/report-([a-z-]+)\.png\)`).FindAllStringSubmatch(
		readDocs(t), -1) {
		shown[match[1]] = true
		info, err := os.Stat(filepath.Join("..", "..", "..", "docs", "images", "report-"+match[1]+".png"))
		if err != nil {
			t.Error(err)
		} else if info.Size() > 80_000 {
			t.Errorf("%s is %d bytes; an image of the docs should be under 80 kB", info.Name(), info.Size())
		}
	}
	wanted := []string{"compared"}
	for _, parts := range []map[string]string{pageParts, contentParts, stageParts} {
		wanted = slices.AppendSeq(wanted, maps.Keys(parts))
	}
	for _, name := range wanted {
		if !shown[name] {
			t.Errorf("docs/report.md does not show report-%s.png, or not with a sentence for those who do not see it",
				name)
		}
	}
}
