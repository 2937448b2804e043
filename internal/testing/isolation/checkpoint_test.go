package isolation_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/report"
)

// wordy starts a client that says much, so that the journal grows fast.
func wordy(t *testing.T, s *running, number uint32) *rawclient.Sender {
	t.Helper()
	l := rawclient.NewSender(rawclient.SenderConfig{
		Hello: rawclient.Hello(fmt.Sprintf("wordy-%d", number)), Addr: s.Addr, Number: number, Batch: 64, Window: 4,
		Padding: 4000, Every: 20 * time.Millisecond,
	})
	ctx, cancel := context.WithCancel(context.Background())
	go l.Run(ctx) // ends with Finish, or with the test
	t.Cleanup(func() { cancel(); <-l.Done() })
	return l
}

// takenUp waits until a supervisor has resumed the run for the n-th time in its process, and
// returns how much of the journal it read, and how much a checkpoint spared it.
func (s *running) takenUp(n int) (replayed, spared int64) {
	s.t.Helper()
	seen := 0
	line, err := s.Await(patience, func(l harness.LogLine) bool {
		if l.Text("msg") == "run resumed" {
			seen++
		}
		return seen == n
	})
	expect.NoError(s.t, err)
	number := func(key string) int64 {
		f, err := strconv.ParseFloat(line.Text(key), 64)
		expect.NoError(s.t, err)
		return int64(f)
	}
	return number("replayed_bytes"), number("checkpoint_bytes")
}

// A supervisor is killed under a load that has filled many segments, killed again after its
// newest checkpoint was damaged, and upgraded. Each time the next one reads no more than what
// follows a checkpoint, all sessions continue over their connections, and every message is in
// the journal once.
func TestARestartBeginsAtACheckpoint(t *testing.T) {
	t.Parallel()
	const clients = 4
	state := newStateDir(t)
	args := []string{"--clients", fmt.Sprint(clients), "--journal-segment-size", "1MiB"}
	s := startCommand(t, command(state, args...))
	var all []*rawclient.Sender
	for i := range uint32(clients) {
		all = append(all, wordy(t, s, i))
	}
	dir := filepath.Join(s.RunDir, "journal")
	newest, older := filepath.Join(dir, "checkpoint"), filepath.Join(dir, "checkpoint.old")
	expect.Eventually(t, func() error { _, err := os.Stat(older); return err })
	goOn := func() {
		for _, l := range all {
			expect.NoError(t, l.GoesOn(patience))
		}
	}

	s.Kill()
	before, made := journalBytes(t, dir), s.checkpointMade()
	s = startCommand(t, command(state, args...))
	replayed, spared := s.takenUp(1)
	if made == 0 || spared < made || replayed+spared > before {
		t.Errorf("of %d bytes %d were read, behind a checkpoint of %d; one of %d had been made", before, replayed,
			spared,
			made)
	}
	goOn()

	s.Kill()
	if _, err := os.Stat(newest); err != nil { // killed as the newest became the older
		expect.NoError(t, os.Link(older, newest+".copy"))
		expect.NoError(t, os.Rename(newest+".copy", newest))
	}
	damage(t, newest)
	s = startCommand(t, command(state, args...))
	if _, again := s.takenUp(1); again == 0 || again > before {
		t.Errorf("the checkpoint before the damaged one is of %d bytes; want some, and no more than %d", again, before)
	}
	_, err := s.Await(patience, func(l harness.LogLine) bool {
		return l.Text("level") == "WARN" && bytes.Contains([]byte(l.Text("error")), []byte("checkpoint: it is damaged"))
	})
	expect.NoError(t, err)
	goOn()

	before = journalBytes(t, dir)
	if said, err := s.upgrade(bin); err != nil {
		t.Fatalf("upgrade: %v\n%s", err, said)
	}
	if _, spared := s.takenUp(2); spared < before {
		t.Errorf("the new program was spared %d bytes; want all %d that there were before the upgrade", spared, before)
	}
	goOn()

	for _, l := range all {
		l.Finish()
		expect.NoError(t, l.AwaitEnd(patience))
	}
	rep := s.finish(exitComplete)
	everyMessageOnce(t, dir, all)
	for _, l := range all {
		c := expect.Client(t, rep, l.Name())
		if c.Outcome != report.OutcomeClosed || c.Messages != l.Progress().Acked || c.Resumes != 0 {
			t.Errorf("%s: %s after %d messages and %d resumes; want closed after %d over one connection", l.Name(),
				c.Outcome, c.Messages, c.Resumes, l.Progress().Acked)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, "*checkpoint*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left after the report: %v, %v", left, err)
	}
}

