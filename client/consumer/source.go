package consumer

// source is where the data of one writer comes from.
type source interface {
	// chunk returns what belongs into the file at that place. It is valid until the
	// next call.
	chunk(f *loadFile, offset uint64, size int) []byte
	close() error
}

// poolSource is data of a pool.
type poolSource struct{ pool *pool }

func (s poolSource) chunk(_ *loadFile, _ uint64, size int) []byte { return s.pool.next(size) }
func (s poolSource) close() error                                 { return s.pool.close() }
