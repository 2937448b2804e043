package encoded

import "google.golang.org/protobuf/encoding/protowire"

// The numbers of the fields that are looked for: of ClientFrame, HandlerFrame, AgentReport, Record,
// SessionOpened, Hello, Agent, Workload, ConsumerSpec, Batch, Message, and some of its facts and of what
// is in those.
const (
	ClientFrameBatch  protowire.Number = 2
	HandlerFrameHello protowire.Number = 1

	HandlerFrameAgentReport protowire.Number = 70
	AgentReportTasks        protowire.Number = 1
	HelloAgent              protowire.Number = 70
	AgentAllowances         protowire.Number = 2

	RecordSessionOpened protowire.Number = 3
	OpenedHello         protowire.Number = 3
	HelloLabels         protowire.Number = 5
	HelloWorkload       protowire.Number = 7
	WorkloadConsumers   protowire.Number = 6
	WorkloadStages      protowire.Number = 40
	ConsumerChunkSizes  protowire.Number = 7
	ConsumerStartDelay  protowire.Number = 17
	BatchMessages       protowire.Number = 1
	MessageSeq          protowire.Number = 1
	MessageStop         protowire.Number = 11
	MessageHeartbeat    protowire.Number = 12
	MessageRollover     protowire.Number = 13
	MessageProgress     protowire.Number = 16
	MessageReady        protowire.Number = 30
	MessageBegun        protowire.Number = 31
	MessageStageBegun   protowire.Number = 41
	MessageStageReady   protowire.Number = 42
	StageBegunStage     protowire.Number = 1
	StageReadyStage     protowire.Number = 1
	ProgressStage       protowire.Number = 49
	ProgressBytes       protowire.Number = 2
	ProgressChunks      protowire.Number = 3
	ProgressErrors      protowire.Number = 4
	ProgressChunkWrite  protowire.Number = 6
	ProgressReadBytes   protowire.Number = 41
	ProgressReads       protowire.Number = 42
	ProgressRead        protowire.Number = 44
	HeartbeatAnswers    protowire.Number = 4
	HeartbeatMisses     protowire.Number = 5
	AnswerState         protowire.Number = 3
	AnswerLate          protowire.Number = 4
	HistogramValueDelta protowire.Number = 1
	HistogramCount      protowire.Number = 2
	HistogramMax        protowire.Number = 4
	HistogramSum        protowire.Number = 5
)
