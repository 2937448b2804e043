package journal

// Verify reads the journal in dir up to a mark, and returns a CorruptError for damage there: a
// record with a wrong checksum, or one that does not decode. It calls between after each segment
// and ends with its error. Its other errors are Replay's.
func Verify(dir string, until Mark, between func() error) error {
	segments, err := listSegments(dir)
	if err != nil {
		return err
	}
	for _, s := range segments {
		if s.start >= until.Bytes {
			break
		}
		s.size, s.last = min(s.size, until.Bytes-s.start), false
		if _, err := readSegment(dir, s, headerBytes, verify); err != nil {
			return err
		}
		if err := between(); err != nil {
			return err
		}
	}
	return nil
}
