package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bulkhead/internal/config/value"
)

const (
	jobKeys  = "job, clients, load, gather, fleet_rate, assert, repeat, pause, join"
	loadKeys = "runtime, total_size, stop_when, ramp, warmup, stages, consumer_count, " + consumerKeys +
		", consumers, keep, stall_after, heartbeat, monitor, progress"
	targets = "all, labels as in {rack: a3}, or a name as in {name: host-7}"
)

func TestJobRefuses(t *testing.T) {
	const good = "job: a\nload: {path: /p}\nclients: [{on: all}]\n" // three lines
	for _, row := range []refused{
		// What must be there.
		{"nothing", "", "job: is missing; give the job a name, as in job: nightly\n" +
			"clients: is missing; say which agents start a client, as in [{on: all}]"},
		{"no entries", "job: a\nclients:\n", "2: clients: has no entries; say which agents start a client, as in " +
			"[{on: all}]"},
		{"no target", "job: a\nload: {path: /p}\nclients:\n- load: {runtime: 1m}",
			"4: clients[0].on: is missing; use " + targets},
		{"no path", "job: a\nclients:\n- on: all", "3: clients[0].load.path: is missing; give the folder under test, " +
			"as in /mnt/under-test"},
		{"no path in a load", "job: a\nclients:\n- on: all\n  load: {runtime: 1m}",
			"4: clients[0].load.path: is missing; give the folder under test, as in /mnt/under-test"},
		{"name without a value", "job:\n" + good[7:],
			"1: job: has no value; give one (1 to 128 bytes), or remove the line"},
		{"long name", "job: " + strings.Repeat("n", 129) + good[6:], "1: job: is 129 bytes long; use at most 128"},
		{"blank name", "job: ' a'" + good[6:], "1: job: begins or ends with a space; remove it"},

		// Keys.
		{"unknown key", good + "repat: 2", "4: repat: unknown key; did you mean repeat? valid here: " + jobKeys},
		{"key of a load", good + "runtime: 1m",
			"4: runtime: unknown key; it is a key of a load; valid here: " + jobKeys},
		{"unknown key of an entry", "job: a\nload: {path: /p}\nclients: [{on: all, lod: {}}]",
			"3: clients[0].lod: unknown key; did you mean load? valid here: on, agents, load"},
		{"key twice", good + "job: b", "4: job: appears twice, first on line 1; keep one"},
		{"nothing wrong", good + "gather:\n  timeout: 1s\nrepeat: 2\npause: 1s\n", ""},
		{"list as the file", "- a", `1: is a list; it must be keys with values, as in "runtime: 20s"`},
		{"alias", "job: &n a\nload: {path: *n}\nclients: [{on: all}]",
			"2: load.path: is a YAML alias; write the value itself"},

		// Targets.
		{"word as a target", "job: a\nload: {path: /p}\nclients: [{on: rack3}]",
			`3: clients[0].on: "rack3" says nothing of agents; use ` + targets},
		{"empty target", "job: a\nload: {path: /p}\nclients: [{on: {}}]",
			"3: clients[0].on: is an empty map; use " + targets},
		{"target without a value", "job: a\nload: {path: /p}\nclients:\n- on:",
			"4: clients[0].on: has no value; give one (" + targets + "), or remove the line"},
		{"list as a target", "job: a\nload: {path: /p}\nclients: [{on: [a]}]",
			"3: clients[0].on: is a list; it must be one value: " + targets},
		{"long label", "job: a\nload: {path: /p}\nclients: [{on: {rack: " + strings.Repeat("n", 129) + "}}]",
			`3: clients[0].on.rack: label value "` + strings.Repeat("n", 60) + `…" is 129 bytes long; use at most 128`},
		{"bad name of an agent", "job: a\nload: {path: /p}\nclients: [{on: {name: ''}}]",
			"3: clients[0].on.name: is empty; give a value"},
		{"value as an entry", "job: a\nload: {path: /p}\nclients: [a3]",
			"3: clients[0]: is a single value; it must be a map of on, agents, load"},
		{"map of clients", "job: a\nload: {path: /p}\nclients: {on: all}",
			"3: clients: is a map; it must be a list of entries, as in [{on: all}]"},
		{"too many entries", "job: a\nload: {path: /p}\nclients: [" + strings.Repeat("{on: all},", 257) + "]",
			"3: clients: has 257 entries; use at most 256"},

		{"a fleet's rate beside that of an entry", "job: a\nload: {path: /p}\nclients:\n- {on: all, load: {rate: " +
			"{chunks: 3}}}\nfleet_rate: {bytes: 1GiB}", "5: fleet_rate.bytes: sets how fast all clients write " +
			"together, and the load of clients[0] (line 4) has rate of its own; leave one of them out"},
		{"a fleet's rate beside that of a consumer", "job: a\nload: {path: /p}\nclients:\n- {on: all, load: {" +
			"consumers: [{rate: {chunks: 3}}]}}\nfleet_rate: {chunks: 7}", "5: fleet_rate.chunks: sets how fast all " +
			"clients write together, and the load of clients[0] (line 4) has rate of its own; leave one of them out"},
		{"a fleet's rate and stages", "job: a\nload: {path: /p, stages: [{name: a, duration: 1s}]}\nclients: " +
			"[{on: all}]\nfleet_rate: {chunks: 7}", "4: fleet_rate.chunks: sets how fast all clients write together, " +
			"and the load of clients[0] (line 3) has stages of its own; leave one of them out"},
		{"less than a byte each", good + "fleet_rate: {bytes: 1B}", "4: fleet_rate.bytes: is less than a byte a " +
			"second for each of 2 consumers; use more"},
		{"next to no chunks", good + "fleet_rate: {chunks: 0.001}", "4: fleet_rate.chunks: is less than a chunk in " +
			"1000 seconds for each of 2 consumers; use more"},

		// The rest.
		{"assert", good + "assert:\n- p99 < 50ms for 10s\n- p99 < 5", `6: assert[1]: "p99 < 5": at character 7: "5" ` +
			"is not a value of p99; use a duration such as 50ms"},
		{"too many asserted", good + "assert: [" + strings.Repeat("complete,", 33) + "]",
			"4: assert: has 33 thresholds; use at most 32"},
		{"repeat", good + "repeat: 0", `4: repeat: "0" is out of range; use 1 to 1000`},
		{"pause without another", good + "pause: 1s", "4: pause: is between two runs, and there is one; set repeat, " +
			"too, as in 5"},
		{"if_short without a gather", good + "gather: {if_short: start}",
			"4: gather.if_short: is nothing without gather.timeout; set both"},
		{"if_short", good + "gather: {timeout: 1m, if_short: wait}",
			`4: gather.if_short: "wait" is not valid; use abort or start`},
	} {
		t.Run(row.name, func(t *testing.T) { checkJobRefused(t, row) })
	}
}

