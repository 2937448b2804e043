// Package episode tells a trouble that comes again and again once, and its end.
package episode
