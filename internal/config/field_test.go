package config

import (
	"reflect"
	"strings"
	"testing"
)

// tables returns the field tables of the two configurations, bound to target.
func tables() []struct {
	name   string
	target any
	fields []field
	keys   []Key
} {
	s, c := new(Supervisor), new(Client)
	return []struct {
		name   string
		target any
		fields []field
		keys   []Key
	}{
		{"supervisor", s, s.fields(), SupervisorKeys()},
		{"client", c, c.fields(), ClientKeys()},
	}
}

// TestEveryFieldHasAKey sets every field of the structs to something and lets the
// tables reset it: a field without a key keeps what it had.
func TestEveryFieldHasAKey(t *testing.T) {
	for _, table := range tables() {
		value := reflect.ValueOf(table.target).Elem()
		disturb(value)
		for _, f := range table.fields {
			f.reset()
		}
		want := reflect.New(value.Type())
		for _, f := range fieldsOf(want.Interface()) {
			f.reset()
		}
		if !reflect.DeepEqual(value.Interface(), want.Elem().Interface()) {
			t.Errorf("%s: a field has no key:\n got %+v\nwant %+v", table.name, value.Interface(),
				want.Elem().Interface())
		}
	}
}

func fieldsOf(target any) []field {
	if s, ok := target.(*Supervisor); ok {
		return s.fields()
	}
	return target.(*Client).fields()
}

// disturb gives every field below v a value that is no default.
func disturb(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			disturb(v.Field(i))
		}
	case reflect.String:
		v.SetString("disturbed")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(4242)
	case reflect.Uint64:
		v.SetUint(4242)
	case reflect.Float64:
		v.SetFloat(42.42)
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{"disturbed": "disturbed"}))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	default:
		panic("a kind of field that this test does not know: " + v.Kind().String())
	}
}

func TestKeysDescribeThemselves(t *testing.T) {
	for _, table := range tables() {
		envs := make(map[string]string)
		for _, k := range table.keys {
			if k.Kind == "" || k.Valid == "" || !strings.HasSuffix(k.Help, ".") {
				t.Errorf("%s: %s is not described: %+v", table.name, k.Name, k)
			}
			if other := envs[k.Env]; other != "" && k.Env != "" {
				t.Errorf("%s: %s and %s have the same variable %s", table.name, other, k.Name, k.Env)
			}
			envs[k.Env] = k.Name
		}
		for _, f := range table.fields {
			if f.set == nil {
				continue
			}
			if err := f.set(f.Default); err != nil {
				t.Errorf("%s: %s refuses its own default: %v", table.name, f.Name, err)
			}
		}
		want := reflect.New(reflect.ValueOf(table.target).Elem().Type())
		for _, f := range fieldsOf(want.Interface()) {
			f.reset()
		}
		if !reflect.DeepEqual(table.target, want.Interface()) {
			t.Errorf("%s: the defaults as text differ from the defaults:\n got %+v\nwant %+v", table.name, table.target,
				want.Interface())
		}
	}
}

func TestKeyOfOneConsumer(t *testing.T) {
	keys := ClientKeys()
	got := keys[len(keys)-1]
	want := Key{Name: "consumers[].read.verify", Kind: "switch", Valid: "true or false",
		Help: "Compare what readers read with what was written; read.size is then a multiple of 4096 B."}
	if got != want {
		t.Errorf("last key = %+v; want %+v", got, want)
	}
}
