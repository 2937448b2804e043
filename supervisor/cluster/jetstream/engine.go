package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/semaphore"

	"bulkhead/supervisor/cluster"
)

// The engine's error codes that decide something.
const (
	codeWrongLast      = 10071
	codeWrongLastBrief = 10164 // also to a lone writer whose message before is still on its way
	codeNoMessage      = 10037
	codeNoStream       = 10059
	codeTooLong        = 10054
)

// attempt is how long one request may take before the head is looked at.
const attempt = 2 * time.Second

// servers is a connection to the engine, to whichever of its nodes is there. It retries what may be
// retried, and finds out what became of what was not answered.
type servers struct {
	conn *nats.Conn
	// slots are places for messages on their way, by stream: first come, first served. One whose leader is
	// slow, or which has none, holds up no other.
	slots    map[string]*semaphore.Weighted
	patience time.Duration
}

// lostRace says that somebody else has written to the subject: last is the newest message there.
type lostRace struct{ last stored }

func (e *lostRace) Error() string { return fmt.Sprintf("message %d is not ours", e.last.seq) }

// apiError is what the engine answers instead.
type apiError struct {
	Code        int    `json:"code"`
	ErrCode     int    `json:"err_code"`
	Description string `json:"description"`
}

func (e *apiError) Error() string { return fmt.Sprintf("%s (%d)", e.Description, e.ErrCode) }

func codeOf(err error) int {
	var api *apiError
	if errors.As(err, &api) {
		return api.ErrCode
	}
	return 0
}

// put stores a message if after is the last sequence of its subject, and returns its own. When the
// engine does not answer, or refuses what may be right, the newest message of the subject decides:
// ours is durable; the one before it means the same again; any other is a lostRace.
func (e *servers) put(ctx context.Context, m message, after uint64) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, e.patience)
	defer cancel()
	slots := e.slots[m.stream]
	if err := slots.Acquire(ctx, 1); err != nil {
		return 0, unavailable(err)
	}
	defer slots.Release(1)
	defer cluster.Asks(ctx)()
	m.header.Set(expectedHeader, decimal(after))
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		seq, err := e.publish(ctx, m)
		switch {
		case err == nil:
			return seq, nil
		case codeOf(err) == codeTooLong, errors.Is(err, nats.ErrMaxPayload):
			return 0, fmt.Errorf("%w: %w", cluster.ErrRefused, err)
		case errors.Is(err, nats.ErrConnectionClosed):
			return 0, fmt.Errorf("%w: %w", cluster.ErrFailed, err)
		}
		last, why := e.last(ctx, m.stream, m.subject)
		switch {
		case why != nil:
			err = errors.Join(err, why)
		case last.header.Get(idHeader) == m.id():
			return last.seq, nil
		case last.seq > after:
			return 0, &lostRace{last}
		case last.seq < after:
			err = fmt.Errorf("the engine's newest message of %s is %d, and it has acknowledged %d", m.subject, last.seq,
				after)
		}
		if !rest(ctx, pause) {
			return 0, unavailable(err)
		}
	}
}

const (
	firstPause = 5 * time.Millisecond
	lastPause  = 500 * time.Millisecond
)

// rest waits for about d, and reports whether ctx has time left.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d/2 + rand.N(d))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

func unavailable(err error) error { return fmt.Errorf("%w: %w", cluster.ErrUnavailable, err) }

// publish sends a message once.
func (e *servers) publish(ctx context.Context, m message) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	answer, err := e.conn.RequestMsgWithContext(ctx, &nats.Msg{Subject: m.subject, Header: m.header, Data: m.payload})
	if err != nil {
		return 0, e.refused(err)
	}
	var ack struct {
		Error  *apiError `json:"error"`
		Stream string    `json:"stream"`
		Seq    uint64    `json:"seq"`
	}
	if err := json.Unmarshal(answer.Data, &ack); err != nil {
		return 0, fmt.Errorf("the engine's answer: %w", err)
	}
	if ack.Error != nil {
		return 0, ack.Error
	}
	if ack.Stream != m.stream || ack.Seq == 0 {
		return 0, fmt.Errorf("message %d of stream %q was acknowledged, not of %s", ack.Seq, ack.Stream, m.stream)
	}
	return ack.Seq, nil
}

