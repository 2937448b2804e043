package words

import "bulkhead/supervisor/report"

// Exit are a class as the text says it.
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
