package neighbour

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"bulkhead/client/block"
	"bulkhead/client/names"
)

const (
	// lookEvery is how often a Search looks for folders, and lookSoon how often while there are none.
	lookEvery = time.Second
	lookSoon  = 200 * time.Millisecond
	// maxEntries is how much of a folder is looked at, and maxFolders how many consumers are read.
	maxEntries = 8192
	maxFolders = 4096
)

// Client is another client of the run, as its record says.
type Client struct {
	ID         [16]byte
	Name, Host string
	boot       string // tells its kernel's life from others
}

// File is a finished file of another client.
type File struct {
	Entry
	Of     *Client
	folder *folder
}

// Name returns the file's name in its consumer's folder.
func (f *File) Name() string { return names.LoadFile(f.File.Number) }

// folder is a consumer's folder below that of its client.
type folder struct {
	client, consumer string // names
	owner            block.Owner
	of               *Client
	last             uint64 // number of the file that was taken last
}

func (f *folder) place() string { return f.client + "/" + f.consumer }

// Search finds finished files of other clients. Its methods may be called at the same time; they make
// system calls on the shared storage, and wait as long as those do.
type Search struct {
	site *os.File // the folder with those of all clients
	user uint32   // whose folders are taken
	own  block.Owner

	mu      sync.Mutex
	clients map[string]*Client // by the name of the folder, those found last; guarded by mu
	folders []*folder          // those found last, in order of their names; guarded by mu
	looked  time.Time          // when that was; guarded by mu
	empty   time.Time          // when no list had a file; guarded by mu
	turn    int                // the folder to be taken from next; guarded by mu
	boot    string             // of the client's own record; guarded by mu
	// met are those of which files were read; guarded by mu
	met map[[16]byte]*Client
}

// NewSearch returns a Search below a folder, which it closes, for the consumer own of a client whose
// folders belong to user.
func NewSearch(site *os.File, user uint32, own block.Owner) *Search {
	return &Search{site: site, user: user, own: own, met: make(map[[16]byte]*Client)}
}

// Close ends the search.
func (s *Search) Close() error { return s.site.Close() }

// Next returns a finished file of another client: of the one whose turn it is the next one, or, with
// pick, which returns one of so many, any. It is nil if there is none now. An error is that of a
// folder or a list that could not be read though it is there.
func (s *Search) Next(pick func(n uint64) uint64) (*File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	wrong := s.look()
	n := len(s.folders)
	if n == 0 || time.Since(s.empty) < lookSoon {
		return nil, wrong
	}
	first := s.turn % n
	if pick != nil {
		first = int(pick(uint64(n)))
	}
	for i := range n {
		f := s.folders[(first+i)%n]
		list, err := s.list(f)
		wrong = cmp.Or(wrong, err)
		if len(list) == 0 {
			continue
		}
		s.turn = (first + i + 1) % n
		e := f.following(list)
		if pick != nil {
			e = list[pick(uint64(len(list)))]
		}
		f.last = e.File.Number
		return &File{Entry: e, Of: f.of, folder: f}, nil
	}
	s.empty = time.Now()
	return nil, wrong
}

// following returns the file behind the one that was taken last, by number; the first one behind the
// last. The list is not empty.
func (f *folder) following(list []Entry) Entry {
	next := slices.MinFunc(list, func(a, b Entry) int { return cmp.Compare(a.File.Number, b.File.Number) })
	found := false
	for _, e := range list {
		if e.File.Number > f.last && (!found || e.File.Number < next.File.Number) {
			next, found = e, true
		}
	}
	return next
}

// Stands reports whether a file is still in its consumer's list, which is opened anew.
func (s *Search) Stands(f *File) (bool, error) {
	list, err := s.list(f.folder)
	return err != nil || slices.Contains(list, f.Entry), err
}

// Open opens the folder that a file is in, which the caller closes.
func (s *Search) Open(f *File) (*os.File, error) { return s.open(f.folder.client, f.folder.consumer) }

// Path returns where a file is, for a person.
func (s *Search) Path(f *File) string {
	return filepath.Join(s.site.Name(), f.folder.client, f.folder.consumer, f.Name())
}

// Met notes that a file of a client is read, and returns of how many clients there were any, and on how
// many hosts beside that of the client itself those run.
func (s *Search) Met(f *File) (clients, hosts uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.met) < maxFolders {
		s.met[f.Of.ID] = f.Of
	}
	others := make(map[string]bool)
	for _, c := range s.met {
		if c.boot != s.boot {
			others[cmp.Or(c.boot, c.Host)] = true
		}
	}
	return uint32(len(s.met)), uint32(len(others))
}
