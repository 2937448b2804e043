package handler

import (
	"strings"

	"google.golang.org/protobuf/proto"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// maxResent bounds the batches sent again that wait for the supervisor; more are not told.
const maxResent = 4

// compare passes the messages of a batch on that were sent before: whether they are the
// same reports whether it is the same client. The batch is not checked yet.
func (c *collector) compare(b *bulkheadv1.Batch, next uint64) {
	msgs := b.GetMessages()
	if !c.tells || len(msgs) == 0 || len(msgs) > int(c.limits.GetMaxBatchMessages()) {
		return
	}
	n := 0
	for n < len(msgs) && msgs[n].GetSeq() != 0 && msgs[n].GetSeq() == msgs[0].GetSeq()+uint64(n) &&
		msgs[n].GetSeq() < next {
		n++
	}
	if n == 0 {
		return
	}
	data, err := proto.Marshal(&bulkheadv1.Batch{Messages: msgs[:n]})
	if err != nil {
		return // the check says so
	}
	c.relay.again(&bulkheadv1.Resent{FirstSeq: msgs[0].GetSeq(), LastSeq: msgs[n-1].GetSeq(), Batch: data})
}

// again keeps messages that were sent again for the supervisor, if there is room.
func (r *relay) again(m *bulkheadv1.Resent) {
	r.mu.Lock()
	if len(r.resent) < maxResent {
		r.resent = append(r.resent, m)
	}
	r.mu.Unlock()
	signalChange(r.changed)
}

// Bounds of what is told of a Hello that was refused, in bytes.
const (
	excerptName = 128
	excerptHost = 255
	excerptID   = 16
)

// excerpt returns the part of a refused Hello that names its sender.
func excerpt(h *bulkheadv1.Hello) *bulkheadv1.Hello {
	cut := func(s string, most int) string {
		return strings.ToValidUTF8(s[:min(len(s), most)], "")
	}
	id := h.GetClientId()
	return &bulkheadv1.Hello{
		ProtocolVersion: h.GetProtocolVersion(), Name: cut(h.GetName(), excerptName),
		Host:     cut(h.GetHost(), excerptHost),
		ClientId: id[:min(len(id), excerptID)], Pid: h.GetPid(), ClientVersion: cut(h.GetClientVersion(), excerptName),
	}
}

// tell adds to the end of a connection what the collector knows of its client.
func (c *collector) tell(e *bulkheadv1.End) *bulkheadv1.End {
	e.Hello, e.Collecting = c.refused.Load(), c.began.Load()
	return e
}
