package client

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead/client/block"
	"bulkhead/client/names"
	"bulkhead/client/neighbour"
	"bulkhead/client/spec"
	"bulkhead/internal/testing/scripted"
	"bulkhead/internal/workload"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// sharing configures a client whose consumer writes to a folder that others share, and reads their files.
func sharing(folder string, readers uint32, change func(*workload.Consumer)) func(*spec.Config) {
	return func(c *spec.Config) {
		load := scripted.Load(folder, 4<<10, 32<<10, 2)
		load.Readers = readers
		load.Read = workload.Read{Size: 8 << 10, Of: bulkheadv1.ReadOf_READ_OF_NEIGHBOUR}
		if change != nil {
			change(&load)
		}
		c.Consumers = []workload.Consumer{load}
	}
}

// readOfOthers waits until a client has read so much of others' files.
func (r *running) readOfOthers(reads uint64) {
	r.t.Helper()
	var sum, last uint64
	r.until("reads of others' files", func(m *bulkheadv1.Message) bool {
		if m.GetSeq() > last {
			sum, last = sum+m.GetProgress().GetReads(), m.GetSeq()
		}
		return sum >= reads
	})
}

// readSums adds up what a client said of its readers.
func (r *running) readSums() *bulkheadv1.Progress {
	p := new(bulkheadv1.Progress)
	messages, _, _ := r.collector.Snapshot()
	for _, m := range messages {
		one := m.GetProgress()
		p.Errors += one.GetErrors()
		p.Reads += one.GetReads()
		p.ReadBytes += one.GetReadBytes()
		p.ReadVerifiedBytes += one.GetReadVerifiedBytes()
		p.CorruptBlocks += one.GetCorruptBlocks()
		p.ReadGoneFiles += one.GetReadGoneFiles()
		p.ReadNeighbours = max(p.ReadNeighbours, one.GetReadNeighbours())
		p.ReadNeighbourHosts = max(p.ReadNeighbourHosts, one.GetReadNeighbourHosts())
		if one.GetLastError() != "" {
			p.LastError = one.GetLastError()
		}
	}
	return p
}

// Two clients read each other's files while those are removed, or written over in place: what is read is
// sound, and what is gone meanwhile is counted and no error. Neither leaves anything.
func TestClientsReadEachOther(t *testing.T) {
	for name, change := range map[string]func(*workload.Consumer){
		"removed": nil,
		"written over": func(c *workload.Consumer) {
			c.Recycle, c.KeepFiles, c.Concurrency = true, 1, 3
			c.Read.Pattern = bulkheadv1.Pattern_PATTERN_RANDOM
		},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			one := startClient(t, scripted.Start(t, scripted.Orderly), sharing(folder, 2, change))
			other := startClient(t, scripted.Start(t, scripted.Orderly), sharing(folder, 2, change))
			for _, r := range []*running{one, other} {
				r.readOfOthers(500)
				r.until("a file that is gone", func(m *bulkheadv1.Message) bool {
					return m.GetProgress().GetReadGoneFiles() > 0
				})
				r.log.Await(t, "readers read other clients' files")
			}
			one.signals <- syscall.SIGINT
			other.signals <- syscall.SIGINT
			for _, r := range []*running{one, other} {
				r.end()
				p := r.readSums()
				if p.Errors > 0 || p.CorruptBlocks > 0 || p.ReadNeighbours != 1 || p.ReadNeighbourHosts != 0 ||
					p.ReadVerifiedBytes == 0 || p.ReadVerifiedBytes > p.ReadBytes {
					t.Errorf("%d errors (%s), %d corrupt blocks (%s); files of %d clients on %d other hosts; %d B "+
						"of %d compared", p.Errors, p.LastError, p.CorruptBlocks, r.result.FirstCorruption,
						p.ReadNeighbours, p.ReadNeighbourHosts, p.ReadVerifiedBytes, p.ReadBytes)
				}
			}
			if left, err := filepath.Glob(filepath.Join(folder, "*")); err != nil || len(left) > 0 {
				t.Errorf("left: %v, %v", left, err)
			}
		})
	}
}

// Readers that have no neighbour wait, and say so; the load lacks something in the end.
func TestAClientWithoutNeighbours(t *testing.T) {
	r := startClient(t, scripted.Start(t, scripted.Orderly), func(c *spec.Config) {
		sharing(t.TempDir(), 1, nil)(c)
		c.Runtime = time.Second
	})
	r.log.Await(t, "readers wait: no other client of this run has finished files")
	result := r.end()
	if text := strings.Join(result.Problems, "\n"); result.Verdict != VerdictPartial ||
		!strings.Contains(text, "found no finished file of another client") {
		t.Errorf("%s: %s", result.Verdict, text)
	}
	if p := r.readSums(); p.Reads > 0 || p.Errors > 0 {
		t.Errorf("%d reads, %d errors", p.Reads, p.Errors)
	}
}

