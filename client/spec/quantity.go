package spec

import (
	"fmt"
	"time"

	"bulkhead/internal/human"
	"bulkhead/internal/pathname"
)

// Measured returns what has lasted so long, and what its limit was if that is something else to
// a reader: "no answer in 2.3s (limit 2s)".
func Measured(what string, lasted, limit time.Duration) string {
	if is, was := human.BriefDuration(lasted), human.BriefDuration(limit); is != was {
		return fmt.Sprintf("%s %s (limit %s)", what, is, was)
	}
	return what + " " + human.BriefDuration(lasted)
}

// textMaxBytes bounds a text that is made of errors and sent in a message.
const textMaxBytes = 2000

// Clip makes a text fit for a message: UTF-8 of at most textMaxBytes.
func Clip(s string) string { return pathname.Clip(s, textMaxBytes) }
