package verify

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"bulkhead/client/block"
)

// found is a file in the folder of a consumer.
type found struct {
	name  string
	hints hints
	identity
	last bool // it may be unfinished
}

// load checks the files of those names in a folder, or of them only that of one name.
func (s *survey) load(ctx context.Context, folder *os.File, names []string, h hints, only string) error {
	var files []found
	for _, name := range names {
		f := found{name: name, hints: h.of(name)}
		err := s.with(folder, name, func(file *File) (err error) {
			f.identity, err = s.reader.identify(ctx, file, f.hints)
			return err
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		switch {
		case err == nil:
			files = append(files, f)
		case !isGone(err) && (only == "" || only == name):
			s.tell(Report{Path: filepath.Join(folder.Name(), name), State: Unread, Detail: err.Error()})
		}
	}
	owner, sibling := majority(files)
	newestFirst(files)
	s.summary.Folders++
	unfinished, writers := 0, max(cmp.Or(s.writers, h.writers), 1)
	for i, f := range files {
		f.last = i == 0 || writers > 1 && unfinished < writers
		f.settle(owner, sibling)
		if only != "" && f.name != only {
			continue
		}
		state, err := s.check(ctx, folder, f)
		if err != nil {
			return err
		}
		if state == Unfinished {
			unfinished++
		}
	}
	return nil
}

// with opens a file for use.
func (s *survey) with(folder *os.File, name string, use func(*File) error) error {
	f, err := OpenAt(int(folder.Fd()), filepath.Join(folder.Name(), name))
	if err != nil {
		return err
	}
	defer f.Close()
	return use(f)
}

// majority returns who wrote most of the files, and one of those files; nil if none
// says anything.
func majority(files []found) (owner block.Owner, sibling *block.File) {
	votes := make(map[block.Owner]int)
	for _, f := range files {
		if !f.known {
			continue
		}
		weight := 1
		if f.fits {
			weight += len(files) // the names outvote any number that they do not speak of
		}
		votes[f.file.Owner] += weight
		if sibling == nil || votes[f.file.Owner] > votes[owner] {
			owner, sibling = f.file.Owner, &f.file
		}
	}
	return owner, sibling
}

// newestFirst sorts files by when they were written, as far as numbers and generations
// tell: what is written over is always the oldest.
func newestFirst(files []found) {
	slices.SortStableFunc(files, func(a, b found) int {
		return cmp.Or(cmp.Compare(b.generation(), a.generation()), cmp.Compare(b.hints.number, a.hints.number))
	})
}

// generation returns the generation of the file, as far as is known.
func (f *found) generation() uint32 {
	if f.known && f.fits {
		return f.file.Generation
	}
	return 1
}

// settle decides what the file should be: what its blocks say, unless its name or its
// siblings know better.
func (f *found) settle(owner block.Owner, sibling *block.File) {
	if !f.known {
		if sibling == nil {
			return
		}
		f.file = *sibling
		f.file.Generation, f.known = 1, true
	}
	if f.hints.hasNumber {
		f.file.Number = f.hints.number
	}
	f.file.Owner = owner
	if f.hints.hasConsumer {
		f.file.Consumer = f.hints.consumer
	}
	copy(f.file.Client[:], f.hints.client)
}

// check reads one file and tells what came of it.
func (s *survey) check(ctx context.Context, folder *os.File, f found) (State, error) {
	r := Report{Path: filepath.Join(folder.Name(), f.name), State: Unread}
	if !f.known {
		r = f.unknown(r)
		s.tell(r)
		return r.State, nil
	}
	err := s.with(folder, f.name, func(file *File) (err error) {
		for {
			r.Result, err = s.reader.Check(ctx, file, Target{File: f.file, Unfinished: f.last})
			newer := r.Result.Newer
			if err != nil || newer.Generation == 0 {
				return err
			}
			f.file = newer // its first blocks were still of the generation before
		}
	})
	switch {
	case isGone(err):
		return "", nil
	case err != nil:
		r.Detail = err.Error()
	default:
		r.State = stateOf(r.Result, f)
	}
	r.Want = f.file.Size
	r.Expected = fmt.Sprintf("run %v, client %x, consumer %d, file %d, generation %d", f.file.Run, f.file.Client,
		f.file.Consumer, f.file.Number, f.file.Generation)
	s.tell(r)
	return r.State, ctx.Err()
}

// stateOf returns what came of a file that was read to its end.
func stateOf(r Result, f found) State {
	switch {
	case r.Corrupt > 0:
		return Corrupt
	case f.last && (r.Unwritten > 0 || r.Size < f.file.Size):
		return Unfinished
	default:
		return Verified
	}
}

// unknown completes r for a file that says nothing about itself and has no siblings.
func (f *found) unknown(r Report) Report {
	r.Result.Size = f.size
	if f.size == 0 && f.last {
		r.State, r.Detail = Unfinished, "it is empty"
		return r
	}
	r.State, r.Detail = Unread, "no block of a consumer is in it, and no other file to tell by"
	return r
}
