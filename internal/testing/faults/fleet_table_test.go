package faults_test

import (
	"fmt"
	"strings"
)

// The matrix of the fleet: two agents, alpha and beta, and gamma, which the test plays, have a job of two
// gathered runs. Beta, its client, its handler or its path is disturbed in the first run, or before it, or
// the supervisor is; alpha and gamma must notice nothing.
const (
	agentProcess   target = "agent"
	agentClient    target = "client of an agent"
	agentHandler   target = "handler of an agent"
	agentPath      target = "network path of an agent and its client"
	agentAndCentre target = "agent and supervisor at once"
	sigterm        fault  = "SIGTERM"
	waiting        moment = "waiting for work"
	checking       moment = "while checking a load"
	inGather       moment = "in the gather, ready"
	atDecision     moment = "at the decision"
	whileItWrites  moment = "while the load runs"
	atLoadsEnd     moment = "at the load's end"
	betweenRuns    moment = "between two runs"
	atStageChange  moment = "between two stages"
)

// fleetWant is what a row of the fleet's matrix expects.
type fleetWant struct {
	// first and second are how beta's client ends in the two runs: closed, lost, cut, which is closed with a
	// load that was cut short, absent, or none where the run is not begun.
	first, second string
	// code is the exit status of `bulkhead run`; anyCode is not looked at.
	code int
	// refused is what the command says where nothing is begun.
	refused string
	// says is what the row promises, in words.
	says string
}

const (
	cutShort = "cut"
	none     = "none"
	anyEnd   = "any" // closed, or lost with what it could not deliver in its spool
	anyCode  = -1
	partly   = -2 // partial or interrupted
)

// fleetRow is some moments with one promise.
type fleetRow struct {
	target  target
	fault   fault
	moments []moment
	fleetWant
}

