#!/usr/bin/env python3
"""A client of Bulkhead's protocol in Python: it writes files and reports each of them.

    protoc -I proto -I docs/example --python_out=OUT status.proto \\
        proto/bulkhead/v1/message.proto proto/bulkhead/v1/agent.proto proto/bulkhead/v1/collector.proto
    PYTHONPATH=OUT python3 docs/example/client.py --path /mnt/under-test --seconds 60

docs/protocol.md has the rules; `bulkhead client conformance -- python3 client.py` tries them.
"""
import argparse, collections, os, queue, random, signal, socket, sys, threading, time

import grpc
import status_pb2
from bulkhead.v1 import collector_pb2 as collector, message_pb2 as message

ID = os.urandom(16)  # who this client is, for its life, or until its run is lost
outbox = collections.deque()  # what is not acknowledged, oldest first
wake = threading.Condition()  # guards outbox, over and drain
over = False  # nothing more will be reported
drain = threading.Event()  # the load is to end


def report(kind, **fact):
    """Numbers a fact and puts it into the outbox."""
    with wake:
        process = message.Process(kind=kind, pid=os.getpid())
        report.seq += 1
        outbox.append(message.Message(seq=report.seq, time_unix_nano=time.time_ns(), process=process,
                                      elapsed_nano=time.clock_gettime_ns(time.CLOCK_BOOTTIME), **fact))
        wake.notify()


report.seq = 0


def write(path, seconds, size=1 << 20, chunks=4):
    """Is the load: file after file, the last one at the end of the time."""
    global over
    report(message.PROCESS_KIND_CONSUMER, start=message.Start(consumer=message.ConsumerSpec(path=path)))
    end, data, n, began = time.monotonic() + seconds, os.urandom(size), 0, time.monotonic_ns()
    while time.monotonic() < end and not drain.is_set():
        name, wall, first = os.path.join(path, f"file-{n}"), time.time_ns(), time.monotonic_ns()
        with open(name, "wb", buffering=0) as f:
            for _ in range(chunks):
                f.write(data)
            wrote = time.monotonic_ns()
            os.fsync(f.fileno())
        now = time.monotonic_ns()
        report(message.PROCESS_KIND_CONSUMER, rollover=message.Rollover(
            path=name, file_index=n, size_bytes=size * chunks, chunk_size_bytes=size, chunks=chunks,
            first_write_unix_nano=wall, write_nano=wrote - first, sync_nano=now - wrote))
        report(message.PROCESS_KIND_CONSUMER, progress=message.Progress(
            interval_nano=now - began, bytes=size * chunks, chunks=chunks))
        os.unlink(name)
        began, n = now, n + 1
        time.sleep(0.05)
    why = message.STOP_REASON_DRAINED if drain.is_set() else message.STOP_REASON_RUNTIME
    exited = {"process": message.Process(kind=message.PROCESS_KIND_CONSUMER, pid=os.getpid()),
              "class": message.EXIT_CLASS_CLEAN, "cause": "its time was over"}
    report(message.PROCESS_KIND_CLIENT, stop=message.Stop(reason=why, exits=[message.ProcessExit(**exited)]))
    with wake:
        over = True
        wake.notify()


def frames(hello, welcome):
    """Yields the frames of one connection: Hello, Batches as the window allows, Goodbye."""
    yield collector.ClientFrame(hello=hello)
    w = welcome.get()  # nothing before the Welcome
    if w is None:
        return
    sent, ends = w.resume_after, collections.deque()  # the last numbers of batches on their way
    while True:
        with wake:
            while True:
                acked = outbox[0].seq - 1 if outbox else report.seq
                while ends and ends[0] <= acked:
                    ends.popleft()
                fresh = [m for m in outbox if m.seq > sent][: w.limits.max_batch_messages]
                if fresh and len(ends) < w.limits.max_unacked_batches or over and not outbox or not welcome.empty():
                    break
                wake.wait()
            if not welcome.empty():  # the connection is gone
                return
            last = report.seq
        if not fresh:
            yield collector.ClientFrame(goodbye=collector.Goodbye(last_seq=last))
            return
        sent = fresh[-1].seq
        ends.append(sent)
        yield collector.ClientFrame(batch=message.Batch(messages=fresh))


def acknowledged(seq):
    """Forgets what is durable."""
    with wake:
        while outbox and outbox[0].seq <= seq:
            outbox.popleft()
        wake.notify()


def connect(address, hello, load):
    """Runs one connection to its end. grpc.RpcError says how, unless the session is closed."""
    with grpc.insecure_channel(address, options=[("grpc.enable_retries", 0)]) as channel:
        collect = channel.stream_stream("/bulkhead.v1.CollectorService/Collect",
                                        collector.ClientFrame.SerializeToString, collector.ServerFrame.FromString)
        welcome = queue.Queue()
        try:
            for frame in collect(frames(hello, welcome)):
                if frame.HasField("welcome"):
                    acknowledged(frame.welcome.resume_after)
                    hello.run_id = frame.welcome.run_id
                    welcome.put(frame.welcome)
                    if load.ident is None:  # the first: now the run has begun
                        load.start()
                elif frame.HasField("ack"):
                    acknowledged(frame.ack.seq)
                elif frame.HasField("drain"):
                    drain.set()  # anything else is of a newer supervisor, and none of ours
        finally:
            with wake:
                welcome.put(None)
                wake.notify()


def detail(error, form):
    """Is what a status says besides its code and text, in that form; empty if it does not."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for any in status_pb2.Status.FromString(value).details:
                if any.type_url.endswith("/google.rpc." + form.DESCRIPTOR.name):
                    return form.FromString(any.value)
    return form()


def retry_delay(error):
    """Is when to come again, in seconds: as the supervisor asks for, else some time."""
    delay = detail(error, status_pb2.RetryInfo).retry_delay
    return delay.seconds + delay.nanos / 1e9 or random.uniform(0.2, 1)


def go_on(hello):
    """Makes what is not acknowledged a session of its own, in the run that there is."""
    with wake:
        after = outbox[0].seq - 1 if outbox else report.seq
        if after or not hello.HasField("continues"):
            hello.continues.run_id, hello.continues.client_id, hello.continues.after = hello.run_id, hello.client_id, after
        hello.client_id, hello.run_id = os.urandom(16), ""
        for seq, m in enumerate(outbox, 1):
            m.seq = seq
        report.seq = len(outbox)


def main():
    flags = argparse.ArgumentParser(description="writes files and reports to a Bulkhead supervisor")
    flags.add_argument("--supervisor", default=os.environ.get("BULKHEAD_SUPERVISOR", "127.0.0.1:7420"))
    flags.add_argument("--path", default=".")
    flags.add_argument("--seconds", type=float, default=10)
    args = flags.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: drain.set())
    hello = collector.Hello(protocol_version=1, client_id=ID, name=f"python-{os.getpid()}", host=socket.gethostname(),
                            token=os.environ.get("BULKHEAD_TOKEN", ""), client_version="example", pid=os.getpid(), instance=os.urandom(16))
    load = threading.Thread(target=write, args=(args.path, args.seconds), daemon=True)
    while True:
        hello.wall_clock_unix_nano = time.time_ns()
        try:
            connect(args.supervisor, hello, load)
            return 0
        except grpc.RpcError as e:
            if detail(e, status_pb2.ErrorInfo).reason == "RUN_UNKNOWN" and hello.run_id:
                go_on(hello)
            elif e.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                sys.exit(f"refused: {e.code().name}: {e.details()}")
            time.sleep(retry_delay(e))


sys.exit(main())
