package remote

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"bulkhead/internal/human"
	"bulkhead/supervisor/cluster/jetstream"
)

// Listed is a run that an engine has, as programs read it.
type Listed struct {
	Run string `json:"run"`
	// BegunAt is by the engine's clock; null for one that nobody has joined.
	BegunAt *time.Time `json:"begun_at"`
	// State is begun, ended, or reported, once its supervisors have come to a sum; or empty.
	State       string `json:"state"`
	Supervisors uint32 `json:"supervisors"`
	Clients     uint32 `json:"clients"`
	// Bytes is what it takes on each node that has a replica.
	Bytes uint64 `json:"bytes"`
}

// List returns the runs that the engine has, in the order in which they began.
func (e *Engine) List(ctx context.Context) ([]Listed, error) {
	found, err := jetstream.List(ctx, e.source)
	if err != nil {
		return nil, e.explained(err)
	}
	list := []Listed{}
	for _, f := range found {
		one := Listed{Run: f.Run, State: "begun", Supervisors: f.Supervisors, Clients: f.Clients, Bytes: f.Bytes}
		switch {
		case f.Begun.IsZero():
			one.State = "empty"
		case f.Sum != "":
			one.State = "reported"
		case f.Ended:
			one.State = "ended"
		}
		if !f.Begun.IsZero() {
			at := f.Begun.UTC().Truncate(time.Second)
			one.BegunAt = &at
		}
		list = append(list, one)
	}
	return list, nil
}

// WriteList writes runs for a person.
func WriteList(list []Listed, w io.Writer) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "no runs")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "RUN\tBEGUN\tSTATE\tSUPERVISORS\tCLIENTS\tSIZE")
	for _, one := range list {
		begun := "-"
		if one.BegunAt != nil {
			begun = one.BegunAt.Format("2006-01-02 15:04:05Z")
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%s\n", one.Run, begun, one.State, one.Supervisors, one.Clients,
			human.Size(one.Bytes))
	}
	return t.Flush()
}

// WriteListJSON writes runs for a program.
func WriteListJSON(list []Listed, w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(list)
}
