package upgrade

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"bulkhead/internal/child"
	"bulkhead/internal/protocol"
)

// PreflightFlag is the flag with which a program checks that it could take the place
// of a running supervisor, instead of being one.
const PreflightFlag = "preflight"

const (
	// preflightTimeout bounds the check of a new program.
	preflightTimeout = 30 * time.Second
	// killedTimeout is how long a program that was killed may take to end. One that waits for a disk
	// may take as long as the disk does.
	killedTimeout = 2 * time.Second
	// preflightText bounds what a new program may say of why it is not fit, in bytes.
	preflightText = 2 << 10
)

// Fitness is what a program says that could take the place of the running one.
type Fitness struct {
	Version string `json:"version"`
	// Build tells builds of one version apart; "" if it has no name.
	Build string `json:"build,omitempty"`
	// HandlerProtocol is the version of HandlerService it speaks.
	HandlerProtocol uint32 `json:"handler_protocol"`
	// StateDir is where it would look for the run; "" if it does not say.
	StateDir string `json:"state_dir,omitempty"`
}

// Check runs the program that is to take this one's place, with its arguments, so that it checks
// whether it could: whether it looks for the run in stateDir, and speaks with the handlers. It
// returns what the program says it is.
func Check(ctx context.Context, program []string, stateDir string) (Fitness, error) {
	if len(program) == 0 {
		return Fitness{}, errors.New("this supervisor was not started by a program that can be upgraded")
	}
	ctx, cancel := context.WithTimeout(ctx, preflightTimeout)
	defer cancel()
	var out, errs bounded
	cmd := exec.CommandContext(ctx, program[0],
		append(append([]string{}, program[1:]...), "--"+PreflightFlag)...)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &errs, time.Second
	inOwnGroup(cmd)
	began := time.Now()
	ran := make(chan error, 1)
	go func() { // ends with the program
		err := child.Aside(cmd)
		if err == nil {
			err = cmd.Wait()
		}
		ran <- err
	}()
	var err error
	select {
	case err = <-ran:
	case <-after(ctx, killedTimeout):
		return Fitness{}, fmt.Errorf("%s does not pass its pre-flight: it was killed after %s, and has not ended: a "+
			"disk or another device does not answer", program[0], time.Since(began).Round(100*time.Millisecond))
	}
	if err != nil {
		why := unfit(err)
		if ctx.Err() != nil {
			why = fmt.Sprintf("it had not answered after %s (limit %s)", time.Since(began).Round(100*time.Millisecond),
				preflightTimeout)
		}
		if text := strings.TrimSpace(errs.String()); text != "" {
			why += ": " + text
		}
		return Fitness{}, fmt.Errorf("%s does not pass its pre-flight: %s", program[0], why)
	}
	var fit Fitness
	switch err := json.Unmarshal(out.Bytes(), &fit); {
	case len(bytes.TrimSpace(out.Bytes())) == 0:
		return Fitness{}, fmt.Errorf(
			"%s does not pass its pre-flight: it said nothing; is it a bulkhead program of this version or later?",
			program[0])
	case err != nil || fit.Version == "":
		return Fitness{}, fmt.Errorf(
			"%s does not pass its pre-flight: it answered %.100q; is it a bulkhead program of this version or later?",
			program[0], out.String())
	}
	if fit.HandlerProtocol != protocol.HandlerVersion {
		return Fitness{}, fmt.Errorf("%s does not pass its pre-flight: it speaks version %d of the protocol with "+
			"handlers, and those at work speak %d; drain instead", program[0], fit.HandlerProtocol,
			protocol.HandlerVersion)
	}
	if fit.StateDir != "" && fit.StateDir != stateDir {
		return Fitness{}, fmt.Errorf(
			"%s does not pass its pre-flight: its state_dir is %s, and the run is in %s; drain instead", program[0],
			fit.StateDir, stateDir)
	}
	return fit, nil
}

// after returns a channel that is closed when ctx has been done for so long.
func after(ctx context.Context, d time.Duration) <-chan struct{} {
	late := make(chan struct{})
	context.AfterFunc(ctx, func() { time.AfterFunc(d, func() { close(late) }) })
	return late
}

// unfit returns what became of a program that did not end well, or never started.
func unfit(err error) string {
	const advice = "; install the new one with a rename, as make install does"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such file" + advice
	case errors.Is(err, fs.ErrPermission):
		return "this user may not run it" + advice
	case errors.Is(err, syscall.ENOEXEC):
		return "it is no program for this machine, or not all of one" + advice
	case errors.Is(err, syscall.ETXTBSY):
		return "it is being written" + advice
	default:
		return err.Error() // exit status 1, signal: killed
	}
}

// bounded keeps the beginning of what is written to it.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	b.Buffer.Write(p[:min(len(p), max(0, preflightText-b.Len()))])
	return len(p), nil
}

// inOwnGroup makes the end of a command's context kill it with all that it started.
func inOwnGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
