package stories

import (
	"bytes"
	"regexp"
	"testing"

	"bulkhead/internal/testing/invented"
	"bulkhead/internal/testing/pagetest"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/render"
)

func PageOf(t testing.TB, r *report.Report) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := render.HTML(r, &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestPageNeedsNothingElse(t *testing.T) {
	page := PageOf(t, invented.Few.Report())
	if at := regexp.MustCompile(`(?i)@import|\burl\(|\bsrc=|\bsrcset=|<iframe|<object|<base`).FindIndex(
		page); at != nil {
		t.Errorf("the page refers to something: …%s…", page[max(0, at[0]-40):at[1]+40])
	}
	for _, link := range pagetest.Elements(t, page, "link") {
		if href := pagetest.Attribute(link, "href"); href != "data:," {
			t.Errorf("the page links %q", href)
		}
	}
}

func TestPageIsTheSameEachTime(t *testing.T) {
	if !bytes.Equal(PageOf(t, invented.Few.Report()), PageOf(t, invented.Few.Report())) {
		t.Error("two pages of one report differ")
	}
}
