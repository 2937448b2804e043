package pagetest

import (
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"
)

// Ask evaluates a JavaScript expression in the page and returns its value; promises are
// waited for.
func Ask[T any](w *Window, expression string) T {
	w.t.Helper()
	value, err := chromedp.Run(w.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		w.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// Await waits until a JavaScript expression is true.
func Await(w *Window, expression string) {
	w.t.Helper()
	if err := chromedp.Do(w.ctx, chromedp.Poll[chromedp.Void](expression,
		chromedp.WithPollingTimeout(deadline))); err != nil {
		w.t.Fatalf("waiting for %s: %v", expression, err)
	}
}

func call[R any](w *Window, command cdp.Command[cdp.Empty, R]) {
	w.t.Helper()
	if _, err := chromedp.Call(w.ctx, command, cdp.Empty{}); err != nil {
		w.t.Fatalf("%s: %v", command.Method, err)
	}
}
