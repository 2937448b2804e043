// Package campaign runs a job on the agents of a fleet, one run after the other.
//
//	match the entries with agents ─► ask each whether it could ─► begin a run that expects their clients
//	─► send each its task ─► wait until the run is over and the tasks are ─► the next run, or the end
//
// A run is not begun before every agent has said that it could. One whose task is refused, or ends, or
// whose agent stays away, before its client has come, would be waited for in vain: the run is drained.
// Once a client has come it is the run's, which knows what becomes of it.
//
// A job outlives its supervisor. What was asked for, and the number of each run before that begins, are in
// a file of the job's folder (Store); what a run is, its journal says (JobStarted, with the ids of its
// tasks). The next supervisor goes on from these two (Desk.Resume). Whoever ran the job asks for it again
// by its id; without anybody, the run under way is the last, unless the supervisor was started for the job.
//
// The package decides nothing of runs: who has one says how it is begun, drained and over. It has no
// connection either; the fleet's agents are reached by their tasks.
package campaign
