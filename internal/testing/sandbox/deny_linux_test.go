package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"bulkhead/internal/exitstatus"
	walls "bulkhead/internal/sandbox"
)

// refusal is a system call that fails, as it would with another kernel or in a container.
type refusal struct {
	call  uint32
	first uint32 // its first argument; ^0 for any
	errno unix.Errno
}

const anyArgument = ^uint32(0)

// refusals has, for each layer, what makes it impossible.
var refusals = map[walls.Layer]refusal{
	walls.Namespaces:   {unix.SYS_UNSHARE, anyArgument, unix.EPERM},
	walls.Limits:       {unix.SYS_SETPRIORITY, anyArgument, unix.EACCES},
	walls.Root:         {unix.SYS_CHROOT, anyArgument, unix.EPERM},
	walls.User:         {unix.SYS_SETRESUID, anyArgument, unix.EAGAIN},
	walls.Capabilities: {unix.SYS_CAPSET, anyArgument, unix.EPERM},
	walls.Privileges:   {unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, unix.EINVAL},
	walls.Landlock:     {unix.SYS_LANDLOCK_CREATE_RULESET, anyArgument, unix.ENOSYS},
	walls.Hidden:       {unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, unix.EINVAL},
	walls.Calls:        {unix.SYS_SECCOMP, anyArgument, unix.ENOSYS},
}

// deny executes the rest of its command line, which cannot put up a layer.
func deny() int {
	runtime.LockOSThread()
	name := os.Getenv(denyEntry)
	for layer, r := range refusals {
		if layer.String() != name {
			continue
		}
		const load, equal, ret = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ, unix.BPF_RET
		code := []unix.SockFilter{
			{Code: load, K: 0}, {Code: equal, K: r.call, Jf: 3},
			{Code: load, K: 16}, {Code: equal, K: r.first, Jf: 1},
			{Code: ret, K: unix.SECCOMP_RET_ERRNO | uint32(r.errno)}, {Code: ret, K: unix.SECCOMP_RET_ALLOW},
		}
		if r.first == anyArgument {
			code[3] = unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JA}
		}
		filter := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
		if os.Geteuid() != 0 {
			_ = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
		}
		if layer == walls.Capabilities { // else they go with the user, and nothing is left to give up
			const noSetuidFixup = 1 << 2 // SECBIT_NO_SETUID_FIXUP, capabilities(7)
			if err := unix.Prctl(unix.PR_SET_SECUREBITS, noSetuidFixup, 0, 0, 0); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return exitBroken
			}
		}
		if err := call(unix.SYS_SECCOMP, 1, 0, uintptr(unsafe.Pointer(&filter))); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return exitBroken
		}
		args := os.Args[1:]
		fmt.Fprintln(os.Stderr, syscall.Exec(args[0], args, os.Environ()))
	}
	return exitBroken
}

// Without a layer, a strict supervisor starts nothing, and says in one line which and why; one that
// does its best says so in its report.
func TestWithoutALayer(t *testing.T) {
	program := built(t)
	programs := t.TempDir()
	build := exec.Command("go", "build", "-o", programs+"/", "../../../cmd/bulkhead", "../../../cmd/bulkhead-handler")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, w := range walls.Walls() {
		if (w.ForRoot || w.Layer == walls.Capabilities) && os.Geteuid() != 0 {
			continue // who has no capabilities cannot lack what takes them
		}
		t.Run(w.Name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			state := filepath.Join(t.TempDir(), "state")
			cmd := exec.CommandContext(ctx, program, filepath.Join(programs, "bulkhead"), "supervisor", "start",
				"--state-dir", state, "--listen", "127.0.0.1:0", "--handler-sandbox", "strict", "--log-level", "error")
			cmd.Env = append(os.Environ(), denyEntry+"="+w.Name)
			var said bytes.Buffer
			cmd.Stderr = &said
			err := cmd.Run()
			if cmd.ProcessState.ExitCode() != exitstatus.Config {
				t.Errorf("it ended with %v; want exit status %d\n%s", err, exitstatus.Config, said.String())
			}
			line := strings.TrimSpace(said.String())
			if strings.Contains(line, "\n") || !strings.Contains(line, w.Name) ||
				!strings.Contains(line, "handler.sandbox") {
				t.Errorf("it says\n%s\nwant one line with handler.sandbox, %s and the reason", line, w.Name)
			}
			if left, err := os.ReadDir(state); !os.IsNotExist(err) {
				t.Errorf("left of it: %v, %v", left, err)
			}
		})
	}
}
