package journal

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func TestCheckNamesEachViolation(t *testing.T) {
	done := bulkheadv1.RunEnd_RUN_END_DONE
	begun := func(more ...*bulkheadv1.Record) []*bulkheadv1.Record {
		return append([]*bulkheadv1.Record{runStarted(), opened(1), attached(1, 0)}, more...)
	}
	tests := []struct {
		name string
		recs []*bulkheadv1.Record
		want []string
	}{
		{"whole run", wholeRun(), nil},
		{"no records", nil, nil},
		{"killed run", begun(batch(1, 1, 2)), nil},
		{"failed run leaves sessions open", begun(runEnded(bulkheadv1.RunEnd_RUN_END_FAILED)), nil},
		{"handler of no session", begun(handlerExited(0)), nil},

		{"no RunStarted", []*bulkheadv1.Record{opened(1)}, []string{"first record is SessionOpened, not RunStarted"}},
		{"second RunStarted", begun(runStarted()), []string{"RunStarted is not the first record"}},
		{"job after a session", begun(&bulkheadv1.Record{Entry: &bulkheadv1.Record_JobStarted{
			JobStarted: &bulkheadv1.JobStarted{Name: "late"}}}), []string{"JobStarted is not the second record"}},
		{"no entry", begun(&bulkheadv1.Record{TimeUnixNano: 1}), []string{"record has no entry"}},
		{"after RunEnded", append(wholeRun(), handlerExited(0)), []string{"HandlerExited after RunEnded"}},
		{"run ended twice", append(wholeRun(), runEnded(done)), []string{"RunEnded after RunEnded"}},
		{"open session at the end", begun(opened(2), ended(1, 0), runEnded(done)),
			[]string{"session 2: not ended at the end of the run"}},

		{"opened twice", begun(opened(1)), []string{"session 1: opened again"}},
		{"opened after its end", begun(ended(1, 0), opened(1)), []string{"session 1: opened again"}},
		{"session 0", begun(opened(0)), []string{"session 0 is opened; sessions count from 1"}},
		{"one client, two sessions", begun(sameClient(2, 1)),
			[]string{"session 2: its client 636c69656e7420303030303030303031 already has session 1"}},
		{"not opened: attached", begun(attached(2, 0)), []string{"session 2: SessionAttached before SessionOpened"}},
		{"not opened: batch", begun(batch(2, 1, 1), batch(2, 2, 2)),
			[]string{"session 2: SessionBatch before SessionOpened"}},
		{"not opened: detached", begun(detached(2)), []string{"session 2: SessionDetached before SessionOpened"}},
		{"not opened: ended", begun(ended(2, 0)), []string{"session 2: SessionEnded before SessionOpened"}},
		{"not opened: handler", begun(handlerExited(2)), []string{"session 2: HandlerExited before SessionOpened"}},
		{"ended: attached", begun(ended(1, 0), attached(1, 0)), []string{"session 1: SessionAttached after its end"}},
		{"ended: batch", begun(ended(1, 0), batch(1, 1, 1)), []string{"session 1: SessionBatch after its end"}},
		{"ended: detached", begun(ended(1, 0), detached(1)), []string{"session 1: SessionDetached after its end"}},
		{"ended: ended", begun(ended(1, 0), ended(1, 0)), []string{"session 1: SessionEnded after its end"}},
		{"ended: handler", begun(ended(1, 0), handlerExited(1)), nil},
		{"promise of what is not durable", begun(batch(1, 1, 4), detached(1), attachedBy(7, 1, 5)),
			[]string{"session 1: client was told to resume after 5, but only 4 is durable"}},
		{"the same connection after a restart",
			begun(restarted(), attached(1, 0), batch(1, 1, 1), restarted(), attached(1, 1)), nil},
		{"another connection after a restart", begun(restarted(), detached(1), attachedBy(7, 1, 0)), nil},
		{"lost in the restart", begun(restarted(), detached(1)), nil},
		{"another connection", begun(detached(1), attachedBy(7, 1, 0)), nil},
		{"the same connection without a restart", begun(attached(1, 0)),
			[]string{"session 1: attached to connection 1 twice, with no restart between"}},
		{"the same connection twice after a restart", begun(restarted(), attached(1, 0), attached(1, 0)),
			[]string{"session 1: attached to connection 1 twice, with no restart between"}},
		{"a lost connection after a restart", begun(detached(1), restarted(), attached(1, 0)),
			[]string{"session 1: attached to connection 1 again, which it had lost"}},
		{"the connection before after a restart", begun(detached(1), attachedBy(7, 1, 0), restarted(), attached(1, 0)),
			[]string{"session 1: attached to connection 1 again, which it had lost"}},
		{"a connection of another session", begun(opened(2), attachedBy(1, 2, 0)),
			[]string{"session 2: attached to connection 1, which is of session 1"}},
		{"a connection of another session after a restart", begun(restarted(), opened(2), attachedBy(1, 2, 0)),
			[]string{"session 2: attached to connection 1, which is of session 1"}},
		{"two connections", begun(attachedBy(7, 1, 0)),
			[]string{"session 1: attached to connection 7 while it has connection 1"}},
		{"two connections after a restart", begun(restarted(), attachedBy(7, 1, 0)),
			[]string{"session 1: attached to connection 7 while it has connection 1"}},
		{"connection 0", begun(detached(1), attachedBy(0, 1, 0)),
			[]string{"session 1: attached to connection 0; connections count from 1"}},
		{"detached from another", begun(detachedFrom(7, 1)),
			[]string{"session 1: detached from connection 7, which it has not"}},
		{"detached twice", begun(detached(1), detached(1)),
			[]string{"session 1: detached from connection 1, which it has not"}},
		{"promise of what is not durable after a restart", begun(batch(1, 1, 4), restarted(), attached(1, 5)),
			[]string{"session 1: client was told to resume after 5, but only 4 is durable"}},
		{"restart first", []*bulkheadv1.Record{restarted()},
			[]string{"first record is SupervisorRestarted, not RunStarted"}},
		{"restart after the end", append(wholeRun(), restarted()), []string{"SupervisorRestarted after RunEnded"}},
		{"shed", begun(&bulkheadv1.Record{Entry: &bulkheadv1.Record_ConnectionsShed{
			ConnectionsShed: &bulkheadv1.ConnectionsShed{Count: 3}}}), nil},
		{"end without outcome", begun(&bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionEnded{
			SessionEnded: &bulkheadv1.SessionEnded{Session: 1}}}), []string{"session 1: ended without an outcome"}},
		{"end at another message", begun(batch(1, 1, 4), ended(1, 5)),
			[]string{"session 1: ended at 5, but the last message is 4"}},

		{"first batch not from 1", begun(batch(1, 2, 2)), []string{"session 1: batch 2…2 leaves a gap after 0"}},
		{"gap", begun(batch(1, 1, 2), batch(1, 4, 5), batch(1, 6, 6)),
			[]string{"session 1: batch 4…5 leaves a gap after 2"}},
		{"overlap", begun(batch(1, 1, 2), batch(1, 2, 3), batch(1, 4, 4)),
			[]string{"session 1: batch 2…3 overlaps what is there up to 2"}},
		{"overlap of the middle", begun(batch(1, 1, 5), batch(1, 2, 3), batch(1, 6, 6)),
			[]string{"session 1: batch 2…3 overlaps what is there up to 5"}},
		{"twice", begun(batch(1, 1, 2), batch(1, 1, 2), batch(1, 3, 3)),
			[]string{"session 1: batch 1…2 overlaps what is there up to 2"}},
		{"backwards", begun(batchOf(1, 3, 2, nil)), []string{"session 1: batch 3…2 is no range of messages"}},
		{"from 0", begun(batchOf(1, 0, 2, nil)), []string{"session 1: batch 0…2 is no range of messages"}},
		{"too few messages", begun(batchOf(1, 1, 3, encodedBatch(1, 2))),
			[]string{"session 1: batch 1…3: it holds 2 messages"}},
		{"no messages", begun(batchOf(1, 1, 1, nil)), []string{"session 1: batch 1…1: it holds 0 messages"}},
		{"too many messages", begun(batchOf(1, 1, 2, encodedBatch(1, 3))),
			[]string{"session 1: batch 1…2: it holds more than messages 1 to 2"}},
		{"other messages", begun(batchOf(1, 1, 2, encodedBatch(2, 3))),
			[]string{"session 1: batch 1…2: it holds message 2 where 1 should be"}},
		{"no batch", begun(batchOf(1, 1, 1, []byte("junk"))), []string{"session 1: batch 1…1: it does not decode"}},
		{"no message", begun(batchOf(1, 1, 1, []byte{0x0a, 1, 0xff})),
			[]string{"session 1: batch 1…1: it does not decode"}},
		{"the highest numbers", begun(batchOf(1, 1, math.MaxUint64, encodedBatch(1, 2)),
			batchOf(1, 1, math.MaxUint64, nil)),
			[]string{"holds 2 messages", "overlaps what is there", "holds 0 messages"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir, f := newJournal(t, Options{SegmentBytes: 150}, tt.recs...)
			closeJournal(t, f)
			r, err := Check(dir)
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Violations) != len(tt.want) {
				t.Fatalf("violations %v, want %q", r.Violations, tt.want)
			}
			for i, v := range r.Violations {
				if !strings.Contains(v.What, tt.want[i]) {
					t.Errorf("violation %d is %v, want %q", i, v, tt.want[i])
				}
			}
			if (r.Err() == nil) != (len(tt.want) == 0) {
				t.Errorf("Err = %v", r.Err())
			}
		})
	}
}

