package agent

import (
	"fmt"
	"path/filepath"
	"time"

	"bulkhead/internal/config"
	"bulkhead/internal/config/value"
	"bulkhead/internal/human"
	"bulkhead/internal/pathname"
	"bulkhead/internal/protocol"
	"bulkhead/internal/saturated"
	"bulkhead/internal/workload"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// refusal is why a task is not done.
type refusal struct {
	why  bulkheadv1.TaskRefusal
	text string
}

func refuse(why bulkheadv1.TaskRefusal, format string, args ...any) *refusal {
	return &refusal{why, fmt.Sprintf(format, args...)}
}

// Limits are what the owner of a machine allows.
type Limits struct {
	// Allowances are where loads may write; at least one.
	Allowances []Allowance
	// MaxRuntime bounds the runtime of a load with its warm-up; 0 does not.
	MaxRuntime time.Duration
}

// check returns what the load of a task takes up, or why it is not within the limits. What others left is
// in left.
func (l Limits) check(t *bulkheadv1.Task, left []*need) (need, *refusal) {
	if wrong := protocol.CheckTask(t); wrong != "" {
		return need{}, refuse(bulkheadv1.TaskRefusal_TASK_REFUSAL_TASK_INVALID, "the task is not valid: %s", wrong)
	}
	read, err := config.ParseJobLoad("load", t.GetLoad())
	if err != nil {
		return need{}, refuse(bulkheadv1.TaskRefusal_TASK_REFUSAL_LOAD_INVALID, "%v", err)
	}
	load := read.Settings
	if key := ownersKey(load); key != "" {
		return need{}, refuse(bulkheadv1.TaskRefusal_TASK_REFUSAL_KEY_FORBIDDEN,
			"load: %s: what a load leaves on this machine is for its owner to say; leave it out", key)
	}
	if n := endless(load.Stages); n != "" && l.MaxRuntime > 0 {
		return need{}, refuse(bulkheadv1.TaskRefusal_TASK_REFUSAL_TOO_LONG,
			"load: stage %s has no duration, so nobody knows how long it lasts; the owner of this machine allows %s: "+
				"give it a duration beside its total_size", value.Quote(n), human.ExactDuration(l.MaxRuntime))
	}
	switch most, waits := l.MaxRuntime, load.Stages.Waits(); {
	case most == 0 || load.Warmup+load.Runtime+waits <= most:
	case waits > 0:
		return need{}, refuse(bulkheadv1.TaskRefusal_TASK_REFUSAL_TOO_LONG,
			"load: its stages are %s, and may wait for other clients for %s; the owner of this machine allows %s",
			human.ExactDuration(load.Runtime), human.ExactDuration(waits), human.ExactDuration(most))
	default:
		return need{}, refuse(bulkheadv1.TaskRefusal_TASK_REFUSAL_TOO_LONG,
			"load: runtime and warmup are %s; the owner of this machine allows %s",
			human.ExactDuration(load.Warmup+load.Runtime), human.ExactDuration(most))
	}
	return l.checkRoom(load, left)
}

// endless returns the name of the first stage without a duration; "" if all have one.
func endless(stages workload.Stages) string {
	for _, one := range stages {
		if one.Duration == 0 {
			return one.Name
		}
	}
	return ""
}

// ownersKey returns a key that the load sets and that is the owner's: files that stay, and room that is
// left to others; "" if it sets none.
func ownersKey(load config.Client) string {
	defaults := config.DefaultClient().Consumer
	if load.Keep {
		return "keep"
	}
	for _, c := range load.Consumers() {
		switch {
		case c.Reserve != defaults.Reserve:
			return "reserve"
		case c.ReserveInodes != defaults.ReserveInodes:
			return "reserve_inodes"
		}
	}
	return ""
}

// needOf returns where consumers write, and how much they hold there at once, or why they may not write
// there.
func (l Limits) needOf(load config.Client) (need, *refusal) {
	n := need{make(map[string]string), make(map[string]uint64)}
	for i, c := range widest(load) {
		if c.Path != filepath.Clean(c.Path) {
			return need{}, refuse(bulkheadv1.TaskRefusal_TASK_REFUSAL_PATH_FORBIDDEN,
				"load: consumer %d: path %s is not written plainly; use %s", i, pathname.Printable(c.Path),
				pathname.Printable(filepath.Clean(c.Path)))
		}
		a := above(l.Allowances, c.Path)
		if a == nil {
			return need{}, refuse(bulkheadv1.TaskRefusal_TASK_REFUSAL_PATH_FORBIDDEN,
				"load: consumer %d: path %s is not below %s, which the owner of this machine allows", i,
				pathname.Printable(c.Path), l.paths())
		}
		if err := beneath(a.Path, c.Path); err != nil {
			return need{}, refuse(bulkheadv1.TaskRefusal_TASK_REFUSAL_PATH_FORBIDDEN,
				"load: consumer %d: path %s: below %s, which is allowed, it %v", i, pathname.Printable(c.Path),
				pathname.Printable(a.Path), err)
		}
		n.paths[c.Path] = a.Path
		for _, a := range l.Allowances { // of a folder in a folder both
			if a.has(c.Path) {
				n.held[a.Path] = saturated.Add(n.held[a.Path], holds(c, totalOf(load)))
			}
		}
	}
	for path, bytes := range n.held {
		if totalOf(load) > 0 {
			n.held[path] = min(bytes, inTotal(load))
		}
	}
	return n, nil
}

// checkRoom checks where consumers write, and how much they hold there at once.
func (l Limits) checkRoom(load config.Client, left []*need) (need, *refusal) {
	n, no := l.needOf(load)
	if no != nil {
		return need{}, no
	}
	with := n.over(left)
	for _, a := range l.Allowances {
		if n.held[a.Path] == 0 || with[a.Path] <= a.Bytes {
			continue
		}
		besides := ""
		if with[a.Path] > n.held[a.Path] {
			besides = fmt.Sprintf(" beside the %s of clients that were killed, whose files are not removed yet",
				human.BriefSize(with[a.Path]-n.held[a.Path]))
		}
		return need{}, refuse(bulkheadv1.TaskRefusal_TASK_REFUSAL_TOO_LARGE,
			"load: it can take up %s below %s%s; the owner of this machine allows %s; keep fewer or smaller files "+
				"(keep_files, file_size, consumer_count), or set total_size", human.BriefSize(n.held[a.Path]),
			pathname.Printable(a.Path), besides, human.BriefSize(a.Bytes))
	}
	return n, nil
}

// widest returns the consumers of a load, each with as many writers as it has in any stage.
func widest(load config.Client) []config.Consumer {
	consumers := load.Consumers()
	for i := range consumers {
		consumers[i].Concurrency = int(load.Stages.Writers(uint32(max(consumers[i].Concurrency, 1))))
	}
	return consumers
}

// totalOf returns how much all consumers of a load write at most; 0 if nothing bounds it. In each
// stage, less than a chunk more of each may be written.
func totalOf(load config.Client) uint64 {
	total := load.Stages.Total()
	if total == 0 {
		return uint64(load.TotalSize)
	}
	for _, c := range widest(load) {
		total = saturated.Add(total, saturated.Mul(uint64(len(load.Stages)), uint64(c.ChunkSize.Largest())))
	}
	return total
}

// blockSize is what the smallest file takes up.
const blockSize = 4096

// onDisk returns what a consumer's largest file takes up.
func onDisk(c config.Consumer) uint64 {
	return saturated.Mul((saturated.Add(uint64(c.FileSize.Max), blockSize-1))/blockSize, blockSize)
}

// holds returns the most that a consumer's files take up at once.
func holds(c config.Consumer, total uint64) uint64 {
	writing := saturated.Mul(uint64(max(c.Concurrency, 1)), onDisk(c))
	if c.KeepFiles == 0 { // it keeps all
		if total == 0 {
			return ^uint64(0)
		}
		return saturated.Add(inFiles(c, total), writing)
	}
	// One more is finished before the oldest is removed.
	return saturated.Add(saturated.Mul(uint64(c.KeepFiles)+1, onDisk(c)), writing)
}

// inFiles returns what total bytes take up at most in a consumer's files.
func inFiles(c config.Consumer, total uint64) uint64 {
	files := total/max(uint64(c.FileSize.Min), 1) + 1
	return saturated.Add(total, saturated.Mul(files, blockSize))
}

// inTotal returns the most that a load with a total_size takes up at once: in the smallest of its files,
// with chunks that were begun, and files that are allocated whole.
func inTotal(load config.Client) uint64 {
	var most, slack uint64
	for _, c := range widest(load) {
		most = max(most, inFiles(c, totalOf(load)))
		slack = saturated.Add(slack, saturated.Mul(uint64(max(c.Concurrency, 1)), onDisk(c)))
		// A file may be cut short where a stage ends.
		slack = saturated.Add(slack, saturated.Mul(uint64(c.Concurrency*len(load.Stages)), blockSize))
	}
	return saturated.Add(most, slack)
}

// paths lists where loads may write.
func (l Limits) paths() string {
	out := ""
	for i, a := range l.Allowances {
		if i > 0 {
			out += " or "
		}
		out += pathname.Printable(a.Path)
	}
	return out
}
