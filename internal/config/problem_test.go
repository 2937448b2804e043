package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bulkhead/internal/protocol"
)

const (
	consumerKeys = "chunk_size, file_size, path, direct, sync, rate, data, seed, preallocate, pattern, " +
		"concurrency, start_delay, think_time, keep_files, recycle, verify, reserve, reserve_inodes, on_error, " +
		"readers, read"
	clientKeys = "supervisor, name, labels, token, token_file, tls, runtime, total_size, stop_when, ramp, warmup, " +
		"stages, " +
		"connect_timeout, consumer_count, " + consumerKeys + ", consumers, keep, stall_after, kill_timeout, " +
		"heartbeat, monitor, progress, spool, work_dir, deliver_timeout, log"
	supervisorKeys = "listen, peers, clients, wait_clients, gather, assert, linger, state_dir, keep_running, token, " +
		"token_file, tokens, tls, " +
		"drain_timeout, resume_within, log, http, handler, session, overload, journal"
)

// refused is a file and the exact lines that refuse it, the file's name cut off.
type refused struct {
	name, yaml, want string
}

func TestClientRefuses(t *testing.T) {
	for _, row := range []refused{
		// Keys.
		{"unknown key", "chunk_sze: 1MiB",
			"1: chunk_sze: unknown key; did you mean chunk_size? valid here: " + clientKeys},
		{"unknown key like none", "\n\nfoobar: 1", "3: foobar: unknown key; valid here: " + clientKeys},
		{"unknown key in a section", "spool:\n  memroy: 1MiB",
			"2: spool.memroy: unknown key; did you mean memory? valid here: memory, max_size"},
		{"unknown key of a consumer", "consumers:\n- size: 1MiB",
			"2: consumers[0].size: unknown key; did you mean size inside read? valid here: " + consumerKeys},
		{"key of a section outside it", "max_size: 1GiB",
			"1: max_size: unknown key; did you mean max_size inside spool? valid here: " + clientKeys},
		{"key with dots", "spool.memory: 1MiB",
			"1: spool.memory: unknown key; did you mean memory inside spool? valid here: " + clientKeys},
		{"merge key", "<<: {keep: true}", "1: <<: unknown key; valid here: " + clientKeys},
		{"key that cannot be printed", `"a\nb": 1`, `1: "a\nb": unknown key; valid here: ` + clientKeys},
		{"long key", strings.Repeat("k", 200) + ": 1",
			`1: "` + strings.Repeat("k", 60) + `…": unknown key; valid here: ` + clientKeys},
		{"duplicate key", "keep: true\nname: a\nkeep: false", "3: keep: appears twice, first on line 1; keep one"},
		{"duplicate section", "spool:\n  memory: 1MiB\nspool:\n  memory: 1MiB",
			"3: spool: appears twice, first on line 1; keep one"},
		{"duplicate label", "labels: {a: 1,\n a: 2}", "2: labels.a: appears twice, first on line 1; keep one"},
		{"list as a key", "? [a]\n: b", "1: a key is a list; write a name"},
		{"empty key", `"": b`, "1: a key is empty; write a name"},

		// Kinds.
		{"map for a value", "runtime:\n  a: 1", "1: runtime: is a map; it must be one value: 100ms to 8760h"},
		{"list for a value", "name: [a]", "1: name: is a list; it must be one value: at most 128 bytes"},
		{"value for a section", "log: debug",
			"1: log: is a single value; it must be a map of level, format, progress_interval, as in {level: debug}"},
		{"list for a section", "heartbeat: [1s]", "1: heartbeat: is a list; it must be a map of interval, timeout"},
		{"value for a list", "consumers: 3", "1: consumers: is a number; it must be a list of maps, as in " +
			"[{chunk_size: 4MiB}]; for 3 consumers, use consumer_count: 3"},
		{"value for an entry", "consumers:\n- {}\n- 4MiB",
			"3: consumers[1]: is a single value; it must be a map of " + consumerKeys},
		{"value for labels", "labels: a", "1: labels: is a single value; it must be a map of labels, as in {rack: a3}"},
		{"map for a label", "labels: {a: {b: c}}", "1: labels.a: is a map; it must be one value: text"},
		{"list as the file", "- a", `1: is a list; it must be keys with values, as in "runtime: 20s"`},
		{"text as the file", "hello", `1: is a single value; it must be keys with values, as in "runtime: 20s"`},
		{"no value", "name: a\nruntime:\n", "2: runtime: has no value; give one (100ms to 8760h), or remove the line"},
		{"alias", "name: &n a\npath: *n", "2: path: is a YAML alias; write the value itself"},
		{"tag", "keep: !!bool true", `1: keep: has the YAML tag "!!bool"; write the value without it`},

		// Values.
		{"bad size", "consumers:\n- {}\n- chunk_size: 10X",
			`3: consumers[1].chunk_size: "10X" is not a size; use B, kB, MB, GB, TB, KiB, MiB, GiB or TiB`},
		{"size without unit", "chunk_size: 4096",
			`1: chunk_size: "4096" has no unit; use B, kB, MB, GB, TB, KiB, MiB, GiB or TiB`},
		{"size out of range", "chunk_size: 0", `1: chunk_size: "0" is out of range; use 1B to 1GiB`},
		{"bad duration", "runtime: 1 day", `1: runtime: "1 day" is not a duration; use 24h`},
		{"duration without unit", "runtime: 20", `1: runtime: "20" has no unit; use 20s`},
		{"negative duration", "runtime: -20s", `1: runtime: "-20s" is negative; a duration is 0 or more`},
		{"duration out of range", "runtime: 1ms", `1: runtime: "1ms" is out of range; use 100ms to 8760h`},
		{"duration that overflows", "runtime: 9999999999h",
			`1: runtime: "9999999999h" is not a duration; use ns, us, ms, s, m or h, as in 1m30s`},
		{"bad number", "consumer_count: two", `1: consumer_count: "two" is not a whole number; use 1 to 1024`},
		{"fraction", "consumer_count: 1.5", `1: consumer_count: "1.5" is not a whole number; use 1 to 1024`},
		{"leading zero", "consumer_count: 010", `1: consumer_count: "010" is not a whole number; use 1 to 1024`},
		{"number out of range", "consumer_count: 1025", `1: consumer_count: "1025" is out of range; use 1 to 1024`},
		{"number that overflows", "consumer_count: 99999999999999999999",
			`1: consumer_count: "99999999999999999999" is out of range; use 1 to 1024`},
		{"bad switch", "keep: yes", `1: keep: "yes" is neither true nor false; use true`},
		{"bad choice", "sync: always",
			`1: sync: "always" is not valid; use none, file, chunk, dsync or a size, as in 16MiB`},
		{"bad level", "log: {level: INFO}",
			`1: log.level: "INFO" is not valid; did you mean info? use debug, info, warn or error`},
		{"empty path", `path: ""`, "1: path: is empty; give a value"},
		{"control character in a value", `path: "a\tb"`,
			"1: path: holds a line break or another control character; use printable text"},
		{"name that is blank", `name: " "`, "1: name: begins or ends with a space; remove it"},
		{"long name", "name: " + strings.Repeat("n", 129), "1: name: is 129 bytes long; use at most 128"},
		{"long label", "labels: {a: " + strings.Repeat("n", 129) + "}",
			`1: labels.a: label value "` + strings.Repeat("n", 60) + `…" is 129 bytes long; use at most 128`},
		{"address without port", "supervisor: localhost",
			`1: supervisor: "localhost" is not an address; add the port, as in localhost:7420`},
		{"link-local address without a zone", `supervisor: "[fe80::1]:7420"`,
			`1: supervisor: "[fe80::1]:7420" is the same on every link; say which, as in [fe80::1%eth0]:7420`},
		{"address without host", `supervisor: ":7420"`,
			`1: supervisor: ":7420" is not an address; use HOST:PORT, as in 127.0.0.1:7420`},
		{"address with a scheme", "supervisor: http://a:80",
			`1: supervisor: "http://a:80" is not an address; leave out http://`},
		{"address with port 0", "supervisor: a:0",
			`1: supervisor: "a:0" has no valid port; use 1 to 65535, as in 127.0.0.1:7420`},
		{"address with a large port", "supervisor: a:65536",
			`1: supervisor: "a:65536" has no valid port; use 1 to 65535, as in 127.0.0.1:7420`},

		// Chunk sizes.
		{"chunks of no size", "chunk_size: []",
			"1: chunk_size: is an empty list; give a size, or sizes as in [{size: 4KiB, weight: 70}]"},
		{"chunk without a size", "chunk_size:\n- {size: 4KiB}\n- {weight: 3}",
			"3: chunk_size[1]: has no size; give one, as in {size: 4KiB, weight: 70}"},
		{"chunk with a bad size", "chunk_size: [{size: 4Kib}]",
			`1: chunk_size[0].size: "4Kib" is not a size; use 4KiB`},
		{"chunk without bytes", "chunk_size: [{size: 0}]",
			`1: chunk_size[0].size: "0" is out of range; use 1B to 1GiB`},
		{"chunk without weight", "chunk_size: [{size: 4KiB, weight: 0}]",
			`1: chunk_size[0].weight: "0" is out of range; use 1 to 1000000`},
		{"chunk with another key", "chunk_size: [{bytes: 4KiB}]",
			"1: chunk_size[0].bytes: unknown key; valid here: size, weight"},
		{"chunk that is no map", "chunk_size: [4KiB]",
			"1: chunk_size[0]: is a single value; it must be a map of size, weight"},
		{"chunk size twice", "chunk_size: [{size: 1KiB}, {size: 1024B, weight: 2}]",
			"1: chunk_size: has 1KiB twice; give it once, with the sum of the weights"},
		{"map of chunks", "chunk_size: {size: 4KiB}", "1: chunk_size: is a map; it must be one value: 1B to 1GiB, or " +
			"several sizes with weights, as in 4KiB:70,128KiB:30"},
		{"weight on one line", "chunk_size: 4KiB:many,8KiB",
			`1: chunk_size: weight "many" is not valid; use 1 to 1000000, as in 4KiB:70,128KiB:30`},
		{"nothing on one line", "chunk_size: 4KiB:1,",
			`1: chunk_size: "" is not a size; use a number and one of B, kB, MB, GB, TB, KiB, MiB, GiB or TiB, as in 64MiB`},
		{"chunks of one consumer", "consumers:\n- chunk_size: [{size: 4KiB},\n   {size: x}]",
			`3: consumers[0].chunk_size[1].size: "x" is not a size; use a number and one of B, kB, MB, GB, TB, KiB, MiB, GiB or TiB, as in 64MiB`},

		// File sizes.
		{"range with one end", "file_size: {min: 4MiB}",
			"1: file_size: needs both ends, as in {min: 1MiB, max: 64MiB}"},
		{"range the wrong way round", "file_size: {min: 4MiB,\n max: 2MiB}",
			"2: file_size.max: 2MiB is less than file_size.min, which is 4MiB (line 1); use at least 4MiB"},
		{"range the wrong way round on one line", "file_size: 4MiB..2MiB",
			`1: file_size: "4MiB..2MiB" is a range from 4MiB down to 2MiB; give the smaller size first`},
		{"range without an end on one line", "file_size: 4MiB..",
			`1: file_size: "" is not a size; use a number and one of B, kB, MB, GB, TB, KiB, MiB, GiB or TiB, as in 64MiB`},
		{"range from nothing", "file_size: {min: 0, max: 1MiB}",
			`1: file_size.min: "0" is out of range; use 1B to 16384GiB`},
		{"range with another key", "file_size: {from: 1MiB}", "1: file_size.from: unknown key; valid here: min, max"},
		{"range as a list", "file_size: [1MiB, 2MiB]",
			"1: file_size: is a list; it must be one value: 1B to 16384GiB, or a range, as in 1MiB..64MiB"},
		{"large file", "file_size: 16385GiB", `1: file_size: "16385GiB" is out of range; use 1B to 16384GiB`},

		// The other knobs of a consumer.
		{"direct in words", "direct: O_DIRECT", `1: direct: "O_DIRECT" is neither true nor false; use true or false`},
		{"sync after nothing", "sync: 0B",
			"1: sync: cannot sync every 0 bytes; use chunk to sync after each chunk, or none"},
		{"sync without a unit", "sync: 4096",
			`1: sync: "4096" has no unit; use B, kB, MB, GB, TB, KiB, MiB, GiB or TiB`},
		{"sync after too much", "sync: 99999GiB", `1: sync: "99999GiB" is out of range; use 1B to 16384GiB`},
		{"rate without a kind", "rate: 100MB",
			"1: rate: is a single value; it must be a map of bytes, chunks, as in {bytes: 100MB}"},
		{"rate without a unit", "rate: {bytes: 100}",
			`1: rate.bytes: "100" has no unit; use B, kB, MB, GB, TB, KiB, MiB, GiB or TiB`},
		{"rate with a unit", "rate: {chunks: 50/s}", `1: rate.chunks: "50/s" is not a number; use 0 to 1000000000`},
		{"negative rate", "rate: {chunks: -1}", `1: rate.chunks: "-1" is not a number; use 0 to 1000000000`},
		{"rate with an exponent", "rate: {chunks: 1e3}", `1: rate.chunks: "1e3" is not a number; use 0 to 1000000000`},
		{"rate out of range", "rate: {chunks: 1000000001}",
			`1: rate.chunks: "1000000001" is out of range; use 0 to 1000000000`},
		{"rate of one consumer", "consumers: [{rate: {byte: 1MB}}]",
			"1: consumers[0].rate.byte: unknown key; did you mean bytes? valid here: bytes, chunks"},
		{"unknown data", "data: text",
			`1: data: "text" is not valid; use random, zeros, compressible:PERCENT or dedupable:PERCENT`},
		{"data without a part", "data: compressible",
			`1: data: "compressible" is not valid; use random, zeros, compressible:PERCENT or dedupable:PERCENT`},
		{"data with a part too many", "data: zeros:50",
			`1: data: "zeros:50" is not valid; use random, zeros, compressible:PERCENT or dedupable:PERCENT`},
		{"data beyond the whole", "data: {compressible: 101}",
			`1: data.compressible: "101" is out of range; use 0 to 100`},
		{"data beyond the whole on one line", "data: dedupable:101",
			`1: data: "101" is not a percentage; use 0 to 100, as in dedupable:60`},
		{"data of two kinds", "data: {compressible: 1, dedupable: 1}",
			"1: data: is neither one kind nor the other; use {compressible: PERCENT} or {dedupable: PERCENT}, one of " +
				"them"},
		{"data of no kind", "data: {}", "1: data: is neither one kind nor the other; use {compressible: PERCENT} or " +
			"{dedupable: PERCENT}, one of them"},
		{"negative seed", "seed: -1", `1: seed: "-1" is not a seed; use a whole number, 0 to 18446744073709551615`},
		{"large seed", "seed: 18446744073709551616",
			`1: seed: "18446744073709551616" is not a seed; use a whole number, 0 to 18446744073709551615`},
		{"preallocate in words", "preallocate: full",
			`1: preallocate: "full" is neither true nor false; use true or false`},
		{"unknown pattern", "pattern: zigzag", `1: pattern: "zigzag" is not valid; use sequential, random or append`},
		{"no writers", "concurrency: 0", `1: concurrency: "0" is out of range; use 1 to 256`},
		{"many writers", "concurrency: 257", `1: concurrency: "257" is out of range; use 1 to 256`},
		{"bad start delay", "start_delay: 5", `1: start_delay: "5" has no unit; use 5s`},
		{"long think time", "think_time: 61m", `1: think_time: "61m" is out of range; use 0s to 1h`},
		{"recycle in words", "recycle: yes", `1: recycle: "yes" is neither true nor false; use true`},
		{"unknown verify", "verify: on", `1: verify: "on" is not valid; use off, at-rollover, at-end or continuous`},
		{"unknown reserve", "reserve: much",
			`1: reserve: "much" is not valid; use auto, a size, a percentage of 1% to 99%, or 0`},
		{"reserve of all", "reserve: 100%",
			`1: reserve: "100%" is not a percentage of a file system; use 1% to 99%, or 0 for none`},
		{"reserve of nothing", "reserve: 0%",
			`1: reserve: "0%" is not a percentage of a file system; use 1% to 99%, or 0 for none`},
		{"reserve without a unit", "reserve: 5",
			`1: reserve: "5" has no unit; use B, kB, MB, GB, TB, KiB, MiB, GiB or TiB`},
		{"unknown reserve of inodes", "reserve_inodes: 1GiB",
			`1: reserve_inodes: "1GiB" is not valid; use auto, a number, a percentage of 1% to 99%, or 0`},
		{"reserve of all inodes", "reserve_inodes: 100%",
			`1: reserve_inodes: "100%" is not a percentage of a file system; use 1% to 99%, or 0 for none`},
		{"large reserve of inodes", "reserve_inodes: 2000000000",
			`1: reserve_inodes: "2000000000" is out of range; use 0 to 1000000000`},
		{"negative reserve of inodes", "reserve_inodes: -1",
			`1: reserve_inodes: "-1" is out of range; use 0 to 1000000000`},
		{"large reserve", "reserve: 99999GiB", `1: reserve: "99999GiB" is out of range; use 0 to 16384GiB`},
		{"unknown on_error", "on_error: retry", `1: on_error: "retry" is not valid; use continue or stop`},

		// The end of the load.
		{"bad total", "total_size: many",
			`1: total_size: "many" is not a size; use a number and one of B, kB, MB, GB, TB, KiB, MiB, GiB or TiB, as in 64MiB`},
		{"bad ramp", "ramp: slow", `1: ramp: "slow" is not a duration; use ns, us, ms, s, m or h, as in 1m30s`},
		{"steady in a word", "stop_when: steady", "1: stop_when: is a single value; it must be a map of steady"},
		{"steady without its keys", "stop_when: {steady: 30s}",
			"1: stop_when.steady: is a single value; it must be a map of window, variation, as in {window: 30s}"},
		{"bad window", "stop_when: {steady: {window: 30}}", `1: stop_when.steady.window: "30" has no unit; use 30s`},
		{"bad variation", "stop_when: {steady: {window: 10s, variation: 5%}}",
			`1: stop_when.steady.variation: "5%" is not a number; use 0.1 to 100`},
		{"variation of nothing", "stop_when: {steady: {window: 10s, variation: 0}}",
			`1: stop_when.steady.variation: "0" is out of range; use 0.1 to 100`},

		// Relations.
		{"long ramp", "runtime: 5s\nramp: 6s",
			"2: ramp: 6s is more than runtime, which is 5s (line 1); use at most 5s"},
		{"late start", "start_delay: 21s",
			"1: start_delay: 21s is more than runtime, which is 20s (default), for consumers 0, 1; use at most 20s"},
		{"window longer than the load", "stop_when: {steady: {window: 30s}}",
			"1: stop_when.steady.window: 30s is more than runtime, which is 20s (default); use at most 20s"},
		{"window of few intervals", "stop_when: {steady: {window: 4s}}",
			"1: stop_when.steady.window: 4s is less than 5 times progress.interval, which is 1s (default); use at " +
				"least 5s"},
		{"variation without a window", "stop_when: {steady: {variation: 3}}",
			"1: stop_when.steady.variation: says nothing without stop_when.steady.window; set that, too, as in 30s"},
		{"random order of several sizes",
			"pattern: random\nchunk_size: [{size: 4KiB, weight: 70}, {size: 8KiB, weight: 30}]",
			"2: chunk_size: 4KiB:70,8KiB:30 does not go with pattern, which is random (line 1), for consumers 0, 1; " +
				"use one chunk size, or another pattern"},
		{"random order of one consumer", "chunk_size: 4KiB,8KiB\nconsumers: [{pattern: random}]",
			"2: consumers[0].pattern: random does not go with chunk_size, which is 4KiB:1,8KiB:1 (line 1), for " +
				"consumer 0; use one chunk size, or another pattern"},
		{"recycled and appended", "recycle: true\npattern: append", "2: pattern: append does not go with recycle, " +
			"which is true (line 1), for consumers 0, 1; what is appended writes over nothing: use another pattern, " +
			"or recycle: false"},
		{"recycled and kept", "keep_files: 0\nrecycle: true", "2: recycle: true does not go with keep_files, which " +
			"is 0 (line 1), for consumers 0, 1; files that are all kept are never written over: set keep_files, or " +
			"recycle: false"},
		{"direct and unaligned", "direct: true\nchunk_size: 1000B", "2: chunk_size: 1kB does not go with direct, " +
			"which is true (line 1), for consumers 0, 1; O_DIRECT writes multiples of 512B, and 1kB is none"},
		{"direct and unaligned sizes", "chunk_size: 512B,1kB,3B\nconsumers: [{}, {direct: true}]",
			"2: consumers[1].direct: true does not go with chunk_size, which is 512B:1,1kB:1,3B:1 (line 1), for " +
				"consumer 1; O_DIRECT writes multiples of 512B, and 1kB is none"},
		{"thinking beyond the rate", "think_time: 20ms\nrate: {chunks: 100}",
			"2: rate.chunks: 100 does not go with think_time, which is 20ms (line 1), for consumers 0, 1; with a " +
				"concurrency of 1 and that time between two chunks, at most 50 are written in a second: lower the " +
				"rate or think_time, or raise concurrency"},
		{"thinking beyond the slower rate", "rate: {chunks: 100, bytes: 9MB}\nchunk_size: [{size: 100kB, weight: 3}, " +
			"{size: 200kB}]\nconsumers: [{}, {think_time: 70ms, concurrency: 4}]",
			"3: consumers[1].think_time: 70ms does not go with rate.bytes, which is 9MB (line 1), for consumer 1; " +
				"with a concurrency of 4 and that time between two chunks, at most 57.142 are written in a second: " +
				"lower the rate or think_time, or raise concurrency"},
		{"much memory", "chunk_size: 64MiB\nconcurrency: 17", "2: concurrency: 17 does not go with chunk_size, which " +
			"is 64MiB (line 1), for consumers 0, 1; the chunks of all writers together take 1088MiB of memory, and " +
			"may take 1GiB"},
		{"chunk larger than the largest file", "chunk_size: 4KiB,2MiB\nfile_size: {min: 1KiB, max: 1MiB}",
			"2: file_size: 1MiB is less than chunk_size, which is 2MiB (line 1), for consumers 0, 1; use at " +
				"least 2MiB"},
		{"late heartbeat", "heartbeat:\n  timeout: 3s",
			"2: heartbeat.timeout: 3s is more than heartbeat.interval, which is 2s (default); use at most 2s"},
		{"fast heartbeat", "heartbeat:\n  interval: 500ms",
			"2: heartbeat.interval: 500ms is less than heartbeat.timeout, which is 1s (default); use at least 1s"},
		{"fast heartbeat, both given", "heartbeat:\n  timeout: 3s\n  interval: 2s",
			"3: heartbeat.interval: 2s is less than heartbeat.timeout, which is 3s (line 2); use at least 3s"},
		{"fast heartbeat, on one line", "heartbeat: {timeout: 3s, interval: 2s}",
			"1: heartbeat.interval: 2s is less than heartbeat.timeout, which is 3s (line 1); use at least 3s"},
		{"small spool", "spool: {max_size: 1MiB}",
			"1: spool.max_size: 1MiB is less than spool.memory, which is 4MiB (default); use at least 4MiB"},
		{"too many entries", "consumers: [{}, {}, {}]",
			"1: consumers: has 3 entries, but consumer_count is 2 (default); raise consumer_count, or remove entries"},
		{"chunk larger than every file", "consumer_count: 3\nchunk_size: 128MiB",
			"2: chunk_size: 128MiB is more than file_size, which is 64MiB (default), for consumers 0, 1, 2; use at " +
				"most 64MiB"},
		{"file smaller than every chunk", "consumer_count: 1\nfile_size: 4kB",
			"2: file_size: 4kB is less than chunk_size, which is 1MiB (default), for consumer 0; use at least 1MiB"},
		{"file of one consumer", "consumers:\n- {}\n- file_size: 512KiB",
			"3: consumers[1].file_size: 512KiB is less than chunk_size, which is 1MiB (default), for consumer 1; use " +
				"at least 1MiB"},
		{"one key against several consumers", "consumers: [{chunk_size: 2kB}, {chunk_size: 3kB}]\nfile_size: 1kB",
			"2: file_size: 1kB is less than consumers[0].chunk_size, which is 2kB (line 1), for consumer 0; use at " +
				"least 2kB\n" +
				"config.yaml:2: file_size: 1kB is less than consumers[1].chunk_size, which is 3kB (line 1), for " +
				"consumer " +
				"1; use at least 3kB"},
		{"both sizes of one consumer", "consumers:\n- chunk_size: 2MiB\n  file_size: 512KiB",
			"3: consumers[0].file_size: 512KiB is less than consumers[0].chunk_size, which is 2MiB (line 2), for " +
				"consumer 0; use at least 2MiB"},
		{"chunk of one consumer", "file_size: 2MiB\nconsumers: \n- chunk_size: 3MiB",
			"3: consumers[0].chunk_size: 3MiB is more than file_size, which is 2MiB (line 1), for consumer 0; use at " +
				"most 2MiB"},
		{"many consumers", "consumer_count: 100\nfile_size: 1B", "2: file_size: 1B is less than chunk_size, which is " +
			"1MiB (default), for consumers 0, 1, 2, 3, 4, 5, 6, 7 … and 92 more; use at least 1MiB"},
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
		{"unknown key", "handler: {pol: 3}", "1: handler.pol: unknown key; did you mean pool? valid here: path, " +
			"pool, memory_limit, memory_max, start_timeout, kill_timeout, orphan_grace, hang_timeout, sandbox, " +
			"user, namespaces, poison_limit"},
		{"key of a client", "runtime: 3s",
			"1: runtime: unknown key; it is a key of a client; valid here: " + supervisorKeys},
		{"no clients", "clients: 0", `1: clients: "0" is out of range; use 1 to 100000, or names, as in alpha,bravo`},
		{"small frame", "session: {max_frame: 65535B}",
			`1: session.max_frame: "65535B" is out of range; use 64KiB to 8MiB`},
		{"bad sync", "journal: {sync: file}", `1: journal.sync: "file" is not valid; use batch or none`},
		{"impatient", "handler: {hang_timeout: 999ms}",
			`1: handler.hang_timeout: "999ms" is out of range; use 1s to 1h`},
		{"no poison", "handler: {poison_limit: 0}", `1: handler.poison_limit: "0" is out of range; use 1 to 100`},
		{"long orphans", "handler: {orphan_grace: 61m}",
			`1: handler.orphan_grace: "61m" is out of range; use 0s to 1h`},
		{"old runs", "resume_within: 25h", `1: resume_within: "25h" is out of range; use 0s to 24h`},
		{"small journal", "journal: {max_size: 1MiB}",
			"1: journal.max_size: 1MiB is too little for a run; use 0B for no limit, or at least 16MiB"},
		{"memory that cannot be had", "handler: {memory_limit: 1GiB}",
			"1: handler.memory_limit: 1GiB is more than handler.memory_max, which is 512MiB (default); use at most " +
				"512MiB"},
		{"startups in words", "overload: {startups: none}",
			`1: overload.startups: "none" is not START:RATE:FULL; use three numbers, as in 64:30:256`},
		{"one startup", "overload: {startups: 64}",
			`1: overload.startups: "64" is not START:RATE:FULL; use three numbers, as in 64:30:256`},
		{"a startup too many", "overload: {startups: 1:2:3:4}",
			`1: overload.startups: "1:2:3:4" is not START:RATE:FULL; use three numbers, as in 64:30:256`},
		{"fractional startups", "overload: {startups: 1.5:30:256}",
			`1: overload.startups: "1.5:30:256" is not START:RATE:FULL; use three numbers, as in 64:30:256`},
		{"no rate", "overload: {startups: 64:0:256}",
			`1: overload.startups: "64:0:256" refuses 0 percent; use 1 to 100`},
		{"too high a rate", "overload: {startups: 64:101:256}",
			`1: overload.startups: "64:101:256" refuses 101 percent; use 1 to 100`},
		{"startups the wrong way round", "overload: {startups: 64:30:63}",
			`1: overload.startups: "64:30:63" is out of order or range; use 1 ≤ START ≤ FULL ≤ 65536`},
		{"no startups", "overload: {startups: 0:30:63}",
			`1: overload.startups: "0:30:63" is out of order or range; use 1 ≤ START ≤ FULL ≤ 65536`},
		{"too many startups", "overload: {startups: 64:30:65537}",
			`1: overload.startups: "64:30:65537" is out of order or range; use 1 ≤ START ≤ FULL ≤ 65536`},
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
	for i := range protocol.MaxLabels + 1 {
		name := "l" + strings.Repeat("x", i)
		yaml.WriteString("  " + name + ": v\n")
		env.WriteString("," + name + "=v")
	}
	file := write(t, yaml.String())
	_, err := LoadClient(file, []string{"BULKHEAD_LABELS=" + env.String()[1:]}, nil)
	want := "config.yaml:1: labels: has 33 labels; use at most 32\nBULKHEAD_LABELS: labels: has 33 labels; use at " +
		"most 32"
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
		{"bad variable", []string{"BULKHEAD_CHUNK_SIZE=1"}, nil,
			`BULKHEAD_CHUNK_SIZE: chunk_size: "1" has no unit; use B, kB, MB, GB, TB, KiB, MiB, GiB or TiB`},
		{"empty variable", []string{"BULKHEAD_RUNTIME="}, nil,
			`BULKHEAD_RUNTIME: runtime: "" is not a duration; use ns, us, ms, s, m or h, as in 1m30s`},
		{"variable that is not UTF-8", []string{"BULKHEAD_NAME=\xff"}, nil, "BULKHEAD_NAME: name: is not UTF-8 text"},
		{"consumers as a variable", []string{"BULKHEAD_CONSUMERS=3"}, nil,
			"BULKHEAD_CONSUMERS: consumers: can be set in the YAML file only; unset this variable"},
		{"bad label", []string{"BULKHEAD_LABELS=a"}, nil,
			`BULKHEAD_LABELS: labels: "a" is not a label; use name=value, and commas between labels`},
		{"label twice", []string{"BULKHEAD_LABELS=a=1,a=2"}, nil,
			`BULKHEAD_LABELS: labels: label "a" is given twice; keep one`},
		{"label without a name", []string{"BULKHEAD_LABELS==1"}, nil,
			`BULKHEAD_LABELS: labels: label name "" is empty; give a value`},
		{"bad variable under a good flag", []string{"BULKHEAD_RUNTIME=x"}, []Override{{"runtime", "3s", "--runtime"}},
			`BULKHEAD_RUNTIME: runtime: "x" is not a duration; use ns, us, ms, s, m or h, as in 1m30s`},
		{"bad flag", nil, []Override{{"consumer_count", "0", "--consumers"}},
			`--consumers: consumer_count: "0" is out of range; use 1 to 1024`},
		{"flag without a key", nil, []Override{{"colour", "red", "--colour"}}, "--colour: colour: unknown key"},
		{"consumers as a flag", nil, []Override{{"consumers", "[]", "--entries"}},
			"--entries: consumers: can be set in the YAML file only"},
		{"flag against a variable", []string{"BULKHEAD_FILE_SIZE=1MiB"},
			[]Override{{"chunk_size", "2MiB", "--chunk-size"}}, "--chunk-size: chunk_size: 2MiB is more than " +
				"file_size, which is 1MiB (BULKHEAD_FILE_SIZE), for consumers 0, 1; use at most 1MiB"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := LoadClient("", row.env, row.flags)
			if err == nil || err.Error() != row.want {
				t.Errorf("error = %v\n want %s", err, row.want)
			}
		})
	}
}
