package child

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"golang.org/x/sys/unix"

	"bulkhead/internal/removal"
)

// AdoptError says why a child that was found could not be adopted. Nothing of it is
// left.
type AdoptError struct {
	// Child has ended: its Exit and Box say how.
	Child *Child
	Err   error
}

func (e *AdoptError) Error() string { return e.Err.Error() }
func (e *AdoptError) Unwrap() error { return e.Err }

// Adopt takes over a running child that another process started (held is nil), or this
// one before it replaced its program (held is what Keep returned; Adopt takes it
// over in any case). cfg is as for Start; what concerns the start is not used.
//
// A child of another process has no line: SendSocket fails, and Stop asks it to end
// with SIGTERM. How it ended is known only where the kernel tells (Linux 6.15).
//
// Adopt returns ErrGone, wrapped, if the process has ended and nothing is known of
// how; the folder of its socket is removed then. A process that has ended and was not
// reaped yet is an AdoptError, which says how it ended. It returns os.ErrInvalid, wrapped,
// and touches nothing, if rec does not describe a child of cfg. For any other reason
// it kills the child and returns an AdoptError.
func Adopt(ctx context.Context, cfg Config, rec Record, held *Held) (*Child, error) {
	cfg = cfg.withDefaults()
	in, err := held.open()
	if err != nil {
		return nil, fmt.Errorf("taking %s up: %w", cfg.Name, err)
	}
	if err := rec.check(cfg.SocketDir); err != nil {
		in.close()
		return nil, fmt.Errorf("taking %s up: %w", cfg.Name, err)
	}
	handle, err := identify(rec)
	if errors.Is(err, ErrGone) {
		endRemains(rec)
		err = errors.Join(err, removal.Tree(rec.SocketDir, folderGone))
	}
	if err != nil {
		in.close()
		return nil, fmt.Errorf("taking %s up: %w", cfg.Name, err)
	}
	c := newChild(cfg, in.line, rec.Secret, takenUp(cfg, rec, in))
	c.record = rec
	c.client = plugin.NewClient(c.pluginConfig(func(p *plugin.ClientConfig) {
		p.Reattach = &plugin.ReattachConfig{
			Protocol: plugin.ProtocolGRPC, ProtocolVersion: int(Handshake().ProtocolVersion),
			Addr:         &net.UnixAddr{Net: "unix", Name: rec.Address},
			ReattachFunc: func() (runner.AttachedRunner, error) { return c.proc, nil },
		}
	}))
	c.proc.resume(handle) // ends when the process does
	err = c.connect(ctx)
	close(c.connected)
	if err != nil {
		if c.proc.over() {
			c.waitExit(c.cfg.KillTimeout) // it was dead before: it is not this package that ends it
		}
		c.Kill()
		return nil, &AdoptError{Child: c,
			Err: fmt.Errorf("taking %s (pid %d) up: %w", cfg.Name, rec.Pid, c.explain(err))}
	}
	return c, nil
}

// handle is a process that was found by its Record.
type handle struct {
	target  *target
	started time.Time
}

// identify finds the process of a record. It opens a process that is no child of this one first
// and then compares, so that what is compared is what was opened.
func identify(rec Record) (handle, error) {
	if id, err := bootID(); err != nil || id != rec.BootID {
		return handle{}, errors.Join(err,
			fmt.Errorf("process %d ran before the machine was booted: %w", rec.Pid, ErrGone))
	}
	started := startedAt(rec.StartTicks)
	if t := children.claim(rec.Pid, rec.StartTicks); t != nil {
		return handle{t, started}, nil
	}
	fd, err := unix.PidfdOpen(rec.Pid, unix.PIDFD_NONBLOCK)
	switch {
	case errors.Is(err, unix.ESRCH), errors.Is(err, unix.EINVAL): // EINVAL: a thread's number now
		return handle{}, fmt.Errorf("process %d: %w", rec.Pid, ErrGone)
	case err != nil:
		return handle{}, fmt.Errorf("opening process %d: %w", rec.Pid, err)
	}
	_ = unix.SetNonblock(fd, true) // without it a thread waits, which works too
	t := &target{pid: rec.Pid, pidfd: os.NewFile(uintptr(fd), "pidfd"), startTicks: rec.StartTicks}
	stat, err := readStat(rec.Pid)
	if err != nil || stat.startTicks != rec.StartTicks {
		t.close()
		if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.ESRCH) {
			return handle{}, fmt.Errorf("looking at process %d: %w", rec.Pid, err)
		}
		return handle{}, fmt.Errorf("process %d: %w", rec.Pid, ErrGone)
	}
	t.session = stat.session
	return handle{t, started}, nil
}

// startedAt turns clock ticks since the boot into a time.
func startedAt(ticks uint64) time.Time {
	age := sinceBoot() - int64(ticks)*int64(clockTick)
	return time.Now().Add(-time.Duration(max(0, age)))
}

// pluginConfig returns what Start and Adopt have in common; set adds the rest.
func (c *Child) pluginConfig(set func(*plugin.ClientConfig)) *plugin.ClientConfig {
	p := &plugin.ClientConfig{
		HandshakeConfig:  Handshake(),
		Plugins:          plugin.PluginSet{},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		// connect's own bound comes first, and says more. This one is for a child that does
		// not even die of SIGKILL.
		StartTimeout:    c.cfg.StartTimeout + c.cfg.KillTimeout,
		SkipHostEnv:     true,
		Logger:          hclog.NewNullLogger(),
		GRPCDialOptions: c.dialOptions(),
	}
	set(p)
	return p
}
