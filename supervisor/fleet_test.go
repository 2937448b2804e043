package supervisor_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"

	"bulkhead/internal/protocol"
	"bulkhead/internal/testing/rawclient"
	"bulkhead/internal/tokens"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor"
	"bulkhead/supervisor/report/fold"
)

// agentWays are the ways to lie of a handler that was taken over by an agent.
func agentWays() map[string]func(mouth) error {
	agent := func(m mouth) error {
		return m.Send(&bulkheadv1.HandlerFrame{Frame: &bulkheadv1.HandlerFrame_Hello{
			Hello: rawclient.AgentHello("liar")}})
	}
	report := func(m mouth, tasks int, id []byte) error {
		r := &bulkheadv1.AgentReport{}
		for range tasks {
			r.Tasks = append(r.Tasks, &bulkheadv1.TaskReport{TaskId: id, State: 99,
				Detail: strings.Repeat("\x1b[2J", 1<<16)})
		}
		return m.Send(&bulkheadv1.HandlerFrame{Frame: &bulkheadv1.HandlerFrame_AgentReport{AgentReport: r}})
	}
	id := bytes.Repeat([]byte("x"), 16)
	return map[string]func(mouth) error{
		"agent: second hello": func(m mouth) error { return errors.Join(agent(m), agent(m)) },
		"agent: batch":        func(m mouth) error { return errors.Join(agent(m), m.batch(1, 3, 1, 3)) },
		"agent: goodbye":      func(m mouth) error { return errors.Join(agent(m), m.goodbye(0)) },
		"agent: report first": func(m mouth) error { return report(m, 1, id) },
		"agent: report of a client": func(m mouth) error {
			return errors.Join(m.hello(), report(m, 1, id))
		},
		"agent: too many tasks": func(m mouth) error { return errors.Join(agent(m), report(m, 17, id)) },
		"agent: short id":       func(m mouth) error { return errors.Join(agent(m), report(m, 1, id[:3])) },
		"agent: long name": func(m mouth) error {
			h := rawclient.AgentHello(strings.Repeat("n", 4<<20))
			return m.Send(&bulkheadv1.HandlerFrame{Frame: &bulkheadv1.HandlerFrame_Hello{Hello: h}})
		},
		"agent: allowances": func(m mouth) error {
			h := rawclient.AgentHello("liar")
			h.Agent.Allowances = make([]*bulkheadv1.Allowance, 1<<14)
			for i := range h.Agent.Allowances {
				h.Agent.Allowances[i] = &bulkheadv1.Allowance{}
			}
			return m.Send(&bulkheadv1.HandlerFrame{Frame: &bulkheadv1.HandlerFrame_Hello{Hello: h}})
		},
		"agent: a flood": func(m mouth) error {
			err := agent(m)
			for i := 0; err == nil; i++ {
				r := &bulkheadv1.AgentReport{Tasks: []*bulkheadv1.TaskReport{{TaskId: id, Detail: fmt.Sprint(i)}}}
				r.ProtoReflect().SetUnknown(protowire.AppendBytes(
					protowire.AppendTag(nil, 99, protowire.BytesType), make([]byte, 1<<20)))
				err = m.Send(&bulkheadv1.HandlerFrame{Frame: &bulkheadv1.HandlerFrame_AgentReport{AgentReport: r}})
			}
			return err
		},
	}
}

// TestAHandlerOfAnAgentThatLies serves an agent by a handler that was taken over. It is dropped, and what
// it did is named; the client beside it notices nothing.
func TestAHandlerOfAnAgentThatLies(t *testing.T) {
	t.Parallel()
	for way, cause := range map[string]string{
		"agent: second hello":       "the handler sent a second Hello",
		"agent: batch":              "the handler sent a Batch of a client that was not let in",
		"agent: goodbye":            "the handler sent a Goodbye of a client that was not let in",
		"agent: report first":       "the handler sent an AgentReport of what is no agent",
		"agent: report of a client": "the handler sent an AgentReport of what is no agent",
		"agent: too many tasks":     "its AgentReport has more than 16 tasks",
		"agent: short id":           "a task id has 3 bytes; it must have 16",
		"agent: long name":          "Hello.agent.name has 4194304 bytes",
		"agent: allowances":         "its Hello has more than 32 allowances",
		"agent: a flood":            "", // costs nobody else anything, and ends with the run
	} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := start(t, func(c *supervisor.Config) {
				c.Handler.Path = oneLiar(t, way)
				c.Session.Grace = 50 * time.Millisecond
				if way == "agent: report of a client" {
					c.Clients.Count = 2
				}
			})
			victim, err := net.Dial("tcp", s.addr) // takes the first handler
			must(t, err)
			defer victim.Close()
			if cause == "" {
				s.log.await(t, "agent has come", "agent", "liar")
			} else if e := s.log.await(t, "handler is not to be trusted"); !strings.Contains(fmt.Sprint(e), cause) {
				t.Errorf("the log says %v; want %q", e, cause)
			}
			beta := s.greet(rawclient.Hello("beta"), 0)
			s.deliver(beta, 1, 5)
			s.closeInOrder(beta, 5)
			rep := s.wait()
			if got := wantClient(t, rep, "beta", "closed", "said goodbye"); got.Messages != 5 || got.Resumes != 0 {
				t.Errorf("beta was disturbed: %d messages, %d resumes", got.Messages, got.Resumes)
			}
		})
	}
}

