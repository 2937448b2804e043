package main

import (
	"slices"
	"strings"

	"bulkhead/internal/config"
)

// categoryOf is under which title a key's flag is listed in a help; keys are the keys of
// the same process.
func categoryOf(k config.Key, keys []config.Key) string {
	section, _, nested := strings.Cut(k.Name, ".")
	if nested && section != "stop_when" {
		switch section {
		case "rate":
			return "what is written"
		case "http":
			return "live page"
		case "heartbeat", "monitor", "progress":
			return "workers"
		default: // log, handler, session, overload, journal, spool
			return section
		}
	}
	if slices.ContainsFunc(keys, func(other config.Key) bool { return other.Name == "consumers[]."+k.Name }) {
		return "what is written"
	}
	switch k.Name {
	case "supervisor", "name", "labels", "token", "connect_timeout", "listen", "deliver_timeout":
		return "connection"
	case "stall_after", "kill_timeout", "work_dir":
		return "workers"
	case "keep":
		return "what is written"
	default:
		return "run"
	}
}
