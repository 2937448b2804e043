//go:build !failpoints

package failpoint

import bulkheadv1 "bulkhead/proto/bulkhead/v1"

// Enabled reports whether this program was built with failpoints.
const Enabled = false

// Hit marks a point at which a program built with failpoints can be made to fail.
func Hit(string) {}

// Batch marks a point at which messages can make a program built with failpoints fail.
func Batch([]*bulkheadv1.Message) {}

// Env returns what a process passes on to its children so that their points are armed.
func Env() []string { return nil }
