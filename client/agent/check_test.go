package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bulkhead/internal/config/value"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// machine is a test machine: what is allowed, and what is not, with links between them.
//
//	allowed/             1 GiB
//	allowed/inner/       1 MiB
//	allowed/out      ->  ../secret
//	allowed/abs      ->  secret, by its whole path
//	allowed/loop     ->  loop
//	allowed/file
//	allowed-not/
//	secret/
//	link             ->  allowed
func machine(t *testing.T) (root string, limits Limits) {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	for _, dir := range []string{"allowed/inner", "allowed-not", "secret"} {
		must(t, os.MkdirAll(filepath.Join(root, dir), 0o755))
	}
	must(t, os.WriteFile(filepath.Join(root, "allowed/file"), nil, 0o600))
	must(t, os.Symlink("../secret", filepath.Join(root, "allowed/out")))
	must(t, os.Symlink(filepath.Join(root, "secret"), filepath.Join(root, "allowed/abs")))
	must(t, os.Symlink("loop", filepath.Join(root, "allowed/loop")))
	must(t, os.Symlink("allowed", filepath.Join(root, "link")))
	for _, a := range []value.Allowance{{Path: root + "/link", Size: value.GiB},
		{Path: root + "/allowed/inner", Size: value.MiB}} {
		one, err := Resolve(a)
		must(t, err)
		limits.Allowances = append(limits.Allowances, one)
	}
	limits.MaxRuntime = time.Minute
	return root, limits
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func taskOf(load string) *bulkheadv1.Task {
	return &bulkheadv1.Task{TaskId: []byte("0123456789abcdef"), ClientName: "a", Load: []byte(load)}
}

// Whatever a supervisor sends, a load stays below what is allowed, within its bytes and its time, and
// says nothing but what is written.
func TestALoadIsHeldToTheLimits(t *testing.T) {
	root, limits := machine(t)
	const small = "\nfile_size: 1MiB\nchunk_size: 64KiB\n"
	const (
		fine    = bulkheadv1.TaskRefusal_TASK_REFUSAL_UNSPECIFIED
		invalid = bulkheadv1.TaskRefusal_TASK_REFUSAL_LOAD_INVALID
		task    = bulkheadv1.TaskRefusal_TASK_REFUSAL_TASK_INVALID
		path    = bulkheadv1.TaskRefusal_TASK_REFUSAL_PATH_FORBIDDEN
		key     = bulkheadv1.TaskRefusal_TASK_REFUSAL_KEY_FORBIDDEN
		large   = bulkheadv1.TaskRefusal_TASK_REFUSAL_TOO_LARGE
		long    = bulkheadv1.TaskRefusal_TASK_REFUSAL_TOO_LONG
	)
	for _, tt := range []struct {
		name, load string
		want       bulkheadv1.TaskRefusal
	}{
		{"what is allowed", "path: ROOT/allowed" + small, fine},
		{"a folder that is not there", "path: ROOT/allowed/new/deep" + small, fine},
		{"no load", "", invalid},
		{"no YAML", "\x00", invalid},
		{"a path elsewhere", "path: ROOT/secret" + small, path},
		{"the root", "path: /" + small, path},
		{"a path that begins alike", "path: ROOT/allowed-not" + small, path},
		{"a path above", "path: ROOT" + small, path},
		{"dots", "path: ROOT/allowed/../secret" + small, path},
		{"dots that lead back", "path: ROOT/allowed/inner/.." + small, path},
		{"dots behind what is not there", "path: ROOT/allowed/new/../../secret" + small, path},
		{"a link out", "path: ROOT/allowed/out" + small, path},
		{"below a link out", "path: ROOT/allowed/out/deep/er" + small, path},
		{"a link by its whole path", "path: ROOT/allowed/abs/x" + small, path},
		{"a link to itself", "path: ROOT/allowed/loop/x" + small, path},
		{"the link by which it is allowed", "path: ROOT/link" + small, path},
		{"a file", "path: ROOT/allowed/file" + small, path},
		{"below a file", "path: ROOT/allowed/file/x" + small, path},
		{"a relative path", "path: allowed" + small, invalid},
		{"a slash too many", "path: ROOT/allowed//inner" + small, path},
		{"one consumer elsewhere",
			"path: ROOT/allowed\nconsumer_count: 3\nconsumers: [{}, {path: ROOT/secret}]" + small, path},
		{"the last consumer elsewhere",
			"path: ROOT/secret\nconsumer_count: 2\nconsumers: [{path: ROOT/allowed}]" + small, path},

		{"all that is allowed", "path: ROOT/allowed\nconsumer_count: 1\nkeep_files: 2\nfile_size: 256MiB", fine},
		{"more than is allowed", "path: ROOT/allowed\nconsumer_count: 1\nkeep_files: 3\nfile_size: 256MiB", large},
		{"more for its consumers", "path: ROOT/allowed\nconsumer_count: 5\nfile_size: 64MiB", large},
		{"more for its writers", "path: ROOT/allowed\nconsumer_count: 1\nconcurrency: 14\nfile_size: 64MiB", large},
		{"all files kept", "path: ROOT/allowed\nkeep_files: 0" + small, large},
		{"all kept of little", "path: ROOT/allowed\nkeep_files: 0\ntotal_size: 100MiB" + small, fine},
		{"all kept of much", "path: ROOT/allowed\nkeep_files: 0\ntotal_size: 1GiB" + small, large},
		{"large files of little", "path: ROOT/allowed\nfile_size: 1GiB\ntotal_size: 1MiB", large},
		{"more than the inner folder has", "path: ROOT/allowed/inner" + small, large},
		{"a folder in a folder, of both",
			"path: ROOT/allowed/inner\nfile_size: 100KiB\nchunk_size: 4KiB\nconsumer_count: 1", fine},
		{"small files, which take up blocks", "path: ROOT/allowed\nkeep_files: 10000\nfile_size: 1KiB\n" +
			"chunk_size: 1KiB\nconsumer_count: 100", large},
		{"small files of a total", "path: ROOT/allowed\nkeep_files: 0\nfile_size: 1KiB\nchunk_size: 1KiB\n" +
			"total_size: 512MiB", large},
		{"more than it can count",
			"path: ROOT/allowed\nkeep_files: 10000\nfile_size: 1TiB\nconsumer_count: 1024", large},

		{"all kept of stages", "path: ROOT/allowed\nkeep_files: 0\nstages: [{name: a, duration: 1s, " +
			"total_size: 50MiB}, {name: b, duration: 1s, total_size: 50MiB}]" + small, fine},
		{"all kept of stages of much", "path: ROOT/allowed\nkeep_files: 0\nstages: [{name: a, duration: 1s, " +
			"total_size: 600MiB}, {name: b, duration: 1s, total_size: 600MiB}]" + small, large},
		{"all kept of a stage without a total", "path: ROOT/allowed\nkeep_files: 0\nstages: [{name: a, duration: 1s, " +
			"total_size: 1MiB}, {name: b, duration: 1s}]" + small, large},
		{"more for the writers of a stage", "path: ROOT/allowed\nconsumer_count: 1\nfile_size: 64MiB\n" +
			"stages: [{name: a, duration: 1s}, {name: b, duration: 1s, concurrency: 14}]", large},
		{"stages of a minute", "path: ROOT/allowed\nstages: [{name: a, duration: 20s}, {name: b, duration: 20s, " +
			"pause: 20s}]" + small, fine},
		{"stages of more", "path: ROOT/allowed\nstages: [{name: a, duration: 20s}, {name: b, duration: 20s, pause: " +
			"21s}]" + small, long},
		{"steps of more", "path: ROOT/allowed\nstages: [{name: a, duration: 10s}, {name: b, duration: 10s, rate: " +
			"10%..60% in 5 steps}]" + small, long},
		{"a stage without a duration", "path: ROOT/allowed\nstages: [{name: a, duration: 1s}, {name: b, total_size: " +
			"1MiB}]" + small, long},

		{"a minute", "path: ROOT/allowed\nruntime: 1m" + small, fine},
		{"more", "path: ROOT/allowed\nruntime: 61s" + small, long},
		{"more with a warm-up", "path: ROOT/allowed\nruntime: 40s\nwarmup: 21s" + small, long},
		{"a minute with a warm-up", "path: ROOT/allowed\nruntime: 40s\nwarmup: 20s" + small, fine},
		{"another supervisor", "path: ROOT/allowed\nsupervisor: 192.0.2.1:7420" + small, invalid},
		{"a token", "path: ROOT/allowed\ntoken: x" + small, invalid},
		{"a token's file", "path: ROOT/allowed\ntoken_file: /etc/shadow" + small, invalid},
		{"certificates", "path: ROOT/allowed\ntls: {ca: /etc/passwd}" + small, invalid},
		{"a working folder", "path: ROOT/allowed\nwork_dir: /root" + small, invalid},
		{"a spool", "path: ROOT/allowed\nspool: {max_size: 1TiB}" + small, invalid},
		{"a name", "path: ROOT/allowed\nname: other" + small, invalid},
		{"labels", "path: ROOT/allowed\nlabels: {rack: other}" + small, invalid},
		{"a log", "path: ROOT/allowed\nlog: {level: debug}" + small, invalid},
		{"a command", "path: ROOT/allowed\ncommand: rm -rf /" + small, invalid},
		{"files that stay", "path: ROOT/allowed\nkeep: true" + small, key},
		{"no reserve", "path: ROOT/allowed\nreserve: 0" + small, key},
		{"no reserve of inodes for one", "path: ROOT/allowed\nconsumers: [{reserve_inodes: 0}]" + small, key},
		{"an alias", "path: &p ROOT/allowed\ndata: *p" + small, invalid},
		{"too long", "# " + strings.Repeat("x", 300<<10), task},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, no := limits.check(taskOf(strings.ReplaceAll(tt.load, "ROOT", root)), nil)
			got := fine
			if no != nil {
				got = no.why
			}
			if got != tt.want {
				t.Errorf("%s is %v (%v); want %v", tt.load, got, no, tt.want)
			}
		})
	}
}

