package pagetest

import (
	"regexp"

	"github.com/chromedp/chromedp"
)

// Print prints the page on A4 and returns how many sheets it takes. The PDF is kept with
// the screenshots.
func (w *Window) Print(name string) int {
	w.t.Helper()
	pdf, err := chromedp.Run(w.ctx, chromedp.PrintToPDF(chromedp.PDFPaper(chromedp.PaperA4)))
	if err != nil {
		w.t.Fatal(err)
	}
	w.keep(name+".pdf", pdf)
	return len(regexp.MustCompile(`/Type\s*/Page\b`).FindAll(pdf, -1))
}
