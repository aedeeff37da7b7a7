package main

var orderRows = []Row{
	{
		ID: "order-1", Fault: "configuration garbage: cut at any byte, any byte another one, noise, bombs of aliases, endless files",
		Holds: "refused with line, column and what to do, or taken; never a panic, and within a second",
		How:   "some 400 (make chaos: 1,300) texts made from a whole configuration; /dev/zero and others as the file",
		Event: "the program's error, exit status 2; of an ordered one the `command` result",
		Tests: []Test{{"agent/config", "TestGarbage"}, {"agent/config", "TestEndlessFile"}, {"agent/config", "TestLoadSaysWhatIsWrongWithTheFile"}},
		Quick: 250, Full: 1200,
		Controls: []Control{{
			Out: "refusing what is wrong", File: "agent/config/load.go",
			Old: "	c, problems := decode(file, data)\n	if err := problems.err(); err != nil {\n		return nil, err\n", New: "	c, problems := decode(file, data)\n	if err := problems.err(); err != nil && file == \"\" {\n		return nil, err\n",
			Says: "hardly anything is checked",
		}},
	},
	{
		ID: "order-2", Fault: "the centre orders a configuration that does not work",
		Holds: "the old one is back after five minutes, or five starts, without the centre",
		How:   "configurations with a broker that is not there",
		Event: "`command` failed, with why",
		Tests: []Test{{"agent", "TestOrderedConfigGoesBack"}, {"agent", "TestOrderedConfigGoesBackToTheLastGood"}, {"agent", "TestOrderedConfigIsChecked"}},
		Quick: 3,
		Controls: []Control{{
			Out: "going back", File: "agent/remoteconfig.go",
			Old: "	o.Now, o.Before, o.Trial = o.Before, nil, nil\n", New: "	o.Before, o.Trial = nil, nil\n",
			Says: "want|back|configuration|not",
		}},
	},
	{
		ID: "order-3", Fault: "replay of an order, also of one that was forgotten, also after the memory was lost",
		Holds: "done once; a replay is refused",
		How:   "the same bytes 20 times, after a restart, after 261 other orders, after a damaged memory",
		Event: "`command` rejected, replay",
		Tests: []Test{{"agent/command", "TestReplayOfAForgottenOrder"}, {"agent/command", "TestOneResultForEachOrder"}, {"agent/command", "TestLostMemory"}},
		Quick: 17,
		Controls: []Control{{
			Out: "the counter below which all is done", File: "agent/command/command.go",
			Old: "	case o.Counter <= r.memory.Floor:\n", New: "	case o.Counter == 0:\n",
			Says: "done .*results",
		}, {
			Out: "the memory of ids", File: "agent/command/command.go",
			Old: "	case r.memory.knows(o.ID):\n", New: "	case r.memory.knows(\"\"):\n",
			Test: "TestOneResultForEachOrder", Says: "want one|done",
		}},
	},
	{
		ID: "order-4", Fault: "forged orders, of another key, for another device or command, too large, noise for an hour",
		Holds: "nothing is done; one record a minute at most; a good order behind the noise is done",
		How:   "36,000 messages of a hostile broker",
		Event: "`command` rejected, with the count of the others",
		Tests: []Test{{"agent/command", "TestStrangersAreRefused"}, {"agent/command", "TestBrokerCanOnlyHoldBack"}},
		Quick: 2,
		Controls: []Control{{
			Out: "the bound of what strangers can make the device write", File: "agent/command/command.go",
			Old: "	if f.left == 0 {\n", New: "	if f.left < -1<<30 {\n",
			Says: "records in an hour of noise",
		}},
	},
	{
		ID: "order-5", Fault: "a disk that refuses while an order comes",
		Holds: "nothing is done without a memory of it; the centre repeats it",
		How:   "every write fails",
		Event: "`command`, when the disk takes again",
		Tests: []Test{{"agent/command", "TestDiskThatRefuses"}},
		Quick: 1,
		Controls: []Control{{
			Out: "not beginning what can't be remembered", File: "agent/command/command.go",
			Old: "		r.log.Error(\"order not begun\", \"cmd\", o.Name, \"id\", o.ID, \"err\", err)\n		return\n", New: "		r.log.Error(\"order not begun\", \"cmd\", o.Name, \"id\", o.ID, \"err\", err)\n",
			Says: "done without a memory|hangs|timed out|deadlock",
		}},
	},
	{
		ID: "order-6", Fault: "update tampering: flipped, cut, swapped, older, mixed, of another board, by too few keys",
		Holds: "refused with its code; the running version and the board's files are as before",
		How:   "some 35 bundles",
		Event: "`update` refused, with the code",
		Tests: []Test{{"firmware", "TestRefused"}, {"firmware", "TestKeysFollowEachOther"}},
		Quick: 35,
		Controls: []Control{{
			Out: "the number that never falls", File: "firmware/check.go",
			Old: "	case r.Number < floor.Number:\n", New: "	case r.Number < floor.Number && floor.Number == 0:\n",
			Says: "want a refusal",
		}, {
			Out: "the hash of the program", File: "firmware/unpack.go",
			Old: "	case out.n != p.Size || out.hex() != p.SHA256:\n", New: "	case out.n != p.Size && out.hex() != p.SHA256:\n",
			Says: "want a refusal",
		}},
	},
	{
		ID: "order-7", Fault: "a server of updates that is silent, cuts, lies about sizes or sends something else",
		Holds: "bounded in time and bytes; goes on where it was; nothing bad is handed over",
		How:   "HTTP servers that misbehave",
		Event: "`update` failed, with why",
		Tests: []Test{{"firmware/fetch", "TestServersThatMisbehave"}, {"firmware/fetch", "TestSilentServer"}},
		Quick: 2,
		Controls: []Control{{
			Out: "the bound of silence", File: "firmware/fetch/fetch.go",
			Old: "func() { cancel(fmt.Errorf(\"nothing came for %s\", f.Idle)) })", New: "func() {})",
			Test: "TestSilentServer", Says: "test timed out",
		}},
	},
}
