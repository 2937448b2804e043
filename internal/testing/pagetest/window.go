package pagetest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// screenshots is the environment variable that names the folder for them.
const screenshots = "BULKHEAD_SCREENSHOTS"

// deadline bounds all that a test does with one window.
const deadline = 4 * time.Minute

// Window is one tab of a headless Chromium of its own.
type Window struct {
	t     testing.TB
	ctx   context.Context
	moves bool // what moves may

	mu       sync.Mutex
	requests []string // guarded by mu
	problems []string // guarded by mu
}

// Size is a viewport in CSS pixels.
type Size struct {
	Width, Height int64
	// Phone has a touch screen and overlaid scroll bars.
	Phone bool
}

// Sizes that pages are looked at in.
var (
	Desk  = Size{Width: 1360, Height: 900}
	Phone = Size{Width: 360, Height: 780, Phone: true}
)

// Open starts a browser and shows address in it, in light colours. With -short the test
// is skipped: what it is about runs in the browser.
func Open(t testing.TB, address string, size Size) *Window {
	t.Helper()
	if testing.Short() {
		t.Skip("-short leaves pages out")
	}
	tab, err := startTab(t, find(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(tab, deadline)
	t.Cleanup(cancel)
	w := &Window{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, w.notice); err != nil {
		t.Fatal(err)
	}
	call(w, runtime.Enable)
	call(w, log.Enable)
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	w.Resize(size)
	w.Dark(false)
	w.Do(chromedp.Navigate(address))
	return w
}

// notice keeps what the page asked for and what it complained of.
func (w *Window) notice(event any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		w.requests = append(w.requests, e.Request.URL)
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
		w.problems = append(w.problems, text)
	case *runtime.EventConsoleAPICalled:
		text := "console." + string(e.Type)
		for _, arg := range e.Args {
			text += " " + string(arg.Value) + arg.Description
		}
		w.problems = append(w.problems, text)
	case *log.EventEntryAdded:
		w.problems = append(w.problems, string(e.Entry.Level)+": "+e.Entry.Text)
	}
}

// Requests returns the addresses the page asked for since it was opened, its own among
// them. Addresses with data in them are no requests.
func (w *Window) Requests() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []string
	for _, address := range w.requests {
		if !strings.HasPrefix(address, "data:") {
			list = append(list, address)
		}
	}
	return list
}

// Problems returns everything that was written to the console since the page was opened:
// exceptions, violations of its security policy, its own words.
func (w *Window) Problems() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string{}, w.problems...)
}

// Do runs actions, and ends the test if one fails.
func (w *Window) Do(actions ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	if err := chromedp.Do(w.ctx, actions...); err != nil {
		w.t.Fatal(err)
	}
}

// Resize sets the viewport.
func (w *Window) Resize(size Size) {
	w.t.Helper()
	if _, err := chromedp.Call(w.ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: size.Width, Height: size.Height, DeviceScaleFactor: 1, Mobile: size.Phone,
	}); err != nil {
		w.t.Fatal(err)
	}
	w.settle()
}

// Motion lets things move that a page moves only for those who do not mind; at first
// nothing does, so that a test need not wait for it. The next Dark or Paper applies it.
func (w *Window) Motion(on bool) { w.moves = on }

// Dark chooses the colours that the page is asked for; paper is the print layout.
func (w *Window) Dark(dark bool) { w.t.Helper(); w.media("", dark) }

// Paper shows the page as it would be printed, or on the screen again.
func (w *Window) Paper(paper bool) {
	w.t.Helper()
	media := ""
	if paper {
		media = "print"
	}
	w.media(media, false)
}

func (w *Window) media(media string, dark bool) {
	w.t.Helper()
	scheme, motion := "light", "reduce"
	if dark {
		scheme = "dark"
	}
	if w.moves {
		motion = "no-preference"
	}
	if _, err := chromedp.Call(w.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Media: media, Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme},
			{Name: "prefers-reduced-motion", Value: motion}},
	}); err != nil {
		w.t.Fatal(err)
	}
	w.settle()
}

// settle waits until the page has been told of what changed around it and has drawn anew:
// media and sizes are looked at as a frame begins.
func (w *Window) settle() {
	w.t.Helper()
	Ask[bool](w, `new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))`)
}

// Screenshot writes the whole page as name.png to the folder that the environment variable
// BULKHEAD_SCREENSHOTS names; without it, nothing happens.
func (w *Window) Screenshot(name string) {
	w.t.Helper()
	w.shoot(name, chromedp.FullScreenshot(100))
}

// ScreenshotOf keeps a screenshot of one element, by its CSS selector.
func (w *Window) ScreenshotOf(selector, name string) {
	w.t.Helper()
	w.shoot(name, chromedp.Screenshot(chromedp.CSS(selector)))
}

func (w *Window) shoot(name string, shot chromedp.Action[[]byte]) {
	w.t.Helper()
	if os.Getenv(screenshots) == "" {
		return
	}
	image, err := chromedp.Run(w.ctx, shot)
	if err != nil {
		w.t.Fatal(err)
	}
	w.keep(name+".png", image)
}

// keep writes a file to the folder of the screenshots, if there is one.
func (w *Window) keep(name string, data []byte) {
	w.t.Helper()
	folder := os.Getenv(screenshots)
	if folder == "" {
		return
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name), data, 0o644); err != nil {
		w.t.Fatal(err)
	}
}
