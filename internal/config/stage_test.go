package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bulkhead/internal/workload"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// A list of stages, with a curve in its steps, is what the load consists of, and its runtime their sum.
func TestStages(t *testing.T) {
	c, err := LoadClient(write(t, `
stages:
  - {name: fill, total_size: 10GiB, duration: 30s, report: off}
  - {name: peak, duration: 20s, concurrency: 8, sync: chunk, pause: 5s}
  - {name: fixed, duration: 1m, rate: {bytes: 10MiB, chunks: 100}, sync: 16MiB}
  - {name: half, duration: 10s, rate: 50%}
  - {name: curve, duration: 10s, rate: 50%..100% in 2 steps, of: fill, pause: 1s}
  - {name: back, duration: 5s, rate: 100%..50% in 1 steps, of: fixed}
`), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	curve := func(name string, percent float64) workload.Stage {
		return workload.Stage{Name: name, Duration: 10 * time.Second, RatePercent: percent, RateOf: 1,
			Pause: time.Second, Curve: 1}
	}
	want := workload.Stages{
		{Name: "fill", TotalBytes: 10 << 30, Duration: 30 * time.Second, Unreported: true},
		{Name: "peak", Duration: 20 * time.Second, Concurrency: 8,
			Sync: bulkheadv1.SyncPolicy_SYNC_POLICY_CHUNK, Pause: 5 * time.Second},
		{Name: "fixed", Duration: time.Minute, RateBytes: 10 << 20, RateChunks: 100,
			Sync: bulkheadv1.SyncPolicy_SYNC_POLICY_BYTES, SyncBytes: 16 << 20},
		{Name: "half", Duration: 10 * time.Second, RatePercent: 50, RateOf: 2},
		curve("curve 50%", 50), curve("curve 75%", 75), curve("curve 100%", 100),
		{Name: "back 100%", Duration: 5 * time.Second, RatePercent: 100, RateOf: 3, Curve: 2},
		{Name: "back 50%", Duration: 5 * time.Second, RatePercent: 50, RateOf: 3, Curve: 2},
	}
	if diff := cmp.Diff(want, c.Stages); diff != "" {
		t.Error(diff)
	}
	if want := (30 + 25 + 60 + 10 + 33 + 10) * time.Second; c.Runtime != want {
		t.Errorf("the runtime is %v; want %v", c.Runtime, want)
	}
	if diff := cmp.Diff(c.Stages, workload.StagesOf(c.Stages.Wire())); diff != "" {
		t.Errorf("on the wire they are others: %s", diff)
	}
	if problems := c.Stages.Check(); len(problems) > 0 {
		t.Errorf("what a configuration may have is not valid: %v", problems)
	}
}

func TestStageWithoutADuration(t *testing.T) {
	c, err := LoadClient(write(t, "stages: [{name: a, duration: 1s}, {name: b, total_size: 1GiB}]\n"), nil, nil)
	if err != nil || c.Runtime != 0 {
		t.Errorf("the runtime is %v, %v; want that nobody knows it", c.Runtime, err)
	}
}

func TestStagesThatAreRefused(t *testing.T) {
	peak := "{name: peak, duration: 20s}"
	for name, tt := range map[string]struct{ file, want string }{
		"no list": {"stages: 20s\n", "config.yaml:1: stages: is a single value; it must be a list of maps, as in " +
			"[{name: peak, duration: 20s}]"},
		"no name": {"stages: [{duration: 20s}]\n",
			"config.yaml:1: stages[0].name: is missing; give the stage a name, as in name: peak"},
		"no end": {"stages: [{name: a}]\n",
			"config.yaml:1: stages[0]: has no end; give it a duration, as in 20s, a total_size, or both"},
		"the same name": {
			"stages: [" + peak + ", " + peak + "]\n", `config.yaml:1: stages[1].name: "peak" is the name ` +
				"of another stage; give each a name of its own"},
		"a name of a step": {"stages: [" + peak + ", {name: peak 50%, duration: 1s}, {name: peak, duration: 1s, " +
			"rate: 50%..60% in 1 steps}]\n", `config.yaml:1: stages[2].name: "peak 50%" is the name of another stage; ` +
			"give each a name of its own"},
		"a long name": {"stages: [{name: " + strings.Repeat("x", 65) + ", duration: 1s}]\n",
			"config.yaml:1: stages[0].name: is 65 bytes long; use at most 64"},
		"a long name of a step": {
			"stages: [" + peak + ", {name: " + strings.Repeat("x", 62) + ", duration: 1s, rate: " +
				"10%..20% in 1 steps}]\n",
			"config.yaml:1: stages[1].name: is too long for the names of its steps, as in \"" +
				strings.Repeat("x", 60) + "…\"; use at most 64 bytes with that"},
		"nothing to be a part of": {"stages: [{name: a, duration: 1s, rate: 50%}]\n",
			"config.yaml:1: stages[0]: has a rate in percent, and no stage before it is without a rate; put one " +
				"there, as in {name: peak, duration: 20s}, or name another with of"},
		"a part of what comes later": {"stages: [{name: a, duration: 1s, rate: 50%, of: peak}, " + peak + "]\n",
			`config.yaml:1: stages[0]: of: "peak" is no stage before it; name one that stands above`},
		"of without percent": {"stages: [" + peak + ", {name: a, duration: 1s, of: peak}]\n", "config.yaml:1: " +
			"stages[1].of: says nothing without a rate in percent; set that, too, as in rate: 50%"},
		"no rate": {
			"stages: [{name: a, duration: 1s, rate: 10MiB}]\n", "config.yaml:1: stages[0].rate: \"10MiB\" is not " +
				"the rate of a stage; use 50%, 10%..110% in 10 steps, or {bytes: 10MiB} or {chunks: 100} or both"},
		"nothing reported": {
			"stages: [{name: a, duration: 1s, report: off}]\n", "config.yaml:1: stages: has no stage " +
				"that is reported, so no figure would be judged; leave out report: off of one"},
		"too many": {
			"stages: [" + peak + ", {name: a, duration: 1s, rate: 10%..20% in 63 steps}]\n", "config.yaml:1: " +
				"stages: has 65 stages, with the steps of curves; use at most 64"},
		"a typing error": {
			"stages: [{name: a, durtion: 1s}]\n", "config.yaml:1: stages[0].durtion: unknown key; did you " +
				"mean duration? valid here: name, total_size, duration, rate, of, concurrency, sync, pause, " +
				"together, together_timeout, report"},
		"runtime": {"runtime: 10s\nstages: [" + peak + "]\n", "config.yaml:1: runtime: is set, and so are stages " +
			"(line 2), whose durations add up to it; leave out one of the two"},
		"warmup": {
			"warmup: 10s\nstages: [" + peak + "]\n", "config.yaml:2: stages: a list of 1 stage does not go with " +
				"warmup, which is 10s (line 1); use a first stage with report: off"},
		"ramp": {
			"stages: [" + peak + "]\nramp: 10s\n", "config.yaml:2: ramp: 10s does not go with stages, which is a " +
				"list of 1 stage (line 1); use stages with a concurrency or a rate that grows"},
		"total_size": {
			"stages: [" + peak + "]\ntotal_size: 1GiB\n", "config.yaml:2: total_size: 1GiB does not go with " +
				"stages, which is a list of 1 stage (line 1); use the total_size of a stage"},
		"steady": {"stages: [" + peak + "]\nstop_when: {steady: {window: 10s}}\n", "config.yaml:2: " +
			"stop_when.steady.window: 10s does not go with stages, which is a list of 1 stage (line 1); a stage " +
			"ends by its duration or its total_size"},
		"rate of a consumer": {"stages: [" + peak + "]\nconsumers: [{rate: {bytes: 1MiB}}]\n", "config.yaml:2: " +
			"consumers[0].rate.bytes: 1MiB does not go with stages, which is a list of 1 stage (line 1), for " +
			"consumer 0; give each stage its rate; one without has none"},
		"start_delay": {
			"stages: [" + peak + "]\nstart_delay: 1s\n", "config.yaml:2: start_delay: 1s does not go with " +
				"stages, which is a list of 1 stage (line 1), for consumers 0, 1; use the pause of the first stage"},
		"memory": {
			"chunk_size: 64MiB\nstages: [{name: a, duration: 1s, concurrency: 32}]\n", "config.yaml:2: stages: a " +
				"stage with a concurrency of 32 does not go with chunk_size, which is 64MiB (line 1), for consumers " +
				"0, 1; the chunks of all writers together take 2GiB of memory, and may take 1GiB"},
		"think_time": {
			"think_time: 1s\nstages: [{name: a, duration: 1s, rate: {chunks: 2}}]\n", "config.yaml:2: stages: " +
				"stage \"a\" with a rate of 2 does not go with think_time, which is 1s (line 1), for consumers 0, 1; " +
				"with a concurrency of 1 and that time between two chunks, at most 1 are written in a second: lower " +
				"the rate or think_time, or raise concurrency"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := LoadClient(write(t, tt.file), nil, nil)
			if err == nil {
				t.Fatal("it is taken")
			}
			folder, _, _ := strings.Cut(err.Error(), "config.yaml")
			if got := strings.ReplaceAll(err.Error(), folder, ""); got != tt.want {
				t.Errorf("error = %s\n want %s", got, tt.want)
			}
		})
	}
}

// The stages of an entry of a job take the place of those that all have in common, and the text that
// goes to an agent reads as the same stages.
func TestStagesOfAJob(t *testing.T) {
	j, err := LoadJob(write(t, `
job: a
load: {path: /mnt, stages: [{name: a, duration: 1s}, {name: b, duration: 2s}]}
clients:
  - {on: all}
  - {on: {name: c}, load: {stages: [{name: c, duration: 3s, rate: {chunks: 5}, report: on}]}}
`))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []time.Duration{3 * time.Second, 3 * time.Second} {
		load := j.Clients[i].Load
		again, err := ParseJobLoad("load", load.Text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(load.Settings.Stages, again.Settings.Stages); diff != "" || again.Settings.Runtime != want {
			t.Errorf("%s is read as %v: %s", load.Text, again.Settings.Runtime, diff)
		}
	}
	if n := len(j.Clients[0].Load.Settings.Stages); n != 2 {
		t.Errorf("the first entry has %d stages; want 2", n)
	}
	if s := j.Clients[1].Load.Settings.Stages; len(s) != 1 || s[0].Name != "c" {
		t.Errorf("the second entry has %+v", s)
	}
}
