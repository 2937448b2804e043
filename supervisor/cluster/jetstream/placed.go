package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	natsjs "github.com/nats-io/nats.go/jetstream"
)

// source gives the messages of one stream.
type source interface {
	// fetch returns some messages in order, from a sequence on and no later than upto. What is missing
	// is not among them.
	fetch(ctx context.Context, from, upto uint64) ([]stored, error)
	// close lets go of what the source has in the engine.
	close() error
}

// anywhere reads from whichever replicas answer: the engine chooses, and does not say which. What one
// has lost the leader is asked for.
type anywhere struct {
	servers *servers
	stream  string
}

func (a anywhere) fetch(ctx context.Context, from, _ uint64) ([]stored, error) {
	list, err := fetch(ctx, a.servers.conn, a.stream, "", from)
	for i, m := range list {
		if m.seq != from+uint64(i) {
			list = list[:i] // up to what is missing
			break
		}
	}
	if len(list) > 0 {
		return list, nil
	}
	m, why := a.servers.message(ctx, a.stream, map[string]any{"seq": from})
	if why != nil || m.seq == 0 {
		return nil, errors.Join(err, why)
	}
	return []stored{m}, nil
}

func (anywhere) close() error { return nil }

const (
	// placings is how often a consumer is made until one is on the wanted node: each has a chance of
	// one in as many as there are replicas.
	placings = 60
	// idleFor is when the engine forgets a consumer whose reader has died.
	idleFor = time.Minute
	// placedMessages is how many messages one request to a consumer asks for.
	placedMessages = 32
)

// placed reads the replica of one node: through a consumer that is on that node, which reads its own
// store and nothing else. The engine places consumers as it likes, and says where.
type placed struct {
	servers  *servers
	stream   string
	node     string
	api      natsjs.JetStream
	consumer natsjs.Consumer
	read     uint64 // the last message that was returned
}

func (p *placed) fetch(ctx context.Context, from, upto uint64) (list []stored, err error) {
	if p.consumer == nil || from != p.read+1 {
		if err := errors.Join(p.close(), p.place(ctx, from)); err != nil {
			return nil, err
		}
	}
	batch, err := p.consumer.Fetch(int(min(placedMessages, upto-from+1)), natsjs.FetchMaxWait(attempt))
	if err != nil {
		return nil, err
	}
	for m := range batch.Messages() {
		meta, err := m.Metadata()
		if err != nil {
			return nil, err
		}
		p.read = meta.Sequence.Stream
		list = append(list, stored{m.Subject(), p.read, m.Headers(), m.Data(), meta.Timestamp})
	}
	if len(list) > 0 {
		return list, nil
	}
	return nil, batch.Error()
}

// place makes a consumer on the node.
func (p *placed) place(ctx context.Context, from uint64) error {
	if p.api == nil {
		api, err := natsjs.New(p.servers.conn)
		if err != nil {
			return err
		}
		p.api = api
	}
	where := ""
	for range placings {
		c, err := p.make(ctx, from)
		if err != nil {
			return fmt.Errorf("reading %s: %w", p.stream, err)
		}
		p.consumer, p.read = c, from-1
		if cluster := c.CachedInfo().Cluster; cluster == nil || cluster.Leader == "" || cluster.Leader == p.node {
			return nil // a node alone does not say where
		}
		where = c.CachedInfo().Cluster.Leader
		if err := p.close(); err != nil {
			return err
		}
	}
	return fmt.Errorf("reading %s: the engine lets node %s read nothing; it takes %s", p.stream, p.node, where)
}

func (p *placed) make(ctx context.Context, from uint64) (natsjs.Consumer, error) {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	return p.api.CreateConsumer(ctx, p.stream, natsjs.ConsumerConfig{
		AckPolicy: natsjs.AckNonePolicy, DeliverPolicy: natsjs.DeliverByStartSequencePolicy, OptStartSeq: from,
		Replicas: 1, MemoryStorage: true, InactiveThreshold: idleFor,
	})
}

func (p *placed) close() error {
	if p.consumer == nil {
		return nil
	}
	name := p.consumer.CachedInfo().Name
	p.consumer = nil
	ctx, cancel := context.WithTimeout(context.Background(), attempt) // what was made is removed, whatever ended
	defer cancel()
	err := p.api.DeleteConsumer(ctx, p.stream, name)
	if errors.Is(err, natsjs.ErrConsumerNotFound) {
		return nil
	}
	return err
}
