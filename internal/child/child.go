package child

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"

	"bulkhead/internal/blackbox"
	"bulkhead/internal/fdpass"
	"bulkhead/internal/threads"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	// PingEvery is how often a child with a call open is asked for a sign of life
	// when it gives none, and PingTimeout how long it may take. The call fails then.
	PingEvery   = 10 * time.Second
	PingTimeout = 10 * time.Second

	// WindowBytes is how much each side may send that the other has not read yet. By default
	// gRPC finds that out by a ping for each message, which costs more than the message does.
	WindowBytes = 1 << 20

	defaultStartTimeout = 5 * time.Second
	defaultKillTimeout  = 5 * time.Second
	defaultMaxMessage   = 4 << 20
)

// Config says what to start and within which bounds.
type Config struct {
	// Name is for logs and errors, such as "handler" or "consumer 3".
	Name string
	// Path is the program, Args its arguments without the program's name.
	Path string
	Args []string
	// Env is the whole environment but go-plugin's own entries.
	Env []string
	// Dir is the working directory; "" is the parent's.
	Dir string
	// SocketDir is where a folder (0700) for the child's socket is made. The
	// socket's path must stay under 108 bytes (unix(7)), so keep it short.
	SocketDir string
	// MaxMessageBytes bounds a gRPC message in either direction; 0 is 4 MiB.
	MaxMessageBytes int
	// StartTimeout is how long until the child must serve; 0 is 5 s.
	StartTimeout time.Duration
	// KillTimeout is how long SIGKILL may take to end the child; 0 is 5 s.
	KillTimeout time.Duration
	// Logger receives what the child logs; nil discards it.
	Logger *slog.Logger
	// MemoryMax bounds the memory that the child may have for data, in bytes
	// (RLIMIT_DATA, getrlimit(2)): a child that needs more ends, and its exit says OOM.
	// It counts what is mapped, not what is resident: an idle Go program has about
	// 120 MiB, and its heap grows by 64 MiB at a time. 0 is no limit.
	MemoryMax uint64
	// BoxBytes is the room in the child's black box (package blackbox), which it
	// inherits as descriptor 4; 0 is no box.
	BoxBytes int
	// Files are open files that the child inherits as descriptors FirstFile, FirstFile+1
	// and so on. They stay the caller's, who keeps them open until Start has returned.
	Files []*os.File
	// DieWithParent wakes the child up with SIGCONT when this process ends in
	// whatever way, so that also a child that was stopped notices that its parent is
	// gone, cleans up and ends. It costs an operating-system thread.
	DieWithParent bool
	// Blocking bounds how many threads of this process wait for the disk at the same time
	// on behalf of this child and of others with the same; nil bounds nothing.
	Blocking *threads.Limit
	// TimerSlack is how late the kernel may wake up the child's threads, in order to do
	// it together with something else (PR_SET_TIMERSLACK, prctl(2)); 0 is as late as
	// this process's, usually 50 µs. A Go program that makes system calls looks every
	// 20 µs how long they take; where there are more programs than processors, that
	// interrupts all of them.
	TimerSlack time.Duration
}

// FirstFile is the descriptor of the first of Config.Files: behind the standard ones, the
// line to the parent, and the black box, whether there is one or not.
const FirstFile = blackbox.ChildFD + 1

