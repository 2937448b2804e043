package intact

// kind is what a field holds, as far as its encoding goes.
type kind uint8

const (
	none       kind = iota // there is no such field, or it takes the long way
	unsigned64             // and int64
	unsigned32
	signed32 // and enums
	boolean
	double
	text
	raw     // bytes
	numbers // a packed list of uint64
	part    // a message
)

// message is what is known of a type of message: its fields by number. The types that an intact
// Batch may hold are in the table, the type of Message first.
type message [80]field

type field struct {
	kind     kind
	wire     uint8 // wire type
	repeated bool
	fact     bool  // one of the facts of a Message
	of       uint8 // the type of a part, in the table
	most     int32 // bytes of a text, or parts of a list; what has more may have to be cut
}
