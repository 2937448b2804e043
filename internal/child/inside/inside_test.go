package inside_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead/internal/child"
	"bulkhead/internal/child/handshake"
	"bulkhead/internal/fdpass"
)

// patience is how long a test waits for what must happen.
const patience = 60 * time.Second

// process is a child that a test started without package child.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	line   *net.UnixConn // the parent's end
	secret handshake.Secret
	stdout *bufio.Reader
	stderr io.ReadCloser
	dir    string // of its socket, within a folder of the parent's own
}

// start starts a child in a role with a line to it, and waits until it serves.
func start(t *testing.T, r string) *process {
	t.Helper()
	return startWith(t, r, handshake.NewSecret())
}

// startWith does what start does, with this secret on the line; "" for none.
func startWith(t *testing.T, r string, secret handshake.Secret) *process {
	t.Helper()
	line, childLine, err := fdpass.Pair()
	must(t, err)
	if secret != "" {
		must(t, fdpass.Confide(line, string(secret)))
	}
	p := &process{t: t, cmd: command(t, r), line: line, secret: secret,
		dir: filepath.Join(t.TempDir(), "bulkhead-1", "plugin-dir1")}
	must(t, os.MkdirAll(p.dir, 0o700))
	p.cmd.Env = append(p.cmd.Env, "PLUGIN_UNIX_SOCKET_DIR="+p.dir)
	p.cmd.ExtraFiles = []*os.File{childLine}
	stdout, err := p.cmd.StdoutPipe()
	must(t, err)
	p.stdout = bufio.NewReader(stdout)
	p.stderr, err = p.cmd.StderrPipe()
	must(t, err)
	must(t, p.cmd.Start())
	childLine.Close()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // it may have ended
		_ = p.cmd.Wait()
		line.Close()
	})
	if hello, err := p.stdout.ReadString('\n'); err != nil || !strings.Contains(hello, "|unix|") {
		t.Fatalf("the child printed %q, %v; want go-plugin's handshake", hello, err)
	}
	return p
}

// command returns the command of a child in a role, as a parent of ours would start it.
func command(t *testing.T, r string) *exec.Cmd {
	t.Helper()
	cookie := child.Handshake()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = []string{role + "=" + r, cookie.MagicCookieKey + "=" + cookie.MagicCookieValue}
	return cmd
}

// send hands a socket over and returns the other end of it.
func (p *process) send(id uint64) net.Conn {
	p.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(p.t, err)
	defer l.Close()
	near, err := net.Dial("tcp", l.Addr().String())
	must(p.t, err)
	p.t.Cleanup(func() { near.Close() })
	far, err := l.Accept()
	must(p.t, err)
	defer far.Close()
	must(p.t, p.line.SetDeadline(time.Now().Add(patience)))
	must(p.t, fdpass.Send(p.line, fdpass.Handover{ID: id}, far.(*net.TCPConn)))
	must(p.t, near.SetDeadline(time.Now().Add(patience)))
	return near
}

// wantExit waits for the end of the child.
func (p *process) wantExit(want int) {
	p.t.Helper()
	must(p.t, exitOf(p.cmd.Wait(), want))
}

