package rundir

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"

	"bulkhead/internal/wholefile"
)

// quarantineFolder is where a run keeps the frames that kept killing handlers.
const quarantineFolder = "quarantine"

// KeepFrame writes a frame into the run's quarantine and returns the file's name
// within the run directory; "" for no frame.
func KeepFrame(dir, session string, frame []byte) (string, error) {
	if len(frame) == 0 {
		return "", nil
	}
	folder := filepath.Join(dir, quarantineFolder)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", fmt.Errorf("keeping the frame of a quarantined session: %w", err)
	}
	sum := sha256.Sum256(frame)
	name := filepath.Join(quarantineFolder, session+"-"+hex.EncodeToString(sum[:4])+".frame")
	err := WriteWhole(filepath.Join(dir, name), func(f *os.File) error {
		_, err := f.Write(frame)
		return err
	})
	if err == nil {
		err = wholefile.SyncFolder(dir)
	}
	if err != nil {
		return "", fmt.Errorf("keeping the frame of a quarantined session: %w", err)
	}
	return name, nil
}
