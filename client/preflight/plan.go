package preflight

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"bulkhead/client/names"
	"bulkhead/client/site"
	"bulkhead/client/spec"
	"bulkhead/internal/pathname"
	"bulkhead/internal/saturated"
)

// Plan is what a client would do.
type Plan struct {
	// Runtime is how long the load lasts at most; 0 for stages of which one has no duration.
	Runtime time.Duration `json:"runtime_nano"`
	// Stages says in words what it consists of; none for a load without stages.
	Stages []string `json:"stages,omitempty"`
	// TotalBytes ends the load before; 0 does not.
	TotalBytes uint64            `json:"total_bytes,omitempty"`
	Consumers  []PlannedConsumer `json:"consumers"`
	// MemoryBytes is what all processes of the client take of memory at most, without what is
	// written; MemoryFreeBytes is what they may have, 0 if that is not known.
	MemoryBytes     uint64 `json:"memory_bytes"`
	MemoryFreeBytes uint64 `json:"memory_free_bytes,omitempty"`
	// Warnings are what may go wrong.
	Warnings []string `json:"warnings,omitempty"`
	// Problems are why it would not begin, as far as that can be seen without writing.
	Problems []string `json:"problems,omitempty"`
}

// PlannedConsumer is what one consumer would write, and where.
type PlannedConsumer struct {
	Index int `json:"index"`
	// Path is the consumer's folder; the id in it is another one for each client.
	Path string `json:"path"`
	// Writes says in words what it writes.
	Writes string `json:"writes"`
	// BeginsAfter is the time before its first write.
	BeginsAfter time.Duration `json:"begins_after_nano"`
	// ExpectedBytes is what its rate lets it write in the runtime, no more than the
	// total; 0 if nothing bounds it but the storage. The file in progress at the end is
	// finished, so it may write somewhat more.
	ExpectedBytes uint64 `json:"expected_bytes,omitempty"`
	// AtOnceBytes is the most there may be of it at once; 0 if all is kept and nothing
	// bounds it.
	AtOnceBytes uint64 `json:"at_once_bytes,omitempty"`
	// FreeBytes are free on its file system now, of which ReserveBytes are to be left.
	FreeBytes    uint64 `json:"free_bytes"`
	ReserveBytes uint64 `json:"reserve_bytes"`
	// FilesAtOnce is the most files there may be of it at once; 0 if all are kept and
	// nothing bounds them.
	FilesAtOnce uint64 `json:"files_at_once,omitempty"`
	// FreeInodes are free there now, of which ReserveInodes are to be left; without both the
	// file system makes them as it needs them.
	FreeInodes    *uint64 `json:"free_inodes,omitempty"`
	ReserveInodes uint64  `json:"reserve_inodes,omitempty"`
	// MemoryBytes is what its process takes of memory at most, the program's own pages
	// included, of which there is one copy for all.
	MemoryBytes uint64 `json:"memory_bytes"`
	// Removes names the folders that crashed clients left and that would be removed.
	Removes []string `json:"removes,omitempty"`
}

