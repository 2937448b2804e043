// Package agent waits on a test machine for tasks, and runs a client for each. It dials in as a
// client does, so the machine needs no open port, and comes back for ever.
//
//	supervisor                    agent                           client (process)
//	   │ ◄─────────── Hello ──────── │ id, labels, allowances
//	   │ ──────────── Task ────────► │ checks the load
//	   │ ◄───────── AgentReport ──── │ refused, with a reason; or:
//	   │                             │ load file, 0600, in a folder of its own
//	   │                             │ ───────── exec ──────────────► │
//	   │ ◄══════════════════ the client's own connection ═══════════ │
//	   │ ◄───────── AgentReport ──── │ ended, and how
//
// Invariants:
//
//   - What a supervisor can make an agent do is what its owner allows, whoever holds the supervisor: a
//     load has the keys of a client that describe one (config.ParseJobLoad) and no other; its paths are
//     below those that are allowed when all links are followed, and which holds no more at once than is
//     allowed there, and lasts no longer. There is no command in it, no program, no address.
//   - A client and its workers change nothing outside of what is allowed and their working folder
//     (landlock), whatever happens between the check and their opening it.
//   - What a killed client left counts until it is removed, which the agent sees to.
//   - One task at a time. Others are refused; a task that is known already is reported again.
//   - A task is the agent's, not the connection's: it goes on while there is none, and the next
//     supervisor hears how it is.
//   - What the agent remembers is bounded: the newest tasks, and a line of what each printed last.
//   - When the agent ends its client ends, too: in order if there is time.
package agent
