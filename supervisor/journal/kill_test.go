//go:build unix

package journal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	// appenderEnv names the journal that a test process is to append to.
	appenderEnv      = "JOURNAL_TEST_APPENDER"
	appenderSessions = 4
	// appenderLimitEnv is how large a file of that process may become, in bytes.
	appenderLimitEnv = "JOURNAL_TEST_LIMIT"
)

// TestFileSizeLimit has a process append that may not make its segment as long as it wants: zeros
// reach the limit first, and harm nothing; then a write does, and what was acknowledged is there.
func TestFileSizeLimit(t *testing.T) {
	const limit = 20_000
	dir := t.TempDir() + "/journal"
	t.Setenv(appenderLimitEnv, fmt.Sprint(limit))
	acked := killAppender(t, dir, -1)
	content, err := os.ReadFile(filepath.Join(dir, segmentName(1)))
	if err != nil {
		t.Fatal(err)
	}
	_, sum, err := replayAll(dir)
	if err != nil || sum.Torn != nil || sum.End.Offset != int64(len(content)) || sum.Segments != 1 {
		t.Errorf("Replay = %+v, %v; the segment has %d bytes", sum, err, len(content))
	}
	if len(content) > limit || len(content) < limit-appenderSessions*1000 {
		t.Errorf("the segment has %d bytes, its limit is %d", len(content), limit)
	}
	mustCheck(t, dir)
	last := lastSeqs(t, dir)
	for session := range uint32(appenderSessions) {
		if session++; acked[session] == 0 || last[session] != acked[session] {
			t.Errorf("session %d: %d was acknowledged, the journal ends at %d", session, acked[session], last[session])
		}
	}
	f, found, err := Open(dir, Options{})
	if err != nil || found.Torn != nil {
		t.Fatalf("Open = %+v, %v", found, err)
	}
	closeJournal(t, f)
}

// TestAcknowledgedRecordsSurviveSIGKILL kills a process that appends, several times over
// the same journal. Whatever it said was acknowledged must be there.
func TestAcknowledgedRecordsSurviveSIGKILL(t *testing.T) {
	dir := t.TempDir() + "/journal"
	for round := range 6 {
		acked := killAppender(t, dir, 50+97*round)
		mustCheck(t, dir)
		last := lastSeqs(t, dir)
		for session, seq := range acked {
			if last[session] < seq {
				t.Errorf("round %d: session %d: %d was acknowledged, the journal ends at %d", round, session, seq,
					last[session])
			}
		}
	}
	f, _, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for session, seq := range lastSeqs(t, dir) {
		appendEach(t, f, ended(session, seq))
	}
	appendEach(t, f, runEnded(bulkheadv1.RunEnd_RUN_END_DONE))
	closeJournal(t, f)
	mustCheck(t, dir)
}

// killAppender starts an appender on dir, kills it after some acknowledgements, and
// returns the last acknowledged message of each session. If after is negative it must give up by
// itself.
func killAppender(t *testing.T, dir string, after int) map[uint32]uint64 {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), appenderEnv+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	acked := map[uint32]uint64{}
	lines := 0
	for in := bufio.NewScanner(out); in.Scan(); { // to the end: what it said before it died counts
		var session uint32
		var seq uint64
		if _, err := fmt.Sscan(in.Text(), &session, &seq); err != nil {
			t.Errorf("appender said %q", in.Text())
		}
		acked[session] = max(acked[session], seq)
		if lines++; lines == after {
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if after < 0 && errors.As(err, &exit) && exit.ExitCode() == 1 {
		return acked // it gave up
	}
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("appender ended with %v, want SIGKILL", err)
	}
	return acked
}

// lastSeqs returns the last message of each session in the journal.
func lastSeqs(t *testing.T, dir string) map[uint32]uint64 {
	t.Helper()
	last, err := readLastSeqs(dir)
	if err != nil {
		t.Fatal(err)
	}
	return last
}

func readLastSeqs(dir string) (map[uint32]uint64, error) {
	last := map[uint32]uint64{}
	_, err := Replay(dir, func(rec *bulkheadv1.Record) error {
		if b := rec.GetSessionBatch(); b != nil {
			last[b.GetSession()] = b.GetLastSeq()
		}
		return nil
	})
	return last, err
}

// appendUntilKilled is the appender: it says "session seq" after each acknowledgement,
// and never returns.
func appendUntilKilled(dir string) {
	if limit, err := strconv.ParseUint(os.Getenv(appenderLimitEnv), 10, 64); err == nil {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
			fmt.Fprintln(os.Stderr, "appender:", err)
			os.Exit(1)
		}
	}
	f, err := openAppender(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, "appender:", err)
		os.Exit(1)
	}
	last, err := readLastSeqs(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, "appender:", err)
		os.Exit(1)
	}
	var wg sync.WaitGroup
	for n := range uint32(appenderSessions) {
		wg.Go(func() { appendSession(f, os.Stdout, n+1, last[n+1]) })
	}
	wg.Wait()
	os.Exit(1)
}

// openAppender creates the journal with its sessions, or takes it up.
func openAppender(dir string) (*File, error) {
	o := Options{SegmentBytes: 24 << 10} // room for zeros ahead
	f, _, err := Open(dir, o)
	if !errors.Is(err, ErrNoJournal) {
		return f, err
	}
	if f, err = Create(dir, o); err != nil {
		return nil, err
	}
	begin := []*bulkheadv1.Record{runStarted()}
	for n := range uint32(appenderSessions) {
		begin = append(begin, opened(n+1))
	}
	return f, f.Append(context.Background(), begin...)
}

// appendSession appends batches of one session and says so until an error.
func appendSession(f *File, out io.Writer, session uint32, last uint64) {
	for {
		err := f.Append(context.Background(), batch(session, last+1, last+3))
		if err != nil {
			fmt.Fprintln(os.Stderr, "appender:", err)
			return
		}
		last += 3
		if _, err := fmt.Fprintln(out, session, last); err != nil {
			return
		}
	}
}
