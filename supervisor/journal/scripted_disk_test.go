package journal

// scriptedDisk is the real folder with calls that a test can take over. A nil function
// leaves the call alone; a function gets the real file and may use it. They are called
// by the writer, so a test sets them only while no Append is under way.
type scriptedDisk struct {
	folder
	onCreate     func(name string) error
	onWrite      func(f segmentFile, p []byte) (int, error)
	onSync       func(f segmentFile) error
	onTruncate   func(f segmentFile, size int64) error
	onClose      func(f segmentFile) error
	onSyncFolder func() error
	// onZero is called beside the writer. With it zeros are written ahead on every file system.
	onZero      func(f segmentFile, from, to int64) error
	onSyncZeros func(f segmentFile) error // as onZero
}

// unsynced returns the folder without its fsyncs, for tests of many journals that are not
// about a crash of the machine.
func unsynced(dir string) *scriptedDisk {
	return &scriptedDisk{
		folder:       folder(dir),
		onSync:       func(segmentFile) error { return nil },
		onSyncFolder: func() error { return nil },
	}
}

// scriptedFile is a segment file of a scriptedDisk.
type scriptedFile struct {
	segmentFile
	disk *scriptedDisk
}

func (d *scriptedDisk) create(name string) (segmentFile, error) {
	if d.onCreate != nil {
		if err := d.onCreate(name); err != nil {
			return nil, err
		}
	}
	return d.wrap(d.folder.create(name))
}

func (d *scriptedDisk) open(name string) (segmentFile, error) {
	return d.wrap(d.folder.open(name))
}

func (d *scriptedDisk) wrap(f segmentFile, err error) (segmentFile, error) {
	if err != nil {
		return nil, err
	}
	return scriptedFile{f, d}, nil
}

func (d *scriptedDisk) gains() error {
	if d.onZero != nil {
		return nil
	}
	return d.folder.gains()
}

func (d *scriptedDisk) sync() error {
	if d.onSyncFolder != nil {
		return d.onSyncFolder()
	}
	return d.folder.sync()
}

func (f scriptedFile) Write(p []byte) (int, error) {
	if f.disk.onWrite != nil {
		return f.disk.onWrite(f.segmentFile, p)
	}
	return f.segmentFile.Write(p)
}

func (f scriptedFile) Zero(from, to int64) error {
	if f.disk.onZero != nil {
		return f.disk.onZero(f.segmentFile, from, to)
	}
	return f.segmentFile.Zero(from, to)
}

func (f scriptedFile) SyncZeros() error {
	if f.disk.onSyncZeros != nil {
		return f.disk.onSyncZeros(f.segmentFile)
	}
	return f.segmentFile.SyncZeros()
}

func (f scriptedFile) Sync() error {
	if f.disk.onSync != nil {
		return f.disk.onSync(f.segmentFile)
	}
	return f.segmentFile.Sync()
}

func (f scriptedFile) Truncate(size int64) error {
	if f.disk.onTruncate != nil {
		return f.disk.onTruncate(f.segmentFile, size)
	}
	return f.segmentFile.Truncate(size)
}

func (f scriptedFile) Close() error {
	if f.disk.onClose != nil {
		return f.disk.onClose(f.segmentFile)
	}
	return f.segmentFile.Close()
}
