package plain

import bulkheadv1 "bulkhead/proto/bulkhead/v1"

// The fields of the messages, as the .proto files have them.

func hello(c *coder, m *bulkheadv1.Hello) {
	c.uint32(1, &m.ProtocolVersion)
	c.bytes(2, &m.ClientId)
	c.text(3, &m.Name)
	c.text(4, &m.Host)
	c.pairs(5, &m.Labels)
	c.text(6, &m.Token)
	message(c, 7, &m.Workload, workload)
	c.int64(8, &m.WallClockUnixNano)
	c.text(9, &m.ClientVersion)
	signed(c, 10, &m.Pid)
	signed(c, 11, &m.Absence)
	c.int64(12, &m.StarvedNano)
	c.text(13, &m.LastEnd)
	c.bool(14, &m.Resent)
	c.int64(15, &m.ElapsedNano)
	c.text(16, &m.RunId)
	c.uint64(17, &m.LastConnection)
	c.bytes(18, &m.Instance)
	c.optional(19, &m.SentSeq)
	message(c, 20, &m.Continues, continuation)
	c.uint32(21, &m.ProtocolMinor)
	c.texts(22, &m.Shortened)
	message(c, 70, &m.Agent, agent)
}

func agent(c *coder, m *bulkheadv1.Agent) {
	c.text(1, &m.Name)
	messages(c, 2, &m.Allowances, allowance)
	c.int64(3, &m.MaxRuntimeNano)
	c.bool(80, &m.GivesIds)
}

func allowance(c *coder, m *bulkheadv1.Allowance) {
	c.text(1, &m.Path)
	c.uint64(2, &m.Bytes)
}

func task(c *coder, m *bulkheadv1.Task) {
	c.bytes(1, &m.TaskId)
	c.bool(2, &m.CheckOnly)
	c.text(3, &m.ClientName)
	c.bytes(4, &m.Load)
	c.text(5, &m.Job)
}

func stopTask(c *coder, m *bulkheadv1.StopTask) {
	c.bytes(1, &m.TaskId)
	c.text(2, &m.Reason)
}

func agentReport(c *coder, m *bulkheadv1.AgentReport) {
	messages(c, 1, &m.Tasks, taskReport)
}

func taskReport(c *coder, m *bulkheadv1.TaskReport) {
	c.bytes(1, &m.TaskId)
	signed(c, 2, &m.State)
	signed(c, 3, &m.Refusal)
	c.text(4, &m.Detail)
	signed(c, 5, &m.ExitStatus)
	signed(c, 6, &m.Signal)
}

func continuation(c *coder, m *bulkheadv1.Continuation) {
	c.text(1, &m.RunId)
	c.bytes(2, &m.ClientId)
	c.uint64(3, &m.After)
	c.uint64(4, &m.Before)
}

func workload(c *coder, m *bulkheadv1.Workload) {
	c.int64(1, &m.RuntimeNano)
	c.int64(2, &m.HeartbeatIntervalNano)
	c.int64(3, &m.HeartbeatTimeoutNano)
	c.int64(4, &m.MonitorIntervalNano)
	c.int64(5, &m.ProgressIntervalNano)
	messages(c, 6, &m.Consumers, consumer)
	c.int64(7, &m.RampNano)
	c.uint64(8, &m.TotalBytes)
	message(c, 9, &m.StopWhen, steadyState)
	c.int64(36, &m.WarmupNano)
	messages(c, 40, &m.Stages, stage)
}

func stage(c *coder, m *bulkheadv1.Stage) {
	c.text(1, &m.Name)
	c.int64(2, &m.DurationNano)
	c.uint64(3, &m.TotalBytes)
	c.uint64(4, &m.RateBytesPerSecond)
	c.double(5, &m.RateChunksPerSecond)
	c.double(6, &m.RatePercent)
	c.uint32(7, &m.RateOf)
	c.uint32(8, &m.Concurrency)
	signed(c, 9, &m.Sync)
	c.uint64(10, &m.SyncBytes)
	c.int64(11, &m.PauseNano)
	c.bool(12, &m.Unreported)
	c.bool(13, &m.Together)
	c.uint32(14, &m.Curve)
	c.int64(15, &m.TogetherTimeoutNano)
}

