package consumer

import (
	"fmt"
	"sync"
	"time"

	"bulkhead/client/block"
	"bulkhead/client/consumer/disk"
	"bulkhead/client/names"
	"bulkhead/client/neighbour"
	"bulkhead/client/verify"
)

// shelf is where a reader has its files from.
type shelf interface {
	// lease returns a file to read, which release gives back. It waits while there is none, and
	// returns nil once the end has begun.
	lease() (*lease, error)
	// again returns the file that l was of, unless it is wanted, or gone by now.
	again(l *lease) *lease
	open(l *lease) (disk.Reading, error)
	release(l *lease)
	// gone reports whether an error says that the file may be gone, which it may be at any time.
	gone(err error) bool
	// void reports whether what was read in the file means nothing by now.
	void(l *lease) bool
	// remember keeps what was found wrong in a file.
	remember(l *lease)
}

// shelf returns where a reader has its files from.
func (rs *readers) shelf(r *reader) shelf {
	if rs.others != nil {
		return &othersShelf{others: rs.others, reader: r}
	}
	return &ownShelf{rs}
}

// ownShelf has the files of the consumer: nobody else removes them.
type ownShelf struct{ *readers }

func (s *ownShelf) lease() (*lease, error) { return s.rotation.lease(s.pick, s.ending.begun), nil }
func (s *ownShelf) again(l *lease) *lease  { return s.rotation.again(l) }
func (s *ownShelf) release(l *lease)       { s.rotation.release(l) }
func (s *ownShelf) remember(l *lease)      { s.rotation.remember(l) }
func (s *ownShelf) gone(error) bool        { return false }
func (s *ownShelf) void(*lease) bool       { return false }

func (s *ownShelf) open(l *lease) (disk.Reading, error) {
	return s.disk.Read(names.LoadFile(l.number), s.task.mode.Direct)
}

// others are the finished files of other clients, which all readers of a consumer share. Nobody waits
// for a reader of those before he removes them or writes over them: what is not there any more is
// skipped, and what is found wrong counts only where the list of the file's consumer still has it.
type others struct {
	search *neighbour.Search

	mu sync.Mutex
	// flawed has files in which something was found wrong, so that it is said once; at most
	// maxCorruptions; guarded by mu
	flawed map[block.File]*content
}

// othersPause is how long a reader waits before it looks again for a file of others.
const othersPause = 100 * time.Millisecond

// othersShelf has the files of others for one reader.
type othersShelf struct {
	*others
	reader *reader
}

func (s *othersShelf) lease() (*lease, error) {
	for !s.reader.ending.hasBegun() {
		var f *neighbour.File
		_, err := s.reader.gauge.call(func() (err error) { f, err = s.search.Next(s.reader.pick); return err })
		if f != nil {
			return &lease{turn: turn{number: f.File.Number, generation: f.File.Generation, content: s.content(f)}}, nil
		}
		if err != nil {
			return nil, fmt.Errorf("looking for other clients' files: %w", err)
		}
		began := time.Now()
		s.reader.ending.pause(othersPause)
		s.reader.ledger.readWaited(time.Since(began))
	}
	return nil, nil
}

// content returns what a file is to read back as, and what is known of it.
func (s *othersShelf) content(f *neighbour.File) *content {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.flawed[f.File]; c != nil {
		return c
	}
	return &content{name: f.Name(), path: s.search.Path(f), of: f,
		target: verify.Target{File: f.File, Written: f.Written}}
}

func (s *othersShelf) again(l *lease) *lease { return l }
func (s *othersShelf) release(*lease)        {}
func (s *othersShelf) gone(err error) bool   { return neighbour.Gone(err) }

func (s *othersShelf) open(l *lease) (disk.Reading, error) {
	folder, err := s.search.Open(l.content.of)
	if err != nil {
		return nil, err
	}
	defer folder.Close() // the file stays open
	f, err := disk.ReadIn(folder, l.content.name, s.reader.task.mode.Direct)
	if err == nil {
		s.reader.ledger.readOf(s.search.Met(l.content.of))
	}
	return f, err
}

// void looks whether the file is still in the list of its consumer, which is opened for that: it is
// struck out before it is written over or removed.
func (s *othersShelf) void(l *lease) (void bool) {
	_, _ = s.reader.gauge.call(func() error {
		stands, err := s.search.Stands(l.content.of)
		void = !stands
		return err // a list that cannot be read takes nothing back
	})
	return void
}

func (s *othersShelf) remember(l *lease) {
	s.mu.Lock()
	defer s.mu.Unlock()
	file := l.content.target.File
	if known := s.flawed[file]; known != nil {
		l.content = known // another reader was faster
	} else if len(s.flawed) < maxCorruptions {
		s.flawed[file] = l.content
	}
}