// A checkpoint that is being written to a disk that does not answer holds up neither clients nor
// the end of the run, and an upgrade changes nothing: no program could be executed.
func TestACheckpointThatHangs(t *testing.T) {
	t.Parallel()
	programs, err := faulty()
	expect.NoError(t, err)
	cmd := commandFrom(programs, newStateDir(t), "--clients", "1")
	cmd.Env = append(os.Environ(), "BULKHEAD_FAILPOINTS=supervisor/checkpoint-written=deadlock")
	s := startCommand(t, cmd)
	l := wordy(t, s, 1)
	dir := filepath.Join(s.RunDir, "journal")
	expect.Eventually(t, func() error { // it hangs in the middle of the file
		left, err := filepath.Glob(filepath.Join(dir, ".tmp-checkpoint-*"))
		if err == nil && len(left) == 0 {
			err = errors.New("no checkpoint is being written")
		}
		return err
	})
	said, err := s.upgrade(programs)
	if err == nil || !strings.Contains(said, "a checkpoint of the journal is still being written after 5s") {
		t.Errorf("upgrade says %v\n%s", err, said)
	}
	if got := s.status().GetRestarts(); got != 0 {
		t.Errorf("%d restarts; want none", got)
	}
	expect.NoError(t, l.GoesOn(patience))
	l.Finish()
	expect.NoError(t, l.AwaitEnd(patience))
	rep := s.finish(exitComplete)
	everyMessageOnce(t, dir, []*rawclient.Sender{l})
	if c := expect.Client(t, rep, l.Name()); c.Outcome != report.OutcomeClosed || c.Resumes != 0 {
		t.Errorf("%s after %d resumes; want closed after none", c.Outcome, c.Resumes)
	}
	if !strings.Contains(s.Log(), "a checkpoint of the journal is not waited for") {
		t.Error("nothing says that the checkpoint was not waited for")
	}
}

// checkpointMade returns how much of the journal the newest checkpoint covers that the supervisor
// has logged; 0 if there is none.
func (s *running) checkpointMade() (bytes int64) {
	s.t.Helper()
	const words = ` journal_bytes:(\S+) level:DEBUG msg:checkpoint of the journal made`
	for _, line := range regexp.MustCompile(words).FindAllStringSubmatch(s.Log(), -1) {
		f, err := strconv.ParseFloat(line[1], 64)
		expect.NoError(s.t, err)
		bytes = int64(f)
	}
	return bytes
}

// journalBytes returns how long the journal in dir is.
func journalBytes(t *testing.T, dir string) (n int64) {
	t.Helper()
	segments, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	expect.NoError(t, err)
	for _, path := range segments {
		info, err := os.Stat(path)
		expect.NoError(t, err)
		n += info.Size()
	}
	return n
}

// damage flips a bit in the middle of a file.
func damage(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	expect.NoError(t, err)
	data[len(data)/2] ^= 1
	expect.NoError(t, os.Remove(path)) // another name of it stays as it is
	expect.NoError(t, os.WriteFile(path, data, 0o600))
}

// everyMessageOnce checks that a journal has each message of clients once, in order and as it was
// sent.
func everyMessageOnce(t *testing.T, dir string, all []*rawclient.Sender) {
	t.Helper()
	byID, sessions := make(map[string]*rawclient.Sender), make(map[uint32]*rawclient.Sender)
	found := make(map[*rawclient.Sender]uint64)
	for _, l := range all {
		byID[l.ID()] = l
	}
	_, err := journal.Replay(dir, func(rec *bulkheadv1.Record) error {
		if o := rec.GetSessionOpened(); o != nil {
			sessions[o.GetSession()] = byID[string(o.GetHello().GetClientId())]
		}
		sb := rec.GetSessionBatch()
		if sb == nil {
			return nil
		}
		l := sessions[sb.GetSession()]
		if l == nil || sb.GetFirstSeq() != found[l]+1 {
			return fmt.Errorf("session %d: messages from %d on follow %d", sb.GetSession(), sb.GetFirstSeq(), found[l])
		}
		found[l] = sb.GetLastSeq()
		var b bulkheadv1.Batch
		if err := proto.Unmarshal(sb.GetBatch(), &b); err != nil {
			return err
		}
		if !proto.Equal(&b, l.Messages(sb.GetFirstSeq(), sb.GetLastSeq())) {
			return fmt.Errorf("session %d: messages %d to %d are others than were sent", sb.GetSession(),
				sb.GetFirstSeq(), sb.GetLastSeq())
		}
		return nil
	})
	expect.NoError(t, err)
	for _, l := range all {
		if found[l] != l.Progress().Acked {
			t.Errorf("%s: the journal has %d messages; want the %d that were acknowledged", l.Name(), found[l],
				l.Progress().Acked)
		}
	}
}
