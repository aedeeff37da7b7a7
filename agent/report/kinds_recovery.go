package report

// KindRecovery is one step of bringing a camera back: Recovery, in the event
// lane.
const KindRecovery = "recovery" // event: Recovery

// Steps of recovery, from the mildest.
const (
	RecoveryReconnect  = "reconnect"   // new sessions, as long as the fault lasts
	RecoveryTransport  = "transport"   // another transport
	RecoveryReboot     = "reboot"      // the camera was told to start again
	RecoveryPowerCycle = "power_cycle" // its power was cut and given back
)

// Results of a step.
const (
	RecoveryBegun  = "begun" // written before the camera is touched
	RecoveryDone   = "done"
	RecoveryFailed = "failed"
	RecoveryHealed = "healed" // the stream plays again; Step is the last that was taken
)

// Recovery is one step, or the end of the fault that it was for.
type Recovery struct {
	Stream  string `json:"stream"`
	Step    string `json:"step"`
	Result  string `json:"result"`
	Class   string `json:"class,omitempty"`  // of the failure, as in StreamState
	Cause   string `json:"cause,omitempty"`  // camera, power, network, credentials, board
	Detail  string `json:"detail,omitempty"` // for the technician
	FaultMS int64  `json:"fault_ms"`         // how long the fault had lasted
}
