package spec

// What a client makes is named here, and nowhere else.

import (
	"regexp"
	"strconv"
	"strings"
)

// ConsumerFolder is the name of a consumer's folder within its client's.
func ConsumerFolder(index int) string { return "consumer-" + strconv.Itoa(index) }

// FolderName is the name of the folder that holds a client's load files: readable,
// unique, and one path element whatever the client's name holds.
func FolderName(name string, id ClientID) string { return FolderPrefix(name) + id.String()[:8] }

// FolderPrefix is that name without the client's id.
func FolderPrefix(name string) string {
	safe := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
			return r
		}
		return '_'
	}, name)
	return WorkDirPrefix + safe + "-"
}

// ProbeName is the file that is written to a consumer's folder and removed again.
const ProbeName = "probe"

// RecordName is the file in a client's folder that says whose the folder is.
const RecordName = "client.json"

// MarkerName is the file that says that load files may be written to a path.
const MarkerName = ".bulkhead"

// ClientFolderName is what the folders of clients are named like, see FolderName.
var ClientFolderName = regexp.MustCompile(`^bulkhead-.*-[0-9a-f]{8}$`)

// SpoolName is the name of the spool in a client's working folder.
const SpoolName = "spool"

// ConsumerFolderName is what the folders of consumers are named like, see ConsumerFolder.
var ConsumerFolderName = regexp.MustCompile(`^consumer-[0-9]+$`)

// WorkDirPrefix begins the name of a client's working folder.
const WorkDirPrefix = "bulkhead-"

// SocketFolderPrefix begins the names of the folders of workers' sockets in it.
const SocketFolderPrefix = "plugin-dir"
