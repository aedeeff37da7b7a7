package alarm

import "kentongan/agent/report"

// Update is the source update: how new versions come.
const Update Kind = "update"

// updateRows are its conditions. Who looks counts days, so no delay is needed.
var updateRows = []Condition{
	{
		Kind: Update, Name: "update_stale", Severity: report.Warning,
		Text:   report.Text{ID: "Tidak ada rilis baru sejak lama", EN: "Nothing new for long"},
		Action: report.Text{ID: "Periksa apakah server rilis terjangkau dari perangkat ini dan apakah memang tidak ada yang baru; bila ada, seseorang menahannya.", EN: "See whether this device reaches the server of releases, and whether there is really nothing new; if there is, somebody keeps it from it."},
	},
}
