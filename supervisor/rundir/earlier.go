package rundir

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"bulkhead/internal/ownfile"
	"bulkhead/supervisor/report"
)

// maxEarlier is how many earlier runs are remembered that clients came back to.
const maxEarlier = 4

// reportMaxBytes bounds a report that is read.
const reportMaxBytes = 1 << 30

// runIDForm is what a run's folder is called: nothing else is looked for.
var runIDForm = regexp.MustCompile(`^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}$`)

// earlierShare is how many times as long as reading a report takes it is until another is read: a
// tenth of one processor, whatever is asked for.
const earlierShare = 10

// Earlier are earlier runs of the same state directory, as their reports have them. The
// zero value is ready.
type Earlier struct {
	mu    sync.Mutex
	known map[string]*EarlierRun // guarded by mu; by run id, at most maxEarlier
	// reading says that a report is being read; next is from when on another one is. Both are
	// guarded by mu.
	reading bool
	next    time.Time
}

// EarlierRun is an earlier run: how its sessions ended.
type EarlierRun struct {
	of map[string]EarlierSession // by client id in hexadecimal
}

// Session returns the session of a client in the run, if it had one; client is what reports show of
// its id.
func (r *EarlierRun) Session(client []byte) (EarlierSession, bool) {
	s, known := r.of[hex.EncodeToString(client)]
	return s, known
}

// EarlierSession is one session of an earlier run.
type EarlierSession struct {
	SessionID string `json:"session_id"`
	ClientID  string `json:"client_id"`
	Outcome   string `json:"outcome"`
	Cause     string `json:"cause"`
	LastSeq   uint64 `json:"last_seq"`
}

// ErrLater says that an earlier run is not looked up now: others were a moment ago.
var ErrLater = errors.New("other clients are asking for earlier runs")

// Look returns an earlier run; nil if there is none of that id. It returns ErrLater if that would take
// more time than clients of earlier runs may. runs is the folder of all.
func (e *Earlier) Look(now time.Time, runs, id string) (*EarlierRun, error) {
	if !runIDForm.MatchString(id) {
		return nil, nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if known := e.known[id]; known != nil {
		return known, nil
	}
	if _, err := os.Stat(filepath.Join(runs, id)); err != nil {
		return nil, nil
	}
	if e.reading || now.Before(e.next) {
		return nil, ErrLater
	}
	e.reading = true
	e.mu.Unlock()
	began := time.Now()
	was, complete := readEarlier(filepath.Join(runs, id, report.FileName))
	took := time.Since(began)
	e.mu.Lock()
	e.reading, e.next = false, now.Add(earlierShare*took)
	if complete {
		if e.known == nil || len(e.known) >= maxEarlier {
			e.known = make(map[string]*EarlierRun)
		}
		e.known[id] = was
	}
	return was, nil
}

// readEarlier reads a report; without one nothing is known of the sessions.
func readEarlier(path string) (was *EarlierRun, complete bool) {
	was = &EarlierRun{of: make(map[string]EarlierSession)}
	f, err := ownfile.Open(path, os.O_RDONLY, 0)
	if err != nil {
		return was, false
	}
	defer f.Close()
	if err := eachClient(bufio.NewReader(io.LimitReader(f, reportMaxBytes)), func(s EarlierSession) {
		was.of[s.ClientID] = s
	}); err != nil {
		return &EarlierRun{of: make(map[string]EarlierSession)}, false
	}
	return was, true
}

// eachClient calls do for each client of a report. It keeps one of them in memory at a time: a report
// can have a hundred megabytes, and a client that asks for it must not cost as much.
func eachClient(report io.Reader, do func(EarlierSession)) error {
	d := json.NewDecoder(report)
	if err := expect(d, json.Delim('{')); err != nil {
		return err
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		if key != "clients" {
			if err := d.Decode(new(json.RawMessage)); err != nil {
				return err
			}
			continue
		}
		if err := expect(d, json.Delim('[')); err != nil {
			return err
		}
		for d.More() {
			var s EarlierSession
			if err := d.Decode(&s); err != nil {
				return err
			}
			do(s)
		}
		return expect(d, json.Delim(']')) // what follows is not needed
	}
	return nil
}

// expect reads a token that has to come.
func expect(d *json.Decoder, want json.Delim) error {
	got, err := d.Token()
	if err == nil && got != want {
		err = fmt.Errorf("%v, where %v was to come", got, want)
	}
	return err
}
