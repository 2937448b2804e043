package site

import (
	"fmt"
	"os"
	"time"

	"bulkhead/client/names"
	"bulkhead/client/spec"
	"bulkhead/internal/ownfile"
	"bulkhead/internal/plaintext"
)

// removeLeftovers removes the folders that crashed clients of this machine left in the
// site, and says so. What cannot be told or removed stays.
func (f *Folders) removeLeftovers(s *Site) {
	c, err := s.Look()
	if err != nil {
		f.log.Warn("looking for what crashed clients left: "+err.Error(), "path", s.path)
		return
	}
	for _, name := range c.Clients {
		if name == f.name {
			continue
		}
		r, dead := s.Dead(name, f.here)
		if !dead {
			continue
		}
		if err := removeOurs(s.Root, name, nil); err != nil {
			f.log.Warn("removing what a crashed client left: "+err.Error(), "path", s.path, "folder", name)
			continue
		}
		f.log.Info("removed what a crashed client left",
			"path", s.path, "folder", name, "client", plaintext.Line(r.Name, plaintext.MaxName), "pid", r.PID,
			"started", r.Started.Format(time.RFC3339))
	}
}

// Dead reports whether the client that made a folder has crashed: its record says that it
// ran on this machine and was not to keep its files, and it does not hold its lock.
func (s *Site) Dead(name string, me Origin) (Record, bool) {
	folder, err := s.openFolder(name)
	if err != nil {
		return Record{}, false
	}
	defer folder.Close()
	text, err := ownfile.ReadIn(folder, names.Record, recordMaxBytes)
	if err != nil {
		return Record{}, false // another user's, a link, or none: nobody can tell whose it is
	}
	r, err := readRecord(text)
	if err != nil || r.Keep || !r.sameMachine(me, s.local()) {
		return r, false
	}
	lock, locked, err := lockRecord(folder)
	if err != nil {
		return r, false
	}
	_ = lock.Close() // nothing was written
	return r, locked
}

// sameMachine reports whether the client of a record ran on this machine, so that its
// lock would be seen here. Of one boot there is only one kernel. After a reboot the
// machine must be known by its name and its id. Machines that were cloned share both, and may
// share a file system whose locks do not reach the other: there the hardware must be the same,
// too. A file system of one machine alone has no live client of another.
func (r Record) sameMachine(me Origin, local bool) bool {
	if r.Boot == "" || me.boot == "" {
		return false
	}
	if r.Boot == me.boot {
		return true
	}
	named := r.Machine != "" && r.Machine == me.machine && r.Host == me.host && r.Host != ""
	return named && (local || r.Hardware != "" && r.Hardware == me.hardware)
}

// recordOf returns the record of a client.
func recordOf(cfg spec.Config, id spec.ClientID, me Origin) Record {
	writers := uint32(1)
	for _, c := range cfg.Consumers {
		writers = max(writers, c.Concurrency)
	}
	return Record{
		ClientID: id.String(), Name: cfg.Name, Host: me.host, PID: os.Getpid(), Started: time.Now().UTC(),
		Machine: me.machine, Hardware: me.hardware, Boot: me.boot, Keep: cfg.Keep, Writers: writers,
	}
}

// Enter notes in the client's records which run it was let into.
func (f *Folders) Enter(run string) {
	for _, m := range f.made {
		if err := m.record.enter(run); err != nil {
			f.log.Warn(fmt.Sprintf("the folder %s does not know its run: %v", m.path, err))
		}
	}
}