// ask calls a function of the engine's API, once.
func (e *servers) ask(ctx context.Context, subject string, request, into any) error {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	data, err := json.Marshal(request)
	if err != nil {
		return err
	}
	answer, err := e.conn.RequestWithContext(ctx, "$JS.API."+subject, data)
	if err != nil {
		return fmt.Errorf("asking for %s: %w", subject, e.refused(err))
	}
	var failed struct {
		Error *apiError `json:"error"`
	}
	if err := json.Unmarshal(answer.Data, &failed); err != nil {
		return fmt.Errorf("the engine's answer: %w", err)
	}
	if failed.Error != nil {
		return failed.Error
	}
	return json.Unmarshal(answer.Data, into)
}

// refused adds to an error that nothing was answered that this user may not ask: the engine tells that
// apart from answers.
func (e *servers) refused(err error) error {
	if err == nil {
		return nil
	}
	if last := e.conn.LastError(); errors.Is(last, nats.ErrPermissionViolation) {
		return fmt.Errorf("%w; the user lacks a permission: %w", err, last)
	}
	return err
}

// last returns the newest message of a subject, as the stream's leader has it.
func (e *servers) last(ctx context.Context, stream, subject string) (stored, error) {
	return e.message(ctx, stream, map[string]any{"last_by_subj": subject})
}

// next returns the first message of a subject from a sequence on, as the stream's leader has it.
func (e *servers) next(ctx context.Context, stream, subject string, from uint64) (stored, error) {
	return e.message(ctx, stream, map[string]any{"seq": max(from, 1), "next_by_subj": subject})
}

// message gets one from the stream's leader; none if there is none.
func (e *servers) message(ctx context.Context, stream string, which map[string]any) (stored, error) {
	var found struct {
		Message struct {
			Subject string    `json:"subject"`
			Seq     uint64    `json:"seq"`
			Header  []byte    `json:"hdrs"`
			Data    []byte    `json:"data"`
			Time    time.Time `json:"time"`
		} `json:"message"`
	}
	err := e.ask(ctx, "STREAM.MSG.GET."+stream, which, &found)
	if codeOf(err) == codeNoMessage {
		return stored{}, nil
	}
	if err != nil {
		return stored{}, err
	}
	m := found.Message
	header := nats.Header{}
	if len(m.Header) > 0 {
		if header, err = nats.DecodeHeadersMsg(m.Header); err != nil {
			return stored{}, fmt.Errorf("the headers of message %d of %s: %w", m.Seq, stream, err)
		}
	}
	return stored{m.Subject, m.Seq, header, m.Data, m.Time}, nil
}

// lastSequence returns the last sequence of a stream, as its leader has it.
func (e *servers) lastSequence(ctx context.Context, stream string) (uint64, error) {
	var info struct {
		State struct {
			Last uint64 `json:"last_seq"`
		} `json:"state"`
	}
	err := e.ask(ctx, "STREAM.INFO."+stream, struct{}{}, &info)
	return info.State.Last, err
}

// peers returns the names of the nodes that have a replica of a stream; none of a node alone.
func (e *servers) peers(ctx context.Context, stream string) (names []string, err error) {
	var info struct {
		Cluster struct {
			Leader   string `json:"leader"`
			Replicas []struct {
				Name string `json:"name"`
			} `json:"replicas"`
		} `json:"cluster"`
	}
	_, err = patiently(ctx, e, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, e.ask(ctx, "STREAM.INFO."+stream, struct{}{}, &info)
	})
	if info.Cluster.Leader != "" {
		names = append(names, info.Cluster.Leader)
	}
	for _, r := range info.Cluster.Replicas {
		names = append(names, r.Name)
	}
	return names, err
}

// patiently calls get until it succeeds; it returns ErrUnavailable when it never did.
func patiently[T any](ctx context.Context, e *servers, get func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, e.patience)
	defer cancel()
	defer cluster.Asks(ctx)()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		v, err := get(ctx)
		if err == nil {
			return v, nil
		}
		if errors.Is(err, nats.ErrConnectionClosed) {
			return v, fmt.Errorf("%w: %w", cluster.ErrFailed, err)
		}
		if !rest(ctx, pause) {
			return v, unavailable(err)
		}
	}
}

// putAmong does what put does on a subject that others write to as well: a message of ours that
// others have followed already is no lostRace. It is the one right behind after, or nowhere.
func (e *servers) putAmong(ctx context.Context, m message, after uint64) (uint64, error) {
	seq, err := e.put(ctx, m, after)
	var lost *lostRace
	if !errors.As(err, &lost) {
		return seq, err
	}
	behind, why := patiently(ctx, e, func(ctx context.Context) (stored, error) {
		return e.next(ctx, m.stream, m.subject, after+1)
	})
	if why != nil {
		return 0, why
	}
	if behind.header.Get(idHeader) == m.id() {
		return behind.seq, nil
	}
	return 0, err
}
