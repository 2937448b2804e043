package rundir

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"sync"

	"bulkhead/internal/ownfile"
	"bulkhead/supervisor/report"
)

// maxEarlier is how many earlier runs are remembered that clients came back to.
const maxEarlier = 4

// reportMaxBytes bounds a report that is read.
const reportMaxBytes = 1 << 30

// runIDForm is what a run's folder is called: nothing else is looked for.
var runIDForm = regexp.MustCompile(`^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}$`)

// Earlier are earlier runs of the same state directory, as their reports have them. The
// zero value is ready.
type Earlier struct {
	mu    sync.Mutex
	known map[string]*EarlierRun // guarded by mu; by run id, at most maxEarlier
}

// EarlierRun is an earlier run: how its sessions ended.
type EarlierRun struct {
	Clients []EarlierSession          `json:"clients"`
	of      map[string]EarlierSession // by client id in hexadecimal
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

// Look returns an earlier run; nil if there is none of that id. runs is the folder of all.
func (e *Earlier) Look(runs, id string) *EarlierRun {
	if !runIDForm.MatchString(id) {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if known := e.known[id]; known != nil {
		return known
	}
	if _, err := os.Stat(filepath.Join(runs, id)); err != nil {
		return nil
	}
	was, complete := readEarlier(filepath.Join(runs, id, report.FileName))
	if complete {
		if e.known == nil || len(e.known) >= maxEarlier {
			e.known = make(map[string]*EarlierRun)
		}
		e.known[id] = was
	}
	return was
}

// readEarlier reads a report; without one nothing is known of the sessions.
func readEarlier(path string) (was *EarlierRun, complete bool) {
	was = &EarlierRun{of: make(map[string]EarlierSession)}
	f, err := ownfile.Open(path, os.O_RDONLY, 0)
	if err != nil {
		return was, false
	}
	defer f.Close()
	if json.NewDecoder(bufio.NewReader(io.LimitReader(f, reportMaxBytes))).Decode(was) != nil {
		return was, false
	}
	for _, s := range was.Clients {
		was.of[s.ClientID] = s
	}
	was.Clients = nil
	return was, true
}
