// Package threshold decides, from live figures, which of the thresholds of a run do not hold. It is
// pure: it has no clock and no lock, and is told once a second what the run is like.
//
// It says what is beyond doubt, and nothing else; the report judges exactly, at the end. What
// a client wrote is known only when the client reports it, at most a Delay later, and of latencies
// the bucket is known. So a rate is compared with the most, or the least, that can have been written
// in a window, and a latency with the end of its bucket that is nearer to the threshold. A rate that is
// just wrong shows in several windows: if every one of them was right, so were they together.
//
// A window begins anew when nobody looked for a while, with each Watch, and with each stage of a
// load; one of rates also when not all clients are at work. A threshold is breached once.
package threshold
