package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"bulkhead/internal/config/value"
)

// The files in configs/ state every default, so loading one must change nothing.
func TestShippedFilesAreTheDefaults(t *testing.T) {
	supervisor := filepath.Join("..", "..", "configs", "supervisor.yaml")
	got, err := LoadSupervisor(supervisor, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	want, err := LoadSupervisor("", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: %s", supervisor, diff)
	}
	checkShipped(t, supervisor, SupervisorKeys())

	client := filepath.Join("..", "..", "configs", "client.yaml")
	gotClient, err := LoadClient(client, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantClient, err := LoadClient("", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wantClient, gotClient); diff != "" {
		t.Errorf("%s: %s", client, diff)
	}
	checkShipped(t, client, ClientKeys())

	agent := filepath.Join("..", "..", "configs", "agent.yaml")
	gotAgent, err := LoadAgent(agent, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantAgent, err := LoadAgent("", nil, []Override{{Key: "allow", Value: "/mnt/under-test:500GiB"}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wantAgent, gotAgent); diff != "" {
		t.Errorf("%s: %s", agent, diff)
	}
	checkShipped(t, agent, AgentKeys())
}

// checkShipped wants every key in the file, in order, with its default, and above
// it a comment with what is valid and what the default is.
func checkShipped(t *testing.T, path string, keys []Key) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	root, err := parse(data)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]*yaml.Node)
	var order []string
	collect(root, "", func(key string, name, value *yaml.Node) {
		found[key] = name
		order = append(order, key)
		if value.Kind != yaml.ScalarNode && len(value.Content) > 0 && key != "allow" { // which has no default
			t.Errorf("%s: %s is not empty", path, key)
		}
	})
	var want []string
	for _, k := range keys {
		if strings.Contains(k.Name, "[].") {
			continue // shown in the comment of consumers, or of stages
		}
		want = append(want, k.Name)
		if found[k.Name] == nil {
			continue // missing from order as well
		}
		def := k.Default
		if def == "" {
			def = "empty"
		}
		comment := strings.ReplaceAll(strings.ReplaceAll(found[k.Name].HeadComment, "\n# ", " "), "# ", "")
		for _, part := range []string{"Default " + def + ".", k.Valid} {
			if !strings.Contains(strings.ToLower(comment), strings.ToLower(part)) {
				t.Errorf("%s: the comment of %s does not say %q:\n%s", path, k.Name, part, comment)
			}
		}
	}
	if diff := cmp.Diff(want, order); diff != "" {
		t.Errorf("%s: keys differ from the table: %s", path, diff)
	}
}

// collect visits every key that has a value, not the sections.
func collect(n *yaml.Node, prefix string, visit func(key string, name, value *yaml.Node)) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		key := join(prefix, name.Value)
		if value.Kind == yaml.MappingNode && len(value.Content) > 0 {
			collect(value, key, visit)
			continue
		}
		visit(key, name, value)
	}
}

// TestShippedExampleOfConsumers loads what the comment of consumers shows.
func TestShippedExampleOfConsumers(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "configs", "client.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(data), "#   consumers:\n")
	if !ok {
		t.Fatal("the example is gone")
	}
	example := "consumers:\n"
	for line := range strings.Lines(rest) {
		if !strings.HasPrefix(line, "#     -") {
			break
		}
		example += strings.TrimPrefix(line, "#")
	}
	c, err := LoadClient(write(t, example), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if consumers := c.Consumers(); consumers[0].ChunkSize.Largest() != 64*value.KiB ||
		consumers[1].Path != "/mnt/other" {
		t.Errorf("consumers = %+v", consumers)
	}
}

// TestShippedWorkloads loads every file of configs/workloads: each is a load of its own,
// with a page of comment on what it models and why its numbers.
func TestShippedWorkloads(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "configs", "workloads", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(file), ".yaml"))
		c, err := LoadClient(file, nil, nil)
		if err != nil {
			t.Error(err)
			continue
		}
		defaults, err := LoadClient("", nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(c.Supervisor, defaults.Supervisor) ||
			c.Consumer.Path != defaults.Consumer.Path || c.Name != "" {
			t.Errorf("%s names an address, a path or a client, which are the user's", file)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		comment, _, _ := strings.Cut(string(data), "\n\n")
		for _, part := range []string{"# " + names[len(names)-1] + ": ", "What it models.", "Why these numbers.",
			"What to look at.", "It needs at most "} {
			if !strings.Contains(comment, part) {
				t.Errorf("%s: its comment does not say %q", file, part)
			}
		}
	}
	if diff := cmp.Diff([]string{"backup-stream", "checkpoint", "database-wal", "log-ingest", "mixed",
		"saturation", "small-files", "video-capture"}, names); diff != "" {
		t.Error(diff)
	}
}
