package fold

// recent is a list of the newest limit items, and a count of the older ones that
// it no longer holds.
type recent[T any] struct {
	limit   int
	items   []T
	oldest  int // index of the oldest item once items is full
	leftOut uint64
}

func (r *recent[T]) add(item T) {
	if len(r.items) < r.limit {
		r.items = append(r.items, item)
		return
	}
	r.items[r.oldest] = item
	r.oldest = (r.oldest + 1) % r.limit
	r.leftOut++
}

// cut lowers the limit, and lets go of the oldest items beyond it.
func (r *recent[T]) cut(limit int) {
	if limit >= r.limit {
		return
	}
	r.limit = limit
	if more := len(r.items) - limit; more > 0 {
		r.items, r.oldest = r.list()[more:], 0
		r.leftOut += uint64(more)
		r.items = append(make([]T, 0, limit), r.items...)
	} else {
		r.items, r.oldest = r.list(), 0
	}
}

// list returns the items, oldest first, in a slice of its own that is never nil.
func (r *recent[T]) list() []T {
	list := make([]T, 0, len(r.items))
	list = append(list, r.items[r.oldest:]...)
	return append(list, r.items[:r.oldest]...)
}

// find returns the newest item that is wanted, or nil. It is valid until the next
// add.
func (r *recent[T]) find(wanted func(*T) bool) *T {
	for i := len(r.items); i > 0; i-- {
		item := &r.items[(r.oldest+i-1)%len(r.items)]
		if wanted(item) {
			return item
		}
	}
	return nil
}

// earliest is a list of the first limit items, and a count of the later ones that it does
// not hold.
type earliest[T any] struct {
	limit   int
	items   []T
	leftOut uint64
}

func (e *earliest[T]) add(item T) {
	if len(e.items) >= e.limit {
		e.leftOut++
		return
	}
	e.items = append(e.items, item)
}

// cut lowers the limit, and lets go of the latest items beyond it.
func (e *earliest[T]) cut(limit int) {
	e.limit = min(e.limit, limit)
	if more := len(e.items) - e.limit; more > 0 {
		e.items = append(make([]T, 0, e.limit), e.items[:e.limit]...)
		e.leftOut += uint64(more)
	}
}
