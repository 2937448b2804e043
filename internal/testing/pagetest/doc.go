// Package pagetest opens our pages in a real headless Chromium for tests, and records what
// they request and what they write to the console.
//
// Invariants: the browser ends with the test that opened it, and its profile goes with the
// test's temporary folder. Without a browser a test is skipped, and fails if CI is set.
package pagetest
