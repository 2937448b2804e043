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
)

// AdoptError is why a child that was found could not be taken up. Nothing of it is
// left.
type AdoptError struct {
	// Child has ended: its Exit and Box say how.
	Child *Child
	Err   error
}

func (e *AdoptError) Error() string { return e.Err.Error() }
func (e *AdoptError) Unwrap() error { return e.Err }

// Adopt takes up a running child that another process started (held is nil), or this
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
		err = errors.Join(err, os.RemoveAll(rec.SocketDir))
	}
	if err != nil {
		in.close()
		return nil, fmt.Errorf("taking %s up: %w", cfg.Name, err)
	}
	c := &Child{cfg: cfg, line: in.line, proc: takenUp(cfg, rec, handle, in), cleaned: make(chan struct{})}
	c.client = plugin.NewClient(c.pluginConfig(func(p *plugin.ClientConfig) {
		p.Reattach = &plugin.ReattachConfig{
			Protocol: plugin.ProtocolGRPC, ProtocolVersion: int(Handshake().ProtocolVersion),
			Addr:         &net.UnixAddr{Net: "unix", Name: rec.Address},
			ReattachFunc: func() (runner.AttachedRunner, error) { return c.proc, nil },
		}
	}))
	go c.cleanAfter() // ends when the process does
	if err := c.connect(ctx); err != nil {
		if s, gone := readStat(rec.Pid); gone == nil && s.startTicks == rec.StartTicks && s.state == 'Z' {
			c.waitExit(c.cfg.KillTimeout) // it was dead before: it is not this package that ends it
		}
		c.Kill()
		return nil, &AdoptError{Child: c, Err: fmt.Errorf("taking %s (pid %d) up: %w", cfg.Name, rec.Pid, c.explain(err))}
	}
	return c, nil
}

// handle is a process that was found by its Record.
type handle struct {
	process *os.Process
	pidfd   *os.File // for its end; nil if this process is the parent, which can wait
	started time.Time
}

// identify finds the process of a record. It opens the process first and then
// compares, so that what is compared is what was opened.
func identify(rec Record) (handle, error) {
	if id, err := bootID(); err != nil || id != rec.BootID {
		return handle{}, errors.Join(err, fmt.Errorf("process %d ran before the machine was booted: %w", rec.Pid, ErrGone))
	}
	fd, err := unix.PidfdOpen(rec.Pid, unix.PIDFD_NONBLOCK)
	switch {
	case errors.Is(err, unix.ESRCH), errors.Is(err, unix.EINVAL): // EINVAL: a thread's number now
		return handle{}, fmt.Errorf("process %d: %w", rec.Pid, ErrGone)
	case err != nil:
		return handle{}, fmt.Errorf("opening process %d: %w", rec.Pid, err)
	}
	pidfd := os.NewFile(uintptr(fd), "pidfd")
	process, err := os.FindProcess(rec.Pid)
	if err != nil {
		pidfd.Close()
		return handle{}, fmt.Errorf("opening process %d: %w", rec.Pid, err)
	}
	stat, err := readStat(rec.Pid)
	if err != nil || stat.startTicks != rec.StartTicks {
		pidfd.Close()
		_ = process.Release() // it frees the handle, and cannot do more
		if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.ESRCH) {
			return handle{}, fmt.Errorf("looking at process %d: %w", rec.Pid, err)
		}
		return handle{}, fmt.Errorf("process %d: %w", rec.Pid, ErrGone)
	}
	h := handle{process: process, pidfd: pidfd, started: startedAt(stat.startTicks)}
	if stat.parent == os.Getpid() {
		pidfd.Close()
		h.pidfd = nil
	}
	return h, nil
}

// startedAt turns clock ticks since the boot into a time.
func startedAt(ticks uint64) time.Time {
	age := sinceBoot() - int64(ticks)*int64(clockTick)
	return time.Now().Add(-time.Duration(max(0, age)))
}

// pluginConfig is what Start and Adopt have in common; set adds the rest.
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