func (c Config) withDefaults() Config {
	if c.StartTimeout <= 0 {
		c.StartTimeout = defaultStartTimeout
	}
	if c.KillTimeout <= 0 {
		c.KillTimeout = defaultKillTimeout
	}
	if c.MaxMessageBytes <= 0 {
		c.MaxMessageBytes = defaultMaxMessage
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Child is a running child process. Its methods may be called at the same time.
type Child struct {
	cfg     Config
	proc    *process
	client  *plugin.Client
	conn    *grpc.ClientConn
	line    *net.UnixConn // nil for a child of another process
	cleaned chan struct{} // closed when nothing of the child is left
}

// Start starts a child and returns when it serves. A child that does not within
// StartTimeout, or before ctx is done, is killed; nothing is left of it then.
func Start(ctx context.Context, cfg Config) (*Child, error) {
	cfg = cfg.withDefaults()
	line, childLine, err := fdpass.Pair()
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", cfg.Name, err)
	}
	c := &Child{cfg: cfg, line: line, proc: newProcess(cfg, childLine), cleaned: make(chan struct{})}
	adopted := false
	c.client = plugin.NewClient(c.pluginConfig(func(p *plugin.ClientConfig) {
		p.UnixSocketConfig = &plugin.UnixSocketConfig{TempDir: cfg.SocketDir}
		p.RunnerFunc = func(_ hclog.Logger, plug *exec.Cmd, dir string) (runner.Runner, error) {
			adopted = true
			c.proc.adopt(plug, dir)
			return c.proc, nil
		}
	}))
	err = c.connect(ctx)
	if !adopted { // not even a folder for its socket
		c.proc.abandon(err)
	}
	go c.cleanAfter() // ends when the process does
	if err != nil {
		c.Kill()
		return nil, fmt.Errorf("starting %s: %w", cfg.Name, c.explain(err))
	}
	return c, nil
}

// connect runs go-plugin's handshake and dials the child. go-plugin's calls take
// no context: it is the child's death that ends them in time.
func (c *Child) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.StartTimeout)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return err
	}
	began := time.Now()
	stop := context.AfterFunc(ctx, c.proc.kill)
	defer stop()
	if _, err := c.client.Start(); err != nil {
		return c.orLate(ctx, began, err)
	}
	conn, err := c.dial(ctx) // go-plugin would not say who listens there instead
	if err != nil {
		return c.orLate(ctx, began, err)
	}
	conn.Close()
	proto, err := c.client.Client()
	if err != nil {
		return c.orLate(ctx, began, err)
	}
	served, ok := proto.(*plugin.GRPCClient)
	if !ok {
		return fmt.Errorf("child speaks %s; want grpc", c.client.Protocol())
	}
	c.conn = served.Conn
	return c.orLate(ctx, began, c.Ping(ctx))
}

// orLate is err, or why ctx ended if that is what made it an error: what began then has
// lasted too long.
func (c *Child) orLate(ctx context.Context, began time.Time, err error) error {
	switch late := ctx.Err(); {
	case err == nil || late == nil:
		return err
	case errors.Is(late, context.DeadlineExceeded):
		return fmt.Errorf("it did not serve in %s (limit %s): %w", time.Since(began).Round(time.Millisecond), c.cfg.StartTimeout, late)
	default:
		return late
	}
}

// explain is a start's error, or how the child ended if it did that by itself: then
// go-plugin only knows that its handshake did not come.
func (c *Child) explain(err error) error {
	e := c.Exit()
	switch e.Class() {
	case bulkheadv1.ExitClass_EXIT_CLASS_CRASH, bulkheadv1.ExitClass_EXIT_CLASS_CLEAN,
		bulkheadv1.ExitClass_EXIT_CLASS_OOM, bulkheadv1.ExitClass_EXIT_CLASS_SANDBOX:
		return fmt.Errorf("it ended before it served: %s", e)
	default:
		return err
	}
}

// Handshake is what parent and child must agree on. The version is that of the
// services between them; the cookie, an environment variable, tells a child that
// a parent of ours started it.
func Handshake() plugin.HandshakeConfig {
	return plugin.HandshakeConfig{ProtocolVersion: 1, MagicCookieKey: "BULKHEAD_CHILD", MagicCookieValue: "1"}
}

// dialOptions bound what a child can make this process hold.
func (c *Child) dialOptions() []grpc.DialOption {
	maxMessage := c.cfg.MaxMessageBytes
	return []grpc.DialOption{
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return c.dial(ctx) }),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)),
		grpc.WithNoProxy(),
		grpc.WithStreamInterceptor(c.guard),
		grpc.WithMaxHeaderListSize(16 << 10),
		grpc.WithStaticStreamWindowSize(WindowBytes), grpc.WithStaticConnWindowSize(WindowBytes),
		grpc.WithDisableServiceConfig(),
		// A child that hangs with a call open, stopped for example, is noticed.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: PingEvery, Timeout: PingTimeout}),
	}
}

// Conn is the gRPC connection to the child.
func (c *Child) Conn() grpc.ClientConnInterface { return c.conn }

// Pid is the child's process id; 0 if it never started, and of nil.
func (c *Child) Pid() int {
	if c == nil {
		return 0
	}
	return int(c.proc.pid.Load())
}

// Done is closed when the process has exited.
func (c *Child) Done() <-chan struct{} { return c.proc.exited }

