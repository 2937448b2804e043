package protocol

import "time"

// OrphanGrace is how long a handler whose supervisor is gone keeps its client's connection,
// unless the supervisor has named another time: the default of handler.orphan_grace, and
// what a handler goes by that nobody has served yet.
const OrphanGrace = 2 * time.Minute