// MakePlan looks at what a client with this configuration would do. It connects to
// nobody and writes nothing, so it does not know how fast the storage is. It returns an
// error that wraps ErrConfig if the configuration makes no sense by itself.
func MakePlan(ctx context.Context, cfg spec.Config) (Plan, error) {
	cfg, err := cfg.Resolve()
	if err != nil {
		return Plan{}, err
	}
	p := Plan{Runtime: cfg.Runtime, TotalBytes: cfg.TotalBytes, Stages: spec.StageWords(cfg.Stages)}
	own := cfg.Consumers
	cfg = cfg.Widest()
	var paths pathProblems
	var demands []demand
	var files []fileDemand
	var slow []error
	rooms := map[uint64]room{}
	for i, c := range cfg.Consumers {
		if ctx.Err() != nil {
			return Plan{}, context.Cause(ctx)
		}
		folder := filepath.Join(c.Path, names.ClientFolderPrefix(cfg.Name)+"ID", names.ConsumerFolder(i))
		one := PlannedConsumer{
			Index:  i,
			Path:   pathname.Printable(folder),
			Writes: spec.Words(own[i]), BeginsAfter: cfg.Begin(i),
			ExpectedBytes: bytesExpected(cfg, i), AtOnceBytes: bytesAtOnce(cfg, i),
		}
		if n, _, bounded := filesOf(cfg, i); bounded {
			one.FilesAtOnce = n
		}
		_, memory := memoryOf(c, bytesAtMost(cfg, i))
		one.MemoryBytes = saturated.Add(memory, programMemory)
		at, removes, err := survey(c.Path, cfg.Force)
		if err == nil {
			err = at.can(c)
		}
		if err != nil {
			paths.add(i, err)
		} else {
			one.FreeBytes, one.ReserveBytes = at.room.free, reservedBytes(c.Reserve, at.room)
			if at.room.freeInodes != unlimited {
				one.FreeInodes, one.ReserveInodes = &at.room.freeInodes, reservedInodes(c.ReserveInodes, at.room)
			}
			files = append(files, fileDemandOf(cfg, i, at, aroundFiles))
			for _, path := range removes {
				one.Removes = append(one.Removes, pathname.Printable(path))
			}
			rooms[at.device] = at.room
			need, counted := demandOf(cfg, i, bytesAtMost(cfg, i))
			demands = append(demands, demand{i, c.Path, at.device, need, counted, one.ReserveBytes})
		}
		slow = append(slow, checkRollovers(i, c, noTime, cfg.Begin(i), cfg.Runtime))
		p.Consumers = append(p.Consumers, one)
	}
	room := roomOfMemory(cfg.Root)
	_, p.MemoryBytes = memoryOfAll(cfg)
	if room.bytes < math.MaxUint64 {
		p.MemoryFreeBytes = room.bytes
	}
	warning, short := checkMemory(cfg, room)
	if warning != "" {
		p.Warnings = append(p.Warnings, warning)
	}
	if err := errors.Join(CheckDescriptors(cfg, DescriptorLimit()), paths.join(), errors.Join(slow...), short,
		checkSpace(demands, cfg.TotalBytes, rooms), checkInodes(files, rooms)); err != nil {
		p.Problems = strings.Split(pathname.Text(err.Error()), "\n")
	}
	return p, nil
}

// bytesExpected returns what the rate of a consumer lets it write; 0 if it has none.
func bytesExpected(c spec.Config, i int) uint64 {
	if math.IsInf(pace(c.Consumers[i]), 1) {
		return 0
	}
	bytes := pace(c.Consumers[i]) * max(0, c.Runtime-c.Begin(i)).Seconds()
	if c.TotalBytes > 0 {
		bytes = min(bytes, float64(c.TotalBytes))
	}
	if bytes >= math.MaxUint64 {
		return 0
	}
	return max(1, uint64(bytes))
}

// bytesAtMost returns what a consumer writes at most, by its rate or by the total; 0 if nothing
// bounds it.
func bytesAtMost(c spec.Config, i int) uint64 { return cmp.Or(bytesExpected(c, i), c.TotalBytes) }

// bytesAtOnce returns the most that there may be of a consumer at once; 0 if nothing bounds it.
func bytesAtOnce(c spec.Config, i int) uint64 {
	if c.Consumers[i].KeepFiles == 0 && bytesAtMost(c, i) == 0 {
		return 0
	}
	bytes, _ := demandOf(c, i, bytesAtMost(c, i))
	return bytes
}

// survey looks at a configured path as a client that begins there would, and returns
// what it would remove.
func survey(path string, force bool) (place, []string, error) {
	folder, err := site.OpenSite(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		above := nearestThere(path)
		at, err := placeOf(above)
		if err == nil {
			err = writable(above)
		}
		return at, nil, err
	case err != nil:
		return place{}, nil, err
	}
	defer folder.Root.Close()
	at, err := placeOf(path)
	if err != nil {
		return place{}, nil, err
	}
	if err := writable(path); err != nil {
		return place{}, nil, err
	}
	c, err := folder.Look()
	if err != nil {
		return place{}, nil, err
	}
	if err := c.Refusal(path, force); err != nil {
		return place{}, nil, err
	}
	var removes []string
	for _, name := range c.Clients {
		if _, dead := folder.Dead(name, site.Here()); dead {
			removes = append(removes, filepath.Join(path, name))
		}
	}
	return at, removes, nil
}

// nearestThere returns the nearest folder above a path that exists.
func nearestThere(path string) string {
	for {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) || path == filepath.Dir(path) {
			return path
		}
		path = filepath.Dir(path)
	}
}

// writable returns why this user cannot make anything in a folder; nil if they can.
func writable(folder string) error {
	if err := unix.Access(folder, unix.W_OK|unix.X_OK); err != nil {
		return fmt.Errorf("writing to %s: %w", folder, err)
	}
	return nil
}
