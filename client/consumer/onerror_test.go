package consumer

import (
	"context"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func TestStopOnErrorEndsInOrder(t *testing.T) {
	for _, keep := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			d := newScriptedDisk(slow(failNth(2, syscall.ENOSPC)))
			c := newConsumer(Options{StopOnError: true}, d)
			if c.Failure() != nil {
				t.Errorf("a failure before the job: %v", c.Failure())
			}
			stream := &heldStream{ctx: t.Context()}
			err := c.Run(request("/", 1000, 2500, func(task *bulkheadv1.ConsumerTask) { task.Keep = keep }), stream)
			const words = "stopped at its first error, as on_error says: "
			if s := status.Convert(err); s.Code() != codes.Aborted || !strings.HasPrefix(s.Message(), words) ||
				!strings.Contains(s.Message(), "no space left") {
				t.Errorf("Run = %v; want aborted at the failure", err)
			}
			if got := c.Failure(); got == nil || got.Error() != status.Convert(err).Message() {
				t.Errorf("Failure = %v; want what Run says", got)
			}
			messages := stream.sent()
			total := sum(messages)
			if total.GetErrors() != 1 || total.GetBytes() != 3500 || len(rollovers(messages)) != 1 ||
				messages[len(messages)-1].GetProgress() == nil {
				t.Errorf("told %v in %d messages; want one error, one file and the last progress", total, len(messages))
			}
			want := 0
			if keep {
				want = 1
			}
			if left, _ := d.left(); left != want || len(d.of("create")) != 2 {
				t.Errorf("%d files left of %d, want %d of 2", left, len(d.of("create")), want)
			}
			if answer, err := c.Heartbeat(context.Background(), nil); err != nil ||
				answer.GetState() != bulkheadv1.WorkerState_WORKER_STATE_IDLE {
				t.Errorf("%v, %v; want idle", answer, err)
			}
		})
	}
}

func TestStopOnErrorWithoutAnErrorIsLikeAnyOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConsumer(Options{StopOnError: true}, newScriptedDisk(slow(nil)))
		stream := &heldStream{ctx: t.Context()}
		ended := make(chan error, 1)
		go func() { ended <- c.Run(request("/", 1000, 2500, nil), stream) }()
		synctest.Wait()
		kill(t, c, 0)
		if err := <-ended; err != nil || c.Failure() != nil {
			t.Errorf("Run = %v, Failure = %v", err, c.Failure())
		}
	})
}
