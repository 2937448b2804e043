package jetstream

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	natsjs "github.com/nats-io/nats.go/jetstream"
)

// Listed is a run that an engine has.
type Listed struct {
	Run string
	// Begun is when its first supervisor joined, by the engine's clock; zero if none has.
	Begun time.Time
	// Supervisors is how many have joined it, and Clients how many have a session.
	Supervisors, Clients uint32
	// Ended says that it has its end, and Sum is the SHA-256 of its journal, if that was reported.
	Ended bool
	Sum   string
	// Messages and Bytes are what its streams have, in one replica.
	Messages, Bytes uint64
}

// streamForm is what the stream of a run is called.
var streamForm = regexp.MustCompile(`^BH_([A-Za-z0-9-]{1,64})_([0-9]{1,2})$`)

// List returns the runs that an engine has, in the order in which they began. Source's Run is not
// looked at.
func List(ctx context.Context, s Source) ([]Listed, error) {
	var list []Listed
	err := s.connect(func(e *servers) error {
		api, err := natsjs.New(e.conn)
		if err != nil {
			return err
		}
		found, err := patiently(ctx, e, func(ctx context.Context) (map[string]*Listed, error) {
			ctx, cancel := context.WithTimeout(ctx, 2*attempt)
			defer cancel()
			return streamsOf(ctx, api)
		})
		if err != nil {
			return fmt.Errorf("listing the streams of the engine: %w", err)
		}
		for run, one := range found {
			if err := e.describe(ctx, names{run: run}, one); err != nil {
				return fmt.Errorf("looking at run %s: %w", run, err)
			}
			list = append(list, *one)
		}
		return nil
	})
	slices.SortFunc(list, func(a, b Listed) int {
		if c := a.Begun.Compare(b.Begun); c != 0 {
			return c
		}
		return slices.Compare([]byte(a.Run), []byte(b.Run))
	})
	return list, err
}

// streamsOf returns the runs whose streams are there, with what these have.
func streamsOf(ctx context.Context, api natsjs.JetStream) (map[string]*Listed, error) {
	found := make(map[string]*Listed)
	all := api.ListStreams(ctx, natsjs.WithStreamListSubject("bh.>"))
	for info := range all.Info() {
		parts := streamForm.FindStringSubmatch(info.Config.Name)
		if parts == nil {
			continue
		}
		one := found[parts[1]]
		if one == nil {
			one = &Listed{Run: parts[1]}
			found[parts[1]] = one
		}
		one.Messages, one.Bytes = one.Messages+info.State.Msgs, one.Bytes+info.State.Bytes
	}
	return found, all.Err()
}

// describe reads how far a run has come.
func (e *servers) describe(ctx context.Context, n names, one *Listed) error {
	get := func(read func(context.Context) (stored, error)) (stored, error) {
		return patiently(ctx, e, func(ctx context.Context) (stored, error) {
			m, err := read(ctx)
			if codeOf(err) == codeNoStream { // removed, or half made
				return stored{}, nil
			}
			return m, err
		})
	}
	first, err := get(func(ctx context.Context) (stored, error) { return e.next(ctx, n.stream(0), n.course(), 1) })
	if err != nil || first.seq == 0 {
		return err
	}
	last, err := get(func(ctx context.Context) (stored, error) { return e.last(ctx, n.stream(0), n.course()) })
	if err != nil {
		return err
	}
	one.Begun, one.Supervisors = first.time, uint32(last.number(supervisorsHeader))
	one.Ended, one.Sum = last.header.Get(endedHeader) != "", last.header.Get(sumHeader)
	shards, _ := strconv.Atoi(last.header.Get(shardsHeader))
	for k := 1; k <= min(shards, maxShards); k++ {
		reg, err := get(func(ctx context.Context) (stored, error) { return e.last(ctx, n.stream(k), n.register(k)) })
		if err != nil {
			return err
		}
		one.Clients += uint32(reg.number(openedHeader))
	}
	return nil
}