func TestLoadOfAJobRefuses(t *testing.T) {
	for _, row := range []refused{
		{"unknown key", "job: a\nclients:\n- on: all\n  load: {path: /p, runtme: 1m}",
			"4: clients[0].load.runtme: unknown key; did you mean runtime? valid here: " + loadKeys},
		{"key of the client itself", "job: a\nload:\n  path: /p\n  supervisor: evil:1\nclients: [{on: all}]",
			"4: load.supervisor: unknown key; it is a key of a client's own file; valid here: " + loadKeys},
		{"section of the client itself", "job: a\nload: {path: /p, tls: {ca: /x}}\nclients: [{on: all}]",
			"2: load.tls: unknown key; it is a key of a client's own file; valid here: " + loadKeys},
		{"folder of the client itself", "job: a\nload: {path: /p}\nclients: [{on: all, load: {work_dir: /}}]",
			"3: clients[0].load.work_dir: unknown key; it is a key of a client's own file; valid here: " + loadKeys},
		{"value", "job: a\nload: {path: /p, chunk_size: 10X}\nclients: [{on: all}, {on: all}]",
			`2: load.chunk_size: "10X" is not a size; use B, kB, MB, GB, TB, KiB, MiB, GiB or TiB`},
		{"value for a load", "job: a\nload: fast\nclients: [{on: all, load: {path: /p}}]",
			`2: load: is a single value; it must be keys with values, as in "runtime: 20s"`},
		{"path that is not whole", "job: a\nload: {path: data}\nclients: [{on: all}, {on: all}]",
			`2: load.path: "data" does not begin with a slash; use a whole path, as in /mnt/under-test: nobody knows ` +
				"in which folder an agent is"},
		{"path of one consumer", "job: a\nload: {path: /p}\nclients:\n- on: all\n  load:\n    consumers:\n" +
			"    - {}\n    - path: ../p", `8: clients[0].load.consumers[1].path: "../p" does not begin with a slash; ` +
			"use a whole path, as in /mnt/under-test: nobody knows in which folder an agent is"},

		// What cannot be together, of one part or of two.
		{"in one load", "job: a\nclients:\n- on: all\n  load:\n    path: /p\n    ramp: 1m\n    runtime: 1s",
			"7: clients[0].load.runtime: 1s is less than ramp, which is 1m (line 6); use at least 1m"},
		{"in the common load", "job: a\nload: {path: /p, runtime: 1m, ramp: 2m}\nclients: [{on: all}, {on: all}]",
			"2: load.runtime: 1m is less than ramp, which is 2m (line 2); use at least 2m"},
		{"between both", "job: a\nload: {path: /p, runtime: 1m}\nclients:\n- {on: all, load: {runtime: 3m}}\n" +
			"- {on: all, load: {ramp: 2m}}",
			"5: clients[1].load.ramp: 2m is more than runtime, which is 1m (line 2); use at most 1m"},
		{"common below", "job: a\nclients:\n- {on: all, load: {ramp: 2m, path: /p}}\nload:\n  runtime: 1m",
			"5: load.runtime: 1m is less than ramp, which is 2m (line 3); use at least 2m"},
		{"consumers", "job: a\nload: {path: /p, consumers: [{}, {}, {}]}\nclients: [{on: all, load: " +
			"{consumer_count: 1}}]", "2: load.consumers: has 3 entries, but consumer_count is 1 (line 3); raise " +
			"consumer_count, or remove entries"},
		{"too long", "job: a\nload: {path: /p}\nclients:\n- on: all\n  load:\n    consumer_count: 1024\n" +
			"    consumers: [" + strings.Repeat("{path: /"+strings.Repeat("p", 300)+"},", 1000) + "]",
			"5: clients[0].load: is a load of 314043 bytes; use at most 256KiB"},
	} {
		t.Run(row.name, func(t *testing.T) { checkJobRefused(t, row) })
	}
}

