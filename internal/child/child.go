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
	"bulkhead/internal/child/calls"
	"bulkhead/internal/child/handshake"
	"bulkhead/internal/fdpass"
	"bulkhead/internal/threads"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	// pingTimeout is how long a sign of life that a child was asked for may take. The call
	// that is open fails then.
	pingTimeout = 10 * time.Second

	// writeBuffer is how many bytes to a child are gathered, in a buffer twice as large: they are
	// acknowledgements and pings.
	writeBuffer = 2 << 10

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
	// Logs bounds what all children that have the same log together; nil bounds nothing.
	Logs *Logs
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
	// Watched says that the owner asks for signs of life itself whenever a call is open. The child is
	// one of many then, and called by package calls instead of a grpc.ClientConn.
	Watched bool
	// BoundsItself says that the child bounds its memory to MemoryMax itself, before it serves.
	BoundsItself bool
	// Apart starts the child in a network and an IPC namespace of its own, where the system lets
	// this process make them. A spawner has its own by its NewSpawner.
	Apart bool
	// DieWithParent wakes the child up with SIGCONT when this process ends in
	// whatever way, so that also a child that was stopped notices that its parent is
	// gone, cleans up and ends. It costs an operating-system thread.
	DieWithParent bool
	// Spawner starts the child, so that a start does not copy all descriptors of this process;
	// nil, or one that is not running, leaves it to this process. A child with DieWithParent
	// is always this process's own affair.
	Spawner *Spawner
	// Blocking bounds how many threads of this process wait for the disk at the same time
	// on behalf of this child and of others with the same; nil bounds nothing.
	Blocking *threads.Limit
	// Call makes, as the child starts, a call that waits in the child until there is something to
	// do: then nobody waits for it to begin. The start fails when it does. It has until ctx is done
	// to find out that the child serves, for which there is no Ping then. Called returns what it
	// returned. Nil makes none.
	Call func(ctx context.Context, conn grpc.ClientConnInterface) (any, error)
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
	conn    grpc.ClientConnInterface
	own     *calls.Conn // conn, if it is not go-plugin's
	secret  handshake.Secret
	record  Record        // written before Start or Adopt returns
	called  any           // what Config.Call returned; written before Start returns
	line    *net.UnixConn // nil for a child of another process
	dialed  chan net.Conn // holds the connection that connect made, until gRPC takes it
	cleaned chan struct{} // closed when nothing of the child is left

	connected chan struct{} // closed when connect has returned
}

// newChild returns the child of a process that nobody waits for yet.
func newChild(cfg Config, line *net.UnixConn, secret handshake.Secret, proc *process) *Child {
	c := &Child{cfg: cfg, line: line, secret: secret, proc: proc, dialed: make(chan net.Conn, 1),
		cleaned: make(chan struct{}), connected: make(chan struct{})}
	proc.clean = c.clean
	return c
}

// Start starts a child and returns when it serves. A child that does not within
// StartTimeout, or before ctx is done, is killed; nothing is left of it then.
func Start(ctx context.Context, cfg Config) (*Child, error) {
	cfg = cfg.withDefaults()
	line, childLine, err := fdpass.Pair()
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", cfg.Name, err)
	}
	secret := handshake.NewSecret()
	confide := func() error { return fdpass.Confide(line, string(secret)) }
	c := newChild(cfg, line, secret, newProcess(cfg, childLine, confide))
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
	if err == nil {
		c.record, err = c.describe()
	}
	close(c.connected)
	if !adopted { // not even a folder for its socket
		c.proc.abandon(err)
	}
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
		if wrong := c.proc.spoken.wrong(); wrong != nil {
			return wrong
		}
		return c.orLate(ctx, began, err)
	}
	conn, err := c.dial(ctx) // go-plugin would not say who listens there instead
	if err != nil {
		return c.orLate(ctx, began, err)
	}
	if err := c.speak(conn); err != nil {
		return c.orLate(ctx, began, err)
	}
	if c.cfg.Call == nil {
		return c.orLate(ctx, began, c.Ping(ctx))
	}
	c.called, err = c.cfg.Call(ctx, c.conn)
	return c.orLate(ctx, began, err)
}

