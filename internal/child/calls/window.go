package calls

// window is how much may come, of one call or of all.
type window struct {
	most   int64 // what it was at first
	used   int64 // of that, as the server knows it
	unread int64 // of used: what was not received
}

// came takes note of n bytes that have come. It reports whether there was room for them.
func (w *window) came(n int64) bool {
	w.used += n
	w.unread += n
	return w.used <= w.most
}

// received takes note of n bytes of those that were received, and returns how much more the server is
// to be told it may send: nothing, or what has become a good part of the window.
func (w *window) received(n int64) (more int64) {
	w.unread -= n
	if given := w.used - w.unread; given >= w.most/4 {
		w.used = w.unread
		return given
	}
	return 0
}
