// Package pagetest opens pages of ours in a real headless Chromium for tests, and keeps
// what they ask for and complain of.
//
// Invariants: the browser ends with the test that opened it, and its profile goes with the
// test's temporary folder. Without a browser a test is skipped, and fails if CI is set.
package pagetest
