package supervisor

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"bulkhead/internal/protocol"
	"bulkhead/internal/reason"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// maxElders is how many earlier runs are remembered that clients came back to.
const maxElders = 4

// runIDForm is what a run's folder is called: nothing else is looked for.
var runIDForm = regexp.MustCompile(`^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}$`)

// elders are earlier runs of the same state directory, as their reports have them. The
// zero value is ready.
type elders struct {
	mu    sync.Mutex
	known map[string]*elder // guarded by mu; by run id, at most maxElders
}

// elder is an earlier run: how its sessions ended, by client id in hexadecimal.
type elder struct {
	Clients []elderSession `json:"clients"`
	of      map[string]elderSession
}

// elderSession is one session of an earlier run.
type elderSession struct {
	SessionID string `json:"session_id"`
	ClientID  string `json:"client_id"`
	Outcome   string `json:"outcome"`
	Cause     string `json:"cause"`
	LastSeq   uint64 `json:"last_seq"`
}

// look returns an earlier run; nil if there is none of that id. runs is the folder of all.
func (e *elders) look(runs, id string) *elder {
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
	was, complete := readElder(filepath.Join(runs, id, reportFile))
	if complete {
		if e.known == nil || len(e.known) >= maxElders {
			e.known = make(map[string]*elder)
		}
		e.known[id] = was
	}
	return was
}

// readElder reads a report; without one nothing is known of the sessions.
func readElder(path string) (was *elder, complete bool) {
	was = &elder{of: make(map[string]elderSession)}
	f, err := os.Open(path)
	if err != nil {
		return was, false
	}
	defer f.Close()
	if json.NewDecoder(bufio.NewReader(f)).Decode(was) != nil {
		return was, false
	}
	for _, s := range was.Clients {
		was.of[s.ClientID] = s
	}
	was.Clients = nil
	return was, true
}

// elsewhere answers a client that goes on with a session of another run, and says whether
// it was one: a session never goes on in a run that it was not begun in. One that only did
// not hear that all is well is told so.
func (r *run) elsewhere(l *link, hello *bulkheadv1.Hello) bool {
	id := hello.GetRunId()
	if id == "" || id == r.id {
		return false
	}
	was := r.elders.look(filepath.Dir(r.dir), id)
	if was == nil {
		r.strangerTo(l, hello, answer{
			code: codes.FailedPrecondition, reason: bulkheadv1.Reason_REASON_RUN_UNKNOWN, about: map[string]string{reason.Run: r.id},
			text: fmt.Sprintf("this supervisor knows nothing of run %.64q; its run is %s", id, r.id),
		})
		return true
	}
	s, known := was.of[hex.EncodeToString(hello.GetClientId())]
	over := answer{
		code: codes.FailedPrecondition, reason: bulkheadv1.Reason_REASON_RUN_OVER, about: map[string]string{reason.Run: id},
		text: fmt.Sprintf("run %s is over, and has no session of this client", id),
	}
	switch {
	case !known:
	case s.Outcome == closed.String() && (hello.SentSeq == nil || hello.GetSentSeq() == s.LastSeq):
		l.settleElsewhere()
		now := time.Now()
		l.down.Put(&bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Welcome{Welcome: &bulkheadv1.Welcome{
			RunId: id, SessionId: s.SessionID, ResumeAfter: s.LastSeq, Limits: r.told(), WallClockUnixNano: now.UnixNano(),
			Connection: hello.GetLastConnection() + 1, Closed: true,
		}}})
		l.finish(answer{})
		l.log.Info("client is told that its session of an earlier run is closed", "client", hello.GetName(), "earlier_run", id)
		return true
	default:
		end := protocol.SessionOver{Outcome: protocol.OutcomeNamed(s.Outcome), After: s.LastSeq, Run: id, Cause: s.Cause}
		over.about = end.Metadata()
		over.text = fmt.Sprintf("run %s is over, and this session with it: %s after message %d (%s)", id, s.Outcome, s.LastSeq, s.Cause)
	}
	r.strangerTo(l, hello, over)
	return true
}

// strangerTo refuses a client of another run. This run misses nothing by that.
func (r *run) strangerTo(l *link, hello *bulkheadv1.Hello, why answer) {
	r.reject(l, claimant{hello, false, why.reason}, why.text)
	l.settleElsewhere()
	l.finish(why)
}

// settleElsewhere says that a connection is not this run's, and that its client has done
// nothing wrong.
func (l *link) settleElsewhere() { l.refused, l.shed = true, true }
