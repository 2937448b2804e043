package share

// turn is one batch in the queue.
type turn struct {
	member *Member
	begin  float64 // when it is to be served, in seconds of the queue's own time
	cost   float64
	load   Load
	place  int           // in the queue; -1 once it is out of it
	come   chan struct{} // closed when it is served
}

// queue is a heap of turns, the one that begins first in front. Its own time stands still while
// nobody waits, and otherwise goes on with what is served.
type queue []*turn

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].begin < q[j].begin }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

func (q *queue) Push(x any) {
	t := x.(*turn)
	t.place = len(*q)
	*q = append(*q, t)
}

func (q *queue) Pop() any {
	last := len(*q) - 1
	t := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	t.place = -1
	return t
}
