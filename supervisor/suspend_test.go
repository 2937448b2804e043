package supervisor

import (
	"context"
	"errors"
	"testing"
	"time"
)

// A run that is over in the moment in which its upgrade begins is upgraded all the same:
// whoever asked for it was told so. A journal that has failed is another matter.
func TestAnUpgradeThatWasPromisedHappens(t *testing.T) {
	now, cut := context.WithCancelCause(t.Context())
	r := bareRun(&notedJournal{}, time.Hour)
	r.happen(func(l *lifecycle) { l.drain() })
	if cause := endCause(now, r.await(now)); cause != nil {
		t.Errorf("a run that is over ends because of %v", cause)
	}
	cut(errUpgrading)
	if cause := endCause(now, r.await(now)); !errors.Is(cause, errUpgrading) {
		t.Errorf("it ends because of %v; want the upgrade", cause)
	}
	broken := errors.New("the disk is full")
	if cause := endCause(now, broken); cause != broken {
		t.Errorf("it ends because of %v; want that %v", cause, broken)
	}
}