// speak begins to speak gRPC on a connection to the child.
func (c *Child) speak(conn net.Conn) (err error) {
	if c.cfg.Watched {
		if c.own, err = calls.New(conn, c.callOptions()); err == nil {
			c.conn = c.own
		}
		return err
	}
	c.dialed <- conn // there is room: connect is called once
	defer func() {
		select {
		case unused := <-c.dialed:
			unused.Close()
		default:
		}
	}()
	proto, err := c.client.Client()
	if err != nil {
		return err
	}
	served, ok := proto.(*plugin.GRPCClient)
	if !ok {
		return fmt.Errorf("child speaks %s; want grpc", c.client.Protocol())
	}
	c.conn = served.Conn
	return nil
}

// orLate returns err, or why ctx ended if that is what made it an error: what began then has
// lasted too long.
func (c *Child) orLate(ctx context.Context, began time.Time, err error) error {
	switch late := ctx.Err(); {
	case err == nil || late == nil:
		return err
	case errors.Is(late, context.DeadlineExceeded):
		return fmt.Errorf("it did not serve in %s (limit %s): %w", time.Since(began).Round(time.Millisecond),
			c.cfg.StartTimeout, late)
	default:
		return late
	}
}

// explain returns a start's error, or how the child ended if it did that by itself: then
// go-plugin only knows that its handshake did not come.
func (c *Child) explain(err error) error {
	if _, ok := errors.AsType[*VersionError](err); ok {
		return err
	}
	e := c.Exit()
	switch e.Class() {
	case bulkheadv1.ExitClass_EXIT_CLASS_CRASH, bulkheadv1.ExitClass_EXIT_CLASS_CLEAN,
		bulkheadv1.ExitClass_EXIT_CLASS_OOM, bulkheadv1.ExitClass_EXIT_CLASS_SANDBOX:
		return &StartError{e}
	default:
		return err
	}
}

// StartError says that a child ended by itself before it served.
type StartError struct{ Exit Exit }

func (e *StartError) Error() string { return "it ended before it served: " + e.Exit.String() }

// Handshake returns what package handshake says in go-plugin's form.
func Handshake() plugin.HandshakeConfig {
	return plugin.HandshakeConfig{ProtocolVersion: handshake.Version, MagicCookieKey: handshake.CookieKey,
		MagicCookieValue: handshake.CookieValue}
}

// maxHeaderBytes bounds the headers of a child's answers.
const maxHeaderBytes = 16 << 10

// callOptions bound what a child can make this process hold.
func (c *Child) callOptions() calls.Options {
	o := calls.Options{MaxMessageBytes: c.cfg.MaxMessageBytes, MaxHeaderBytes: maxHeaderBytes,
		WindowBytes: handshake.WindowBytes}
	if c.secret != "" { // else it was started by a version that had none
		o.Show = [][2]string{{handshake.SecretKey, string(c.secret)}}
	}
	return o
}

// dialOptions are the same for go-plugin.
func (c *Child) dialOptions() []grpc.DialOption {
	maxMessage := c.cfg.MaxMessageBytes
	options := []grpc.DialOption{
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			select {
			case conn := <-c.dialed:
				return conn, nil
			default:
				return c.dial(ctx)
			}
		}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)),
		grpc.WithNoProxy(),
		grpc.WithStreamInterceptor(guard),
		grpc.WithMaxHeaderListSize(maxHeaderBytes),
		grpc.WithStaticStreamWindowSize(handshake.WindowBytes),
		grpc.WithStaticConnWindowSize(handshake.WindowBytes),
		grpc.WithDisableServiceConfig(),
		grpc.WithWriteBufferSize(writeBuffer),
		// A child that hangs with a call open, stopped for example, is noticed.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: handshake.PingEvery, Timeout: pingTimeout}),
	}
	if c.secret != "" { // else it was started by a version that had none
		options = append(options, grpc.WithPerRPCCredentials(showing(c.secret)))
	}
	return options
}

