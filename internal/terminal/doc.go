// Package terminal draws what is going on for a person at a terminal: the table of a
// supervisor's run and the progress bar of a client, and a block at the bottom of the
// screen that they are redrawn in while the log scrolls above it.
//
// What is drawn is pure: lines for a width and a height. Texts that come from clients
// lose everything that a terminal would act on. Nothing here asks the terminal
// anything or changes its modes, so that a process which is killed leaves it usable;
// FullScreen is the exception, and it gives everything back on Close.
package terminal
