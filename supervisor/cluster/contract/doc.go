// Package contract holds the tests that every cluster.Run must pass. Only tests import it.
package contract
