#!/bin/sh
# Generates Go from the .proto files into OUT:
#   generate-proto.sh PROTOC_GEN_GO@VERSION PROTOC_GEN_GO_GRPC@VERSION OUT
# protoc is Debian's protobuf-compiler. The line that names protoc's version is
# left out, so that another protoc does not make the code look stale.
set -eu
cd "$(dirname "$0")/../.."
out=$3
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
GOBIN=$tools go install "$1"
GOBIN=$tools go install "$2"
PATH=$tools:$PATH protoc -I proto \
	--go_out="$out" --go_opt=module=bulkhead \
	--go-grpc_out="$out" --go-grpc_opt=module=bulkhead \
	proto/bulkhead/v1/*.proto
sed -i '/^\/\/ .*protoc  *v[0-9]/d' "$out"/proto/bulkhead/v1/*.pb.go
for file in "$out"/proto/bulkhead/v1/*.pb.go; do
	case $file in
	*_grpc.pb.go) ;;
	*)
		sed -i -f internal/tools/lazy-proto.sed "$file"
		awk -f internal/tools/lazy-proto.awk "$file"
		;;
	esac
done
