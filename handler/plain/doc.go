// Package plain encodes and decodes the frames of a handler's usual life without protobuf's
// reflection, which a handler would otherwise prepare before its first client: a third of what it
// does and touches until it is ready.
//
// It takes the plain frames: known fields only, each once unless it is repeated, in the order of
// their numbers, as every protobuf library writes them. Everything else takes the long way, through
// package proto, and comes out of it as it always did: what that refuses is refused, unknown
// fields are kept, and passed on.
//
// FuzzDecode and FuzzEncode hold it to that: what is decoded here, package proto decodes to the
// same; what is encoded here decodes to the same. TestEveryField walks the descriptors: a field
// that is new in a message has to be declared here.
package plain
