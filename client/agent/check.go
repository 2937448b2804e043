package agent

import (
	"fmt"
	"path/filepath"
	"time"

	"bulkhead/internal/config"
	"bulkhead/internal/human"
	"bulkhead/internal/pathname"
	"bulkhead/internal/protocol"
	"bulkhead/internal/saturated"
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

// check returns why a task is not within the limits; nil if it is.
func (l Limits) check(t *bulkheadv1.Task) *refusal {
	if wrong := protocol.CheckTask(t); wrong != "" {
		return refuse(bulkheadv1.TaskRefusal_TASK_REFUSAL_TASK_INVALID, "the task is not valid: %s", wrong)
	}
	read, err := config.ParseJobLoad("load", t.GetLoad())
	if err != nil {
		return refuse(bulkheadv1.TaskRefusal_TASK_REFUSAL_LOAD_INVALID, "%v", err)
	}
	load := read.Settings
	if key := ownersKey(load); key != "" {
		return refuse(bulkheadv1.TaskRefusal_TASK_REFUSAL_KEY_FORBIDDEN,
			"load: %s: what a load leaves on this machine is for its owner to say; leave it out", key)
	}
	if most := l.MaxRuntime; most > 0 && load.Warmup+load.Runtime > most {
		return refuse(bulkheadv1.TaskRefusal_TASK_REFUSAL_TOO_LONG,
			"load: runtime and warmup are %s; the owner of this machine allows %s",
			human.ExactDuration(load.Warmup+load.Runtime), human.ExactDuration(most))
	}
	return l.checkRoom(load)
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

// checkRoom checks where consumers write, and how much they hold there at once.
func (l Limits) checkRoom(load config.Client) *refusal {
	held := make(map[string]uint64) // by the path that is allowed
	for i, c := range load.Consumers() {
		if c.Path != filepath.Clean(c.Path) {
			return refuse(bulkheadv1.TaskRefusal_TASK_REFUSAL_PATH_FORBIDDEN,
				"load: consumer %d: path %s is not written plainly; use %s", i, pathname.Printable(c.Path),
				pathname.Printable(filepath.Clean(c.Path)))
		}
		a := above(l.Allowances, c.Path)
		if a == nil {
			return refuse(bulkheadv1.TaskRefusal_TASK_REFUSAL_PATH_FORBIDDEN,
				"load: consumer %d: path %s is not below %s, which the owner of this machine allows", i,
				pathname.Printable(c.Path), l.paths())
		}
		if err := beneath(a.Path, c.Path); err != nil {
			return refuse(bulkheadv1.TaskRefusal_TASK_REFUSAL_PATH_FORBIDDEN,
				"load: consumer %d: path %s: below %s, which is allowed, it %v", i, pathname.Printable(c.Path),
				pathname.Printable(a.Path), err)
		}
		held[a.Path] = saturated.Add(held[a.Path], holds(c, uint64(load.TotalSize)))
	}
	for _, a := range l.Allowances {
		most := held[a.Path]
		if total := uint64(load.TotalSize); total > 0 {
			most = min(most, saturated.Add(total, totalSlack(load)))
		}
		if most > a.Bytes {
			return refuse(bulkheadv1.TaskRefusal_TASK_REFUSAL_TOO_LARGE,
				"load: it can take up %s below %s; the owner of this machine allows %s; keep fewer or smaller files "+
					"(keep_files, file_size, consumer_count), or set total_size", human.BriefSize(most),
				pathname.Printable(a.Path), human.BriefSize(a.Bytes))
		}
	}
	return nil
}

// holds returns the most that a consumer's files take up at once.
func holds(c config.Consumer, total uint64) uint64 {
	size := uint64(c.FileSize.Max)
	writing := saturated.Mul(uint64(max(c.Concurrency, 1)), size)
	if c.KeepFiles == 0 { // it keeps all
		if total == 0 {
			return ^uint64(0)
		}
		return saturated.Add(total, writing)
	}
	// One more is finished before the oldest is removed.
	return saturated.Add(saturated.Mul(uint64(c.KeepFiles)+1, size), writing)
}

// totalSlack returns how much more than total_size a load may take up: chunks that were begun, and
// files that are allocated whole.
func totalSlack(load config.Client) (bytes uint64) {
	for _, c := range load.Consumers() {
		writers := uint64(max(c.Concurrency, 1))
		bytes = saturated.Add(bytes, saturated.Mul(writers, uint64(c.FileSize.Max)))
	}
	return bytes
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
