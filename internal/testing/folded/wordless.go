package folded

import (
	"reflect"

	"bulkhead/supervisor/report"
)

// texts are the fields of a report that are texts for people: nothing depends on what
// they say.
var texts = map[reflect.Type][]string{
	reflect.TypeFor[report.Verdict]():        {"Reasons", "Interruptions", "Warnings"},
	reflect.TypeFor[report.Run]():            {"EndDetail", "DrainReason", "JournalUnproven"},
	reflect.TypeFor[report.Restart]():        {"Torn"},
	reflect.TypeFor[report.Shed]():           {"Reason"},
	reflect.TypeFor[report.Rejection]():      {"Reason"},
	reflect.TypeFor[report.RejectionGroup](): {"Reason"},
	reflect.TypeFor[report.Handler]():        {"ConnectionEnd"},
	reflect.TypeFor[report.Client]():         {"Cause", "StopDetail", "DrainReason"},
	reflect.TypeFor[report.Connection]():     {"DetachCause", "LastEnd"},
	reflect.TypeFor[report.Contradiction]():  {"Example"},
	reflect.TypeFor[report.Corruption]():     {"Expected", "Found"},
	reflect.TypeFor[report.Assertion]():      {"Breach"},
	reflect.TypeFor[report.Exit]():           {"Cause"},
	reflect.TypeFor[report.Writes]():         {"LastError"},
	reflect.TypeFor[report.Usage]():          {"LastFailure"},
	reflect.TypeFor[report.Count]():          {"Text"},
	reflect.TypeFor[report.Event]():          {"Text"},
	reflect.TypeFor[report.Finding]():        {"Text", "Evidence"},
}

// Wordless returns a copy of r in which every text for people that is not empty is "…".
func Wordless(r *report.Report) *report.Report {
	return wordless(reflect.ValueOf(r)).Interface().(*report.Report)
}

func wordless(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return v
		}
		to := reflect.New(v.Type().Elem())
		to.Elem().Set(wordless(v.Elem()))
		return to
	case reflect.Slice:
		if v.IsNil() || v.Type().Elem().Kind() != reflect.Struct {
			return v
		}
		to := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			to.Index(i).Set(wordless(v.Index(i)))
		}
		return to
	case reflect.Struct:
		to := reflect.New(v.Type()).Elem()
		for i := range v.NumField() {
			to.Field(i).Set(wordless(v.Field(i)))
		}
		for _, name := range texts[v.Type()] {
			blank(to.FieldByName(name))
		}
		return to
	default:
		return v
	}
}

// blank makes a text, or each of a list, "…".
func blank(v reflect.Value) {
	if v.Kind() == reflect.Slice {
		list := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			list.Index(i).SetString("…")
		}
		if !v.IsNil() {
			v.Set(list)
		}
		return
	}
	if v.String() != "" {
		v.SetString("…")
	}
}
