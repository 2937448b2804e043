// Package job says which agent of a fleet gets which entry of a job. It is pure: who asks gets the
// same answer for the same job and agents, and nothing is sent.
//
// An agent gets one load at most. An entry that no agent matches and an agent that no entry matches
// are told, and are for the caller to judge; an agent that two entries match is an error, because
// neither is more meant than the other.
package job
