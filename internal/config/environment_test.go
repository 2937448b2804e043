package config

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestUnknownVariables(t *testing.T) {
	for entry, meant := range map[string]string{
		"BULKHEAD_CHUNKSIZE=1MiB":   "BULKHEAD_CHUNK_SIZE",
		"BULKHEAD_CHUNK-SIZE=1MiB":  "BULKHEAD_CHUNK_SIZE",
		"BULKHEAD_RUNTIM=1s":        "BULKHEAD_RUNTIME",
		"BULKHEAD_SUPERVISR=a:1":    "BULKHEAD_SUPERVISOR",
		"BULKHEAD_HTTP=:80":         "BULKHEAD_HTTP_LISTEN",
		"BULKHEAD_POOL=3":           "BULKHEAD_HANDLER_POOL",
		"bulkhead_runtime=1s":       "BULKHEAD_RUNTIME",
		"Bulkhead_Pool=1":           "BULKHEAD_HANDLER_POOL",
		"BULKHEAD_=x":               "",
		"BULKHEAD_SERVICE_HOST=x":   "",
		"BULKHEAD_" + "\x1b\xff=x":  "",
		"BULKHEAD_INTERVAL=x":       "", // of the heartbeat, the monitor or the progress
		"BULKHEAD_TOKEN =a=b=c":     "BULKHEAD_TOKEN",
		"BULKHEAD_RUNTIME.=another": "BULKHEAD_RUNTIME",
	} {
		name, _, _ := strings.Cut(entry, "=")
		want := []UnknownVariable{{Name: name, Meant: meant}}
		if diff := cmp.Diff(want, UnknownVariables([]string{"HOME=/", entry, "BULKHEADS=1", entry})); diff != "" {
			t.Errorf("%q:\n%s", entry, diff)
		}
	}
}

// TestKnownVariables looks for every variable that the programs name in their own source.
func TestKnownVariables(t *testing.T) {
	for _, k := range append(SupervisorKeys(), ClientKeys()...) {
		if unknown := UnknownVariables([]string{k.Env + "=secret"}); k.Env != "" && len(unknown) > 0 {
			t.Errorf("unknown: %v", unknown)
		}
	}
	literal := regexp.MustCompile(`"(BULKHEAD_[A-Z_]+)[="]`)
	found := 0
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root:
			return filepath.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range literal.FindAllSubmatch(text, -1) {
			found++
			name := string(m[1])
			if unknown := UnknownVariables([]string{name + "=1"}); len(unknown) > 0 && name != envPrefix {
				t.Errorf("%s names %s, which is warned of", path, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < len(ownVariables()) {
		t.Errorf("only %d variables found in %s", found, root)
	}
}
