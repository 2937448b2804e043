package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead/internal/config"
	"bulkhead/internal/terminal"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor"
)

// topEvery is how often top asks the supervisor.
const topEvery = time.Second

// silentAfter is how old an answer may be before top says so.
const silentAfter = 3 * topEvery

func topCommand(stdout *stdout, stderr io.Writer) *cli.Command {
	return &cli.Command{
		Name:  "top",
		Usage: "watch the run of a running supervisor",
		Description: `The table that the supervisor draws on its own terminal, on this one. q ends it;
the supervisor does not notice. It ends by itself when the supervisor does.

Example:
  bulkhead top --state-dir /var/lib/bulkhead`,
		Flags:        settingFlags(stateDirKeys()),
		OnUsageError: onUsageError,
		Action: func(ctx *cli.Context) error {
			if err := noArguments(ctx); err != nil {
				return err
			}
			out := stdout.File()
			if !terminal.Fit(out) {
				return usageError{errors.New("top draws on a terminal, and standard output is none; use `bulkhead supervisor status`")}
			}
			file, err := configFile(ctx)
			if err != nil {
				return err
			}
			printUnknownVariables(stderr)
			settings, err := config.LoadSupervisor(file, os.Environ(), overrides(ctx, stateDirKeys()))
			if err != nil {
				return err
			}
			why, err := watchOther(ctx.Context, settings.StateDir, out)
			if err == nil && why != "" {
				_, err = fmt.Fprintln(stdout, why)
			}
			return err
		},
	}
}

// watchOther draws the run of the supervisor of a state directory on a terminal until
// somebody does not want to see it any more, or the supervisor has ended, which it says
// in words.
func watchOther(ctx context.Context, stateDir string, out *os.File) (why string, err error) {
	signals, stop := interruptible(syscall.SIGHUP)
	defer stop()
	c, err := supervisor.DialControl(ctx, stateDir)
	if err != nil {
		return "", err
	}
	defer c.Close()
	s, err := ask(ctx, c)
	if err != nil {
		return "", fmt.Errorf("asking for the status: %s", status.Convert(err).Message())
	}
	screen, err := terminal.NewFullScreen(out, os.Stdin)
	if err != nil {
		return "", err
	}
	defer screen.Close()
	quit := quitKey()
	painter := terminal.Painter{Colour: inColour()}
	again := time.NewTicker(topEvery)
	defer again.Stop()
	answers := make(chan answer, 1)
	asking, heard := false, time.Now()
	for {
		width, height := screen.Size()
		var lines []string
		if silent := time.Since(heard); silent > silentAfter {
			lines = append(lines, painter.Silent(silent, width))
		}
		if err := screen.Show(append(lines, painter.Status(s, width, height-len(lines))...)); err != nil {
			return "", fmt.Errorf("drawing: %w", err)
		}
		select {
		case <-signals:
			return "", nil
		case <-quit:
			return "", nil
		case <-again.C:
			if !asking {
				asking = true
				go func() { // bounded; its answer has room
					s, err := ask(ctx, c)
					answers <- answer{s, err}
				}()
			}
		case a := <-answers:
			asking = false
			switch {
			case a.err == nil:
				s, heard = a.status, time.Now()
			case status.Code(a.err) == codes.Unavailable:
				return "the supervisor has ended", nil
			}
		}
	}
}

// answer is what a supervisor says when it is asked how it goes.
type answer struct {
	status *bulkheadv1.StatusResponse
	err    error
}

// ask asks a supervisor how it goes.
func ask(ctx context.Context, c *supervisor.Control) (*bulkheadv1.StatusResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, operateTimeout)
	defer cancel()
	return c.Status(ctx, &bulkheadv1.StatusRequest{})
}

// quitKey receives one value when a key is pressed that ends the view: q, Ctrl-C or
// Ctrl-D. The goroutine waits for keys until the process ends: a read of a terminal
// cannot be broken off.
func quitKey() <-chan struct{} {
	quit := make(chan struct{}, 1)
	go func() {
		const ctrlC, ctrlD = 3, 4
		key := make([]byte, 1)
		for {
			n, err := os.Stdin.Read(key)
			if err != nil || n == 0 {
				return // no keys; signals still end it
			}
			switch key[0] {
			case 'q', 'Q', ctrlC, ctrlD:
				quit <- struct{}{}
				return
			}
		}
	}()
	return quit
}
