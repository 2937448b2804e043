package jetstream

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"

	"github.com/cespare/xxhash/v2"
)

// names are those of one run in the engine. Stream 0 has what is of no session; the sessions are
// divided among streams 1 to shards, by a hash of their clients' ids.
type names struct {
	run    string
	shards int
}

// usable is what a run's id may be: it is part of subjects and of streams' names.
var usable = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)

func (n names) stream(k int) string { return fmt.Sprintf("BH_%s_%d", n.run, k) }

// subjects covers all subjects of a stream.
func (n names) subjects(k int) string { return fmt.Sprintf("bh.%s.%d.>", n.run, k) }

// course is the subject of the run's own course: who came, its begin and its end.
func (n names) course() string { return fmt.Sprintf("bh.%s.0.run", n.run) }

// notes is the subject of what one supervisor says of no session.
func (n names) notes(supervisor uint32) string { return fmt.Sprintf("bh.%s.0.n.%d", n.run, supervisor) }

// register is the subject of which sessions a shard has.
func (n names) register(k int) string { return fmt.Sprintf("bh.%s.%d.reg", n.run, k) }

// session is the subject of everything of one session.
func (n names) session(client []byte) string {
	return fmt.Sprintf("bh.%s.%d.s.%s", n.run, n.shard(client), hex.EncodeToString(client))
}

// shard returns the shard of a client, from 1.
func (n names) shard(client []byte) int { return int(xxhash.Sum64(client)%uint64(n.shards)) + 1 }

// number returns the number of a shard's i-th session, from 1.
func (n names) number(k int, i uint32) uint32 { return (i-1)*uint32(n.shards) + uint32(k) }

func decimal[T uint32 | uint64](v T) string { return strconv.FormatUint(uint64(v), 10) }
