package handler

import bulkheadv1 "bulkhead/proto/bulkhead/v1"

// CheckHello returns what a handler would tell a client that says h, as an error of
// package status; nil if h has the form that it must have. It cuts what is too long and may be
// cut.
func CheckHello(h *bulkheadv1.Hello) error {
	shortenHello(h)
	if v := checkHello(h); v != nil {
		return v.status()
	}
	return nil
}

// CheckBatch returns what a handler would tell a client that sends b where message next is
// due, as an error of package status; nil if b keeps to the limits and the numbering. It may
// cut from b what was sent before.
func CheckBatch(b *bulkheadv1.Batch, limits *bulkheadv1.Limits, next uint64) error {
	if _, v := checkBatch(b, limits, next); v != nil {
		return v.status()
	}
	return nil
}
