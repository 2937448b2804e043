package cluster

import "context"

// traceKey is that of a trace in a context.
type traceKey struct{}

// trace is who hears when a call asks the engine and has its answer.
type trace struct{ asks, answered func() }

// Traced returns a context with which a Run calls asks whenever it begins to ask its engine for something, and
// answered when it has the answer or has given up. What it does in between, such as to wait until others have
// asked, is no time of the engine's. A Run without an engine calls neither.
func Traced(ctx context.Context, asks, answered func()) context.Context {
	return context.WithValue(ctx, traceKey{}, trace{asks, answered})
}

// Asks is called by a Run that begins to ask its engine for something, and what it returns when that is over.
func Asks(ctx context.Context) (over func()) {
	t, there := ctx.Value(traceKey{}).(trace)
	if !there {
		return func() {}
	}
	t.asks()
	return t.answered
}
