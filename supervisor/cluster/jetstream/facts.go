package jetstream

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// maxAnswerBytes bounds what a node may tell of itself.
const maxAnswerBytes = 64 << 20

// Facts are what one node tells of itself.
type Facts struct {
	// Name is the node's, and Version that of its program.
	Name, Version string
	// JetStream says that it is switched on, SyncAlways that every write is synced before it is
	// acknowledged, and SyncInterval how often it is otherwise.
	JetStream    bool
	SyncAlways   bool
	SyncInterval time.Duration
	// MaxPayload of a message, in bytes.
	MaxPayload int
	// Cluster is the name of the cluster, and Peers how many nodes keep its metadata.
	Cluster string
	Peers   int
	// Store is the folder on the node's machine.
	Store string
}

// FactsOf asks a node at its monitoring address ("http://host:8222").
func FactsOf(ctx context.Context, monitor string) (Facts, error) {
	var v struct {
		Name       string `json:"server_name"`
		Version    string `json:"version"`
		MaxPayload int    `json:"max_payload"`
		Cluster    struct {
			Name string `json:"name"`
		} `json:"cluster"`
	}
	if err := get(ctx, monitor, "/varz", &v); err != nil {
		return Facts{}, err
	}
	var j struct {
		Disabled bool `json:"disabled"`
		Config   struct {
			SyncInterval time.Duration `json:"sync_interval"`
			SyncAlways   bool          `json:"sync_always"`
			Store        string        `json:"store_dir"`
		} `json:"config"`
		Meta struct {
			Size int `json:"cluster_size"`
		} `json:"meta_cluster"`
	}
	if err := get(ctx, monitor, "/jsz?config=true", &j); err != nil {
		return Facts{}, err
	}
	return Facts{Name: v.Name, Version: v.Version, JetStream: !j.Disabled, SyncAlways: j.Config.SyncAlways,
		SyncInterval: j.Config.SyncInterval, MaxPayload: v.MaxPayload, Cluster: v.Cluster.Name,
		Peers: j.Meta.Size, Store: j.Config.Store}, nil
}

// get asks a node for a page of JSON.
func get(ctx context.Context, monitor, page string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(monitor, "/")+page, nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, Proxy: http.ProxyFromEnvironment}}
	answer, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("asking a node of the engine: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("asking a node of the engine: %s answers %s", request.URL, answer.Status)
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxAnswerBytes)).Decode(into); err != nil {
		return fmt.Errorf("what %s answers: %w", request.URL, err)
	}
	return nil
}

// states are those of a node's replicas.
type states struct {
	node    string
	streams map[string]replicaState
}

type replicaState struct {
	Messages uint64 `json:"messages"`
	First    uint64 `json:"first_seq"`
	Last     uint64 `json:"last_seq"`
	Deleted  uint64 `json:"num_deleted"`
}

// statesOf asks a node for the state of each of its replicas.
func statesOf(ctx context.Context, monitor string) (states, error) {
	found := states{streams: make(map[string]replicaState)}
	var v struct {
		Name string `json:"server_name"`
	}
	if err := get(ctx, monitor, "/varz", &v); err != nil {
		return found, err
	}
	found.node = v.Name
	var j struct {
		Accounts []struct {
			Streams []struct {
				Name  string       `json:"name"`
				State replicaState `json:"state"`
			} `json:"stream_detail"`
		} `json:"account_details"`
	}
	if err := get(ctx, monitor, "/jsz?accounts=true&streams=true&limit=100000", &j); err != nil {
		return found, err
	}
	for _, a := range j.Accounts {
		for _, s := range a.Streams {
			found.streams[s.Name] = s.State
		}
	}
	return found, nil
}

// judge returns what a node's replicas lack of a run. behind says that one lacks the end, as one
// does that has not caught up, or is being read in by a node that has just been started.
func (s states) judge(x extent) (damage []Damage, behind bool) {
	for k, upto := range x.upto {
		name := x.names.stream(k)
		st, there := s.streams[name]
		what := ""
		switch {
		case upto == 0:
		case !there:
			what = "it has no replica"
		case st.First != 1 || st.Deleted > 0 || st.Messages != st.Last:
			what = fmt.Sprintf("it has %d messages from %d to %d, and %d are deleted", st.Messages, st.First, st.Last,
				st.Deleted)
		case st.Last < upto:
			what = fmt.Sprintf("it ends with message %d; %d are of the run", st.Last, upto)
		}
		behind = behind || st.Last < upto
		if what != "" {
			damage = append(damage, Damage{Node: s.node, Stream: name, What: what})
		}
	}
	return damage, behind
}
