// Package intact recognises frames that need not be decoded: those whose Batch is encoded as
// this program would encode it, holds nothing that must be cut, and is well formed. Their
// bytes are passed on as they came.
//
// The rule that makes it safe is strict: a Batch is intact only if decoding and encoding it
// again gives the same bytes, and if the check that follows decoding would find nothing in it.
// So whoever reads it behind the handler cannot tell whether it was decoded, and a client that
// sends it again gives the same bytes on either way. Everything else, from an unknown field to
// a number written longer than it must be, is no error here: it takes the long way, which
// decodes, cuts, refuses, and says why.
//
// The package allocates nothing and knows the messages from a table that is made from their
// descriptors and from protocol.Limits, so that a handler need not prepare those: TestTable
// compares, and makes it anew with -update.
package intact
