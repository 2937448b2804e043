// Package follow is the side of a job that whoever runs it sees: it asks a supervisor for the job, shows
// how that goes, prints the reports, and stays with the job when the supervisor is upgraded, or killed
// and started again.
package follow
