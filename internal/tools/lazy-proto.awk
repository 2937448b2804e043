# Checks what lazy-proto.sed has made of the files of protoc-gen-go. A new version of that may write
# a line that the script does not know; it then changes nothing, and says nothing: a file would be
# built at every start again, or a table read before it is built, which is an empty one.
function wrong(what) { printf "%s:%d: %s\n", FILENAME, FNR, what; bad = 1 }
FNR == 1 { if (NR > 1) finish(); file = FILENAME; once = reflects = 0; begun = "" }
function finish() {
	if (once != 1) { printf "%s: it is built %d times, not once when asked for\n", file, once; bad = 1 }
	if (reflects == 0) { printf "%s: no message has a ProtoReflect\n", file; bad = 1 }
}
/^func / { begun = $0; asked = 0 }
/^func init\(\)/ { wrong("something is done when the program starts") }
/^func .*\) ProtoReflect\(\) protoreflect\.Message \{$/ { reflects++ }
/^\tfile_[a-z0-9_]*_proto_initOnce\.Do\(file_[a-z0-9_]*_proto_build\)$/ { once++ }
/^\tfile_[a-z0-9_]*_proto_init\(\)$/ { asked = 1 }
/^var .*(msgTypes|enumTypes) = make/ { wrong("a table is on the heap") }
/(msgTypes|enumTypes)\[[0-9]/ && !/^var / && !asked && begun !~ /_build\(\) \{$/ && begun !~ /\) Reset\(\) \{$/ {
	wrong("a table is read before it is built")
}
END { finish(); if (bad) { print "see internal/tools/lazy-proto.sed, and protoc-gen-go's new form"; exit 1 } }
