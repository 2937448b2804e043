package faults_test

import (
	"slices"
	"syscall"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// handlerOf returns the handler of beta's agent.
func (w *fleetWorld) handlerOf() (pid int) {
	w.t.Helper()
	pid, err := harness.ServerOf(w.Addr, w.peer, w.handlers())
	expect.NoError(w.t, err)
	if pid == 0 {
		w.t.Fatalf("no handler has the connection from %s", w.peer)
	}
	return pid
}

// findPeer takes note of the address from which beta's agent is connected.
func (w *fleetWorld) findPeer() {
	w.t.Helper()
	st, err := w.status()
	expect.NoError(w.t, err)
	for _, a := range st.GetAgents() {
		if a.GetName() == "beta" {
			w.peer = a.GetPeer()
		}
	}
}

// disturb causes the fault, waits until it is noticed, and mends what does not mend itself.
func (w *fleetWorld) disturb() {
	w.t.Helper()
	beta := w.agents["beta"]
	switch w.target {
	case agentPath:
		w.path.Cut()
		return
	case agentHandler:
		w.disturbHandler()
		return
	case supervisorProc:
		w.disturbSupervisor()
		return
	case agentAndCentre:
		expect.NoError(w.t, beta.Process.Kill())
		w.disturbSupervisor()
		beta.await(w.t)
		w.startAgent("beta", w.path.Addr(), "")
		return
	case agentClient:
		pid := beta.client(w.t)
		watch, err := harness.NewWatch(pid)
		expect.NoError(w.t, err)
		defer watch.Close()
		switch w.fault {
		case sigstop:
			expect.NoError(w.t, syscall.Kill(pid, syscall.SIGSTOP))
			w.session("beta", func(s *bulkheadv1.SessionStatus) bool { return s.GetState() == "away" })
			expect.NoError(w.t, syscall.Kill(pid, syscall.SIGCONT))
		case sigterm:
			expect.NoError(w.t, syscall.Kill(pid, syscall.SIGTERM))
			expect.NoError(w.t, watch.AwaitExit(patience))
		default:
			expect.NoError(w.t, syscall.Kill(pid, syscall.SIGKILL))
			expect.NoError(w.t, watch.AwaitExit(patience))
		}
		return
	}
	switch w.fault {
	case sigstop:
		expect.NoError(w.t, syscall.Kill(beta.Process.Pid, syscall.SIGSTOP))
		expect.Eventually(w.t, func() error { // away, or seen coming back already
			st, err := w.status()
			if err == nil && !slices.ContainsFunc(st.GetAgents(), func(a *bulkheadv1.AgentStatus) bool {
				return a.GetName() == "beta" && a.GetAway()
			}) {
				err = errNotYet
			}
			return err
		})
		expect.NoError(w.t, syscall.Kill(beta.Process.Pid, syscall.SIGCONT))
		return
	case sigterm:
		expect.NoError(w.t, beta.Process.Signal(syscall.SIGTERM))
	default:
		expect.NoError(w.t, beta.Process.Kill())
	}
	w.path.Release() // its client is to end in order
	beta.await(w.t)
	if code := beta.ProcessState.ExitCode(); w.fault == sigterm && code != 0 {
		w.t.Errorf("the agent ended with %d", code)
	}
	w.startAgent("beta", w.path.Addr(), "")
}

func (w *fleetWorld) disturbHandler() {
	w.t.Helper()
	pid := w.handlerOf()
	watch, err := harness.NewWatch(pid)
	expect.NoError(w.t, err)
	defer watch.Close()
	sig := syscall.SIGKILL
	if w.fault == sigstop {
		sig = syscall.SIGSTOP
	}
	expect.NoError(w.t, syscall.Kill(pid, sig))
	if w.moment != atDecision { // else whoever reaps it is stopped
		expect.NoError(w.t, watch.AwaitExit(patience))
	}
}

func (w *fleetWorld) disturbSupervisor() {
	w.t.Helper()
	if w.fault == sigstop {
		expect.NoError(w.t, w.Signal(syscall.SIGSTOP))
		inState(w.t, w.Pid(), "T")
		expect.NoError(w.t, w.Signal(syscall.SIGCONT))
		return
	}
	w.Kill()
	w.launch(w.addr, "")
	expect.NoError(w.t, w.AwaitReady(patience))
	w.path.Release()
}
