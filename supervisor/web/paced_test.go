package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Who asks without a pause takes a tenth of a processor, and has an answer at once each time; who asks
// now and then has a new one.
func TestAnswersArePaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const takes = 100 * time.Millisecond
		made := 0
		p := newPaced(func() (int, error) {
			time.Sleep(takes)
			made++
			return made, nil
		})
		began := time.Now()
		for time.Since(began) < time.Minute {
			got, err := p.get()
			if err != nil || got != made {
				t.Fatalf("%d, %v; want %d", got, err, made)
			}
			time.Sleep(time.Millisecond)
		}
		if took := time.Duration(made) * takes; took > time.Minute/10+2*answerBurst || took < time.Minute/20 {
			t.Errorf("the answers of a minute took %s to make", took)
		}
		for range 3 {
			time.Sleep(10 * takes)
			before := made
			if got, err := p.get(); got != before+1 || err != nil {
				t.Errorf("after a pause: %d, %v; want a new one", got, err)
			}
		}
	})
}

// Those who ask at the same time share an answer, and one that failed is nobody's.
func TestAnswersAreShared(t *testing.T) {
	var made atomic.Int64
	fails := true
	p := newPaced(func() (int64, error) {
		if fails {
			return 0, errors.New("no")
		}
		time.Sleep(answerBurst / 100) // work
		return made.Add(1), nil
	})
	if _, err := p.get(); err == nil {
		t.Error("there was no error")
	}
	fails = false
	const crowd = 50
	var asking sync.WaitGroup
	for range crowd {
		asking.Go(func() {
			if got, err := p.get(); err != nil || got == 0 {
				t.Errorf("%d, %v", got, err)
			}
		})
	}
	asking.Wait()
	if n := made.Load(); n >= crowd {
		t.Errorf("%d answers were made for %d who asked at the same time", n, crowd)
	}
}

// slow is a supervisor whose status takes a while to make.
type slow struct {
	scripted
	made atomic.Int64
}

func (s *slow) Status(ctx context.Context) *bulkheadv1.StatusResponse {
	s.made.Add(1)
	time.Sleep(answerBurst / 10) // work
	return s.scripted.Status(ctx)
}

// A flood of questions does not have the status made for each, and all are answered.
func TestAFloodOfQuestionsIsAnswered(t *testing.T) {
	t.Parallel()
	for path, begin := range map[string]string{
		"/api/status": `{"run_id":"R"`, "/metrics": "# HELP bulkhead_", "/events": "retry: 1000\n\nevent: status\n",
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			const questions = 50
			source := &slow{scripted: scripted{status: &bulkheadv1.StatusResponse{RunId: "R"}}}
			_, addr, _ := serve(t, source)
			for range questions {
				conn, answer := ask(t, addr, "GET "+path+" HTTP/1.1\r\nHost: "+addr+"\r\nConnection: close\r\n\r\n")
				text := make([]byte, len(begin))
				_, err := io.ReadFull(answer.Body, text)
				conn.Close()
				if err != nil || answer.StatusCode != http.StatusOK || string(text) != begin {
					t.Fatalf("it was answered %s, %q, %v", answer.Status, text, err)
				}
			}
			if made := source.made.Load(); made >= questions {
				t.Errorf("the status was made %d times for %d questions", made, questions)
			}
		})
	}
}
