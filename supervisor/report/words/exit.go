package words

import "bulkhead/supervisor/report"

// Exit returns the class of an exit, in words.
func Exit(class string) string {
	switch class {
	case report.ExitNotStarted:
		return "not started"
	case report.ExitOOM:
		return "out of memory"
	case report.ExitHang:
		return "hung"
	case report.ExitProtocol:
		return "broke protocol"
	default:
		return class
	}
}
