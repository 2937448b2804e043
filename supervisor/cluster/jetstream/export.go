package jetstream

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go"

	"bulkhead/supervisor/cluster"
	"bulkhead/supervisor/journal"
)

// Node is one node of the engine: where clients connect to it, and where it tells of itself over HTTP
// ("http://host:8222"). One of the two may be "": then the node is not read, or not asked.
type Node struct {
	URL, Monitor string
}

// Source is a run in the engine, for who reads it and need not have joined it.
type Source struct {
	Run     string
	Nodes   []Node
	Options []nats.Option
	// Patience is how long a node is waited for that does not answer; 0 is 10 s.
	Patience time.Duration
}

// Exported is what Export has written.
type Exported struct {
	journal.Composed
	// Node is where it was read.
	Node string
	// Ended says that the run has its end: only then is what was written the same at any time.
	Ended bool
	// Reported says that the supervisors have reported the run's sum, and it is this one.
	Reported bool
	// Damage lists what is wrong with other replicas, as far as it was seen.
	Damage []Damage
	// Unseen says which nodes could not be asked, and why.
	Unseen []error
}

// Export writes the run as an ordinary journal into a folder that it makes. The bytes are the same
// from every node. It reads the first node whose replicas are whole, and says of the others what it
// has found; in one segment (0), a node that gives anything but what was reported is damaged. When none
// is whole nothing is written, and the error wraps ErrDamaged.
func Export(ctx context.Context, s Source, dir string, segmentBytes int64) (Exported, error) {
	var made Exported
	x, err := s.extent(ctx)
	if err != nil {
		return made, err
	}
	made.Ended = x.ended
	damaged := made.survey(ctx, s, x)
	var causes []error
	for _, n := range s.Nodes {
		if n.URL == "" {
			continue
		}
		composed, name, err := s.compose(ctx, x, n, damaged, dir, segmentBytes)
		var d *Damage
		switch {
		case err == nil && name != "":
			made.Composed, made.Node, made.Reported = composed, name, x.sum != "" && segmentBytes == 0
			return made, nil
		case err == nil: // what is wrong with it is known
		case errors.As(err, &d):
			made.Damage = append(made.Damage, *d)
		case errors.Is(err, cluster.ErrUnavailable) && ctx.Err() == nil:
			made.Unseen = append(made.Unseen, fmt.Errorf("node %s: %w", n.URL, err))
		default:
			return made, err
		}
	}
	for i := range made.Damage {
		causes = append(causes, &made.Damage[i])
	}
	return made, fmt.Errorf("no node has the whole run: %w", errors.Join(append(causes, made.Unseen...)...))
}

// Examine reads every replica of the run whole, and returns what is wrong with each, and which nodes
// could not be asked. Of a replica it returns the first damage that was found.
func Examine(ctx context.Context, s Source) (damage []Damage, unseen []error, err error) {
	x, err := s.extent(ctx)
	if err != nil {
		return nil, nil, err
	}
	var made Exported
	made.survey(ctx, s, x)
	seen := make(map[string]bool)
	for _, n := range s.Nodes {
		if n.URL == "" {
			continue
		}
		err := s.read(n, func(e *servers, name string) error {
			seen[name] = true
			for _, err := range x.records(ctx, e, x.on(e, name), name) {
				if err != nil {
					return err
				}
			}
			return nil
		})
		var d *Damage
		switch {
		case errors.As(err, &d):
			made.Damage = append(made.Damage, *d)
		case err != nil:
			made.Unseen = append(made.Unseen, fmt.Errorf("node %s: %w", n.URL, err))
		}
	}
	for _, name := range x.peers {
		if !seen[name] && len(made.Unseen) == 0 {
			made.Unseen = append(made.Unseen, fmt.Errorf("node %s has a replica, too: name its address", name))
		}
	}
	return made.Damage, made.Unseen, nil
}

// survey asks each node for the state of its replicas, before anything is read. It returns the nodes
// that say themselves that they lack something, by their names.
func (made *Exported) survey(ctx context.Context, s Source, x extent) (damaged map[string]bool) {
	damaged = make(map[string]bool)
	for _, n := range s.Nodes {
		if n.Monitor == "" {
			continue
		}
		damage, err := s.judged(ctx, n.Monitor, x)
		if err != nil {
			made.Unseen = append(made.Unseen, fmt.Errorf("node %s: %w", n.Monitor, err))
			continue
		}
		for _, d := range damage {
			made.Damage = append(made.Damage, d)
			damaged[d.Node] = true
		}
	}
	return damaged
}

// judged returns what a node says itself that its replicas lack. One that has not caught up yet is waited for.
func (s Source) judged(ctx context.Context, monitor string, x extent) ([]Damage, error) {
	late, cancel := context.WithTimeout(ctx, cmp.Or(s.Patience, defaultPatience))
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		found, err := statesOf(ctx, monitor)
		if err != nil {
			return nil, err
		}
		damage, behind := found.judge(x)
		if !behind || !rest(late, pause) {
			return damage, nil
		}
	}
}

// extent finds out how far the run goes.
func (s *Source) extent(ctx context.Context) (x extent, err error) {
	if !usable.MatchString(s.Run) {
		return x, fmt.Errorf("%w: %q is no id of a run", ErrNoRun, s.Run)
	}
	err = s.connect(func(e *servers) error {
		x, err = extentOf(ctx, e, s.Run)
		return err
	})
	return x, err
}

// connect calls do with a connection to one of the nodes, whichever is there.
func (s *Source) connect(do func(e *servers) error) error {
	var urls []string
	for _, n := range s.Nodes {
		if n.URL != "" {
			urls = append(urls, n.URL)
		}
	}
	if len(urls) == 0 {
		return errors.New("no node of the engine is named")
	}
	conn, err := connect(urls, s.Options)
	if err != nil {
		return err
	}
	defer conn.Close()
	return do(s.connected(conn))
}

func (s *Source) connected(conn *nats.Conn) *servers {
	return &servers{conn: conn, patience: cmp.Or(s.Patience, defaultPatience)}
}

// defaultPatience is how long a node is waited for if nothing else is said.
const defaultPatience = 10 * time.Second

// read calls do with a connection to one node, and the node's name.
func (s *Source) read(n Node, do func(e *servers, name string) error) error {
	conn, err := only(n.URL, s.Options)
	if err != nil {
		return err
	}
	defer conn.Close()
	return do(s.connected(conn), conn.ConnectedServerName())
}

// compose writes the run as one node has it, and returns the node's name too; of one that is damaged
// it writes nothing, and returns no name.
func (s *Source) compose(ctx context.Context, x extent, n Node, damaged map[string]bool, dir string,
	segmentBytes int64) (made journal.Composed, node string, err error) {
	err = s.read(n, func(e *servers, name string) error {
		if damaged[name] {
			return nil
		}
		node = name
		made, err = journal.Compose(dir, segmentBytes, x.records(ctx, e, x.on(e, name), name))
		if sum := hex.EncodeToString(made.Sum[:]); err == nil && x.sum != "" && x.sum != sum &&
			segmentBytes == 0 {
			return errors.Join(&Damage{Node: name, Stream: x.names.stream(0), What: fmt.Sprintf(
				"what it gives has the SHA-256 %s, and %s was reported", sum, x.sum)}, os.RemoveAll(dir))
		}
		return err
	})
	return made, node, err
}

// only connects to one node, and to no other one.
func only(url string, more []nats.Option) (*nats.Conn, error) {
	return connect([]string{url}, append([]nats.Option{nats.IgnoreDiscoveredServers(), nats.DontRandomize()}, more...))
}
