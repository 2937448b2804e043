package cluster

import (
	"fmt"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Follows returns why records, with the head behind them, may not follow a head: ErrRefused or ErrEnded;
// nil if they may.
func Follows(before, h Head, recs []*bulkheadv1.Record) error {
	if len(h.State) > MaxStateBytes {
		return fmt.Errorf("%w: a head's state has %d bytes; at most %d", ErrRefused, len(h.State), MaxStateBytes)
	}
	durable := before.Durable
	for _, rec := range recs {
		if n, of := SessionOf(rec); of && n != before.Session {
			return fmt.Errorf("%w: a record of session %d in session %d", ErrRefused, n, before.Session)
		}
		b := rec.GetSessionBatch()
		switch {
		case b == nil:
			continue
		case before.Ended():
			return fmt.Errorf("%w: messages for session %d, which has its outcome", ErrEnded, before.Session)
		case b.GetFirstSeq() != durable+1, b.GetLastSeq() < b.GetFirstSeq():
			return fmt.Errorf("%w: messages %d to %d follow %d", ErrRefused, b.GetFirstSeq(), b.GetLastSeq(),
				durable)
		}
		durable = b.GetLastSeq()
	}
	if h.Durable != durable || before.Ended() && h.Phase != before.Phase {
		return fmt.Errorf("%w: the head says %d messages and state %v; %d are durable, and the state was %v",
			ErrRefused, h.Durable, h.Phase, durable, before.Phase)
	}
	return nil
}

// SessionOf returns the session that a record is part of; false for others, also those that only
// mention one.
func SessionOf(rec *bulkheadv1.Record) (uint32, bool) {
	switch e := rec.GetEntry().(type) {
	case *bulkheadv1.Record_SessionOpened:
		return e.SessionOpened.GetSession(), true
	case *bulkheadv1.Record_SessionAttached:
		return e.SessionAttached.GetSession(), true
	case *bulkheadv1.Record_SessionBatch:
		return e.SessionBatch.GetSession(), true
	case *bulkheadv1.Record_SessionDetached:
		return e.SessionDetached.GetSession(), true
	case *bulkheadv1.Record_SessionEnded:
		return e.SessionEnded.GetSession(), true
	case *bulkheadv1.Record_SessionSilent:
		return e.SessionSilent.GetSession(), true
	case *bulkheadv1.Record_SessionDrained:
		return e.SessionDrained.GetSession(), true
	default:
		return 0, false
	}
}