// shelfOf makes, below a folder, what a client of another host would: its record, and one finished file
// of four blocks in its second generation, with the list.
func shelfOf(t *testing.T, folder string) (path string, file block.File, data func(block.File) []byte) {
	t.Helper()
	id := [16]byte{0xab, 0xcd, 1, 2, 15: 9}
	own := filepath.Join(folder, names.ClientFolder("their", hex.EncodeToString(id[:])))
	if err := os.MkdirAll(filepath.Join(own, names.ConsumerFolder(0)), 0o700); err != nil {
		t.Fatal(err)
	}
	record, err := json.Marshal(map[string]any{"client_id": hex.EncodeToString(id[:]), "name": "their",
		"run": "run-1", "host": "host-b", "boot": "another"})
	if err != nil {
		t.Fatal(err)
	}
	scripted.WriteFile(t, filepath.Join(own, names.Record), string(record))
	data = func(f block.File) []byte {
		sources, err := block.NewSources(f.Data, 1, int(f.Size), 1)
		if err != nil {
			t.Fatal(err)
		}
		defer sources.Close()
		if err := sources.Source(0).Begin(f); err != nil {
			t.Fatal(err)
		}
		return append([]byte(nil), sources.Source(0).Chunk(0, int(f.Size))...)
	}
	file = block.File{Owner: block.Owner{Run: block.RunOf("run-1"), Client: id}, Data: block.Data{Kind: block.Random},
		Number: 3, Generation: 2, Size: 4 * block.Size}
	path = filepath.Join(own, names.ConsumerFolder(0), names.LoadFile(file.Number))
	list := make([]byte, 64)
	board := neighbour.NewBoard(1, func(at int64, slot []byte) error { copy(list[at:], slot); return nil })
	if err := board.Enter(neighbour.Entry{File: file, Written: file.Size}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(own, names.ConsumerFolder(0), names.Finished), list, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, file, data
}

// A stale block, a torn, a foreign and a flipped one in a file of another host are told once each, with
// whose file it is and where that client runs; nothing of it is changed.
func TestWhatIsWrongOnANeighboursHost(t *testing.T) {
	folder := t.TempDir()
	scripted.WriteFile(t, filepath.Join(folder, names.Marker), "")
	path, file, data := shelfOf(t, folder)
	older, third := file, file
	older.Generation, third.Client = 1, [16]byte{0x33}
	content := data(file)
	copy(content[0:], data(older)[0:block.Size])
	copy(content[block.Size:], data(older)[block.Size:block.Size+2048])
	copy(content[2*block.Size:], data(third)[2*block.Size:3*block.Size])
	content[3*block.Size+1000] ^= 1
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	r := startClient(t, scripted.Start(t, scripted.Orderly), sharing(folder, 2, nil))
	found := make(map[bulkheadv1.CorruptionKind]*bulkheadv1.Corruption)
	r.until("four corruptions", func(m *bulkheadv1.Message) bool {
		if c := m.GetCorruption(); c != nil {
			found[c.GetKind()] = c
		}
		return len(found) == 4
	})
	r.signals <- syscall.SIGINT
	scripted.Wait(t, "the client", r.done)
	for kind, want := range map[bulkheadv1.CorruptionKind]struct {
		block uint64
		found string
	}{
		bulkheadv1.CorruptionKind_CORRUPTION_KIND_STALE:     {0, "generation 1"},
		bulkheadv1.CorruptionKind_CORRUPTION_KIND_TORN:      {1, ""},
		bulkheadv1.CorruptionKind_CORRUPTION_KIND_MISPLACED: {2, "client 33"},
		bulkheadv1.CorruptionKind_CORRUPTION_KIND_FLIPPED:   {3, ""},
	} {
		c := found[kind]
		if c.GetOffsetBytes() != want.block*block.Size || c.GetPath() != path || c.GetOwnerName() != "their" ||
			c.GetOwnerHost() != "host-b" || string(c.GetOwnerId()) != string(file.Client[:]) ||
			!strings.Contains(c.GetFound(), want.found) {
			t.Errorf("%v: %v", kind, c)
		}
	}
	if p := r.readSums(); p.CorruptBlocks != 4 || p.ReadNeighbours != 1 || p.ReadNeighbourHosts != 1 {
		t.Errorf("%d corrupt blocks of %d clients on %d other hosts; want 4, 1, 1", p.CorruptBlocks, p.ReadNeighbours,
			p.ReadNeighbourHosts)
	}
	if text := r.result.FirstCorruption; !strings.Contains(text, "written by client their on host host-b") {
		t.Errorf("the client says %q", text)
	}
	if left, err := os.ReadFile(path); err != nil || string(left) != string(content) {
		t.Errorf("the file of the other client is another one: %v", err)
	}
}