// Exit is how the child ended. Before Done is closed it says that the child is
// alive.
func (c *Child) Exit() Exit {
	select {
	case <-c.proc.exited:
		return c.proc.exit
	default:
		return Exit{Pid: c.Pid(), Alive: true}
	}
}

// SystemKills is how many processes the system has killed for want of memory since its
// boot; 0 where it does not say. See Outlived.
func SystemKills() uint64 { return oomKills() }

// Outlived says that the child was alive when SystemKills was kills: then it was none of
// those. A long-lived child whose owner says so now and then is not taken for a victim of
// the system because there was one hours ago.
func (c *Child) Outlived(kills uint64) { c.proc.outlived(kills) }

// Ping asks whether the child serves. A stopped child answers only by the end of
// ctx, so give it a deadline.
func (c *Child) Ping(ctx context.Context) error {
	_, err := grpc_health_v1.NewHealthClient(c.conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: plugin.GRPCServiceName})
	if err != nil {
		return fmt.Errorf("asking %s (pid %d) for its health: %w", c.cfg.Name, c.Pid(), err)
	}
	return nil
}

// SendSocket hands an open socket over and returns when the child has confirmed
// that it is its own, at the latest at the deadline. The caller closes its copy.
func (c *Child) SendSocket(id uint64, socket syscall.Conn, deadline time.Time) error {
	if c.line == nil {
		return fmt.Errorf("handing a socket to %s (pid %d): %w", c.cfg.Name, c.Pid(), errNoLine)
	}
	if err := c.line.SetDeadline(deadline); err != nil {
		return fmt.Errorf("handing a socket to %s (pid %d): %w", c.cfg.Name, c.Pid(), err)
	}
	if err := fdpass.Send(c.line, id, socket); err != nil {
		return fmt.Errorf("%s (pid %d): %w", c.cfg.Name, c.Pid(), err)
	}
	return nil
}

// errNoLine says that the line ended with the process that started the child.
var errNoLine = errors.New("it was taken up without its line")

// Stop asks the child to end, over the line or by SIGTERM if there is none, and kills
// it when ctx is done first. It returns when nothing of the child is left, or
// KillTimeout after the kill with Exit.Alive set if the kernel does not let go of it.
func (c *Child) Stop(ctx context.Context) Exit {
	c.proc.look()
	if c.line != nil {
		_ = fdpass.End(c.line) // a child that cannot be asked sees the line end, or is killed
		c.line.Close()
	} else if err := c.proc.signal(syscall.SIGTERM); err != nil {
		c.cfg.Logger.Error("asking a child to end", "pid", c.Pid(), "error", err)
	}
	select {
	case <-c.proc.exited:
	case <-ctx.Done():
	}
	return c.Kill()
}

// Kill ends the child with SIGKILL; for the rest it is Stop.
func (c *Child) Kill() Exit {
	c.proc.kill()
	return c.await()
}

// KillFor is Kill of a child that misbehaves: if the kill is what ends it, its exit
// is of this class, HANG or PROTOCOL for example, and says why. Of several kills the
// first counts.
func (c *Child) KillFor(class bulkheadv1.ExitClass, why string) Exit {
	c.proc.killFor(reason{class, why})
	return c.await()
}

// await waits for a child that was killed, but not for ever.
func (c *Child) await() Exit {
	c.waitExit(c.cfg.KillTimeout)
	select {
	case <-c.proc.exited:
		<-c.cleaned
	default:
	}
	return c.Exit()
}

// waitExit waits for the exit, but no longer than d.
func (c *Child) waitExit(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-c.proc.exited:
	case <-t.C:
		c.cfg.Logger.Error("child does not end, not even by SIGKILL", "child", c.cfg.Name, "pid", c.Pid())
	}
}

// cleanAfter removes what go-plugin and the line still hold when the process has
// ended. So go-plugin's Kill neither signals nor waits: its context is done.
func (c *Child) cleanAfter() {
	<-c.proc.exited
	defer close(c.cleaned)
	if c.line != nil {
		c.line.Close()
	}
	c.cfg.Blocking.Do(func() {
		if c.proc.running.Load() != nil {
			c.client.Kill()
		}
		if c.proc.cmd == nil { // go-plugin removes only what it has made
			if err := os.RemoveAll(c.proc.socketDir); err != nil {
				c.cfg.Logger.Error("removing a child's socket", "error", err)
			}
		}
	})
	if c.proc.stdout != nil {
		c.proc.stdout.Close()
	}
}
