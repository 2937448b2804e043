package supervisor_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/rawclient"
	"bulkhead/supervisor"
)

// oneLiar writes a handler program that lies in one way the first time it is
// started, and is an honest handler from then on.
func oneLiar(t *testing.T, way string) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "handler")
	script := fmt.Sprintf("#!/bin/sh\nif mkdir '%s/lied' 2>/dev/null; then %s='%s'; export %s; fi\nexec '%s'\n", dir,
		lieEnv, way, lieEnv, os.Args[0])
	must(t, harness.WriteProgram(path, []byte(script)))
	return path
}

// TestAHandlerThatLies serves the first client by a handler that was taken over.
// It is dropped and what it did is named; it cannot change what is durable, nor end
// its session as it likes, nor touch the client beside it.
func TestAHandlerThatLies(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		way     string
		outcome string // of the liar's session; "" if it got none
		cause   string // why it lost its connection, or was rejected
		durable uint64
	}{
		{"second hello", "lost", "protocol: the handler sent a second Hello", 0},
		{"batch before hello", "", "protocol: the handler sent a Batch of a client that was not let in", 0},
		{"goodbye before hello", "", "protocol: the handler sent a Goodbye of a client that was not let in", 0},
		{"empty frame", "", "protocol: the handler sent an empty frame", 0},
		{"garbage batch", "lost", "protocol: the handler sent a batch as messages 4 to 4", 3},
		{"gap", "lost", "protocol: the handler sent messages 6 to 7 where 4 was next", 3},
		{"again", "lost", "protocol: the handler sent messages 1 to 3 where 4 was next", 3},
		{"too few", "lost", "protocol: the handler sent a batch as messages 4 to 9", 3},
		{"too many", "lost", "protocol: the handler sent a batch as messages 4 to 5", 3},
		{"backwards", "lost", "protocol: the handler sent messages 4 to 2 where 4 was next", 3},
		{"others", "lost", "protocol: the handler sent a batch as messages 4 to 5", 3},
		{"goodbye too early", "lost", "protocol: the handler relayed a Goodbye after message 9; 3 is durable", 3},
		{"lie and end", "lost", "protocol: the handler sent messages 6 to 7 where 4 was next", 3},
		{"huge", "lost", "protocol: the handler sent too much", 3},
		{"bomb", "",
			"protocol: the handler sent a frame that cannot be decoded: its Hello has more than 1024 consumers", 0},
		{"no message", "lost", "protocol: the handler sent a frame that cannot be decoded: ", 3},
		{"noise", "lost", "handler broke the protocol: it flooded its log", 3},
		{"hang up", "lost", "handler", 3},
		{"flood", "lost", "protocol: ", 3},
		{"pong", "lost", "protocol: the handler answered a ping that was not sent", 3},
		{"die", "lost", "handler exit status 77", 3},
		{"bad words", "lost", "exit status 2: panic: ", 3},
		{"long name", "", "protocol: the handler sent a Hello that no client may send: Hello.name has", 0},
		{"long end", "lost", "xxxxxxxx", 3},
		{"two goodbyes", "closed", "", 3},
		{"never reads", "lost", "handler hung: it has answered nothing for", 3},
		{"says other things", "lost", "handler hung: it has not answered a ping for", 3},
		{"no end", "closed", "", 3},
		{"no word", "", "the handler reported neither a Hello nor an end in time", 0},
		{"no hello", "", "believe me", 0},
	} {
		t.Run(tt.way, func(t *testing.T) {
			t.Parallel()
			s := start(t, func(c *supervisor.Config) {
				c.Handler.Path = oneLiar(t, tt.way)
				c.Clients.Count = 1
				if tt.outcome != "" {
					c.Clients.Count = 2 // it is one
				}
				c.Session.Grace = 50 * time.Millisecond
				switch tt.way {
				case "never reads", "says other things":
					c.Handler.HangTimeout = 1500 * time.Millisecond
				case "noise": // it answers nothing either, and what it says takes a while to be read
					c.Handler.HangTimeout = patience
				}
				c.Session.HelloTimeout = 100 * time.Millisecond
				if tt.way != "no word" {
					c.Session.HelloTimeout = patience
				}
			})
			victim, err := net.Dial("tcp", s.addr) // takes the first handler
			must(t, err)
			defer victim.Close()
			if tt.outcome == "" {
				s.log.await(t, "connection rejected")
			} else {
				s.log.await(t, "session ended", "client", "liar", "outcome", tt.outcome)
			}
			if strings.HasPrefix(tt.cause, "protocol") {
				if n := s.log.count("handler is not to be trusted"); n != 1 {
					t.Errorf("the lie was logged %d times; want once", n)
				}
			}
			if tt.way == "no word" {
				return // an honest client cannot be sure to say Hello in so short a time
			}
			beta := s.greet(rawclient.Hello("beta"), 0)
			s.deliver(beta, 1, 5)
			s.closeInOrder(beta, 5)
			wantLiar(t, s, tt.outcome, tt.cause, tt.durable)
		})
	}
}

// wantLiar checks what the journal of a run with a liar and beta says.
func wantLiar(t *testing.T, s *running, outcome, cause string, durable uint64) {
	t.Helper()
	rep := s.wait()
	if got := wantClient(t, rep, "beta", "closed", "said goodbye"); got.Messages != 5 || got.Resumes != 0 {
		t.Errorf("beta was disturbed: %d messages, %d resumes", got.Messages, got.Resumes)
	}
	if outcome == "" {
		if len(rep.Rejections) != 1 || !strings.Contains(rep.Rejections[0].Reason, cause) {
			t.Errorf("rejections %+v; want one with %q", rep.Rejections, cause)
		}
		return
	}
	if got := wantClient(t, rep, "liar", outcome, ""); got.Messages != durable {
		t.Errorf("%d messages of the liar are in the report; want %d", got.Messages, durable)
	}
	if outcome == "closed" {
		return
	}
	if causes := s.detached(1); len(causes) != 1 ||
		!slices.ContainsFunc(causes, func(c string) bool { return strings.Contains(c, cause) }) {
		t.Errorf("the liar lost its connection by %q; want %q", causes, cause)
	}
}

// A handler that reports no End after its client's session is closed is let go of,
// while the run continues.
func TestAHandlerThatNeverEndsIsLetGoOf(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *supervisor.Config) {
		c.Handler.Path = oneLiar(t, "no end")
		c.Clients.Count = 2
	})
	victim, err := net.Dial("tcp", s.addr)
	must(t, err)
	defer victim.Close()
	s.log.await(t, "session ended", "client", "liar", "outcome", "closed")
	s.log.await(t, "handler ended badly", "client", "liar")
	if busy := s.status().GetHandlersBusy(); busy > 1 { // its link may be on its way out
		t.Errorf("%d handlers are busy", busy)
	}
	s.serveWhole("beta")
	if rep := s.wait(); !rep.Complete() {
		t.Errorf("verdict %+v; want complete", rep.Verdict)
	}
}
