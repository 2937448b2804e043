package spec

// Reserve is free space that is left on a file system: Bytes, or Percent of the file
// system, or the smaller of the two if both are set; the zero value is none.
type Reserve struct {
	Bytes   uint64
	Percent uint32
}

// InodeReserve is how many inodes are left on a file system: Count, or Percent of those that
// it has, or the smaller of the two if both are set; the zero value is none.
type InodeReserve struct {
	Count   uint64
	Percent uint32
}
