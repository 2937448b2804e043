// Package invented makes up reports of any size for tests and benchmarks of the page.
package invented