// Called returns what Config.Call returned as the child was started; nil for one that was adopted.
func (c *Child) Called() any { return c.called }

// Conn returns the gRPC connection to the child.
func (c *Child) Conn() grpc.ClientConnInterface { return c.conn }

// Pid returns the child's process id; 0 if it never started, and of nil.
func (c *Child) Pid() int {
	if c == nil {
		return 0
	}
	return int(c.proc.pid.Load())
}

// Look calls f with the child's process id, which is its own meanwhile. It returns
// os.ErrProcessDone, wrapped, if the child is no more.
func (c *Child) Look(f func(pid int) error) error { return c.proc.running.Load().use(f) }

// Done returns a channel that is closed when the process has exited.
func (c *Child) Done() <-chan struct{} { return c.proc.exited }

// OnDone has f called once Done is closed, by whoever waits for the child anyway: at once if it is
// closed already. f must not block. It replaces the f of before; nil is nothing.
func (c *Child) OnDone(f func()) { c.proc.ended.tell(f) }

// Exit returns how the child ended. Before Done is closed it says that the child is
// alive.
func (c *Child) Exit() Exit {
	select {
	case <-c.proc.exited:
		return c.proc.exit
	default:
		return Exit{Pid: c.Pid(), Alive: true}
	}
}

// SystemKills returns how many processes the system has killed for want of memory, in the control
// group of this process where that is counted, else on the whole machine; 0 where it does not say.
// See Outlived.
func SystemKills() uint64 { return oomKills() }

// Outlived says that the child was alive when SystemKills was kills: then it was none of
// those. A long-lived child whose owner says so now and then is not taken for a victim of
// the system because there was one hours ago.
func (c *Child) Outlived(kills uint64) { c.proc.outlived(kills) }

// Ping asks whether the child serves. A stopped child answers only by the end of
// ctx, so give it a deadline.
func (c *Child) Ping(ctx context.Context) error {
	_, err := grpc_health_v1.NewHealthClient(c.conn).Check(ctx,
		&grpc_health_v1.HealthCheckRequest{Service: handshake.Service})
	if err != nil {
		return fmt.Errorf("asking %s (pid %d) for its health: %w", c.cfg.Name, c.Pid(), err)
	}
	return nil
}

// SendSocket hands an open socket over and returns when the child has confirmed
// that it is its own, at the latest at the deadline. The caller closes its copy.
func (c *Child) SendSocket(h fdpass.Handover, socket syscall.Conn, deadline time.Time) error {
	if c.line == nil {
		return fmt.Errorf("handing a socket to %s (pid %d): %w", c.cfg.Name, c.Pid(), errNoLine)
	}
	if err := c.line.SetDeadline(deadline); err != nil {
		return fmt.Errorf("handing a socket to %s (pid %d): %w", c.cfg.Name, c.Pid(), err)
	}
	if err := fdpass.Send(c.line, h, socket); err != nil {
		return fmt.Errorf("%s (pid %d): %w", c.cfg.Name, c.Pid(), err)
	}
	return nil
}

// errNoLine says that the line ended with the process that started the child.
var errNoLine = errors.New("it was adopted without its line")

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

// KillFor does what Kill does, to a child that misbehaves: if the kill is what ends it, its exit
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

// clean removes what go-plugin and the line still hold of a process that has ended, once
// nobody connects to it. So go-plugin's Kill neither signals nor waits: its context is done. It is for
// its own connection: of another child it has nothing left but goroutines that see its end.
func (c *Child) clean() {
	<-c.connected
	defer close(c.cleaned)
	if c.line != nil {
		c.line.Close()
	}
	c.cfg.Blocking.Do(func() {
		c.proc.removeFolder() // before go-plugin does, which takes as long as it takes
		switch {
		case c.own != nil:
			c.own.Close() // it has ended
		case c.proc.running.Load() != nil && !c.cfg.Watched:
			c.client.Kill()
		}
	})
	if c.proc.stdout != nil {
		c.proc.stdout.Close()
	}
}
