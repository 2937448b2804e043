package jetstream

import (
	"context"
	"errors"
	"fmt"

	natsjs "github.com/nats-io/nats.go/jetstream"
)

// ErrUnfinished says that a run is not over, or that its supervisors have not exported it yet.
var ErrUnfinished = errors.New("the run is not finished")

// Remove removes a run from the engine with all that it has. It returns ErrNoRun if it is not there, and
// ErrUnfinished, and leaves it, if no supervisor has reported it, unless that is what the caller wants. The run
// is known until the last of it is gone: one that was removed in part can be removed again.
func Remove(ctx context.Context, s Source, unfinished bool) error {
	if !usable.MatchString(s.Run) {
		return fmt.Errorf("%w: %q is no id of a run", ErrNoRun, s.Run)
	}
	return s.connect(func(e *servers) error {
		api, err := natsjs.New(e.conn)
		if err != nil {
			return err
		}
		n, run := names{run: s.Run}, Listed{Run: s.Run}
		there, err := e.hasStream(ctx, api, n.stream(0))
		switch {
		case err != nil:
			return err
		case !there:
			return fmt.Errorf("%w: %s", ErrNoRun, s.Run)
		}
		if err := e.describe(ctx, n, &run); err != nil {
			return err
		}
		if run.Sum == "" && !unfinished {
			return ErrUnfinished
		}
		for k := maxShards; k >= 0; k-- {
			if err := e.removeStream(ctx, api, n.stream(k)); err != nil {
				return fmt.Errorf("removing stream %s: %w", n.stream(k), err)
			}
		}
		return nil
	})
}

// hasStream reports whether the engine has a stream.
func (e *servers) hasStream(ctx context.Context, api natsjs.JetStream, name string) (bool, error) {
	return patiently(ctx, e, func(ctx context.Context) (bool, error) {
		ctx, cancel := context.WithTimeout(ctx, attempt)
		defer cancel()
		_, err := api.Stream(ctx, name)
		if errors.Is(err, natsjs.ErrStreamNotFound) {
			return false, nil
		}
		return err == nil, err
	})
}

// removeStream removes a stream, if it is there.
func (e *servers) removeStream(ctx context.Context, api natsjs.JetStream, name string) error {
	_, err := patiently(ctx, e, func(ctx context.Context) (struct{}, error) {
		ctx, cancel := context.WithTimeout(ctx, 2*attempt)
		defer cancel()
		err := api.DeleteStream(ctx, name)
		if errors.Is(err, natsjs.ErrStreamNotFound) {
			err = nil
		}
		return struct{}{}, e.refused(err)
	})
	return err
}
