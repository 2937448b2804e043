package plain

import (
	"google.golang.org/protobuf/encoding/protowire"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// decode decodes data as v, if both are plain. If it returns false, what v holds is nothing.
func decode(data []byte, v any) bool {
	c := &coder{reads: true, in: data}
	switch m := v.(type) {
	case *bulkheadv1.ClientFrame:
		m.Frame = nil
		switch number, _, _ := protowire.ConsumeTag(data); number {
		case 1:
			f := &bulkheadv1.ClientFrame_Hello{}
			message(c, number, &f.Hello, hello)
			m.Frame = f
		case 3:
			f := &bulkheadv1.ClientFrame_Goodbye{}
			message(c, number, &f.Goodbye, goodbye)
			m.Frame = f
		case 60:
			f := &bulkheadv1.ClientFrame_Echo{}
			message(c, number, &f.Echo, echo)
			m.Frame = f
		case 70:
			f := &bulkheadv1.ClientFrame_AgentReport{}
			message(c, number, &f.AgentReport, agentReport)
			m.Frame = f
		default: // a Batch, as a rule; see package intact
			return false
		}
	case *bulkheadv1.SupervisorFrame:
		m.Frame = nil
		switch number, _, _ := protowire.ConsumeTag(data); number {
		case 1:
			f := &bulkheadv1.SupervisorFrame_Open{}
			message(c, number, &f.Open, open)
			m.Frame = f
		case 2:
			f := &bulkheadv1.SupervisorFrame_Welcome{}
			message(c, number, &f.Welcome, welcome)
			m.Frame = f
		case 3:
			f := &bulkheadv1.SupervisorFrame_Ack{}
			message(c, number, &f.Ack, ack)
			m.Frame = f
		case 4:
			f := &bulkheadv1.SupervisorFrame_Drain{}
			message(c, number, &f.Drain, drain)
			m.Frame = f
		case 5:
			f := &bulkheadv1.SupervisorFrame_Finish{}
			message(c, number, &f.Finish, finish)
			m.Frame = f
		case 6:
			f := &bulkheadv1.SupervisorFrame_Ping{}
			message(c, number, &f.Ping, ping)
			m.Frame = f
		case 7:
			f := &bulkheadv1.SupervisorFrame_Secure{}
			message(c, number, &f.Secure, secure)
			m.Frame = f
		case 8:
			f := &bulkheadv1.SupervisorFrame_Signature{}
			message(c, number, &f.Signature, signature)
			m.Frame = f
		case 60:
			f := &bulkheadv1.SupervisorFrame_Begin{}
			message(c, number, &f.Begin, begin)
			m.Frame = f
		case 62:
			f := &bulkheadv1.SupervisorFrame_StageBegin{}
			message(c, number, &f.StageBegin, stageBegin)
			m.Frame = f
		case 63:
			f := &bulkheadv1.SupervisorFrame_RateShare{}
			message(c, number, &f.RateShare, rateShare)
			m.Frame = f
		case 70:
			f := &bulkheadv1.SupervisorFrame_Task{}
			message(c, number, &f.Task, task)
			m.Frame = f
		case 71:
			f := &bulkheadv1.SupervisorFrame_StopTask{}
			message(c, number, &f.StopTask, stopTask)
			m.Frame = f
		default:
			return false
		}
	case *bulkheadv1.ProbeRequest:
		probe(c, m)
	default:
		return false
	}
	return !c.odd && len(c.in) == 0
}

// encode returns v encoded, if it is plain.
func encode(v any) (data []byte, ok bool) {
	c := &coder{}
	switch m := v.(type) {
	case *bulkheadv1.ServerFrame:
		switch f := m.GetFrame().(type) {
		case *bulkheadv1.ServerFrame_Welcome:
			chosen(c, 1, f.Welcome, welcome)
		case *bulkheadv1.ServerFrame_Ack:
			chosen(c, 2, f.Ack, ack)
		case *bulkheadv1.ServerFrame_Drain:
			chosen(c, 3, f.Drain, drain)
		case *bulkheadv1.ServerFrame_Begin:
			chosen(c, 60, f.Begin, begin)
		case *bulkheadv1.ServerFrame_Echo:
			chosen(c, 61, f.Echo, echo)
		case *bulkheadv1.ServerFrame_StageBegin:
			chosen(c, 62, f.StageBegin, stageBegin)
		case *bulkheadv1.ServerFrame_RateShare:
			chosen(c, 63, f.RateShare, rateShare)
		case *bulkheadv1.ServerFrame_Task:
			chosen(c, 70, f.Task, task)
		case *bulkheadv1.ServerFrame_StopTask:
			chosen(c, 71, f.StopTask, stopTask)
		default:
			return nil, false
		}
	case *bulkheadv1.HandlerFrame:
		switch f := m.GetFrame().(type) {
		case *bulkheadv1.HandlerFrame_Hello:
			chosen(c, 1, f.Hello, hello)
		case *bulkheadv1.HandlerFrame_Goodbye:
			chosen(c, 3, f.Goodbye, goodbye)
		case *bulkheadv1.HandlerFrame_End:
			chosen(c, 4, f.End, end)
		case *bulkheadv1.HandlerFrame_Pong:
			chosen(c, 5, f.Pong, pong)
		case *bulkheadv1.HandlerFrame_Resent:
			chosen(c, 6, f.Resent, resent)
		case *bulkheadv1.HandlerFrame_Sign:
			chosen(c, 7, f.Sign, sign)
		case *bulkheadv1.HandlerFrame_Proof:
			chosen(c, 8, f.Proof, proof)
		case *bulkheadv1.HandlerFrame_AgentReport:
			chosen(c, 70, f.AgentReport, agentReport)
		default: // a batch: see sealed
			return nil, false
		}
	case *bulkheadv1.ProbeResponse:
		probed(c, m)
	default:
		return nil, false
	}
	return c.out, !c.odd
}

// chosen encodes the message that a oneof holds as the field n.
func chosen[T any](c *coder, n protowire.Number, m *T, fields func(*coder, *T)) {
	c.odd = m == nil
	message(c, n, &m, fields)
}

// sealed returns the encoding of a frame with a batch up to the bytes of the batch, which follow
// it, and those; ok is false for another frame.
func sealed(v any) (head, batch []byte, ok bool) {
	frame, ok := v.(*bulkheadv1.HandlerFrame)
	b := frame.GetBatch()
	if !ok || b == nil || len(b.GetBatch()) == 0 {
		return nil, nil, false
	}
	var room [4 * 11]byte
	of := &coder{out: room[:0]}
	of.uint64(1, &b.FirstSeq)
	of.uint64(2, &b.LastSeq)
	of.out = protowire.AppendTag(of.out, 3, protowire.BytesType)
	of.out = protowire.AppendVarint(of.out, uint64(len(b.Batch)))
	head = protowire.AppendTag(make([]byte, 0, len(room)), 2, protowire.BytesType)
	head = protowire.AppendVarint(head, uint64(len(of.out)+len(b.Batch)))
	return append(head, of.out...), b.Batch, true
}