// twoTokens writes the tokens of two clients into a file, and returns them.
func twoTokens(t *testing.T) (file string, secrets [2]string) {
	t.Helper()
	var lines string
	for i, name := range []string{"lab", "stranger"} {
		one, err := tokens.New(name)
		must(t, err)
		lines, secrets[i] = lines+one.Line()+"\n", one.Secret()
	}
	file = filepath.Join(t.TempDir(), "tokens")
	must(t, os.WriteFile(file, []byte(lines), 0o600))
	return file, secrets
}

// TestTheClientOfAnAgentIsItsOwn has a stranger come with the name of the client of a job's agent, before
// that comes: it is refused, and the job is the agent's.
func TestTheClientOfAnAgentIsItsOwn(t *testing.T) {
	t.Parallel()
	file, secrets := twoTokens(t)
	s := start(t, func(c *supervisor.Config) { c.KeepRunning, c.Tokens = true, file })
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	t.Cleanup(all.Wait)
	t.Cleanup(cancel)
	hello := rawclient.AgentHello("alpha")
	hello.Token = secrets[0]
	asked, may := make(chan string, 1), make(chan struct{})
	agent := rawclient.NewAgent(rawclient.AgentConfig{Hello: hello, Addr: s.addr,
		Client: func(ctx context.Context, task *bulkheadv1.Task) error {
			asked <- task.GetClientName()
			select {
			case <-may:
			case <-ctx.Done():
				return ctx.Err()
			}
			h := rawclient.Hello(task.GetClientName())
			h.Token = secrets[0]
			return rawclient.Load(ctx, s.addr, h, 10, time.Millisecond, func(rawclient.Stage) error { return nil })
		}})
	all.Go(func() { agent.Run(ctx) }) // ends with ctx
	stream, err := s.control().RunJob(ctx, &bulkheadv1.RunJobRequest{WaitNano: int64(patience), Job: &bulkheadv1.Job{
		Name: "j", Clients: []*bulkheadv1.JobEntry{{All: true, Load: []byte("path: /nowhere\n")}}}})
	must(t, err)
	name := <-asked
	for _, token := range secrets[1:] {
		h := rawclient.Hello(name)
		h.Token = token
		_, err := s.dial().Greet(h)
		wantRefusal(t, err, codes.PermissionDenied, bulkheadv1.Reason_REASON_IDENTITY_WRONG)
	}
	// Nor does it take the agent's place.
	h := rawclient.AgentHello("alpha")
	h.Token = secrets[1]
	_, err = s.dial().Greet(h)
	wantRefusal(t, err, codes.Unavailable, bulkheadv1.Reason_REASON_CLIENT_ID_IN_USE)
	close(may)
	for {
		e, err := stream.Recv()
		must(t, err)
		if ended := e.GetEnded(); ended != nil {
			break
		}
	}
	cancel()
	all.Wait()
	s.log.await(t, "session ended", "client", "alpha", "outcome", "closed")
}

// TestNobodyElseHasTheNameOfATasksClient does the same without tokens: of a task only its agent knows the id,
// and the client shows what follows from that.
func TestNobodyElseHasTheNameOfATasksClient(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *supervisor.Config) { c.KeepRunning = true })
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	t.Cleanup(all.Wait)
	t.Cleanup(cancel)
	hello := rawclient.AgentHello("alpha")
	hello.Agent.GivesIds = true
	asked, may := make(chan string, 1), make(chan struct{})
	agent := rawclient.NewAgent(rawclient.AgentConfig{Hello: hello, Addr: s.addr,
		Client: func(ctx context.Context, task *bulkheadv1.Task) error {
			asked <- task.GetClientName()
			select {
			case <-may:
			case <-ctx.Done():
				return ctx.Err()
			}
			h := rawclient.Hello(task.GetClientName())
			h.ClientId = protocol.TaskClientID(task.GetTaskId())
			return rawclient.Load(ctx, s.addr, h, 10, time.Millisecond, func(rawclient.Stage) error { return nil })
		}})
	all.Go(func() { agent.Run(ctx) }) // ends with ctx
	stream, err := s.control().RunJob(ctx, &bulkheadv1.RunJobRequest{WaitNano: int64(patience), Job: &bulkheadv1.Job{
		Name: "j", Clients: []*bulkheadv1.JobEntry{{All: true, Load: []byte("path: /nowhere\n")}}}})
	must(t, err)
	name := <-asked
	st, err := s.control().Status(ctx, &bulkheadv1.StatusRequest{})
	must(t, err)
	if id := st.GetAgents()[0].GetTask().GetTaskId(); len(id) > 0 {
		t.Errorf("status shows the id of the agent's task: %x", id)
	}
	_, err = s.dial().Greet(rawclient.Hello(name))
	wantRefusal(t, err, codes.PermissionDenied, bulkheadv1.Reason_REASON_IDENTITY_WRONG)
	close(may)
	var run *bulkheadv1.JobRun
	for run == nil {
		e, err := stream.Recv()
		must(t, err)
		run = e.GetEnded()
	}
	cancel()
	all.Wait()
	s.log.await(t, "session ended", "client", "alpha", "outcome", "closed")
	rep, err := fold.FromJournal(filepath.Join(run.GetRunDir(), "journal"))
	must(t, err)
	if len(rep.Clients) != 1 || len(rep.RejectionGroups) != 1 || rep.RejectionGroups[0].ClientName != name {
		t.Errorf("%d clients, and rejected are %+v", len(rep.Clients), rep.RejectionGroups)
	}
}
