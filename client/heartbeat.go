package client

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead/client/spec"
	"bulkhead/internal/boottime"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// goneReason begins the reason of a miss when the process has exited. Supervisors of before
// HeartbeatMiss.gone know it by these words.
const goneReason = "process is gone"

// patient is one worker as heartbeats see it.
type patient struct {
	process *bulkheadv1.Process
	service bulkheadv1.WorkerServiceClient
	// gone is closed when the process has exited; how then says how.
	gone <-chan struct{}
	how  func() string
}

// heartbeats asks all patients how they are, a round an interval, until ctx is
// done. say gets one message for each round that was finished. A round closes at
// the interval at the latest, so no patient can delay the next one.
func heartbeats(ctx context.Context, patients []patient, interval, timeout time.Duration,
	say func(*bulkheadv1.Heartbeat)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for round := uint64(1); ; round++ {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		beat := ask(ctx, patients, round, interval, timeout)
		if ctx.Err() != nil {
			return // the load has ended in the middle of the round
		}
		say(beat)
	}
}

// ask makes one round: all are asked at the same time, and the round closes when all have
// answered or close is over.
func ask(ctx context.Context, patients []patient, round uint64, close, timeout time.Duration) *bulkheadv1.Heartbeat {
	began := time.Now()
	beat := &bulkheadv1.Heartbeat{
		Round: round, StartedUnixNano: began.UnixNano(), StartedElapsedNano: boottime.At(began),
		TimeoutNano: int64(timeout),
	}
	ctx, cancel := context.WithTimeout(ctx, close)
	defer cancel()
	answers := make([]*bulkheadv1.HeartbeatAnswer, len(patients))
	misses := make([]*bulkheadv1.HeartbeatMiss, len(patients))
	var asked sync.WaitGroup
	for i, p := range patients {
		asked.Go(func() { answers[i], misses[i] = p.ask(ctx, round, close, timeout) })
	}
	asked.Wait() // ctx bounds it
	for i := range patients {
		if answers[i] != nil {
			beat.Answers = append(beat.Answers, answers[i])
		} else {
			beat.Misses = append(beat.Misses, misses[i])
		}
	}
	return beat
}

// ask returns the answer, or why there is none.
func (p patient) ask(ctx context.Context, round uint64, close, timeout time.Duration) (*bulkheadv1.HeartbeatAnswer,
	*bulkheadv1.HeartbeatMiss) {
	begin := time.Now()
	answer, err := p.service.Heartbeat(ctx, &bulkheadv1.HeartbeatRequest{Round: round})
	latency := time.Since(begin)
	if err == nil {
		return &bulkheadv1.HeartbeatAnswer{
			Process:     p.process,
			LatencyNano: int64(latency),
			State:       answer.GetState(),
			Late:        latency > timeout,
			StalledNano: answer.GetStalledNano(),
		}, nil
	}
	reason, gone := p.reason(ctx, err, begin, close)
	return nil, &bulkheadv1.HeartbeatMiss{Process: p.process, Reason: spec.Clip(reason), Gone: gone}
}

// reason returns why there was no answer, and whether that is because the process has exited. A
// connection breaks a moment before its process is known to be gone, so a broken one is looked
// at until the round closes, which was to be close after begin.
func (p patient) reason(ctx context.Context, err error, begin time.Time, close time.Duration) (why string, gone bool) {
	select {
	case <-p.gone:
		return goneReason + " (" + p.how() + ")", true
	default:
	}
	if code := status.Code(err); code == codes.DeadlineExceeded || code == codes.Canceled {
		return spec.Measured("no answer in", time.Since(begin), close), false
	}
	select {
	case <-p.gone:
		return goneReason + " (" + p.how() + ")", true
	case <-ctx.Done():
		return fmt.Sprintf("%s (%s)", spec.Measured("no answer in", time.Since(begin), close),
			status.Convert(err).Message()), false
	}
}
