// Package folded folds records into a report, for tests.
package folded