func steadyState(c *coder, m *bulkheadv1.SteadyState) {
	c.int64(1, &m.WindowNano)
	c.double(2, &m.MaxVariationPercent)
}

func consumer(c *coder, m *bulkheadv1.ConsumerSpec) {
	c.uint32(1, &m.Index)
	c.text(2, &m.Path)
	c.uint64(3, &m.ChunkSizeBytes)
	c.uint64(4, &m.FileSizeBytes)
	c.uint32(5, &m.KeepFiles)
	signed(c, 6, &m.Sync)
	messages(c, 7, &m.ChunkSizes, weightedSize)
	c.uint64(8, &m.MinFileSizeBytes)
	c.bool(9, &m.Direct)
	c.uint64(10, &m.SyncBytes)
	c.uint64(11, &m.RateBytesPerSecond)
	c.double(12, &m.RateChunksPerSecond)
	message(c, 13, &m.Data, data)
	c.bool(14, &m.Preallocate)
	signed(c, 15, &m.Pattern)
	c.uint32(16, &m.Concurrency)
	c.int64(17, &m.StartDelayNano)
	c.int64(18, &m.ThinkTimeNano)
	signed(c, 19, &m.Verify)
	c.bool(20, &m.StopOnError)
	c.bool(21, &m.Recycle)
	c.uint64(22, &m.ReserveBytes)
	c.uint64(23, &m.ReserveInodes)
	c.bytes(24, &m.PathBytes)
	message(c, 40, &m.Read, read)
}

func read(c *coder, m *bulkheadv1.ReadSpec) {
	c.uint32(1, &m.Readers)
	c.uint64(2, &m.SizeBytes)
	signed(c, 3, &m.Pattern)
	c.uint64(4, &m.RateBytesPerSecond)
	c.double(5, &m.RateOperationsPerSecond)
	c.bool(6, &m.Verify)
	signed(c, 70, &m.Of)
}

func weightedSize(c *coder, m *bulkheadv1.WeightedSize) {
	c.uint64(1, &m.SizeBytes)
	c.uint32(2, &m.Weight)
}

func data(c *coder, m *bulkheadv1.DataSpec) {
	signed(c, 1, &m.Kind)
	c.uint32(2, &m.Percent)
	c.uint64(3, &m.Seed)
}

func goodbye(c *coder, m *bulkheadv1.Goodbye) {
	c.uint64(1, &m.LastSeq)
}

func welcome(c *coder, m *bulkheadv1.Welcome) {
	c.text(1, &m.RunId)
	c.text(2, &m.SessionId)
	c.uint64(3, &m.ResumeAfter)
	message(c, 4, &m.Limits, limits)
	c.int64(5, &m.WallClockUnixNano)
	c.int64(6, &m.ElapsedNano)
	c.uint64(7, &m.Connection)
	c.bool(8, &m.Closed)
	c.uint32(9, &m.ProtocolVersion)
	c.uint32(10, &m.ProtocolMinor)
	c.text(11, &m.SupervisorVersion)
	c.bool(60, &m.Gathers)
	c.int64(61, &m.GatherLeftNano)
	c.texts(120, &m.Supervisors)
}

func limits(c *coder, m *bulkheadv1.Limits) {
	c.uint32(1, &m.MaxFrameBytes)
	c.uint32(2, &m.MaxBatchMessages)
	c.uint32(3, &m.MaxUnackedBatches)
	c.int64(4, &m.GraceNano)
	c.int64(5, &m.SilenceNano)
}

func ack(c *coder, m *bulkheadv1.Ack) {
	c.uint64(1, &m.Seq)
}

