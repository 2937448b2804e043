package custody

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"bulkhead/internal/child"
	"bulkhead/internal/config"
	"bulkhead/internal/exitstatus"
	"bulkhead/internal/sandbox"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func settings() config.Handler {
	return config.Handler{Sandbox: sandbox.BestEffort, Namespaces: config.NamespacesAuto, MemoryMax: 1 << 29}
}

func TestWhomHandlersBelongTo(t *testing.T) {
	for _, tt := range []struct {
		setting  string
		uid, gid int
		wrong    string
	}{
		{"", 65534, 65534, ""},
		{"root", 0, 0, ""},
		{"4711", 4711, 4711, ""},
		{"4711:815", 4711, 815, ""},
		{"4711:root", 4711, 0, ""},
		{"no-such-user-here", 0, 0, `there is no user "no-such-user-here"`},
		{"-1", 0, 0, `there is no user "-1"`},
		{"4294967295", 0, 0, "there is no user"},
		{"4711:no-such-group-here", 0, 0, `there is no group "no-such-group-here"`},
		{"4711:", 0, 0, "there is no group"},
	} {
		uid, gid, err := lookUp(tt.setting)
		if (err != nil) != (tt.wrong != "") || err != nil && !strings.Contains(err.Error(), tt.wrong) ||
			err == nil && (uid != tt.uid || gid != tt.gid) {
			t.Errorf("%q: %d, %d, %v; want %d, %d, %q", tt.setting, uid, gid, err, tt.uid, tt.gid, tt.wrong)
		}
	}
}

func TestWhatHandlersAreTold(t *testing.T) {
	cfg := settings()
	c, err := New(cfg, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !c.Apart() || !c.Locks() || c.order.Layers != sandbox.All(true) || c.order.Network == 0 {
		t.Errorf("of root: %+v", c.order)
	}
	cfg.Namespaces = config.NamespacesOff
	if c, err = New(cfg, 0, nil); err != nil || c.Apart() || c.order.Layers.Has(sandbox.Namespaces) {
		t.Errorf("of root without namespaces: %+v, %v", c.order, err)
	}
	if c, err = New(cfg, 1000, nil); err != nil || c.Apart() || c.order.Layers != sandbox.All(false) {
		t.Errorf("of an ordinary user: %+v, %v", c.order, err)
	}
	cfg.Sandbox = sandbox.Off
	if c, err = New(cfg, 0, nil); err != nil || c.Apart() || c.Locks() || c.Env() != nil ||
		c.State().GetState() != bulkheadv1.SandboxState_SANDBOX_STATE_OFF {
		t.Errorf("off: %+v, %v", c.order, err)
	}
	cfg.User = "4711"
	if _, err := New(cfg, 1000, nil); !errors.Is(err, exitstatus.ErrConfig) {
		t.Errorf("an ordinary user's handlers for another: %v; want ErrConfig", err)
	}
	cfg.User = "no-such-user-here"
	if _, err := New(cfg, 0, nil); !errors.Is(err, exitstatus.ErrConfig) {
		t.Errorf("a user that does not exist: %v; want ErrConfig", err)
	}
}

// What handlers lack is said once, and again when it changes.
func TestWhatHandlersLackIsSaidOnce(t *testing.T) {
	var log bytes.Buffer
	c, err := New(settings(), os.Geteuid(), slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	state := func() bulkheadv1.SandboxState { return c.State().GetState() }
	if state() != bulkheadv1.SandboxState_SANDBOX_STATE_UNSPECIFIED {
		t.Errorf("before a handler started: %v", state())
	}
	missing := []sandbox.Missing{{Layer: sandbox.Landlock, Reason: "the kernel has none"}}
	for range 3 {
		c.note(missing)
	}
	if n := strings.Count(log.String(), "landlock (the kernel has none)"); n != 1 ||
		state() != bulkheadv1.SandboxState_SANDBOX_STATE_REDUCED {
		t.Errorf("%v, said %d times:\n%s", state(), n, log.String())
	}
	if gap := c.State().GetMissing()[0]; gap.GetLayer() != bulkheadv1.SandboxLayer_SANDBOX_LAYER_LANDLOCK {
		t.Errorf("missing: %v", gap)
	}
	c.note(nil)
	c.note(nil)
	if n := strings.Count(log.String(), "locked in again"); n != 1 ||
		state() != bulkheadv1.SandboxState_SANDBOX_STATE_FULL {
		t.Errorf("%v, said %d times:\n%s", state(), n, log.String())
	}
}

// The layers of the wire are those of package sandbox.
func TestLayersHaveTheirNumbers(t *testing.T) {
	for _, w := range sandbox.Walls() {
		if _, known := bulkheadv1.SandboxLayer_name[int32(w.Layer)]; !known {
			t.Errorf("%s has number %d, which journal records do not know", w.Name, w.Layer)
		}
	}
	if len(bulkheadv1.SandboxLayer_name) != len(sandbox.Walls())+1 {
		t.Errorf("%d layers on the wire, %d here", len(bulkheadv1.SandboxLayer_name)-1, len(sandbox.Walls()))
	}
}

func TestAHandlerThatCouldNotLockItselfIsRecognized(t *testing.T) {
	could := fmt.Errorf("starting handler: %w", &child.StartError{Exit: child.Exit{Pid: 7, Code: 1}})
	not := fmt.Errorf("starting handler: %w", &child.StartError{Exit: child.Exit{Pid: 7, Code: exitstatus.Config}})
	if errors.Is(Refused(could), sandbox.ErrNotLocked) || !errors.Is(Refused(not), sandbox.ErrNotLocked) {
		t.Errorf("%v, %v", Refused(could), Refused(not))
	}
}