// checkJobRefused wants a job to be refused with exactly these lines, or taken if there are none.
func checkJobRefused(t *testing.T, row refused) {
	t.Helper()
	file := write(t, row.yaml)
	_, err := LoadJob(file)
	if row.want == "" {
		if err != nil {
			t.Error(err)
		}
		return
	}
	want := "config.yaml:" + strings.ReplaceAll(row.want, "\n", "\nconfig.yaml:")
	if !strings.HasPrefix(row.want, "1") && strings.Trim(row.want[:1], "23456789") != "" {
		want = strings.ReplaceAll(want, "config.yaml:", "config.yaml: ") // of no line
	}
	if diff := cmp.Diff(want, refusal(t, file, err)); diff != "" {
		t.Error(diff)
	}
}

// A load of an entry is the common one with what the entry sets over it, key by key; its list of
// consumers is taken as a whole.
func TestJob(t *testing.T) {
	file := write(t, `
job: nightly
clients:
- on: {rack: a3, name: host-7}
  load:
    rate: {chunks: 3} # a comment
    consumers: [{sync: "none"}]
- on: all
  load:
gather: {timeout: 2m}
load:
  path: /p
  runtime: 1m
  file_size: {min: 1MiB, max: 4MiB}
  rate: {bytes: 1MB}
  consumers: [{}, {chunk_size: [{size: 4KiB, weight: 70}, {size: 8KiB}]}]
repeat: 5
pause: 30s
`)
	j, err := LoadJob(file)
	if err != nil {
		t.Fatal(err)
	}
	if j.Name != "nightly" || j.Gather != (Gather{2 * time.Minute, IfShortAbort}) || j.Repeat != 5 ||
		j.Pause != 30*time.Second || len(j.Clients) != 2 {
		t.Errorf("job = %+v", j)
	}
	first, second := j.Clients[0], j.Clients[1]
	if first.Line != 4 || first.On.String() != "{name: host-7, rack: a3}" || second.On.String() != "all" {
		t.Errorf("entries %+v and %+v", first, second)
	}
	if diff := cmp.Diff(`runtime: 1m
file_size:
    min: 1MiB
    max: 4MiB
path: /p
rate:
    bytes: 1MB
    chunks: "3"
consumers:
    - sync: none
`, string(first.Load.Text)); diff != "" {
		t.Error(diff)
	}
	own := first.Load.Settings
	if own.Consumer.Rate != (Rate{1_000_000, 3}) || own.Runtime != time.Minute || len(own.Overrides) != 1 ||
		own.Consumers()[0].Sync.Policy != value.SyncNone || own.Consumers()[1].Sync.Policy != value.SyncFile {
		t.Errorf("settings = %+v", own)
	}
	common := second.Load.Settings
	if common.Consumer.Rate != (Rate{1_000_000, 0}) || len(common.Overrides) != 2 ||
		common.Consumers()[1].ChunkSize.Largest() != 8*value.KiB {
		t.Errorf("settings = %+v", common)
	}
	for _, entry := range j.Clients {
		checkJobLoad(t, entry.Load)
	}
	if given, err := os.ReadFile(file); err != nil || j.Text != string(given) {
		t.Errorf("the text is %q, %v; want the whole file", j.Text, err)
	}
}