func drain(c *coder, m *bulkheadv1.Drain) {
	c.text(1, &m.Reason)
	c.int64(2, &m.WithinNano)
}

func begin(c *coder, m *bulkheadv1.Begin) {
	c.int64(1, &m.InNano)
	c.int64(2, &m.AtElapsedNano)
}

func stageBegin(c *coder, m *bulkheadv1.StageBegin) {
	c.uint32(1, &m.Stage)
	c.int64(2, &m.InNano)
	c.int64(3, &m.AtElapsedNano)
}

func rateShare(c *coder, m *bulkheadv1.RateShare) {
	c.uint32(1, &m.Division)
	c.uint64(2, &m.BytesPerSecond)
	c.double(3, &m.ChunksPerSecond)
}

func echo(c *coder, m *bulkheadv1.Echo) {
	c.int64(1, &m.SentElapsedNano)
	c.int64(2, &m.CameElapsedNano)
	c.int64(3, &m.AnsweredElapsedNano)
}

func open(c *coder, m *bulkheadv1.Open) {
	c.uint64(1, &m.ConnectionId)
	message(c, 2, &m.Limits, limits)
	c.int64(3, &m.HelloTimeoutNano)
	c.int64(4, &m.ClientTimeoutNano)
	c.uint64(5, &m.ResumeAfter)
	c.int64(6, &m.OrphanGraceNano)
	c.bool(7, &m.ReportResent)
	c.bool(8, &m.Secure)
	c.int64(120, &m.SilenceNano)
}

func secure(c *coder, m *bulkheadv1.Secure) {
	c.blocks(1, &m.Chain)
	c.bytes(2, &m.Random)
	c.bool(3, &m.Ask)
}

func signature(c *coder, m *bulkheadv1.Signature) {
	c.bytes(1, &m.Signature)
}

func sign(c *coder, m *bulkheadv1.Sign) {
	c.bytes(1, &m.Content)
	c.uint32(2, &m.HashBits)
}

func proof(c *coder, m *bulkheadv1.Proof) {
	c.bytes(1, &m.Messages)
	c.uint32(2, &m.HashBits)
}

func finish(c *coder, m *bulkheadv1.Finish) {
	c.uint32(1, &m.Code)
	c.text(2, &m.Text)
	c.int64(3, &m.RetryAfterNano)
	signed(c, 4, &m.Reason)
	c.pairs(5, &m.Metadata)
	c.texts(6, &m.Elsewhere)
}

func ping(c *coder, m *bulkheadv1.Ping) {
	c.uint64(1, &m.Nonce)
}

func pong(c *coder, m *bulkheadv1.Pong) {
	c.uint64(1, &m.Nonce)
	c.int64(2, &m.BusyNano)
	c.uint64(3, &m.ReceivedBytes)
	c.uint64(4, &m.Messages)
	c.int64(5, &m.SilentNano)
}

func resent(c *coder, m *bulkheadv1.Resent) {
	c.uint64(1, &m.FirstSeq)
	c.uint64(2, &m.LastSeq)
	c.bytes(3, &m.Batch)
}

func end(c *coder, m *bulkheadv1.End) {
	signed(c, 1, &m.Class)
	c.text(2, &m.Text)
	c.uint64(3, &m.ReceivedBytes)
	c.uint64(4, &m.Messages)
	c.int64(5, &m.SilentNano)
	signed(c, 6, &m.Reason)
	message(c, 7, &m.Hello, hello)
	c.bool(8, &m.Collecting)
	c.uint64(9, &m.WindowExceeded)
	c.uint64(10, &m.UnknownFrames)
}

func probe(*coder, *bulkheadv1.ProbeRequest) {}

func probed(c *coder, m *bulkheadv1.ProbeResponse) {
	c.uint32(1, &m.ProtocolVersion)
	signed(c, 2, &m.Pid)
	c.uint64(3, &m.ConnectionId)
}