// sameClient opens a session for the client of another one.
func sameClient(session, other uint32) *bulkheadv1.Record {
	rec := opened(session)
	rec.GetSessionOpened().Hello.ClientId = opened(other).GetSessionOpened().GetHello().GetClientId()
	return rec
}

func TestCheckPointsAtTheRecord(t *testing.T) {
	run := slices.Insert(wholeRun(), 7, opened(1))
	im := newImage(t, Options{Sync: SyncNone}, run)
	r, err := Check(im.write(t))
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("00000001.seg at byte %d: session 1: opened again", im.ends[6])
	if err := r.Err(); err == nil || err.Error() != want {
		t.Errorf("Err = %v, want %s", err, want)
	}
}

func TestCheckBoundsItsList(t *testing.T) {
	recs := []*bulkheadv1.Record{runStarted()}
	for range maxViolations + 5 {
		recs = append(recs, detached(1), ended(1, 0)) // of a session never opened
	}
	dir, f := newJournal(t, Options{})
	if err := f.Append(t.Context(), recs...); err != nil {
		t.Fatal(err)
	}
	closeJournal(t, f)
	r, err := Check(dir)
	if err != nil {
		t.Fatal(err)
	}
	// All but the first SessionEnded are out of order.
	if want := uint64(2*(maxViolations+5) - 1 - maxViolations); len(r.Violations) != maxViolations ||
		r.Omitted != want {
		t.Errorf("%d violations and %d omitted, want %d and %d", len(r.Violations), r.Omitted, maxViolations, want)
	}
	if !strings.HasSuffix(r.Err().Error(), fmt.Sprintf("and %d more violations", r.Omitted)) {
		t.Error("Err does not say that some are omitted")
	}
}

// Damage is listed although there are more violations before it than the list holds.
func TestCheckAlwaysNamesDamage(t *testing.T) {
	recs := []*bulkheadv1.Record{runStarted()}
	for range maxViolations + 5 {
		recs = append(recs, ended(1, 0))
	}
	im := newImage(t, Options{Sync: SyncNone}, append(recs, opened(2), opened(3)))
	at := im.ends[len(recs)-1]
	im.segments[0][at+frameBytes] ^= 1
	r, err := Check(im.write(t))
	if err != nil {
		t.Fatal(err)
	}
	last := r.Violations[len(r.Violations)-1]
	if r.Damage == nil || r.Damage.Offset != at || last.Position != r.Damage.Position ||
		len(r.Violations) != maxViolations || r.Omitted != 6 {
		t.Errorf("damage %v, the last of %d violations %v, %d omitted", r.Damage, len(r.Violations), last, r.Omitted)
	}
	if r.Sessions != 1 || r.Summary.Records != uint64(len(recs)) {
		t.Errorf("%d sessions, %d records", r.Sessions, r.Summary.Records)
	}
}
