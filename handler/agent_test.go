package handler

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead/internal/protocol"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func agentHello() *bulkheadv1.Hello {
	h := rawclient.Hello("")
	h.Workload, h.Agent = nil, &bulkheadv1.Agent{Name: "alpha"}
	return h
}

func agentReport(tasks ...*bulkheadv1.TaskReport) *bulkheadv1.ClientFrame {
	return &bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_AgentReport{
		AgentReport: &bulkheadv1.AgentReport{Tasks: tasks}}}
}

// greetAgent lets an agent in.
func greetAgent(t *testing.T, s *served, c *rawclient.Client) {
	t.Helper()
	s.welcome(0)
	if _, err := c.Greet(agentHello()); err != nil {
		t.Fatal(err)
	}
	if a := s.next().GetHello().GetAgent(); a.GetName() != "alpha" {
		t.Fatalf("the supervisor got %v; want the agent's Hello", a)
	}
}

// Tasks pass down and reports up: of those that nobody has taken the newest, with its texts cut.
func TestAnAgentGetsTasksAndReports(t *testing.T) {
	s := serve(t, nil)
	c := s.dial()
	greetAgent(t, s, c)
	id := []byte("0123456789abcdef")
	s.down.Put(&bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Task{Task: &bulkheadv1.Task{TaskId: id,
		Load: []byte("path: /x")}}})
	f, err := c.Recv()
	must(t, err)
	if string(f.GetTask().GetLoad()) != "path: /x" {
		t.Fatalf("the agent got %v; want the task", f)
	}
	must(t, c.Send(agentReport(&bulkheadv1.TaskReport{TaskId: id, State: bulkheadv1.TaskState_TASK_STATE_RUNNING,
		Detail: strings.Repeat("d", 5000)})))
	got := s.next().GetAgentReport().GetTasks()
	if len(got) != 1 || got[0].GetState() != bulkheadv1.TaskState_TASK_STATE_RUNNING ||
		len(got[0].GetDetail()) != protocol.MaxTaskTextBytes {
		t.Errorf("the supervisor got %v; want the report, its text cut to %d bytes", got, protocol.MaxTaskTextBytes)
	}
}

// What is not an agent's ends its connection, with the reason.
func TestAnAgentKeepsToItsFrames(t *testing.T) {
	many := make([]*bulkheadv1.TaskReport, protocol.MaxTaskReports+1)
	for i := range many {
		many[i] = &bulkheadv1.TaskReport{TaskId: []byte("0123456789abcdef")}
	}
	for _, tt := range []struct {
		name string
		send func(*rawclient.Client) error
		want string
	}{
		{"a batch", func(c *rawclient.Client) error { return c.SendBatch(1, 2) }, "an agent sent a Batch"},
		{"a goodbye", func(c *rawclient.Client) error { return c.Goodbye(0) }, "an agent sent a Goodbye"},
		{"many tasks", func(c *rawclient.Client) error { return c.Send(agentReport(many...)) }, "17 tasks"},
		{"a short id", func(c *rawclient.Client) error {
			return c.Send(agentReport(&bulkheadv1.TaskReport{TaskId: []byte("x")}))
		}, "a task id has 1 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, nil)
			c := s.dial()
			greetAgent(t, s, c)
			must(t, tt.send(c))
			st := status.Convert(c.End())
			if st.Code() != codes.InvalidArgument || !strings.Contains(st.Message(), tt.want) {
				t.Errorf("the agent was told %v; want %q", st, tt.want)
			}
		})
	}
}

func TestAClientHasNoTasks(t *testing.T) {
	s := serve(t, nil)
	c := s.dial()
	s.greet(c, 0)
	must(t, c.Send(agentReport()))
	if st := status.Convert(c.End()); st.Code() != codes.InvalidArgument ||
		!strings.Contains(st.Message(), "a client sent an AgentReport") {
		t.Errorf("the client was told %v", st)
	}
}

// A supervisor that knows no agents refuses one by its name, which is empty.
func TestAnAgentHasNoNameOfAClient(t *testing.T) {
	h := agentHello()
	h.Agent = nil
	if v := checkHello(h); v == nil || !strings.Contains(v.text, "Hello.name has 0 bytes") {
		t.Errorf("a Hello without a name: %v", v)
	}
	h = agentHello()
	h.Name = "alpha"
	if v := checkHello(h); v == nil {
		t.Error("an agent with the name of a client is let in")
	}
}
