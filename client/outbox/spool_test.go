package outbox

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/proto"

	"bulkhead/internal/protocol"
	"bulkhead/internal/testing/scripted"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// readSpoolFile calls fn with every message of a spool file.
func readSpoolFile(path string, fn func(*bulkheadv1.Message) error) (SpoolSummary, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return SpoolSummary{}, err
	}
	return readSpool(bytes.NewReader(data), fn)
}

func TestSpoolIsFirstInFirstOut(t *testing.T) {
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 2))
		const most = 2000
		path := filepath.Join(t.TempDir(), "spool")
		s, err := createSpool(path, scripted.TestHello(), most)
		if err != nil {
			t.Fatal(err)
		}
		var queue [][]byte
		for n := range 500 {
			if random.IntN(2) == 0 {
				payload := bytes.Repeat([]byte{byte(n)}, random.IntN(100))
				err := s.append(payload, false)
				if err == nil {
					queue = append(queue, payload)
				} else if !errors.Is(err, errSpoolFull) {
					t.Fatal(err)
				} else if left := s.write - s.read; left < (most-s.start)/2-200 {
					t.Fatalf("seed %d: full with %d of %d bytes unread", seed, left, most)
				}
			} else if len(queue) > 0 {
				size, err := s.peekSize()
				if err != nil || size != len(queue[0]) {
					t.Fatalf("peekSize = %d, %v; want %d", size, err, len(queue[0]))
				}
				got, err := s.next()
				if err != nil || !bytes.Equal(got, queue[0]) {
					t.Fatalf("next = %v, %v; want %v", got, err, queue[0])
				}
				queue = queue[1:]
			}
			if info, err := os.Stat(path); err != nil || info.Size() > most || s.empty() && info.Size() != s.start {
				t.Fatalf("seed %d: the file has %d bytes (%v), empty %v", seed, info.Size(), err, s.empty())
			}
		}
		if err := s.discard(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSpoolNeverReplacesAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := createSpool(path, scripted.TestHello(), 1000); !errors.Is(err, os.ErrExist) {
		t.Fatalf("createSpool over a file: %v", err)
	}
}

// spoolBytes returns a spool file with messages 5 to 7.
func spoolBytes(t testing.TB) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "spool")
	s, err := createSpool(path, &bulkheadv1.Hello{ClientId: make([]byte, protocol.ClientIDBytes), Name: "a"}, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer s.File.Close()
	for seq := uint64(5); seq <= 7; seq++ {
		m := scripted.Note(int(seq), 5)
		m.Seq = seq
		payload, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.append(payload, false); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// spoolStart returns where the messages of a spool begin.
func spoolStart(t testing.TB, data []byte) int {
	t.Helper()
	summary, err := readSpool(bytes.NewReader(data), func(*bulkheadv1.Message) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return int(summary.start)
}

func TestReadSpoolReportsATornTail(t *testing.T) {
	whole := spoolBytes(t)
	start := spoolStart(t, whole)
	frameBytes := (len(whole) - start) / 3
	for end := start; end <= len(whole); end++ {
		summary, err := readSpool(bytes.NewReader(whole[:end]), func(*bulkheadv1.Message) error { return nil })
		rest := (end - start) % frameBytes
		if err != nil || summary.Messages != (end-start)/frameBytes || summary.Torn != (rest != 0) ||
			(summary.Damage == "") != (rest == 0) || summary.Bytes != int64(end-rest) {
			t.Fatalf("first %d of %d bytes: %+v, %v", end, len(whole), summary, err)
		}
	}
	for end := range start {
		if _, err := readSpool(bytes.NewReader(whole[:end]), nil); err == nil {
			t.Fatalf("first %d bytes were taken for a spool", end)
		}
	}
}

func TestReadSpoolDetectsEveryFlippedBit(t *testing.T) {
	whole := spoolBytes(t)
	for bit := spoolStart(t, whole) * 8; bit < len(whole)*8; bit++ {
		damaged := bytes.Clone(whole)
		damaged[bit/8] ^= 1 << (bit % 8)
		var got []string
		summary, err := readSpool(bytes.NewReader(damaged), func(m *bulkheadv1.Message) error {
			got = append(got, fmt.Sprint(m.GetSeq(), m.GetMonitorError().GetReason()))
			return nil
		})
		if err != nil || summary.Damage == "" || len(got) == 3 {
			t.Fatalf("bit %d flipped: %+v, %v, %v", bit, summary, got, err)
		}
		for i, text := range got {
			if want := fmt.Sprint(5+i, fmt.Sprintf("%d:xxxxx", 5+i)); text != want {
				t.Fatalf("bit %d flipped: message %q; want %q", bit, text, want)
			}
		}
	}
}

func FuzzSpool(f *testing.F) {
	whole := spoolBytes(f)
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Add(append(bytes.Clone(whole[:spoolStart(f, whole)]), 0xff, 0xff, 0xff, 0x00, 1, 2, 3, 4))
	f.Add([]byte("BULKHEAD SPOOL 1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		read := 0
		summary, err := readSpool(bytes.NewReader(data), func(m *bulkheadv1.Message) error {
			read++
			return nil
		})
		if read != summary.Messages {
			t.Fatalf("%d messages passed on, %d counted", read, summary.Messages)
		}
		if n := uint64(summary.Messages); n > 0 && summary.LastSeq-summary.FirstSeq+1 != n {
			t.Fatalf("%d messages numbered %d to %d", n, summary.FirstSeq, summary.LastSeq)
		}
		if err != nil && summary.Messages > 0 {
			t.Fatalf("an error (%v) after %d messages", err, summary.Messages)
		}
	})
}
