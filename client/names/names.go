// Package names has the name of everything that a client makes on storage, and tells from a name
// what it stands for: clients make these files and folders, the last of them remove what others
// left, consumers write into them, and verify reads them.
package names

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

const (
	// Probe is the file that a client writes to a consumer's folder and removes again.
	Probe = "probe"
	// Trial is the file on which a consumer tries what its folder can do; it is removed as soon as
	// it is open.
	Trial = "load-probe.tmp"
	// Finished is the file in which a consumer tells other clients which of its files are finished.
	Finished = "finished.list"
	// Record is the file in a client's folder that says whose the folder is.
	Record = "client.json"
	// Marker is the file that says that load files may be written to a path.
	Marker = ".bulkhead"
	// Spool is the file in a client's working folder with what it could not deliver.
	Spool = "spool"
	// WorkDirPrefix begins the name of a client's working folder, and of the folder of its load
	// files.
	WorkDirPrefix = "bulkhead-"
	// SocketFolderPrefix begins the names of the folders of workers' sockets in a working folder.
	SocketFolderPrefix = "plugin-dir"
)

// Forms of names with a number or an id in them.
var (
	clientFolder   = regexp.MustCompile(`^` + WorkDirPrefix + `.*-([0-9a-f]{8})$`)
	consumerFolder = regexp.MustCompile(`^consumer-([0-9]{1,9})$`)
	loadFile       = regexp.MustCompile(`^load-([0-9]{8,18})\.dat$`)
)

// ClientFolder returns the name of the folder that holds a client's load files: readable, unique,
// and one path element whatever the client's name holds. id is the client's in hex.
func ClientFolder(name, id string) string { return ClientFolderPrefix(name) + id[:8] }

// ClientFolderPrefix returns that name without the client's id.
func ClientFolderPrefix(name string) string {
	safe := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
			return r
		}
		return '_'
	}, name)
	return WorkDirPrefix + safe + "-"
}

// ClientIn returns the first bytes of the id of the client whose folder has a name; false if it is
// no such name.
func ClientIn(folder string) (id []byte, ok bool) {
	m := clientFolder.FindStringSubmatch(folder)
	if m == nil {
		return nil, false
	}
	id, err := hex.DecodeString(m[1])
	return id, err == nil
}

// IsWorkDir reports whether a folder is named like a client's working folder.
func IsWorkDir(folder string) bool {
	number, ok := strings.CutPrefix(folder, WorkDirPrefix)
	return ok && number != "" && strings.Trim(number, "0123456789") == ""
}

// ConsumerFolder returns the name of a consumer's folder within its client's.
func ConsumerFolder(index int) string { return "consumer-" + strconv.Itoa(index) }

// ConsumerIn returns the index of the consumer whose folder has a name; false if it is no such name.
func ConsumerIn(folder string) (index uint32, ok bool) {
	m := consumerFolder.FindStringSubmatch(folder)
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseUint(m[1], 10, 32)
	return uint32(n), err == nil
}

// LoadFile returns the name of a consumer's file of that number.
func LoadFile(number uint64) string { return fmt.Sprintf("load-%08d.dat", number) }

// LoadFileIn returns the number of the consumer's file of a name; false if it is no such name.
func LoadFileIn(file string) (number uint64, ok bool) {
	m := loadFile.FindStringSubmatch(file)
	if m == nil {
		return 0, false
	}
	number, err := strconv.ParseUint(m[1], 10, 64)
	return number, err == nil
}

// IsLoadFile reports whether a file has the name of a consumer's.
func IsLoadFile(file string) bool { return loadFile.MatchString(file) }

// IsConsumers reports whether a file of that name, in a consumer's folder, is the consumer's or its
// client's, and may be removed with the folder.
func IsConsumers(file string) bool {
	return file == Probe || file == Trial || file == Finished || IsLoadFile(file)
}

// IsClients reports whether a client keeps a file of that name for itself, beside load files.
func IsClients(file string) bool { return file == Marker || file == Record || file == Finished }
