package preflight

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"syscall"

	"bulkhead/client/names"
	"bulkhead/client/site"
	"bulkhead/client/spec"
	"bulkhead/internal/saturated"
)

// Check checks, before any load, that it can work, and makes the consumers'
// folders: every path can be written, every file system has room and inodes for what
// may be on it at once, every consumer can finish two files in the runtime, and there is the
// memory for them. It returns all problems at once, wrapped in ErrConfig, or the cause of ctx's end.
//
// The checks are lower bounds: one writer at a time, at the speed of its fastest
// chunk. What they refuse cannot work; what they pass may still be too slow when
// all consumers write.
func Check(ctx context.Context, cfg spec.Config, dirs *site.Folders) error {
	var problems []error
	var paths pathProblems
	var demands []demand
	var files []fileDemand
	rooms := map[uint64]room{}
	timings := timings{}
	for i, c := range cfg.Consumers {
		at, t, err := examine(ctx, cfg, dirs, i, timings)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			paths.add(i, err)
			continue
		}
		rooms[at.device] = at.room
		reserve := reservedBytes(c.Reserve, at.room)
		dirs.Reserves[i] = site.Kept{Bytes: reserve, Inodes: reservedInodes(c.ReserveInodes, at.room)}
		need, counted := demandOf(cfg, i, 0) // not timed: at least the files in progress
		if t.chunkBytes > 0 {
			need, counted = demandOf(cfg, i, bytesWritten(c, t, max(0, cfg.Runtime-cfg.Begin(i))))
		}
		demands = append(demands, demand{i, c.Path, at.device, need, counted, reserve})
		files = append(files, fileDemandOf(cfg, i, at, 0))
		if t.chunkBytes > 0 {
			problems = append(problems, checkRollovers(i, c, t, cfg.Begin(i), cfg.Runtime))
		}
	}
	warning, err := checkMemory(cfg, roomOfMemory(cfg.Root))
	if problems = append(problems, err); warning != "" {
		cfg.Logger.Warn(warning)
	}
	problems = append([]error{paths.join()},
		append(problems, checkSpace(demands, cfg.TotalBytes, rooms), checkInodes(files, rooms))...)
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("%w:\n%w", spec.ErrConfig, err)
	}
	return nil
}

// timings remembers what was timed: consumers alike on one file system are timed
// once.
type timings map[timingKey]timing

type timingKey struct {
	device, chunk uint64
	sync          bool
}

// examine makes a consumer's folder, looks at its file system and times it. The
// timing is empty if there is no room for it.
func examine(ctx context.Context, cfg spec.Config, dirs *site.Folders, i int, known timings) (place, timing, error) {
	c := cfg.Consumers[i]
	folder, err := dirs.Make(i)
	if err != nil {
		return place{}, timing{}, err
	}
	defer folder.Close()
	if err := touch(folder, c); err != nil {
		return place{}, timing{}, err
	}
	at, err := placeOf(dirs.Consumers[i])
	if err == nil {
		err = at.can(c)
	}
	if err != nil {
		return place{}, timing{}, err
	}
	key := timingKey{at.device, c.ChunkSize, doesSync(c)}
	if t, ok := known[key]; ok {
		return at, t, nil
	}
	if saturated.Add(probeRoom(c), reservedBytes(c.Reserve, at.room)) > at.room.free {
		return at, timing{}, nil
	}
	t, err := probe(ctx, folder, c, min(cfg.Runtime, probeLimit))
	if err != nil {
		return place{}, timing{}, err
	}
	known[key] = t
	return at, t, nil
}

// pathProblems are the problems of consumers' paths. Consumers with the same one share a
// line.
type pathProblems struct {
	errs []error
	who  map[string][]string // by text
}

func (p *pathProblems) add(consumer int, err error) {
	if p.who == nil {
		p.who = make(map[string][]string)
	}
	if len(p.who[err.Error()]) == 0 {
		p.errs = append(p.errs, err)
	}
	p.who[err.Error()] = append(p.who[err.Error()], strconv.Itoa(consumer))
}

// join returns all of them as one error, and nil if there are none.
func (p *pathProblems) join() error {
	var lines []error
	for _, err := range p.errs {
		who := "consumer "
		names := p.who[err.Error()]
		if len(names) > 1 {
			who = "consumers "
		}
		lines = append(lines, fmt.Errorf("%s: path: %w; %s", who+listText(names), err, pathAdvice(err)))
	}
	return errors.Join(lines...)
}

func pathAdvice(err error) string {
	switch {
	case errors.Is(err, site.ErrForeign):
		return "use a path that is empty or not there, --force to write beside them this once, or make the file " +
			names.Marker + " in it to allow it for good"
	case errors.Is(err, errNoDirect):
		return "use direct: false, or another path"
	case errors.Is(err, errDirectUnit):
		return "use another chunk_size, direct: false, or another path"
	case errors.Is(err, errNoAllocation):
		return "use preallocate: false, or another path"
	case errors.Is(err, fs.ErrPermission):
		return "use a path this user may write to"
	case errors.Is(err, syscall.ENOSPC):
		return "free space or inodes, or use another path"
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrExist), errors.Is(err, syscall.ENOTDIR):
		return "use a path that is a folder, or can be made one"
	default:
		return "use another path"
	}
}
