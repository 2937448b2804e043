package protocol

import (
	"fmt"
	"strings"
	"time"
)

// retryAfter leads the time in the text of a GOAWAY, which has no other place for it.
const retryAfter = "retry after "

// RetryAfterText returns why a connection is refused, and when to come again, as the text of a
// GOAWAY has it (docs/protocol.md). RetryAfter reads the time.
func RetryAfterText(why string, after time.Duration) string {
	return fmt.Sprintf("%s; %s%s", why, retryAfter, after)
}

// RetryAfter returns when to come again after a GOAWAY with this text: the duration at its
// end. It is 0 when the text does not end so.
func RetryAfter(text string) time.Duration {
	_, rest, found := strings.Cut(text, retryAfter)
	for found {
		d, err := time.ParseDuration(strings.TrimSpace(rest))
		if err == nil {
			return max(0, d)
		}
		_, rest, found = strings.Cut(rest, retryAfter)
	}
	return 0
}
