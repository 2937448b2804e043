package remote

import (
	"context"
	"errors"
	"fmt"

	"bulkhead/supervisor/cluster/jetstream"
)

// Remove removes the run from the engine. One that is not finished stays, unless force says otherwise.
func (e *Engine) Remove(ctx context.Context, force bool) error {
	err := jetstream.Remove(ctx, e.source, force)
	if errors.Is(err, jetstream.ErrUnfinished) {
		return fmt.Errorf("%s: %w: its supervisor has not reported it; --force removes it all the same, and nothing "+
			"of it can be reported then", e.place, err)
	}
	return e.explained(err)
}
