package rundir

import (
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"bulkhead/supervisor/report"
)

// writeEarlier writes the report of a run with a client in a folder of runs, with so much else of
// that client in it.
func writeEarlier(t *testing.T, runs, id string, clients, more int) {
	t.Helper()
	one := `{"session_id": "s1", "client_id": "` + hex.EncodeToString([]byte("alpha")) + `", "outcome": "lost",
		"cause": "away", "last_seq": 7, "samples": ["` + strings.Repeat("x", more) + `"]}`
	text := `{"schema": "bulkhead.report/2", "verdict": {"reasons": ["]"]}, "totals": [1, {"clients": 2}],
		"clients": [` + strings.TrimSuffix(strings.Repeat(one+",", clients), ",") + `], "series": null}`
	if err := errors.Join(os.Mkdir(filepath.Join(runs, id), 0o700),
		os.WriteFile(filepath.Join(runs, id, report.FileName), []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// The sessions of an earlier run are found in a report that is larger than what looking for them may
// take of memory.
func TestEarlierRunsAreReadClientByClient(t *testing.T) {
	const id, clients, each = "20200101T000000Z-000000", 64, 1 << 20
	runs := t.TempDir()
	writeEarlier(t, runs, id, clients, each)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	was, err := new(Earlier).Look(time.Now(), runs, id)
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if s, ok := was.Session([]byte("alpha")); !ok || s.Outcome != "lost" || s.Cause != "away" || s.LastSeq != 7 ||
		s.SessionID != "s1" {
		t.Errorf("the session is %+v, %v", s, ok)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > clients*each/4 {
		t.Errorf("it took %d bytes of memory for a report of %d", took, clients*each)
	}
}

// Who asks for one earlier run after the other is told to come again, and who asks for one that is
// known is not.
func TestEarlierRunsAreReadWithPauses(t *testing.T) {
	const first, second = "20200101T000000Z-000001", "20200101T000000Z-000002"
	runs, now := t.TempDir(), time.Now()
	writeEarlier(t, runs, first, 1, 0)
	writeEarlier(t, runs, second, 1, 0)
	var e Earlier
	if was, err := e.Look(now, runs, first); was == nil || err != nil {
		t.Fatalf("the first is %v, %v", was, err)
	}
	if was, err := e.Look(now, runs, second); was != nil || !errors.Is(err, ErrLater) {
		t.Errorf("the second is %v, %v; want ErrLater", was, err)
	}
	if was, err := e.Look(now, runs, first); was == nil || err != nil {
		t.Errorf("the first is %v, %v, once it is known", was, err)
	}
	if was, err := e.Look(now, runs, "20200101T000000Z-000003"); was != nil || err != nil {
		t.Errorf("one that there is not is %v, %v", was, err)
	}
	if was, err := e.Look(now.Add(time.Hour), runs, second); was == nil || err != nil {
		t.Errorf("the second is %v, %v, an hour later", was, err)
	}
}

// A report that is none says nothing of any session, and neither does a part of one.
func TestEarlierRunsWithoutAReport(t *testing.T) {
	runs := t.TempDir()
	for i, text := range []string{"", "[]", "null", `{"clients": {}}`, `{"clients": [{"client_id": "616c706861"}`,
		`{"clients": [7]}`, `{"clients"`, `{}`} {
		id := "20200101T000000Z-00000" + string(rune('0'+i))
		if err := errors.Join(os.Mkdir(filepath.Join(runs, id), 0o700),
			os.WriteFile(filepath.Join(runs, id, report.FileName), []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
		was, err := new(Earlier).Look(time.Now(), runs, id)
		if err != nil || was == nil {
			t.Fatalf("%q: %v, %v", text, was, err)
		}
		if s, ok := was.Session([]byte("alpha")); ok {
			t.Errorf("%q: %+v", text, s)
		}
	}
}
