package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"testing"

	"bulkhead/internal/frame"
)

// framed frames a payload that need not be a Record.
func framed(payload []byte) []byte { return frame.Append(nil, payload) }

// find searches all of a segment.
func find(content []byte, from, end, budget int64) (int64, error) {
	return newSearch(bytes.NewReader(content), from, end, budget).next(from)
}

func TestFindRecord(t *testing.T) {
	small, err := appendFrame(nil, runStarted(), false)
	if err != nil {
		t.Fatal(err)
	}
	large, err := appendFrame(nil, batch(1, 1, 50_000), false)
	if err != nil {
		t.Fatal(err)
	}
	edge := 20
	if testing.Short() {
		edge = 5
	}
	for _, rec := range [][]byte{small, large} {
		for gap := range 3 * resyncWindowBytes {
			if d := gap % resyncWindowBytes; d > edge && d < resyncWindowBytes-edge {
				continue // only the edges of the window matter
			}
			content := append(make([]byte, gap), rec...)
			size := int64(len(content))
			if at, err := find(content, 0, size, resyncBudgetBytes); at != int64(gap) ||
				err != nil {
				t.Fatalf("%d bytes after %d: found at %d, %v", len(rec), gap, at, err)
			}
			for _, cut := range []int64{1, 8, int64(len(rec)) / 2} {
				if at, err := find(content, 0, size-cut, resyncBudgetBytes); at != -1 ||
					err != nil {
					t.Fatalf("%d bytes after %d, cut by %d: found at %d, %v", len(rec), gap, cut, at, err)
				}
			}
			if at, err := find(content, int64(gap)+1, size, resyncBudgetBytes); at != -1 ||
				err != nil {
				t.Fatalf("from behind the record: found at %d, %v", at, err)
			}
		}
	}
}

// TestFindRecordGivesUp searches bytes each of which looks like the beginning of a record.
func TestFindRecordGivesUp(t *testing.T) {
	content := bytes.Repeat([]byte{8, 8, 0, 0}, 10_000)
	size := int64(len(content))
	if at, err := find(content, 0, size, 1<<20); !errors.Is(err, errUndecided) {
		t.Errorf("search = %d, %v; want errUndecided", at, err)
	}
	if at, err := find(content, 0, size, resyncBudgetBytes); at != -1 || err != nil {
		t.Errorf("with more budget: search = %d, %v; want none", at, err)
	}
}

// TestLengthsAreNotBelieved replays segments that promise records they do not hold.
func TestLengthsAreNotBelieved(t *testing.T) {
	for _, length := range []uint32{1 << 10, maxPayloadBytes, maxPayloadBytes + 1, 1<<32 - 1} {
		content := binary.LittleEndian.AppendUint32(encodeHeader(0), length)
		content = append(content, make([]byte, 100)...)
		dir := image{segments: [][]byte{content}}.write(t)
		var sum Summary
		var err error
		used := allocated(func() { _, sum, err = replayAll(dir) })
		if err != nil || sum.Torn == nil {
			t.Errorf("length %d: Replay = %+v, %v; want a torn tail", length, sum, err)
		}
		if used > replayBaseBytes {
			t.Errorf("length %d: Replay allocated %d bytes", length, used)
		}
	}
}

// replayBaseBytes bounds what a Replay allocates beside its records.
const replayBaseBytes = 512 << 10

// allocated returns how many bytes f allocates, with whatever else runs meanwhile.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
