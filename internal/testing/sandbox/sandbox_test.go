package sandbox

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	walls "bulkhead/internal/sandbox"
)

// ordinary is a user that nothing belongs to.
const ordinary = 65531

// order returns the order for some layers, or for all that this user can have.
func order(t *testing.T, layers walls.Layers) walls.Order {
	t.Helper()
	network, err := walls.Network()
	must(t, err)
	return walls.Order{Level: walls.Strict, Layers: layers, Memory: memoryMax, Uid: 65534, Gid: 65534, Network: network}
}

// in makes an attempt in a handler that is locked in by some layers, with none if they are 0.
func (at attempt) in(t *testing.T, program string, layers walls.Layers) error {
	t.Helper()
	o := order(t, layers)
	if layers == 0 {
		o = walls.Order{Level: walls.Off}
	}
	folder := shortFolder(t)
	sibling := intruder(t, program, o, "none", targets{})
	return outcome(t, intruder(t, program, o, at.name, newTargets(t, folder, sibling.Pid())))
}

// shortFolder returns a temporary folder in which the path of a socket is short enough (unix(7)),
// whatever the test is called.
func shortFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "bs-")
	must(t, err)
	t.Cleanup(func() {
		if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
	})
	return folder
}

// Nothing that a handler must not do succeeds inside one that is locked in, and all of it does
// inside one that is not.
func TestAttempts(t *testing.T) {
	if len(attempts) < 90 {
		t.Fatalf("%d attempts; want at least 90", len(attempts))
	}
	program := built(t)
	root := os.Geteuid() == 0
	for _, at := range attempts {
		t.Run(strings.ReplaceAll(at.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			if err := at.in(t, program, walls.All(root)); err == nil {
				t.Error("a handler with every layer could")
			}
			if err := at.in(t, program, 0); err != nil && !at.rare {
				t.Errorf("a handler with no layer could not, so this proves nothing: %v", err)
			} else if err != nil {
				t.Skipf("not with no layer either: %v", err)
			}
			if testing.Short() {
				return
			}
			for _, w := range walls.Walls() {
				alone := walls.Layers(0).With(w.Layer)
				stops := slices.Contains(at.by, w.Layer) || w.Layer == walls.Calls && !slices.Contains(allowed, at.name)
				if !stops || w.ForRoot && !root ||
					w.Layer == walls.Capabilities && !root {
					continue
				}
				if w.Layer == walls.Landlock || w.Layer == walls.Calls {
					alone = alone.With(walls.Privileges) // else only root may
				}
				if err := at.in(t, program, alone); err == nil {
					t.Errorf("a handler with %s alone could", w.Name)
				}
			}
		})
	}
}

// The same for handlers of a supervisor that is an ordinary user.
func TestAttemptsAsAnOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("this is one")
	}
	program := built(t)
	home := shortFolder(t)
	must(t, os.Chown(home, ordinary, ordinary))
	for up := home; up != "/tmp" && len(up) > 1; up = up[:strings.LastIndex(up, "/")] {
		must(t, os.Chmod(up, 0o711))
	}
	again := exec.CommandContext(t.Context(), program, "-test.run=^TestAttempts$")
	if testing.Short() {
		again.Args = append(again.Args, "-test.short")
	}
	again.Dir, again.Env = home, append(os.Environ(), programEntry+"="+program, "TMPDIR="+home)
	again.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: ordinary, Gid: ordinary}}
	if out, err := again.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
