package client

// Reserve is free space that is left on a file system: Bytes, or Percent of the file
// system, or the smaller of the two if both are set; the zero value is none.
type Reserve struct {
	Bytes   uint64
	Percent uint32
}

// of is the reserve of a file system, in bytes.
func (r Reserve) of(fs room) uint64 {
	part := fs.total / 100 * uint64(r.Percent)
	switch {
	case r.Percent == 0:
		return r.Bytes
	case r.Bytes == 0:
		return part
	default:
		return min(r.Bytes, part)
	}
}
