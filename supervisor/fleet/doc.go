// Package fleet knows the agents: who is connected, who was, what each may do and how its tasks
// are. It outlives runs: an agent is no client, makes no run begin or end, and is remembered while
// it is away, for it comes back.
//
// It has no connection and no clock of its own: a Line is how an agent is reached, and whoever has
// one says when it begins and ends. What comes over a Line is believed of its own agent only.
package fleet
