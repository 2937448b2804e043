package inside

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/keepalive"

	"bulkhead/internal/child/handshake"
)

// socketName is the child's socket in the folder that is its own.
const socketName = "socket"

// maxHeaderBytes bounds the headers of a call, of which a parent says a few hundred bytes.
const maxHeaderBytes = 16 << 10

// open listens, locks the child in and says that it serves, which serve does then. The two are what
// go-plugin's Serve does for a child of ours, without the services that a parent of ours does not use
// (its broker, its stream of stdout and stderr, its controller, reflection): a parent's go-plugin does
// without them, too. The library itself would be half of what a handler loads and touches before it is
// ready.
func open(o Options, in *entrance) (*grpc.Server, error) {
	dir := os.Getenv(handshake.SocketDirEnv)
	if dir == "" {
		return nil, fmt.Errorf("no folder for the socket: %s is not set", handshake.SocketDirEnv)
	}
	path := filepath.Join(dir, socketName)
	var err error
	if in.Listener, err = net.Listen("unix", path); err != nil {
		return nil, fmt.Errorf("listening for the parent: %w", err)
	}
	server := grpc.NewServer(append(serverOptions(o), grpc.InTapHandle(in.check))...)
	server.RegisterService(&healthService, nil)
	o.Register(server)
	out, err := takeStdout()
	if err != nil {
		return nil, err
	}
	if o.Lock != nil {
		if err := o.Lock(dir); err != nil {
			return nil, err
		}
	}
	// A parent that does not read it is gone, which the line says.
	_, _ = unix.Write(out, []byte(handshake.Line(path)))
	unix.Close(out) // it is a pipe
	return server, nil
}

// serve serves the child's services to who comes in, until that fails.
func serve(server *grpc.Server, in *entrance) error {
	if err := server.Serve(in); err != nil {
		return fmt.Errorf("serving the parent: %w", err)
	}
	return errors.New("the server of the parent ended by itself")
}

// takeStdout returns stdout, for the one line that is for it. What is printed there all the same
// goes where the log goes, and the parent needs no descriptor for it.
func takeStdout() (int, error) {
	out, err := unix.FcntlInt(uintptr(unix.Stdout), unix.F_DUPFD_CLOEXEC, unix.Stderr+1)
	if err == nil {
		err = unix.Dup3(unix.Stderr, unix.Stdout, 0)
	}
	if err != nil {
		return -1, fmt.Errorf("taking stdout: %w", err)
	}
	return out, nil
}

func serverOptions(o Options) []grpc.ServerOption {
	maxMessage, codec := o.MaxMessageBytes, o.Codec
	if maxMessage <= 0 {
		maxMessage = 4 << 20
	}
	if codec == nil {
		codec = encoding.GetCodecV2(grpcproto.Name)
	}
	return []grpc.ServerOption{
		grpc.ForceServerCodecV2(healthCodec{codec}),
		grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage),
		grpc.MaxHeaderListSize(maxHeaderBytes),
		grpc.StaticStreamWindowSize(handshake.WindowBytes), grpc.StaticConnWindowSize(handshake.WindowBytes),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: handshake.PingEvery / 2,
			PermitWithoutStream: true}),
	}
}
