package custody

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"bulkhead/internal/child"
	"bulkhead/internal/child/handshake"
	"bulkhead/internal/exitstatus"
	"bulkhead/internal/plaintext"
)

// Bounds of what a program is asked.
const (
	askedFor    = 2 * time.Second
	editionText = 200 // bytes
)

// advice is what to do about a program that does not fit.
const advice = "install the bulkhead-handler that belongs to this bulkhead beside it, or set handler.path"

// Unfit returns err, of a handler that did not start, with its program. If no repetition mends it,
// because the program is of another version or cannot be executed here, it wraps
// exitstatus.ErrConfig. It takes no longer than a few seconds.
func Unfit(ctx context.Context, program, version string, err error) error {
	if speaks, other := ofAnotherVersion(ctx, program, err); other {
		is := edition(ctx, program)
		if is == "" {
			is = "it does not say which version it is"
		}
		return fmt.Errorf("%w: handler.path: %s is not of this version: %s (start protocol %s); needed is that of "+
			"bulkhead %s (start protocol %d); %s", exitstatus.ErrConfig, program, is, speaks, version,
			handshake.Version, advice)
	}
	var why string
	failed, ok := errors.AsType[*fs.PathError](err)
	switch {
	case !ok || failed.Op != "fork/exec":
		return fmt.Errorf("%w (handler.path: %s)", err, program)
	case errors.Is(err, syscall.ENOEXEC):
		why = fmt.Sprintf("is no program for this machine (%s/%s), or not all of one", runtime.GOOS, runtime.GOARCH)
	case errors.Is(err, syscall.EACCES):
		why = "may not be executed by this user, or is on a file system without programs (noexec)"
	case errors.Is(err, syscall.ENOENT):
		why = "cannot be executed: it, or the interpreter that it names, does not exist"
	default:
		return fmt.Errorf("%w (handler.path: %s)", err, program)
	}
	return fmt.Errorf("%w: handler.path: %s %s; %s", exitstatus.ErrConfig, program, why, advice)
}

// ofAnotherVersion reports whether a program whose handler did not start, for err, is of another
// version, and what it speaks. One that ended before it served, as what an older one does not know
// ends it, is asked.
func ofAnotherVersion(ctx context.Context, program string, err error) (speaks string, other bool) {
	if wrong, ok := errors.AsType[*child.VersionError](err); ok {
		return strconv.Itoa(wrong.Speaks), true
	}
	if _, ended := errors.AsType[*child.StartError](err); !ended {
		return "", false
	}
	said, code := ask(ctx, program, handshake.VersionArgument)
	number, err := strconv.ParseUint(said, 10, 16)
	switch {
	case code == exitstatus.Usage:
		return "of an earlier one", true
	case code != exitstatus.Complete || err != nil:
		return "", false // not one of ours
	default:
		return said, number != handshake.Version
	}
}

// edition returns what a program says of its version when it is asked, for a person; "" if nothing.
func edition(ctx context.Context, program string) string {
	said, code := ask(ctx, program, "--version")
	if code != exitstatus.Complete {
		return ""
	}
	return said
}

// ask runs a program with one argument. It returns the first line that it prints, and its exit
// status; that is negative if it has none.
func ask(ctx context.Context, program, argument string) (said string, code int) {
	ctx, cancel := context.WithTimeout(ctx, askedFor)
	defer cancel()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, program, argument)
	cmd.Env, cmd.Dir = []string{}, "/"
	cmd.Stdout, cmd.WaitDelay = &start{&out}, time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if err := child.Aside(cmd); err != nil {
		return "", -1
	}
	_ = cmd.Wait() // its state says what there is to say
	line, _, _ := strings.Cut(strings.TrimSpace(out.String()), "\n")
	return plaintext.Line(line, editionText), cmd.ProcessState.ExitCode()
}

// start keeps the beginning of what is written to it.
type start struct{ *bytes.Buffer }

func (s *start) Write(p []byte) (int, error) {
	s.Buffer.Write(p[:min(len(p), max(0, editionText-s.Len()))])
	return len(p), nil
}