// exitOf returns nil if err says that a process ended with a status.
func exitOf(err error, want int) error {
	var exit *exec.ExitError
	if err == nil && want == servedWell || errors.As(err, &exit) && exit.ExitCode() == want {
		return nil
	}
	return errors.Join(err, errors.New("want another exit status"))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestServeIsNotForHands(t *testing.T) {
	cookie := child.Handshake()
	for name, env := range map[string][]string{
		"no cookie":       {role + "=serve"},
		"a wrong cookie":  {role + "=serve", cookie.MagicCookieKey + "=2"},
		"an empty cookie": {role + "=serve", cookie.MagicCookieKey + "="},
	} {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = env
		if err := exitOf(cmd.Run(), notChild); err != nil {
			t.Errorf("%s: %v; want ErrNotChild", name, err)
		}
	}
}

// A cookie alone makes no child: there must be a line, and it must be a line.
func TestServeNeedsALine(t *testing.T) {
	file, err := os.Open(os.DevNull)
	must(t, err)
	defer file.Close()
	for name, extra := range map[string][]*os.File{"no descriptor": nil, "a file": {file}} {
		cmd := command(t, "serve")
		cmd.ExtraFiles = extra
		var said strings.Builder
		cmd.Stderr = &said
		if err := exitOf(cmd.Run(), otherError); err != nil ||
			!strings.Contains(said.String(), "is not the line from a parent process") {
			t.Errorf("%s: %v, %q; want an error that names the line", name, err, said.String())
		}
	}
}

func TestServeEndsWithItsParent(t *testing.T) {
	p := start(t, "serve")
	must(t, p.line.Close()) // as the parent's death would
	p.wantExit(servedWell)
}

// exists reports whether a file is there.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// A child whose parent was killed removes what its parent would have, and no more.
func TestAChildWithoutAParentLeavesNoSocket(t *testing.T) {
	for _, spool := range []bool{false, true} {
		p := start(t, "serve")
		work := filepath.Dir(p.dir)
		if spool {
			must(t, os.WriteFile(filepath.Join(work, "spool"), nil, 0o600))
		}
		must(t, p.line.Close())
		p.wantExit(servedWell)
		if exists(p.dir) || exists(work) != spool {
			t.Errorf("with a spool %v: its folder is there %v, its parent's %v", spool, exists(p.dir), exists(work))
		}
		if !exists(filepath.Dir(work)) {
			t.Errorf("with a spool %v: more than the parent's folder was removed", spool)
		}
	}
}

// A parent that lives removes the socket itself.
func TestServeEndsWhenItsParentSaysSo(t *testing.T) {
	for _, r := range []string{"serve", "orphan"} {
		p := start(t, r)
		must(t, fdpass.End(p.line))
		p.wantExit(servedWell)
		if !exists(p.dir) {
			t.Errorf("%s: the child removed its parent's folder", r)
		}
	}
}

func TestAnOrphanGoesOn(t *testing.T) {
	p := start(t, "orphan")
	must(t, p.line.Close())
	said := bufio.NewReader(p.stderr)
	if word, err := said.ReadString('\n'); err != nil || word != "orphaned\n" {
		t.Fatalf("the child said %q, %v; want that it is an orphan", word, err)
	}
	socket, err := filepath.Glob(filepath.Join(p.dir, "*"))
	must(t, err)
	if len(socket) != 1 {
		t.Fatalf("sockets of an orphan: %v; want one", socket)
	}
	c, err := net.Dial("unix", socket[0])
	must(t, err)
	c.Close()
	must(t, p.cmd.Process.Signal(syscall.SIGTERM))
	if rest, err := io.ReadAll(said); err != nil || len(rest) > 0 {
		t.Errorf("the child said %q, %v after that; want nothing", rest, err)
	}
	p.wantExit(servedWell)
	if exists(p.dir) || !exists(filepath.Dir(p.dir)) {
		t.Error("an orphan must remove its own folder, and only that")
	}
}

func TestServeEndsWithItsContext(t *testing.T) {
	p := start(t, "impatient")
	p.send(1)
	p.wantExit(servedWell)
}

func TestASocketForAChildThatTakesNone(t *testing.T) {
	p := start(t, "serve")
	near := p.send(42)
	if n, err := near.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("read %d bytes, %v from the socket; want io.EOF", n, err)
	}
	said, err := io.ReadAll(p.stderr)
	must(t, err)
	p.wantExit(otherError)
	if !strings.Contains(string(said), "it sent socket 42 to a child that takes none") {
		t.Errorf("the child said %q; want what it was sent", said)
	}
}

// A child continues, and ends in order, when nobody reads its log any more.
func TestSIGPIPEDoesNotKillAChild(t *testing.T) {
	p := start(t, "chatty")
	must(t, p.stderr.Close())
	for _, id := range []uint64{1, 2} {
		if got, err := io.ReadAll(p.send(id)); err != nil || !strings.HasPrefix(string(got), "socket ") {
			t.Fatalf("the child answered %q, %v; want its socket's number", got, err)
		}
	}
	must(t, p.line.Close())
	p.wantExit(servedWell)
}
