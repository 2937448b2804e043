package pagetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// browsers are the names a Chromium goes by.
var browsers = [...]string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}

// starts is how often a browser may be started for one window.
const starts = 4

// startTab returns the one tab of a browser that runs until the test ends. A browser that dies
// before it says a word, as Chromium does now and then on a busy machine, is started again, and the
// test's log has what it left behind. Nothing else is tried twice.
func startTab(t testing.TB, path string) (context.Context, error) {
	t.Helper()
	for n := 1; ; n++ {
		tab, err := tryTab(t, path)
		switch {
		case err == nil:
			return tab, nil
		case n == starts || !diedAtOnce(err):
			return nil, fmt.Errorf("starting the browser, %d times: %w", n, err)
		}
		t.Logf("starting the browser again: %v", err)
	}
}

// diedAtOnce tells whether a browser ended before it answered: chromedp has only words for that.
func diedAtOnce(err error) bool { return strings.HasPrefix(err.Error(), "chrome failed to start:") }

// tryTab starts a browser, with a profile of its own.
func tryTab(t testing.TB, path string) (context.Context, error) {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.UserDataDir(profile(t)), chromedp.Flag("disable-component-update", true))
	allocator, endBrowser := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(endBrowser)
	tab, endTab := chromedp.NewContext(allocator)
	t.Cleanup(endTab)
	// The tab begins with this, and must not end with the deadline of one action.
	if err := chromedp.Do(tab); err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		if err := chromedp.Cancel(tab); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("ending the browser: %v", err)
		}
	})
	return tab, nil
}

// find returns a browser, or ends the test without one.
func find(t testing.TB) string {
	t.Helper()
	for _, name := range browsers {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	message := "no browser: none of " + strings.Join(browsers[:], ", ") + " is installed"
	if os.Getenv("CI") != "" {
		t.Fatal(message)
	}
	t.Skip(message)
	return ""
}

// profile returns a folder for a browser, which may still write to it as it ends.
func profile(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bulkhead-page-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("removing the browser's profile: %v", err)
		}
	})
	return dir
}
