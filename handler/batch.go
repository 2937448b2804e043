package handler

import (
	"context"

	"google.golang.org/protobuf/proto"

	"bulkhead/handler/intact"
	"bulkhead/internal/failpoint"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// keepIntact keeps a batch for the supervisor as it came. One that does not begin where the last
// one ended, or is too large, is decoded after all.
func (c *collector) keepIntact(ctx context.Context, b intact.Batch) *violation {
	apart := b.FirstSeq != c.expect.Load() || b.Messages() > uint64(c.limits.GetMaxBatchMessages())
	if apart || failpoint.Enabled {
		var decoded bulkheadv1.Batch
		if err := proto.Unmarshal(b.Data, &decoded); err != nil {
			return broken(encodingInvalid, "a frame cannot be decoded: %v", err)
		}
		if apart {
			return c.batch(ctx, &decoded)
		}
		failpoint.Batch(decoded.GetMessages())
	}
	failpoint.Hit("handler-batch")
	return c.keep(ctx, &bulkheadv1.SealedBatch{FirstSeq: b.FirstSeq, LastSeq: b.LastSeq, Batch: b.Data})
}

// batch checks a batch and keeps it for the supervisor.
func (c *collector) batch(ctx context.Context, b *bulkheadv1.Batch) *violation {
	next := c.expect.Load()
	failpoint.Batch(b.GetMessages())
	failpoint.Hit("handler-batch")
	shortenBatch(b)
	c.compare(b, next)
	sealed, v := checkBatch(b, c.limits, next)
	if v != nil || sealed == nil {
		return v
	}
	return c.keep(ctx, sealed)
}

// keep keeps a batch until the supervisor has acknowledged it, as soon as there is room.
func (c *collector) keep(ctx context.Context, b *bulkheadv1.SealedBatch) *violation {
	c.work.done() // a batch that waits for room is no work
	if !c.relay.add(ctx, b) {
		return lost("the client's stream ended: %v", ctx.Err())
	}
	c.expect.Store(b.LastSeq + 1)
	return nil
}
