package custody

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"

	"bulkhead/internal/child"
	"bulkhead/internal/config"
	"bulkhead/internal/exitstatus"
	"bulkhead/internal/sandbox"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// UnknownEnv is an entry of a supervisor's environment, for tests: with the value "kill" a system
// call that no rule of the filter knows ends the handler, instead of failing.
const UnknownEnv = "BULKHEAD_TEST_SANDBOX_UNKNOWN"

// Custody is one supervisor's. Its methods may be called at the same time.
type Custody struct {
	order sandbox.Order
	log   *slog.Logger

	mu      sync.Mutex
	known   bool              // guarded by mu; a handler has said what it lacks
	missing []sandbox.Missing // guarded by mu; what the newest handler lacks
}

// New returns the custody that the settings ask for, of a supervisor that runs as the user uid. It
// returns exitstatus.ErrConfig, wrapped, if they cannot work.
func New(cfg config.Handler, uid int, log *slog.Logger) (*Custody, error) {
	o := sandbox.Order{Level: cfg.Sandbox, Layers: sandbox.All(uid == 0), Memory: uint64(cfg.MemoryMax),
		Fatal: os.Getenv(UnknownEnv) == "kill"}
	if uid != 0 && cfg.User != "" {
		return nil, fmt.Errorf("%w: handler.user: only a supervisor that is root can give its handlers another user",
			exitstatus.ErrConfig)
	}
	if uid == 0 {
		var err error
		if o.Uid, o.Gid, err = lookUp(cfg.User); err != nil {
			return nil, fmt.Errorf("%w: handler.user: %w", exitstatus.ErrConfig, err)
		}
	}
	if cfg.Namespaces == config.NamespacesOff {
		o.Layers = o.Layers.Without(sandbox.Namespaces)
	}
	if o.Layers.Has(sandbox.Namespaces) {
		var err error
		if o.Network, err = sandbox.Network(); err != nil {
			return nil, err
		}
	}
	return &Custody{order: o, log: log}, nil
}

// Env returns what a handler's environment has of it.
func (c *Custody) Env() []string {
	if c.order.Level == sandbox.Off {
		return nil
	}
	return []string{sandbox.EnvName + "=" + c.order.String()}
}

// Apart reports whether handlers are to be started in namespaces of their own.
func (c *Custody) Apart() bool {
	return c.order.Level != sandbox.Off && c.order.Layers.Has(sandbox.Namespaces)
}

// Locks reports whether handlers are to lock themselves in.
func (c *Custody) Locks() bool { return c.order.Level != sandbox.Off }

// Refused is err, or says that a handler could not lock itself in if that is what ended it.
func Refused(err error) error {
	var start *child.StartError
	if errors.As(err, &start) && start.Exit.Code == exitstatus.Config {
		return fmt.Errorf("%w (%w)", sandbox.ErrNotLocked, err)
	}
	return err
}

// Admit returns nil for a handler that has said what it lacks, if it may be used. It returns
// sandbox.ErrNotLocked, wrapped, for one that lacks what it may not lack, and sandbox.ErrLied for
// one that is not as it says.
func (c *Custody) Admit(handler *child.Child, said []string) error {
	if c.order.Level == sandbox.Off {
		return nil
	}
	missing := c.order.Heard(said)
	if c.order.Level == sandbox.Strict && len(missing) > 0 {
		return fmt.Errorf("%w: %s", sandbox.ErrNotLocked, sandbox.Words(missing))
	}
	err := handler.Look(func(pid int) error { return sandbox.Check(pid, c.order, missing) })
	if err != nil {
		return err
	}
	c.note(missing)
	return nil
}

// note remembers what a handler lacks, and says so when it is not what the one before it lacked.
func (c *Custody) note(missing []sandbox.Missing) {
	c.mu.Lock()
	was := c.missing
	same := c.known && slices.Equal(was, missing)
	c.known, c.missing = true, missing
	c.mu.Unlock()
	switch {
	case same:
	case len(missing) > 0:
		c.log.Warn("handlers are not locked in as they could be; with handler.sandbox: strict none would start",
			"missing", sandbox.Words(missing))
	case len(was) > 0:
		c.log.Info("handlers are locked in again, with every layer")
	}
}

// State returns how handlers are locked in.
func (c *Custody) State() *bulkheadv1.Sandbox {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := new(bulkheadv1.Sandbox)
	switch {
	case c.order.Level == sandbox.Off:
		out.State = bulkheadv1.SandboxState_SANDBOX_STATE_OFF
	case !c.known: // no handler has started
	case len(c.missing) > 0:
		out.State = bulkheadv1.SandboxState_SANDBOX_STATE_REDUCED
	default:
		out.State = bulkheadv1.SandboxState_SANDBOX_STATE_FULL
	}
	for _, m := range c.missing {
		out.Missing = append(out.Missing,
			&bulkheadv1.SandboxGap{Layer: bulkheadv1.SandboxLayer(m.Layer), Reason: m.Reason})
	}
	return out
}

// Adopt looks at a handler that an earlier supervisor has started, and reports whether it is locked
// in. It may be of a program that did not do that: its client keeps its connection all the same.
//
// Where this supervisor's own handlers are not, it is nothing that could be told of.
func (c *Custody) Adopt(handler *child.Child) (locked bool) {
	c.mu.Lock()
	own := c.order.Level != sandbox.Off
	for _, m := range c.missing {
		own = own && m.Layer != sandbox.Calls && m.Layer != sandbox.Privileges
	}
	c.mu.Unlock()
	if !own {
		return true
	}
	var bare bool
	err := handler.Look(func(pid int) (err error) {
		bare, err = sandbox.Bare(pid)
		return err
	})
	return err == nil && !bare
}
