package pagetest

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/chromedp/chromedp"
)

// axe is axe-core, whole as it was released (https://github.com/dequelabs/axe-core).
//
//go:embed axe/axe.min.js
var axe string

// Accessible lets axe-core look at the page as it is, and fails the test for every
// violation that it calls serious or critical, of WCAG 2.2 A and AA or of its best
// practices.
func (w *Window) Accessible(what string) {
	w.t.Helper()
	w.Do(chromedp.Evaluate[chromedp.Void](axe + "; undefined"))
	type node struct {
		HTML    string `json:"html"`
		Summary string `json:"failureSummary"`
	}
	type violation struct {
		ID     string `json:"id"`
		Impact string `json:"impact"`
		Help   string `json:"help"`
		Nodes  []node `json:"nodes"`
	}
	result := Ask[struct {
		Violations []violation `json:"violations"`
		Passes     int         `json:"passes"`
	}](w,
		`axe.run(document, {
		resultTypes: ["violations"],
		runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
	}).then((r) => ({
		violations: r.violations.map((v) => ({
			id: v.id, impact: v.impact, help: v.help,
			nodes: v.nodes.map((n) => ({html: n.html, failureSummary: n.failureSummary})),
		})),
		passes: r.passes.length,
	}))`)
	if result.Passes < 10 {
		w.t.Fatalf("%s: axe-core found %d rules kept; it did not look at the page", what, result.Passes)
	}
	for _, v := range result.Violations {
		report := w.t.Logf
		if v.Impact == "serious" || v.Impact == "critical" {
			report = w.t.Errorf
		}
		var places strings.Builder
		for _, n := range v.Nodes[:min(3, len(v.Nodes))] {
			fmt.Fprintf(&places, "\n  %.200s\n    %s", n.HTML, strings.ReplaceAll(n.Summary, "\n", "\n    "))
		}
		report("%s: %s (%s): %s, %d places%s", what, v.ID, v.Impact, v.Help, len(v.Nodes), &places)
	}
}
