// Package outbox keeps a client's messages until they are acknowledged: the newest in memory,
// what is more in a spool file of bounded size. It numbers them without gaps, hands them out
// in batches, begins again behind whatever the supervisor has, and leaves what was never
// acknowledged in a file that can be delivered later.
package outbox
