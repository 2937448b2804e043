package consumer

import (
	"context"
	"testing"
	"time"

	"bulkhead/internal/boottime"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// TestBeginsAtItsMoment: a consumer that holds begins at the moment that it is told first, not before.
func TestBeginsAtItsMoment(t *testing.T) {
	c := New(Options{})
	service := dial(t, c)
	task := request(t.TempDir(), 1000, 5000, nil)
	task.Hold = true
	p := start(t, service, task)
	moment := boottime.Now() + int64(300*time.Millisecond)
	for _, at := range []int64{moment, moment - int64(250*time.Millisecond), 0} {
		if _, err := service.Begin(context.Background(), &bulkheadv1.BeginRequest{ElapsedNano: at}); err != nil {
			t.Fatal(err)
		}
	}
	p.untilFiles(1)
	p.kill(0)
	first := rollovers(p.orderlyEnd())[0]
	if at := first.GetFirstWriteElapsedNano(); at < moment {
		t.Errorf("the first write came %v before the moment", time.Duration(moment-at))
	}
}

// TestEndsBeforeItsMoment: a consumer that is killed before its moment comes writes nothing.
func TestEndsBeforeItsMoment(t *testing.T) {
	service := dial(t, New(Options{}))
	task := request(t.TempDir(), 1000, 5000, nil)
	task.Hold = true
	p := start(t, service, task)
	at := boottime.Now() + int64(24*time.Hour)
	if _, err := service.Begin(context.Background(), &bulkheadv1.BeginRequest{ElapsedNano: at}); err != nil {
		t.Fatal(err)
	}
	p.kill(0)
	if messages := p.orderlyEnd(); sum(messages).GetBytes() != 0 || len(rollovers(messages)) != 0 {
		t.Errorf("it wrote before its moment: %v", messages)
	}
}