// fleetRows lists what is promised. What is not in it says nothing that another row does not.
var fleetRows = []fleetRow{
	{agentProcess, sigkill, []moment{waiting, betweenRuns}, fleetWant{first: closed, second: closed,
		says: "the agent that is started again takes the next run; complete"}},
	{agentProcess, sigkill, []moment{checking}, fleetWant{first: none, second: none, code: exitFailure,
		refused: "agent beta has not answered",
		says:    "nothing is begun; exit status 1, and the agent is named. Started again, it takes the next job"}},
	{agentProcess, sigkill, []moment{inGather, atDecision}, fleetWant{first: cutShort, second: closed,
		code: partly, says: "the kernel ends its client, which has written nothing or removes its files; the " +
			"run is not complete. The agent that is started again takes the next run"}},
	{agentProcess, sigkill, []moment{whileItWrites, atStageChange}, fleetWant{first: cutShort, second: closed,
		code: partly, says: "the kernel ends its client in order, which removes its files and was cut short. The " +
			"agent that is started again takes the next run"}},
	{agentProcess, sigkill, []moment{atLoadsEnd}, fleetWant{first: anyEnd, second: closed, code: anyCode,
		says: "the kernel has its client end at once, which has a second to deliver the rest, and leaves it in its " +
			"spool if it cannot. The agent that is started again takes the next run"}},
	{agentProcess, sigstop, []moment{waiting, inGather, whileItWrites, betweenRuns, atStageChange},
		fleetWant{first: closed, second: closed, says: "away after session.client_timeout; its client goes on, and " +
			"so does it after SIGCONT; complete"}},
	{agentProcess, sigterm, []moment{waiting, betweenRuns}, fleetWant{first: closed, second: closed,
		says: "it ends with status 0; the agent that is started again takes the next run; complete"}},
	{agentProcess, sigterm, []moment{inGather, whileItWrites, atStageChange}, fleetWant{first: cutShort,
		second: closed, code: partly, says: "it asks its client to end, waits for that and ends with status 0. The " +
			"agent that is started again takes the next run"}},
	{agentClient, sigkill, []moment{inGather, whileItWrites, atStageChange}, fleetWant{first: lost, second: closed,
		code: exitPartial, says: "its session is lost after session.grace; the agent removes its files, says how it " +
			"ended and takes the next run"}},
	{agentClient, sigstop, []moment{whileItWrites, atStageChange}, fleetWant{first: closed, second: closed,
		says: "away after session.client_timeout; it comes back, resumes and delivers everything; complete"}},
	{agentClient, sigterm, []moment{inGather, whileItWrites, atStageChange}, fleetWant{first: cutShort, second: closed,
		code: partly, says: "it ends in order, and was cut short; the agent takes the next run"}},
	{agentHandler, sigkill, []moment{waiting, checking, inGather, atDecision, whileItWrites, atStageChange,
		betweenRuns},
		fleetWant{first: closed, second: closed, says: "the agent connects again; its client notices nothing; " +
			"complete"}},
	{agentHandler, sigstop, []moment{waiting, whileItWrites}, fleetWant{first: closed, second: closed,
		says: "found within handler.hang_timeout and killed; the agent connects again; complete"}},
	{supervisorProc, sigkill, []moment{waiting}, fleetWant{first: closed, second: closed,
		says: "started again, it has its agents again; complete"}},
	{supervisorProc, sigkill, []moment{inGather, atDecision, whileItWrites, atStageChange, atLoadsEnd},
		fleetWant{first: closed, second: closed, says: "started again, it goes on with the run, whose clients all " +
			"close, and with the job; complete"}},
	{supervisorProc, sigkill, []moment{betweenRuns}, fleetWant{first: closed, second: closed,
		says: "started again, it begins the pause anew, and then the second run; complete"}},
	{supervisorProc, sigstop, []moment{inGather, whileItWrites, atStageChange}, fleetWant{first: closed, second: closed,
		says: "everything goes on over the same connections; complete"}},
	{agentAndCentre, sigkill, []moment{waiting, betweenRuns}, fleetWant{first: closed, second: closed,
		says: "both are started again; the supervisor goes on with the job, and waits for the agent; complete"}},
	{agentAndCentre, sigkill, []moment{inGather, whileItWrites}, fleetWant{first: cutShort, second: closed,
		code: partly, says: "the kernel ends the agent's client in order, which comes back to the supervisor that is " +
			"started again and says goodbye. The job goes on, and the agent that is started again takes the next run"}},
	{agentPath, reset, []moment{waiting, checking, inGather, atDecision, whileItWrites, atStageChange, atLoadsEnd,
		betweenRuns},
		fleetWant{first: closed, second: closed, says: "agent and client connect again, and the session resumes; " +
			"complete"}},
}

// fleetCell is one cell of the fleet's matrix.
type fleetCell struct {
	place
	want fleetWant
}

// fleetCells returns all cells.
func fleetCells() (all []fleetCell) {
	for _, r := range fleetRows {
		for _, m := range r.moments {
			all = append(all, fleetCell{place{r.target, r.fault, m}, r.fleetWant})
		}
	}
	return all
}

// fleetTable returns a table with a line for each row.
func fleetTable() string {
	var b strings.Builder
	b.WriteString("| target | fault | moment | what is promised | client in the first run, and the second | " +
		"exit status |\n|---|---|---|---|---|---|\n")
	words := map[string]string{closed: "closed", lost: "lost", cutShort: "closed, cut short", none: "not begun",
		anyEnd: "closed or lost"}
	for _, r := range fleetRows {
		ends := words[r.first]
		switch {
		case r.second == "":
		case r.first == none:
		default:
			ends += "; " + words[r.second]
		}
		code := fmt.Sprint(r.code)
		switch r.code {
		case partly:
			code = "3 or 4"
		case anyCode:
			code = "not promised"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", r.target, r.fault, moments(r.moments), r.says, ends, code)
	}
	return b.String()
}