// The name of the client goes into a report and its id into a log: both are held to their bounds.
func TestATaskHasAForm(t *testing.T) {
	_, limits := machine(t)
	for _, change := range []func(*bulkheadv1.Task){
		func(t *bulkheadv1.Task) { t.TaskId = nil },
		func(t *bulkheadv1.Task) { t.ClientName = "" },
		func(t *bulkheadv1.Task) { t.ClientName = "a\nb" },
		func(t *bulkheadv1.Task) { t.ClientName = strings.Repeat("a", 200) },
		func(t *bulkheadv1.Task) { t.Job = strings.Repeat("j", 200) },
	} {
		task := taskOf("path: /")
		change(task)
		if _, no := limits.check(task, nil); no == nil || no.why != bulkheadv1.TaskRefusal_TASK_REFUSAL_TASK_INVALID {
			t.Errorf("%v is refused as %v; want as no task", task, no)
		}
	}
}

func TestWhatCanBeAllowed(t *testing.T) {
	root, _ := machine(t)
	must(t, os.Symlink("/", filepath.Join(root, "all")))
	for _, path := range []string{"/nowhere/at/all", root + "/allowed/file", root + "/all", root + "/allowed/loop"} {
		if a, err := Resolve(value.Allowance{Path: path, Size: 1}); err == nil {
			t.Errorf("%s is allowed as %+v", path, a)
		}
	}
	a, err := Resolve(value.Allowance{Path: root + "/link", Size: 7})
	if want := (Allowance{Path: root + "/allowed", Bytes: 7}); err != nil || a != want {
		t.Errorf("a link is allowed as %v, %v; want %v", a, err, want)
	}
}

// A flood of tasks is remembered as far as there is room, and one that runs always is.
func TestWhatIsRememberedIsBounded(t *testing.T) {
	a := newAgent(Config{})
	running := &task{report: &bulkheadv1.TaskReport{TaskId: []byte("runs")}, client: &client{}}
	a.remember(running)
	for i := range 1000 {
		a.remember(&task{report: &bulkheadv1.TaskReport{TaskId: fmt.Append(nil, i)}})
	}
	got := a.report().GetTasks()
	if len(got) != 16 || string(got[0].GetTaskId()) != "runs" || string(got[15].GetTaskId()) != "999" {
		t.Errorf("%d tasks are remembered: %v", len(got), got)
	}
}
