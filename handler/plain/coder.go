package plain

import (
	"maps"
	"math"
	"slices"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// coder encodes the fields of a message to out or, with reads set, decodes them from in: a message
// declares its fields once for both, in the order of their numbers; see messages.go.
type coder struct {
	reads bool
	in    []byte // what is left of the message that is read
	out   []byte
	odd   bool // there is something that only the long way takes
	items int  // of lists and maps that were read
}

// mostItems is how many items of lists and maps a frame that is decoded here has at most. A hostile
// one may have one in two bytes that take 140 times as much when decoded: it goes the long way
// before it takes that twice.
const mostItems = 4096

// next takes the tag of the field n off in, if that is what comes next.
func (c *coder) next(n protowire.Number, of protowire.Type) bool {
	number, kind, size := protowire.ConsumeTag(c.in)
	if size < 0 || number != n || kind != of {
		return false // nobody takes what does not belong here: it is left over
	}
	c.in = c.in[size:]
	return true
}

// varint encodes v unless it is 0, or decodes the field n if it comes next; ok is false if it
// does not.
func (c *coder) varint(n protowire.Number, v uint64) (got uint64, ok bool) {
	if !c.reads {
		if v != 0 {
			c.out = protowire.AppendVarint(protowire.AppendTag(c.out, n, protowire.VarintType), v)
		}
		return 0, false
	}
	if !c.next(n, protowire.VarintType) {
		return 0, false
	}
	got, size := protowire.ConsumeVarint(c.in)
	if size < 0 {
		c.odd, c.in = true, nil
		return 0, false
	}
	c.in = c.in[size:]
	return got, true
}

// block decodes the field n, of bytes, if it comes next. What it returns is a part of the frame.
func (c *coder) block(n protowire.Number) (value []byte, ok bool) {
	if !c.next(n, protowire.BytesType) {
		return nil, false
	}
	value, size := protowire.ConsumeBytes(c.in)
	if size < 0 {
		c.odd, c.in = true, nil
		return nil, false
	}
	c.in = c.in[size:]
	return value, true
}

// item decodes the field n, of a list or a map, if it comes next.
func (c *coder) item(n protowire.Number) (value []byte, ok bool) {
	if value, ok = c.block(n); ok {
		c.items++
		c.odd = c.odd || c.items > mostItems
	}
	return value, ok && !c.odd
}

func (c *coder) uint64(n protowire.Number, v *uint64) {
	if got, ok := c.varint(n, *v); ok {
		*v = got
	}
}

func (c *coder) int64(n protowire.Number, v *int64) {
	if got, ok := c.varint(n, uint64(*v)); ok {
		*v = int64(got)
	}
}

func (c *coder) uint32(n protowire.Number, v *uint32) {
	if got, ok := c.varint(n, uint64(*v)); ok {
		*v = uint32(got)
		c.odd = c.odd || got > math.MaxUint32
	}
}

// signed codes an int32 or an enum, which have 64 bits in the encoding.
func signed[T ~int32](c *coder, n protowire.Number, v *T) {
	if got, ok := c.varint(n, uint64(int64(*v))); ok {
		*v = T(got)
		c.odd = c.odd || uint64(int64(*v)) != got
	}
}

func (c *coder) bool(n protowire.Number, v *bool) {
	if got, ok := c.varint(n, protowire.EncodeBool(*v)); ok {
		*v = got == 1
		c.odd = c.odd || got > 1
	}
}

func (c *coder) double(n protowire.Number, v *float64) {
	switch bits := math.Float64bits(*v); {
	case c.reads:
		if !c.next(n, protowire.Fixed64Type) {
			return
		}
		got, size := protowire.ConsumeFixed64(c.in)
		if size < 0 {
			c.odd, c.in = true, nil
			return
		}
		*v, c.in = math.Float64frombits(got), c.in[size:]
	case bits != 0:
		c.out = protowire.AppendFixed64(protowire.AppendTag(c.out, n, protowire.Fixed64Type), bits)
	}
}

// optional codes a number that may be there although it is 0.
func (c *coder) optional(n protowire.Number, v **uint64) {
	if !c.reads {
		if *v != nil {
			c.out = protowire.AppendVarint(protowire.AppendTag(c.out, n, protowire.VarintType), **v)
		}
	} else if got, ok := c.varint(n, 0); ok {
		*v = &got
	}
}

func (c *coder) text(n protowire.Number, v *string) {
	if !c.reads {
		if *v != "" {
			c.writeText(n, *v)
		}
	} else if got, ok := c.block(n); ok {
		*v = c.readText(got)
	}
}

func (c *coder) writeText(n protowire.Number, v string) {
	c.odd = c.odd || !utf8.ValidString(v)
	c.out = protowire.AppendString(protowire.AppendTag(c.out, n, protowire.BytesType), v)
}

func (c *coder) readText(v []byte) string {
	c.odd = c.odd || !utf8.Valid(v)
	return string(v)
}

func (c *coder) texts(n protowire.Number, v *[]string) {
	if !c.reads {
		for _, s := range *v {
			c.writeText(n, s)
		}
		return
	}
	for got, ok := c.item(n); ok; got, ok = c.item(n) {
		*v = append(*v, c.readText(got))
	}
}

func (c *coder) bytes(n protowire.Number, v *[]byte) {
	if !c.reads {
		if len(*v) > 0 {
			c.out = protowire.AppendBytes(protowire.AppendTag(c.out, n, protowire.BytesType), *v)
		}
	} else if got, ok := c.block(n); ok {
		*v = slices.Clone(got)
	}
}

// blocks codes a list of bytes.
func (c *coder) blocks(n protowire.Number, v *[][]byte) {
	if !c.reads {
		for _, b := range *v {
			c.out = protowire.AppendBytes(protowire.AppendTag(c.out, n, protowire.BytesType), b)
		}
		return
	}
	for got, ok := c.item(n); ok; got, ok = c.item(n) {
		*v = append(*v, slices.Clone(got))
	}
}

// pairs codes a map.
func (c *coder) pairs(n protowire.Number, v *map[string]string) {
	if !c.reads {
		for _, key := range slices.Sorted(maps.Keys(*v)) {
			c.part(n, func() {
				c.writeText(1, key)
				c.writeText(2, (*v)[key])
			})
		}
		return
	}
	for got, ok := c.item(n); ok; got, ok = c.item(n) {
		var key, value string
		c.within(got, func() {
			c.text(1, &key)
			c.text(2, &value)
		})
		if *v == nil {
			*v = make(map[string]string)
		}
		(*v)[key] = value
	}
}

// part encodes a message, whose fields the function encodes, as the field n.
func (c *coder) part(n protowire.Number, fields func()) {
	c.out = protowire.AppendTag(c.out, n, protowire.BytesType)
	begin := len(c.out)
	fields()
	size := len(c.out) - begin
	room := protowire.SizeVarint(uint64(size))
	c.out = append(c.out, make([]byte, room)...)
	copy(c.out[begin+room:], c.out[begin:begin+size])
	protowire.AppendVarint(c.out[:begin], uint64(size))
}

// within decodes a message, whose fields the function decodes, from all of data.
func (c *coder) within(data []byte, fields func()) {
	rest := c.in
	c.in = data
	fields()
	c.odd = c.odd || len(c.in) > 0
	c.in = rest
}

// message codes a message that may be there, or not.
func message[T any](c *coder, n protowire.Number, v **T, fields func(*coder, *T)) {
	if !c.reads {
		if *v != nil {
			c.part(n, func() { fields(c, *v) })
		}
	} else if got, ok := c.block(n); ok {
		*v = new(T)
		c.within(got, func() { fields(c, *v) })
	}
}

// messages codes a list of messages.
func messages[T any](c *coder, n protowire.Number, v *[]*T, fields func(*coder, *T)) {
	if !c.reads {
		for _, m := range *v {
			if m == nil {
				c.odd = true // encoded as an empty one
				continue
			}
			c.part(n, func() { fields(c, m) })
		}
		return
	}
	for got, ok := c.item(n); ok; got, ok = c.item(n) {
		m := new(T)
		c.within(got, func() { fields(c, m) })
		*v = append(*v, m)
	}
}
