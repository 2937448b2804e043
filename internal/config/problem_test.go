package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	clientKeys     = "supervisor, name, labels, token, runtime, connect_timeout, consumer_count, chunk_size, file_size, path, sync, keep_files, on_error, consumers, keep, stall_after, kill_timeout, heartbeat, monitor, progress, spool, work_dir, deliver_timeout, log"
	supervisorKeys = "listen, clients, linger, state_dir, keep_running, token, drain_timeout, resume_within, log, http, handler, session, overload, journal"
)

// refused is a file and the exact lines that refuse it, the file's name cut off.
type refused struct {
	name, yaml, want string
}

func TestClientRefuses(t *testing.T) {
	for _, row := range []refused{
		// Keys.
		{"unknown key", "chunk_sze: 1MiB", "1: chunk_sze: unknown key; did you mean chunk_size? valid here: " + clientKeys},
		{"unknown key like none", "\n\nfoobar: 1", "3: foobar: unknown key; valid here: " + clientKeys},
		{"unknown key in a section", "spool:\n  memroy: 1MiB", "2: spool.memroy: unknown key; did you mean memory? valid here: memory, max_size"},
		{"unknown key of a consumer", "consumers:\n- size: 1MiB", "2: consumers[0].size: unknown key; valid here: chunk_size, file_size, path, sync, keep_files, on_error"},
		{"key of a section outside it", "max_size: 1GiB", "1: max_size: unknown key; did you mean max_size inside spool? valid here: " + clientKeys},
		{"key with dots", "spool.memory: 1MiB", "1: spool.memory: unknown key; did you mean memory inside spool? valid here: " + clientKeys},
		{"merge key", "<<: {keep: true}", "1: <<: unknown key; valid here: " + clientKeys},
		{"key that cannot be printed", `"a\nb": 1`, `1: "a\nb": unknown key; valid here: ` + clientKeys},
		{"long key", strings.Repeat("k", 200) + ": 1", `1: "` + strings.Repeat("k", 60) + `…": unknown key; valid here: ` + clientKeys},
		{"duplicate key", "keep: true\nname: a\nkeep: false", "3: keep: is there twice, first on line 1; keep one"},
		{"duplicate section", "spool:\n  memory: 1MiB\nspool:\n  memory: 1MiB", "3: spool: is there twice, first on line 1; keep one"},
		{"duplicate label", "labels: {a: 1,\n a: 2}", "2: labels.a: is there twice, first on line 1; keep one"},
		{"list as a key", "? [a]\n: b", "1: a key is a list; write a name"},
		{"empty key", `"": b`, "1: a key is empty; write a name"},

		// Kinds.
		{"map for a value", "runtime:\n  a: 1", "1: runtime: is a map; it must be one value: 100ms to 8760h"},
		{"list for a value", "name: [a]", "1: name: is a list; it must be one value: at most 128 bytes"},
		{"value for a section", "log: debug", "1: log: is a single value; it must be a map of level, format"},
		{"list for a section", "heartbeat: [1s]", "1: heartbeat: is a list; it must be a map of interval, timeout"},
		{"value for a list", "consumers: 3", "1: consumers: is a single value; it must be a list of maps, as in [{chunk_size: 4MiB}]"},
		{"value for an entry", "consumers:\n- {}\n- 4MiB", "3: consumers[1]: is a single value; it must be a map of chunk_size, file_size, path, sync, keep_files, on_error"},
		{"value for labels", "labels: a", "1: labels: is a single value; it must be a map of labels, as in {rack: a3}"},
		{"map for a label", "labels: {a: {b: c}}", "1: labels.a: is a map; it must be one value: text"},
		{"list as the file", "- a", `1: is a list; it must be keys with values, as in "runtime: 20s"`},
		{"text as the file", "hello", `1: is a single value; it must be keys with values, as in "runtime: 20s"`},
		{"no value", "name: a\nruntime:\n", "2: runtime: has no value; give one (100ms to 8760h), or remove the line"},
		{"alias", "name: &n a\npath: *n", "2: path: is a YAML alias; write the value itself"},
		{"tag", "keep: !!bool true", `1: keep: has the YAML tag "!!bool"; write the value without it`},

		// Values.
		{"bad size", "consumers:\n- {}\n- chunk_size: 10X", `3: consumers[1].chunk_size: "10X" is not a size; use B, kB, MB, GB, KiB, MiB or GiB`},
		{"size without unit", "chunk_size: 4096", `1: chunk_size: "4096" has no unit; use B, kB, MB, GB, KiB, MiB or GiB`},
		{"size out of range", "chunk_size: 0", `1: chunk_size: "0" is out of range; use 1B to 1GiB`},
		{"bad duration", "runtime: 1 day", `1: runtime: "1 day" is not a duration; use ns, us, ms, s, m or h, as in 1m30s`},
		{"duration without unit", "runtime: 20", `1: runtime: "20" has no unit; use ns, us, ms, s, m or h, as in 1m30s`},
		{"negative duration", "runtime: -20s", `1: runtime: "-20s" is negative; a duration is 0 or more`},
		{"duration out of range", "runtime: 1ms", `1: runtime: "1ms" is out of range; use 100ms to 8760h`},
		{"duration that overflows", "runtime: 9999999999h", `1: runtime: "9999999999h" is not a duration; use ns, us, ms, s, m or h, as in 1m30s`},
		{"bad number", "consumer_count: two", `1: consumer_count: "two" is not a whole number; use 1 to 1024`},
		{"fraction", "consumer_count: 1.5", `1: consumer_count: "1.5" is not a whole number; use 1 to 1024`},
		{"leading zero", "consumer_count: 010", `1: consumer_count: "010" is not a whole number; use 1 to 1024`},
		{"number out of range", "consumer_count: 1025", `1: consumer_count: "1025" is out of range; use 1 to 1024`},
		{"number that overflows", "consumer_count: 99999999999999999999", `1: consumer_count: "99999999999999999999" is out of range; use 1 to 1024`},
		{"bad switch", "keep: yes", `1: keep: "yes" is neither true nor false; use true or false`},
		{"bad choice", "sync: always", `1: sync: "always" is not valid; use none or file`},
		{"bad level", "log: {level: INFO}", `1: log.level: "INFO" is not valid; use debug, info, warn or error`},
		{"empty path", `path: ""`, "1: path: is empty; give a value"},
		{"control character in a value", `path: "a\tb"`, "1: path: holds a line break or another control character; use printable text"},
		{"long name", "name: " + strings.Repeat("n", 129), "1: name: is 129 bytes long; use at most 128"},
		{"long label", "labels: {a: " + strings.Repeat("n", 129) + "}", `1: labels.a: label value "` + strings.Repeat("n", 60) + `…" is 129 bytes long; use at most 128`},
		{"address without port", "supervisor: localhost", `1: supervisor: "localhost" is not an address; use HOST:PORT, as in 127.0.0.1:7420`},
		{"address without host", `supervisor: ":7420"`, `1: supervisor: ":7420" is not an address; use HOST:PORT, as in 127.0.0.1:7420`},
		{"address with a scheme", "supervisor: http://a:80", `1: supervisor: "http://a:80" is not an address; use HOST:PORT, as in 127.0.0.1:7420`},
		{"address with port 0", "supervisor: a:0", `1: supervisor: "a:0" has no valid port; use 1 to 65535, as in 127.0.0.1:7420`},
		{"address with a large port", "supervisor: a:65536", `1: supervisor: "a:65536" has no valid port; use 1 to 65535, as in 127.0.0.1:7420`},

		// Relations.
		{"late heartbeat", "heartbeat:\n  timeout: 3s", "2: heartbeat.timeout: 3s is more than heartbeat.interval, which is 2s (default); use at most 2s"},
		{"fast heartbeat", "heartbeat:\n  interval: 500ms", "2: heartbeat.interval: 500ms is less than heartbeat.timeout, which is 1s (default); use at least 1s"},
		{"fast heartbeat, both given", "heartbeat:\n  timeout: 3s\n  interval: 2s", "3: heartbeat.interval: 2s is less than heartbeat.timeout, which is 3s (line 2); use at least 3s"},
		{"fast heartbeat, on one line", "heartbeat: {timeout: 3s, interval: 2s}", "1: heartbeat.interval: 2s is less than heartbeat.timeout, which is 3s (line 1); use at least 3s"},
		{"small spool", "spool: {max_size: 1MiB}", "1: spool.max_size: 1MiB is less than spool.memory, which is 4MiB (default); use at least 4MiB"},
		{"too many entries", "consumers: [{}, {}, {}]", "1: consumers: has 3 entries, but consumer_count is 2 (default); raise consumer_count, or remove entries"},
		{"chunk larger than every file", "consumer_count: 3\nchunk_size: 128MiB", "2: chunk_size: 128MiB is more than file_size, which is 64MiB (default), for consumers 0, 1, 2; use at most 64MiB"},
		{"file smaller than every chunk", "consumer_count: 1\nfile_size: 4kB", "2: file_size: 4kB is less than chunk_size, which is 1MiB (default), for consumer 0; use at least 1MiB"},
		{"file of one consumer", "consumers:\n- {}\n- file_size: 512KiB", "3: consumers[1].file_size: 512KiB is less than chunk_size, which is 1MiB (default), for consumer 1; use at least 1MiB"},
		{"one key against several consumers", "consumers: [{chunk_size: 2kB}, {chunk_size: 3kB}]\nfile_size: 1kB", "2: file_size: 1kB is less than consumers[0].chunk_size, which is 2kB (line 1), for consumer 0; use at least 2kB\n" +
			"config.yaml:2: file_size: 1kB is less than consumers[1].chunk_size, which is 3kB (line 1), for consumer 1; use at least 3kB"},
		{"both sizes of one consumer", "consumers:\n- chunk_size: 2MiB\n  file_size: 512KiB", "3: consumers[0].file_size: 512KiB is less than consumers[0].chunk_size, which is 2MiB (line 2), for consumer 0; use at least 2MiB"},
		{"chunk of one consumer", "file_size: 2MiB\nconsumers: \n- chunk_size: 3MiB", "3: consumers[0].chunk_size: 3MiB is more than file_size, which is 2MiB (line 1), for consumer 0; use at most 2MiB"},
		{"many consumers", "consumer_count: 100\nfile_size: 1B", "2: file_size: 1B is less than chunk_size, which is 1MiB (default), for consumers 0, 1, 2, 3, 4, 5, 6, 7 … and 92 more; use at least 1MiB"},
	} {
		t.Run(row.name, func(t *testing.T) {
			file := write(t, row.yaml)
			_, err := LoadClient(file, nil, nil)
			if diff := cmp.Diff("config.yaml:"+row.want, refusal(t, file, err)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSupervisorRefuses(t *testing.T) {
	for _, row := range []refused{
		{"unknown key", "handler: {pol: 3}", "1: handler.pol: unknown key; did you mean pool? valid here: path, pool, memory_limit, memory_max, start_timeout, kill_timeout, orphan_grace, hang_timeout, poison_limit"},
		{"key of a client", "runtime: 3s", "1: runtime: unknown key; valid here: " + supervisorKeys},
		{"no clients", "clients: 0", `1: clients: "0" is out of range; use 1 to 100000`},
		{"small frame", "session: {max_frame: 65535B}", `1: session.max_frame: "65535B" is out of range; use 64KiB to 8MiB`},
		{"bad sync", "journal: {sync: file}", `1: journal.sync: "file" is not valid; use batch or none`},
		{"impatient", "handler: {hang_timeout: 999ms}", `1: handler.hang_timeout: "999ms" is out of range; use 1s to 1h`},
		{"no poison", "handler: {poison_limit: 0}", `1: handler.poison_limit: "0" is out of range; use 1 to 100`},
		{"long orphans", "handler: {orphan_grace: 61m}", `1: handler.orphan_grace: "61m" is out of range; use 0s to 1h`},
		{"old runs", "resume_within: 25h", `1: resume_within: "25h" is out of range; use 0s to 24h`},
		{"memory that cannot be had", "handler: {memory_limit: 1GiB}", "1: handler.memory_limit: 1GiB is more than handler.memory_max, which is 512MiB (default); use at most 512MiB"},
		{"startups in words", "overload: {startups: none}", `1: overload.startups: "none" is not START:RATE:FULL; use three numbers, as in 64:30:256`},
		{"one startup", "overload: {startups: 64}", `1: overload.startups: "64" is not START:RATE:FULL; use three numbers, as in 64:30:256`},
		{"a startup too many", "overload: {startups: 1:2:3:4}", `1: overload.startups: "1:2:3:4" is not START:RATE:FULL; use three numbers, as in 64:30:256`},
		{"fractional startups", "overload: {startups: 1.5:30:256}", `1: overload.startups: "1.5:30:256" is not START:RATE:FULL; use three numbers, as in 64:30:256`},
		{"no rate", "overload: {startups: 64:0:256}", `1: overload.startups: "64:0:256" refuses 0 percent; use 1 to 100`},
		{"too high a rate", "overload: {startups: 64:101:256}", `1: overload.startups: "64:101:256" refuses 101 percent; use 1 to 100`},
		{"startups the wrong way round", "overload: {startups: 64:30:63}", `1: overload.startups: "64:30:63" counts what cannot be; use 1 ≤ START ≤ FULL ≤ 65536`},
		{"no startups", "overload: {startups: 0:30:63}", `1: overload.startups: "0:30:63" counts what cannot be; use 1 ≤ START ≤ FULL ≤ 65536`},
		{"too many startups", "overload: {startups: 64:30:65537}", `1: overload.startups: "64:30:65537" counts what cannot be; use 1 ≤ START ≤ FULL ≤ 65536`},
		{"bad port", "listen: :x", `1: listen: ":x" has no valid port; use 0 to 65535, as in 127.0.0.1:7420`},
	} {
		t.Run(row.name, func(t *testing.T) {
			file := write(t, row.yaml)
			_, err := LoadSupervisor(file, nil, nil)
			if diff := cmp.Diff("config.yaml:"+row.want, refusal(t, file, err)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTooManyLabels(t *testing.T) {
	var yaml, env strings.Builder
	yaml.WriteString("labels:\n")
	for i := range maxLabels + 1 {
		name := "l" + strings.Repeat("x", i)
		yaml.WriteString("  " + name + ": v\n")
		env.WriteString("," + name + "=v")
	}
	file := write(t, yaml.String())
	_, err := LoadClient(file, []string{"BULKHEAD_LABELS=" + env.String()[1:]}, nil)
	want := "config.yaml:1: labels: has 33 labels; use at most 32\nBULKHEAD_LABELS: labels: has 33 labels; use at most 32"
	if diff := cmp.Diff(want, refusal(t, file, err)); diff != "" {
		t.Error(diff)
	}
}

func TestOtherSourcesRefuse(t *testing.T) {
	for _, row := range []struct {
		name  string
		env   []string
		flags []Override
		want  string
	}{
		{"bad variable", []string{"BULKHEAD_CHUNK_SIZE=1"}, nil, `BULKHEAD_CHUNK_SIZE: chunk_size: "1" has no unit; use B, kB, MB, GB, KiB, MiB or GiB`},
		{"empty variable", []string{"BULKHEAD_RUNTIME="}, nil, `BULKHEAD_RUNTIME: runtime: "" is not a duration; use ns, us, ms, s, m or h, as in 1m30s`},
		{"variable that is not UTF-8", []string{"BULKHEAD_NAME=\xff"}, nil, "BULKHEAD_NAME: name: is not UTF-8 text"},
		{"consumers as a variable", []string{"BULKHEAD_CONSUMERS=3"}, nil, "BULKHEAD_CONSUMERS: consumers: can be set in the YAML file only; unset this variable"},
		{"bad label", []string{"BULKHEAD_LABELS=a"}, nil, `BULKHEAD_LABELS: labels: "a" is not a label; use name=value, and commas between labels`},
		{"label twice", []string{"BULKHEAD_LABELS=a=1,a=2"}, nil, `BULKHEAD_LABELS: labels: label "a" is given twice; keep one`},
		{"label without a name", []string{"BULKHEAD_LABELS==1"}, nil, `BULKHEAD_LABELS: labels: label name "" is empty; give a value`},
		{"bad variable under a good flag", []string{"BULKHEAD_RUNTIME=x"}, []Override{{"runtime", "3s", "--runtime"}}, `BULKHEAD_RUNTIME: runtime: "x" is not a duration; use ns, us, ms, s, m or h, as in 1m30s`},
		{"bad flag", nil, []Override{{"consumer_count", "0", "--consumers"}}, `--consumers: consumer_count: "0" is out of range; use 1 to 1024`},
		{"flag without a key", nil, []Override{{"colour", "red", "--colour"}}, "--colour: colour: unknown key"},
		{"consumers as a flag", nil, []Override{{"consumers", "[]", "--entries"}}, "--entries: consumers: can be set in the YAML file only"},
		{"flag against a variable", []string{"BULKHEAD_FILE_SIZE=1MiB"}, []Override{{"chunk_size", "2MiB", "--chunk-size"}}, "--chunk-size: chunk_size: 2MiB is more than file_size, which is 1MiB (BULKHEAD_FILE_SIZE), for consumers 0, 1; use at most 1MiB"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := LoadClient("", row.env, row.flags)
			if err == nil || err.Error() != row.want {
				t.Errorf("error = %v\n want %s", err, row.want)
			}
		})
	}
}
