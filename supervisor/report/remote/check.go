package remote

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"bulkhead/supervisor/cluster/jetstream"
	"bulkhead/supervisor/report/saved"
	"bulkhead/supervisor/rundir"
)

// Checked is what was found of a run's journal and of each of its replicas, as programs read it.
type Checked struct {
	// Run is where it is, and Clean says that the records are whole and in order, every replica was read
	// whole, and none is damaged.
	Run   string `json:"run"`
	Clean bool   `json:"clean"`
	// Ended says that the run has its end, Reported that its supervisors came to the same SHA256, which
	// is of the journal that an export makes.
	Ended    bool   `json:"ended"`
	Reported bool   `json:"reported"`
	SHA256   string `json:"sha256"`
	// Node is the one whose replicas the records were read from; "" if none has all.
	Node string `json:"node"`
	// Damage is what is wrong with replicas, and Unseen says which nodes could not be asked, and why.
	Damage []Replica `json:"damage"`
	Unseen []string  `json:"unseen"`
	// Journal is what was found of the records; null if no replica has all.
	Journal *saved.Checked `json:"journal"`
}

// Replica is what is wrong with one replica.
type Replica struct {
	Node   string `json:"node"`
	Stream string `json:"stream"`
	// Message is the first that is missing or wrong; 0 if it is not known.
	Message uint64 `json:"message"`
	What    string `json:"what"`
}

// Check reads every replica of the run whole, and checks the records of one that is.
func (e *Engine) Check(ctx context.Context) (*Checked, error) {
	damage, unseen, err := jetstream.Examine(ctx, e.source)
	if err != nil {
		return nil, e.explained(err)
	}
	c := &Checked{Run: e.place.String(), Damage: []Replica{}, Unseen: []string{}}
	dir, err := os.MkdirTemp("", "bulkhead-journal-")
	if err != nil {
		return nil, fmt.Errorf("a folder for what is read from the engine: %w", err)
	}
	defer os.RemoveAll(dir)
	made, err := e.export(ctx, dir)
	lost := (*DamageError)(nil)
	if err != nil && !errors.As(err, &lost) {
		return nil, err
	}
	if err == nil {
		c.Ended, c.Reported, c.Node = made.Ended, made.Reported, made.Node
		c.SHA256 = hex.EncodeToString(made.Sum[:])
		if c.Journal, err = saved.CheckJournal(filepath.Join(dir, rundir.JournalFolder)); err != nil {
			return nil, err
		}
		c.Journal.Folder = c.Run
	}
	c.add(append(damage, made.Damage...), unseen)
	c.Clean = c.Journal != nil && c.Journal.Clean && len(c.Damage) == 0 && len(c.Unseen) == 0
	return c, nil
}

// add takes in what is wrong with replicas, each place once.
func (c *Checked) add(damage []jetstream.Damage, unseen []error) {
	seen := make(map[jetstream.Damage]bool)
	for _, d := range damage {
		if !seen[d] {
			c.Damage = append(c.Damage, Replica{d.Node, d.Stream, d.Sequence, d.What})
		}
		seen[d] = true
	}
	for _, err := range unseen {
		c.Unseen = append(c.Unseen, err.Error())
	}
}

// JSON writes what was found for a program.
func (c *Checked) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(c)
}

// Text writes what was found for a person.
func (c *Checked) Text(w io.Writer) error {
	var out bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) }
	line("%s: %s", c.word(), c.Run)
	if c.Node != "" {
		line("  from        node %s", c.Node)
		line("  sha256      %s%s", c.SHA256, standing(c.Ended, c.Reported))
	} else {
		line("  from        no node has the whole run; nothing of it was checked")
	}
	for _, d := range c.Damage {
		one := jetstream.Damage{Node: d.Node, Stream: d.Stream, Sequence: d.Message, What: d.What}
		line("  damage      %s", one.Words())
	}
	for _, text := range c.Unseen {
		line("  not asked   %s", text)
	}
	if c.Journal != nil {
		if err := c.Journal.Text(&out); err != nil {
			return err
		}
	}
	_, err := w.Write(out.Bytes())
	return err
}

// word returns what was found in a few words.
func (c *Checked) word() string {
	switch {
	case c.Clean:
		return "CLEAN"
	case c.Journal == nil:
		return "LOST"
	case len(c.Damage) > 0:
		return "DAMAGED REPLICA"
	case !c.Journal.Clean:
		return "NOT IN ORDER"
	default:
		return "NOT ALL CHECKED"
	}
}
