package terminal

import (
	"context"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	// askEvery is how often Watch asks the supervisor.
	askEvery = time.Second
	// silentAfter is how old an answer may be before Watch says so.
	silentAfter = 3 * askEvery
	// redrawEvery is the time between two drawings of Follow.
	redrawEvery = 500 * time.Millisecond
)

// Watch draws the run of a supervisor on the whole of a terminal, from what ask says of it.
// It returns when stop receives a signal or a key is pressed that ends the view, and with
// ended when the supervisor has ended. An error is one of the first question or of drawing.
func (p Painter) Watch(ctx context.Context, out *os.File, stop <-chan os.Signal,
	ask func(context.Context) (*bulkheadv1.StatusResponse, error)) (ended bool, err error) {
	s, err := ask(ctx)
	if err != nil {
		return false, fmt.Errorf("asking for the status: %s", status.Convert(err).Message())
	}
	screen, err := newFullScreen(out, os.Stdin)
	if err != nil {
		return false, err
	}
	defer screen.Close()
	quit := quitKey()
	again := time.NewTicker(askEvery)
	defer again.Stop()
	answers := make(chan answer, 1)
	asking, heard := false, time.Now()
	for {
		width, height := screen.Size()
		var lines []string
		if silent := time.Since(heard); silent > silentAfter {
			lines = append(lines, p.Silent(silent, width))
		}
		if err := screen.Show(append(lines, p.Status(s, width, height-len(lines))...)); err != nil {
			return false, fmt.Errorf("drawing: %w", err)
		}
		select {
		case <-stop:
			return false, nil
		case <-quit:
			return false, nil
		case <-again.C:
			if !asking {
				asking = true
				go func() { // ask is bounded; its answer has room
					s, err := ask(ctx)
					answers <- answer{s, err}
				}()
			}
		case a := <-answers:
			asking = false
			switch {
			case a.err == nil:
				s, heard = a.status, time.Now()
			case status.Code(a.err) == codes.Unavailable:
				return true, nil
			}
		}
	}
}

// answer is what a supervisor says of its run.
type answer struct {
	status *bulkheadv1.StatusResponse
	err    error
}

// quitKey returns a channel that receives one value when a key is pressed that ends the view:
// q, Ctrl-C or Ctrl-D. Its goroutine waits for keys until the process ends: a read of a
// terminal cannot be broken off.
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

// Follow draws a run in a block until ctx is done, and takes the block off the terminal then.
func (p Painter) Follow(ctx context.Context, block *Block,
	status func(context.Context) *bulkheadv1.StatusResponse) {
	defer block.Close()
	again := time.NewTicker(redrawEvery)
	defer again.Stop()
	for {
		s := status(ctx)
		if s.GetRunId() != "" { // otherwise the last drawing stays: a run is being reported
			width, height := block.Size()
			block.Show(p.Status(s, width, height))
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return
		}
	}
}
