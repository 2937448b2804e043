package jetstream

import (
	"context"
	"errors"
	"fmt"

	natsjs "github.com/nats-io/nats.go/jetstream"
)

// streamOf returns how a run's stream is set up: nothing that is in it is ever removed, and a full
// engine refuses what is new.
func (n names) streamOf(k, replicas int) natsjs.StreamConfig {
	return natsjs.StreamConfig{
		Name: n.stream(k), Description: "Bulkhead: the journal of run " + n.run, Subjects: []string{n.subjects(k)},
		Storage: natsjs.FileStorage, Replicas: replicas, Retention: natsjs.LimitsPolicy, Discard: natsjs.DiscardNew,
		DenyDelete: true, DenyPurge: true,
		AllowDirect: true, // of each replica; whoever decides something asks the leader
	}
}

// makeStreams makes the streams of a run that are not there, and checks those that are.
func makeStreams(ctx context.Context, e *servers, n names, replicas int) error {
	api, err := natsjs.New(e.conn)
	if err != nil {
		return err
	}
	for k := range n.shards + 1 {
		want := n.streamOf(k, replicas)
		_, err := patiently(ctx, e, func(ctx context.Context) (natsjs.Stream, error) {
			ctx, cancel := context.WithTimeout(ctx, 2*attempt)
			defer cancel()
			s, err := api.CreateStream(ctx, want)
			if errors.Is(err, natsjs.ErrStreamNameAlreadyInUse) {
				s, err = api.Stream(ctx, want.Name)
			}
			return s, err
		})
		if err != nil {
			return fmt.Errorf("making stream %s with %d replicas: %w", want.Name, replicas, err)
		}
		if err := e.checkStream(ctx, api, want); err != nil {
			return err
		}
	}
	return nil
}

// checkStream checks that a stream is as it must be.
func (e *servers) checkStream(ctx context.Context, api natsjs.JetStream, want natsjs.StreamConfig) error {
	info, err := patiently(ctx, e, func(ctx context.Context) (*natsjs.StreamInfo, error) {
		ctx, cancel := context.WithTimeout(ctx, attempt)
		defer cancel()
		s, err := api.Stream(ctx, want.Name)
		if err != nil {
			return nil, err
		}
		return s.CachedInfo(), nil
	})
	if err != nil {
		return fmt.Errorf("looking at stream %s: %w", want.Name, err)
	}
	c := info.Config
	for _, one := range []struct {
		wrong bool
		what  string
	}{
		{c.Storage != want.Storage, "storage is not file"},
		{c.Replicas != want.Replicas, fmt.Sprintf("replicas is %d, not %d", c.Replicas, want.Replicas)},
		{c.Discard != want.Discard, "discard is not new"},
		{c.Retention != want.Retention, "retention is not limits"},
		{c.NoAck, "no_ack is set"},
		{c.MaxMsgSize > 0, "it has a limit on the size of messages"},
		{!c.DenyDelete || !c.DenyPurge, "deny_delete or deny_purge is not set"},
		{!c.AllowDirect, "allow_direct is not set"},
		{c.MaxAge != 0 || c.MaxMsgs > 0 || c.MaxMsgsPerSubject > 0, "it has a limit on age or messages"},
		{len(c.Subjects) != 1 || c.Subjects[0] != want.Subjects[0], "it has other subjects"},
	} {
		if one.wrong {
			return fmt.Errorf("stream %s exists and cannot hold the run: %s", want.Name, one.what)
		}
	}
	return nil
}
