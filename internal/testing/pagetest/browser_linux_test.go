package pagetest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// brittle writes a program in a browser's place. Each of its runs is noted, with its arguments, and
// goes as the line of a shell says, which may go by $n, how many there have been.
func brittle(t *testing.T, does string) (path string, profiles func() []string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "browser")
	notes := path + "-runs"
	script := fmt.Sprintf("#!/bin/sh\necho \"$*\" >>'%s'\nn=$(grep -c . '%s')\n%s\n", notes, notes, does)
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path, func() (all []string) {
		data, err := os.ReadFile(notes)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range regexp.MustCompile(`--user-data-dir=(\S+)`).FindAllSubmatch(data, -1) {
			all = append(all, string(found[1]))
		}
		return all
	}
}

// A browser that dies as it starts is started again, each time with a profile that no other had.
// The real one is free to die, too.
func TestABrowserThatDiesAtOnce(t *testing.T) {
	path, profiles := brittle(t, fmt.Sprintf(`[ "$n" = 1 ] && { echo not now >&2; exit 1; }; exec '%s' "$@"`,
		find(t)))
	tab, err := startTab(t, path)
	if err != nil {
		t.Fatal(err)
	}
	if sum, err := chromedp.Run(tab, chromedp.Evaluate[int]("2 + 3")); err != nil || sum != 5 {
		t.Errorf("its page says %d, %v; want 5", sum, err)
	}
	used := profiles()
	runs := len(used)
	if slices.Sort(used); runs < 2 || len(slices.Compact(used)) != runs {
		t.Errorf("the profiles of its runs are %q; want two or more, each with one of its own", used)
	}
}

// One that never starts, and one that starts and is not well, are for a person to look at.
func TestABrowserThatIsNotStartedAgain(t *testing.T) {
	for name, tt := range map[string]struct {
		does, want string
		runs       int
	}{
		"it never starts": {"echo not today >&2; exit 1", "not today", starts},
		"it is not well": {`printf '{"id":1,"error":{"code":-32000,"message":"not well"}}\0' >&4; exec cat <&3`,
			"not well", 1},
	} {
		t.Run(name, func(t *testing.T) {
			path, profiles := brittle(t, tt.does)
			_, err := startTab(t, path)
			if runs := profiles(); err == nil || !strings.Contains(err.Error(), tt.want) || len(runs) != tt.runs {
				t.Errorf("after %d runs: %v; want %q after %d", len(runs), err, tt.want, tt.runs)
			}
		})
	}
}
