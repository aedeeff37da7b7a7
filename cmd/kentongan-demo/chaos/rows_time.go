package main

var timeRows = []Row{
	{
		ID: "time-1", Fault: "a boot in 1970: no clock in the board",
		Holds: "order and numbers do not depend on the clock; TLS takes no time before the build or the last known one; a time service that was wrong is not believed for ever",
		How:   "stamps of 1970 and in disorder; a clock that says 1970 in a real TLS handshake; kept times that are damaged, old, or of 2099",
		Event: "`clock` with the offset of the boot, once the clock is set",
		Tests: []Test{{"agent/spool", "TestClockAt1970"}, {"agent/uplink", "TestTLS"}, {"agent", "TestKnownTime"}, {"agent", "TestTimeIsKeptOverAPowerCut"}},
		Quick: 16,
		Controls: []Control{{
			Out: "the least time that is believed", File: "agent/uplink/config.go",
			Old: "	if t := c.Now(); t.After(c.Floor) {\n", New: "	if t := c.Now(); t.After(c.Floor) || t.Year() < 2000 {\n",
			Test: "TestTLS", Says: "1970|not within",
		}, {
			Out: "the kept time", File: "agent/known.go",
			Old: "	if !k.kept.IsZero() {\n", New: "	if k.kept.Year() > 9000 {\n",
			Test: "TestKnownTime", Says: "want 2028",
		}},
	},
	{
		ID: "time-2", Fault: "the clock steps by ten years either way, to 1970 and back, while connected and while not",
		Holds: "presses leave as before; a clock that makes certificates look expired is named, and all arrives when it is right",
		How:   "the device's clock is stepped 14 times around a real TLS connection to Mosquitto",
		Event: "`clock` with the step; `uplink`, kind tls",
		Tests: []Test{{"agent/uplink", "TestClockStepsByTenYears"}, {"agent", "TestStepBetween"}},
		Quick: 20,
		Controls: []Control{{
			Out: "telling a step from time that passes", File: "agent/clock.go",
			Old: "now.Time.Round(0).Sub(last.Time.Round(0)) - (now.Uptime - last.Uptime)", New: "now.Time.Sub(now.Time) - (now.Uptime - last.Uptime) + last.Uptime*0",
			Test: "TestStepBetween", Says: "want a step",
		}},
	},
	{
		ID: "time-3", Fault: "orders under a wrong clock",
		Holds: "an order that has expired is not done; on a board without a clock nothing that leaves the house is done",
		How:   "clocks that are hours, a day, and fifty years off",
		Event: "`command`, rejected: expired, early, clock",
		Tests: []Test{{"agent/command", "TestOneResultForEachOrder"}, {"agent/command", "TestOrderHeldBackOnABoardWithoutAClock"}},
		Quick: 15,
		Controls: []Control{{
			Out: "the expiry of orders", File: "agent/command/command.go",
			Old: "	if !known.Before(o.Expires) {\n", New: "	if known.IsZero() {\n",
			Says: "want one: rejected expired",
		}},
	},
	{
		ID: "time-4", Fault: "the clock jumps during an update's trial",
		Holds: "a jump neither confirms nor undoes a version, and no date stops a device",
		How:   "trials over clocks of 1970 and 2099",
		Event: "`update`",
		Tests: []Test{{"firmware", "TestClockDoesNotStop"}},
		Quick: 1,
		Controls: []Control{{
			Out: "taking an unset clock for no reason to refuse", File: "firmware/check.go",
			Old: "	case !r.Expires.IsZero() && !now.Before(r.Expires):\n", New: "	case !r.Expires.IsZero() && (now.Year() < 2000 || !now.Before(r.Expires)):\n",
			Says: "1970|no clock",
		}},
	},
}
