package handler

import (
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// machine cuts a sample of a machine.
func (s *shortener) machine(m *bulkheadv1.Machine) {
	const name = protocol.MaxDeviceNameBytes
	list(s, "machine.file_systems", &m.FileSystems, protocol.MaxFileSystems)
	for _, f := range m.GetFileSystems() {
		s.path("machine.file_systems", &f.Path, &f.PathBytes)
		s.text("machine.file_systems.type", &f.Type, name)
		s.text("machine.file_systems.source", &f.Source, protocol.MaxMachineTextBytes)
		list(s, "machine.file_systems.devices", &f.Devices, protocol.MaxDevices)
		for _, d := range f.GetDevices() {
			s.text("machine.file_systems.devices.name", &d.Name, name)
		}
	}
	list(s, "machine.devices", &m.Devices, protocol.MaxDevices)
	for _, d := range m.GetDevices() {
		s.text("machine.devices.name", &d.Name, name)
		s.text("machine.devices.title", &d.Title, protocol.MaxDeviceTitleBytes)
	}
	list(s, "machine.processor_limits", &m.ProcessorLimits, protocol.MaxProcessorLimits)
	for _, l := range m.GetProcessorLimits() {
		s.text("machine.processor_limits.group", &l.Group, protocol.MaxMachineTextBytes)
	}
	list(s, "machine.interfaces", &m.Interfaces, protocol.MaxInterfaces)
	for _, i := range m.GetInterfaces() {
		s.text("machine.interfaces.name", &i.Name, name)
	}
	list(s, "machine.gaps", &m.Gaps, protocol.MaxMachineGaps)
	for _, g := range m.GetGaps() {
		s.text("machine.gaps.about", &g.About, protocol.MaxMachineTextBytes)
	}
}