// checkJobLoad wants the text of a load to be read as the same load, by an agent and by a client.
func checkJobLoad(t *testing.T, load JobLoad) {
	t.Helper()
	got, err := ParseJobLoad("job", load.Text)
	if err != nil {
		t.Fatalf("%v:\n%s", err, load.Text)
	}
	if diff := cmp.Diff(load, got); diff != "" {
		t.Error(diff)
	}
	c, err := LoadClient(write(t, string(load.Text)), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(load.Settings, c); diff != "" {
		t.Error(diff)
	}
}

func TestParseJobLoadRefuses(t *testing.T) {
	for _, row := range []refused{
		{"key of the client itself", "path: /p\nname: root",
			"load of job a:2: name: unknown key; it is a key of a client's own file; valid here: " + loadKeys},
		{"token", "path: /p\ntoken_file: /etc/shadow",
			"load of job a:2: token_file: unknown key; it is a key of a client's own file; valid here: " + loadKeys},
		{"log", "path: /p\nlog: {level: debug}",
			"load of job a:2: log: unknown key; it is a key of a client's own file; valid here: " + loadKeys},
		{"path", "path: p", `load of job a:1: path: "p" does not begin with a slash; use a whole path, as in ` +
			"/mnt/under-test: nobody knows in which folder an agent is"},
		{"nothing", "", "load of job a: path: is missing; give the folder under test, as in /mnt/under-test"},
		{"no YAML", "path: [", "load of job a:1: is not valid YAML: did not find expected node content"},
		{"no text", "path: \x00", "load of job a:1: holds the control character U+0000; remove it"},
		{"alias", "path: &a /p\nconsumers: [{path: *a}]",
			"load of job a:2: consumers[0].path: is a YAML alias; write the value itself"},
		{"too long", "# " + strings.Repeat("#", maxLoad),
			"load of job a: is a load of 262146 bytes; use at most 256KiB"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := ParseJobLoad("load of job a", []byte(row.yaml))
			if err == nil || err.Error() != row.want {
				t.Errorf("error = %v\n   want %s", err, row.want)
			}
		})
	}
}

// TestEveryKeyOfAClientIsOfALoadOrNot wants every key to have been decided on: one that is new is of
// no load, which agents take, before somebody has looked.
func TestEveryKeyOfAClientIsOfALoadOrNot(t *testing.T) {
	others, load := partFields(new(Client))
	want := "supervisor, name, labels, token, token_file, tls, connect_timeout, kill_timeout, spool, work_dir, " +
		"deliver_timeout, log"
	if diff := cmp.Diff(want, strings.Join(children("", others), ", ")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(loadKeys, strings.Join(children("", load), ", ")); diff != "" {
		t.Error(diff)
	}
}

func TestJobTargetMatches(t *testing.T) {
	labels := map[string]string{"rack": "a3", "disk": ""}
	for text, want := range map[string]bool{
		"all": true, "{rack: a3}": true, "{rack: a4}": false, "{rack: ''}": false, "{disk: ''}": true,
		"{host: ''}": false, "{name: h}": true, "{name: i}": false, "{name: h, rack: a3}": true,
		"{name: h, rack: a4}": false, "{name: i, rack: a3}": false, "{rack: a3, disk: ''}": true,
	} {
		j, err := LoadJob(write(t, "job: a\nload: {path: /p}\nclients: [{on: "+text+"}]"))
		if err != nil {
			t.Fatal(err)
		}
		if got := j.Clients[0].On.Matches("h", labels); got != want {
			t.Errorf("%s matches: %v; want %v", text, got, want)
		}
	}
	if (JobTarget{}).Matches("h", labels) {
		t.Error("no target matches")
	}
}

// TestShippedJobs loads every file of configs/jobs; the first shows every key with what is valid.
func TestShippedJobs(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "configs", "jobs", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		j, err := LoadJob(file)
		if err != nil {
			t.Fatal(err)
		}
		if name := strings.TrimSuffix(filepath.Base(file), ".yaml"); name != j.Name {
			t.Errorf("%s has job %s", file, j.Name)
		}
		for _, entry := range j.Clients {
			checkJobLoad(t, entry.Load)
		}
	}
	data, err := os.ReadFile(filepath.Join("..", "..", "configs", "jobs", "nightly.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ToLower(strings.Join(strings.FieldsFunc(string(data), func(r rune) bool {
		return strings.ContainsRune("# \n", r)
	}), " "))
	for _, k := range JobKeys() {
		name := k.Name[strings.LastIndex(k.Name, ".")+1:] + ":"
		if !slices.Contains(strings.Fields(text), name) {
			t.Errorf("no %s is shown", name)
		}
		if k.Kind != "map" && !strings.Contains(text, strings.ToLower(k.Valid)+".") {
			t.Errorf("nothing says that %s is %s", k.Name, k.Valid)
		}
		if k.Default != "" && !strings.Contains(text, strings.ToLower(k.Valid+". Default "+k.Default+".")) {
			t.Errorf("nothing says that the default of %s is %s", k.Name, k.Default)
		}
	}
}
