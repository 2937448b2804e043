// Package workload holds what a client can be told to do and a consumer to write, in the one form
// that a configuration, a client and a consumer share, and the rules that tell whether it can work.
// A rule and its bound are here and nowhere else: a configuration adds where a value comes from,
// and a consumer asks again, because it may serve a client that is not ours.
package workload
