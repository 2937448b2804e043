package workload

import (
	"cmp"
	"fmt"
)

// Problem is one reason why a client or a consumer cannot do what it is told: a setting with an
// impossible value, or two settings that do not go together.
type Problem struct {
	// Key is the setting, as configurations name it, and Value what it is set to.
	Key, Value string
	// Other is the setting that it does not go with; empty if the value alone is impossible.
	Other, OtherValue string
	// Exceeds says that Key's value is more than Other's, and may not be.
	Exceeds bool
	// Relation says how Key's value stands to Other's, if there is more to say than that they do
	// not go together: "is less than 5 times". The fault is Key's then.
	Relation string
	// Advice says what is valid, or what to change; empty with Exceeds.
	Advice string
}

// Error returns the problem in words.
func (p Problem) Error() string {
	switch {
	case p.Other == "":
		return fmt.Sprintf("%s: %s is not valid; %s", p.Key, p.Value, p.Advice)
	case p.Exceeds:
		return fmt.Sprintf("%s: %s is less than %s (%s)", p.Other, p.OtherValue, p.Key, p.Value)
	default:
		return fmt.Sprintf("%s: %s %s %s (%s); %s", p.Key, p.Value, cmp.Or(p.Relation, "does not go with"), p.Other,
			p.OtherValue, p.Advice)
	}
}
