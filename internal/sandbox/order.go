package sandbox

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// EnvName is the entry of a handler's environment that has its order. Without it a handler locks
// nothing, as for a supervisor of before there were orders.
const EnvName = "BULKHEAD_SANDBOX"

// ErrNotLocked says that a handler could not lock itself as it was told: a layer is missing, and
// the level is strict.
var ErrNotLocked = errors.New("handler.sandbox is strict, and a layer is missing")

// Order is what a handler is told to do.
type Order struct {
	Level  Level
	Layers Layers
	// Memory bounds the data of the process, in bytes; 0 is no bound.
	Memory uint64
	// Uid and Gid are those of the layer User.
	Uid, Gid int
	// Network is the network namespace of whoever starts it (the inode of /proc/self/ns/net), which
	// with the layer Namespaces is not to be the handler's.
	Network uint64
	// Fatal has calls that no rule knows end the process, too. For tests: they find what a rule
	// lacks.
	Fatal bool
}

// Layers is a set of layers.
type Layers uint16

// All returns the layers that a supervisor of this user asks for.
func All(root bool) Layers {
	var all Layers
	for _, w := range walls {
		if root || !w.ForRoot {
			all = all.With(w.Layer)
		}
	}
	return all
}

// With returns the set with a layer, and Without the set without it.
func (s Layers) With(l Layer) Layers    { return s | 1<<l }
func (s Layers) Without(l Layer) Layers { return s &^ (1 << l) }

// Has reports whether a layer is in the set.
func (s Layers) Has(l Layer) bool { return s&(1<<l) != 0 }

// String returns the order as it is in the environment.
func (o Order) String() string {
	return fmt.Sprintf("level=%s layers=%d memory=%d uid=%d gid=%d network=%d fatal=%t", o.Level, o.Layers, o.Memory,
		o.Uid, o.Gid, o.Network, o.Fatal)
}

// ParseOrder is the reverse of String. It returns os.ErrInvalid, wrapped, for anything else. An
// empty text is the order to lock nothing.
func ParseOrder(text string) (Order, error) {
	o := Order{Level: Off}
	for entry := range strings.FieldsSeq(text) {
		key, value, _ := strings.Cut(entry, "=")
		var n uint64
		var err error
		if key != "level" && key != "fatal" {
			n, err = strconv.ParseUint(value, 10, 64)
		}
		switch key {
		case "level":
			if o.Level = Level(value); o.Level != Strict && o.Level != BestEffort && o.Level != Off {
				err = os.ErrInvalid
			}
		case "layers":
			o.Layers = Layers(n)
		case "memory":
			o.Memory = n
		case "uid":
			o.Uid = int(n)
		case "gid":
			o.Gid = int(n)
		case "network":
			o.Network = n
		case "fatal":
			o.Fatal = value == "true"
		default:
			err = os.ErrInvalid
		}
		if err != nil {
			return Order{}, fmt.Errorf("%s: %q is no part of an order: %w", EnvName, entry, os.ErrInvalid)
		}
	}
	return o, nil
}
