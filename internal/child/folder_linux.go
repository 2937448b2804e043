package child

import (
	"os"
	"path/filepath"
	"time"

	"bulkhead/internal/removal"
)

const (
	// folderGone is how long it may take to remove what a child left in its folder.
	folderGone = 2 * time.Second
	// leftPrefix begins the name of a folder that could not be removed.
	leftPrefix = ".left-"
)

// removeFolder removes the folder of a process that has ended, with whatever it has left there. What
// cannot be removed, or not in time, gets another name: then nobody else tries.
func (p *process) removeFolder() {
	if p.socketDir == "" {
		return // it was never made
	}
	err := removal.Tree(p.socketDir, folderGone)
	if err == nil {
		return
	}
	stays := filepath.Join(filepath.Dir(p.socketDir), leftPrefix+filepath.Base(p.socketDir))
	if os.Rename(p.socketDir, stays) != nil {
		stays = p.socketDir
	}
	p.cfg.Logger.Error("what a child has left stays", "folder", stays, "error", err)
}
