package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	fetchMessages = 512
	fetchBytes    = 4 << 20
)

// fetch reads many messages of a stream at once, from a sequence on, of one subject or of all (""). It
// asks for any replica: the engine chooses one. What that replica has lost is not among them.
func fetch(ctx context.Context, conn *nats.Conn, stream, subject string, from uint64) (list []stored, err error) {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	request := map[string]any{"seq": max(from, 1), "batch": fetchMessages, "max_bytes": fetchBytes}
	if subject != "" {
		request["next_by_subj"] = subject
	}
	data, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	inbox := conn.NewRespInbox()
	sub, err := conn.SubscribeSync(inbox)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, sub.Unsubscribe()) }()
	if err := conn.PublishRequest("$JS.API.DIRECT.GET."+stream, inbox, data); err != nil {
		return nil, err
	}
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return list, fmt.Errorf("reading %s from message %d on: %w", stream, from, err)
		}
		switch status := m.Header.Get("Status"); status {
		case "":
			one, err := storedOf(m)
			if err != nil {
				return list, err
			}
			list = append(list, one)
		case "204", "404": // the end of what was asked for; nothing is there
			return list, nil
		case "503":
			return list, fmt.Errorf("reading %s: no replica answers", stream)
		default:
			return list, fmt.Errorf("reading %s: %s %s", stream, status, m.Header.Get("Description"))
		}
	}
}

// storedOf returns what a replica has sent.
func storedOf(m *nats.Msg) (s stored, err error) {
	s = stored{subject: m.Header.Get("Nats-Subject"), header: m.Header, payload: m.Data}
	if s.seq, err = strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64); err != nil {
		return s, fmt.Errorf("a replica's answer: %w", err)
	}
	if s.time, err = time.Parse(time.RFC3339Nano, m.Header.Get("Nats-Time-Stamp")); err != nil {
		return s, fmt.Errorf("a replica's answer: %w", err)
	}
	return s, nil
}
