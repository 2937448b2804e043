package preflight

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bulkhead/client/site"
	"bulkhead/client/spec"
	"bulkhead/internal/testing/scripted"
	"bulkhead/internal/workload"
)

func preflightOf(t *testing.T, runtime time.Duration, consumers ...workload.Consumer) (*site.Folders, error) {
	t.Helper()
	cfg := scripted.Config(consumers...)
	cfg.Runtime = runtime
	cfg, err := cfg.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	dirs := site.New(cfg, spec.NewClientID())
	t.Cleanup(dirs.Close)
	return dirs, Check(t.Context(), cfg, dirs)
}

func TestPreflightMakesPrivateFolders(t *testing.T) {
	base := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(base, link); err != nil {
		t.Fatal(err)
	}
	dirs, err := preflightOf(t, time.Hour, scripted.Small(base),
		scripted.Small(filepath.Join(t.TempDir(), "new", "deep")), scripted.Small(link))
	if err != nil {
		t.Fatal(err)
	}
	for i, dir := range dirs.Consumers {
		for _, one := range []string{dir, filepath.Dir(dir)} {
			info, err := os.Lstat(one)
			if err != nil || !info.IsDir() || info.Mode().Perm() != 0o700 {
				t.Errorf("consumer %d: %s: %v, %v; want a private folder", i, one, info, err)
			}
		}
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Errorf("consumer %d: the probe left %v", i, left)
		}
	}
	if err := site.RemoveFolders(dirs.Paths(), nil); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(base, "*", "*", "bulkhead-*"))
	if more, _ := filepath.Glob(filepath.Join(base, "bulkhead-*")); err != nil || len(left)+len(more) != 0 {
		t.Errorf("left after remove: %v %v", left, more)
	}
}

func TestPreflightRefusesWhatIsThereAlready(t *testing.T) {
	base, elsewhere := t.TempDir(), t.TempDir()
	cfg, err := scripted.Config(scripted.Small(t.TempDir()), scripted.Small(base)).Resolve()
	if err != nil {
		t.Fatal(err)
	}
	dirs := site.New(cfg, spec.NewClientID())
	if err := os.Symlink(elsewhere, filepath.Dir(dirs.Consumers[1])); err != nil {
		t.Fatal(err)
	}
	if err := Check(t.Context(), cfg, dirs); !errors.Is(err, spec.ErrConfig) ||
		!strings.Contains(err.Error(), "consumer 1: path: making the client's folder: ") {
		t.Errorf("preflight through a planted link: %v", err)
	}
	if err := site.RemoveFolders(dirs.Paths(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(elsewhere); err != nil {
		t.Errorf("the link's target is gone: %v", err)
	}
}

func TestPreflightReportsAllProblemsAtOnce(t *testing.T) {
	base := t.TempDir()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	huge := scripted.Small(base)
	huge.FileSize, huge.KeepFiles = workload.MaxFile, 1<<18-2
	dirs, err := preflightOf(t, time.Minute, scripted.Small(file), scripted.Small(base), huge)
	defer site.RemoveFolders(dirs.Paths(), nil)
	if !errors.Is(err, spec.ErrConfig) {
		t.Fatalf("preflight: %v; want ErrConfig", err)
	}
	for _, want := range []string{
		"consumer 0: path: making the path: mkdir " + file + ": not a directory; use a path that is a folder",
		"consumers 1 and 2 together: may write 4.6EB at once to ",
		"consumer 2: 17.6TB files at ",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "consumer 1:") {
		t.Errorf("a good consumer is blamed:\n%v", err)
	}
}

func TestPreflightEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("enough")
	cancel(reason)
	cfg, err := scripted.Config(scripted.Small(t.TempDir())).Resolve()
	if err != nil {
		t.Fatal(err)
	}
	if err := Check(ctx, cfg, site.New(cfg, spec.NewClientID())); !errors.Is(err, reason) {
		t.Errorf("preflight: %v; want %v", err, reason)
	}
}

// TestMemoryTakesNoDirectWriting asks for O_DIRECT on a tmpfs, which takes the flag since
// Linux 6.6 and ignores it.
func TestMemoryTakesNoDirectWriting(t *testing.T) {
	base := t.TempDir()
	if err := unix.Mount("bulkhead-test", base, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("mounting a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(base, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	c := scripted.Small(base)
	c.Direct = true
	if _, err := preflightOf(t, time.Hour, c); !errors.Is(err, spec.ErrConfig) ||
		!strings.Contains(err.Error(), errNoDirect.Error()) {
		t.Errorf("preflight: %v, want %v", err, errNoDirect)
	}
	c.Path = filepath.Join(base, "new")
	cfg := scripted.Config(c)
	cfg.Runtime = time.Hour
	plan, err := MakePlan(t.Context(), cfg)
	if err != nil || len(plan.Problems) != 1 || !strings.Contains(plan.Problems[0], errNoDirect.Error()) {
		t.Errorf("plan: %q, %v; want %v", plan.Problems, err, errNoDirect)
	}
}
